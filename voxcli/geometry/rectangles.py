"""The faces of labelled cells, merged to rectangles: greedy meshing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Rectangles:
    """Rectangles of a lattice, N of them; cell i spans [i, i + 1] along each axis.

    axis [N]: 0, 1 or 2, the axis that a rectangle is perpendicular to. side [N]: 0 where its cells lie above the plane, so that it faces
    lower indices, 1 where they lie below. plane [N]: index of the plane, 0 to n. first [N, 2], size [N, 2]: first cell and number of
    cells along the axes (axis + 1) % 3 and (axis + 2) % 3. label [N]: of the cells.
    """

    axis: np.ndarray
    side: np.ndarray
    plane: np.ndarray
    first: np.ndarray
    size: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.axis)


def merged_faces(labels: np.ndarray, solid: Sequence[int], *, between: bool = False) -> Rectangles:
    """The exposed faces of the cells of `solid` labels, neighbours of one label and plane merged to rectangles.

    Runs of faces along one axis are merged with equal runs beside them, which is done along either axis, and the fewer rectangles are
    taken. Every exposed face is in exactly one rectangle.

    Args:
        labels: integers [X, Y, Z].
        solid: which labels are filled; all others are empty, and so is what lies outside of the lattice.
        between: a face between two cells of different solid labels is exposed on both sides. Otherwise only faces to the empty are.

    >>> cube = merged_faces(np.ones((4, 5, 6), np.uint8), [1])
    >>> len(cube), int((cube.size[:, 0] * cube.size[:, 1]).sum())
    (6, 148)
    """
    keys = np.where(np.isin(labels, solid), labels.astype(np.int32) + 1, 0)          # 0 is empty
    found = [_direction(keys, axis, side, between) for axis in range(3) for side in (0, 1)]
    return Rectangles(*(np.concatenate([getattr(each, field.name) for each in found]) for field in fields(Rectangles)))


def _direction(keys: np.ndarray, axis: int, side: int, between: bool) -> Rectangles:
    """The rectangles that face one way."""
    cells = np.ascontiguousarray(keys.transpose(axis, (axis + 1) % 3, (axis + 2) % 3))
    beyond = np.zeros_like(cells)
    if side:
        beyond[:-1] = cells[1:]
    else:
        beyond[1:] = cells[:-1]
    exposed = np.where(cells != beyond if between else beyond == 0, cells, 0)
    along = _merged(exposed)
    across = _merged(np.ascontiguousarray(exposed.transpose(0, 2, 1)))
    if len(across) < len(along):
        along = across[:, [0, 2, 1, 4, 3, 5]]
    layer, u, v, rows, columns, key = along.T
    return Rectangles(np.full(len(along), axis, np.uint8), np.full(len(along), side, np.uint8), layer + side,
                      np.stack([u, v], 1), np.stack([rows, columns], 1), key - 1)  # fmt: skip


def _merged(exposed: np.ndarray) -> np.ndarray:
    """Rectangles [N, 6] of equal numbers other than 0 within each layer [L, U, V]: layer, first u, first v, rows, columns, the number."""
    layers, rows, columns = exposed.shape
    padded = np.zeros((layers * rows, columns + 2), exposed.dtype)
    padded[:, 1:-1] = exposed.reshape(-1, columns)
    change = padded[:, 1:] != padded[:, :-1]                                         # [L * U, V + 1]
    row, first = np.nonzero(change & (padded[:, 1:] != 0))
    _, end = np.nonzero(change & (padded[:, :-1] != 0))
    length, key = end - first, padded[row, first + 1]
    layer = row // rows
    order = np.lexsort((row, key, length, first, layer))
    row, first, length, key, layer = (each[order] for each in (row, first, length, key, layer))
    same = np.zeros(len(row), bool)
    same[1:] = row[1:] == row[:-1] + 1
    for each in (first, length, key, layer):
        same[1:] &= each[1:] == each[:-1]
    start = np.flatnonzero(~same)
    count = np.diff(np.append(start, len(row)))
    return np.stack([layer[start], row[start] % rows, first[start], count, length[start], key[start].astype(np.int64)], 1)
