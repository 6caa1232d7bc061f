"""`voxcli fuse-views`: several views of one thing, fused into one volume."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from voxcli.cli import options
from voxcli.cli.fuse_scenes import SceneFusion, fuse_scene_files
from voxcli.cli.inputs import expand
from voxcli.cli.output import out
from voxcli.errors import UsageError

SUFFIXES = (".npz", ".h5")


class Method(str, enum.Enum):
    """How views are weighed against each other."""

    bayes = "bayes"
    vote = "vote"
    mean = "mean"


def fuse_views(
    sources: options.Sources,
    output: options.Output,
    method: Annotated[
        Method, typer.Option("--method", help="bayes: log-odds add up; vote: one view, one vote; mean: of the probabilities.")
    ] = Method.bayes,
    cameras: Annotated[
        str | None,
        typer.Option("--cameras", metavar="FILE", help="Where the views stand: transforms.json, or COLMAP text files or their folder."),
    ] = None,
    camera_scale: Annotated[float, typer.Option("--camera-scale", help="Metres per unit of --cameras: COLMAP's unit is arbitrary.")] = 1.0,
    resolution: options.Resolution = 128,
    box: Annotated[
        tuple[float, float, float, float, float, float] | None,
        typer.Option("--box", metavar="X0 Y0 Z0 X1 Y1 Z1", help="Part of the world to fill; default: all that any view spans."),
    ] = None,
    trust: Annotated[float, typer.Option("--trust", help="Probability of the stated class in views that hold labels alone.")] = 0.9,
    behind: Annotated[float, typer.Option("--behind", help="Weight of what a view says behind its own first surface, 0 to 1.")] = 0.25,
    becomes: Annotated[
        str | None, typer.Option("--as", metavar="KIND", help="voxels, points or mesh, where the output's format could hold several.")
    ] = None,
    device: options.Device = "cpu",
    format: options.Format = None,
    input_format: options.InputFormat = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    dry_run: options.DryRun = False,
) -> None:
    """Fuse fruxel scenes of one place, seen by several cameras, into one labelled voxel grid.

    A view says most of the free space in front of its first surface and of that surface, little of what lies behind. Probabilities
    (`predict --probabilities`) are used where a scene holds them. Voxels that no view sees are marked as ignored. How far each view
    agrees with the result stands in the output's meta; -v prints it.

    Examples:
        voxcli fuse-views left.npz right.npz -o fused.npz
        voxcli fuse-views left.npz right.npz --cameras transforms.json --method vote -o fused.glb
    """
    from voxcli.files.atomic import refuse_existing

    if overwrite and skip_existing:
        raise UsageError("--overwrite and --skip-existing contradict each other.", hint="Give one of them.")
    wanted = SceneFusion(
        method.value, cameras, camera_scale, options.first(resolution, 128), box, trust, behind, device
    )
    wanted.check()
    found, _ = expand(sources, SUFFIXES, leave_out=output)
    if output == "-":
        out.check_binary()
    elif skip_existing and _exists(output):
        return out.note(f"skipped: {output} exists.")
    elif not overwrite:
        refuse_existing(output)
    if dry_run:
        return out.data(f"{', '.join(each.path for each in found)} -> {output}")
    return fuse_scene_files(
        [each.path for each in found], output, wanted, becomes=becomes, format=format, input_format=input_format, overwrite=overwrite
    )


def _exists(path: str) -> bool:
    import os

    return os.path.lexists(path)
