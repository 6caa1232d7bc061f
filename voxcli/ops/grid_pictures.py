"""Pictures of grids, drawn without torch: the faces of cells as squares, from the farthest to the nearest, and columns of fruxels."""

from __future__ import annotations

import numpy as np

from voxcli.geometry.dithering import dithered
from voxcli.geometry.rectangles import face_corners, lattice_to_world
from voxcli.scene import FruxelGrid, Labels, VoxelGrid, class_colour

PAPER = (246, 247, 249)
_SKY, _SIDE, _SUN = 0.62, 0.36, 0.26
_FADE = 0.3  # what is farthest is darker by it


def grid_labels(grid: FruxelGrid | VoxelGrid, threshold: float) -> tuple[np.ndarray, Labels]:
    """The labels of a grid and their names. An occupancy is 1, `object`, at or above the threshold."""
    if grid.labels is not None and grid.classes is not None:
        return grid.labels, grid.classes
    return (np.asarray(grid.values) >= threshold).astype(np.uint8), Labels(("air", "object"))


class CellFaces:
    """The faces of a grid's cells in the world: a corner and two edges of each [N, 3], their unit normals and RGB."""

    def __init__(self, grid: FruxelGrid | VoxelGrid, threshold: float = 0.5):
        labels, classes = grid_labels(grid, threshold)
        corners, of_faces = face_corners(labels, [i for i in classes.solid_ids if i != classes.ignore])
        placed = lattice_to_world(corners.reshape(-1, 3), grid).astype(np.float32).reshape(-1, 4, 3)
        self.corner = placed[:, 0]
        # Opposite edges of a fruxel differ a little: their mean keeps the middle of the face.
        self.right = (placed[:, 1] - placed[:, 0] + placed[:, 2] - placed[:, 3]) / 2
        self.down = (placed[:, 3] - placed[:, 0] + placed[:, 2] - placed[:, 1]) / 2
        across = np.cross(self.right, self.down) * (-1 if isinstance(grid, FruxelGrid) else 1)
        self.normal = across / np.linalg.norm(across, axis=1, keepdims=True).clip(1e-30)
        self.colour = np.array([class_colour(name) for name in classes.names], np.float32)[of_faces]

    def seen_along(self, axes: np.ndarray, up: np.ndarray, size: int, within: np.ndarray | None = None) -> np.ndarray:
        """An orthographic picture, uint8 [H, W, 3], `size` pixels along the longer side.

        axes [3, 3]: unit vectors to the right and up of the picture, and towards the viewer. up [3]: where the light comes from. within
        [N, 3]: points whose box the picture holds, all of the faces among them; None: the faces alone.
        """
        if not len(self.corner) and within is None:
            return np.full((size, size, 3), PAPER, np.uint8)
        facing = self.normal @ axes[2] > 1e-6
        corner, right, down = ((part[facing] @ axes.T).astype(np.float32) for part in (self.corner, self.right, self.down))
        middle = corner + (right + down) / 2
        if within is None:
            low, high = (middle - (abs(right) + abs(down)) / 2).min(0), (middle + (abs(right) + abs(down)) / 2).max(0)
        else:
            placed = within @ axes.T
            low, high = placed.min(0), placed.max(0)
        scale = 0.96 * size / float((high - low)[:2].max().clip(1e-12))
        width, height = (max(1, int(np.ceil(side * scale + 0.04 * size))) for side in (high - low)[:2])
        order = np.argsort(middle[:, 2], kind="stable")  # the nearest last: it stays
        corner, right, down = (part[order] for part in (corner, right, down))
        sun = axes[2] * 0.86 - axes[0] * 0.51
        normal = self.normal[facing][order]
        light = (_SKY + _SIDE * (normal @ up).clip(0) + _SUN * (normal @ sun).clip(0)).clip(0, 1)
        near = (middle[order, 2] - low[2]) / max(float(high[2] - low[2]), 1e-12)
        colours = self.colour[facing][order] * (light * (1 - _FADE * (1 - near)))[:, None]
        picture = np.full((height, width, 3), PAPER, np.float32)
        face, x, y = _samples(corner, right, down, scale)
        column = ((x - (low[0] + high[0]) / 2) * scale + width / 2).astype(np.int32).clip(0, width - 1)
        row = (height / 2 - (y - (low[1] + high[1]) / 2) * scale).astype(np.int32).clip(0, height - 1)
        picture[row, column] = colours[face]
        return dithered(picture)


def _samples(corner: np.ndarray, right: np.ndarray, down: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(face, x, y) of points that cover each face, one a pixel or more, face by face."""
    columns, rows = (np.ceil(np.abs(edge[:, :2]).max(1) * scale).astype(np.int64).clip(1) for edge in (right, down))
    count = columns * rows
    face = np.repeat(np.arange(len(count), dtype=np.int32), count)
    place = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    a = ((place % columns[face] + 0.5) / columns[face]).astype(np.float32)
    b = ((place // columns[face] + 0.5) / rows[face]).astype(np.float32)
    return face, *(corner[face, k] + a * right[face, k] + b * down[face, k] for k in (0, 1))


def seen_by_own_camera(grid: FruxelGrid) -> np.ndarray:
    """What the camera of fruxels sees, uint8 [H, W, 3]: the first solid one of each column, farther ones darker."""
    table = np.full((max(len(grid.classes.names), int(grid.labels.max(initial=0)) + 1), 3), PAPER, np.float32)
    table[: len(grid.classes.names)] = [class_colour(name) for name in grid.classes.names]
    solid = np.zeros(len(table), bool)
    solid[[i for i in grid.classes.solid_ids if i != grid.classes.ignore]] = True
    filled = solid[grid.labels]
    first = filled.argmax(0)
    label = np.take_along_axis(grid.labels, first[None], 0)[0]
    shade = 1 - _FADE * first / max(1, grid.frustum.depth - 1)
    picture: np.ndarray = np.where(filled.any(0)[..., None], table[label] * shade[..., None], np.array(PAPER)).round().astype(np.uint8)
    return picture
