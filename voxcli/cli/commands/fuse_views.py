"""`voxcli fuse-views`: fuse several views of one scene or object into one volume. The type of the first input decides which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Annotated, Protocol

import typer

from voxcli import log
from voxcli.cli.framework import options
from voxcli.cli.framework.batch import check_policy, may_replace
from voxcli.cli.framework.inputs import expand
from voxcli.cli.framework.output import out
from voxcli.cli.framework.plans import ReadOptions, besides, print_item_plan
from voxcli.errors import UsageError
from voxcli.ops.limits import check_threshold

Method = Annotated[
    str | None,
    typer.Option(
        "--method", metavar="METHOD",
        help="Scenes: bayes (log-odds add up), vote (one view, one vote), mean (of probabilities). Objects: context (the network's "
        "scores), mean, max. Default: bayes, context.",
    ),
]  # fmt: skip
Becomes = Annotated[
    str | None, typer.Option("--as", metavar="KIND", help="voxels, points or mesh, where the output's format could hold several.")
]
Points = Annotated[int | None, typer.Option("--points", min=1, help="Points in each occupied cell of a surface (50).")]
ScoreMaps = Annotated[
    str | None, typer.Option("--score-maps", metavar="DIR", help="Also write the score of each cell in each view of an object.")
]
Cameras = Annotated[
    str | None,
    typer.Option("--cameras", metavar="FILE", help="Where the views stand: transforms.json, or files of COLMAP or their folder."),
]
CameraScale = Annotated[float | None, typer.Option("--camera-scale", help="Metres per unit of --cameras (1): COLMAP's unit is arbitrary.")]
Box = Annotated[
    tuple[float, float, float, float, float, float] | None,
    typer.Option("--box", metavar="X0 Y0 Z0 X1 Y1 Z1", help="Part of the world to fill; default: all that any view spans."),
]
Trust = Annotated[float | None, typer.Option("--trust", help="Probability of the stated class in views that hold labels alone (0.9).")]
Behind = Annotated[float | None, typer.Option("--behind", help="Weight of what a view says behind its own first surface, 0 to 1 (0.25).")]

Unseen = Annotated[
    str | None, typer.Option("--unseen", metavar="LABEL", help="What voxels are that no view sees: ignore (default) or empty.")
]


class _Given:
    def refuse(self, kind: str) -> None:
        """Raise UsageError for an option that is given, but means nothing for this kind of input."""
        for name, value in vars(self).items():
            if value not in (None, ()):
                raise UsageError(f"--{name.replace('_', '-')} means nothing for {kind}.", hint="The first input decides what is fused.")


@dataclass(frozen=True)
class ObjectFlags(_Given):
    """What concerns volumes of objects alone."""

    model: options.Model = None
    weights: options.Weights = None
    threshold: options.Threshold = None
    points: Points = None
    score_maps: ScoreMaps = None


@dataclass(frozen=True)
class SceneFlags(_Given):
    """What concerns scenes alone."""

    cameras: Cameras = None
    camera_scale: CameraScale = None
    resolution: options.Resolution = None
    box: Box = None
    trust: Trust = None
    behind: Behind = None
    unseen: Unseen = None


def fuse_views(
    sources: options.Sources,
    output: options.Output,
    method: Method = None,
    *,
    of_objects: ObjectFlags,
    of_scenes: SceneFlags,
    becomes: Becomes = None,
    device: options.Device = "auto",
    formats: options.Formats,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    dry_run: options.DryRun = False,
) -> None:
    """Fuse scenes of one place, or volumes of one object, into one voxel grid.

    Fruxel scenes seen by several cameras become labelled voxels (128 along the longest side, or --resolution). A view says most of the
    free space in front of its first surface and of that surface, little of what lies behind. Probabilities (`predict --probabilities`)
    are used where a scene holds them. Voxels that no view sees are marked as ignored, or as empty (--unseen). How far each view
    agrees with the result stands in the output's meta; -v prints it.

    Coarse volumes of several pictures of an object (`predict --coarse`) become the volume that `predict --views` makes of the pictures.
    Views are taken in the order of their names: however they are given, the same bytes are written.

    Examples:
        voxcli fuse-views left.npz right.npz -o fused.npz
        voxcli fuse-views left.npz right.npz --cameras transforms.json --method vote -o fused.glb
        voxcli fuse-views coarse/*.npz --weights object.safetensors --score-maps scores/ -o object.npz
    """
    from voxcli.files.registry import searched_extensions

    check_policy(overwrite, skip_existing)
    check_threshold(of_objects.threshold)
    found, _ = expand(sources, partial(searched_extensions, "fruxels"), leave_out=output)  # coarse volumes have the same formats
    paths = _in_order([each.path for each in found])
    _check_writable_kind(output, formats.format)
    replace = may_replace(output, overwrite, skip_existing)
    if replace is None:
        return None
    _check_output(output, replace)
    fusion = (_fusion_of_scenes if _holds_scenes(paths, formats, of_objects) else _fusion_of_objects)(method, of_scenes, of_objects, device)
    if dry_run:
        read = besides(cameras=of_scenes.cameras, weights=of_objects.weights)
        return print_item_plan(paths, [output], ReadOptions(formats.input_format, None, read))
    with log.timed("fusing"):
        return fusion(paths, output, becomes=becomes, formats=formats, overwrite=replace)


class Fusion(Protocol):
    """ReadOptions the files of views, fuses them and writes the result."""

    def __call__(self, sources: Sequence[str], target: str, *, becomes: str | None, formats: options.Formats, overwrite: bool) -> None: ...


def _fusion_of_scenes(method: str | None, of_scenes: SceneFlags, of_objects: ObjectFlags, device: str) -> Fusion:
    """A fusion of fruxel scenes. Raises UsageError for options that mean nothing for them, or are out of range."""
    from voxcli.cli.framework.fused_scenes import fuse_scene_files
    from voxcli.ops.scene_fusion import SceneFusion

    first = options.first
    of_objects.refuse("scenes")
    chosen = SceneFusion(
        method or "bayes", of_scenes.cameras, first(of_scenes.camera_scale, 1.0), first(of_scenes.resolution, 128), of_scenes.box or None,
        first(of_scenes.trust, 0.9), first(of_scenes.behind, 0.25), device, of_scenes.unseen or "ignore",
    )  # fmt: skip
    chosen.check()
    return partial(fuse_scene_files, options=chosen)


def _fusion_of_objects(method: str | None, of_scenes: SceneFlags, of_objects: ObjectFlags, device: str) -> Fusion:
    """A fusion of coarse volumes of one object. Raises UsageError for options that mean nothing for them."""
    from voxcli.cli.framework.fused_objects import ObjectFusion, fuse_object_files

    of_scenes.refuse("coarse volumes of objects")
    chosen = ObjectFusion(method or "context", device=device, **vars(of_objects))
    chosen.check()
    return partial(fuse_object_files, options=chosen)


def _in_order(paths: list[str]) -> list[str]:
    """The files in the order of their names. Raises UsageError where one is given twice."""
    seen: set[str] = set()
    for path in paths:
        place = path if path == "-" else os.path.realpath(path)
        if place in seen:
            raise UsageError(f"{path} is given twice.", hint="Name each view once.")
        seen.add(place)
    return sorted(paths, key=lambda path: (PurePath(path).name, path))


def _check_writable_kind(output: str, format: str | None) -> None:
    """Raise UsageError that lists the formats of volumes, for an extension that no format has."""
    from voxcli.files.registry import find_format
    from voxcli.ops.conversions import extensions_for
    from voxcli.scene import VoxelGrid

    find_format(output, format, choices=partial(extensions_for, VoxelGrid))


def _check_output(output: str, overwrite: bool) -> None:
    """Raise UsageError for an output that cannot be written. Called before anything is computed."""
    from voxcli.atomic import check_writable, refuse_existing

    if output == "-":
        return out.check_binary()
    if not overwrite:
        refuse_existing(output)
    return check_writable([output])


def _holds_scenes(paths: list[str], formats: options.Formats, of_objects: ObjectFlags) -> bool:
    """Whether the inputs are fruxel scenes, as the first of them. A pipe can be read only once: then the given flags decide."""
    from voxcli import files
    from voxcli.files.headers import header
    from voxcli.scene import FruxelGrid, VoxelGrid

    if "-" in paths:
        return of_objects == ObjectFlags()
    if (kind := header(paths[0], formats.input_format)["kind"]) in ("fruxels", "voxels"):
        return kind == "fruxels"
    return isinstance(files.read_as(paths[0], (FruxelGrid, VoxelGrid), format=formats.input_format), FruxelGrid)  # says what it is
