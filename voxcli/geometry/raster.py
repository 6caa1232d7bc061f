"""Watertight coverage: which sample points of a lattice lie in which projected triangle.

One rasteriser serves solid filling (rays through a lattice) and z-buffers. It is exact: vertices are snapped to a fixed-point grid so
fine that every edge function is an integer below 2^53, and a sample that lies exactly on an edge is judged as if it stood infinitely
little to the left of it. So a ray through a shared edge or vertex meets exactly one of the triangles around it, whatever the order of
vertices or faces, also in a soup whose triangles share no indices.

Faces are cut into spans, the runs of samples that they cover in one row. Both ends of a span are quotients of those integers, rounded
down or up exactly, so no sample is tested by itself: the cost is that of the rows and of the covered samples alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

_SAMPLES_AT_ONCE = 1 << 21  # keeps a million faces within a few hundred MiB
_GUARD = 1.0  # triangles are cut where they leave the lattice by more than this many lattice widths


class Coverage(NamedTuple):
    """K covered samples in N spans, each the samples of one face in one row.

    span [K], sample [K] = row * width + column, height [K] (the third coordinate of the face there); face [N], ccw [N] bool.
    """

    span: Tensor
    sample: Tensor
    height: Tensor
    face: Tensor
    ccw: Tensor


def clip(points: Tensor, faces: Tensor, axis: int, bound: float, keep_above: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Cut triangles at the plane points[:, axis] = bound and keep one side.

    points [V, 3], faces [F, 3]. Returns (points [V', 3], faces [F', 3], source face [F']); new corners are computed from the end
    points of an edge in a fixed order, so two triangles that share a cut edge get the same new corner.

    >>> vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]])
    >>> faces = torch.tensor([[0, 1, 2]])
    >>> points, pieces, source = clip(vertices, faces, axis=0, bound=1.0, keep_above=True)
    >>> points[pieces].amin((0, 1)).tolist(), source.tolist()
    ([1.0, 0.0, 0.0], [0])
    """
    sign = 1.0 if keep_above else -1.0
    height = (points[:, axis] - bound) * sign  # [V] >= 0 is kept
    inside = (height >= 0).to(torch.uint8).index_select(0, faces.t().reshape(-1)).view(3, len(faces))
    count = inside[0] + inside[1] + inside[2]
    whole = (count == 3).nonzero().ravel()
    out_points, out_faces, out_source = [points], [faces[whole]], [whole]
    offset = len(points)
    for kept in (1, 2):
        source = (count == kept).nonzero().ravel()
        if not len(source):
            continue
        # Turn each triangle so that its odd corner (the only kept, or the only cut one) comes first; the winding stays.
        odd = (inside[:, source] == 2 - kept).int().argmax(0)
        turned = faces[source].gather(1, (odd[:, None] + torch.arange(3, device=faces.device)) % 3)  # [N, 3]
        cuts = [_cut(points, height, turned[:, 0], turned[:, k]) for k in (1, 2)]
        new = torch.cat(cuts)  # [2N, 3]
        p = torch.arange(len(source), device=faces.device) + offset
        q = p + len(source)
        offset += len(new)
        out_points.append(new)
        if kept == 1:
            out_faces.append(torch.stack([turned[:, 0], p, q], 1))
            out_source.append(source)
        else:
            out_faces += [torch.stack([p, turned[:, 1], turned[:, 2]], 1), torch.stack([p, turned[:, 2], q], 1)]
            out_source += [source, source]
    return torch.cat(out_points), torch.cat(out_faces), torch.cat(out_source)


def _cut(points: Tensor, height: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Where the edges a-b meet the plane. Always from the kept end to the cut end: the same numbers for both neighbours."""
    low, high = torch.where(height[a] < 0, a, b), torch.where(height[a] < 0, b, a)
    t = height[high] / (height[high] - height[low])
    return points[high] + t[:, None] * (points[low] - points[high])


def coverage(
    points: Tensor, faces: Tensor, width: int, height: int, x_samples: Tensor | None = None, y_samples: Tensor | None = None
) -> Iterator[Coverage]:
    """Which lattice samples lie in which triangle.

    points [V, 3] float64 in lattice units (column x, row y, and a third that is linear on each face); faces [F, 3]. Samples lie at
    (i + 1/2, j + 1/2), or at the given ascending positions [width] and [height]. Yields a bounded number of samples at a time.

    >>> points = torch.tensor([[0.0, 0, 5], [3.5, 0, 5], [0, 3.5, 5]], dtype=torch.float64)
    >>> (found,) = coverage(points, torch.tensor([[0, 1, 2]]), width=4, height=4)
    >>> sorted(found.sample.tolist()), found.height.unique().tolist()
    ([0, 1, 2, 4, 5, 8], [5.0])
    """
    if not len(faces) or not len(points):
        return
    x_samples, x_origin, x_extent = _sample_positions(x_samples, width, points)
    y_samples, y_origin, y_extent = _sample_positions(y_samples, height, points)
    # Integers up to 2^25 keep products of differences and their sums below 2^53.
    reach = (1 + 2 * _GUARD) * max(x_extent, y_extent)
    unit = 2.0 ** (24 - math.ceil(math.log2(reach)))
    lattice = _Lattice(_Line.of(x_samples, unit), _Line.of(y_samples, unit), unit)
    if x_origin or y_origin:
        points = points - torch.tensor([x_origin, y_origin, 0.0], dtype=points.dtype, device=points.device)
    found = _boxed(points, faces, lattice)
    if found is None:
        return
    extents = x_extent, y_extent
    if any(bool(_beyond_guard(points[:, k] * unit, extent * unit).any()) for k, extent in enumerate(extents)):
        far = (_beyond_guard(found.x, x_extent * unit) | _beyond_guard(found.y, y_extent * unit)).any(0)
        if bool(far.any()):
            whole, beyond = (found.take(mask.nonzero().ravel()) for mask in (~far, far))
            cut = _cut_to_guard(points[faces[beyond.face]], beyond.face, extents, lattice)
            found = whole if cut is None else _Boxed(*(torch.cat(v, -1) for v in zip(whole, cut, strict=True)))
    end = (found.columns * found.rows).cumsum(0)
    total, first = int(end[-1]) if len(end) else 0, 0
    while first < len(end):  # a bounded number of samples at a time
        base = int(end[first - 1]) if first else 0
        fits = int(torch.searchsorted(end, base + _SAMPLES_AT_ONCE))
        last = len(end) if total - base <= _SAMPLES_AT_ONCE else max(first + 1, fits)
        yield _covered(_Boxed(*(v[..., first:last] for v in found)), lattice, width)
        first = last


def _beyond_guard(values: Tensor, extent: float) -> Tensor:
    return (values < -_GUARD * extent) | (values > (1 + _GUARD) * extent)


class _Line(NamedTuple):
    """Sample positions along one axis in units of the fixed-point grid [n], and whether they are the middles of equal cells."""

    at: Tensor
    even: bool

    @staticmethod
    def of(samples: Tensor, unit: float) -> _Line:
        """Samples in lattice units, snapped to the grid."""
        at = (samples * unit).round_()
        n = len(at)
        return _Line(at, bool(at[0] == unit / 2) and (n == 1 or bool(at[-1] == (n - 0.5) * unit)))

    def first_from(self, low: Tensor, unit: float) -> Tensor:
        """Index of the first sample >= low, as int64; n where there is none."""
        if self.even:  # in place and exact: unit is a power of two, and taking 1/2 off a positive number loses nothing
            return (low / unit).sub_(0.5).ceil_().clamp_(0, len(self.at)).long()
        return torch.searchsorted(self.at, low)

    def first_beyond(self, high: Tensor, unit: float) -> Tensor:
        """Index of the first sample > high, as int64; n where there is none."""
        if self.even:
            return (high / unit).add_(0.5).floor_().clamp_(0, len(self.at)).long()
        return torch.searchsorted(self.at, high, right=True)


class _Lattice(NamedTuple):
    x: _Line
    y: _Line
    unit: float


class _Boxed(NamedTuple):
    """Triangles that may hold samples: corners x, y in units, z [3, N]; the face that each is (a piece of) and its box of samples [N]."""

    x: Tensor
    y: Tensor
    z: Tensor
    face: Tensor
    i0: Tensor
    j0: Tensor
    columns: Tensor
    rows: Tensor

    def take(self, index: Tensor) -> _Boxed:
        """Some of them."""
        return _Boxed(*(v.index_select(-1, index) for v in self))


def _boxed(points: Tensor, faces: Tensor, lattice: _Lattice) -> _Boxed | None:
    """Faces as triangles of the fixed-point grid; None where no box of any holds a sample."""
    # A box begins and ends at the first and last of its corners: 4 small numbers of each vertex in one word, of which minima are taken.
    size = max(len(lattice.x.at), len(lattice.y.at))
    kind, word = (torch.int16, torch.int64) if size < 1 << 15 else (torch.int32, torch.complex128)
    x, y = ((points[:, k] * lattice.unit).round_() for k in range(2))
    ends = [line.first_from(v, lattice.unit) for v, line in ((x, lattice.x), (y, lattice.y))]
    ends += [-line.first_beyond(v, lattice.unit) for v, line in ((x, lattice.x), (y, lattice.y))]
    box = torch.stack([v.to(kind) for v in ends], 1).view(word).view(-1)
    a, b, c = box.index_select(0, faces.t().reshape(-1)).view(3, -1)
    box = torch.minimum(torch.minimum(a.view(kind), b.view(kind)), c.view(kind)).view(-1, 4)
    kept = ((box[:, 0] + box[:, 2] < 0) & (box[:, 1] + box[:, 3] < 0)).nonzero().ravel()  # most small triangles hold no sample
    if not len(kept):
        return None
    i0, j0, i1, j1 = (v.contiguous() for v in box.view(word).view(-1).index_select(0, kept).view(kind).view(-1, 4).long().unbind(1))
    corner = faces.index_select(0, kept).t().reshape(-1)
    x, y, z = (v.index_select(0, corner).view(3, -1) for v in (x, y, points[:, 2]))
    return _Boxed(x, y, z, kept, i0, j0, -i1 - i0, -j1 - j0)


def _cut_to_guard(corners: Tensor, face: Tensor, extents: tuple[float, float], lattice: _Lattice) -> _Boxed | None:
    """Cut triangles [N, 3, 3] that reach beyond the guard band, so that coordinates stay small enough for exact arithmetic."""
    points, faces, source = corners.reshape(-1, 3), torch.arange(3 * len(corners), device=corners.device).view(-1, 3), face
    for axis, extent in enumerate(extents):
        for bound, keep_above in ((-_GUARD * extent, True), ((1 + _GUARD) * extent, False)):
            column = points[:, axis]
            if bool((column < bound).any() if keep_above else (column > bound).any()):
                points, faces, part = clip(points, faces, axis, bound, keep_above)
                source = source[part]
    found = _boxed(points, faces, lattice)
    return None if found is None else found._replace(face=source[found.face])


def _sample_positions(samples: Tensor | None, n: int, like: Tensor) -> tuple[Tensor, float, float]:
    """(positions from an origin near the first, the origin, the extent that they span)"""
    if samples is None:
        return torch.arange(n, dtype=torch.float64, device=like.device) + 0.5, 0.0, float(n)
    origin = float(samples[0])
    return samples.to(like) - origin, origin, max(float(samples[-1]) - origin, 1.0)


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
    off = ((torch.add(dx, dy, alpha=2.0**27) < 0) == ccw).double()  # dy < 0, or dy = 0 and dx < 0
    turn = torch.where(ccw, 1.0, -1.0)
    return _Edges(dx.mul_(turn), dy.mul_(turn).add_(0.0), c.mul_(turn).sub_(off), off, area.abs_(), ccw)  # + 0.0 makes -0.0 plain


def _covered(boxed: _Boxed, lattice: _Lattice, width: int) -> Coverage:
    """The samples of each triangle, row by row: a row meets the three half planes in one run of columns."""
    device = boxed.face.device
    edges = _edges(boxed.x, boxed.y)
    ends = boxed.rows.cumsum(0)
    total = int(ends[-1])
    box = torch.repeat_interleave(boxed.rows, output_size=total)
    row = torch.arange(total, device=device) + (boxed.j0 - ends + boxed.rows).index_select(0, box)
    left = edges.dx.index_select(1, box).mul_(lattice.y.at[row]).add_(edges.c.index_select(1, box))  # e at x = 0, [3, N]
    dy = edges.dy.index_select(1, box)
    # dy x <= left in integers is dy x < left + 1/2: no quotient falls on a sample, nor is rounded across one, and 0 decides by the sign.
    limit = (left + 0.5) / dy
    rises = dy >= 0
    low = torch.where(rises, -torch.inf, limit).amax(0)
    high = torch.where(rises, limit, torch.inf).amin(0)
    first = lattice.x.first_from(low, lattice.unit)
    columns = lattice.x.first_beyond(high, lattice.unit) - first
    some = (columns > 0).nonzero().ravel()
    box, row, first, columns = (v.index_select(0, some) for v in (box, row, first, columns))
    x = lattice.x.at[first]
    w1, w2 = ((left[k].index_select(0, some) + edges.off[k].index_select(0, box) - dy[k].index_select(0, some) * x) for k in (1, 2))
    area = edges.area.index_select(0, box)
    a, up, across = boxed.z[0], boxed.z[1] - boxed.z[0], boxed.z[2] - boxed.z[0]
    start = a.index_select(0, box) + w1 / area * up.index_select(0, box) + w2 / area * across.index_select(0, box)
    slope = ((edges.dy[1] * up + edges.dy[2] * across) / -edges.area).index_select(0, box)
    ends = columns.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    span = torch.repeat_interleave(columns, output_size=total)
    begin = ends - columns
    index = torch.arange(total, device=device)
    sample = (row * width + first - begin).index_select(0, span).add_(index)
    if lattice.x.even:
        along = (index - begin.index_select(0, span)).double()
        slope = slope * lattice.unit
    else:
        along = lattice.x.at[(first - begin).index_select(0, span).add_(index)] - x.index_select(0, span)
    height = slope.index_select(0, span).mul_(along).add_(start.index_select(0, span))
    return Coverage(span, sample, height, boxed.face.index_select(0, box), edges.ccw.index_select(0, box))
