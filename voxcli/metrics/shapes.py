"""Shapes that are measured, read from files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from voxcli import files
from voxcli.errors import EmptyCloudError, EmptyMeshError
from voxcli.scene import DepthMap, FruxelGrid, Mesh, PointCloud, Surfels, VoxelGrid
from voxcli.shapes import check_extent

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape


def read_shape(path: str, empty_clouds: bool = False, format: str | None = None, ids: str | None = None) -> Shape:
    """A grid, mesh, point cloud, surfels or depth map from a file.

    A mesh file without faces gives an empty mesh. A file of points without points is refused, unless empty_clouds allows it. Raises
    VoxcliError for other files. ids: see voxcli.files.registry.Options.

    >>> type(read_shape("examples/meshes/car.glb")).__name__
    'Mesh'
    """
    try:
        thing: Shape = files.read_as(path, (FruxelGrid, VoxelGrid, Mesh, PointCloud, Surfels, DepthMap), format=format, ids=ids)
    except EmptyMeshError:
        return Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    except EmptyCloudError:
        if not empty_clouds:
            raise
        return PointCloud(np.zeros((0, 3)))
    if isinstance(thing, (Mesh, PointCloud)):  # here, where the name of the file is known
        check_extent(thing.vertices if isinstance(thing, Mesh) else thing.points, f"{path}: points")
    return thing
