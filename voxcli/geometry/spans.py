"""Spans: the samples that a triangle covers in one row, which are one run of columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from voxcli.backend import where_true
from voxcli.geometry.triangles import SampleLattice, Triangles, gathered

_STEEP = 1e-300  # stands for 0 as a divisor: no quotient of integers by it is near a sample
_MOSTLY = 0.75  # share of triangles with a single sample in their box from which on they are asked for that sample alone


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
    single = triangles.columns * triangles.rows == 1
    if int(single.sum()) < _MOSTLY * len(single):
        return _in_rows(triangles, lattice)[1]
    which, spans, unclear = _of_one_sample(triangles, lattice)
    kept = where_true(single.index_select(0, which))
    if len(kept) < len(which):
        which, spans = which.index_select(0, kept), spans.take(kept)
    others = where_true(single.logical_not_().logical_or_(unclear))
    if not len(others):
        return spans
    owner, more = _in_rows(triangles.take(others), lattice)
    which = torch.cat([which, others.index_select(0, owner)])
    if which.device.type == "cpu":  # two sorted pieces: NumPy merges them
        order = torch.from_numpy(np.argsort(which.numpy(), kind="stable"))
    else:
        order = which.argsort(stable=True)
    return Spans(*(torch.cat(v).index_select(0, order) for v in zip(spans, more, strict=True)))


def _of_one_sample(triangles: Triangles, lattice: SampleLattice) -> tuple[Tensor, Spans, Tensor]:
    """Triangles that hold the first sample of their box in their interior, and that span. Which ones [N], spans [N], unclear [M] bool:
    the sample lies on an edge, or on the line through it.

    The most of a fine mesh have no other sample.
    """
    x = triangles.x - lattice.x.at.index_select(0, triangles.i0)
    y = triangles.y - lattice.y.at.index_select(0, triangles.j0)
    # Twice the areas that the sample spans with the edges: exact integers, all of one sign where it lies inside.
    e = torch.empty_like(x)
    for k, a, b in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        torch.mul(x[a], y[b], out=e[k]).sub_(x[b] * y[a])
    inner = torch.maximum(torch.minimum(torch.minimum(e[0], e[1]), e[2]), torch.maximum(torch.maximum(e[0], e[1]), e[2]).neg_())
    which = where_true(inner > 0)
    e0, e1, e2 = gathered(e, which)
    area = e0.add_(e1).add_(e2)
    z, rise, rise2 = gathered(triangles.z, which)
    height = z + e1.div_(area).mul_(rise.sub_(z))
    height.add_(e2.div_(area).mul_(rise2.sub_(z)))
    face, row, first = (v.index_select(0, which) for v in (triangles.face, triangles.j0, triangles.i0))
    return which, Spans(face, area > 0, row, first, torch.ones_like(row), height, torch.zeros_like(height)), inner == 0


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


def _in_rows(triangles: Triangles, lattice: SampleLattice) -> tuple[Tensor, Spans]:
    """Spans [N], and which triangle each is of [N]: a row meets the three half planes in one run of columns."""
    edges = _edges(triangles.x, triangles.y)
    box, row = spread(triangles.rows, int(triangles.rows.sum()))
    row.add_(triangles.j0.index_select(0, box))
    y = lattice.y.at.index_select(0, row)
    # dy x <= left in integers is dy x < left + 1/2: no quotient falls on a sample, nor is rounded across one. Edges with dy < 0 bound x
    # from below, the others from above. Each is asked for both, its dy held above or below 0: where dy >= 0, the lower bound is far below
    # all samples if left >= 0, and far above them, as it should be, if left < 0 and no sample of the row is inside.
    lefts, steps = [], []  # e at x = 0, and how it falls with x, of each edge
    low, high = torch.full_like(y, -torch.inf), torch.full_like(y, torch.inf)
    for k in range(3):
        left = edges.dx[k].index_select(0, box).mul_(y).add_(edges.c[k].index_select(0, box))
        dy = edges.dy[k].index_select(0, box)
        limit = left + 0.5
        torch.maximum(low, limit / dy.clamp_max(-_STEEP), out=low)
        torch.minimum(high, limit.abs_().div_(dy.clamp_min(_STEEP)), out=high)
        lefts.append(left)
        steps.append(dy)
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
    return box, Spans(face, ccw, row, first, columns, height, slope)
