"""The faces of labelled cells: one by one, and merged to rectangles (greedy meshing)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from voxcli.scene import FruxelGrid, VoxelGrid


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

    def corners(self) -> np.ndarray:
        """Lattice coordinates [N, 4, 3], counter-clockwise seen from outside, where the lattice is right-handed."""
        each, axis = np.arange(len(self)), self.axis.astype(np.int64)
        found = np.zeros((len(self), 4, 3), np.int64)
        for corner, (right, down) in enumerate(((0, 0), (1, 0), (1, 1), (0, 1))):
            found[each, corner, axis] = self.plane
            found[each, corner, (axis + 1) % 3] = self.first[:, 0] + right * self.size[:, 0]
            found[each, corner, (axis + 2) % 3] = self.first[:, 1] + down * self.size[:, 1]
        return np.where(self.side[:, None, None] == 1, found, found[:, ::-1])


@dataclass(frozen=True)
class OpenFaces:
    """The faces of a grid's cells that look one way to the empty, N of them.

    axis: 0, 1 or 2, the axis that they are perpendicular to. side: 0 where they face lower indices, 1 higher ones. index: three arrays
    [N], the cells along the grid's axes, in the order of the grid. label [N]: of the cells.
    """

    axis: int
    side: int
    index: tuple[np.ndarray, np.ndarray, np.ndarray]
    label: np.ndarray

    def offsets(self) -> np.ndarray:
        """Lattice coordinates [4, 3] of the corners less those of the cell, counter-clockwise seen from outside."""
        square = np.zeros((4, 3), np.int64)
        square[:, self.axis] = self.side
        square[1:3, (self.axis + 1) % 3] = square[2:4, (self.axis + 2) % 3] = 1
        return square if self.side else square[::-1]


def open_faces(labels: np.ndarray, solid: Sequence[int]) -> Iterator[OpenFaces]:
    """The faces between filled cells and empty ones, one way at a time. Outside of the grid is empty.

    >>> [len(each.label) for each in open_faces(np.ones((2, 1, 1), np.uint8), [1])]
    [1, 1, 2, 2, 2, 2]
    """
    table = np.zeros(max(int(labels.max(initial=0)), *solid, 0) + 1, bool)
    table[list(solid)] = True
    padded = np.zeros([size + 2 for size in labels.shape], bool)  # every cell has six neighbours
    padded[1:-1, 1:-1, 1:-1] = table[labels]
    flat = padded.ravel()
    cells = np.flatnonzero(flat)
    for axis in range(3):
        step = int(np.prod(padded.shape[axis + 1 :]))
        for side in (0, 1):
            x, y, z = np.unravel_index(cells[~flat[cells + (step if side else -step)]], padded.shape)
            index = (x - 1, y - 1, z - 1)
            yield OpenFaces(axis, side, index, labels[index])


def face_corners(labels: np.ndarray, solid: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """(corners [N, 4, 3], labels [N]) of the faces between filled cells and empty ones, in lattice coordinates.

    Corners are counter-clockwise seen from outside, where the lattice is right-handed.

    >>> corners, _ = face_corners(np.ones((2, 1, 1), np.uint8), [1])                  # ten squares around two cells
    >>> corners.shape
    (10, 4, 3)
    """
    faces = list(open_faces(labels, solid))
    corners = [np.stack(each.index, 1).astype(np.float64)[:, None] + each.offsets() for each in faces]
    return np.concatenate(corners), np.concatenate([each.label for each in faces])


def lattice_to_world(index: np.ndarray, grid: FruxelGrid | VoxelGrid) -> np.ndarray:
    """Index coordinates (cell i spans [i, i + 1]) to the world frame. [N, 3]

    >>> grid = VoxelGrid(occupancy=np.ones((2, 2, 2), bool), origin=np.array([1.0, 0, 0]), voxel_size=np.full(3, 0.5))
    >>> lattice_to_world(np.array([[0, 0, 0], [2, 2, 2]]), grid).tolist()
    [[1.0, 0.0, 0.0], [2.0, 1.0, 1.0]]
    """
    if isinstance(grid, VoxelGrid):
        points: np.ndarray = grid.origin + index * grid.voxel_size
        return points
    f = grid.frustum
    z = f.z_near + index[:, 0] * f.slice_thickness
    x, y = (index[:, 2] - f.width / 2) / f.focal * z, (index[:, 1] - f.height / 2) / f.focal * z
    moved: np.ndarray = (np.stack([x, y, z], 1) - grid.world_to_cam[:3, 3]) @ grid.world_to_cam[:3, :3]
    return moved


def in_blocks(labels: np.ndarray, side: int) -> np.ndarray:
    """Labels [X, Y, Z] of which each block of side^3 cells has one label: the most frequent above 0, of equals the lowest.

    >>> in_blocks(np.array([[[0, 0, 0, 3, 0]]]), 2).tolist()
    [[[0, 0, 3, 3, 0]]]
    """
    place = [np.arange(size) // side for size in labels.shape]
    shape = [int(each[-1]) + 1 for each in place]
    cells = np.nonzero(labels)
    block = np.ravel_multi_index([each[k] for each, k in zip(place, cells, strict=True)], shape)
    found, count = np.unique(block * 65536 + labels[cells].astype(np.int64), return_counts=True)
    order = np.lexsort((found, -count, found >> 16))
    first = order[np.unique(found[order] >> 16, return_index=True)[1]]
    coarse = np.zeros(shape, labels.dtype)
    coarse.flat[found[first] >> 16] = found[first] & 65535
    spread: np.ndarray = coarse[np.ix_(*place)]
    return spread


def without_specks(labels: np.ndarray, need: int) -> np.ndarray:
    """Labels [X, Y, Z], where a cell that fewer than `need` of its six neighbours agree with has their most frequent label, of equals the
    lowest. Beyond its ends a grid goes on as it ends. Up to 2, poles and walls of one cell stay; up to 4, walls do.

    >>> labels = np.zeros((5, 5, 5), np.uint8)
    >>> labels[:, 3, 3] = labels[2, 1, 1] = 1                                         # a pole and a speck
    >>> int(without_specks(labels, 2).sum()), int(without_specks(labels, 3).sum())
    (5, 0)
    """
    padded = np.pad(labels, 1, mode="edge")
    ends = (slice(2, None), slice(1, -1), slice(1, -1)), (slice(None, -2), slice(1, -1), slice(1, -1))
    around = [padded[end[-axis:] + end[:-axis]] for axis in range(3) for end in ends]
    odd = np.nonzero(sum((each == labels).astype(np.uint8) for each in around) < need)
    found = np.sort(np.stack([each[odd] for each in around]), axis=0)  # [6, N]
    count = sum((found == each).astype(np.uint8) for each in found)
    changed: np.ndarray = labels.copy()
    changed[odd] = np.take_along_axis(found, np.argmax(count, axis=0)[None], axis=0)[0]
    return changed


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
    table = np.zeros(max(int(labels.max(initial=0)), *solid, 0) + 1, np.uint16 if max(solid, default=0) < 65535 else np.int32)
    table[list(solid)] = np.array(solid, np.int64) + 1
    keys = table[labels]  # 0 is empty
    if not keys.size:
        keys = np.zeros((1, 1, 1), keys.dtype)
    filled = [np.flatnonzero(keys.any(tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    low, high = (np.array([each[end] if len(each) else 0 for each in filled]) for end in (0, -1))
    keys = keys[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))]
    found = [_direction(keys, low, axis, side, between) for axis in range(3) for side in (0, 1)]
    return Rectangles(*(np.concatenate([getattr(each, field.name) for each in found]) for field in fields(Rectangles)))


def _direction(keys: np.ndarray, low: np.ndarray, axis: int, side: int, between: bool) -> Rectangles:
    """The rectangles that face one way. low [3]: index of the first of the cells."""
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
    first = np.stack([u + low[(axis + 1) % 3], v + low[(axis + 2) % 3]], 1)
    return Rectangles(np.full(len(along), axis, np.uint8), np.full(len(along), side, np.uint8), layer + low[axis] + side,
                      first, np.stack([rows, columns], 1), key - 1)  # fmt: skip


def _merged(exposed: np.ndarray) -> np.ndarray:
    """Rectangles [N, 6] of equal numbers other than 0 within each layer [L, U, V]: layer, first u, first v, rows, columns, the number."""
    layers, rows, columns = exposed.shape
    padded = np.zeros((layers * rows, columns + 2), exposed.dtype)
    padded[:, 1:-1] = exposed.reshape(-1, columns)
    change = padded[:, 1:] != padded[:, :-1]  # [L * U, V + 1]
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
