"""The rays of a pinhole camera's pixels, and which depths are surfaces."""

from __future__ import annotations

import torch
from torch import Tensor

from voxcli.shapes import check_shape

SMALLEST, LARGEST = 1e-9, 1e9
"""Depths outside are no surface. Between them no square of a ratio of two depths overflows float32."""


def is_surface(depth: Tensor) -> Tensor:
    """True where a depth is one: NaN, infinite, zero and negative depths mean that nothing is seen. [*] -> [*] bool

    >>> is_surface(torch.tensor([2.0, 0.0, -1.0, torch.nan, torch.inf])).tolist()
    [True, False, False, False, False]
    """
    return (depth > SMALLEST) & (depth < LARGEST)  # both are false for NaN


def camera_rays(K: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Rays (x, y, 1) through the pixel centres (i + 1/2, j + 1/2), in the camera frame. Differentiable with respect to K.

    K [*, 3, 3] with rows (f_x, skew, c_x), (0, f_y, c_y), (0, 0, 1). Returns rays [*, 3, H, W] and usable [*, 1, 1] bool, which is false
    for a camera without two positive, finite focal lengths: its rays are (0, 0, 1).

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> rays, usable = camera_rays(K, 2, 2)
    >>> rays[:, 0, 1].tolist(), usable.item()
    ([0.25, -0.25, 1.0], True)
    """
    check_shape(K, "* 3 3", "K")
    usable = K.isfinite().flatten(-2).all(-1) & (K[..., 0, 0] > 0) & (K[..., 1, 1] > 0)
    K = torch.where(usable[..., None, None], K, torch.eye(3, dtype=K.dtype, device=K.device))
    column = torch.arange(width, dtype=K.dtype, device=K.device) + 0.5
    row = torch.arange(height, dtype=K.dtype, device=K.device) + 0.5
    y = (row[:, None] - K[..., 1, 2, None, None]) / K[..., 1, 1, None, None]  # [*, H, 1]
    x = (column - K[..., 0, 2, None, None] - K[..., 0, 1, None, None] * y) / K[..., 0, 0, None, None]
    usable = usable[..., None, None]
    x, y = torch.broadcast_tensors(torch.where(usable, x, 0), torch.where(usable, y, 0))
    return torch.stack([x, y, torch.ones_like(x)], -3), usable
