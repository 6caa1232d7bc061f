"""Watertight coverage: which sample points of a lattice lie in which projected triangle.

One rasteriser serves solid filling (rays through a lattice) and z-buffers. It is exact: vertices are snapped to a fixed-point grid so
fine that every edge function is an integer below 2^53, and a sample that lies exactly on an edge is judged as if it stood infinitely
little to the left of it. So a ray through a shared edge or vertex meets exactly one of the triangles around it, whatever the order of
vertices or faces, also in a soup whose triangles share no indices.

Faces are cut into spans, the runs of samples that they cover in one row. Both ends of a span are quotients of those integers, rounded
down or up exactly, so no sample is tested by itself, but for those that are alone in the box of a tiny face: the cost is that of the rows
and of the covered samples alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from voxcli.backend import where_true
from voxcli.geometry.spans import Spans, pieces, spans_of
from voxcli.geometry.triangles import Boxes, Line, Placed, SampleLattice, Triangles, gathered

_ROWS_AT_ONCE = 1 << 16  # many, as each call costs as much as a thousand rows
_SAMPLES_AT_ONCE = 1 << 17
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
    count = inside.sum(0, dtype=torch.uint8)
    whole, one, two = (where_true(count == kept) for kept in (3, 1, 2))
    some = torch.cat([one, two])
    if not len(some):
        return points, faces.index_select(0, whole), whole
    # Turn each triangle so that its odd corner (the only kept, or the only cut one) comes first; the winding stays.
    only_kept = count.index_select(0, some) == 1
    odd = (inside.index_select(1, some) == only_kept).to(torch.uint8).argmax(0)
    corners = faces.index_select(0, some)
    a, b, c = (corners.gather(1, ((odd + k) % 3)[:, None]).view(-1) for k in range(3))
    # New corners always from the kept end to the cut end: the same numbers for both neighbours.
    a2, ends, outward = a.repeat(2), torch.cat([b, c]), only_kept.repeat(2)
    high, low = torch.where(outward, a2, ends), torch.where(outward, ends, a2)
    above, start = height.index_select(0, high), points.index_select(0, high)
    t = above / (above - height.index_select(0, low))
    new = start + t[:, None] * (points.index_select(0, low) - start)  # [2N, 3]
    p, q = (torch.arange(2 * len(some), device=faces.device) + len(points)).chunk(2)
    n = len(one)
    cut = torch.stack([torch.cat([a[:n], p[n:], p[n:]]), torch.cat([p[:n], b[n:], c[n:]]), torch.cat([q[:n], c[n:], q[n:]])], 1)
    return torch.cat([points, new]), torch.cat([faces.index_select(0, whole), cut]), torch.cat([whole, one, two, two])


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
    found = triangles_on(points, faces, width, height, x_samples, y_samples)
    return iter(()) if found is None else covered(*found)


def triangles_on(
    points: Tensor, faces: Tensor, width: int, height: int, x_samples: Tensor | None = None, y_samples: Tensor | None = None
) -> tuple[Triangles, SampleLattice] | None:
    """The triangles whose boxes hold samples, and the lattice of these; arguments as of coverage. None where there is no such triangle.

    >>> points = torch.tensor([[0.0, 0, 5], [3.5, 0, 5], [0, 3.5, 5], [0.1, 0, 5]], dtype=torch.float64)
    >>> triangles, lattice = triangles_on(points, torch.tensor([[0, 3, 2], [0, 1, 2]]), width=4, height=4)
    >>> triangles.face.tolist(), [found.sample.tolist() for found in covered(triangles, lattice)]
    ([1], [[0, 1, 2, 4, 5, 8]])
    """
    found = placed_on(points, faces, width, height, x_samples, y_samples)
    if found is None:
        return None
    placed, lattice = found
    face = where_true(placed.holds)
    return (triangles_of(placed, placed.boxes(face), lattice), lattice) if len(face) else None


def placed_on(
    points: Tensor, faces: Tensor, width: int, height: int, x_samples: Tensor | None = None, y_samples: Tensor | None = None
) -> tuple[Placed, SampleLattice] | None:
    """All faces on a lattice of samples, and this; arguments as of coverage. None where there is no face.

    >>> points = torch.tensor([[0.0, 0, 5], [3.5, 0, 5], [0, 3.5, 5], [0.1, 0, 5]], dtype=torch.float64)
    >>> placed, lattice = placed_on(points, torch.tensor([[0, 3, 2], [0, 1, 2]]), width=4, height=4)
    >>> placed.holds.tolist()
    [False, True]
    """
    if not len(faces) or not len(points):
        return None
    x_samples, x_origin, x_extent = _sample_positions(x_samples, width, points)
    y_samples, y_origin, y_extent = _sample_positions(y_samples, height, points)
    # Integers up to 2^25 keep products of differences and their sums below 2^53.
    reach = (1 + 2 * _GUARD) * max(x_extent, y_extent)
    unit = 2.0 ** (24 - math.ceil(math.log2(reach)))
    lattice = SampleLattice(Line.of(x_samples, x_extent, unit), Line.of(y_samples, y_extent, unit), unit)
    if x_origin or y_origin:
        points = points - torch.tensor([x_origin, y_origin, 0.0], dtype=points.dtype, device=points.device)
    within = all(_within_guard(points[:, k], extent) for k, extent in enumerate((x_extent, y_extent)))
    return Placed.on(points, faces, lattice)._replace(within=within), lattice


def triangles_of(placed: Placed, boxes: Boxes, lattice: SampleLattice) -> Triangles:
    """Faces that have boxes, ascending, as triangles; what of them lies far beyond the lattice is cut off.

    >>> points = torch.tensor([[0.0, 0, 5], [99, 0, 5], [0, 9, 5]], dtype=torch.float64)
    >>> placed, lattice = placed_on(points, torch.tensor([[0, 1, 2]]), width=4, height=4)
    >>> triangles = triangles_of(placed, placed.boxes(torch.tensor([0])), lattice)
    >>> triangles.face.tolist(), float(triangles.x.max() / lattice.unit)
    ([0, 0], 8.0)
    """
    found = placed.triangles(boxes)
    if placed.within:
        return found
    far = (_beyond_guard(found.x, lattice.x.extent * lattice.unit) | _beyond_guard(found.y, lattice.y.extent * lattice.unit)).any(0)
    if not bool(far.any()):
        return found
    whole, beyond = (found.take(where_true(mask)) for mask in (~far, far))
    corners = placed.points.index_select(0, gathered(placed.corners, beyond.face).t().reshape(-1)).view(-1, 3, 3)
    cut = _cut_to_guard(corners, beyond.face, lattice)
    return whole if cut is None else _in_order(whole.joined(cut))


def _in_order(triangles: Triangles) -> Triangles:
    """In the order of their faces: whoever sorts what they cover finds it sorted."""
    return triangles.take(triangles.face.argsort(stable=True))


def _within_guard(values: Tensor, extent: float) -> bool:
    low, high = (float(end) for end in values.aminmax())  # NaN where any value is
    return low >= -_GUARD * extent and high <= (1 + _GUARD) * extent


def _beyond_guard(values: Tensor, extent: float) -> Tensor:
    return (values < -_GUARD * extent) | (values > (1 + _GUARD) * extent)


def covered(triangles: Triangles, lattice: SampleLattice) -> Iterator[Coverage]:
    """What triangles cover, a bounded number of samples at a time.

    >>> points = torch.tensor([[0.0, 0, 5], [1.9, 0, 5], [0, 1.9, 5]], dtype=torch.float64)
    >>> (found,) = covered(*triangles_on(points, torch.tensor([[0, 1, 2]]), width=2, height=2))
    >>> found.sample.tolist()
    [0]
    """
    width = len(lattice.x.at)
    for found in spans_on(triangles, lattice):
        for spans in found.pieces(_SAMPLES_AT_ONCE):
            span, after, height = spans.samples(lattice)
            sample = (spans.row * width).add_(spans.first).index_select(0, span).add_(after)
            yield Coverage(span, sample, height, spans.face, spans.ccw)


def spans_on(triangles: Triangles, lattice: SampleLattice) -> Iterator[Spans]:
    """The spans of triangles, of a bounded number of rows at a time.

    >>> points = torch.tensor([[0.0, 0, 5], [1.9, 0, 5], [0, 1.9, 5]], dtype=torch.float64)
    >>> (found,) = spans_on(*triangles_on(points, torch.tensor([[0, 1, 2]]), width=2, height=2))
    >>> found.columns.tolist()
    [1]
    """
    for first, last in pieces(triangles.rows, _ROWS_AT_ONCE):
        yield spans_of(Triangles(*(v[..., first:last] for v in triangles)), lattice)


def _cut_to_guard(corners: Tensor, face: Tensor, lattice: SampleLattice) -> Triangles | None:
    """Cut triangles [N, 3, 3] that reach beyond the guard band, so that coordinates stay small enough for exact arithmetic."""
    points, faces, source = corners.reshape(-1, 3), torch.arange(3 * len(corners), device=corners.device).view(-1, 3), face
    for axis, line in enumerate((lattice.x, lattice.y)):
        for bound, keep_above in ((-_GUARD * line.extent, True), ((1 + _GUARD) * line.extent, False)):
            column = points[:, axis]
            if bool((column < bound).any() if keep_above else (column > bound).any()):
                points, faces, part = clip(points, faces, axis, bound, keep_above)
                source = source[part]
    placed = Placed.on(points, faces, lattice)
    part = where_true(placed.holds)
    return placed.triangles(placed.boxes(part))._replace(face=source[part]) if len(part) else None


def _sample_positions(samples: Tensor | None, n: int, like: Tensor) -> tuple[Tensor, float, float]:
    """(positions from an origin near the first, the origin, the extent that they span)"""
    if samples is None:
        return torch.arange(n, dtype=torch.float64, device=like.device) + 0.5, 0.0, float(n)
    origin = float(samples[0])
    return samples.to(like) - origin, origin, max(float(samples[-1]) - origin, 1.0)
