"""Surface normals of a depth map: the constrained plane fit of pix2scene, equation (3), over the eight neighbours of every pixel.

Equation (3) asks for N^T (P_k - P_0) = 0 for all neighbours P_k, |N| = 1, N towards the camera. Here it is solved in the form

    minimise  sum_k ( N^T (P_k - P_0) / (z_k |o_k|) )^2   subject to   N^T P_0 = -1,   then divide N by its length,

o_k being the neighbour's offset in pixels. The linear constraint says that the surface is seen from its front, holds for every visible
plane, and makes the solution unique, closed and smooth: with it, N^T (P_k - P_0) / z_k = w_0 (1 + o_k^T s) - w_k for w = 1/z, so the fit is
a least-squares slope s of the inverse depth, in which planes are linear; 2 x 2 equations whose matrix holds offsets alone. No
eigenvector, hence no sign to choose and no gradient that explodes where two eigenvalues meet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.geometry.rays import camera_rays, is_surface
from voxcli.shapes import check_shape

_LINES = ((1, 0), (0, 1), (1, 1), (1, -1))  # (du, dv); each neighbour has its opposite on the same line
_STEEP = 20.0  # tan 87 degrees: a step to a neighbour whose opposite is missing may not be steeper to be one surface


def depth_normals(depth: Tensor, K: Tensor) -> Tensor:
    """Unit normals that face the camera, N^T P < 0, in the camera frame. depth [*, H, W], K [*, 3, 3] in pixels -> [*, 3, H, W].

    Exact for planes. A neighbour counts if it is there and on the same surface: at image borders and beside missing pixels the rest of
    the eight decide; of two opposite neighbours one is left out where the depth steps to it more than twice as steeply (plus 45
    degrees) as to the other, and both where a ridge falls off on both sides by more than 45 degrees, thinner than the pixel grid can
    tell. Where all that count lie on one line, or none does (a single pixel), the surface is taken to be parallel to the image
    plane across it. Where there is no surface, or the camera has no focal length, the normal is 0.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> wall = torch.full((2, 2), 4.0, dtype=torch.float64)
    >>> depth_normals(wall, K)[:, 0, 0].abs().tolist()                                # a wall across the line of sight
    [0.0, 0.0, 1.0]
    """
    check_shape(depth, "* H W", "depth")
    K = K.to(depth)
    rays, usable = camera_rays(K, *depth.shape[-2:])
    return normals_on_rays(depth, is_surface(depth) & usable, K, rays, usable)


def normals_on_rays(depth: Tensor, seen: Tensor, K: Tensor, rays: Tensor, usable: Tensor) -> Tensor:
    """The same where the rays are there already: seen [*, H, W] bool, rays [*, 3, H, W] and usable [*, 1, 1] as camera_rays gives them.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> wall = torch.full((2, 2), 4.0, dtype=torch.float64)
    >>> from voxcli.geometry.rays import camera_rays, is_surface
    >>> normals_on_rays(wall, is_surface(wall), K, *camera_rays(K, 2, 2))[2].tolist()
    [[-1.0, -1.0], [-1.0, -1.0]]
    """
    K = torch.where(usable, K, torch.eye(3, dtype=K.dtype, device=K.device))
    fx, fy, skew = (K[..., i, j, None, None] for i, j in ((0, 0), (1, 1), (0, 1)))
    slope_u, slope_v = _slopes(torch.where(seen, depth, 1), seen, (fx * fy).detach().sqrt())
    p = fx * slope_u  # d(z_0 w)/dx of the plane, x = X/Z
    q = torch.addcmul(skew * slope_u, fy, slope_v)
    nz = torch.addcmul(torch.addcmul(torch.full_like(p, -1), p, rays[..., 0, :, :]), q, rays[..., 1, :, :])
    normal = torch.stack([-p, -q, nz], -3)
    # The length is never 0, since N^T P_0 = -1; all of it is finite, so that 0 can stand for "no surface".
    scale = (normal * normal).sum(-3).rsqrt() * seen.to(depth.dtype)
    return normal * scale[..., None, :, :]


def _slopes(z: Tensor, seen: Tensor, focal: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes of z_0 / z along the rows and down the columns, per pixel: least squares over the neighbours that count. [*, H, W] each.

    z [*, H, W], 1 where not seen; focal [*, 1, 1] in pixels.
    """
    batch = torch.broadcast_shapes(z.shape[:-2], focal.shape[:-2])
    fit: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] = _Slopes.apply
    return fit(z.expand(*batch, -1, -1), seen.expand(*batch, -1, -1), focal)


def _window(padded: Tensor, line: tuple[int, int], sign: int) -> Tensor:
    """The neighbours at sign * line of all pixels, of a map with a rim of one pixel. A view [*, H, W]."""
    u, v = 1 + sign * line[0], 1 + sign * line[1]
    return padded[..., v : v + padded.shape[-2] - 2, u : u + padded.shape[-1] - 2]


def _neighbours(padded: Tensor, sign: int) -> Tensor:
    return torch.stack([_window(padded, line, sign) for line in _LINES], -3)  # [*, 4, H, W]


class _Context(Protocol):
    """What a function keeps for its gradient."""

    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor) -> None: ...


class _Slopes(torch.autograd.Function):
    """The fit with its gradient written out: a third of the passes over memory that recording every operation would take.

    Which neighbours count is constant in the gradient. The gradient is differentiable itself.
    """

    @staticmethod
    def forward(ctx: _Context, z: Tensor, seen: Tensor, focal: Tensor) -> tuple[Tensor, Tensor]:
        """z and seen [*, H, W], focal [*, 1, 1] -> (slope_u, slope_v) [*, H, W]."""
        padded = F.pad(z, (1, 1, 1, 1), value=1.0)
        there = F.pad(seen.to(z.dtype), (1, 1, 1, 1))
        inverse = padded.reciprocal()
        here = z[..., None, :, :]
        # (z_0 - z_a) / z_a keeps the digits that z_0 / z_a - 1 would lose.
        up = (here - _neighbours(padded, 1)).mul_(_neighbours(inverse, 1))
        down = (_neighbours(padded, -1) - here).mul_(_neighbours(inverse, -1))  # two estimates of each line's slope
        use_up, use_down = _counted(up, down, _neighbours(there, 1), _neighbours(there, -1), focal)
        i_uu, i_uv, i_vv = _inverted((use_up + use_down).unbind(-3))
        g0, g1, g2, g3 = up.mul_(use_up).addcmul_(down, use_down).unbind(-3)  # sum of the differences along each line
        tu, tv = g0 + (g2 + g3) / 2, g1 + (g2 - g3) / 2
        ctx.save_for_backward(z, use_up, use_down, i_uu, i_uv, i_vv)
        return i_uu * tu + i_uv * tv, i_uv * tu + i_vv * tv

    @staticmethod
    def backward(ctx: _Context, grad_u: Tensor, grad_v: Tensor) -> tuple[Tensor, None, None]:
        """The adjoint, line by line: each difference is z w_a - 1 or 1 - z w_b, w being the inverse depth of the neighbour."""
        z, use_up, use_down, i_uu, i_uv, i_vv = ctx.saved_tensors
        tu, tv = i_uu * grad_u + i_uv * grad_v, i_uv * grad_u + i_vv * grad_v
        lines = torch.stack([tu, tv, (tu + tv) / 2, (tu - tv) / 2], -3)
        inverse = F.pad(z, (1, 1, 1, 1), value=1.0).reciprocal()
        up, down = lines * use_up, lines * use_down
        own = (up * _neighbours(inverse, 1) - down * _neighbours(inverse, -1)).sum(-3)
        up, down = up * z[..., None, :, :], down * z[..., None, :, :]
        others = torch.zeros_like(inverse)
        for k, line in enumerate(_LINES):
            _window(others, line, 1).sub_(up[..., k, :, :])
            _window(others, line, -1).add_(down[..., k, :, :])
        return own + (others * inverse.square())[..., 1:-1, 1:-1], None, None


def _inverted(counts: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Inverse (uu, uv, vv) of the normal equations' matrix [a c; c b], from how many neighbours count on each line. [*, H, W] each.

    Its entries are multiples of 1/2, so singular or not is exact. On a single line the inverse is the matrix over its trace squared,
    which gives the least slope that fits; for no neighbour it is 0.
    """
    n0, n1, n2, n3 = counts
    diagonal = (n2 + n3) / 2
    a, b, c = n0 + diagonal, n1 + diagonal, (n2 - n3) / 2
    determinant = a * b - c * c
    full = determinant.clone().gt_(0)
    lone = (1 - full).div_((a + b).clamp_min_(0.5).square_())
    full = full.div_(determinant.clamp_min_(0.25))
    return b * full + a * lone, c * (lone - full), a * full + b * lone


def _counted(up: Tensor, down: Tensor, there_up: Tensor, there_down: Tensor, focal: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the two neighbours on each line belong to the surface of the pixel: 1 or 0, [*, 4, H, W] each. focal [*, 1, 1].

    Masks are numbers here: selecting by them is many times slower on the CPU than multiplying.
    """
    across = 1 / focal
    unit = torch.stack([across, across, across * 2**0.5, across * 2**0.5], -3)  # the slope of a slant of about 45 degrees
    steep_up, steep_down = up.abs(), down.abs()
    # The opposite neighbour's measure, or the one that stands in for it where it is missing.
    limit_up = torch.addcmul(_STEEP * unit, there_down, 2 * steep_down + (1 - _STEEP) * unit)
    limit_down = torch.addcmul(_STEEP * unit, there_up, 2 * steep_up + (1 - _STEEP) * unit)
    opposite = (up * down).lt_(0).mul_(there_up).mul_(there_down)
    ridge = opposite.mul_(torch.minimum(steep_up, steep_down).gt_(unit))
    whole = ridge.neg_().add_(1)
    return steep_up.le_(limit_up).mul_(there_up).mul_(whole), steep_down.le_(limit_down).mul_(there_down).mul_(whole)
