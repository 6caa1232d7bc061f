"""The one object that prints. Data go to stdout, messages to stderr.

Data are staged until `commit`, which `run` in app.py calls when the command has succeeded. A command that fails prints no data.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from voxcli import log
from voxcli.contents import check_stdout
from voxcli.errors import UsageError, printable, unknown_name

if TYPE_CHECKING:
    from rich import progress as bars
    from rich.console import Console

    from voxcli.provenance import Json

NONE = "-"
"""What stands in a table where there is no number."""

RECORD_FORMATS = ("table", "json", "jsonl", "csv", "tsv")


class OutputClosed(Exception):
    """The reader of stdout has closed it (`| head -1`). It is no OSError, which --keep-going would take for a failed item."""


STAGED = 16 << 20
"""Bytes of data that are kept in memory until the command has succeeded; more lie in a temporary file."""

LINE_SECONDS = 10.0
"""Between two lines of `-v` that say how far a loop has come, where no terminal shows a bar."""


class Progress:
    """How far a loop has come. Only a terminal shows it, or the lines of `-v`."""

    def __init__(self, bar: bars.Progress | None = None, task: bars.TaskID | None = None):
        self._bar, self._task = bar, task
        self.done = 0

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Count finished steps; `note` stands behind the bar (a loss, a file name)."""
        self.done += count
        if self._bar is not None and self._task is not None:
            if note is None:
                self._bar.update(self._task, advance=count)
            else:
                self._bar.update(self._task, advance=count, note=note)


class Output:
    """Prints data and messages. `quiet` hides notes and progress, but no warnings and errors. `verbose` adds details."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As at the start of a command: nothing staged, neither quiet nor verbose."""
        self.quiet = False
        self.verbose = 0
        self._staged: list[bytes] = []
        self._stored: IO[bytes] | None = None
        self._size = 0
        self._heard: list[str] | None = None
        self._console: Console | None = None

    @property
    def on_terminal(self) -> bool:
        """True where stdout is a terminal, so that a person reads it."""
        return sys.stdout is not None and sys.stdout.isatty()

    # -- data -------------------------------------------------------------------------------------------------------------------

    def data(self, text: str) -> None:
        """Stage text for stdout; a line break is added where it lacks one."""
        self._staged.append((text if text.endswith("\n") or not text else text + "\n").encode(errors="backslashreplace"))
        self._size += len(self._staged[-1])
        if self._size > STAGED:
            if self._stored is None:
                import tempfile

                self._stored = tempfile.TemporaryFile()  # noqa: SIM115 (it lives until `commit`)
            self._stored.writelines(self._staged)
            self._staged, self._size = [], 0

    def markdown(self, text: str) -> None:
        """Stage Markdown for stdout: formatted on a terminal, plain otherwise."""
        self.data(_formatted(text) if self.on_terminal else text)

    def check_binary(self) -> None:
        """Raise UsageError if stdout is a terminal. Called before the data are computed."""
        check_stdout()
        if self.on_terminal:
            raise UsageError("Binary data on a terminal would only garble it.", hint="Write to a file with -o FILE, or pipe the output.")

    def json(self, value: Json) -> None:
        """Stage one JSON document, indented for people."""
        self.data(_json(value, indent=2, allow_nan=False))

    def records(self, rows: Iterable[Mapping[str, Json]], format: str | None = None, columns: Sequence[str] | None = None) -> None:
        """Stage rows as a table, json, jsonl, csv or tsv. Default: a table on a terminal, JSON lines otherwise.

        columns: which keys, in which order, for table, csv and tsv (default: all, in order of appearance). JSON formats give every key.
        Where columns are given, and in JSON formats, rows may come one by one, and are not kept.
        """
        format = format or ("table" if self.on_terminal else "jsonl")
        if format not in RECORD_FORMATS:
            raise unknown_name("format", format, RECORD_FORMATS)
        if format == "json":
            self._json_list(rows)
        elif format == "jsonl":
            for row in rows:
                self.data(_json(row, allow_nan=False))
        else:
            rows = rows if columns else list(rows)
            names = list(columns) if columns else list(dict.fromkeys(key for row in rows for key in row))
            cells = ([row.get(name) for name in names] for row in rows)
            if format == "table":
                self.data(_table(names, list(cells)))
                return
            delimiter = "," if format == "csv" else "\t"
            self.data(_separated(names, delimiter))
            for each in cells:
                self.data(_separated([_cell(value, None, keep="\t") for value in each], delimiter))

    def _json_list(self, rows: Iterable[Mapping[str, Json]]) -> None:
        """As `json` has a list."""
        before, shown = "[\n", ""
        for row in rows:
            if shown:
                self.data(f"{before}{shown},")
                before = ""
            shown = "  " + _json(row, indent=2, allow_nan=False).replace("\n", "\n  ")
        self.data(f"{before}{shown}\n]" if shown else "[]")

    def commit(self) -> None:
        """Write what is staged to stdout. Raises OutputClosed if nobody reads any more."""
        staged, stored = self._staged, self._stored
        self._staged, self._stored, self._size = [], None, 0
        if not staged and stored is None:
            return
        check_stdout()
        try:
            if stored is not None:
                stored.seek(0)
                shutil.copyfileobj(stored, sys.stdout.buffer)
            for chunk in staged:
                sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise OutputClosed from error

    # -- talk -------------------------------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """A message of one line that -q hides."""
        if not self.quiet:
            self.message(printable(text))

    def detail(self, text: str) -> None:
        """A message of one line that only -v shows."""
        if self.verbose:
            self.message(printable(text))

    def warn(self, text: str) -> None:
        """A warning of one line. The work goes on."""
        self.message(f"warning: {printable(text)}")

    def error(self, text: str) -> None:
        """An error."""
        self.message(f"error: {text}")

    def message(self, text: str) -> None:
        """Text for stderr, above the progress bar if there is one. Its line breaks are its own; those of names have been escaped."""
        text = printable(text, keep="\n\t")
        if self._heard is not None:
            self._heard.append(text)
            return
        with suppress(BrokenPipeError, AttributeError):  # a closed stderr must not change what a command does
            if self._console is not None:
                self._console.print(text, markup=False, highlight=False, soft_wrap=True)
            else:
                sys.stderr.write(text + "\n")
                sys.stderr.flush()

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        """Keep what is meant for stderr: a worker hands it to its parent."""
        self._heard = []
        try:
            yield self._heard
        finally:
            self._heard = None

    @property
    def shows_progress(self) -> bool:
        """True where a bar may be drawn: stderr is a capable terminal and -q was not given."""
        return not self.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    @contextmanager
    def progress(self, total: int | None, label: str, lines: bool = True) -> Iterator[Progress]:
        """A progress bar on stderr for `total` steps (None = unknown), gone when done. Where there is no terminal, -v has a line every ten
        seconds in its place, unless the loop has `lines` of its own. -vv counts the time as that of `label`."""
        with log.timed(label), self._shown(total, label, lines) as progress:
            yield progress

    @contextmanager
    def _shown(self, total: int | None, label: str, lines: bool) -> Iterator[Progress]:
        if total == 1 or self._console is not None:
            yield Progress()
            return
        if not self.shows_progress:
            with self._lines(Progress(), total, label, lines) as progress:
                yield progress
            return
        from rich import progress as bars
        from rich.console import Console

        console = Console(stderr=True)
        columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeRemainingColumn(),
                   bars.TextColumn("{task.fields[note]}"))  # fmt: skip
        with bars.Progress(*columns, console=console, transient=True) as bar:
            self._console = console
            try:
                yield Progress(bar, bar.add_task(label, total=total, note=""))
            finally:
                self._console = None

    @contextmanager
    def _lines(self, progress: Progress, total: int | None, label: str, lines: bool) -> Iterator[Progress]:
        """A line every ten seconds, from a thread: an item may take longer."""
        if self.quiet or not self.verbose or not lines:
            yield progress
            return
        began, ended = time.monotonic(), threading.Event()

        def show_lines() -> None:
            while not ended.wait(LINE_SECONDS):
                of = "" if total is None else f" of {total}"
                self.note(f"{label}: {progress.done}{of} done, {time.monotonic() - began:.0f} s")

        thread = threading.Thread(target=show_lines, daemon=True)
        thread.start()
        try:
            yield progress
        finally:
            ended.set()
            thread.join()


def counted(number: int, thing: str) -> str:
    """A number with its noun: 1 scene, 2 scenes."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


class RepeatedWarnings:
    """Warnings of one kind about many inputs. The first three are shown, the others are counted at the end. -v shows all.

    kind: what the line of the count calls them.
    """

    def __init__(self, kind: str):
        self._kind, self._count = kind, 0

    def warn(self, text: str) -> None:
        """Show a warning, or count it."""
        self._count += 1
        if self._count <= 3 or out.verbose:
            out.warn(text)

    def __enter__(self) -> RepeatedWarnings:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._count > 3 and not out.verbose:
            out.warn(f"{self._kind}: in {self._count - 3} more inputs (-v names them).")


def _json_default(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy scalars and arrays, without importing NumPy
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _json(value: Json, **layout: Any) -> str:
    """JSON in which names of files are valid text: a byte that is no UTF-8 becomes what `printable` makes of it."""
    text = json.dumps(value, ensure_ascii=False, default=_json_default, **layout)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}" if found[0] < "\ud800" else printable(found[0]).replace("\\", r"\\"), text)


_UNSAFE = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON may hold, and a terminal or a parser of JSON should not be given."""


def _cell(value: Json, digits: int | None, keep: str = "") -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if digits is None else f"{value:.{digits}g}"
    if isinstance(value, (Mapping, list, tuple)):
        return _json(value)
    return printable(str(value), keep)


def _separated(cells: Sequence[str], delimiter: str) -> str:
    import csv

    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _formatted(text: str) -> str:
    from rich.console import Console
    from rich.markdown import Markdown

    shown = io.StringIO()
    Console(file=shown, force_terminal=True, legacy_windows=False).print(Markdown(text))
    return shown.getvalue()


def _table(names: Sequence[str], rows: Sequence[Sequence[Json]]) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = out.on_terminal
    text = io.StringIO()
    # A file or pipe has no width: a table asked for there is never folded.
    console = Console(file=text, force_terminal=terminal, width=None if terminal else 10_000, legacy_windows=False)
    numeric = [all(isinstance(row[i], (int, float)) or row[i] in (None, NONE) for row in rows) for i in range(len(names))]
    widths = [max(map(len, [name, *(_cell(row[i], 4) for row in rows)])) for i, name in enumerate(names)]
    # Words may be folded to a dozen letters, numbers never.
    least = [width if number else min(width, 12) for width, number in zip(widths, numeric, strict=True)]
    for columns in _blocks(least, console.width):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for i in columns:
            table.add_column(Text(names[i]), justify="right" if numeric[i] else "left", overflow="fold", min_width=least[i])
        for row in rows:
            table.add_row(*(Text(_cell(row[i], 4)) for i in columns))
        console.print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip()) + "\n"


def _blocks(widths: Sequence[int], width: int) -> list[list[int]]:
    """The columns of a table, three letters between them and one at each edge, in blocks that fit. The first column leads each."""
    blocks = [[0]] if widths else []
    for i in range(1, len(widths)):
        if len(blocks[-1]) > 1 and 2 + sum(widths[k] + 3 for k in blocks[-1]) + widths[i] > width:
            blocks.append([0])
        blocks[-1].append(i)
    return blocks


out = Output()
"""The one instance."""
