"""Surfels of a view: a depth a pixel, lifted along the pixels' rays (pix2scene, sections 3.1 and 3.2), and the picture that they make.

Maps are laid out as networks use them, channels before rows and columns: depth [*, H, W], points, normals and albedo [*, 3, H, W], with
any leading dimensions, which broadcast against those of the camera and of the lights. Everything is differentiable with respect to
depth, albedo, lights and camera. Camera frame: x right, y down, z forward.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from voxcli.geometry.lighting import Lights, shade
from voxcli.geometry.normals import normals_on_rays
from voxcli.geometry.rays import camera_rays, is_surface
from voxcli.shapes import check_shape


class SurfelMaps(NamedTuple):
    """The surfels (P, N, rho) of a view, one a pixel: P lies on the pixel's ray, so its depth is enough.

    depth [*, H, W] (z, NaN = none), normals [*, 3, H, W] (unit, facing the camera, 0 = none), albedo [*, 3, H, W] (0..1, 0 = none).
    """

    depth: Tensor
    normals: Tensor
    albedo: Tensor


def back_project(depth: Tensor, K: Tensor) -> Tensor:
    """Points of the surfels in the camera frame: z (x, y, 1) along the ray of each pixel's centre. depth [*, H, W] -> [*, 3, H, W].

    K [*, 3, 3] in pixels. Where there is no surface (see is_surface), or the camera has no focal length, the point is 0.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> wall = torch.full((2, 2), 4.0, dtype=torch.float64)
    >>> back_project(wall, K)[:, 0, 1].tolist()
    [1.0, -1.0, 4.0]
    """
    return _lifted(depth, K)[0]


def ray_to_z_depth(distance: Tensor, K: Tensor) -> Tensor:
    """Distance from the camera's centre along the ray of each pixel [*, H, W] -> z-depth: files with depth_kind `ray` hold distances.

    >>> K = torch.tensor([[1.0, 0, -2.5], [0, 1, 0.5], [0, 0, 1]])                    # the one pixel's ray is (3, 0, 1)
    >>> ray_to_z_depth(torch.tensor([[40.0]]).sqrt(), K).round(decimals=4).tolist()
    [[2.0]]
    """
    return distance / _rays(distance, K)[0].square().sum(-3).sqrt()


def surfels_of_depth(depth: Tensor, albedo: Tensor, K: Tensor) -> SurfelMaps:
    """Surfels of a depth map, their normals estimated from the depth (equation 3).

    depth [*, H, W], albedo [*, 3, H, W] or [*, 3, 1, 1] for one colour, K [*, 3, 3]. NaN, infinite, zero and negative depths are no
    surface.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> wall = torch.full((2, 2), 4.0, dtype=torch.float64)
    >>> surfels = surfels_of_depth(wall, torch.full((3, 1, 1), 0.5, dtype=torch.float64), K)
    >>> surfels.normals[2].tolist(), surfels.albedo[0].tolist()
    ([[-1.0, -1.0], [-1.0, -1.0]], [[0.5, 0.5], [0.5, 0.5]])
    """
    _check(depth, albedo, K)
    _, normals, seen = _surfels(depth, K)
    return SurfelMaps(torch.where(seen, depth, torch.nan), normals, torch.where(seen[..., None, :, :], albedo, 0))


def render(depth: Tensor, albedo: Tensor, K: Tensor, lights: Lights, background: Tensor | float = 0.0) -> Tensor:
    """The picture of a depth map: normals from depth (equation 3), then the shading of equation (1). Linear light [*, 3, H, W].

    Args:
        depth: [*, H, W] z-depth; what is no surface shows the background.
        albedo: [*, 3, H, W], or [*, 3, 1, 1] for one material.
        K: [*, 3, 3] intrinsics in pixels.
        lights: in the camera frame.
        background: [*, 3] or a number.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> wall = torch.full((2, 2), 4.0, dtype=torch.float64)
    >>> sky = Lights(torch.ones(3), torch.zeros(0, 3), torch.zeros(0, 3))
    >>> render(wall, torch.full((3, 1, 1), 0.5, dtype=torch.float64), K, sky)[0].tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    _check(depth, albedo, K)
    points, normals, seen = _surfels(depth, K)
    return _over(shade(points, normals, albedo, lights), seen, background)


def render_surfels(surfels: SurfelMaps, K: Tensor, lights: Lights, background: Tensor | float = 0.0) -> Tensor:
    """The picture of surfels whose normals are known: equation (1) at each of them. Linear light [*, 3, H, W], never NaN unless the
    light itself overflows.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> wall = torch.full((2, 2), 4.0, dtype=torch.float64)
    >>> sky = Lights(torch.ones(3), torch.zeros(0, 3), torch.zeros(0, 3))
    >>> surfels = surfels_of_depth(wall, torch.full((3, 1, 1), 0.5, dtype=torch.float64), K)
    >>> render_surfels(surfels, K, sky)[0].tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    points, seen = _lifted(surfels.depth, K)
    return _over(shade(points, surfels.normals, surfels.albedo, lights), seen, background)


def _lifted(depth: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """Points [*, 3, H, W], and where there is a surface [*, H, W]."""
    rays, usable = _rays(depth, K)
    seen = is_surface(depth) & usable
    return torch.where(seen, depth, 0)[..., None, :, :] * rays, seen


def _surfels(depth: Tensor, K: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points and normals [*, 3, H, W], and where there is a surface [*, H, W]."""
    K = K.to(depth)
    rays, usable = _rays(depth, K)
    seen = is_surface(depth) & usable
    return torch.where(seen, depth, 0)[..., None, :, :] * rays, normals_on_rays(depth, seen, K, rays, usable), seen


def _over(image: Tensor, seen: Tensor, background: Tensor | float) -> Tensor:
    behind = background.to(image)[..., None, None] if isinstance(background, Tensor) else background
    return torch.where(seen[..., None, :, :], image, behind)


def _rays(depth: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    check_shape(depth, "* H W", "depth")
    return camera_rays(K.to(depth), *depth.shape[-2:])


def _check(depth: Tensor, albedo: Tensor, K: Tensor) -> None:
    sizes = check_shape(depth, "* H W", "depth")
    check_shape(albedo, "* 3 1 1" if albedo.shape[-2:] == (1, 1) else "* 3 H W", "albedo", sizes)
    check_shape(K, "* 3 3", "K")
