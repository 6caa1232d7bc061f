"""`voxcli sample`: scenes of random latent codes, and those between two pictures."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from voxcli import log
from voxcli.cli.framework import options, written
from voxcli.cli.framework.plans import ReadOptions, besides, print_item_plan
from voxcli.errors import UsageError
from voxcli.models.base import MakesScenes
from voxcli.models.registry import able

if TYPE_CHECKING:
    from voxcli.provenance import Json


def sample(
    output: options.Output,
    model: options.Model = able(MakesScenes)[0],
    weights: options.Weights = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1024, help="Scenes, or steps between two pictures.")] = 16,
    seed: options.Seed = 0,
    interpolate: Annotated[
        tuple[str, str] | None,
        typer.Option("--interpolate", metavar="A.png B.png", help="From the scene of one picture to that of another."),
    ] = None,
    kind: Annotated[str | None, typer.Option("--class", metavar="NAME", help="Class of the scenes; default: all in turn.")] = None,
    shown: Annotated[Literal["shaded", "depth", "normals"], typer.Option("--as", help="What to show of each scene.")] = "shaded",
    camera: options.Camera = None,
    device: options.Device = "auto",
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
) -> None:
    """Make scenes of random latent codes, and show them as one picture (.png), side by side.

    Each is seen from a place that the training data has, or all from the place of --camera. Scene k of a seed is the same however many
    there are. With --interpolate, the latent codes of two pictures and of those between them on a straight line, both ends included.

    Examples:
        voxcli sample -m pix2scene -n 16 -o grid.png
        voxcli sample -m pix2scene -n 7 --interpolate a.png b.png -o between.png
    """
    if output != "-" and not output.lower().endswith(".png"):
        raise UsageError(f"{output}: samples are shown as a picture.", expected="-o FILE.png")
    if interpolate is not None and kind is not None:
        raise UsageError("--interpolate and --class contradict each other.", hint="Give one of them.")
    makers = able(MakesScenes)
    name = model or makers[0]
    if name not in makers:
        raise UsageError(f"{name} makes no scenes of its own.", hint=f"Use -m {' or '.join(makers)}.")
    from voxcli import files
    from voxcli.atomic import refuse_existing
    from voxcli.backend import pick_device
    from voxcli.models.registry import load_network, weights_of
    from voxcli.ops.cameras import camera_for
    from voxcli.ops.conversions import with_provenance
    from voxcli.ops.samples import picture_of_scenes, random_scenes, scenes_between
    from voxcli.provenance import sha256_file
    from voxcli.scene import Picture

    path = weights_of(name, weights)
    if output != "-" and not overwrite:
        refuse_existing(output)
    if dry_run:
        return print_item_plan(interpolate or (), [output], ReadOptions(besides=besides(weights=path, camera=camera)))
    where = pick_device(device)
    maker = load_network(name, path, str(where))
    assert isinstance(maker, MakesScenes)
    with log.timed("drawing"):
        if interpolate is None:
            scenes = random_scenes(maker, count, seed, kind, None if camera is None else camera_for(camera, ""))
        else:
            views = [(files.read_as(each, Picture), None if camera is None else camera_for(camera, each)) for each in interpolate]
            scenes = scenes_between(maker, views, count)
        picture = picture_of_scenes(maker, list(scenes), shown)
    recorded: dict[str, Json] = {"model": name, "count": count, "as": shown, "class": kind, "camera": camera and PurePath(camera).name}
    digests = {path: sha256_file(path) for path in (*(interpolate or ()), *([camera] if camera else []))}
    made = with_provenance(picture, "sample", recorded, digests, seed, sha256_file(path))
    written.write(output, made, format="png" if output == "-" else None, overwrite=overwrite)
    return None
