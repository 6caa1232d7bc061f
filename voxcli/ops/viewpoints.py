"""Cameras for pictures: resized, placed around a thing, turned around it."""

from __future__ import annotations

import math

import numpy as np

from voxcli.errors import DataError
from voxcli.scene import Camera

_FOV = 25.0  # degrees: little perspective, as in product photographs
_SMALLEST, _LARGEST = 1e-3, 2e8
"""Diameters of a thing that a camera can show. Nothing is drawn nearer than 0.001 or farther than 1e9."""


def resized(camera: Camera, size: int) -> Camera:
    """The same view with `size` pixels along the longer side of the image."""
    factor = size / max(camera.width, camera.height)
    width, height = max(1, round(camera.width * factor)), max(1, round(camera.height * factor))
    K = camera.K.copy()
    K[0] *= width / camera.width
    K[1] *= height / camera.height
    return Camera(K, width, height, camera.world_to_cam)


def around(points: np.ndarray, own: Camera | None, size: int, azimuth: float, elevation: float) -> Camera:
    """A camera of size x size pixels that has all points [N, 3] of the world in view.

    own: the thing's camera, from which azimuth counts; None counts from +z. azimuth, elevation: degrees. Without points the camera shows a
    ball of radius 1. Raises DataError for points whose box is too small or too large to be drawn.
    """
    from voxcli.geometry.cameras import intrinsics, look_at

    centre, radius = (np.zeros(3), 1.0) if not len(points) else _ball(points)
    up = np.array([0.0, 1.0, 0.0])
    front = np.array([0.0, 0.0, 1.0])
    if own is not None:  # relative to the camera, whose axes may differ from the world's
        up, back = -own.world_to_cam[1, :3], -own.world_to_cam[2, :3]
        up = np.array([0.0, 1.0, 0.0]) if up[1] > 0.5 else up
        front = back - up * (back @ up)
        front /= np.linalg.norm(front)
    a, e = math.radians(azimuth), math.radians(elevation)
    side = np.cross(up, front)
    direction = (front * math.cos(a) + side * math.sin(a)) * math.cos(e) + up * math.sin(e)
    distance = radius / math.sin(math.radians(_FOV / 2)) * 1.02
    return Camera(intrinsics(_FOV, size, size), size, size, look_at(centre + distance * direction, centre, up))


def _ball(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre [3] and radius of the ball around the box of points [N, 3]."""
    low, high = points.min(0), points.max(0)
    with np.errstate(over="ignore", invalid="ignore"):
        across = float(np.linalg.norm(high - low))
    if not _SMALLEST <= across <= _LARGEST:
        raise DataError("There is no camera that has all of it in view.", expected=f"something {_SMALLEST:g} to {_LARGEST:g} across",
                        actual=f"{across:g}", hint="Scale it; points count with their radius." if across else None)  # fmt: skip
    return (low + high) / 2, across / 2


def turned(camera: Camera, centre: np.ndarray, degrees: float) -> Camera:
    """The camera turned around the vertical (+y) through centre [3]. Positive degrees are counter-clockwise seen from above."""
    a = math.radians(degrees)
    back = np.array([[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]])  # the world turned by -a
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = back, centre - back @ centre
    return Camera(camera.K, camera.width, camera.height, camera.world_to_cam @ motion)
