"""Triangles on the fixed-point grid of a lattice of samples, and where that grid's samples lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Line(NamedTuple):
    """Sample positions along one axis in units of the fixed-point grid [n], the lattice units that they span, and whether they are even:
    the middles of equal cells.
    """

    at: Tensor
    extent: float
    even: bool

    @staticmethod
    def of(samples: Tensor, extent: float, unit: float) -> Line:
        """Samples in lattice units, snapped to the grid."""
        at = (samples * unit).round_()
        n = len(at)
        return Line(at, extent, bool(at[0] == unit / 2) and (n == 1 or bool(at[-1] == (n - 0.5) * unit)))

    def first_from(self, low: Tensor, unit: float) -> Tensor:
        """Index of the first sample >= low, as int64; n where there is none."""
        if self.even:  # in place and exact: unit is a power of two, and taking 1/2 off a positive number loses nothing
            return (low * (1 / unit)).sub_(0.5).ceil_().clamp_(0, len(self.at)).long()
        return torch.searchsorted(self.at, low)

    def first_beyond(self, high: Tensor, unit: float) -> Tensor:
        """Index of the first sample > high, as int64; n where there is none."""
        if self.even:
            return (high * (1 / unit)).add_(0.5).floor_().clamp_(0, len(self.at)).long()
        return torch.searchsorted(self.at, high, right=True)

    def place(self, at: Tensor, unit: float) -> Tensor:
        """The sum of first_from and first_beyond, int32: they are the same, and the sum is even, unless a sample lies there.

        at: whole numbers of the fixed-point grid.
        """
        if not self.even or unit < 2:
            return (self.first_from(at, unit) + self.first_beyond(at, unit)).int()
        at = at.clamp(0, len(self.at) * unit).int().clamp_(min=0).add_(int(unit) // 2)  # clamped twice, as what is no number has no place
        shift = int(unit).bit_length() - 1
        return (at - 1).bitwise_right_shift_(shift).add_(at.bitwise_right_shift_(shift))


class SampleLattice(NamedTuple):
    """The samples of columns and of rows; unit: steps of the fixed-point grid in a unit of the points."""

    x: Line
    y: Line
    unit: float


class Triangles(NamedTuple):
    """Triangles that may hold samples: corners x, y in units, z [3, N]; the face that each is (a piece of) and its box of samples [N]."""

    x: Tensor
    y: Tensor
    z: Tensor
    face: Tensor
    i0: Tensor
    j0: Tensor
    columns: Tensor
    rows: Tensor

    def take(self, index: Tensor) -> Triangles:
        """Some of them."""
        return Triangles(*(gathered(v, index) for v in self[:3]), *(v.index_select(0, index) for v in self[3:]))

    def joined(self, others: Triangles) -> Triangles:
        """These, then others."""
        return Triangles(*(torch.cat(v, -1) for v in zip(self, others, strict=True)))


class Boxes(NamedTuple):
    """N faces: their corners [3, N], and their boxes of samples: the first column and row, and how many there are, int32 or int64 [N]."""

    face: Tensor
    corners: Tensor
    i0: Tensor
    j0: Tensor
    columns: Tensor
    rows: Tensor

    def take(self, index: Tensor) -> Boxes:
        """Some of them."""
        return Boxes(*(gathered(v, index) if v.dim() == 2 else v.index_select(0, index) for v in self))


class Placed(NamedTuple):
    """Faces on a lattice.

    points [V, 3] in lattice units; x, y [V] in steps of the fixed-point grid; place [V]: where each vertex lies among the samples (see
    Line.place), column and row as two small numbers, of type `kind`, in one word; corners [3, F]; holds [F] bool: whether a face's box
    holds samples; within: whether all points are known not to lie far beyond the lattice.
    """

    points: Tensor
    x: Tensor
    y: Tensor
    place: Tensor
    kind: torch.dtype
    corners: Tensor
    holds: Tensor
    within: bool = False

    @staticmethod
    def on(points: Tensor, faces: Tensor, lattice: SampleLattice) -> Placed:
        """Faces [F, 3] of points [V, 3]."""
        # A box begins and ends at the first and last of its corners.
        short = max(len(lattice.x.at), len(lattice.y.at)) < 1 << 14
        x, y = ((points[:, k] * lattice.unit).round_() for k in range(2))
        columns, rows = lattice.x.place(x, lattice.unit), lattice.y.place(y, lattice.unit)
        place = rows.bitwise_left_shift_(16).bitwise_or_(columns) if short else rows.long().bitwise_left_shift_(32).bitwise_or_(columns)
        corners = transposed(faces.int() if len(points) < 1 << 31 else faces)  # half the memory
        a, b, c = place.index_select(0, corners.view(-1)).view(3, -1).unbind()
        # Most small triangles hold no sample: their corners have one place, which is even, in one of the axes.
        holds = _both_halves((a ^ b).bitwise_or_(b ^ c).bitwise_or_(a & (0x1_0001 if short else 0x1_0000_0001)))
        return Placed(points, x, y, place, torch.int16 if short else torch.int32, corners, holds)

    def boxes(self, face: Tensor) -> Boxes:
        """Those of some faces [N]."""
        corners = gathered(self.corners, face)
        a, b, c = (v.view(self.kind) for v in self.place.index_select(0, corners.view(-1)).view(3, -1).unbind())
        first = torch.minimum(torch.minimum(a, b), c).bitwise_right_shift_(1)
        count = torch.maximum(torch.maximum(a, b), c).add_(1).bitwise_right_shift_(1).sub_(first)
        half = self.place.itemsize * 4
        (i0, j0), (columns, rows) = ((v & ((1 << half) - 1), v >> half) for v in (n.view(self.place.dtype) for n in (first, count)))
        return Boxes(face, corners, i0, j0, columns, rows)

    def triangles(self, boxes: Boxes) -> Triangles:
        """The faces in these boxes."""
        x, y, z = (v.index_select(0, boxes.corners.view(-1)).view(3, -1) for v in (self.x, self.y, self.points[:, 2]))
        return Triangles(x, y, z, boxes.face, *(v.long() for v in boxes[2:]))

    def counter_clockwise(self) -> Tensor:
        """Which faces run from x to y, but for rounding. [F] bool"""
        x, y = (v.float().index_select(0, self.corners.view(-1)).view(3, -1) for v in (self.x, self.y))
        return (x[1] - x[0]).mul_(y[2] - y[0]) > (x[2] - x[0]).mul_(y[1] - y[0])


def _both_halves(words: Tensor) -> Tensor:
    """Of which integers [N] neither half is 0. [N] bool; NumPy compares small integers several times faster than torch."""
    kind = torch.int16 if words.dtype == torch.int32 else torch.int32
    if words.device.type == "cpu":
        return torch.from_numpy((words.view(kind).numpy() != 0).view(np.int16) == 0x0101)
    return (words.view(kind) != 0).view(torch.int16) == 0x0101


def gathered(rows: Tensor, index: Tensor) -> Tensor:
    """Elements of each row, as rows[:, index]: [R, M] and [N] to [R, N]. Faster than one call of torch's for all rows.

    >>> gathered(torch.tensor([[1, 2], [3, 4]]), torch.tensor([1, 0, 1])).tolist()
    [[2, 1, 2], [4, 3, 4]]
    """
    out = rows.new_empty(len(rows), len(index))
    for row, to in zip(rows.unbind(), out.unbind(), strict=True):
        torch.index_select(row, 0, index, out=to)
    return out


def transposed(rows: Tensor) -> Tensor:
    """[N, 3] to [3, N], which NumPy copies faster than torch.

    >>> transposed(torch.tensor([[1, 2, 3], [4, 5, 6]])).tolist()
    [[1, 4], [2, 5], [3, 6]]
    """
    return torch.from_numpy(np.ascontiguousarray(rows.numpy().T)) if rows.device.type == "cpu" else rows.t().contiguous()
