"""Shapes as a network's decoder has them: codes fitted to samples of the solid, without an encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from voxcli.datasets.objects import ColouredVoxels, PointValues, point_values
from voxcli.errors import DataError
from voxcli.geometry.coloured import ColouredVolume, Placement, colour_volume, placement_of
from voxcli.models.object_options import FitOptions
from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid

if TYPE_CHECKING:
    from voxcli.models.base import FitsShapes

    Solid = Mesh | PointCloud | VoxelGrid | ColouredVolume

PAIRS = 8192
"""Point-value pairs that the codes are fitted to. Of the cells of 64^3, half of them beside the surface; of given pairs, half of them
occupied, where there are as many."""


def fit_shape(network: FitsShapes, shape: Solid, options: FitOptions = FitOptions(), coloured: bool = False) -> Mesh:
    """The surface of the codes that fit a shape best, in the shape's own frame and units. Deterministic.

    shape: a mesh, points on a surface, a grid, coloured voxels, or point-value pairs: points of which some are labelled as empty. coloured:
    fit the albedo as well, where the shape has colours.

    Raises DataError for a shape without extent and for pairs of which none is occupied, EmptyMeshError where the decoder shows nothing.
    """
    pairs, place = pairs_of(shape)
    mesh = network.fitted(pairs.points, pairs.occupied, pairs.colours if coloured and _has_colours(shape) else None, options)
    return replace(mesh, vertices=mesh.vertices * place.diagonal + place.middle)


def pairs_of(shape: Solid) -> tuple[PointValues, Placement]:
    """Point-value pairs of a shape in its own frame, and where that lies. See `fit_shape`.

    >>> classes = Labels(("empty", "occupied"))
    >>> cloud = PointCloud(np.array([[0.0, 0, 0], [2, 0, 0], [9, 9, 9]]), labels=np.array([1, 1, 0], np.uint8), classes=classes)
    >>> pairs, place = pairs_of(cloud)
    >>> pairs.points.tolist(), pairs.occupied.tolist(), place.diagonal
    ([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [4.0, 4.5, 4.5]], [True, True, False], 2.0)
    """
    if isinstance(shape, PointCloud) and (inside := _inside(shape)) is not None:
        if not inside.any():
            raise DataError("None of the points is occupied: there is no shape to fit.")
        place = placement_of(np.asarray(shape.points, np.float64)[inside])
        chosen = _drawn(inside)
        colours = np.zeros((len(chosen), 3), np.uint8) if shape.colors is None else np.asarray(shape.colors[chosen], np.uint8)
        own = place.own(shape.points[chosen]).astype(np.float32)
        return PointValues(own, inside[chosen], colours, inside[chosen].astype(np.uint8)), place
    volume = shape if isinstance(shape, ColouredVolume) else colour_volume(shape)
    cells = ColouredVoxels(volume.occupied.astype(np.uint8), volume.colours, Labels(("air", "solid")))
    return point_values(cells, len(volume.occupied), PAIRS, np.random.default_rng(0)), volume.placement


def _inside(cloud: PointCloud) -> np.ndarray | None:
    """Which points are occupied, bool [N]; None where no point is labelled as empty: they lie on a surface."""
    if cloud.labels is None or cloud.classes is None or cloud.classes.empty is None:
        return None
    empty: np.ndarray = cloud.labels == cloud.classes.empty
    return ~empty if empty.any() else None


def _drawn(inside: np.ndarray) -> np.ndarray:
    """The numbers of PAIRS points, sorted; of all where there are no more."""
    if len(inside) <= PAIRS:
        return np.arange(len(inside))
    rng = np.random.default_rng(0)
    full, empty = (rng.permutation(np.flatnonzero(which)) for which in (inside, ~inside))
    count = min(len(full), max(PAIRS // 2, PAIRS - len(empty)))
    return np.sort(np.concatenate([full[:count], empty[: PAIRS - count]]))


def _has_colours(shape: Solid) -> bool:
    if isinstance(shape, Mesh):
        return shape.vertex_colors is not None or shape.face_colors is not None
    return isinstance(shape, ColouredVolume) or (isinstance(shape, PointCloud) and shape.colors is not None)
