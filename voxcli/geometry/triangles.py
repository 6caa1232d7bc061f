"""Triangles on the fixed-point grid of a lattice of samples, and where that grid's samples lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Line(NamedTuple):
    """Sample positions along one axis in units of the fixed-point grid [n], and whether they are the middles of equal cells."""

    at: Tensor
    even: bool

    @staticmethod
    def of(samples: Tensor, unit: float) -> Line:
        """Samples in lattice units, snapped to the grid."""
        at = (samples * unit).round_()
        n = len(at)
        return Line(at, bool(at[0] == unit / 2) and (n == 1 or bool(at[-1] == (n - 0.5) * unit)))

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

    def counter_clockwise(self) -> Tensor:
        """Which of them run from x to y. [N] bool"""
        x, y = self.x, self.y
        return (x[1] - x[0]).mul_(y[2] - y[0]) > (x[2] - x[0]).mul_(y[1] - y[0])


def gathered(rows: Tensor, index: Tensor) -> Tensor:
    """Elements of each row, as rows[:, index]: [R, M] and [N] to [R, N]. Faster than one call of torch's for all rows.

    >>> gathered(torch.tensor([[1, 2], [3, 4]]), torch.tensor([1, 0, 1])).tolist()
    [[2, 1, 2], [4, 3, 4]]
    """
    out = rows.new_empty(len(rows), len(index))
    for row, to in zip(rows, out, strict=True):
        torch.index_select(row, 0, index, out=to)
    return out


def transposed(rows: Tensor) -> Tensor:
    """[N, 3] to [3, N], which NumPy copies faster than torch.

    >>> transposed(torch.tensor([[1, 2, 3], [4, 5, 6]])).tolist()
    [[1, 4], [2, 5], [3, 6]]
    """
    return torch.from_numpy(np.ascontiguousarray(rows.numpy().T)) if rows.device.type == "cpu" else rows.t().contiguous()
