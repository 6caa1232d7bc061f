"""Pictures of results: strips of input, prediction and truth, the sheet of them, and a plot of each table as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from voxcli.errors import VoxcliError
from voxcli.evaluation.samples import Found
from voxcli.evaluation.tables import FilledTable, shown
from voxcli.metrics.iqtt import Answers
from voxcli.scene import Picture, SceneType, Surfels

SIDE = 200
"""Pixels of a picture's side in a strip."""

_PAPER = 255
_COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#9d755d", "#72b7b2", "#e45756", "#bab0ac")
_GREY = "#c8ccd0"
_RIGHT, _WRONG = (84, 162, 75), (228, 87, 86)


def strip(found: Found) -> np.ndarray:
    """Input, prediction and truth of a sample side by side, uint8 [SIDE, n * SIDE, 3]; white where one is missing or shows nothing.

    Of surfels the picture as the network draws it comes second, and the depths of prediction and truth come last (pix2scene, Figures 4 to 6
    and 14 to 16). Of a question the reference, the three choices, and what the network makes of the reference (Figures 10 and 11); the
    right choice has a green frame, a wrong answer a red one.
    """
    if isinstance(found.truth, Answers):
        tiles = [_framed(Picture(each)) for each in found.more]
        if isinstance(found.prediction, Answers) and tiles:
            _frame(tiles[1 + int(found.prediction.answers[0])], _WRONG)
        if tiles:
            _frame(tiles[1 + int(found.truth.answers[0])], _RIGHT)
        return np.concatenate(tiles or [_framed(None)], 1)
    assert not isinstance(found.prediction, Answers)
    pictures = [found.inputs.pictures[0] if found.inputs is not None else None, *map(Picture, found.more), found.prediction, found.truth]
    tiles = [_framed(thing) for thing in pictures]
    if isinstance(found.truth, Surfels):
        tiles += [_framed(thing, 1) for thing in (found.prediction, found.truth)]
    return np.concatenate(tiles, 1)


def _frame(tile: np.ndarray, colour: tuple[int, int, int]) -> None:
    """A frame around a tile, in place."""
    for edge in (tile[:3], tile[-3:], tile[:, :3], tile[:, -3:]):
        edge[:] = colour


def _framed(thing: SceneType | None, view: int = 0) -> np.ndarray:
    from voxcli.ops.picture import views_of

    out = np.full((SIDE, SIDE, 3), _PAPER, np.uint8)
    if thing is None:
        return out
    try:
        image = views_of(thing, SIDE - 8, most=1 + view)[view][1]
    except VoxcliError:  # nothing is occupied: there is nothing to draw
        return out
    height, width = image.shape[:2]
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    out[top : top + height, left : left + width] = image
    return out


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
    colour = {row.name: _COLOURS[ours.index(row.name) % len(_COLOURS)] if not row.published else _GREY for row in rows}
    size = f'width="{width}" height="{height + 20 * len(rows)}"'
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="20" font-size="14">{escape(table.title)}</text>']  # fmt: skip
    for k in range(5):
        mark = top * k / 4
        out.append(f'<line x1="{left}" x2="{width - 20}" y1="{y(mark):.1f}" y2="{y(mark):.1f}" stroke="#e6e6e6"/>'
                   f'<text x="{left - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:.3g}</text>')  # fmt: skip
    for n, column in enumerate(filled.columns):
        middle = left + (n + 0.5) * step
        out.append(f'<text x="{middle:.1f}" y="{level + 16}" text-anchor="middle">{escape(column)}</text>')
        if table.over != "variants":
            bar = step * 0.8 / len(rows)
            for k, row in enumerate(rows):
                value = row.cells.get(column)
                if value is not None:
                    x = middle - step * 0.4 + k * bar
                    out.append(f'<rect x="{x:.1f}" y="{y(value):.1f}" width="{bar * 0.9:.1f}" height="{level - y(value):.1f}" '
                               f'fill="{colour[row.name]}"><title>{escape(row.name)}, {escape(column)}: '
                               f'{shown(value, table.decimals)}</title></rect>')  # fmt: skip
    for row in rows if table.over == "variants" else ():
        places = [(left + (n + 0.5) * step, y(v)) for n, c in enumerate(filled.columns) if (v := row.cells.get(c)) is not None]
        line = " ".join(f"{x:.1f},{v:.1f}" for x, v in places)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{v:.1f}" r="3" fill="{colour[row.name]}"/>' for x, v in places)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour[row.name]}" stroke-width="2"/>{dots}')
    for k, row in enumerate(rows):
        name = row.name + (" (published)" if row.published else "")
        out.append(f'<rect x="{left}" y="{height + 20 * k - 10}" width="12" height="12" fill="{colour[row.name]}"/>'
                   f'<text x="{left + 18}" y="{height + 20 * k}">{escape(name)}</text>')  # fmt: skip
    return "\n".join([*out, "</svg>\n"])


def sheet(strips: Sequence[np.ndarray]) -> np.ndarray:
    """Strips one below the other, uint8 [H, W, 3]; narrower ones are filled up with white."""
    width = max(strip.shape[1] for strip in strips)
    whole = [np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0)), constant_values=_PAPER) for strip in strips]
    return np.concatenate(whole, 0)
