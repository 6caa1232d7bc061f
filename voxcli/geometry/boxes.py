"""Where a grid of voxels stands: around what it holds, or in a given box; and points in its cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voxcli.errors import DataError
from voxcli.scene import Labels, PointCloud, VoxelGrid


class GridPlace(NamedTuple):
    """shape (X, Y, Z); origin [3], the minimum corner; voxel_size [3]."""

    shape: tuple[int, int, int]
    origin: np.ndarray
    voxel_size: np.ndarray


def place_around(points: np.ndarray, shape: tuple[int, int, int]) -> GridPlace:
    """The smallest grid of so many cubic cells, centred, that holds points [N, 3]. DataError for points without extent.

    >>> place_around(np.array([[0.0, 0, 0], [1, 2, 4]]), (4, 8, 8))
    GridPlace(shape=(4, 8, 8), origin=array([-0.5, -1. ,  0. ]), voxel_size=array([0.5, 0.5, 0.5]))
    """
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    side = float(((high - low) / shape).max())
    if side <= 0:
        raise DataError("The scene has no extent: all its points fall on one.")
    return GridPlace(shape, (low + high) / 2 - side * np.array(shape) / 2, np.full(3, side))


def place_in(low: np.ndarray, high: np.ndarray, shape: tuple[int, int, int] | None, resolution: int) -> GridPlace:
    """A grid that fills a box from corner to corner. shape None: `resolution` cells along its longest side, as cubic as they go.

    >>> place_in(np.zeros(3), np.array([2.0, 1.0, 0.5]), None, 4).shape
    (4, 2, 1)
    """
    extent = high - low
    if shape is None:
        x, y, z = np.maximum(np.rint(extent / extent.max() * resolution), 1).astype(int).tolist()
        shape = x, y, z
    return GridPlace(shape, low, extent / shape)


def voxelize_points(cloud: PointCloud, place: GridPlace, class_name: str | None = None) -> tuple[VoxelGrid, float]:
    """The voxels in which points lie, and the share of the points that lie outside of the grid.

    A point on a cell's border belongs to the upper cell, one on the grid's upper border to the last. class_name: of the cells; without
    it a cell has the most frequent label of its points, the least of several, or the class object.

    >>> grid, outside = voxelize_points(PointCloud(np.array([[0.5, 0.5, 0.5], [2.0, 0.5, 0.5], [9, 9, 9]])),
    ...                                 GridPlace((2, 1, 1), np.zeros(3), np.ones(3)))
    >>> grid.labels.ravel().tolist(), round(outside, 3)
    ([1, 1], 0.333)
    """
    shape = np.array(place.shape)
    at = (cloud.points.astype(np.float64) - place.origin) / place.voxel_size
    inside = ((at >= -1e-9) & (at <= shape + 1e-9)).all(1)
    x, y, z = np.clip(np.floor(at[inside]).astype(np.int64), 0, shape - 1).T
    cells = np.ravel_multi_index((x, y, z), place.shape)
    if class_name is None and cloud.labels is not None and cloud.classes is not None:
        classes, labels = cloud.classes, np.asarray(cloud.labels)[inside].astype(np.int64)
        if classes.empty is None:  # cells without a point need a class of their own
            ignore = None if classes.ignore is None else classes.ignore
            labels = np.where(labels == (-1 if ignore is None else ignore), labels, labels + 1)
            classes = Labels(("air", *classes.names), 0, ignore)
    else:
        classes, labels = Labels(("air", class_name or "object")), np.ones(len(cells), np.int64)
    assert classes.empty is not None
    most = max(int(labels.max(initial=0)), classes.empty) + 1
    pairs, count = np.unique(cells * most + labels, return_counts=True)
    order = np.lexsort((-pairs, count, pairs // most))  # of each cell, the last is the most frequent, least label
    found = np.full(int(shape.prod()), classes.empty, np.uint8 if most <= 256 else np.uint16)
    found[pairs[order] // most] = pairs[order] % most
    grid = VoxelGrid(labels=found.reshape(place.shape), origin=place.origin, voxel_size=place.voxel_size, classes=classes)
    return grid, 1 - float(inside.mean())
