"""Surfaces of grids: smooth ones by marching cubes for export, and the exact faces of the cells for pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from voxcli.geometry.rectangles import Rectangles, face_corners, lattice_to_world, merged_faces
from voxcli.scene import FruxelGrid, Labels, Mesh, VoxelGrid


def surface_mesh(grid: FruxelGrid | VoxelGrid, threshold: float = 0.5) -> Mesh:
    """One closed surface a class by marching cubes, in the world frame, with face labels where the grid has labels.

    Labels are contoured half-way between cells; an occupancy grid is contoured at the threshold. A grid without a filled cell gives
    a mesh without faces. Faces are counter-clockwise seen from outside.

    >>> occupancy = np.ones((8, 8, 8), bool)
    >>> round(signed_volume(surface_mesh(VoxelGrid(occupancy=occupancy))) / 8**3, 1)
    1.0
    """
    from skimage.measure import marching_cubes

    vertices: list[np.ndarray] = [np.zeros((0, 3))]
    faces: list[np.ndarray] = [np.zeros((0, 3), np.int64)]
    kind = np.uint8 if grid.labels is None else grid.labels.dtype
    labels: list[np.ndarray] = [np.zeros(0, kind)]
    offset = 0
    for label, field, level in _fields(grid, threshold):
        low, field = _cropped(field, level)
        if not field.size:
            continue
        points, triangles, _, _ = marching_cubes(field, level)
        vertices.append(points.astype(np.float64) + low + 0.5)  # index coordinates: cell i spans [i, i + 1]
        faces.append(triangles[:, ::-1].astype(np.int64) + offset)
        labels.append(np.full(len(triangles), label, kind))
        offset += len(points)
    mesh_faces = np.concatenate(faces)
    classes = _classes(grid)
    return Mesh(
        lattice_to_world(np.concatenate(vertices), grid),
        mesh_faces[:, ::-1] if _mirrors(grid) else mesh_faces,
        face_labels=np.concatenate(labels) if classes else None,
        classes=classes,
    )


def cell_faces(grid: FruxelGrid | VoxelGrid, threshold: float = 0.5) -> Mesh:
    """The faces between filled cells and empty ones, two triangles each, in the world frame, with face labels.

    >>> cube = cell_faces(VoxelGrid(occupancy=np.ones((2, 1, 1), bool)))
    >>> len(cube.faces), signed_volume(cube)                                          # ten squares around two cells
    (20, 2.0)
    """
    values, classes = _labels(grid, threshold)
    quads, labels = face_corners(values, classes.solid_ids)
    n = np.arange(len(quads))[:, None] * 4
    faces = np.concatenate([n + [0, 1, 2], n + [0, 2, 3]])
    return Mesh(
        lattice_to_world(quads.reshape(-1, 3), grid),
        faces[:, ::-1] if _mirrors(grid) else faces,
        face_labels=np.tile(labels, 2),
        classes=classes,
    )


def merged_cells(grid: FruxelGrid | VoxelGrid, threshold: float = 0.5) -> Mesh:
    """The faces of the cells, those of one plane merged to rectangles, in the world frame. Each class is closed, with vertices of its own.

    Where long sides meet short ones, corners lie on edges.

    >>> cube = merged_cells(VoxelGrid(occupancy=np.ones((2, 2, 2), bool)))
    >>> len(cube.vertices), len(cube.faces), signed_volume(cube)
    (8, 12, 8.0)
    """
    values, classes = _labels(grid, threshold)
    return mesh_of_rectangles(merged_faces(values, classes.solid_ids, between=True), grid, classes)


def mesh_of_rectangles(found: Rectangles, grid: FruxelGrid | VoxelGrid, classes: Labels) -> Mesh:
    """Rectangles of a grid's lattice in the world frame; those of one label share their corners.

    >>> from voxcli.geometry.rectangles import merged_faces
    >>> grid = VoxelGrid(occupancy=np.ones((2, 2, 2), bool))
    >>> cube = mesh_of_rectangles(merged_faces(np.ones((2, 2, 2), np.uint8), [1]), grid, Labels(("air", "thing")))
    >>> len(cube.vertices), len(cube.faces)
    (8, 12)
    """
    corners = np.concatenate([np.repeat(found.label, 4)[:, None], found.corners().reshape(-1, 3)], 1)
    shape = tuple(corners.max(axis=0, initial=0) + 1)
    keys, index = np.unique(np.ravel_multi_index(tuple(corners.T), shape), return_inverse=True)
    used = np.stack(np.unravel_index(keys, shape), axis=1)
    quads = index.reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return Mesh(
        lattice_to_world(used[:, 1:].astype(np.float64), grid),
        faces[:, ::-1] if _mirrors(grid) else faces,
        face_labels=np.tile(found.label, 2).astype(np.uint8 if len(classes.names) <= 256 else np.uint16),
        classes=classes,
    )


def _labels(grid: FruxelGrid | VoxelGrid, threshold: float) -> tuple[np.ndarray, Labels]:
    """The labels of a grid and their names. An occupancy is 1, `object`, at or above the threshold."""
    values = grid.labels if grid.labels is not None else (np.asarray(grid.values) >= threshold).astype(np.uint8)
    return values, _classes(grid) or Labels(("air", "object"))


def _classes(grid: FruxelGrid | VoxelGrid) -> Labels | None:
    return grid.classes if grid.labels is not None else None


def _fields(grid: FruxelGrid | VoxelGrid, threshold: float) -> Iterator[tuple[int, np.ndarray, float]]:
    """(label, field, level at which to contour it) of each class, or of the occupancy."""
    if grid.labels is None:
        yield 1, np.asarray(grid.values, np.float32), threshold
        return
    assert grid.classes is not None
    for label in grid.classes.solid_ids:
        mask = grid.labels == label
        if mask.any():
            yield label, mask.astype(np.float32), 0.5


def _cropped(field: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """(lowest index, field with a rim of emptiness) around what is filled: surfaces close at the grid's ends."""
    filled = field >= level
    if not filled.any():
        return np.zeros(3), np.zeros((0, 0, 0), np.float32)
    spans = [np.flatnonzero(filled.any(tuple(a for a in range(3) if a != axis)))[[0, -1]] for axis in range(3)]
    # One cell more than what is filled, where there is one: soft occupancies fall off outside.
    low = np.array([max(0, s[0] - 1) for s in spans])
    high = [min(n, s[1] + 2) for s, n in zip(spans, field.shape, strict=True)]
    rim = min(0.0, float(level) - 1e-3)
    return low - 1.0, np.pad(field[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], 1, constant_values=rim)


def _mirrors(grid: FruxelGrid | VoxelGrid) -> bool:
    """Array order [d, h, w] is (z, y, x): an odd permutation of the camera frame."""
    return isinstance(grid, FruxelGrid)


def signed_volume(mesh: Mesh) -> float:
    """Volume that a closed mesh encloses, positive for counter-clockwise faces: the sum of signed tetrahedra to the origin.

    >>> faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> round(signed_volume(Mesh(np.eye(4, 3, -1), faces)) * 6, 9)                    # a corner of the unit cube
    1.0
    """
    a, b, c = torch.from_numpy(mesh.vertices[mesh.faces]).unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)
