"""Where the cameras of a training stood: what a decoder that is told a camera's place alone can be asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxcli.geometry.cameras import inverse_rigid
from voxcli.scene.types import Camera

_ANGLE = 15.0
_SHARE = 0.1
"""How far beyond the examples that weights remember a camera still counts as one of theirs: degrees, and a share of the distance."""


@dataclass(frozen=True)
class Places:
    """Least and largest azimuth (from +x towards +z), elevation and distance of places around the world's origin. Degrees; the azimuths
    go around from the first to the second, which may be more than 180."""

    azimuths: tuple[float, float]
    elevations: tuple[float, float]
    distances: tuple[float, float]

    def strange(self, camera: Camera) -> str | None:
        """What is strange about where a camera stands, in words; None where the training's cameras stood around there."""
        azimuth, elevation, distance = _spherical(inverse_rigid(camera.world_to_cam)[:3, 3])
        low, high = self.azimuths
        middle, half = (low + high) / 2, (high - low) / 2
        (bottom, top), (near, far) = self.elevations, self.distances
        within = abs((azimuth - middle + 180) % 360 - 180) <= half + _ANGLE
        within &= bottom - _ANGLE <= elevation <= top + _ANGLE and near * (1 - _SHARE) <= distance <= far * (1 + _SHARE)
        if within:
            return None
        return (
            f"the camera stands at azimuth {azimuth:.0f}, elevation {elevation:.0f} degrees, {distance:.2g} from the middle; in training "
            f"cameras stood around {low:.0f} to {high:.0f}, {bottom:.0f} to {top:.0f} and {near:.2g} to {far:.2g}: a guess at best."
        )

    def turns_of(self, camera: Camera) -> tuple[float, float]:
        """The turns around +y, counter-clockwise seen from above, that take a camera to the one and to the other end of the azimuths."""
        azimuth = _spherical(inverse_rigid(camera.world_to_cam)[:3, 3])[0]
        low, high = self.azimuths
        middle = (low + high) / 2
        off = (azimuth - middle + 180) % 360 - 180
        return off - (high - low) / 2, off + (high - low) / 2  # such a turn takes +z to +x, and azimuths down


def places_of(eyes: Sequence[Sequence[float]]) -> Places:
    """The part of the world that examples of places [N, 3] span."""
    known = np.array([_spherical(np.asarray(eye, np.float64)) for eye in eyes])
    a = np.radians(known[:, 0])
    middle = math.degrees(math.atan2(np.sin(a).mean(), np.cos(a).mean()))
    around = middle + (known[:, 0] - middle + 180) % 360 - 180
    (az, el, r), (az2, el2, r2) = np.stack([around, *known[:, 1:].T]).min(1).tolist(), np.stack([around, *known[:, 1:].T]).max(1).tolist()
    return Places((az, az2), (el, el2), (r, r2))


def _spherical(eye: np.ndarray) -> tuple[float, float, float]:
    """Azimuth, elevation (degrees) and distance of a place [3]."""
    distance = float(np.linalg.norm(eye))
    return math.degrees(math.atan2(eye[2], eye[0])), math.degrees(math.asin(eye[1] / distance)) if distance else 0.0, distance
