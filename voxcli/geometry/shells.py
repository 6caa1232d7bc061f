"""Parts that enclose no volume by themselves: open shells, torn or inconsistently wound meshes, loose cards.

For each cell the signed crossings are summed along the three lattice lines through its centre, seen from both ends, and averaged: an
estimate of the generalised winding number from six directions. Above one half the cell is inside. Rows and columns of a fruxel slice
are straight lines in space, so the same holds in a frustum. The surface of open components is always kept.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from voxcli.geometry.crossings import TriangleSoup, join, spans_along
from voxcli.geometry.lattice import Lattice, VoxelLattice
from voxcli.geometry.spans import Spans
from voxcli.geometry.triangles import SampleLattice, gathered

_NO_INSIDE = 0.6  # share of rays that disagree above which a shell is taken for loose leaves


class Shell(NamedTuple):
    """One such part: the number that it writes, vertices [V, 3], faces [F, 3], and 1 for faces of open components [F] int64."""

    number: int
    vertices: Tensor
    faces: Tensor
    is_open: Tensor


class Window(NamedTuple):
    """A box of cells along the lattice axes (u, v, w): the cells low .. low + sizes that a shell can touch."""

    low: tuple[int, int, int]
    sizes: tuple[int, int, int]


def fill_shells(shells: list[Shell], lattice: Lattice, rule: str, owner: Tensor, vote: bool) -> tuple[int, int]:
    """Write the numbers of shells into owner (the lattice's array) where larger. -> (rays that disagree, rays that hit)

    vote: fill the inside; else only the surface is written. Under the slab rule the surface is what the pixels' rays meet (SSZ,
    section 3.1); under the centre rule, what any of the three lines through a cell's centre meets within the cell.

    >>> from voxcli.geometry.lattice import VoxelLattice
    >>> from voxcli.geometry.surfaces import cell_faces
    >>> from voxcli.scene import VoxelGrid
    >>> cube = cell_faces(VoxelGrid(occupancy=torch.ones(1, 1, 1).numpy()))           # a unit cube
    >>> vertices, faces = 0.8 * torch.from_numpy(cube.vertices) + 0.1, torch.from_numpy(cube.faces)
    >>> lattice = VoxelLattice((4, 4, 4), (-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    >>> owner = torch.zeros(4, 4, 4, dtype=torch.int16)
    >>> lid_off = Shell(1, vertices, faces[(vertices[faces][..., 1] < 0.9).any(1)], torch.ones(10, dtype=torch.int64))
    >>> fill_shells([lid_off], lattice, "centre", owner, vote=True)[1], int(owner.sum())  # the inside of an open box
    (4, 8)
    """
    soup = join([(s.vertices, s.faces) for s in shells], lattice, [s.is_open + 2 * i for i, s in enumerate(shells)])
    assert soup.tag is not None
    ends = torch.searchsorted(soup.tag >> 1, torch.arange(len(shells) + 1, device=soup.tag.device))
    pieces = [_by_shell(soup, lattice, axis, ends) for axis in range(3)]
    leaky = hit = 0
    for index, (shell, window) in enumerate(zip(shells, _windows(soup, lattice, len(shells)), strict=True)):
        if window is None:
            continue
        along = _lines(pieces[2][index], window, 2, owner.device)
        unpaired, met = int(along.balance.count_nonzero()), int(along.hits.count_nonzero())
        # Loose leaves and cards have no inside: where most rays disagree the vote is about nothing, and the surface alone is right.
        votes = vote and unpaired <= _NO_INSIDE * met
        others = [_lines(pieces[axis][index], window, axis, owner.device) for axis in (1, 0)] if votes or rule == "centre" else []
        inside = _inside([along, *others], lattice, window, rule, votes)
        whole = owner.permute(0, 2, 1) if isinstance(lattice, VoxelLattice) else owner  # [w, v, u]
        there = whole[tuple(slice(a, a + n) for a, n in zip(window.low[::-1], window.sizes[::-1], strict=True))]
        torch.maximum(there, inside.view(torch.uint8).to(owner.dtype).mul_(shell.number), out=there)
        leaky, hit = leaky + unpaired, hit + met
    return leaky, hit


class _Piece(NamedTuple):
    """Spans of one shell along one axis, whether each is of an open component [N] bool, sign [N] int8, and the lattice of their samples.

    sign: leaving (+1) or entering (-1) the solid.
    """

    spans: Spans
    is_open: Tensor
    sign: Tensor
    samples: SampleLattice


def _by_shell(soup: TriangleSoup, lattice: Lattice, axis: int, ends: Tensor) -> list[list[_Piece]]:
    """The spans of each shell along an axis. Its faces are those from one of the ends to the next."""
    assert soup.tag is not None
    found: list[list[_Piece]] = [[] for _ in ends[1:]]
    for spans, samples in spans_along(soup, lattice, axis):
        is_open = (soup.tag.index_select(0, spans.face) & 1).bool()
        sign = spans.ccw.to(torch.int8).mul_(2).sub_(1)
        at = torch.searchsorted(spans.face, ends).tolist()  # they come in the order of the faces
        for pieces, first, end in zip(found, at[:-1], at[1:], strict=True):
            if end > first:
                pieces.append(_Piece(Spans(*(v[first:end] for v in spans)), is_open[first:end], sign[first:end], samples))
    return found


def _windows(soup: TriangleSoup, lattice: Lattice, shells: int) -> list[Window | None]:
    """The cells around the faces of each shell; None where they touch none."""
    assert soup.tag is not None
    corners = gathered(soup.points.t(), soup.faces.t().reshape(-1))
    shell = (soup.tag >> 1).repeat(3).expand(3, -1)
    ends = ((torch.inf, "amin"), (-torch.inf, "amax"))
    low, high = (corners.new_full((3, shells), start).scatter_reduce_(1, shell, corners, how) for start, how in ends)
    low[2], high[2] = lattice.depth(low[2]), lattice.depth(high[2])
    sizes = torch.tensor(lattice.sizes, dtype=torch.float64, device=corners.device)
    low, high = low.t().floor().clamp_min_(0), torch.minimum(high.t().floor() + 1, sizes)
    touched = (low < high).all(1).tolist()
    found = zip(touched, low.tolist(), (high - low).tolist(), strict=True)
    return [Window((int(u), int(v), int(w)), (int(nu), int(nv), int(nw))) if some else None for some, (u, v, w), (nu, nv, nw) in found]


class _Grid(NamedTuple):
    """An array for the lines of a window along one axis, with two layers more along it: what lies beyond the window needs no care.

    order: of the axes in memory, the slowest first. Lines along v and w run from layer to layer, each a whole piece of memory.
    """

    axis: int
    order: tuple[int, int, int]
    shape: list[int]

    @staticmethod
    def of(window: Window, axis: int) -> _Grid:
        order = (1, 2, 0) if axis == 1 else (2, 1, 0)
        return _Grid(axis, order, [window.sizes[k] + 2 * (k == axis) for k in order])

    def zeros(self, kind: torch.dtype, device: torch.device) -> Tensor:
        """NumPy clears large pieces of memory in a third of torch's time."""
        if device.type == "cpu":
            return torch.from_numpy(np.zeros(self.shape, f"i{kind.itemsize}"))
        return torch.zeros(self.shape, dtype=kind, device=device)

    def stride(self, axis: int) -> int:
        """How far apart neighbours along an axis are."""
        return math.prod(self.shape[self.order.index(axis) + 1 :])

    @property
    def dim(self) -> int:
        """The dimension that the lines run along."""
        return self.order.index(self.axis)

    def of_window(self, values: Tensor, first: int) -> Tensor:
        """The layers of an array from this one on, two less than it has, as [w, v, u]."""
        found = values.narrow(self.dim, first, self.shape[self.dim] - 2)
        return found.transpose(0, 1) if self.axis == 1 else found


class _Lines(NamedTuple):
    """The lines of a window along one axis, and what crosses them.

    balance, hits [down, across]: sum of the signs, and number, of a line's crossings. places: where the first line of each span begins in
    the grid, float64 [N], of each piece.
    """

    axis: int
    balance: Tensor
    hits: Tensor
    pieces: list[_Piece]
    places: list[Tensor]
    grid: _Grid


def _lines(pieces: list[_Piece], window: Window, axis: int, device: torch.device) -> _Lines:
    across, down = (axis + 1) % 3, (axis + 2) % 3
    width, height = window.sizes[across], window.sizes[down]
    grid = _Grid.of(window, axis)
    steps = torch.zeros(2, height * (width + 1), dtype=torch.int32, device=device)
    places = []
    for spans, _, sign, _ in pieces:
        row = (spans.row - window.low[down]).clamp_(0, height - 1)
        first = spans.first - window.low[across]
        # A span adds to its first line, and takes away behind its last one.
        starts, stops = (n.clamp(0, width).add_(row * (width + 1)) for n in (first, first + spans.columns))
        for to, each in zip(steps, (sign.int(), torch.ones_like(row, dtype=torch.int32)), strict=True):
            to.index_add_(0, starts, each).index_add_(0, stops, -each)
        places.append(row.mul_(grid.stride(down)).add_(first.mul_(grid.stride(across))).double())
    balance, hits = steps.cumsum(1, dtype=torch.int32).view(2, height, width + 1)[..., :width]
    return _Lines(axis, balance, hits, pieces, places, grid)


def _inside(lines: list[_Lines], lattice: Lattice, window: Window, rule: str, vote: bool) -> Tensor:
    """1 in cells of the surface, and of the inside where there is a vote, int8 [w, v, u]. lines: along the axes 2, 1, 0.

    The vote: signed crossings beyond a cell's centre minus those before it, on the three lines through it and added up, are above 3 in
    size. Along a line these are all its crossings less twice those before the centre. A byte holds the sum where crossings are few.
    """
    most = sum(int(each.hits.max()) for each in lines)
    kind = torch.int8 if most < 1 << 7 else torch.int32
    device = lines[0].hits.device
    surface: Tensor | None = None
    votes: Tensor | None = None
    for each in lines:
        marks = each.grid.zeros(torch.int8, device) if rule == "centre" or each.axis == 2 else None
        steps = each.grid.zeros(kind, device) if vote else None
        _write_crossings(each, lattice, window.low[each.axis], marks, steps)
        if marks is not None:
            found = each.grid.of_window(marks, 1)
            surface = found if surface is None else surface.bitwise_or_(found)
        if steps is not None:
            balance = each.balance.t() if each.axis == 1 else each.balance
            steps.select(each.grid.dim, 0).add_(balance.to(kind))
            found = each.grid.of_window(_running_sums(steps, each.grid.dim), 0)
            votes = found if votes is None else votes.add_(found)
    assert surface is not None
    return surface if votes is None else surface.bitwise_or_(votes.abs_().clamp_(3, 4).sub_(3).to(torch.int8))


def _write_crossings(lines: _Lines, lattice: Lattice, low: int, marks: Tensor | None, steps: Tensor | None) -> None:
    """Mark the cells of open components, and take twice the sign of each crossing from the first cell whose centre lies behind it.

    low: the window's first cell along the axis. The first layer of marks is that before the window.
    """
    across, step = lines.grid.stride((lines.axis + 1) % 3), lines.grid.stride(lines.axis)
    layers, cells = lines.grid.shape[lines.grid.dim], math.prod(lines.grid.shape)
    for (spans, is_open, sign, samples), places in zip(lines.pieces, lines.places, strict=True):
        span, after, t = spans.samples(samples)
        if lines.axis == 2:
            t = lattice.depth(t)
        place = places.index_select(0, span).add_(after.double() if across == 1 else after.double().mul_(across))
        if marks is not None:
            index = t.floor().sub_(low - 1).clamp_(0, layers - 1).mul_(step).add_(place).clamp_(0, cells - 1)
            if not bool(is_open.all()):
                index.mul_(is_open.double().index_select(0, span))  # the others mark the first cell, which is before the window
            marks.view(-1).index_fill_(0, index.long(), 1)
        if steps is not None:
            index = (t - (low + 0.5)).ceil_().clamp_(0, layers - 1).mul_(step).add_(place).clamp_(0, cells - 1).long()
            steps.view(-1).scatter_add_(0, index, (sign * -2).to(steps.dtype).index_select(0, span))


def _running_sums(grid: Tensor, dim: int) -> Tensor:
    """Sums along one dimension, in place."""
    if dim or grid.device.type != "cpu":
        return torch.cumsum(grid, dim, dtype=grid.dtype, out=grid)
    layers = grid.numpy()
    for k in range(1, len(layers)):
        layers[k] += layers[k - 1]
    return grid
