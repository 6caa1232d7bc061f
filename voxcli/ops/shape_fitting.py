"""Shapes as a network's decoder has them: codes fitted to samples of the solid, without an encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from voxcli.datasets.objects import ColouredVoxels, point_values
from voxcli.geometry.coloured import colour_volume
from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid

if TYPE_CHECKING:
    from voxcli.models.base import FitsShapes

PAIRS = 8192
"""Cells whose centres the codes are fitted to, of 64^3: half of them beside the surface."""


def fit_shape(network: FitsShapes, shape: Mesh | PointCloud | VoxelGrid) -> Mesh:
    """The surface of the codes that fit a shape best, in the shape's own frame and units. Deterministic.

    Raises DataError for a shape without extent, and where the decoder shows nothing.
    """
    volume = colour_volume(shape)
    cells = ColouredVoxels(volume.occupied.astype(np.uint8), volume.colours, Labels(("air", "solid")))
    pairs = point_values(cells, len(volume.occupied), PAIRS, np.random.default_rng(0))
    mesh = network.fitted(pairs.points, pairs.occupied)
    return replace(mesh, vertices=mesh.vertices * volume.placement.diagonal + volume.placement.middle)
