"""Pictures of grids, drawn without torch: the faces of cells as squares, from the farthest to the nearest, and columns of fruxels."""

from __future__ import annotations

import numpy as np

from voxcli.geometry.dithering import dithered
from voxcli.geometry.rectangles import OpenFaces, open_faces
from voxcli.scene import FruxelGrid, Labels, VoxelGrid, class_colour

PAPER = (246, 247, 249)
_SKY, _SIDE, _SUN = 0.62, 0.36, 0.26
_FADE = 0.3  # what is farthest is darker by it
_DENSER = 1.1  # points to a pixel, along each edge of a face


def grid_labels(grid: FruxelGrid | VoxelGrid, threshold: float) -> tuple[np.ndarray, Labels]:
    """The labels of a grid and their names. An occupancy is 1, `object`, at or above the threshold."""
    if grid.labels is not None and grid.classes is not None:
        return grid.labels, grid.classes
    return (np.asarray(grid.values) >= threshold).astype(np.uint8), Labels(("air", "object"))


class CellFaces:
    """The faces of a grid's cells in the world: a corner and two edges of each [3, N], their unit normals [3, N] and RGB [N, 3]."""

    def __init__(self, grid: FruxelGrid | VoxelGrid, threshold: float = 0.5):
        labels, classes = grid_labels(grid, threshold)
        faces = list(open_faces(labels, [i for i in classes.solid_ids if i != classes.ignore]))
        lattice = _Lattice(grid, labels.shape)
        corners = [np.concatenate([lattice.corners(each, n) for each in faces], 1) for n in range(4)]
        turn, origin = lattice.to_world
        self.corner = turn @ corners[0] + origin
        # Opposite edges of a fruxel differ a little: their mean keeps the middle of the face.
        self.right = turn @ ((corners[1] - corners[0] + corners[2] - corners[3]) / 2)
        self.down = turn @ ((corners[3] - corners[0] + corners[2] - corners[1]) / 2)
        (a, b, c), (d, e, f) = self.right, self.down
        across = np.stack([b * f - c * e, c * d - a * f, a * e - b * d]) * np.float32(-1 if isinstance(grid, FruxelGrid) else 1)
        self.normal = across / np.sqrt((across * across).sum(0)).clip(1e-30)
        colours = np.array([class_colour(name) for name in classes.names], np.float32)
        self.colour = colours[np.concatenate([each.label for each in faces])]

    def points(self) -> np.ndarray:
        """Three corners of every face, float64 [3 N, 3]."""
        return np.concatenate([self.corner, self.corner + self.right, self.corner + self.down], 1).T.astype(np.float64)

    def seen_along(self, axes: np.ndarray, up: np.ndarray, size: int, within: np.ndarray | None = None) -> np.ndarray:
        """An orthographic picture, uint8 [H, W, 3], `size` pixels along the longer side.

        axes [3, 3]: unit vectors to the right and up of the picture, and towards the viewer. up [3]: where the light comes from. within
        [N, 3]: points whose box the picture holds, all of the faces among them; None: the faces alone.
        """
        if not self.corner.size and within is None:
            return np.full((size, size, 3), PAPER, np.uint8)
        axes, up = axes.astype(np.float32), up.astype(np.float32)
        facing = np.flatnonzero(axes[2] @ self.normal > 1e-6)
        corner, right, down = (axes @ part[:, facing] for part in (self.corner, self.right, self.down))
        middle = corner + (right + down) / 2
        if within is None:
            half = (abs(right) + abs(down)) / 2
            low, high = (middle - half).min(1), (middle + half).max(1)
        else:
            placed = within @ axes.T
            low, high = placed.min(0), placed.max(0)
        scale = 0.96 * size / float((high - low)[:2].max().clip(1e-12))
        width, height = (max(1, int(np.ceil(side * scale + 0.04 * size))) for side in (high - low)[:2])
        order = np.argsort(middle[2], kind="stable")  # the nearest last: it stays
        # Pixels: columns to the right, rows down.
        to_pixels = np.array([[scale], [-scale]], np.float32)
        centre = np.array([[width / 2], [height / 2]]) - (low + high)[:2, None] / 2 * to_pixels
        start = (corner[:2, order] * to_pixels + centre).astype(np.float32)
        face, column, row = _samples(start, right[:2, order] * to_pixels, down[:2, order] * to_pixels)
        seen = np.full(height * width, -1, np.int32)
        seen[row.clip(0, height - 1) * width + column.clip(0, width - 1)] = face
        shown = seen >= 0
        found = order[seen[shown]]
        normal = self.normal[:, facing[found]]
        sun = axes[2] * np.float32(0.86) - axes[0] * np.float32(0.51)
        light = (_SKY + _SIDE * (up @ normal).clip(0) + _SUN * (sun @ normal).clip(0)).clip(0, 1)
        near = (middle[2, found] - low[2]) / max(float(high[2] - low[2]), 1e-12)
        picture = np.full((height * width, 3), PAPER, np.float32)
        picture[shown] = self.colour[facing[found]] * (light * (1 - _FADE * (1 - near)))[:, None]
        return dithered(picture.reshape(height, width, 3))


class _Lattice:
    """Where the corners of a grid's cells lie: in a frame of the grid's own, and how that lies in the world.

    to_world: (a turn [3, 3], an origin [3, 1]), float32.
    """

    def __init__(self, grid: FruxelGrid | VoxelGrid, shape: tuple[int, ...]):
        if isinstance(grid, VoxelGrid):
            self.steps = [np.arange(count + 1) * size for count, size in zip(shape, grid.voxel_size, strict=True)]
            self.fans, turn, origin = False, np.eye(3), np.asarray(grid.origin)
        else:
            f = grid.frustum
            z = f.z_near + np.arange(f.depth + 1) * f.slice_thickness
            self.steps = [z, (np.arange(f.height + 1) - f.height / 2) / f.focal, (np.arange(f.width + 1) - f.width / 2) / f.focal]
            self.fans, turn = True, grid.world_to_cam[:3, :3].T
            origin = -turn @ grid.world_to_cam[:3, 3]
        self.steps = [each.astype(np.float32) for each in self.steps]
        self.to_world = turn.astype(np.float32), origin[:, None].astype(np.float32)

    def corners(self, faces: OpenFaces, n: int) -> np.ndarray:
        """The corners n, of 0 to 3, of faces, [3, N] float32."""
        a, b, c = (step[index + offset] for step, index, offset in zip(self.steps, faces.index, faces.offsets()[n], strict=True))
        return np.stack([c * a, b * a, a] if self.fans else [a, b, c])


def _samples(start: np.ndarray, right: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(face, column, row), int32, of points that cover each face, face by face: no pixel within it is left out.

    start, right and down [2, N]: a corner and two edges in pixels. With r = |right| and d = |down| along an axis of the picture, steps of
    r / (r + sqrt(r d)) and d / (d + sqrt(r d)) add up to one pixel, so that each pixel holds a whole cell of the points' lattice. A
    tenth more closes the seams between faces, whose edges are those of a parallelogram and not quite the fruxel's.
    """
    r, d = np.abs(right), np.abs(down)
    both = np.sqrt(r * d)
    columns, rows = (np.ceil((edge + both).max(0) * _DENSER).astype(np.int32).clip(1) for edge in (r, d))
    right, down = right / columns, down / rows
    start = start + (right + down) / 2
    line_face, line = _counted(rows)
    line_start = start[:, line_face] + line * down[:, line_face]
    at, place = _counted(columns[line_face])
    face = line_face[at]
    column, row = (line_start[k, at] + place * right[k, face] for k in (0, 1))
    return face, column.astype(np.int32), row.astype(np.int32)


def _counted(count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """0 count[0] times, 1 count[1] times and so on, and beside it how often that number came before. int32, float32"""
    owner = np.repeat(np.arange(len(count), dtype=np.int32), count)
    first = np.cumsum(count, dtype=np.int32) - count
    return owner, (np.arange(len(owner), dtype=np.int32) - first[owner]).astype(np.float32)


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
