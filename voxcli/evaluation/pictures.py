"""Pictures of results: strips of input, prediction and truth, the sheet of them, and a plot of each table as SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxcli.evaluation.samples import ScoredSample
from voxcli.evaluation.tables import FilledTable, shown
from voxcli.metrics.iqtt import Answers
from voxcli.ops.picture import framed
from voxcli.ops.plots.charts import HUES
from voxcli.ops.plots.drawing import Box, Dot, Drawing, Line, Mark, Text, svg
from voxcli.scene import Picture, Surfels

SIDE = 200
"""Pixels of a picture's side in a strip."""

_GREY = "#c8ccd0"
_RIGHT, _WRONG = (84, 162, 75), (228, 87, 86)


def strip(found: ScoredSample) -> np.ndarray:
    """Input, prediction and truth of a sample side by side, uint8 [SIDE, n * SIDE, 3]; white where one is missing or shows nothing.

    Of surfels the picture as the network draws it comes second, and the depths of prediction and truth come last (pix2scene, Figures 4 to 6
    and 14 to 16). Of a question the reference, the three choices, and what the network makes of the reference (Figures 10 and 11); the
    right choice has a green frame, a wrong answer a red one.
    """
    if isinstance(found.truth, Answers):
        tiles = [framed(Picture(each), SIDE) for each in found.more]
        if isinstance(found.prediction, Answers) and tiles:
            _frame(tiles[1 + int(found.prediction.answers[0])], _WRONG)
        if tiles:
            _frame(tiles[1 + int(found.truth.answers[0])], _RIGHT)
        return np.concatenate(tiles or [framed(None, SIDE)], 1)
    assert not isinstance(found.prediction, Answers)
    pictures = [found.inputs.pictures[0] if found.inputs is not None else None, *map(Picture, found.more), found.prediction, found.truth]
    tiles = [framed(thing, SIDE) for thing in pictures]
    if isinstance(found.truth, Surfels):
        tiles += [framed(thing, SIDE, 1) for thing in (found.prediction, found.truth)]
    return np.concatenate(tiles, 1)


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
    """A table as SVG: lines over variants, else bars of each column, a colour a row; published rows are grey tones where there are many."""
    table, rows = filled.table, [row for row in filled.rows if any(value is not None for value in row.cells.values())]
    values = [value for row in rows for value in row.cells.values() if value is not None]
    if not values:
        return ""
    width, height, left, bottom = 960, 360, 60, 60
    top = max(values) * 1.08 or 1.0
    step = (width - left - 20) / len(filled.columns)
    level = height - bottom

    def y(value: float) -> float:
        return level - max(0.0, value) / top * (level - 40)

    ours = [row.name for row in rows if not row.published]
    colour = {row.name: HUES[ours.index(row.name) % len(HUES)] if not row.published else _GREY for row in rows}
    marks: list[Mark] = [Text(left, 20, table.title, 14)]
    for k in range(5):
        mark = top * k / 4
        marks += [Line([(left, y(mark)), (width - 20, y(mark))]), Text(left - 6, y(mark) + 4, f"{mark:.3g}", 11, anchor="end")]
    for n, column in enumerate(filled.columns):
        middle = left + (n + 0.5) * step
        marks.append(Text(middle, level + 16, column, 11, anchor="middle"))
        bar = step * 0.8 / len(rows)
        for k, row in enumerate(rows if table.over != "variants" else ()):
            value = row.cells.get(column)
            if value is not None:
                words = f"{row.name}, {column}: {shown(value, table.decimals)}"
                marks.append(Box(middle - step * 0.4 + k * bar, y(value), bar * 0.9, level - y(value), colour[row.name], words))
    for row in rows if table.over == "variants" else ():
        places = [(left + (n + 0.5) * step, y(v)) for n, c in enumerate(filled.columns) if (v := row.cells.get(c)) is not None]
        marks.append(Line(places, colour[row.name], 2))
        marks += [Dot(x, height_of, 3, colour[row.name]) for x, height_of in places]
    for k, row in enumerate(rows):
        marks += [Box(left, height + 20 * k - 10, 12, 12, colour[row.name]), Text(left + 18, height + 20 * k, row.title, 11)]
    return svg(Drawing(width, height + 20 * len(rows), table.title, marks)) + "\n"


def sheet(strips: Sequence[np.ndarray]) -> np.ndarray:
    """Strips one below the other, uint8 [H, W, 3]; narrower ones are filled up with white."""
    width = max(strip.shape[1] for strip in strips)
    whole = [np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0)), constant_values=255) for strip in strips]
    return np.concatenate(whole, 0)
