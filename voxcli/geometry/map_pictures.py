"""Maps as bytes to look at: linear light, depth, normals."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def light_picture(image: Tensor) -> np.ndarray:
    """Linear light [3, H, W] -> uint8 [H, W, 3], as the data is: no tone curve.

    >>> import torch
    >>> light_picture(torch.tensor([0.0, 0.2, 2.0]).view(3, 1, 1)).tolist()
    [[[0, 51, 255]]]
    """
    return (image.movedim(0, -1).clamp(0, 1) * 255).round().byte().cpu().numpy()


def depth_picture(depth: Tensor, near: float, far: float) -> np.ndarray:
    """Depth [H, W] -> uint8 [H, W, 3], nearer is darker, as in the paper's figures.

    >>> import torch
    >>> depth_picture(torch.tensor([[1.0, 3.0, torch.nan]]), near=1, far=3)[0, :, 0].tolist()
    [0, 255, 255]
    """
    grey = ((depth - near) / max(far - near, 1e-6)).clamp(0, 1).nan_to_num(1)
    return np.repeat((grey * 255).round().byte().cpu().numpy()[..., None], 3, 2)


def normal_picture(normals: Tensor) -> np.ndarray:
    """Normals [3, H, W] of the camera frame -> uint8 [H, W, 3]: red to the right, green up, blue towards the camera.

    >>> import torch
    >>> normal_picture(torch.tensor([0.0, -1.0, 0.0]).view(3, 1, 1)).tolist()          # up
    [[[128, 255, 128]]]
    """
    turned = normals * normals.new_tensor([1.0, -1.0, -1.0])[:, None, None]
    return ((turned.movedim(0, -1) * 0.5 + 0.5).clamp(0, 1) * 255).round().byte().cpu().numpy()


def enlarged(tile: np.ndarray, side: int) -> np.ndarray:
    """A tile [H, W, 3] repeated to at least `side` pixels.

    >>> enlarged(np.zeros((2, 3, 3), np.uint8), 5).shape
    (6, 9, 3)
    """
    times = max(1, -(-side // tile.shape[0]))
    return tile.repeat(times, 0).repeat(times, 1)
