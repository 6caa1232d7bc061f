"""Pictures of results: strips of input, prediction and truth, the sheet of them, and a plot of each table as SVG."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from voxcli.evaluation.samples import ScoredSample
from voxcli.evaluation.tables import FilledTable, shown
from voxcli.metrics.iqtt import Answers
from voxcli.ops.picture import framed
from voxcli.ops.picture import sheet as captioned
from voxcli.ops.plots.charts import HUES
from voxcli.ops.plots.drawing import Box, Dot, Drawing, Line, Mark, Text, svg
from voxcli.scene import Picture, Surfels

SIDE = 200
"""Pixels of a picture's side in a strip."""

MOST_INPUTS = 6
"""Pictures of one sample that are drawn: Occ3D has as many cameras."""

_GREYS = ("#8b929b", "#b4bac1", "#6a717b", "#d2d6da", "#4f5660", "#a0a6ae")
_RIGHT, _WRONG = (84, 162, 75), (228, 87, 86)


def strip(found: ScoredSample) -> np.ndarray:
    """Input, prediction and truth of a sample side by side with captions, uint8 [H, W, 3]; white where one is missing or shows nothing.

    Each picture is SIDE pixels wide. Of several pictures the first MOST_INPUTS are drawn. Of surfels the picture as the network draws it
    comes second, and the depths of prediction and truth come last (pix2scene, Figures 4 to 6 and 14 to 16). Of a question the reference,
    the three choices, and what the network makes of the reference (Figures 10 and 11); the right choice has a green frame, a wrong answer a
    red one.
    """
    cells: list[tuple[str, np.ndarray]] = []
    if isinstance(found.truth, Answers):
        captions = ("reference", "choice 1", "choice 2", "choice 3", "reference, drawn", "its depth")
        cells = [(caption, framed(Picture(each), SIDE)) for caption, each in zip(captions, found.more, strict=False)]
        if isinstance(found.prediction, Answers) and cells:
            _frame(cells[1 + int(found.prediction.answers[0])][1], _WRONG)
        if cells:
            _frame(cells[1 + int(found.truth.answers[0])][1], _RIGHT)
    else:
        assert not isinstance(found.prediction, Answers)
        given = found.inputs.pictures if found.inputs is not None else []
        cells = [(f"input {k} of {len(given)}" if len(given) > 1 else "input", framed(each, SIDE))
                 for k, each in enumerate(given[:MOST_INPUTS], 1)] or [("input: none", framed(None, SIDE))]  # fmt: skip
        cells += [("prediction, drawn", framed(Picture(each), SIDE)) for each in found.more]
        pair = (("prediction", found.prediction), ("truth", found.truth))
        cells += [(name if thing is not None else f"{name}: none", framed(thing, SIDE)) for name, thing in pair]
        if isinstance(found.truth, Surfels):
            cells += [(f"{name}, depth", framed(thing, SIDE, 1)) for name, thing in pair]
    line = found.line
    words = [f"{name} {shown(record['value'], 3)}" for name, record in line["records"].items()]
    title = ", ".join([" ".join(each for each in (line["variant"], line["category"], line["name"]) if each), *words])
    return captioned([cells or [("none", framed(None, SIDE))]], (), title)


def _frame(tile: np.ndarray, colour: tuple[int, int, int]) -> None:
    """A frame around a tile, in place."""
    for edge in (tile[:3], tile[-3:], tile[:, :3], tile[:, -3:]):
        edge[:] = colour


def chosen(count: int, wanted: int) -> list[int]:
    """Which of `count` samples are drawn: `wanted` of them, spread evenly.

    >>> chosen(10, 3)
    [0, 3, 6]
    """
    return sorted({k * count // min(count, wanted) for k in range(min(count, wanted))}) if count and wanted else []


def plot(filled: FilledTable) -> str:
    """A table as SVG: lines over variants, else bars of each column, a colour a row, published ones in greys.

    Upright lines are standard errors over samples, where there are any.
    """
    table, rows = filled.table, [row for row in filled.rows if any(value is not None for value in row.cells.values())]
    values = [value + (row.errors.get(column) or 0.0) for row in rows for column, value in row.cells.items() if value is not None]
    if not values:
        return ""
    width, height, left, bottom = 960, 360, 60, 60
    top = max(values) * 1.08 or 1.0
    step = (width - left - 20) / len(filled.columns)
    level = height - bottom

    def y(value: float) -> float:
        return level - max(0.0, value) / top * (level - 40)

    tones = {published: itertools.cycle(_GREYS if published else HUES) for published in (True, False)}
    colours = [next(tones[row.published]) for row in rows]
    marks: list[Mark] = [Text(left, 20, table.title, 14)]
    for k in range(5):
        mark = top * k / 4
        marks += [Line([(left, y(mark)), (width - 20, y(mark))]), Text(left - 6, y(mark) + 4, f"{mark:.3g}", 11, anchor="end")]
    for n, column in enumerate(filled.columns):
        middle = left + (n + 0.5) * step
        marks.append(Text(middle, level + 16, column, 11, anchor="middle"))
        bar = step * 0.8 / len(rows)
        for k, (row, colour) in enumerate(zip(rows, colours, strict=True)):
            value, error = row.cells.get(column), row.errors.get(column)
            if value is None:
                continue
            words = f"{row.name}, {column}: {shown(value, table.decimals)}"
            x = middle if table.over == "variants" else middle - step * 0.4 + (k + 0.45) * bar
            if table.over == "variants":
                marks.append(Dot(x, y(value), 3, colour, words))
            else:
                marks.append(Box(x - 0.45 * bar, y(value), bar * 0.9, level - y(value), colour, words))
            if error:
                marks.append(Line([(x, y(value - error)), (x, y(value + error))], "ink"))
    for row, colour in zip(rows, colours, strict=True) if table.over == "variants" else ():
        places = [(left + (n + 0.5) * step, y(v)) for n, c in enumerate(filled.columns) if (v := row.cells.get(c)) is not None]
        marks.append(Line(places, colour, 2))
    for k, (row, colour) in enumerate(zip(rows, colours, strict=True)):
        marks += [Box(left, height + 20 * k - 10, 12, 12, colour), Text(left + 18, height + 20 * k, row.title, 11)]
    return svg(Drawing(width, height + 20 * len(rows), table.title, marks)) + "\n"


def sheet(strips: Sequence[np.ndarray]) -> np.ndarray:
    """Strips one below the other, uint8 [H, W, 3]; narrower ones are filled up with white."""
    width = max(strip.shape[1] for strip in strips)
    whole = [np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0)), constant_values=255) for strip in strips]
    return np.concatenate(whole, 0)
