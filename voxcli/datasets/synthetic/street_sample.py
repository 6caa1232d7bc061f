"""What a street sample is and what it is made with. Without torch: a command that hands the work to others starts twice as fast."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from voxcli.errors import UsageError, unknown_name
from voxcli.scene import FRUSTUM_PRESETS, Camera, Frustum, FruxelGrid, Picture

PRESETS = ("semantic-voxels", "far")
"""Frusta that scenes are laid out for: 2 to 12 m, and 2 to 50 m."""

LOOKS = ("clean", "photo")
"""How pictures are drawn: as a plain rendering, or as a photograph of the street."""


@dataclass(frozen=True)
class StreetConfig:
    """What all samples of a data set share: the frustum, how far its field of view may vary (degrees), and the share of assets.

    preset: which scenes are laid out, a name of PRESETS; the frustum is given apart, since its size may differ.
    look: how pictures are drawn, `clean` or `photo`; "" is the preset's own: clean for semantic-voxels, photo for far.
    picture_scale: pixels of the pictures for each column of fruxels, along width and height.
    """

    frustum: Frustum = FRUSTUM_PRESETS["semantic-voxels"]
    fov_jitter_deg: float = 0.0
    asset_share: float = 0.35
    preset: str = "semantic-voxels"
    picture_scale: int = 1
    look: str = ""

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise unknown_name("preset", self.preset, PRESETS)
        if self.look and self.look not in LOOKS:
            raise unknown_name("look", self.look, LOOKS)
        if self.picture_scale < 1:
            raise UsageError("Pictures need at least one pixel for each column of fruxels.", actual=self.picture_scale)

    @property
    def drawn_look(self) -> str:
        """How pictures are drawn, one of LOOKS."""
        return self.look or ("photo" if self.preset == "far" else "clean")

    def options(self) -> dict[str, Any]:
        """What meta.json says of the configuration: all fields but those that an older data set lacks and that keep their default."""
        kept = asdict(self) | {"look": self.drawn_look}
        for name, usual in (("preset", "semantic-voxels"), ("picture_scale", 1), ("look", "clean")):
            if kept[name] == usual:
                del kept[name]
        return kept


@dataclass(frozen=True)
class StreetSample:
    """One scene: picture, its camera, fruxels, depth [H, W] (z, metres, float32, NaN = sky), instances [H, W] uint16 (0 = sky,
    1 = ground), both of the picture's size, and poses.

    A pose: instance, class, translation [3] and rotation_wxyz (x_camera = R x_object + t; objects stand on y = 0, front along +z),
    size [3] in the object's frame.
    """

    picture: Picture
    fruxels: FruxelGrid
    depth: np.ndarray
    instances: np.ndarray
    poses: list[dict[str, Any]]
    camera: Camera
