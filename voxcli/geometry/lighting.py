"""Light on surfels: the shading of pix2scene, equation (1), and spherical harmonics of three bands.

Maps are [*, 3, H, W] in the camera frame (x right, y down, z forward); colours are linear. All is differentiable.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from voxcli.shapes import check_shape

_NEAREST = 1e-12  # squared distance below which a light has no direction


class Lights(NamedTuple):
    """The lights of a view, in the camera frame.

    ambient [*, 3]; positions and colours [*, L, 3] of L point lights; their attenuation 1 / (constant + linear d + quadratic d^2) at
    distance d, numbers or tensors [*] (the paper has no constant term); harmonics [*, 3, 9] of a distant environment, or None.
    """

    ambient: Tensor
    positions: Tensor
    colours: Tensor
    constant: Tensor | float = 0.0
    linear: Tensor | float = 0.0
    quadratic: Tensor | float = 1.0
    harmonics: Tensor | None = None

    def moved(self, world_to_cam: Tensor) -> Lights:
        """Lights whose positions are given in the world, in the frame of a camera [*, 4, 4].

        Harmonics stay as they are: turn the normals instead (see `harmonic_light`).
        """
        R, t = world_to_cam[..., :3, :3], world_to_cam[..., None, :3, 3]
        return self._replace(positions=self.positions @ R.transpose(-1, -2) + t)


def shade(points: Tensor, normals: Tensor, albedo: Tensor, lights: Lights) -> Tensor:
    """Equation (1): rho (L_a + sum_j a(d_j) L_j max(0, N^T d_j / |d_j|)), d_j from the surfel to light j; harmonics are added to L_a.

    points, normals, albedo [*, 3, H, W] -> [*, 3, H, W]. A light at the very place of a surfel has no direction and adds nothing there.

    >>> points, normals = torch.zeros(3, 1, 1), torch.tensor([0.0, 0, -1]).view(3, 1, 1)
    >>> lamp = Lights(torch.zeros(3), torch.tensor([[0.0, 0, -2]]), torch.ones(1, 3), constant=1.0, quadratic=0.0)
    >>> shade(points, normals, torch.full((3, 1, 1), 0.5), lamp).ravel().tolist()    # straight above: the albedo
    [0.5, 0.5, 0.5]
    """
    sizes = check_shape(points, "* 3 H W", "points")
    check_shape(normals, "* 3 H W", "normals", sizes)
    check_shape(lights.positions, "* L 3", "positions of lights")
    check_shape(lights.colours, "* L 3", "colours of lights", {"L": lights.positions.shape[-2]})
    light = lights.ambient.to(points)[..., None, None]
    constant, linear, quadratic = (
        v.to(points)[..., None, None] if isinstance(v, Tensor) else v for v in (lights.constant, lights.linear, lights.quadratic)
    )
    positions, colours = lights.positions.to(points), lights.colours.to(points)
    for j in range(positions.shape[-2]):
        d = positions[..., j, :, None, None] - points  # [*, 3, H, W]
        square = (d * d).sum(-3).clamp_min(_NEAREST)
        distance = square.sqrt()
        facing = (normals * d).sum(-3).clamp_min(0)
        falloff = (distance * (constant + linear * distance + quadratic * square)).clamp_min(1e-30)
        light = light + (facing / falloff)[..., None, :, :] * colours[..., j, :, None, None]
    if lights.harmonics is not None:
        light = light + harmonic_light(normals, lights.harmonics.to(points))
    return albedo * light


# -- spherical harmonics --------------------------------------------------------------------------------------------------------------


def harmonic_basis(directions: Tensor) -> Tensor:
    """The nine real, orthonormal spherical harmonics of bands 0 to 2 at unit directions. [*, 3, H, W] -> [*, 9, H, W].

    Order (l, m): (0, 0), (1, -1), (1, 0), (1, 1), (2, -2), (2, -1), (2, 0), (2, 1), (2, 2), polynomials in x, y, z of the frame.

    >>> up = torch.tensor([0.0, 0, 1]).view(3, 1, 1)
    >>> harmonic_basis(up).ravel()[[0, 2]].square().mul(4 * math.pi).round(decimals=5).tolist()
    [1.0, 3.0]
    """
    check_shape(directions, "* 3 H W", "directions")
    x, y, z = directions.unbind(-3)
    c0, c1, c2 = math.sqrt(1 / (4 * math.pi)), math.sqrt(3 / (4 * math.pi)), math.sqrt(15 / (4 * math.pi))
    return torch.stack(
        [
            torch.full_like(x, c0),
            c1 * y, c1 * z, c1 * x,
            c2 * x * y, c2 * y * z, c2 / math.sqrt(12) * (3 * z * z - 1), c2 * x * z, c2 / 2 * (x * x - y * y),
        ],
        -3,
    )  # fmt: skip


def harmonic_light(normals: Tensor, coefficients: Tensor) -> Tensor:
    """What a white Lambertian surface reflects under a distant environment: 1/pi of its irradiance, never below 0. [*, 3, H, W].

    coefficients [*, 3, 9]: those of the incoming radiance in `harmonic_basis`, for red, green and blue, in the frame of the normals. The
    cosine lobe weighs band l by A_l = pi, 2 pi / 3, pi / 4 (Ramamoorthi and Hanrahan 2001, equation 8). An environment of radiance 1
    everywhere is (sqrt(4 pi), 0, ...), and lights every normal with 1.

    >>> sky = torch.zeros(3, 9)
    >>> sky[:, 0] = (4 * math.pi) ** 0.5
    >>> harmonic_light(torch.tensor([0.0, 0, 1]).view(3, 1, 1), sky).ravel().round(decimals=5).tolist()
    [1.0, 1.0, 1.0]
    """
    check_shape(coefficients, "* 3 9", "coefficients")
    lobe = torch.cat([coefficients.new_full((n,), a) for n, a in ((1, 1.0), (3, 2 / 3), (5, 1 / 4))])
    basis = harmonic_basis(normals)
    height, width = basis.shape[-2:]
    light = (coefficients * lobe) @ basis.flatten(-2)
    return light.view(*light.shape[:-1], height, width).clamp_min(0)


def turn_harmonics(coefficients: Tensor, rotation: Tensor) -> Tensor:
    """The coefficients of the same environment in a turned frame: x_new = R x. coefficients [*, 3, 9], rotation [3, 3] -> [*, 3, 9].

    Bands do not mix under rotation, so nine directions determine the answer: the turned environment has the value at R d that the
    given one has at d.

    >>> light = torch.zeros(3, 9)
    >>> light[:, 3] = 1                                                               # along x
    >>> quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])                  # x to y
    >>> turn_harmonics(light, quarter)[0].round(decimals=4).abs().tolist()
    [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    check_shape(coefficients, "* 3 9", "coefficients")
    check_shape(rotation, "3 3", "rotation")
    s, h = math.sqrt(0.5), 0.5
    probes = coefficients.new_tensor(
        [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, s, s], [s, 0, s], [s, s, 0], [0, -s, s], [-s, 0, s], [h, h, -s]]
    )  # [9, 3]

    def basis(directions: Tensor) -> Tensor:
        return harmonic_basis(directions.T[:, None, :])[:, 0].T  # [9 directions, 9 functions]

    values = coefficients @ basis(probes).T  # [*, 3, 9 directions]
    turned = basis(probes @ rotation.to(coefficients).T)
    solved: Tensor = torch.linalg.solve(turned, values.transpose(-1, -2)).transpose(-1, -2)
    return solved
