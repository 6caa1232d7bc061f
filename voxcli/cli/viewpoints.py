"""Cameras for pictures: a given one at another size, one that has the whole thing in view, and those of a turntable."""

from __future__ import annotations

import math

import numpy as np

from voxcli.scene import Camera

_FOV = 25.0  # degrees: little perspective, as in product photographs


def resized(camera: Camera, size: int) -> Camera:
    """The same view with `size` pixels along the longer side."""
    factor = size / max(camera.width, camera.height)
    width, height = max(1, round(camera.width * factor)), max(1, round(camera.height * factor))
    K = camera.K.copy()
    K[0] *= width / camera.width
    K[1] *= height / camera.height
    return Camera(K, width, height, camera.world_to_cam)


def around(points: np.ndarray, own: Camera | None, size: int, azimuth: float, elevation: float) -> Camera:
    """A camera that has all points [N, 3] in view; azimuth counts from the thing's own camera, or from +z. Degrees."""
    from voxcli.geometry.cameras import intrinsics, look_at

    low, high = (points.min(0), points.max(0)) if len(points) else (np.zeros(3), np.zeros(3))
    centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-6)
    up = np.array([0.0, 1.0, 0.0])
    front = np.array([0.0, 0.0, 1.0])
    if own is not None:                                                          # turn with the camera, whose axes need not be the world's
        up, back = -own.world_to_cam[1, :3], -own.world_to_cam[2, :3]
        up = np.array([0.0, 1.0, 0.0]) if up[1] > 0.5 else up
        front = back - up * (back @ up)
        front /= np.linalg.norm(front)
    a, e = math.radians(azimuth), math.radians(elevation)
    side = np.cross(up, front)
    direction = (front * math.cos(a) + side * math.sin(a)) * math.cos(e) + up * math.sin(e)
    distance = radius / math.sin(math.radians(_FOV / 2)) * 1.02
    return Camera(intrinsics(_FOV, size, size), size, size, look_at(centre + distance * direction, centre, up))


def turned(camera: Camera, centre: np.ndarray, degrees: float) -> Camera:
    """The camera carried around the vertical (+y) through centre [3], counter-clockwise seen from above, with the same view of it."""
    a = math.radians(degrees)
    back = np.array([[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]])  # the world turned by -a
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = back, centre - back @ centre
    return Camera(camera.K, camera.width, camera.height, camera.world_to_cam @ motion)
