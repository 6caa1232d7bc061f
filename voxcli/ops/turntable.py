"""Turntables: a thing once around the vertical, frame by frame."""

from __future__ import annotations

import numpy as np

from voxcli.errors import DataError
from voxcli.ops.picture import in_frame
from voxcli.ops.viewpoints import around, turned
from voxcli.scene import Animation, Camera, DepthMap, FruxelGrid, Picture, SceneDescription, SceneType, VoxelGrid

_AZIMUTH, _ELEVATION = 30.0, 20.0


def turntable_of(thing: SceneType, frames: int = 24, size: int = 256, threshold: float = 0.5) -> Animation:
    """Frames of size x size pixels that follow each other without end; grids as their cells.

    threshold: of occupancy. Raises DataError for what has no place in space, or shows nothing.
    """
    if isinstance(thing, (Picture, Animation, Camera, list)) or (isinstance(thing, DepthMap) and thing.camera is None):
        what = "depth without a camera" if isinstance(thing, DepthMap) else "it"
        raise DataError(f"There is no turntable of {what}.", expected="a scene, a mesh, fruxels, voxels, points, surfels or depth",
                        hint="Write a picture: -o FILE.png.")  # fmt: skip
    from voxcli.ops.rendering import Prepared, SurfelOptions, picture_of_view

    ready = Prepared(thing, SurfelOptions(threshold, cells=isinstance(thing, (FruxelGrid, VoxelGrid))))
    points = in_frame(thing) if isinstance(thing, SceneDescription) else ready.extent
    first = around(points, ready.own, size, _AZIMUTH, _ELEVATION)
    centre = (points.min(0) + points.max(0)) / 2
    cameras = [turned(first, centre, 360 * k / frames) for k in range(frames)]
    return Animation(np.stack([picture_of_view(ready, camera, "shaded", None) for camera in cameras]))
