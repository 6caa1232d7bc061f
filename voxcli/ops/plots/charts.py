"""Charts: curves, histograms, boxes of quartiles, pictures with their captions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from voxcli.ops.plots.drawing import Box, Dot, Drawing, Line, Mark, Shot, Text

WIDTH = 560
"""Of a chart."""
HUES = ("#3b74d1", "#d06a2b", "#3f9a5c", "#9a6bb8", "#b8901f", "#2fa3ae", "#d0506b", "#868d98")
"""Colours of what has no class, in turn; on white and on black."""
_LEFT, _RIGHT, _TOP, _FOOT = 58, 18, 34, 44
_MOST_ROWS = 40
_MOST_POINTS, _DOTTED = 400, 60


@dataclass(frozen=True)
class Series:
    """A curve through points (x, y), in the order of x. captions: of its points; none: what they say. Few points have dots."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    captions: Sequence[str] = ()


@dataclass(frozen=True)
class Values:
    """Numbers of one class or category."""

    name: str
    colour: str
    numbers: Sequence[float]


def number(value: float | None) -> str:
    """A number as it is written in a plot.

    >>> number(0.123456), number(1234567.0), number(None)
    ('0.123', '1.23e+06', '-')
    """
    return "-" if value is None else f"{value:.3g}"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers from low to high.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) + 0.0 for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten, and their doubles and fivefolds where there are few, from low to high."""
    span = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    several = (1, 2, 5) if len(span) < 4 else (1,)
    return [f * 10.0**k for k in span for f in several if low * 0.999 <= f * 10.0**k <= high * 1.001]


def _range(numbers: Sequence[float], share: bool) -> tuple[float, float]:
    """The range of an axis. share: 0 to 1 where all numbers lie there, and use most of it."""
    low, high = min(numbers), max(numbers)
    if share and low >= 0 and high <= 1:
        return 0.0, 1.0 if high > 0.4 else high * 1.15 or 1.0
    if low >= 0 and low < 0.6 * high:
        low = 0.0
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - (0 if low == 0 else room), high + room


def _mapped(low: float, high: float, first: float, last: float, log: bool = False) -> Callable[[float], float]:
    scale: Callable[[float], float] = math.log10 if log else float
    a, b = scale(low), scale(high)
    return lambda value: first + (scale(value) - a) / ((b - a) or 1.0) * (last - first)


def curves(
    title: str, series: Sequence[Series], across: str, *, log: bool = False, share: bool = False,
    borders: Sequence[tuple[float, str]] = (),
) -> Drawing:  # fmt: skip
    """Curves over a common axis, the legend above. log: the upward axis is logarithmic, where all numbers are above 0. share: it is 0 to 1.

    borders: places on the axis where something begins, and its name.
    """
    shown = [each for each in series if each.points]
    xs, ys = ([point[k] for each in shown for point in each.points] for k in (0, 1))
    log = log and min(ys) > 0
    bottom, top = (min(ys) * 0.9, max(ys) * 1.1) if log else _range(ys, share)
    left, right = (0.0, 1.0) if share and across == "recall" else (min(xs), max(xs))
    legend, rows = _legend([(each.name, each.colour) for each in shown], WIDTH) if len(shown) > 1 else ([], 0)
    head = _TOP + 20 * rows
    height = head + 220 + _FOOT
    x, y = _mapped(left, right, _LEFT, WIDTH - _RIGHT), _mapped(bottom, top, height - _FOOT, head, log)
    marks: list[Mark] = [_head(title), *legend]
    marks += _scale_up(_powers(bottom, top) if log else ticks(bottom, top), y)
    for tick in ticks(left, right, 6):
        marks.append(Text(x(tick), height - _FOOT + 17, _plain(tick), 11, "soft", "middle"))
    marks.append(Text((_LEFT + WIDTH - _RIGHT) / 2, height - 9, across, 12, "soft", "middle"))
    for place, name in borders:
        marks += [Line([(x(place), head), (x(place), height - _FOOT)], "soft", 0.6), Text(x(place) + 4, head + 11, name, 10, "soft")]
    for each in shown:
        points = thinned(each.points)
        marks.append(Line([(x(a), y(b)) for a, b in points], each.colour, 1.8))
        if len(points) <= _DOTTED:
            captions = each.captions or [f"{each.name}: {number(b)} at {_plain(a)}" for a, b in points]
            marks += [Dot(x(a), y(b), 3, each.colour, caption) for (a, b), caption in zip(points, captions, strict=True)]
    return Drawing(WIDTH, height, title, marks)


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most about 400 points: means of neighbours.

    >>> len(thinned([(k, 0.0) for k in range(1000)]))
    334
    """
    step = -(-len(points) // _MOST_POINTS)
    pieces = [points[k : k + step] for k in range(0, len(points), step)]
    return [(piece[-1][0], sum(y for _, y in piece) / len(piece)) for piece in pieces]


def histogram(title: str, groups: Sequence[Values], across: str) -> Drawing:
    """How many numbers lie where, a colour a group, bars of several beside each other; a line marks each mean."""
    numbers = [each for group in groups for each in group.numbers]
    low, high = min(numbers), max(numbers)
    if not high > low:
        low, high = _range(numbers, share=False)
    places = ticks(low, high, min(24, max(6, round(2 * math.sqrt(max(len(group.numbers) for group in groups))))))
    step = places[1] - places[0] if len(places) > 1 else high - low
    edges = step * np.arange(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)
    counts = [np.histogram(np.clip(group.numbers, edges[0], edges[-1]), edges)[0] for group in groups]
    legend, rows = _legend([(group.name, group.colour) for group in groups], WIDTH) if len(groups) > 1 else ([], 0)
    head = _TOP + 20 * rows
    height = head + 220 + _FOOT
    x, y = _mapped(edges[0], edges[-1], _LEFT, WIDTH - _RIGHT), _mapped(0, max(map(max, counts)) * 1.08, height - _FOOT, head)
    marks: list[Mark] = [_head(title), *legend]
    marks += _scale_up([tick for tick in ticks(0, float(max(map(max, counts))), 4) if tick == int(tick)], y)
    wide = (x(edges[1]) - x(edges[0])) * 0.92 / len(groups)
    for k, (group, found) in enumerate(zip(groups, counts, strict=True)):
        for edge, count in zip(edges, found, strict=False):
            words = f"{group.name}: {count} from {number(edge)} to {number(edge + step)}"
            marks.append(Box(x(edge) + wide * (k + 0.04), y(count), wide, height - _FOOT - y(count), group.colour, words))
        mean = float(np.mean(group.numbers))
        marks.append(Line([(x(mean), head), (x(mean), height - _FOOT)], "ink" if len(groups) == 1 else group.colour, 1.4))
        if len(groups) == 1:
            side = "end" if mean > (edges[0] + edges[-1]) / 2 else "start"
            marks.append(Text(x(mean) + (5 if side == "start" else -5), head + 10, f"mean {number(mean)}", 11, "ink", side))
    for tick in ticks(edges[0], edges[-1], 6):
        marks.append(Text(x(tick), height - _FOOT + 17, _plain(tick), 11, "soft", "middle"))
    marks.append(Text((_LEFT + WIDTH - _RIGHT) / 2, height - 9, across, 12, "soft", "middle"))
    return Drawing(WIDTH, height, title, marks)


def boxes(title: str, rows: Sequence[Values], across: str) -> Drawing:
    """A row for each: box from the first to the third quartile, the median in it, whiskers to the last number within 1.5 boxes, and dots.

    Fewer than five numbers are dots alone. The mean and how many there are stand at the right.
    """
    left_out = max(0, len(rows) - _MOST_ROWS)
    rows = rows[:_MOST_ROWS]
    numbers = [each for row in rows for each in row.numbers]
    low, high = _range(numbers, share=True)
    longest = max(len(row.name) for row in rows)
    left = min(200.0, 24 + 6.6 * longest)
    right, tall = 106, 24
    height = _TOP + 14 + tall * len(rows) + _FOOT
    x = _mapped(low, high, left, WIDTH - right)
    marks: list[Mark] = [_head(title)]
    marks += [Text(WIDTH - 58, _TOP + 6, "mean", 11, "soft", "end"), Text(WIDTH - 14, _TOP + 6, "n", 11, "soft", "end")]
    for tick in ticks(low, high, 6):
        marks.append(Line([(x(tick), _TOP + 12), (x(tick), height - _FOOT)], "line"))
        marks.append(Text(x(tick), height - _FOOT + 17, _plain(tick), 11, "soft", "middle"))
    for k, row in enumerate(rows):
        middle = _TOP + 14 + tall * (k + 0.5)
        marks.append(Text(left - 10, middle + 4, _short(row.name, 27), 12, "ink", "end"))
        marks += _row(row, middle, x)
        marks.append(Text(WIDTH - 58, middle + 4, number(float(np.mean(row.numbers))), 12, "ink", "end"))
        marks.append(Text(WIDTH - 14, middle + 4, str(len(row.numbers)), 12, "soft", "end"))
    below = across + (f" ({left_out} more are not shown)" if left_out else "")
    marks.append(Text((left + WIDTH - right) / 2, height - 9, below, 12, "soft", "middle"))
    return Drawing(WIDTH, height, title, marks)


def _row(row: Values, middle: float, x: Callable[[float], float]) -> list[Mark]:
    values = np.sort(np.asarray(row.numbers, np.float64))
    if len(values) < 5:
        return [Dot(x(value), middle, 4, row.colour, f"{row.name}: {number(value)}") for value in values]
    first, median, third = (float(each) for each in np.percentile(values, [25, 50, 75]))
    reach = 1.5 * (third - first)
    near = values[(values >= first - reach) & (values <= third + reach)]
    words = f"{row.name}: quartiles {number(first)}, {number(median)}, {number(third)}; {number(values[0])} to {number(values[-1])}"
    marks: list[Mark] = [
        Line([(x(near[0]), middle), (x(near[-1]), middle)], row.colour, 1.4),
        Box(x(first), middle - 7, max(1.5, x(third) - x(first)), 14, row.colour, words),
        Line([(x(median), middle - 7), (x(median), middle + 7)], "paper", 2),
    ]
    beyond = values[(values < first - reach) | (values > third + reach)]
    return marks + [Dot(x(value), middle, 2.2, row.colour, f"{row.name}: {number(value)}") for value in beyond[:200]]


def pictures(title: str, shots: Sequence[tuple[str, np.ndarray]], columns: int = 1, width: float = 2 * WIDTH + 16) -> Drawing:
    """Pictures uint8 [H, W, 3] with their captions above, in rows."""
    gap, wide = 12, (width - 24 - 12 * (columns - 1)) / columns
    marks: list[Mark] = [_head(title)]
    top = 32.0
    for start in range(0, len(shots), columns):
        tallest = 0.0
        for k, (caption, rgb) in enumerate(shots[start : start + columns]):
            x = 12 + k * (wide + gap)
            fitted = min(wide, float(rgb.shape[1]))
            height = fitted * rgb.shape[0] / rgb.shape[1]
            marks.append(Text(x, top + 14, _short(caption, int(wide / 6.4)), 12, "soft"))
            marks.append(Shot(x, top + 20, fitted, height, rgb, caption))
            tallest = max(tallest, height)
        top += tallest + 20 + gap
    return Drawing(width, top, title, marks)


def _head(title: str) -> Text:
    return Text(12, 22, _short(title, 72), 14, bold=True)


def _scale_up(places: Sequence[float], y: Callable[[float], float]) -> list[Mark]:
    marks: list[Mark] = []
    for tick in places:
        marks.append(Line([(_LEFT, y(tick)), (WIDTH - _RIGHT, y(tick))], "line"))
        marks.append(Text(_LEFT - 7, y(tick) + 4, _plain(tick), 11, "soft", "end"))
    return marks


def _legend(names: Sequence[tuple[str, str]], width: float) -> tuple[list[Mark], int]:
    """The legend below the title, and its rows."""
    marks: list[Mark] = []
    x, row = float(_LEFT), 1
    for name, colour in names:
        text = _short(name, 40)
        wide = 24 + 6.6 * len(text)
        if x + wide > width - _RIGHT and x > _LEFT:
            x, row = float(_LEFT), row + 1
        y = _TOP - 16 + 20 * row
        marks += [Box(x, y - 9, 11, 11, colour), Text(x + 16, y, text, 12)]
        x += wide + 8
    return marks, row


def _short(text: str, most: int) -> str:
    """Text of at most so many letters: of a longer one its end, where paths differ.

    >>> _short("predictions/chair/000017", 12)
    '..air/000017'
    """
    return text if len(text) <= most else ".." + text[-max(1, most - 2) :]


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 and value == int(value) else f"{value:.3g}"
