"""`voxcli synth rooms`: half-open rooms with shapes in them, as pix2scene is trained and scored on."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.data_folders import DataFolder, check_data_folder, fill_data_folder, names_of
from voxcli.cli.framework.plans import ReadOptions, besides


class Variant(str, enum.Enum):
    """The data sets of the paper's Tables 1 and 2."""

    box_translation = "box-translation"
    box_rotation = "box-rotation"
    shapes_rotation = "shapes-rotation"
    multiple_shapes = "multiple-shapes"


def rooms(
    output: DataFolder,
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
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    dry_run: options.DryRun = False,
) -> None:
    """Make rooms: pictures with exact depth and normals, camera, lights, material and the placed meshes.

    A cube half open, cameras on a sphere around it in the positive octant, light that fades with the square of the distance: equation (1)
    of pix2scene, to the last bit as render-surfels draws it. Scene k depends on the seed and k alone, whatever the number of workers. An
    interrupted data set goes on where it stopped: whole samples of the same options stay, with and without --skip-existing. --overwrite
    removes the data set that is there, of whatever options.

    Examples:
        voxcli synth rooms -o rooms/ --count 4 --size 64
        voxcli synth rooms -o views/ --count 2 --variant multiple-shapes --shapes torus,cone --turned --size 64
    """
    from voxcli.datasets.synthetic.rooms.dataset import RoomsGenerator
    from voxcli.datasets.synthetic.rooms.scenes import SHAPES, RoomsConfig
    from voxcli.datasets.synthetic.rooms.shapes import asset_categories

    check_data_folder(output, overwrite, skip_existing)
    if shapes is not None:
        chosen = names_of(shapes)
    elif variant.value.startswith("box"):
        chosen = ("box",)
    else:
        chosen = SHAPES if assets is None else asset_categories(assets)
    config = RoomsConfig(variant.value, chosen, point_lights, random_lights, turned, size)
    plan = ReadOptions(besides=besides(folder=assets)) if dry_run else None
    fill_data_folder(output, count, RoomsGenerator(seed, config, assets), workers, overwrite, plan)
