"""`voxcli view`: a picture or a page of any of our files, on disk or in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.batch import items
from voxcli.cli.framework.output import out
from voxcli.errors import UsageError, printable, unknown_name

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Item
    from voxcli.provenance import Json
    from voxcli.scene import SceneType


@dataclass(frozen=True)
class _Request:
    """The flags that pictures and pages are made by. truth: the second file of a comparison."""

    size: int
    threshold: float | None
    kind: str | None
    input_format: str | None
    views: tuple[str, ...] = ()
    picture: str | None = None
    truth: str | None = None

    def read(self, source: str) -> SceneType:
        from voxcli import files

        return files.read(source, kind=self.kind, format=self.input_format)

    @property
    def recorded(self) -> dict[str, Json]:
        return {"threshold": self.threshold, "kind": self.kind}


def view(
    sources: options.Sources,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="OUTPUT",
                     help="PNG, HTML page, or folder for several inputs; none: a coarse picture in the terminal."),
    ] = None,
    size: Annotated[int, typer.Option("--size", min=16, max=4096, help="Pixels along the longer side of each view of a PNG.")] = 320,
    views: Annotated[
        str | None,
        typer.Option("--views", metavar="NAMES",
                     help="Views of a PNG, of camera, oblique, front, left and top; default: camera (or oblique), left and top."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser; without -o, one in the folder of temporary files.")
    ] = False,
    picture: Annotated[
        str | None,
        typer.Option("--picture", metavar="FILE", help="Picture beside the scene of a page; default: the one that its file names."),
    ] = None,
    threshold: options.Threshold = None,
    kind: options.Kind = None,
    format: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="png or html, where the output's name does not tell.")
    ] = None,
    input_format: options.InputFormat = None,
    *,
    policy: options.Policy,
) -> None:
    """Show a file: as a page to turn and cut in any browser, or as a picture from its camera, the left and the top.

    Fruxels, voxels, meshes, scenes, points, depth, surfels; pictures of images, too. A page holds all that it needs, and asks no network.
    Two files and -o FILE.html: a prediction beside its truth; grids of the same cells are compared. Without -o, on a terminal, a coarse
    picture is printed; --open shows the page instead.

    Examples:
        voxcli view scene.npz -o scene.html
        voxcli view pred.npz scene.npz -o compare.html
        voxcli view car.obj -o car.png --size 480 --views oblique,front
    """
    form = None if format is None else format.lower().lstrip(".")
    if form not in (None, "png", "html"):
        raise UsageError(f"--format {format}: what is shown is a PNG or a page.", hint="Use --format png or html, or leave it out.")
    names = _view_names(views)
    if output is None and show:
        output = _temporary_page(sources[0])
    if output is None:
        _in_terminal(sources, _Request(256, threshold, kind, input_format, names))
        return
    from voxcli.files.registry import searched_extensions

    named = output.lower().endswith(".html")
    paged = form == "html" or (form is None and named)
    if picture is not None and not paged:
        raise UsageError("--picture belongs to a page.", hint="Write one: -o FILE.html.")
    if show and not (named and paged):
        raise UsageError("--open shows one page.", hint="Write one: -o FILE.html, or leave -o out.")
    if names and paged:
        raise UsageError("--views belongs to a picture.", hint="A page has them all. Write a picture: -o FILE.png.")
    truth = sources[1] if paged and len(sources) == 2 and (named or output == "-") else None
    request = _Request(size, threshold, kind, input_format, names, picture, truth)
    suffixes, suffix = partial(searched_extensions, name=input_format), ".html" if paged else ".png"
    with items(sources[:1] if truth else sources, output, suffixes=suffixes, target_suffix=suffix, policy=policy, label="drawing") as todo:
        other = [item.target for item in todo.items if item.target != "-" and form is None and not item.target.lower().endswith(suffix)]
        if other:
            raise UsageError(f"{other[0]}: what is shown is a PNG or a page.", hint="Name a file with -o FILE.png or -o FILE.html.")
        if picture is not None and len(todo) > 1:
            raise UsageError("--picture belongs to one scene.", actual=f"{len(todo)} inputs")
        for chunk in todo.chunks(1):
            with todo.attempt(chunk[0]):
                draw = _write_page if paged else partial(_write_sheet, form=form)
                draw(chunk[0], request, policy.overwrite or chunk[0].broken)
                if show:
                    _open(chunk[0].target)


def _view_names(text: str | None) -> tuple[str, ...]:
    """The views of --views. Raises UsageError for an unknown one."""
    from voxcli.ops.viewpoints import OWN, VIEWS

    names = tuple(name.strip().lower() for name in text.split(",")) if text else ()
    for name in names:
        if name not in (OWN, *VIEWS):
            raise unknown_name("view", name, (OWN, *VIEWS))
    return names


def _temporary_page(source: str) -> str:
    """A name in a fresh folder of temporary files: a browser that is still open reads it later."""
    import tempfile
    from pathlib import Path

    return str(Path(tempfile.mkdtemp(prefix="voxcli-")) / f"{Path(source).stem.strip('-') or 'page'}.html")


def _open(target: str) -> None:
    import webbrowser
    from pathlib import Path

    if not webbrowser.open(Path(target).absolute().as_uri()):
        out.warn(f"no browser was found; open {target} yourself.")


def _write_sheet(item: Item, request: _Request, replaces: bool, form: str | None) -> None:
    """A picture of several views."""
    from voxcli import files
    from voxcli.ops.conversions import input_digests, with_provenance
    from voxcli.ops.picture import picture_of
    from voxcli.scene import Picture

    thing = request.read(item.source)
    sheet = picture_of(thing, request.size, options.first(request.threshold, 0.5), request.views)
    digests, source_meta = input_digests(item.source, thing), getattr(thing, "meta", None)
    recorded = request.recorded | {"size": request.size, "views": request.views or None}
    made = with_provenance(Picture(sheet), "view", recorded, digests, source_meta=source_meta)
    files.write(item.target, made, format="png" if item.target == "-" else form, overwrite=replaces)


def _write_page(item: Item, request: _Request, replaces: bool) -> None:
    """A page to turn a thing in, or two."""
    from pathlib import Path

    from voxcli import files
    from voxcli.atomic import atomic_write_bytes
    from voxcli.ops.conversions import input_digests
    from voxcli.ops.viewer.beside import picture_beside
    from voxcli.ops.viewer.page import Shown, page_of
    from voxcli.provenance import make_meta
    from voxcli.scene import Picture

    shown: list[Shown] = []
    digests: dict[str, str] = {}
    for source in [item.source] if request.truth is None else [item.source, request.truth]:
        thing = request.read(source)
        digests |= input_digests(source, thing)
        given = None if request.picture is None or shown else files.read_as(request.picture, Picture)
        own = picture_beside(source, thing) if request.picture is None else given
        shown.append(Shown(thing, "stdin" if source == "-" else printable(Path(source).name), own))
    if request.picture is not None:
        digests |= input_digests(request.picture, None)
    meta = make_meta("page", "view", request.recorded, digests, None, "world", "m")
    page, reason = page_of(shown[0], shown[1] if len(shown) > 1 else None, options.first(request.threshold, 0.5), meta)
    if reason is not None:
        out.warn(f"not compared: {reason.partition('Pass --')[0].strip()}")
    if item.target == "-":
        out.data(page)
    else:
        atomic_write_bytes(item.target, page.encode(), replaces)


def _in_terminal(sources: list[str], request: _Request) -> None:
    import os
    import shutil

    from voxcli.ops.picture import terminal_picture, views_of

    if not out.on_terminal:
        raise UsageError("There is no terminal to draw in.", hint="Name a picture with -o FILE.png, or a page with -o FILE.html.")
    for source in sources:
        thing = request.read(source)
        columns = min(shutil.get_terminal_size().columns, 100)
        colour = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        drawn = views_of(thing, request.size, options.first(request.threshold, 0.5), request.views, most=1)
        out.data(terminal_picture(drawn[0][1], columns, colour))
