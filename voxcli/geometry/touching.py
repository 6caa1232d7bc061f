"""The cells of a lattice that a surface touches: the exact test of triangles and boxes, one column of cells at a time.

A triangle and a box are apart where one of 13 axes separates them: the box's three, the triangle's normal, and the products of the
triangle's edges with the box's axes (Akenine-Moeller 2001). Along a column of cells each of these axes allows an interval, and the cells
that all of them allow are touched. Boxes are closed: a triangle on the border of two cells touches both.
"""

from __future__ import annotations

import torch
from torch import Tensor

from voxcli.backend import where_true
from voxcli.geometry.crossings import TriangleSoup
from voxcli.geometry.lattice import Lattice

_PAIRS = 1 << 18  # columns of triangles that are looked at together
_SLACK = 1e-9  # cells are so much larger, in cells, that rounding opens no gap


def touched_cells(soup: TriangleSoup, lattice: Lattice) -> Tensor:
    """Cells that a face of a soup (in lattice coordinates) touches, bool [w, v, u].

    >>> from voxcli.geometry.crossings import join
    >>> from voxcli.geometry.lattice import VoxelLattice
    >>> triangle = torch.tensor([[0.2, 0.2, 0.5], [2.8, 0.2, 0.5], [0.2, 2.8, 0.5]]), torch.tensor([[0, 1, 2]])
    >>> lattice = VoxelLattice((3, 3, 1), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    >>> touched_cells(join([triangle], lattice), lattice)[:, 0].long().tolist()       # rows x, columns y
    [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    """
    nu, nv, nw = lattice.sizes
    found = torch.zeros(nw * nv * nu, dtype=torch.bool, device=soup.points.device)
    corners = soup.points[soup.faces]  # [F, 3, 3]
    low, high = corners.amin(1), corners.amax(1)
    first, last = (torch.stack(e, 1) for e in zip(*(_cells_between(low[:, a], high[:, a], lattice, a) for a in range(3)), strict=True))
    span = (last - first + 1).clamp_min(0)
    cells = span.prod(1)
    alone = first[cells == 1]  # all of the face is in one cell
    found[(alone[:, 2] * nv + alone[:, 1]) * nu + alone[:, 0]] = True
    steepest = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).abs().argmax(1)
    for axis in range(3):
        chosen = (cells > 1) & (steepest == axis)
        _mark_along(corners[chosen], first[chosen], span[chosen], lattice, axis, found)
    return found.view(nw, nv, nu)


def _mark_along(corners: Tensor, first: Tensor, span: Tensor, lattice: Lattice, axis: int, found: Tensor) -> None:
    """Mark the cells of triangles [F, 3, 3] whose columns run along an axis. first, span [F, 3]: the cells of their boxes."""
    order = ((axis + 1) % 3, (axis + 2) % 3, axis)
    local, first, span = corners[..., list(order)], first[:, list(order[:2])], span[:, list(order[:2])]
    ends = span.prod(1).cumsum(0)
    start = 0
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(torch.searchsorted(ends, before + _PAIRS, right=True)))
        part = slice(start, stop)
        _mark(local[part], first[part], span[part], lattice, order, found)
        start = stop


def _cells_between(low: Tensor, high: Tensor, lattice: Lattice, axis: int) -> tuple[Tensor, Tensor]:
    """First and last closed cell of an axis that meets an interval of lattice coordinates; last < first where none."""
    borders, n = lattice.borders(axis), lattice.sizes[axis]
    least, most = float(borders[0]), float(borders[-1])
    missed = (high < least - _SLACK) | (low > most + _SLACK) | (low > high)
    low, high = low.clamp(least, most), high.clamp(least, most)
    if axis == 2:
        low, high = lattice.depth(low), lattice.depth(high)
    first, last = (low - _SLACK - 1).ceil().clamp_min(0), (high + _SLACK).floor().clamp_max(n - 1)
    return first.long(), torch.where(missed, -1, last.long())


def _mark(local: Tensor, first: Tensor, span: Tensor, lattice: Lattice, order: tuple[int, int, int], found: Tensor) -> None:
    count = span.prod(1)
    total = int(count.sum())
    face = torch.repeat_interleave(torch.arange(len(count), device=count.device), count, output_size=total)
    step = torch.arange(total, device=count.device) - (count.cumsum(0) - count)[face]
    rows = torch.div(step, span[face, 0], rounding_mode="floor")
    across, down = first[face, 0] + step - rows * span[face, 0], first[face, 1] + rows
    p, q = (lattice.borders(each).to(local.device) for each in order[:2])
    ends = (p[across], p[across + 1], q[down], q[down + 1])
    low, high = local[..., 2].amin(1)[face], local[..., 2].amax(1)[face]
    for separating in _axes(local):
        low, high = _allowed(separating, local, face, ends, low, high)
    start, stop = _cells_between(low, high, lattice, order[2])
    seen = where_true(stop >= start)
    length = (stop - start + 1)[seen]
    cell = torch.repeat_interleave(seen, length)
    height = start[cell] + torch.arange(len(cell), device=cell.device) - torch.repeat_interleave(length.cumsum(0) - length, length)
    strides = (1, lattice.sizes[0], lattice.sizes[0] * lattice.sizes[1])
    found[across[cell] * strides[order[0]] + down[cell] * strides[order[1]] + height * strides[order[2]]] = True


def _axes(local: Tensor) -> list[Tensor]:
    """Ten axes [F, 3] that may separate a triangle from a box; the box's own three are its columns and the ends of these."""
    edges = local.roll(-1, 1) - local
    axes = [torch.linalg.cross(edges[:, 0], edges[:, 1])]
    for dp, dq, dk in (edge.unbind(1) for edge in edges.unbind(1)):
        none = torch.zeros_like(dp)
        axes += [torch.stack(axis, 1) for axis in ((none, dk, -dq), (-dk, none, dp), (dq, -dp, none))]
    return axes


def _allowed(axis: Tensor, local: Tensor, face: Tensor, ends: tuple[Tensor, ...], low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The interval low..high of each column, less what lies beyond the triangle along one axis."""
    axis = torch.where(axis[:, 2:] < 0, -axis, axis)
    places = (local * axis[:, None]).sum(2)
    slack = _SLACK * axis.abs().sum(1) + 1e-30  # never 0: an axis of no length separates nothing
    least, most = (places.amin(1) - slack)[face], (places.amax(1) + slack)[face]
    along_p, along_q, along = axis[face, 0], axis[face, 1], axis[face, 2].clamp_min(1e-300)
    ps, qs = (along_p * ends[0], along_p * ends[1]), (along_q * ends[2], along_q * ends[3])
    nearest, farthest = torch.minimum(*ps) + torch.minimum(*qs), torch.maximum(*ps) + torch.maximum(*qs)
    return torch.maximum(low, (least - farthest) / along), torch.minimum(high, (most - nearest) / along)
