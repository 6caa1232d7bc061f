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


OWN = "camera"
VIEWS = {"oblique": (-35.0, 28.0), "front": (0.0, 0.0), "left": (-90.0, 0.0), "top": (0.0, 90.0)}
"""Azimuth and elevation in degrees of views by name; azimuth counts from the thing's own camera, or from +z. `OWN` is that camera's."""


def level_axes(own: Camera | None) -> tuple[np.ndarray, np.ndarray]:
    """(up, front): unit vectors of the world, front towards where the thing is looked at from; own: its camera."""
    up, front = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    if own is None:
        return up, front
    above, back = -own.world_to_cam[1, :3], -own.world_to_cam[2, :3]
    up = up if above[1] > 0.5 else above  # relative to the camera, whose axes may differ from the world's
    front = back - up * (back @ up)
    length = float(np.linalg.norm(front))
    return up, front / length if length > 1e-6 else above  # a camera that looks straight down


def view_axes(name: str, own: Camera | None) -> np.ndarray:
    """Unit vectors [3, 3] of a view of VIEWS: to the right and up in its picture, and towards the viewer.

    >>> view_axes("left", None).tolist()                                              # seen from -x: +z is on the right
    [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
    """
    up, front = level_axes(own)
    side = np.cross(up, front)
    azimuth, elevation = (math.radians(degrees) for degrees in VIEWS[name])
    level = front * math.cos(azimuth) + side * math.sin(azimuth)
    right = np.cross(up, level)
    towards = level * math.cos(elevation) + up * math.sin(elevation)
    return np.round(np.stack([right, np.cross(towards, right), towards]), 12) + 0.0


def from_afar(points: np.ndarray, axes: np.ndarray, size: int) -> Camera:
    """A camera so far away that its rays are almost parallel, with all points [N, 3] in view, `size` pixels along the longer side.

    axes: as of view_axes. Raises DataError as `around` does.
    """
    centre, radius = (np.zeros(3), 1.0) if not len(points) else _ball(points)
    places = (points - centre) @ axes.T if len(points) else np.array([[-1.0, -1, 0], [1, 1, 0]])
    low, high = places.min(0), places.max(0)
    distance = max(5 * radius, min(60 * radius, 9e8))
    longest = float((high - low)[:2].max()) or radius
    width, height = (max(1, round(size * (0.94 * side / longest + 0.06))) for side in (high - low)[:2])
    middle = centre + (low + high)[:2] / 2 @ axes[:2]
    focal = 0.94 * size / longest * (distance - radius)  # of what is nearest
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    motion = np.eye(4)
    motion[:3, :3] = axes * np.array([[1], [-1], [-1]])
    motion[:3, 3] = -motion[:3, :3] @ (middle + distance * axes[2])
    return Camera(K, width, height, motion)


def around(points: np.ndarray, own: Camera | None, size: int, azimuth: float, elevation: float) -> Camera:
    """A camera of size x size pixels that has all points [N, 3] of the world in view.

    own: the thing's camera, from which azimuth counts; None counts from +z. azimuth, elevation: degrees. Without points the camera shows a
    ball of radius 1. Raises DataError for points whose box is too small or too large to be drawn.
    """
    from voxcli.geometry.cameras import intrinsics, look_at

    centre, radius = (np.zeros(3), 1.0) if not len(points) else _ball(points)
    up, front = level_axes(own)
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
