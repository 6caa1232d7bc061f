"""`voxcli view`: a picture of any of our files, on disk or in the terminal."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.batch import items
from voxcli.cli.framework.output import out
from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.provenance import Json


def view(
    sources: options.Sources,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="OUTPUT", help="PNG, or folder for several inputs; none: a coarse picture in the terminal."),
    ] = None,
    size: Annotated[int, typer.Option("--size", min=16, max=4096, help="Pixels along the longer side of each view.")] = 320,
    threshold: options.Threshold = None,
    kind: options.Kind = None,
    format: Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="png: pictures are written in no other.")] = None,
    input_format: options.InputFormat = None,
    *,
    policy: options.Policy,
) -> None:
    """Draw a file: shaded views from its camera, from above and from the side, and a legend of its classes.

    Fruxels, voxels, meshes, scenes, points, depth, surfels and images. Without -o, on a terminal, a coarse picture is printed.

    Examples:
        voxcli view scene.npz -o scene.png
        voxcli view car.obj -o car.png --size 480
    """
    from voxcli import files

    if format is not None and format.lower().lstrip(".") != "png":
        raise UsageError(f"--format {format}: pictures are written as PNG.", hint="Leave out --format.")
    if output is None:
        _in_terminal(sources, threshold, kind, input_format)
        return
    from voxcli.files.registry import searched_extensions

    suffixes = partial(searched_extensions, name=input_format)
    with items(sources, output, suffixes=suffixes, target_suffix=".png", policy=policy, label="drawing") as todo:
        other = [item.target for item in todo.items if item.target != "-" and format is None and not item.target.lower().endswith(".png")]
        if other:
            raise UsageError(f"{other[0]}: pictures are written as PNG.", hint="Name a file with -o FILE.png.")
        from voxcli.ops.conversions import input_digests, with_provenance
        from voxcli.ops.picture import picture_of
        from voxcli.scene import Picture

        for chunk in todo.chunks(1):
            with todo.attempt(chunk[0]):
                thing = files.read(chunk[0].source, kind=kind, format=input_format)
                sheet = picture_of(thing, size, options.first(threshold, 0.5))
                form, replaces = "png" if output == "-" else format, policy.overwrite or chunk[0].broken
                recorded: dict[str, Json] = {"size": size, "threshold": threshold, "kind": kind}
                digests, source_meta = input_digests(chunk[0].source, thing), getattr(thing, "meta", None)
                made = with_provenance(Picture(sheet), "view", recorded, digests, source_meta=source_meta)
                files.write(chunk[0].target, made, format=form, overwrite=replaces)


def _in_terminal(sources: list[str], threshold: float | None, kind: str | None, input_format: str | None) -> None:
    import os
    import shutil

    from voxcli import files
    from voxcli.ops.picture import terminal_picture, views_of

    if not out.on_terminal:
        raise UsageError("There is no terminal to draw in.", hint="Name a picture with -o FILE.png.")
    for source in sources:
        thing = files.read(source, kind=kind, format=input_format)
        columns = min(shutil.get_terminal_size().columns, 100)
        colour = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        out.data(terminal_picture(views_of(thing, 256, options.first(threshold, 0.5))[0][1], columns, colour))
