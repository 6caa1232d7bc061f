"""`voxcli sample`: scenes of random latent codes, and those between two pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.output import out
from voxcli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from voxcli.models.base import MakesScenes
    from voxcli.provenance import Json
    from voxcli.scene import Surfels

_TILE = 128  # least pixels of a scene in the picture


@dataclass(frozen=True)
class SampleRequest:
    """The scenes of one call: count random ones of a seed and a class, or count steps between two pictures; seen from a camera's place."""

    count: int
    seed: int
    interpolate: tuple[str, str] | None
    class_name: str | None
    shown: Literal["shaded", "depth", "normals"]
    camera: str | None


def sample(
    output: options.Output,
    model: options.Model = "pix2scene",
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
    from voxcli.models.base import MakesScenes
    from voxcli.models.registry import able

    if output != "-" and not output.lower().endswith(".png"):
        raise UsageError(f"{output}: samples are shown as a picture.", expected="-o FILE.png")
    if interpolate is not None and kind is not None:
        raise UsageError("--interpolate and --class contradict each other.", hint="Give one of them.")
    makers = able(MakesScenes)
    name = model or makers[0]
    if name not in makers:
        raise UsageError(f"{name} makes no scenes of its own.", hint=f"Use -m {' or '.join(makers)}.")
    if dry_run:
        out.data(output)
    else:
        _make(name, output, weights, SampleRequest(count, seed, interpolate, kind, shown, camera), device, overwrite)


def _make(name: str, output: str, weights: str | None, request: SampleRequest, device: str, overwrite: bool) -> None:
    from voxcli import files
    from voxcli.atomic import refuse_existing
    from voxcli.backend import pick_device
    from voxcli.models.base import MakesScenes
    from voxcli.models.registry import load_network, weights_of
    from voxcli.ops.conversions import with_provenance
    from voxcli.provenance import sha256_file
    from voxcli.scene import Picture

    path = weights_of(name, weights)
    if output != "-" and not overwrite:
        refuse_existing(output)
    where = pick_device(device)
    if device == "auto":
        out.detail(f"device: {where}")
    predictor = load_network(name, path, str(where))
    assert isinstance(predictor, MakesScenes)
    picture = Picture(_sheet(predictor, list(_scenes(predictor, request)), request.shown))
    camera = request.camera
    recorded: dict[str, Json] = {
        "model": name, "count": request.count, "as": request.shown, "class": request.class_name, "camera": camera and PurePath(camera).name,
    }  # fmt: skip
    digests = {path: sha256_file(path) for path in (*(request.interpolate or ()), *([camera] if camera else [])) if path != "-"}
    made = with_provenance(picture, "sample", recorded, digests, request.seed, sha256_file(path))
    files.write(output, made, format="png" if output == "-" else None, overwrite=overwrite)


def _scenes(predictor: MakesScenes, request: SampleRequest) -> Iterator[Surfels]:
    from voxcli import files
    from voxcli.geometry.cameras import inverse_rigid
    from voxcli.ops.cameras import camera_for
    from voxcli.scene import Picture

    camera = request.camera
    if request.interpolate is None:
        eye = None if camera is None else inverse_rigid(camera_for(camera, "").world_to_cam)[:3, 3]
        yield from predictor.sample(request.count, request.seed, eye, request.class_name)
        return
    found = []
    for source in request.interpolate:
        found.append(predictor.scene_of(files.read_as(source, Picture), None if camera is None else camera_for(camera, source)))
    eye = inverse_rigid(found[0].camera.world_to_cam)[:3, 3]
    yield from predictor.interpolate(found[0], found[1], request.count, eye)


def _sheet(predictor: MakesScenes, scenes: list[Surfels], shown: str) -> np.ndarray:
    """All scenes side by side, uint8 [H, W, 3]. Depths share one scale."""
    import numpy as np
    import torch

    from voxcli.geometry.map_pictures import depth_picture, enlarged, normal_picture
    from voxcli.ops.rendering import side_by_side

    if shown == "shaded":
        tiles = [predictor.picture_of(scene).rgb for scene in scenes]
    elif shown == "normals":
        tiles = [normal_picture(torch.from_numpy(scene.normals).movedim(-1, 0)) for scene in scenes]
    else:
        depths = [scene.depth for scene in scenes]
        near, far = float(np.nanmin(depths)), float(np.nanmax(depths))
        tiles = [depth_picture(torch.from_numpy(depth), near, far) for depth in depths]
    return side_by_side([enlarged(tile, _TILE) for tile in tiles])
