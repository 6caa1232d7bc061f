"""Equation (1) against its twin and closed forms; spherical harmonics against integrals over the sphere."""

import math

import pytest
import torch
from references import surfel_twins
from torch.testing import assert_close

from voxcli.geometry.lighting import Lights, harmonic_basis, harmonic_light, shade, turn_harmonics

WHITE = torch.ones(3, 1, 1, dtype=torch.float64)


def directions(count=20_000):
    """Evenly spread unit vectors [3, 1, N] (a Fibonacci lattice): means over them are integrals over the sphere / 4 pi."""
    k = torch.arange(count, dtype=torch.float64) + 0.5
    z, turn = 1 - 2 * k / count, k * math.pi * (1 + 5**0.5)
    r = (1 - z * z).sqrt()
    return torch.stack([r * turn.cos(), r * turn.sin(), z])[:, None, :]


def rotation(seed):
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    q = q * r.diagonal().sign()
    return q * torch.linalg.det(q)


@pytest.mark.parametrize("seed", range(3))
def test_shading_equals_the_slow_twin(seed):
    g = torch.Generator().manual_seed(seed)
    points, albedo = (torch.rand(3, 5, 6, generator=g, dtype=torch.float64) for _ in range(2))
    normals = torch.nn.functional.normalize(torch.randn(3, 5, 6, generator=g, dtype=torch.float64), dim=0)
    lights = Lights(*(torch.rand(*s, generator=g, dtype=torch.float64) for s in ((3,), (4, 3), (4, 3))), 0.1, 0.5, 2.0)
    assert_close(shade(points, normals, albedo, lights), surfel_twins.shade(points, normals, albedo, lights))


def test_light_falls_off_with_the_distance_as_stated():
    """A plane, its light straight above one surfel: L / (k_l d + k_q d^2) there, the paper's attenuation."""
    point, normal = torch.zeros(3, 1, 1).double(), torch.tensor([0.0, 0.0, -1.0]).double()[:, None, None]
    for distance in (0.5, 1.0, 3.0):
        at = torch.tensor([[0.0, 0.0, -distance]]).double()
        lit = shade(point, normal, WHITE, Lights(torch.zeros(3).double(), at, torch.ones(1, 3).double(), 0.0, 0.4, 1.5))
        assert_close(lit[0, 0, 0], torch.tensor(1 / (0.4 * distance + 1.5 * distance**2)).double())


def test_a_lambertian_sphere_under_a_far_light_is_the_cosine_and_dark_behind():
    n = directions(2000)
    far = torch.tensor([[0.0, 0.0, 1e7]]).double()
    lights = Lights(torch.full((3,), 0.1).double(), far, torch.tensor([[1.0, 0.5, 0.25]]).double(), constant=1.0, quadratic=0.0)
    lit = shade(n, n, torch.full_like(n, 0.8), lights)
    for channel, strength in enumerate((1.0, 0.5, 0.25)):
        assert_close(lit[channel], 0.8 * (0.1 + strength * n[2].clamp_min(0)), rtol=0, atol=1e-6)
    assert lit[0].mean().item() == pytest.approx(0.8 * (0.1 + 0.25), rel=1e-3)  # the mean of max(0, cos) over the sphere is 1/4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_light_at_a_surfel_adds_nothing_there_and_spoils_no_gradient(dtype):
    points = torch.zeros(3, 1, 2, dtype=dtype)
    points[0, 0, 1] = 1.0
    points.requires_grad_()
    normals = torch.tensor([0.0, 0.0, -1.0], dtype=dtype)[:, None, None].expand(3, 1, 2)
    position = torch.zeros(1, 3, dtype=dtype, requires_grad=True)
    lights = Lights(torch.full((3,), 0.5, dtype=dtype), position, torch.ones(1, 3, dtype=dtype), 0.0, 1.0, 1.0)
    lit = shade(points, normals, WHITE.to(dtype).expand(3, 1, 2), lights)
    assert_close(lit[:, 0, 0], torch.full((3,), 0.5, dtype=dtype))
    for gradient in torch.autograd.grad(lit.sum(), (points, position)):
        assert bool(gradient.isfinite().all())


def test_lights_of_the_world_shine_the_same_from_every_camera():
    R = rotation(0)
    world_to_cam = torch.eye(4).double()
    world_to_cam[:3, :3], world_to_cam[:3, 3] = R, torch.tensor([0.3, -1.0, 2.0]).double()
    g = torch.Generator().manual_seed(0)
    points = torch.rand(3, 4, 4, generator=g, dtype=torch.float64)
    normals = directions(16).reshape(3, 4, 4)
    lights = Lights(torch.zeros(3).double(), torch.rand(3, 3, generator=g).double(), torch.rand(3, 3, generator=g).double())
    there = torch.einsum("ij,jhw->ihw", R, points) + world_to_cam[:3, 3, None, None]
    turned = torch.einsum("ij,jhw->ihw", R, normals)
    assert_close(shade(there, turned, WHITE, lights.moved(world_to_cam)), shade(points, normals, WHITE, lights))


def test_the_harmonics_are_orthonormal():
    basis = harmonic_basis(directions())[:, 0]  # [9, N]
    assert_close(4 * math.pi * basis @ basis.T / basis.shape[1], torch.eye(9).double(), rtol=0, atol=1e-3)


def test_an_even_environment_of_radiance_one_lights_everything_with_one():
    coefficients = torch.zeros(3, 9).double()
    coefficients[:, 0] = math.sqrt(4 * math.pi)
    n = directions(50)
    assert_close(harmonic_light(n, coefficients), torch.ones_like(n))


@pytest.mark.parametrize("seed", range(2))
def test_harmonic_light_is_the_integral_of_radiance_times_the_cosine(seed):
    coefficients = 0.2 * torch.randn(3, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    coefficients[:, 0] += 2
    sphere, n = directions(), directions(30)
    radiance = coefficients @ harmonic_basis(sphere)[:, 0]  # [3, N]
    cosine = (n[:, 0].T @ sphere[:, 0]).clamp_min(0)  # [30, N]
    irradiance = 4 * math.pi * radiance @ cosine.T / sphere.shape[2]
    assert_close(harmonic_light(n, coefficients)[:, 0], irradiance / math.pi, rtol=0, atol=1e-3)


def test_three_bands_hold_a_far_light_to_a_few_per_cent():
    """A single direction: the clamped cosine within the known error of its nine-term expansion (Ramamoorthi and Hanrahan 2001)."""
    sun = torch.tensor([0.6, -0.48, -0.64]).double()
    coefficients = math.pi * harmonic_basis(sun[:, None, None])[:, 0, 0].expand(3, 9)
    n = directions(2000)
    cosine = (sun @ n[:, 0]).clamp_min(0)
    assert (harmonic_light(n, coefficients)[0, 0] - cosine).abs().mean() < 0.035


@pytest.mark.parametrize("seed", range(3))
def test_turned_harmonics_look_the_same_along_turned_directions(seed):
    coefficients = torch.randn(3, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    R, n = rotation(seed), directions(40)
    turned = turn_harmonics(coefficients, R)
    there = torch.einsum("ij,jhw->ihw", R, n)
    assert_close(turned @ harmonic_basis(there)[:, 0], coefficients @ harmonic_basis(n)[:, 0])
    assert_close(turned[:, 1:4].norm(dim=1), coefficients[:, 1:4].norm(dim=1))  # bands keep their energy
