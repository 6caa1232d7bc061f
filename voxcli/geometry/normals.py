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
    p, q, nz = torch.broadcast_tensors(p, q, nz)
    normal = torch.stack([-p, -q, nz], -3)
    normal = normal * (p * p + q * q + nz * nz).rsqrt()[..., None, :, :]         # never 0: N^T P_0 = -1
    return torch.where((seen & usable)[..., None, :, :], normal, 0)


def _slopes(z: Tensor, seen: Tensor, focal: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes of z_0 / z along the rows and down the columns, per pixel: least squares over the neighbours that count. [*, H, W] each.

    z [*, H, W], 1 where not seen; focal [*, 1, 1] in pixels.
    """
    padded, there = F.pad(z, (1, 1, 1, 1), value=1.0), F.pad(seen, (1, 1, 1, 1), value=False)
    height, width = z.shape[-2:]

    def neighbours(x: Tensor, sign: int) -> Tensor:
        return torch.stack([x[..., 1 + sign * v : 1 + sign * v + height, 1 + sign * u : 1 + sign * u + width] for u, v in _LINES], -3)

    ahead, back = neighbours(padded, 1), neighbours(padded, -1)                  # [*, 4, H, W]
    here = z[..., None, :, :]
    up, down = (here - ahead) / ahead, (back - here) / back                      # two estimates of each line's slope
    use_up, use_down = _counted(up.detach(), down.detach(), neighbours(there, 1), neighbours(there, -1), focal)
    total = torch.where(use_up, up, 0) + torch.where(use_down, down, 0)          # sum_k o_k^T o_k-weighted differences, line by line
    count = use_up.to(z.dtype) + use_down.to(z.dtype)
    g0, g1, g2, g3 = total.unbind(-3)
    n0, n1, n2, n3 = count.unbind(-3)
    # Normal equations [a c; c b] s = t. Their entries are multiples of 1/2: singular or not is exact.
    tu, tv = g0 + (g2 + g3) / 2, g1 + (g2 - g3) / 2
    diagonal = (n2 + n3) / 2
    a, b, c = n0 + diagonal, n1 + diagonal, (n2 - n3) / 2
    determinant = a * b - c * c
    full = determinant > 0
    safe = torch.where(full, determinant, 1)
    trace = (a + b).clamp_min(0.5)
    return torch.where(full, (b * tu - c * tv) / safe, tu / trace), torch.where(full, (a * tv - c * tu) / safe, tv / trace)


def _counted(up: Tensor, down: Tensor, there_up: Tensor, there_down: Tensor, focal: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the two neighbours on each line belong to the surface of the pixel. [*, 4, H, W] bool each."""
    length = torch.tensor([1.0, 1.0, 2**0.5, 2**0.5], dtype=up.dtype, device=up.device)[:, None, None]
    scale = focal[..., None, :, :] / length                                      # turns a slope into about the tangent of its slant
    steep_up, steep_down = up.abs() * scale, down.abs() * scale
    ridge = there_up & there_down & (up * down < 0) & (torch.minimum(steep_up, steep_down) > 1)
    use_up = there_up & (steep_up <= torch.where(there_down, 2 * steep_down + 1, _STEEP)) & ~ridge
    use_down = there_down & (steep_down <= torch.where(there_up, 2 * steep_up + 1, _STEEP)) & ~ridge
    return use_up, use_down
