"""`voxcli synth rooms`: half-open rooms with shapes in them, as pix2scene is trained and scored on."""

from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import Annotated

import typer

from voxcli.atomic import check_writable
from voxcli.cli.framework import options
from voxcli.cli.framework.output import counted, out
from voxcli.errors import UsageError


class Variant(str, enum.Enum):
    """The data sets of the paper's Tables 1 and 2."""

    box_translation = "box-translation"
    box_rotation = "box-rotation"
    shapes_rotation = "shapes-rotation"
    multiple_shapes = "multiple-shapes"


def rooms(
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="Folder of the data set; an unfinished one is completed.")],
    count: Annotated[int, typer.Option("--count", min=1, help="Scenes.")] = 100,
    seed: options.Seed = 0,
    variant: Annotated[Variant, typer.Option("--variant", help="What is drawn, as Tables 1 and 2 name it.")] = Variant.shapes_rotation,
    shapes: Annotated[
        str | None,
        typer.Option("--shapes", metavar="A,B", help="box, sphere, cone, torus, cylinder, teapot, or folders of --assets; default: all."),
    ] = None,
    assets: Annotated[
        str | None, typer.Option("--assets", metavar="DIR", help="One folder a category with meshes, such as ShapeNet's mugs and bowls.")
    ] = None,
    point_lights: Annotated[int, typer.Option("--point-lights", min=1, max=16, help="How many.")] = 3,
    random_lights: Annotated[
        bool, typer.Option("--random-lights", help="Draw lights for each scene, not once for all: the ablation of appendix B.")
    ] = False,
    turned: Annotated[
        bool, typer.Option("--turned", help="Add surfels of cameras turned by 5, 35, 55 and 80 degrees: the truth of Table 2.")
    ] = False,
    size: Annotated[int, typer.Option("--size", min=8, max=1024, help="Pixels of a side.")] = 128,
    workers: options.Workers = 1,
) -> None:
    """Make rooms: pictures with exact depth and normals, camera, lights, material and the placed meshes.

    A cube half open, cameras on a sphere around it in the positive octant, light that fades with the square of the distance: equation (1)
    of pix2scene, to the last bit as render-surfels draws it. Scene k depends on the seed and k alone, whatever the number of workers; an
    interrupted data set goes on where it stopped.

    Examples:
        voxcli synth rooms -o rooms/ --count 4 --size 64
        voxcli synth rooms -o views/ --count 2 --variant multiple-shapes --shapes torus,cone --turned --size 64
    """
    from voxcli.datasets.synthetic.rooms.dataset import write_dataset
    from voxcli.datasets.synthetic.rooms.scenes import SHAPES, RoomsConfig
    from voxcli.datasets.synthetic.rooms.shapes import asset_paths

    if output == "-" or (os.path.exists(output) and not os.path.isdir(output)):
        raise UsageError(f"{output} is no folder.", expected="-o DIR, a folder that is new or holds the same data set")
    check_writable([Path(output) / "meta.json"])
    if shapes is not None:
        chosen = tuple(name.strip() for name in shapes.split(",") if name.strip())
    elif variant.value.startswith("box"):
        chosen = ("box",)
    else:

        chosen = SHAPES if assets is None else tuple(asset_paths(Path(assets)))
    config = RoomsConfig(variant.value, chosen, point_lights, random_lights, turned, size)
    with out.progress(count, "scenes") as bar:
        seen = 0

        def show(done: int, total: int) -> None:
            nonlocal seen
            bar.advance(done - seen)
            seen = done

        made = write_dataset(output, count, seed, config, assets, workers, show)
    there = count - made
    out.note(f"{counted(made, 'scene')} made, {there} {'was' if there == 1 else 'were'} there: {output}")
