"""What a street sample is and what it is made with.

This module loads no torch, so that a command that hands the work to worker processes starts twice as fast.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from voxcli.errors import UsageError, unknown_name
from voxcli.provenance import Json
from voxcli.scene import FRUSTUM_PRESETS, Camera, Frustum, FruxelGrid, Picture

PRESETS = ("semantic-voxels", "far")
"""Frusta that scenes are laid out for: 2 to 12 m, and 2 to 50 m."""

LOOKS = ("clean", "photo")
"""How pictures are drawn: as a plain rendering, or as a photograph of the street."""

LONGEST = 1000
"""Frames of the longest trajectory, of 250 m."""


@dataclass(frozen=True)
class StreetConfig:
    """What all samples of a data set share: the frustum, how far its field of view may vary (degrees), and the share of assets.

    preset: which scenes are laid out, a name of PRESETS. The frustum is given apart, since its size may differ.
    look: how pictures are drawn, a name of LOOKS. "" is the preset's own: clean for semantic-voxels, photo for far.
    picture_scale: pixels of the pictures for each column of fruxels, along width and height.
    trajectory: frames of a scene, whose camera goes along the street; 1 for scenes of one picture.
    """

    frustum: Frustum = FRUSTUM_PRESETS["semantic-voxels"]
    fov_jitter_deg: float = 0.0
    asset_share: float = 0.35
    preset: str = "semantic-voxels"
    picture_scale: int = 1
    look: str = ""
    trajectory: int = 1

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise unknown_name("preset", self.preset, PRESETS)
        if self.look and self.look not in LOOKS:
            raise unknown_name("look", self.look, LOOKS)
        if self.trajectory != 1 and (self.preset == "far" or self.fov_jitter_deg):
            raise UsageError("A trajectory has one field of view, in a near street.", hint="Leave out --preset far and --fov-jitter.")
        if not 1 <= self.trajectory <= LONGEST:
            raise UsageError(f"A trajectory has 1 to {LONGEST} frames.", actual=self.trajectory)
        if self.picture_scale < 1:
            raise UsageError("Pictures need at least one pixel for each column of fruxels.", actual=self.picture_scale)

    @property
    def drawn_look(self) -> str:
        """How pictures are drawn, one of LOOKS."""
        return self.look or ("photo" if self.preset == "far" else "clean")

    def options(self) -> dict[str, Json]:
        """What meta.json says of the configuration. Fields that older data sets lack are left out where they have their default."""
        kept = asdict(self) | {"look": self.drawn_look}
        for name, usual in (("preset", "semantic-voxels"), ("picture_scale", 1), ("look", "clean"), ("trajectory", 1)):
            if kept[name] == usual:
                del kept[name]
        return kept


@dataclass(frozen=True)
class StreetSample:
    """One scene: picture, its camera, fruxels, depth, instances and poses.

    depth [H, W]: z in metres, float32, NaN = sky. instances [H, W]: uint16, 0 = sky, 1 = ground, from 2 on the objects of the poses.
    Both have the picture's size.
    A pose: instance, class, translation [3], rotation_wxyz, and size [3] in the object's frame. x_camera = R x_object + t. Objects stand
    on y = 0 with their front along +z.
    """

    picture: Picture
    fruxels: FruxelGrid
    depth: np.ndarray
    instances: np.ndarray
    poses: list[dict[str, Json]]
    camera: Camera
