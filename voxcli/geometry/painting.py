"""Filled runs of rays to grids: 64 rays to a word, a toggle at either end of a run, then a prefix exclusive-or along the rays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from voxcli.geometry.lattice import Lattice, VoxelLattice


class Intervals(NamedTuple):
    """Runs of filled cells first..last (inclusive) of rays, of one part each; sorted by part, ray, cell; none touch."""

    part: Tensor
    ray: Tensor
    first: Tensor
    last: Tensor


def painted(runs: Intervals, lattice: Lattice, parts: int) -> Tensor:
    """1 + the highest part at each cell, else 0: the lattice's shape, uint8 where that holds so many parts, else int16.

    >>> lattice = VoxelLattice((2, 1, 1), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    >>> painted(Intervals(*torch.tensor([[0, 1], [0, 0], [0, 1], [1, 1]])), lattice, 2).ravel().tolist()
    [1, 2]
    """
    kind = torch.uint8 if parts < 256 else torch.int16
    if parts == 1:
        return painted_solid(runs, lattice).to(kind)
    owner = torch.zeros(lattice.shape, dtype=kind, device=runs.ray.device)
    ends = torch.searchsorted(runs.part, torch.arange(parts + 1, device=owner.device)).tolist()
    row, column = _rows_and_columns(runs.ray, lattice)
    for part in range(parts):
        mine = slice(ends[part], ends[part + 1])
        if mine.start == mine.stop:
            continue
        box = [v[mine] for v in (runs.first, runs.last, row, column)]
        (cell, _), (_, end), (top, bottom), (left, right) = (torch.stack(v.aminmax()).tolist() for v in box)
        filled = _toggled(box[0] - cell, box[1] - cell, box[2] - top, box[3] - left, (end - cell + 1, bottom - top + 1, right - left + 1))
        there = owner[cell : end + 1, top : bottom + 1, left : right + 1]
        torch.maximum(there, filled.to(kind).mul_(part + 1), out=there)
    return owner


def painted_solid(runs: Intervals, lattice: Lattice) -> Tensor:
    """The same of one part, as bool.

    >>> lattice = VoxelLattice((3, 1, 1), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    >>> painted_solid(Intervals(*torch.tensor([[0], [0], [1], [2]])), lattice).ravel().tolist()
    [False, True, True]
    """
    return _toggled(runs.first, runs.last, *_rows_and_columns(runs.ray, lattice), lattice.shape).view(torch.bool)


def _rows_and_columns(ray: Tensor, lattice: Lattice) -> tuple[Tensor, Tensor]:
    """Indices of rays in the last two axes of the lattice's array."""
    width = lattice.sizes[0]
    second = torch.div(ray, width, rounding_mode="floor")
    first = ray - second * width
    return (first, second) if isinstance(lattice, VoxelLattice) else (second, first)


_BYTE_TO_BITS = torch.tensor([[i >> k & 1 for k in range(8)] for i in range(256)], dtype=torch.uint8).view(torch.int64).ravel()


def _toggled(first: Tensor, last: Tensor, row: Tensor, column: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Disjoint runs as 1 in an array of this shape (cells, rows, columns), uint8."""
    cells, rows, columns = shape
    words = -(-columns // 64)
    plane = rows * words
    word, bit = row * words + (column >> 6), torch.ones_like(column) << (column & 63)
    toggles = torch.zeros((cells + 1) * plane, dtype=torch.int64, device=row.device)
    # No two toggles of a ray share a cell (runs never touch), so adding bits is the same as setting them.
    toggles.index_add_(0, first * plane + word, bit).index_add_(0, (last + 1) * plane + word, bit)
    grid = toggles.view(cells + 1, plane)
    layers = grid.numpy() if row.device.type == "cpu" else grid  # a call of numpy costs less than one of torch
    for k in range(1, cells):
        layers[k] ^= layers[k - 1]
    return _unpacked(grid[:cells]).view(cells, rows, words * 64)[..., :columns].contiguous()


def _unpacked(words: Tensor) -> Tensor:
    """int64 words to 64 bytes each, 0 or 1, lowest bit first."""
    if words.device.type == "cpu":
        return torch.from_numpy(np.unpackbits(words.numpy().view(np.uint8), bitorder="little"))
    return _BYTE_TO_BITS.to(words.device)[words.view(torch.uint8).ravel().int()].view(torch.uint8)
