"""Spans: the samples that a triangle covers in one row, which are one run of columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from voxcli.backend import where_true
from voxcli.geometry.triangles import SampleLattice, Triangles

_STEEP = 1e-300  # stands for 0 as a divisor: no quotient of integers by it is near a sample
_NARROW = 2  # samples in a row of a triangle's box, on the mean, up to which trying each costs less than to find the ends of the row


class Spans(NamedTuple):
    """N spans, each of one face in one row, in the order of their triangles.

    face [N]; ccw [N] bool, whether the face runs from x to y; row, first (column) and columns [N]; height [N] of the face at the first
    sample, slope [N]: how the height grows along a row, for a step of the fixed-point grid.
    """

    face: Tensor
    ccw: Tensor
    row: Tensor
    first: Tensor
    columns: Tensor
    height: Tensor
    slope: Tensor

    def take(self, index: Tensor) -> Spans:
        """Some of them."""
        return Spans(*(v.index_select(0, index) for v in self))

    def pieces(self, most: int) -> Iterator[Spans]:
        """Some of them at a time, with so many samples at most, or one span alone."""
        for first, last in pieces(self.columns, most):
            yield Spans(*(v[first:last] for v in self))

    def samples(self, lattice: SampleLattice) -> tuple[Tensor, Tensor, Tensor]:
        """Their K samples: span [K], columns after the span's first one [K], and height [K] there."""
        total = int(self.columns.sum())
        if total == len(self.columns):  # tiny triangles: each span is one sample
            span = torch.arange(total, device=self.columns.device)
            return span, torch.zeros_like(span), self.height
        span, after = spread(self.columns, total)
        if lattice.x.even:
            steps, slope = after.double(), self.slope * lattice.unit
        else:
            first = self.first.index_select(0, span)
            at = lattice.x.at
            steps, slope = at.index_select(0, first + after).sub_(at.index_select(0, first)), self.slope
        return span, after, slope.index_select(0, span).mul_(steps).add_(self.height.index_select(0, span))


def pieces(counts: Tensor, most: int) -> Iterator[tuple[int, int]]:
    """Where to cut a row of things [N] for each piece to count `most` together at most, or to be one thing. From here to before there.

    >>> list(pieces(torch.tensor([2, 2, 2, 9, 1]), 5))
    [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    if not len(counts):
        return
    end = counts.cumsum(0)
    total, first, base = int(end[-1]), 0, 0
    while first < len(counts):
        if total - base <= most:
            last = len(counts)
        else:
            last = max(first + 1, int(torch.searchsorted(end, base + most, right=True)))
        yield first, last
        first, base = last, int(end[last - 1])


def spread(counts: Tensor, total: int) -> tuple[Tensor, Tensor]:
    """Which of N runs each of `total` elements is in, and how many of the run are before it. counts [N], all at least 1, sum to total.

    A sum over marks where runs begin: faster than torch's own repeat_interleave where runs are short.

    >>> [v.tolist() for v in spread(torch.tensor([1, 3, 2]), 6)]
    [[0, 1, 1, 1, 2, 2], [0, 0, 1, 2, 0, 1]]
    """
    begins = counts.cumsum(0)[:-1]
    run = torch.zeros(total, dtype=torch.int64, device=counts.device).index_fill_(0, begins, 1)
    before = torch.ones_like(run).index_copy_(0, begins, 1 - counts[:-1])
    before[:1] = 0
    return torch.cumsum(run, 0, out=run), torch.cumsum(before, 0, out=before)


def spans_of(triangles: Triangles, lattice: SampleLattice) -> Spans:
    """The spans of triangles, in their order.

    >>> from voxcli.geometry.raster import triangles_on
    >>> points = torch.tensor([[0.0, 0, 5], [1.9, 0, 5], [0, 1.9, 5]], dtype=torch.float64)
    >>> found = spans_of(*triangles_on(points, torch.tensor([[0, 1, 2]]), width=2, height=2))
    >>> found.row.tolist(), found.first.tolist(), found.columns.tolist()
    ([0], [0], [1])
    """
    samples = triangles.columns * triangles.rows
    total = int(samples.sum())
    if samples.device.type != "cpu" or total > _NARROW * int(triangles.rows.sum()):
        return _in_rows(triangles, lattice)
    return _by_samples(triangles, lattice, samples, total)


def _by_samples(triangles: Triangles, lattice: SampleLattice, samples: Tensor, total: int) -> Spans:
    """Spans of the narrow triangles of a fine mesh, whose boxes hold few samples: each of these is tried.

    On the CPU, by NumPy: its calls cost a third of torch's, and comparisons a fifth.
    """
    x, y, z, face, i, j, columns, _ = (v.numpy() for v in triangles)
    box = None
    if total > len(samples):
        box, nth = (v.numpy() for v in spread(samples, total))
        width = columns.take(box)
        down = (nth / width).astype(np.int64)
        i, j = i.take(box) + nth - down * width, j.take(box) + down
        x, y = x.take(box, axis=1), y.take(box, axis=1)
    with np.errstate(invalid="ignore"):  # of corners that are no numbers
        x = np.subtract(x, lattice.x.at.numpy().take(i), out=None if box is None else x)
        y = np.subtract(y, lattice.y.at.numpy().take(j), out=None if box is None else y)
        e = sides(x, y)
        which = np.flatnonzero(held(e, x, y))
    row, triangle = j.take(which), which if box is None else box.take(which)
    spanned = np.ones_like(row)
    if box is not None:  # one after the other in a row are a span
        begins = np.ones(len(row), bool)
        np.not_equal(triangle[1:], triangle[:-1], out=begins[1:])
        begins[1:] |= row[1:] != row[:-1]
        start = np.flatnonzero(begins)
        spanned = np.diff(start, append=len(row))
        which, row, triangle = which.take(start), row.take(start), triangle.take(start)
    e, z = e.take(which, axis=1), z.take(triangle, axis=1)
    height, area = heights(z, e)
    slope = np.zeros_like(height)
    wide = np.flatnonzero(spanned > 1)
    if len(wide):
        slope[wide] = slopes(triangles.y.numpy().take(triangle[wide], axis=1), z.take(wide, axis=1), area.take(wide))
    return Spans(*(torch.from_numpy(v) for v in (face.take(triangle), area > 0, row, i.take(which), spanned, height, slope)))


def sides(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Twice the areas that the point 0 spans with the edges of triangles, opposite to corners 0, 1, 2: x, y [3, N] -> [3, N].

    Exact for integers, and all of one sign where the point lies inside.

    >>> sides(np.array([[-1.0], [2], [-1]]), np.array([[-1.0], [-1], [2]])).T.tolist()
    [[3.0, 3.0, 3.0]]
    """
    areas = np.empty_like(x)
    for k, a, b in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.multiply(x[a], y[b], out=areas[k])
        areas[k] -= x[b] * y[a]
    return areas


def held(areas: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which triangles hold the point 0, by these areas. [N] bool

    >>> x, y = np.array([[0.0, -1], [2, 2], [0, -1]]), np.array([[-1.0, -1], [-1, -1], [2, 2]])
    >>> held(sides(x, y), x, y).tolist()                                              # on an edge of another's, and inside
    [False, True]
    """
    low, high = np.minimum.reduce(areas, axis=0), np.maximum.reduce(areas, axis=0)
    inside: np.ndarray = (low > 0) | (high < 0)
    on_line = np.flatnonzero((low == 0) | (high == 0))
    if len(on_line):
        inside[on_line] = _owned(*(torch.from_numpy(v.take(on_line, axis=1)) for v in (x, y))).numpy()
    return inside


def heights(z: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights [N] of triangles with corners z at points that span these areas [3, N] with their edges, and the sums of these [N].

    >>> [v.tolist() for v in heights(np.array([[0.0], [1], [2]]), np.array([[1.0], [1], [2]]))]
    [[1.25], [4.0]]
    """
    area = areas[0] + areas[1] + areas[2]
    height = z[0] + areas[1] / area * (z[1] - z[0])
    height += areas[2] / area * (z[2] - z[0])
    return height, area


def slopes(y: np.ndarray, z: np.ndarray, area: np.ndarray) -> np.ndarray:
    """How these heights grow along a row, for a step of the fixed-point grid. [N]

    >>> slopes(np.array([[0.0], [0], [1]]), np.array([[0.0], [2], [0]]), np.array([1.0])).tolist()
    [2.0]
    """
    grown: np.ndarray = ((y[0] - y[2]) * (z[1] - z[0]) + (y[1] - y[0]) * (z[2] - z[0])) / -area
    return grown


def _owned(x: Tensor, y: Tensor) -> Tensor:
    """Whether triangles [N] with corners x, y [3, N] hold the point 0, where it lies on the line through an edge. [N] bool"""
    edges = _edges(x, y)
    return edges.c.amin(0) >= 0


class _Edges(NamedTuple):
    """e(x, y) = dx y - dy x + c of the edges opposite to corners 0, 1, 2: inside where e >= 0. [3, N]

    off: what was taken off c to decide ties; area: twice the area [N]; ccw [N].
    """

    dx: Tensor
    dy: Tensor
    c: Tensor
    off: Tensor
    area: Tensor
    ccw: Tensor


def _edges(x: Tensor, y: Tensor) -> _Edges:
    """The edge functions of triangles with corners x, y [3, N], with ties decided by the edge and not by the triangle it belongs to.

    A sample on an edge counts as left of it where the edge runs upwards in the order of (y, x), right of it otherwise, as if the
    sample were nudged by (-epsilon, +epsilon^2): all triangles around an edge or a vertex then agree. Since values are integers,
    `left of it, not on it` is e - 1 >= 0, and `not left of it` is -e - 1 >= 0.
    """
    dx, dy, c = (torch.empty_like(x) for _ in range(3))
    for k, a, b in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        torch.sub(x[b], x[a], out=dx[k])
        torch.sub(y[b], y[a], out=dy[k])
        torch.mul(dy[k], x[a], out=c[k]).sub_(dx[k] * y[a])
    area = c[0] + c[1] + c[2]
    ccw = area > 0
    turn = ccw.double().mul_(2).sub_(1)
    dx.mul_(turn)
    dy.mul_(turn).add_(0.0)  # + 0.0 makes -0.0 plain
    # 1 where dy < 0, or dy = 0 and dx <= 0: these are integers, and where both are 0 there is no area.
    off = torch.add(dx, dy, alpha=2.0**27).clamp_(0, 1).neg_().add_(1)
    return _Edges(dx, dy, c.mul_(turn).sub_(off), off, area.abs_(), ccw)


def _in_rows(triangles: Triangles, lattice: SampleLattice) -> Spans:
    """A row meets the three half planes in one run of columns."""
    edges = _edges(triangles.x, triangles.y)
    box, row = spread(triangles.rows, int(triangles.rows.sum()))
    row.add_(triangles.j0.index_select(0, box))
    y = lattice.y.at.index_select(0, row)
    # dy x <= left in integers is dy x < left + 1/2: no quotient falls on a sample, nor is rounded across one. Edges with dy < 0 bound x
    # from below, the others from above. Each is asked for both, its dy held above or below 0: where dy >= 0, the lower bound is far below
    # all samples if left >= 0, and far above them, as it should be, if left < 0 and no sample of the row is inside.
    lefts, steps, lows, highs = [], [], [], []  # e at x = 0, and how it falls with x, of each edge; where it lets the row begin and end
    for k in range(3):
        left = edges.dx[k].index_select(0, box).mul_(y).add_(edges.c[k].index_select(0, box))
        dy = edges.dy[k].index_select(0, box)
        limit = left + 0.5
        lows.append(limit / dy.clamp_max(-_STEEP))
        highs.append(limit.abs_().div_(dy.clamp_min(_STEEP)))
        lefts.append(left)
        steps.append(dy)
    low, high = torch.maximum(torch.maximum(lows[0], lows[1]), lows[2]), torch.minimum(torch.minimum(highs[0], highs[1]), highs[2])
    first = lattice.x.first_from(low, lattice.unit)
    columns = lattice.x.first_beyond(high, lattice.unit).sub_(first)
    some = where_true(columns > 0)
    box, row, first, columns = (v.index_select(0, some) for v in (box, row, first, columns))
    x = lattice.x.at.index_select(0, first)
    area = edges.area.index_select(0, box)
    a, up, across = triangles.z[0], triangles.z[1] - triangles.z[0], triangles.z[2] - triangles.z[0]
    height = a.index_select(0, box)
    for k, rise in ((1, up), (2, across)):
        weight = lefts[k].index_select(0, some).add_(edges.off[k].index_select(0, box)).sub_(steps[k].index_select(0, some).mul_(x))
        height.add_(weight.div_(area).mul_(rise.index_select(0, box)))
    if int(columns.sum()) == len(columns):
        slope = torch.zeros_like(height)
    else:
        slope = ((edges.dy[1] * up + edges.dy[2] * across) / -edges.area).index_select(0, box)
    face, ccw = triangles.face.index_select(0, box), edges.ccw.index_select(0, box)
    return Spans(face, ccw, row, first, columns, height, slope)
