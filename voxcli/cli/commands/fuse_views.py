"""`voxcli fuse-views`: fuse several views of one scene or object into one volume. The type of the first input decides which."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.inputs import expand
from voxcli.cli.framework.output import out
from voxcli.errors import UsageError
from voxcli.ops.limits import check_threshold

if TYPE_CHECKING:
    from voxcli.provenance import Json

SUFFIXES = (".npz", ".h5")


def fuse_views(
    sources: options.Sources,
    output: options.Output,
    method: Annotated[
        str | None,
        typer.Option(
            "--method", metavar="METHOD",
            help="Scenes: bayes (log-odds add up), vote (one view, one vote), mean (of probabilities). Objects: context (the network's "
            "scores), mean, max. Default: bayes, context.",
        ),
    ] = None,
    model: options.Model = None,
    weights: options.Weights = None,
    threshold: options.Threshold = None,
    points: Annotated[int | None, typer.Option("--points", min=1, help="Points in each occupied cell of a surface (50).")] = None,
    score_maps: Annotated[
        str | None, typer.Option("--score-maps", metavar="DIR", help="Also write the score of each cell in each view of an object.")
    ] = None,
    cameras: Annotated[
        str | None,
        typer.Option("--cameras", metavar="FILE", help="Where the views stand: transforms.json, or COLMAP text files or their folder."),
    ] = None,
    camera_scale: Annotated[
        float | None, typer.Option("--camera-scale", help="Metres per unit of --cameras (1): COLMAP's unit is arbitrary.")
    ] = None,
    resolution: options.Resolution = None,
    box: Annotated[
        tuple[float, float, float, float, float, float] | None,
        typer.Option("--box", metavar="X0 Y0 Z0 X1 Y1 Z1", help="Part of the world to fill; default: all that any view spans."),
    ] = None,
    trust: Annotated[
        float | None, typer.Option("--trust", help="Probability of the stated class in views that hold labels alone (0.9).")
    ] = None,
    behind: Annotated[
        float | None, typer.Option("--behind", help="Weight of what a view says behind its own first surface, 0 to 1 (0.25).")
    ] = None,
    becomes: Annotated[
        str | None, typer.Option("--as", metavar="KIND", help="voxels, points or mesh, where the output's format could hold several.")
    ] = None,
    device: options.Device = "auto",
    format: options.Format = None,
    input_format: options.InputFormat = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    dry_run: options.DryRun = False,
) -> None:
    """Fuse scenes of one place, or volumes of one object, into one voxel grid.

    Fruxel scenes seen by several cameras become labelled voxels (128 along the longest side, or --resolution). A view says most of the
    free space in front of its first surface and of that surface, little of what lies behind. Probabilities (`predict --probabilities`)
    are used where a scene holds them. Voxels that no view sees are marked as ignored. How far each view agrees with the result stands in
    the output's meta; -v prints it.

    Coarse volumes of several pictures of an object (`predict --coarse`) become the volume that `predict --views` makes of the pictures.
    Views are taken in the order of their names: however they are given, the same bytes are written.

    Examples:
        voxcli fuse-views left.npz right.npz -o fused.npz
        voxcli fuse-views left.npz right.npz --cameras transforms.json --method vote -o fused.glb
        voxcli fuse-views coarse/*.npz --weights object.safetensors --score-maps scores/ -o object.npz
    """
    if overwrite and skip_existing:
        raise UsageError("--overwrite and --skip-existing contradict each other.", hint="Give one of them.")
    of_scenes = {"--cameras": cameras, "--camera-scale": camera_scale, "--resolution": resolution, "--box": box or None, "--trust": trust,
                 "--behind": behind}  # fmt: skip
    of_objects = {"--model": model, "--weights": weights, "--threshold": threshold, "--points": points,
                  "--score-maps": score_maps}  # fmt: skip
    check_threshold(threshold)
    found, _ = expand(sources, SUFFIXES, leave_out=output)
    paths = _in_order([each.path for each in found])
    _check_writable_kind(output, format)
    if skip_existing and output != "-" and os.path.lexists(output):
        return out.note(f"skipped: {output} exists.")
    _check_output(output, overwrite)
    if _holds_scenes(paths, input_format, of_objects):
        from voxcli.cli.framework.fused_scenes import fuse_scene_files
        from voxcli.ops.scene_fusion import SceneFusion

        _refuse("scenes", of_objects)
        first = options.first
        numbers = (first(camera_scale, 1.0), first(resolution, 128), box or None, first(trust, 0.9), first(behind, 0.25))
        scene_options = SceneFusion(method or "bayes", cameras, *numbers, device)
        scene_options.check()
        if not dry_run:
            return fuse_scene_files(
                paths, output, scene_options, becomes=becomes, format=format, input_format=input_format, overwrite=overwrite
            )
    else:
        from voxcli.cli.framework.fused_objects import ObjectFusion, fuse_object_files

        _refuse("coarse volumes of objects", of_scenes)
        object_options = ObjectFusion(method or "context", model, weights, threshold, score_maps, device, points)
        object_options.check()
        if not dry_run:
            return fuse_object_files(
                paths, output, object_options, becomes=becomes, format=format, input_format=input_format, overwrite=overwrite
            )
    return out.data(f"{', '.join(paths)} -> {output}")


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
    from voxcli.files.registry import find_format, formats_writing
    from voxcli.scene import Mesh, PointCloud, VoxelGrid

    find_format(output, format, choices=partial(formats_writing, VoxelGrid, Mesh, PointCloud))


def _check_output(output: str, overwrite: bool) -> None:
    """Raise UsageError for an output that cannot be written. Called before anything is computed."""
    from voxcli.atomic import check_writable, refuse_existing

    if output == "-":
        return out.check_binary()
    if not overwrite:
        refuse_existing(output)
    return check_writable([output])


def _holds_scenes(paths: list[str], input_format: str | None, of_objects: Mapping[str, Json]) -> bool:
    """Whether the inputs are fruxel scenes, as the first of them. A pipe can be read only once: then the given flags decide."""
    from voxcli import files
    from voxcli.scene import FruxelGrid, VoxelGrid

    if "-" in paths:
        return all(value is None for value in of_objects.values())
    return isinstance(files.read_as(paths[0], (FruxelGrid, VoxelGrid), format=input_format), FruxelGrid)


def _refuse(kind: str, flags: Mapping[str, Json]) -> None:
    """Raise UsageError for a given flag, which means nothing for this kind of input."""
    for flag, value in flags.items():
        if value is not None:
            raise UsageError(f"{flag} means nothing for {kind}.", hint="The first input decides what is fused.")
