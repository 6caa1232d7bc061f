"""`voxcli view`: a picture or a page of any of our files, on disk or in the terminal; plots of scores and trainings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from voxcli.cli.framework import options, written
from voxcli.cli.framework.batch import items
from voxcli.cli.framework.output import out
from voxcli.cli.framework.plans import ReadOptions, besides
from voxcli.cli.framework.reports import print_report, reported, write_report
from voxcli.errors import DataError, UsageError, printable, unknown_name

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Item
    from voxcli.provenance import Json
    from voxcli.scene import SceneType

_FORMS = ("png", "html", "gif", "apng", "svg")
_MOVING = ("gif", "apng")
_SHEET, _TURNTABLE = 512, 256
"""Pixels along the longer side of a view."""
_FRAMES, _MOST_FRAMES = 24, 720


@dataclass(frozen=True)
class _Request:
    """The flags that pictures and pages are made by. truth: the second file of a comparison. frames: of a turntable, else 0."""

    size: int
    threshold: float | None
    kind: str | None
    input_format: str | None
    views: tuple[str, ...] = ()
    picture: str | None = None
    truth: str | None = None
    frames: int = 0

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
        typer.Option(
            "--output",
            "-o",
            metavar="OUTPUT",
            help="PNG, HTML page, GIF turntable, SVG of plots, or folder for several; none: a coarse picture in the terminal.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            min=16,
            max=4096,
            show_default=False,
            help="Pixels along the longer side of each view, or plot; default: 512 in a PNG, 256 in a GIF, 560 of plots.",
        ),
    ] = None,
    views: Annotated[
        str | None,
        typer.Option(
            "--views",
            metavar="NAMES",
            help="Views of a PNG, of camera, oblique, front, left and top; default: camera (or oblique), left and top. Of a GIF "
            "the number of frames; default: 24.",
        ),
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
        str | None, typer.Option("--format", metavar="FORMAT", help="png, html, gif or svg, where the output's name does not tell.")
    ] = None,
    input_format: options.InputFormat = None,
    *,
    policy: options.Policy,
) -> None:
    """Show a file: as a page to turn and cut in any browser, or as a picture from its camera, the left and the top.

    Fruxels, voxels, meshes, scenes, points, depth, surfels; pictures of images, too. A page holds all that it needs, and asks no network.
    Two files and one -o FILE.html or .png: a prediction beside its truth; grids of the same cells are compared. -o FILE.gif: a turntable.
    Without -o, on a terminal, a coarse picture is printed; --open shows the page instead.

    Metric records (.jsonl, .json, .csv, .tsv), folders of evaluate and run folders of train become plots: FILE.html, FILE.png or FILE.svg.

    Examples:
        voxcli view scene.npz -o scene.html
        voxcli view pred.npz scene.npz -o compare.html
        voxcli view scores.jsonl -o scores.html
    """
    form = _form(format, output)
    asked = reported(sources, input_format)
    if output is None and show:
        output, form = _temporary_page(sources[0]), "html"
    if asked is not None:
        given = {"--threshold": threshold, "--kind": kind, "--picture": picture, "--views": views}
        if odd := next((flag for flag, value in given.items() if value), None):
            raise UsageError(f"{odd} says nothing about scores and trainings.", hint="Leave it out.")
        if show and form != "html":
            raise UsageError("--open shows one page.", hint="Write one: -o FILE.html, or leave -o out.")
        if output is None:
            print_report(asked)
        elif write_report(asked, output, form if format or _ends(output, form) else "", size, policy) and show:
            _open(output)
        return
    if output is None:
        _in_terminal(sources, _Request(256, threshold, kind, input_format, _view_names(views)))
        return
    from voxcli.files.registry import searched_extensions

    named = _ends(output, form)
    if form == "svg":
        raise UsageError(f"{output}: SVG is for plots of scores and trainings.", hint="Write a picture, -o FILE.png, or a page, FILE.html.")
    if picture is not None and form != "html":
        raise UsageError("--picture belongs to a page.", hint="Write one: -o FILE.html.")
    if show and not (named and form == "html"):
        raise UsageError("--open shows one page.", hint="Write one: -o FILE.html, or leave -o out.")
    if views and form == "html":
        raise UsageError("--views belongs to a picture.", hint="A page has them all. Write a picture: -o FILE.png.")
    if form == "gif" and len(sources) > 1 and named:
        raise UsageError(f"{output}: a turntable is of one thing.",
                         hint="A page or a PNG shows two: -o FILE.html. Of each a GIF: -o DIR/ --format gif.")  # fmt: skip
    _check_two(sources, output, named)
    truth = sources[1] if form in ("html", "png") and len(sources) == 2 and named else None
    frames = _frames(views) if form in _MOVING else 0
    names = () if frames else _view_names(views)
    request = _Request(size or (_TURNTABLE if frames else _SHEET), threshold, kind, input_format, names, picture, truth, frames)
    suffixes, suffix = partial(searched_extensions, name=input_format), f".{form}"
    reads, shown = ReadOptions(input_format, kind, besides(truth=truth, picture=picture), part="fruxels"), sources[:1] if truth else sources
    with items(shown, output, suffixes=suffixes, target_suffix=suffix, policy=policy, label="drawing", reads=reads) as todo:
        other = [item.target for item in todo.items if item.target != "-" and format is None and not item.target.lower().endswith(suffix)]
        if other:
            raise UsageError(f"{other[0]}: what is shown is a PNG, a page or a GIF.",
                             hint="Name a file with -o FILE.png, FILE.html or FILE.gif.")  # fmt: skip
        if picture is not None and len(todo) > 1:
            raise UsageError("--picture belongs to one scene.", actual=f"{len(todo)} inputs")
        for chunk in todo.chunks(1):
            with todo.attempt(chunk[0]):
                draw = _write_page if form == "html" else partial(_write_sheet, form=form)
                draw(chunk[0], request, policy.overwrite or chunk[0].broken)
                if show:
                    _open(chunk[0].target)


def _form(format: str | None, output: str | None) -> str:
    """What is written, one of _FORMS. Raises UsageError for another one."""
    form = format.lower().lstrip(".") if format else output.lower().rpartition(".")[2] if output else ""
    if form not in _FORMS and format:
        raise UsageError(f"--format {format}: what is shown is a PNG, a page, a GIF or, of scores and trainings, an SVG.",
                         hint=f"Use --format with one of {', '.join(_FORMS)}, or leave it out.")  # fmt: skip
    return form if form in _FORMS else "png"


def _ends(output: str, form: str) -> bool:
    """Whether an output is one file of that form, or stdout."""
    return output == "-" or output.lower().endswith(f".{form}")


def _check_two(sources: list[str], output: str, named: bool) -> None:
    """Raise UsageError where folders, or more than two files, are to be compared: two files are, a prediction and its truth."""
    import os

    folders = [source for source in sources if os.path.isdir(source)]
    compared = len(sources) > 1 and folders if named else len(sources) == 2 and len(folders) == 2 and _share_names(*folders)
    if compared or (named and len(sources) > 2):
        given = f"folders {' and '.join(folders)}" if folders else f"{len(sources)} inputs, and -o {output} is one file"
        raise UsageError("A comparison takes exactly two files: a prediction and its truth.", actual=given,
                         hint="Each alone: one folder and -o FOLDER/. Folders are scored by `voxcli metrics iou PRED/ TRUTH/ --format jsonl"
                         " > scores.jsonl`; `voxcli view scores.jsonl -o scores.html` shows scores, the best and the worst.")  # fmt: skip


def _share_names(one: str, other: str) -> bool:
    """Whether files of two folders would have the same output."""
    from voxcli.cli.framework.inputs import expand
    from voxcli.files.registry import searched_extensions

    names = [{each.name for each in expand([folder], searched_extensions, None, True, "fruxels")[0]} for folder in (one, other)]
    return bool(names[0] & names[1])


def _frames(views: str | None) -> int:
    """The frames of a turntable that --views asks for."""
    if views is None:
        return _FRAMES
    if not views.isdecimal() or not 2 <= int(views) <= _MOST_FRAMES:
        raise UsageError("--views of a turntable is its number of frames.", expected=f"2 to {_MOST_FRAMES}", actual=views)
    return int(views)


def _view_names(text: str | None) -> tuple[str, ...]:
    """The views of --views. Raises UsageError for an unknown one."""
    from voxcli.ops.viewpoints import OWN, VIEWS

    names = tuple(name.strip().lower() for name in text.split(",")) if text else ()
    for name in names:
        if name.isdecimal():
            raise UsageError(f"--views {text}: a number of frames belongs to a turntable.", hint="Write one: -o FILE.gif.")
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


def _write_sheet(item: Item, request: _Request, replaces: bool, form: str) -> None:
    """A picture of several views, of one thing or of two, or a turntable."""
    from voxcli.ops.conversions import input_digests, with_provenance
    from voxcli.ops.picture import picture_of
    from voxcli.scene import Animation, Picture

    thing, threshold = request.read(item.source), options.first(request.threshold, 0.5)
    digests, source_meta = input_digests(item.source, thing), getattr(thing, "meta", None)
    recorded = request.recorded | {"size": request.size, "views": request.frames or request.views or None}
    made: Picture | Animation
    if request.frames:
        from voxcli.ops.turntable import turntable_of

        made = turntable_of(thing, request.frames, request.size, threshold)
    elif request.truth is not None:
        from voxcli.ops.comparison import comparison_of

        truth = request.read(request.truth)
        digests, source_meta = digests | input_digests(request.truth, truth), None
        _say_of_other_pictures([item.source, request.truth], [thing, truth])
        titles = _titles(item.source, request.truth)
        sheet, reason = comparison_of(thing, truth, request.size, threshold, request.views, titles)
        _say_why_not_compared(reason)
        made = Picture(sheet)
    else:
        made = Picture(picture_of(thing, request.size, threshold, request.views))
    made = with_provenance(made, "view", recorded, digests, source_meta=source_meta)
    written.write(item.target, made, format=form, overwrite=replaces)


def _titles(*sources: str) -> list[str]:
    """What a picture or a page calls its sources: their names, with their folders where names are alike."""
    from pathlib import Path

    names = ["stdin" if source == "-" else printable(Path(source).name) for source in sources]
    return names if len(set(names)) == len(names) else [printable(str(Path(*Path(source).parts[-2:]))) for source in sources]


def _say_of_other_pictures(sources: list[str], things: list[SceneType]) -> None:
    from voxcli.ops.viewer.beside import of_other_pictures

    if of_other_pictures(sources, things):
        out.warn(f"{' and '.join(sources)} are of different pictures.")


def _say_why_not_compared(reason: str | None) -> None:
    if reason is not None:
        stated = reason.partition("Pass --")[0].splitlines()
        out.warn(f"not compared: {'; '.join(line.strip().rstrip('.') for line in stated if line.strip())}.")


def _write_page(item: Item, request: _Request, replaces: bool) -> None:
    """A page to turn a thing in, or two."""
    from voxcli import files
    from voxcli.atomic import atomic_write_bytes
    from voxcli.ops.conversions import input_digests
    from voxcli.ops.viewer.beside import picture_beside
    from voxcli.ops.viewer.page import PageItem, page_of
    from voxcli.provenance import make_meta
    from voxcli.scene import Picture

    shown: list[PageItem] = []
    digests: dict[str, str] = {}
    sources = [item.source] if request.truth is None else [item.source, request.truth]
    for source, title in zip(sources, _titles(*sources), strict=True):
        thing = request.read(source)
        if isinstance(thing, Picture) and request.truth is not None:
            other = next(each for each in sources if each != source)
            raise DataError(f"{source} is a picture: there is nothing to turn in it.", expected=f"a scene or shape beside {other}",
                            hint=f"The picture of a scene is shown beside it by --picture {source}.")  # fmt: skip
        digests |= input_digests(source, thing)
        given = None if request.picture is None or shown else files.read_as(request.picture, Picture)
        own = picture_beside(source, thing) if request.picture is None else given
        shown.append(PageItem(thing, title, own))
    if request.picture is not None:
        digests |= input_digests(request.picture, None)
    if request.truth is not None:
        _say_of_other_pictures([item.source, request.truth], [each.thing for each in shown])
    meta = make_meta("page", "view", request.recorded, digests, None, "world", "m")
    page, reason = page_of(shown[0], shown[1] if len(shown) > 1 else None, options.first(request.threshold, 0.5), meta)
    _say_why_not_compared(reason)
    if item.target == "-":
        out.data(page)
    else:
        atomic_write_bytes(item.target, page.encode(), replaces)
        written.add(item.target, f"page of {' and '.join(each.name for each in shown)}, {len(page) / 1e6:.1f} MB")


def _in_terminal(sources: list[str], request: _Request) -> None:
    import os
    import shutil

    from voxcli.cli.framework.inputs import expand
    from voxcli.files.registry import searched_extensions
    from voxcli.ops.picture import terminal_picture, views_of

    if not out.on_terminal:
        raise UsageError("There is no terminal to draw in.", hint="Name a picture with -o FILE.png, or a page with -o FILE.html.")
    for each in expand(sources, partial(searched_extensions, name=request.input_format), part="fruxels")[0]:
        thing = request.read(each.path)
        columns = min(shutil.get_terminal_size().columns, 100)
        colour = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        drawn = views_of(thing, request.size, options.first(request.threshold, 0.5), request.views, most=1)
        out.data(terminal_picture(drawn[0][1], columns, colour))
