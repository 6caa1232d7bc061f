"""What `voxcli info` says of what is made to be looked at, and of checkpoints: pages, plots, tables of scores."""

from __future__ import annotations

import csv
import html
import io
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli.files.guard import bytes_within, claim, parse_json, parsing

if TYPE_CHECKING:
    from voxcli.provenance import Json

Facts = dict[str, "Json"]

_MOST = 24
"""Items of a list that are told."""


def finder(suffix: str, start: Callable[[], bytes]) -> Callable[[str], Facts] | None:
    """What tells the facts of a file that ends and begins so; None for other programs' files. start: gives the beginning."""
    own = _OWN.get(suffix)
    return own[1] if own is not None and own[0].search(start()) else None


def page_facts(path: str) -> Facts:
    """A page of `voxcli view`: its title, what stands on it and how it was made."""
    text = _text(path)
    told = re.search(r'<script type="application/json" id="(data|meta)">(.*?)</script>', text, re.DOTALL)
    with parsing(path, "a page of voxcli"):
        if told is None:
            raise ValueError("it has no facts of its own")
        data = parse_json(told[2], path)
        found: Facts = {"kind": "page", "title": _first(r"<title>(.*?)</title>", text)}
        if told[1] == "meta":
            return found | {"facts": _all(r"<li>(.*?)</li>", text), "plots": _all(r'<svg [^>]*aria-label="(.*?)"', text), "meta": data}
        if not isinstance(data, dict) or not isinstance(panes := data.get("panes"), list):
            raise ValueError("it shows nothing")
        found["shows"] = [{key: pane.get(key) for key in ("title", "facts")} for pane in panes if isinstance(pane, dict)]
        legend, scores = data.get("legend"), data.get("scores")
        found["classes"] = [each.get("name") for each in legend if isinstance(each, dict)][:_MOST] if isinstance(legend, list) else []
        if isinstance(scores, dict):
            pairs = [scores.get("main"), *(more if isinstance(more := scores.get("more"), list) else [])]
            found["scores"] = {str(pair[0]): pair[1] for pair in pairs if isinstance(pair, list) and len(pair) == 2}
        return found | {"meta": data.get("meta")}


def plot_facts(path: str) -> Facts:
    """A plot or a sheet of plots, of `voxcli view` or `voxcli evaluate`: its title and size, and how it was made."""
    text = _text(path)
    meta = re.search(r"<metadata>(.*?)</metadata>", text[:100_000], re.DOTALL)
    size = re.search(r'width="(\d+)" height="(\d+)"', text[:400])
    found: Facts = {"kind": "plot", "title": _first(r'aria-label="(.*?)"', text[:2000]), "width": int(size[1]) if size else None,
                    "height": int(size[2]) if size else None}  # fmt: skip
    if plots := _all(r'font-size="14" font-weight="600"[^>]*>(.*?)</text>', text):
        found["plots"] = plots
    return found | ({"meta": parse_json(html.unescape(meta[1]), path)} if meta else {})


def tables_facts(path: str) -> Facts:
    """The tables of `voxcli evaluate` as Markdown, LaTeX or CSV: the columns and methods of each."""
    text, suffix = _text(path), Path(path).suffix.lower()
    tables: dict[str, tuple[list[str], list[str]]] = {}
    with parsing(path, "a table of scores"):
        rows = _rows_of_csv(text) if suffix == ".csv" else _rows_of_lines(text, "|" if suffix == ".md" else "&")
        for title, head, name in rows:
            columns, methods = tables.setdefault(title, ([], []))
            columns += [each for each in head if each not in columns]
            methods += [name] if name and name not in methods else []
    shown: dict[str, Json] = {title: {"columns": list(columns), "methods": list(names)} for title, (columns, names) in tables.items()}
    heading = _first(r"^# (.*)", text) if suffix == ".md" else None
    return {"kind": "tables", **({"title": heading} if heading else {}), "tables": shown}


def _rows_of_csv(text: str) -> Iterable[tuple[str, list[str], str]]:
    for row in csv.DictReader(io.StringIO(text), strict=True):
        yield row["table"], [row["column"]], row["method"]


def _rows_of_lines(text: str, between: str) -> Iterable[tuple[str, list[str], str]]:
    """(title of the table, columns, name of the method) of each row; the first of a table has the columns, and no name."""
    title, inside = "", False
    for line in text.splitlines():
        if found := re.match(r"(?:##|%) (.*)", line):
            title, inside = found[1], False
        elif line.startswith(("|---", "\\begin")) or between not in line:
            continue
        else:
            cells = [
                re.sub(r"\\([&%$#_{}|])", r"\1", each.strip()) for each in re.split(rf"(?<!\\){re.escape(between)}", line.strip("| \\"))
            ]
            yield (title, [], cells[0]) if inside else (title, [each for each in cells if each not in _ASIDE], "")
            inside = True


_ASIDE = ("method", "samples", "missing", "failed")
"""Columns that are no scores."""


def table_facts(path: str) -> Facts:
    """A table that a command printed (`--format table`): its columns and rows; of the scores of one pair, their values."""
    head, _, *rows = _text(path).splitlines()
    columns: list[Json] = [each for each in re.split(r"\s{2,}", head.strip()) if each]
    if columns != ["what", "value"]:
        return {"kind": "table", "columns": columns, "rows": len(rows)}
    pairs = [re.split(r"\s{2,}", row.strip(), maxsplit=1) for row in rows]
    return {"kind": "table", "values": {pair[0]: pair[1] if len(pair) > 1 else None for pair in pairs}}


def checkpoint_facts(path: str) -> Facts:
    """A checkpoint of a training, or a plain dictionary of tensors. Tensors, plain containers and numbers are read, and nothing is run."""
    from voxcli.models.checkpoints import named_tensors, read_checkpoint

    claim(path, os.path.getsize(path), "holds")
    state = read_checkpoint(path)
    network = state.get("network", state)
    found: Facts = {"bytes": os.path.getsize(path), "numbers": sum(each.numel() for each in named_tensors(network).values())}
    if "network" not in state or "step" not in state:
        return {"kind": "tensors", "tensors": len(named_tensors(network)), **found}
    recipe, best = state.get("recipe"), state.get("best")
    model = recipe.get("model") if isinstance(recipe, dict) else None
    step = state["step"]
    return {
        "kind": "checkpoint", "model": model if isinstance(model, str) else None, "step": step if isinstance(step, int) else None,
        "best": {key: each for key, each in best.items() if isinstance(each, (int, float))} if isinstance(best, dict) else None, **found,
    }  # fmt: skip


_OWN = {
    ".html": (re.compile(rb'<meta name="generator" content="voxcli '), page_facts),
    ".svg": (re.compile(rb'^<svg xmlns="http://www.w3.org/2000/svg" viewBox="[^"]*" width="\d+" [^>]* aria-label='), plot_facts),
    ".md": (re.compile(rb"^# .*\n\n(?s:.*?)\n## "), tables_facts),
    ".tex": (re.compile(rb"^% .*\n\\begin\{tabular\}"), tables_facts),
    ".csv": (re.compile(rb"^table,method,published,column,value,"), tables_facts),
    ".txt": (re.compile("^ .*\n (?:\u2500){4}".encode()), table_facts),
    ".pt": (re.compile(rb""), checkpoint_facts),
    ".pth": (re.compile(rb""), checkpoint_facts),
}
"""Suffix -> how a file of ours begins, and what tells its facts."""


def _text(path: str) -> str:
    with parsing(path, "a text in UTF-8"):
        return bytes_within(path).decode("utf-8")


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return html.unescape(found[1]) if found else None


def _all(pattern: str, text: str) -> list[Json]:
    return [html.unescape(each[1]) for _, each in zip(range(_MOST), re.finditer(pattern, text), strict=False)]
