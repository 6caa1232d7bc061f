"""What a street sample is and what it is made with. Without torch: a command that hands the work to others starts twice as fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from voxcli.scene import FRUSTUM_PRESETS, Camera, Frustum, FruxelGrid, Picture


@dataclass(frozen=True)
class StreetConfig:
    """What all samples of a data set share: the frustum, how far its field of view may vary (degrees), and the share of assets."""

    frustum: Frustum = FRUSTUM_PRESETS["semantic-voxels"]
    fov_jitter_deg: float = 0.0
    asset_share: float = 0.35


@dataclass(frozen=True)
class StreetSample:
    """One scene: picture, fruxels, depth [H, W] (z, metres, float32, NaN = sky), instances [H, W] uint16 (0 = sky, 1 = ground), poses.

    A pose: instance, class, translation [3] and rotation_wxyz (x_camera = R x_object + t; objects stand on y = 0, front along +z),
    size [3] in the object's frame.
    """

    picture: Picture
    fruxels: FruxelGrid
    depth: np.ndarray
    instances: np.ndarray
    poses: list[dict[str, Any]]
    camera: Camera
