"""Shapes of other programs' frames, brought into the world frame: +y up, metres."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.scene import Mesh, PointCloud, SceneType, VoxelGrid

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "km": 1000.0, "in": 0.0254, "ft": 0.3048}
"""Metres of a unit of length."""


def in_world_frame(thing: SceneType, up: str, unit: str) -> Mesh | PointCloud | VoxelGrid:
    """A shape whose `up` axis (y or z) points up and whose lengths are in `unit`, in the world frame. UsageError for other things."""
    from voxcli.geometry.cameras import z_up_to_y_up
    from voxcli.scene import Mesh, PointCloud, VoxelGrid

    def turned(vectors: np.ndarray) -> np.ndarray:
        return z_up_to_y_up(vectors) if up == "z" else vectors

    scale = UNITS[unit]
    if isinstance(thing, Mesh):
        return replace(thing, vertices=scale * turned(thing.vertices))
    if isinstance(thing, PointCloud):
        normals, radius = thing.normals, thing.radius
        return replace(thing, points=_scaled(turned(thing.points), scale), normals=None if normals is None else turned(normals),
                       radius=None if radius is None else _scaled(radius, scale))  # fmt: skip
    if isinstance(thing, VoxelGrid):
        thing = _turned_grid(thing) if up == "z" else thing
        return replace(thing, origin=scale * thing.origin, voxel_size=scale * thing.voxel_size)
    from voxcli.files.access import kind_name

    raise UsageError("--up and --unit are for shapes of other frames.", expected="a mesh, points or voxels", actual=kind_name(thing))


def _scaled(values: np.ndarray, scale: float) -> np.ndarray:
    """In float64, and back in the type of the values."""
    scaled: np.ndarray = (values.astype(np.float64) * scale).astype(values.dtype)
    return scaled


def _turned_grid(grid: VoxelGrid) -> VoxelGrid:
    """A grid of +z up: (x, y, z) becomes (x, z, -y)."""

    def turned(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else np.ascontiguousarray(np.flip(np.swapaxes(array, -1, -2), -1))

    (x, y, z), (sx, sy, sz), depth = grid.origin, grid.voxel_size, grid.values.shape[1]
    return replace(
        grid, occupancy=turned(grid.occupancy), labels=turned(grid.labels), probabilities=turned(grid.probabilities),
        context=turned(grid.context), origin=np.array([x, z, -(y + depth * sy)]), voxel_size=np.array([sx, sz, sy]),
    )  # fmt: skip
