"""Pictures of what pix2scene sees: linear light, depth and normals as bytes, side by side."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from voxcli.geometry.normals import depth_normals

TILE = 128
"""Least pixels a side of a tile of a preview."""


def light_picture(image: Tensor) -> np.ndarray:
    """Linear light [3, H, W] -> uint8 [H, W, 3], as the data is: no tone curve."""
    return (image.movedim(0, -1).clamp(0, 1) * 255).round().byte().cpu().numpy()


def depth_picture(depth: Tensor, near: float, far: float) -> np.ndarray:
    """Depth [H, W] -> uint8 [H, W, 3], nearer is darker, as in the paper's figures."""
    grey = ((depth - near) / max(far - near, 1e-6)).clamp(0, 1).nan_to_num(1)
    return np.repeat((grey * 255).round().byte().cpu().numpy()[..., None], 3, 2)


def normal_picture(normals: Tensor) -> np.ndarray:
    """Normals [3, H, W] of the camera frame -> uint8 [H, W, 3]: red to the right, green up, blue towards the camera."""
    turned = normals * normals.new_tensor([1.0, -1.0, -1.0])[:, None, None]
    return ((turned.movedim(0, -1) * 0.5 + 0.5).clamp(0, 1) * 255).round().byte().cpu().numpy()


def enlarged(tile: np.ndarray, side: int) -> np.ndarray:
    """A tile [H, W, 3] repeated to at least `side` pixels."""
    times = max(1, -(-side // tile.shape[0]))
    return tile.repeat(times, 0).repeat(times, 1)


def row(image: Tensor, again: Tensor, depth: Tensor, truth: Tensor, made: Tensor, K: Tensor) -> np.ndarray:
    """Input, reconstruction, its depth, true depth, its normals, a scene of noise. uint8 [H, W, 3]."""
    known = truth[torch.isfinite(truth)]
    near, far = (float(known.min()), float(known.max())) if known.numel() else (0.0, 1.0)
    tiles = [light_picture(image), light_picture(again), depth_picture(depth, near, far), depth_picture(truth, near, far)]
    tiles += [normal_picture(depth_normals(depth, K)), light_picture(made)]
    return np.concatenate([enlarged(tile, TILE) for tile in tiles], 1)
