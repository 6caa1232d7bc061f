"""Watertight coverage: which sample points of a lattice lie in which projected triangle.

One rasteriser serves solid filling (rays through a lattice) and z-buffers. It is exact: vertices are snapped to a fixed-point grid so
fine that every edge function is an integer below 2^53, and a sample that lies exactly on an edge is judged as if it stood infinitely
little to the left of it. So a ray through a shared edge or vertex meets exactly one of the triangles around it, whatever the order of
vertices or faces, also in a soup whose triangles share no indices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

_CANDIDATES_AT_ONCE = 1 << 21  # keeps a million faces within a few hundred MiB
_LARGE = 64  # boxes of at least so many samples are cut in rows
_GUARD = 1.0  # triangles are cut where they leave the lattice by more than this many lattice widths


class Coverage(NamedTuple):
    """K covered samples: face [K], sample [K] = row * width + column, w1 and w2 [K] (weights of corners 1 and 2), ccw [K] bool."""

    face: Tensor
    sample: Tensor
    w1: Tensor
    w2: Tensor
    ccw: Tensor

    def interpolate(self, values: Tensor, faces: Tensor) -> Tensor:
        """Linear interpolation on the lattice of a vertex quantity [V] at the covered samples -> [K]."""
        a, b, c = (values[faces[:, k]][self.face] for k in range(3))
        return a + self.w1 * (b - a) + self.w2 * (c - a)


def clip(points: Tensor, faces: Tensor, axis: int, bound: float, keep_above: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Cut triangles at the plane points[:, axis] = bound and keep one side.

    points [V, 3], faces [F, 3]. Returns (points [V', 3], faces [F', 3], source face [F']); new corners are computed from the end
    points of an edge in a fixed order, so two triangles that share a cut edge get the same new corner.
    """
    sign = 1.0 if keep_above else -1.0
    height = (points[:, axis] - bound) * sign                                   # [V] >= 0 is kept
    inside = (height >= 0)[faces]                                               # [F, 3]
    count = inside.sum(1)
    whole = (count == 3).nonzero().ravel()
    out_points, out_faces, out_source = [points], [faces[whole]], [whole]
    offset = len(points)
    for kept in (1, 2):
        source = (count == kept).nonzero().ravel()
        if not len(source):
            continue
        # Turn each triangle so that its odd corner (the only kept, or the only cut one) comes first; the winding stays.
        odd = (inside[source] == (kept == 1)).int().argmax(1)
        turned = faces[source].gather(1, (odd[:, None] + torch.arange(3, device=faces.device)) % 3)   # [N, 3]
        cuts = [_cut(points, height, turned[:, 0], turned[:, k]) for k in (1, 2)]
        new = torch.cat(cuts)                                                   # [2N, 3]
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


def _clip_to_guard(points: Tensor, faces: Tensor, sizes: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Cut what reaches further than the guard band, so that coordinates stay small enough for exact arithmetic."""
    source = None
    for axis, size in enumerate(sizes):
        for bound, keep_above in ((-_GUARD * size, True), ((1 + _GUARD) * size, False)):
            column = points[:, axis]
            if len(column) and bool((column < bound).any() if keep_above else (column > bound).any()):
                points, faces, part = clip(points, faces, axis, bound, keep_above)
                source = part if source is None else source[part]
    return points, faces, source


def coverage(
    points: Tensor, faces: Tensor, width: int, height: int, x_samples: Tensor | None = None, y_samples: Tensor | None = None
) -> Iterator[tuple[Coverage, Tensor, Tensor, Tensor | None]]:
    """Which lattice samples lie in which triangle.

    points [V, 3] float64 in lattice units (column x, row y, anything); faces [F, 3]. Samples lie at (i + 1/2, j + 1/2), or at the
    given ascending positions [width] and [height]. Yields, a bounded number of candidates at a time, (coverage, points, faces,
    source): the coverage refers to these points and faces, which differ from the given ones where triangles were cut at the guard
    band; `source` [F'] then names the given face of each, else it is None.
    """
    if not len(faces) or not len(points):
        return
    x_samples, x_origin, x_extent = _sample_positions(x_samples, width, points)
    y_samples, y_origin, y_extent = _sample_positions(y_samples, height, points)
    if x_origin or y_origin:
        points = points - torch.tensor([x_origin, y_origin, 0.0], dtype=points.dtype, device=points.device)
    points, faces, source = _clip_to_guard(points, faces, (x_extent, y_extent))
    # Integers up to 2^25 keep products of differences and their sums below 2^53.
    reach = (1 + 2 * _GUARD) * max(x_extent, y_extent)
    unit = 2.0 ** (24 - math.ceil(math.log2(reach)))
    x, y = (points[:, 0] * unit).round_(), (points[:, 1] * unit).round_()        # exact integers in float64
    x_samples, y_samples = (x_samples * unit).round_(), (y_samples * unit).round_()
    a, b, c = faces.unbind(1)
    xa, xb, xc, ya, yb, yc = x[a], x[b], x[c], y[a], y[b], y[c]
    i0, i1 = _sample_range(torch.minimum(torch.minimum(xa, xb), xc), torch.maximum(torch.maximum(xa, xb), xc), x_samples, unit)
    j0, j1 = _sample_range(torch.minimum(torch.minimum(ya, yb), yc), torch.maximum(torch.maximum(ya, yb), yc), y_samples, unit)
    columns, rows = i1 - i0, j1 - j0
    kept = ((columns > 0) & (rows > 0)).nonzero().ravel()                        # most small triangles hold no sample
    if not len(kept):
        return
    corners = [v[kept] for v in (xa, ya, xb, yb, xc, yc)]
    edges = [_edge(*corners[2:6]), _edge(*corners[4:6], *corners[0:2]), _edge(*corners[0:4])]
    boxes = _Boxes(torch.arange(len(kept), device=kept.device), *(v[kept] for v in (i0, j0, columns, rows)))
    boxes = _strips(boxes, corners, x_samples, y_samples)
    end = (boxes.columns * boxes.rows).cumsum(0)
    total = int(end[-1]) if len(end) else 0
    first = 0
    while first < len(end):                                                      # a bounded number of candidates at a time
        base = int(end[first - 1]) if first else 0
        fits = int(torch.searchsorted(end, base + _CANDIDATES_AT_ONCE))
        last = len(end) if total - base <= _CANDIDATES_AT_ONCE else max(first + 1, fits)
        found = _covered(_Boxes(*(v[first:last] for v in boxes)), edges, x_samples, y_samples, width)
        yield found._replace(face=kept[found.face]), points, faces, source
        first = last


class _Boxes(NamedTuple):
    """Rectangles of samples that may lie in a face: face, first column and row, numbers of columns and rows, [N] each."""

    face: Tensor
    i0: Tensor
    j0: Tensor
    columns: Tensor
    rows: Tensor


def _strips(boxes: _Boxes, corners: list[Tensor], xs: Tensor, ys: Tensor) -> _Boxes:
    """Cut the boxes of large faces into rows, each no longer than the face there, give or take a sample: half a box is empty."""
    large = boxes.columns * boxes.rows >= _LARGE
    if not bool(large.any()):
        return boxes
    small, cut = _Boxes(*(v[~large] for v in boxes)), _Boxes(*(v[large] for v in boxes))
    end = cut.rows.cumsum(0)
    box = torch.repeat_interleave(torch.arange(len(end), device=end.device), cut.rows, output_size=int(end[-1]))
    row = cut.j0[box] + torch.arange(len(box), device=end.device) - (end - cut.rows)[box]
    face, y = cut.face[box], ys[row]
    low, high = torch.full_like(y, torch.inf), torch.full_like(y, -torch.inf)
    xa, ya, xb, yb, xc, yc = (v[face] for v in corners)
    for px, py, qx, qy in ((xa, ya, xb, yb), (xb, yb, xc, yc), (xc, yc, xa, ya)):
        # Where the row meets an edge: the least and the greatest of these points bound the face's span.
        meets = (torch.minimum(py, qy) <= y) & (y <= torch.maximum(py, qy)) & (py != qy)
        x = px + (y - py) / (qy - py) * (qx - px)
        low, high = torch.where(meets, torch.minimum(low, x), low), torch.where(meets, torch.maximum(high, x), high)
    first = torch.searchsorted(xs, low - 1)                                      # a unit of the fixed-point grid covers the rounding
    columns = torch.searchsorted(xs, high + 1, right=True) - first
    some = columns > 0
    strips = _Boxes(face[some], first[some], row[some], columns[some], torch.ones_like(columns[some]))
    return _Boxes(*(torch.cat(v) for v in zip(small, strips, strict=True)))


def _sample_positions(samples: Tensor | None, n: int, like: Tensor) -> tuple[Tensor, float, float]:
    """(positions from an origin near the first, the origin, the extent that they span)"""
    if samples is None:
        return torch.arange(n, dtype=torch.float64, device=like.device) + 0.5, 0.0, float(n)
    origin = float(samples[0])
    return samples.to(like) - origin, origin, max(float(samples[-1]) - origin, 1.0)


def _sample_range(low: Tensor, high: Tensor, samples: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    """First sample >= low and first sample > high, as int64."""
    n = len(samples)
    uniform = bool(samples[0] == unit / 2) and (n == 1 or bool(samples[-1] == (n - 0.5) * unit))
    if uniform:
        first = ((low / unit - 0.5).ceil_()).clamp_(0, n).long()
        return first, (high / unit + 0.5).floor_().clamp_(0, n).long()
    return torch.searchsorted(samples, low), torch.searchsorted(samples, high, right=True)


class _Edge(NamedTuple):
    """e(x, y) = dx y - dy x + c of one edge of every face [F]; the sample is on its left where e >= 0. `tie` is in c already."""

    dx: Tensor
    dy: Tensor
    c: Tensor
    tie: Tensor


def _edge(ax: Tensor, ay: Tensor, bx: Tensor, by: Tensor) -> _Edge:
    """The edge function of a -> b, with ties decided by the edge and not by the triangle that it belongs to.

    A sample on an edge counts as left of it where the edge runs upwards in the order of (y, x), right of it otherwise, as if the
    sample were nudged by (-epsilon, +epsilon^2): all triangles around an edge or a vertex then agree. Since values are integers,
    `right of it` is e - 1 >= 0 taken for the edge that runs down.
    """
    dx, dy = bx - ax, by - ay
    tie = ((ay > by) | ((ay == by) & (ax > bx))).double()
    return _Edge(dx, dy, dy * ax - dx * ay - tie, tie)


def _covered(boxes: _Boxes, edges: list[_Edge], xs: Tensor, ys: Tensor, width: int) -> Coverage:
    """Test every sample of every box against the three edges of its face."""
    device = boxes.face.device
    per_box = boxes.columns * boxes.rows
    end = per_box.cumsum(0)
    total = int(end[-1])
    box = torch.repeat_interleave(torch.arange(len(per_box), device=device), per_box, output_size=total)
    local = torch.arange(total, device=device, dtype=torch.float64) - (end - per_box).double()[box]
    # Whole numbers in float64 divide several times faster than int64, and as exactly.
    columns = boxes.columns.double()[box]
    row = (local / columns).floor_()
    column = (local - row * columns).long() + boxes.i0[box]
    row = row.long() + boxes.j0[box]
    face = boxes.face[box]
    px, py = xs[column], ys[row]
    e0, e1, e2 = (e.dx[face] * py - e.dy[face] * px + e.c[face] for e in edges)  # exact
    ccw = torch.minimum(torch.minimum(e0, e1), e2) >= 0
    hit = (ccw | (torch.maximum(torch.maximum(e0, e1), e2) < 0)).nonzero().ravel()
    face = face[hit]
    e0, e1, e2 = (e[hit] + edge.tie[face] for e, edge in zip((e0, e1, e2), edges, strict=True))
    area = e0 + e1 + e2                                                          # twice the signed area, never 0 for a hit
    return Coverage(face, row[hit] * width + column[hit], e1 / area, e2 / area, ccw[hit])
