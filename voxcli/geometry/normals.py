"""Surface normals of a depth map: the constrained plane fit of pix2scene, equation (3), over the eight neighbours of every pixel.

Equation (3) asks for N^T (P_k - P_0) = 0 for all neighbours P_k, |N| = 1, N towards the camera. Here it is solved in the form

    minimise  sum_k ( N^T (P_k - P_0) / (z_k |o_k|) )^2   subject to   N^T P_0 = -1,   then divide N by its length,

o_k being the neighbour's offset in pixels. The linear constraint says that the surface is seen from its front, holds for every visible
plane, and makes the solution unique, closed and smooth: with it, N^T (P_k - P_0) / z_k = w_0 (1 + o_k^T s) - w_k for w = 1/z, so the fit is
a least-squares slope s of the inverse depth, in which planes are linear; 2 x 2 equations whose matrix holds offsets alone. No
eigenvector, hence no sign to choose and no gradient that explodes where two eigenvalues meet.
"""

from __future__ import annotations

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
    """
    check_shape(depth, "* H W", "depth")
    K = K.to(depth)
    rays, usable = camera_rays(K, *depth.shape[-2:])
    seen = is_surface(depth)
    K = torch.where(usable, K, torch.eye(3, dtype=K.dtype, device=K.device))
    fx, fy, skew = (K[..., i, j, None, None] for i, j in ((0, 0), (1, 1), (0, 1)))
    slope_u, slope_v = _slopes(torch.where(seen, depth, 1), seen, (fx * fy).detach().sqrt())
    p = fx * slope_u                                                             # d(z_0 w)/dx of the plane, x = X/Z
    q = skew * slope_u + fy * slope_v
    nz = p * rays[..., 0, :, :] + q * rays[..., 1, :, :] - 1
    # The length is never 0, since N^T P_0 = -1; all of it is finite, so that 0 can stand for "no surface".
    scale = (p * p + q * q + nz * nz).rsqrt() * (seen & usable)
    return torch.stack(torch.broadcast_tensors(-p * scale, -q * scale, nz * scale), -3)


def _slopes(z: Tensor, seen: Tensor, focal: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes of z_0 / z along the rows and down the columns, per pixel: least squares over the neighbours that count. [*, H, W] each.

    z [*, H, W], 1 where not seen; focal [*, 1, 1] in pixels.
    """
    padded = F.pad(z, (1, 1, 1, 1), value=1.0)
    height, width = z.shape[-2:]

    def neighbours(x: Tensor, sign: int) -> Tensor:
        return torch.stack([x[..., 1 + sign * v : 1 + sign * v + height, 1 + sign * u : 1 + sign * u + width] for u, v in _LINES], -3)

    ahead, back = neighbours(padded, 1), neighbours(padded, -1)                  # [*, 4, H, W]
    here = z[..., None, :, :]
    up, down = (here - ahead) / ahead, (back - here) / back                      # two estimates of each line's slope
    with torch.no_grad():
        there = F.pad(seen.to(z.dtype), (1, 1, 1, 1))
        use_up, use_down = _counted(up.detach(), down.detach(), neighbours(there, 1), neighbours(there, -1), focal)
        n0, n1, n2, n3 = (use_up + use_down).unbind(-3)
        # Normal equations [a c; c b] s = t. Their entries are multiples of 1/2: singular or not is exact.
        diagonal = (n2 + n3) / 2
        a, b, c = n0 + diagonal, n1 + diagonal, (n2 - n3) / 2
        determinant = a * b - c * c
        # On a single line the inverse is the matrix over its trace squared: the least slope that fits.
        full = (determinant > 0).to(z.dtype)
        lone = (1 - full) / (a + b).clamp_min(0.5).square()
        full = full / determinant.clamp_min(0.25)
        i_uu, i_vv, i_uv = b * full + a * lone, a * full + b * lone, c * (lone - full)
    g0, g1, g2, g3 = (up * use_up + down * use_down).unbind(-3)                  # sum of the differences along each line
    tu, tv = g0 + (g2 + g3) / 2, g1 + (g2 - g3) / 2
    return i_uu * tu + i_uv * tv, i_uv * tu + i_vv * tv


def _counted(up: Tensor, down: Tensor, there_up: Tensor, there_down: Tensor, focal: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the two neighbours on each line belong to the surface of the pixel: 1 or 0, [*, 4, H, W] each. focal [*, 1, 1].

    Masks are numbers here: selecting by them is many times slower on the CPU than multiplying.
    """
    across = 1 / focal
    unit = torch.stack([across, across, across * 2**0.5, across * 2**0.5], -3)   # the slope of a slant of about 45 degrees
    steep_up, steep_down = up.abs(), down.abs()
    # The opposite neighbour's measure, or the one that stands in for it where it is missing.
    limit_up = torch.addcmul(_STEEP * unit, there_down, 2 * steep_down + (1 - _STEEP) * unit)
    limit_down = torch.addcmul(_STEEP * unit, there_up, 2 * steep_up + (1 - _STEEP) * unit)
    opposite = (up * down).lt_(0).mul_(there_up).mul_(there_down)
    ridge = opposite.mul_(torch.minimum(steep_up, steep_down).gt_(unit))
    whole = ridge.neg_().add_(1)
    return steep_up.le_(limit_up).mul_(there_up).mul_(whole), steep_down.le_(limit_down).mul_(there_down).mul_(whole)
