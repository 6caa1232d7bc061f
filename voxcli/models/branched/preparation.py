"""Pictures and volumes as networks of branched fields take them: the object on a plain background, standardised by ImageNet's numbers."""

from __future__ import annotations

import numpy as np
from torch import Tensor

IMAGE, CELLS = 128, 64
"""Pixels of a picture, and cells of a coloured volume, along a side."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

BACKGROUND = (240, 240, 240)


def prepare(rgb: np.ndarray, alpha: np.ndarray | None, background: tuple[int, int, int] = BACKGROUND) -> tuple[np.ndarray, np.ndarray]:
    """Colours [3, 128, 128] float32 in 0..1 and coverage [128, 128] in 0..1, of a picture [H, W, 3] uint8 with its alpha [H, W].

    The picture is made square by background at its sides, composited by its alpha, and resized by averaging. Without alpha, everything
    is covered.
    """
    from PIL import Image

    height, width = rgb.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    cover = np.zeros((side, side), np.float32)
    cover[top : top + height, left : left + width] = 1 if alpha is None else alpha / np.float32(255)
    colours = np.zeros((side, side, 3), np.float32)
    colours[top : top + height, left : left + width] = rgb
    colours = colours * cover[..., None] + np.asarray(background, np.float32) * (1 - cover[..., None])
    planes = [*(colours[..., k] / 255 for k in range(3)), cover]
    if side != IMAGE:
        how = Image.Resampling.BOX if side > 2 * IMAGE else Image.Resampling.BILINEAR
        planes = [np.asarray(Image.fromarray(plane).resize((IMAGE, IMAGE), how)) for plane in planes]
    stacked = np.stack(planes).astype(np.float32)
    return stacked[:3].clip(0, 1), stacked[3].clip(0, 1)


def standard_image(colours: Tensor) -> Tensor:
    """Colours [B, 3, H, W] in 0..1 as the image encoder takes them."""
    mean, deviation = (colours.new_tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
    return (colours - mean) / deviation


def plain_image(images: Tensor) -> Tensor:
    """The inverse of `standard_image`."""
    mean, deviation = (images.new_tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
    return images * deviation + mean


def coloured(volumes: Tensor, darkest: float) -> Tensor:
    """uint8 [B, 4, 64, 64, 64] as the 3D encoder takes it: colours from `darkest` to 1 where occupied, 0 in air."""
    colours = volumes[:, :3].float() * ((1 - darkest) / 255) + darkest
    return colours * (volumes[:, 3:] > 0)
