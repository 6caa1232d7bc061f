"""Pictures of what pix2scene sees: linear light, depth and normals as bytes, side by side."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from voxcli.geometry.map_pictures import depth_picture, enlarged, light_picture, normal_picture
from voxcli.geometry.normals import depth_normals

TILE = 128
"""Least pixels a side of a tile of a preview."""


def row(image: Tensor, again: Tensor, depth: Tensor, truth: Tensor, made: Tensor, K: Tensor) -> np.ndarray:
    """Input, reconstruction, its depth, true depth, its normals, a scene of noise. uint8 [H, W, 3]."""
    known = truth[torch.isfinite(truth)]
    near, far = (float(known.min()), float(known.max())) if known.numel() else (0.0, 1.0)
    tiles = [light_picture(image), light_picture(again), depth_picture(depth, near, far), depth_picture(truth, near, far)]
    tiles += [normal_picture(depth_normals(depth, K)), light_picture(made)]
    return np.concatenate([enlarged(tile, TILE) for tile in tiles], 1)
