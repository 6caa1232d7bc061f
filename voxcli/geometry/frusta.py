"""The frustum voxel grid of SSZ section 3.1: where its fruxels lie, and how the camera frame maps to its lattice."""

from __future__ import annotations

import torch
from torch import Tensor

from voxcli.scene import Frustum


def pixel_rays(frustum: Frustum) -> Tensor:
    """Rays through all pixel centres (i + 1/2, j + 1/2), in the camera frame with z = 1. Returns [H, W, 3], float64.

    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> pixel_rays(frustum)[0, 0].round(decimals=9).tolist()
    [-0.5, -0.5, 1.0]
    """
    x = (torch.arange(frustum.width, dtype=torch.float64) + 0.5 - frustum.width / 2) / frustum.focal  # [W]
    y = (torch.arange(frustum.height, dtype=torch.float64) + 0.5 - frustum.height / 2) / frustum.focal  # [H]
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)], -1)


def slice_centres(frustum: Frustum) -> Tensor:
    """z of all slice centres, near to far: z_near + (k + 1/2) dz. Returns [D], float64.

    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> slice_centres(frustum).tolist()
    [1.5, 2.5]
    """
    return frustum.z_near + (torch.arange(frustum.depth, dtype=torch.float64) + 0.5) * frustum.slice_thickness


def fruxel_centres(frustum: Frustum) -> Tensor:
    """Centres of all fruxels, in the camera frame (x right, y down, z forward), in the units of z_near.

    Slice k lies at z_near + (k + 1/2) dz with dz = (z_far - z_near) / D; fruxel (k, j, i) lies on the ray of pixel centre
    (i + 1/2, j + 1/2). Returns [D, H, W, 3], float64.

    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> fruxel_centres(frustum)[0, 0, 1].round(decimals=9).tolist()
    [0.75, -0.75, 1.5]
    """
    return slice_centres(frustum)[:, None, None, None] * pixel_rays(frustum)


def fruxel_volumes(frustum: Frustum) -> Tensor:
    """Volume of one fruxel of each slice: all fruxels of a slice are equal. Returns [D], float64.

    A fruxel is a truncated pyramid: the integral over its slice of (z / f)^2 dz.

    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> (4 * fruxel_volumes(frustum)).round(decimals=9).tolist()                      # a frustum's: 4/3 (2^3 - 1), 4/3 (3^3 - 2^3)
    [9.333333333, 25.333333333]
    """
    z = frustum.z_near + torch.arange(frustum.depth + 1, dtype=torch.float64) * frustum.slice_thickness  # [D + 1]
    return (z[1:] ** 3 - z[:-1] ** 3) / 3 / frustum.focal**2


def project(points: Tensor, K: Tensor) -> Tensor:
    """Continuous pixel coordinates (u, v) of camera-frame points with z > 0. points [*, 3], K [3, 3] -> [*, 2].

    >>> project(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([[8.0, 0, 5], [0, 8, 5], [0, 0, 1]])).tolist()
    [7.0, 9.0]
    """
    u = K[0, 0] * points[..., 0] / points[..., 2] + K[0, 2]
    v = K[1, 1] * points[..., 1] / points[..., 2] + K[1, 2]
    return torch.stack([u, v], -1)


def fruxel_index(points: Tensor, frustum: Frustum) -> tuple[Tensor, Tensor]:
    """The fruxel that holds each camera-frame point. points [*, 3] -> (index [*, 3] as (k, j, i), inside [*] bool).

    Indices of points outside are clamped to the grid.

    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> index, inside = fruxel_index(torch.tensor([[0.5, -0.5, 2.5], [9.0, 0, 2]]), frustum)
    >>> index[0].tolist(), inside.tolist()
    ([1, 0, 1], [True, False])
    """
    z = points[..., 2]
    safe = torch.where(z > 0, z, torch.ones_like(z))
    i = (frustum.focal * points[..., 0] / safe + frustum.width / 2).floor().long()
    j = (frustum.focal * points[..., 1] / safe + frustum.height / 2).floor().long()
    k = ((z - frustum.z_near) / frustum.slice_thickness).floor().long()
    index = torch.stack([k, j, i], -1)
    size = torch.tensor(frustum.shape, device=points.device)
    inside = (z > 0) & ((index >= 0) & (index < size)).all(-1)
    return torch.minimum(index.clamp_min(0), size - 1), inside
