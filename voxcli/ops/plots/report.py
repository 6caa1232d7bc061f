"""Reports of several plots: one sheet as SVG or pixels, a page, lines for a terminal."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.ops.plots.charts import WIDTH
from voxcli.ops.plots.drawing import Drawing, Mark, SubDrawing, Text, pixels, svg
from voxcli.ops.viewer.templates import filled
from voxcli.provenance import Json
from voxcli.version import __version__

_GAP = 16
_UNEVEN = 60
"""The left column goes first unless it is longer by more."""
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Report:
    """facts: lines below the title. drawings: as wide as a chart, or as two. lines: what a terminal shows below the facts."""

    title: str
    facts: tuple[str, ...]
    drawings: tuple[Drawing, ...]
    lines: tuple[str, ...] = ()


def sheet_of(report: Report) -> Drawing:
    """The report as one drawing, charts in two columns."""
    columns = 2 if len(report.drawings) > 1 or any(each.width > WIDTH for each in report.drawings) else 1
    width = columns * WIDTH + (columns - 1) * _GAP
    marks: list[Mark] = [Text(12, 28, report.title, 18, bold=True)]
    marks += [Text(12, 52 + 18 * k, fact, 12, "soft") for k, fact in enumerate(report.facts)]
    ends = [52.0 + 18 * len(report.facts)] * columns
    for drawing in report.drawings:
        column = 0 if drawing.width > WIDTH else next(k for k, end in enumerate(ends) if end <= min(ends) + _UNEVEN)
        top = max(ends) if drawing.width > WIDTH else ends[column]
        marks.append(SubDrawing(column * (WIDTH + _GAP), top, drawing))
        if drawing.width > WIDTH:
            ends = [top + drawing.height + _GAP] * columns
        else:
            ends[column] = top + drawing.height + _GAP
    return Drawing(width, max(ends), report.title, marks)


def svg_of(report: Report, meta: Mapping[str, Json]) -> str:
    """The sheet as an SVG document that says how it was made."""
    head, _, rest = svg(sheet_of(report)).partition("\n")
    about = html.escape(json.dumps(meta, separators=(",", ":"), sort_keys=True), quote=False)
    return f"{head}\n<metadata>{about}</metadata>\n{rest}\n"


def picture_of_report(report: Report, size: int = WIDTH) -> np.ndarray:
    """The sheet on white, uint8 [H, W, 3]; size: pixels along the width of a chart."""
    return pixels(sheet_of(report), size / WIDTH)


def page_of_report(report: Report, meta: Mapping[str, Json]) -> str:
    """One page that holds all it needs and asks no network; dark and light."""
    figures = [
        f'<figure class="{"wide" if each.width > WIDTH else "chart"}">{svg(each, themed=True)}</figure>' for each in report.drawings
    ]  # fmt: skip
    texts = {
        "TITLE": html.escape(report.title), "VERSION": html.escape(__version__),
        "STYLE": (_HERE.parent / "viewer" / "theme.css").read_text(encoding="utf-8") + (_HERE / "report.css").read_text(encoding="utf-8"),
        "FACTS": "\n".join(f"<li>{html.escape(fact)}</li>" for fact in report.facts), "FIGURES": "\n".join(figures),
        "META": json.dumps(meta, separators=(",", ":"), sort_keys=True).replace("<", "\\u003c"),
    }  # fmt: skip
    return filled(_HERE / "report.html", texts)


def sparkline(numbers: list[float], width: int = 40) -> str:
    """Numbers as a line of blocks, from the least to the greatest.

    >>> sparkline([0.0, 1.0, 2.0, 7.0])
    '▁▂▃█'
    """
    if not numbers:
        return ""
    step = -(-len(numbers) // width)
    means = [sum(piece) / len(piece) for k in range(0, len(numbers), step) for piece in [numbers[k : k + step]]]
    low, high = min(means), max(means)
    return "".join("▁▂▃▄▅▆▇█"[min(7, int(8 * (each - low) / ((high - low) or 1.0)))] for each in means)
