"""Scenes of latent codes: random ones, and those between two pictures; their picture, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from voxcli.geometry.cameras import inverse_rigid
from voxcli.scene import Picture

if TYPE_CHECKING:
    from voxcli.models.base import MakesScenes
    from voxcli.scene import Camera, Surfels

Shown = Literal["shaded", "depth", "normals"]
TILE = 128
"""Least pixels of a scene in the picture."""


def random_scenes(maker: MakesScenes, count: int, seed: int, kind: str | None = None, camera: Camera | None = None) -> Iterator[Surfels]:
    """Scenes of random codes, see `MakesScenes.sample`, each from a place of the training data or all from the place of a camera."""
    return maker.sample(count, seed, None if camera is None else eye_of(camera), kind)


def scenes_between(maker: MakesScenes, views: Sequence[tuple[Picture, Camera | None]], count: int) -> Iterator[Surfels]:
    """Scenes from that of the first picture to that of the last, ends included, all seen from the place of the first one's camera."""
    first, last = (maker.scene_of(picture, camera) for picture, camera in views)
    return maker.interpolate(first, last, count, eye_of(first.camera))


def eye_of(camera: Camera) -> np.ndarray:
    """Where a camera stands, [3] in the world."""
    eye: np.ndarray = inverse_rigid(camera.world_to_cam)[:3, 3]
    return eye


def picture_of_scenes(maker: MakesScenes, scenes: Sequence[Surfels], shown: Shown) -> Picture:
    """All scenes side by side. Depths share one scale."""
    import torch

    from voxcli.geometry.map_pictures import depth_picture, enlarged, normal_picture
    from voxcli.ops.rendering import side_by_side

    if shown == "shaded":
        tiles = [maker.picture_of(scene).rgb for scene in scenes]
    elif shown == "normals":
        tiles = [normal_picture(torch.from_numpy(scene.normals).movedim(-1, 0)) for scene in scenes]
    else:
        depths = [scene.depth for scene in scenes]
        near, far = float(np.nanmin(depths)), float(np.nanmax(depths))
        tiles = [depth_picture(torch.from_numpy(depth), near, far) for depth in depths]
    return Picture(side_by_side([enlarged(tile, TILE) for tile in tiles]))
