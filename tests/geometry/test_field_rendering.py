"""Spheres and tori as occupancy fields: where rays meet them, their normals and shading are known; gradients against differences."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from voxcli.errors import DataError, UsageError
from voxcli.geometry.cameras import intrinsics, look_at
from voxcli.geometry.field_rendering import (
    Surface,
    camera_centres,
    find_surface,
    form_picture,
    light_of,
    occupancy_normals,
    pixel_lattice,
    project_points,
    radiance_of,
    ray_cube_spans,
    render_field,
    shading_of,
    unproject,
)
from voxcli.geometry.lighting import harmonic_light
from voxcli.geometry.projections import compose, decompose

WHITE = torch.zeros(1, 3, 9, dtype=torch.float64)
WHITE[..., 0] = math.sqrt(4 * math.pi)


def view(eye=(2.0, 1.2, 1.6), size=64):
    """A camera as a projection [1, 3, 4], and its pixels."""
    P = compose(intrinsics(40, size, size), look_at(eye, (0, 0, 0)))
    return torch.from_numpy(P)[None], pixel_lattice(size, 24).double()


def sphere(radius=0.6, sharp=30.0):
    return lambda x: torch.sigmoid(sharp * (radius - x.norm(dim=-1)))


def torus(R=0.6, r=0.2, sharp=40.0):
    """Around the y axis."""
    return lambda x: torch.sigmoid(sharp * (r - torch.hypot(torch.hypot(x[..., 0], x[..., 2]) - R, x[..., 1])))


def sphere_depths(P, pixels, radius):
    """The nearer root of a quadratic, and whether there is one."""
    centre = camera_centres(P)[:, None]
    direction = unproject(P, pixels, torch.ones(1, len(pixels), dtype=P.dtype)) - centre
    a, b, c = (direction**2).sum(-1), (centre * direction).sum(-1), (centre**2).sum(-1) - radius**2
    inside = b * b - a * c
    return (-b - inside.clamp_min(0).sqrt()) / a, inside > 0


def torus_depths(P, pixels, R, r):
    """The nearest real root of a quartic, by NumPy."""
    centre = camera_centres(P)[0].numpy()
    directions = unproject(P, pixels, torch.ones(1, len(pixels), dtype=P.dtype))[0].numpy() - centre
    depths = np.full(len(directions), np.nan)
    for n, d in enumerate(directions):
        square = np.array([d @ d, 2 * centre @ d, centre @ centre + R * R - r * r])
        flat = np.array([d[0] ** 2 + d[2] ** 2, 2 * (centre[0] * d[0] + centre[2] * d[2]), centre[0] ** 2 + centre[2] ** 2])
        roots = np.roots(np.polysub(np.polymul(square, square), 4 * R * R * flat))
        real = roots[np.abs(roots.imag) < 1e-7].real
        if len(real):
            depths[n] = real.min()
    return torch.from_numpy(depths)[None]


def test_pixels_lift_to_where_they_were_projected_from():
    P, pixels = view()
    points = torch.rand(1, 30, 3, dtype=torch.float64) - 0.5
    seen, depth = project_points(P, points)
    assert_close(unproject(P, seen, depth), points)
    assert_close(camera_centres(P)[0], torch.tensor([2.0, 1.2, 1.6], dtype=torch.float64))
    near, far, meets = ray_cube_spans(P, pixels)
    ends = unproject(P, pixels, near)[meets]
    assert_close(ends.abs().amax(-1), torch.ones(len(ends), dtype=torch.float64))
    assert bool((far >= near).all())


def test_a_sphere_is_found_where_the_quadratic_says():
    P, pixels = view()
    truth, meets = sphere_depths(P, pixels, 0.6)
    found = find_surface(sphere(), P, pixels, evaluations=60, refinements=20)
    clear = (sphere_depths(P, pixels, 0.57)[1]) | ~meets
    assert bool((found.hit == meets)[clear].all())
    both = found.hit & meets
    assert int(both.sum()) > 50
    assert_close(found.depth[both], truth[both], rtol=0, atol=1e-5)
    outside = ~found.hit
    closest = unproject(P, pixels, found.depth)[outside].norm(dim=-1)
    centre = camera_centres(P)[:, None]
    direction = torch.nn.functional.normalize(unproject(P, pixels, found.depth * 0 + 1) - centre, dim=-1)
    passes = torch.linalg.cross(centre.expand_as(direction), direction).norm(dim=-1)[outside]
    seen = passes < 0.95
    assert_close(closest[seen], passes[seen], rtol=0, atol=0.02)  # the exterior point of the largest occupancy


def test_a_torus_is_found_where_the_quartic_says():
    P, pixels = view()
    truth = torus_depths(P, pixels, 0.6, 0.2)
    found = find_surface(torus(), P, pixels, evaluations=120, refinements=20)
    both = found.hit & truth.isfinite()
    assert int((found.hit != truth.isfinite()).sum()) <= 4  # rays that graze it
    off = (found.depth - truth)[both].abs()
    assert int(both.sum()) > 80 and float(off.median()) < 1e-5 and float((off > 1e-4).double().mean()) < 0.03


@pytest.mark.parametrize("field,depths", [(sphere(), sphere_depths), (torus(), None)])
def test_linear_binary_search_beats_linear_search_at_the_same_budget(field, depths):
    P, pixels = view()
    truth = sphere_depths(P, pixels, 0.6)[0] if depths else torus_depths(P, pixels, 0.6, 0.2)
    errors = {}
    for refinements in (0, 6):
        calls = []

        def counted(x, calls=calls):
            calls.append(x.shape[1])
            return field(x)

        found = find_surface(counted, P, pixels, evaluations=32, refinements=refinements)
        assert sum(calls) <= 32 * len(pixels)
        both = found.hit & truth.isfinite()
        errors[refinements] = float((found.depth - truth)[both].abs().mean())
    assert errors[6] < 0.25 * errors[0]


def test_steps_evaluated_together_change_nothing():
    P, pixels = view()
    one, many = (find_surface(torus(), P, pixels, evaluations=30, refinements=4, together=t) for t in (1, 30))
    assert torch.equal(one.hit, many.hit)
    assert_close(one.depth, many.depth)


def test_normals_of_sphere_and_torus_point_outward():
    x = torch.nn.functional.normalize(torch.randn(1, 50, 3, dtype=torch.float64), dim=-1)
    normals, occupancy = occupancy_normals(sphere(), 0.6 * x)
    assert_close(normals, x)
    assert_close(occupancy, torch.full((1, 50), 0.5, dtype=torch.float64))
    a, b = torch.rand(2, 50, dtype=torch.float64) * 2 * math.pi
    ring = torch.stack([a.cos(), torch.zeros(50), a.sin()], -1).double()
    outward = b.cos()[:, None] * ring + b.sin()[:, None] * torch.tensor([0, 1.0, 0])
    normals, _ = occupancy_normals(torus(), (0.6 * ring + 0.2 * outward)[None])
    assert_close(normals[0], outward)


def test_white_light_shades_with_one_and_gamma_is_lobe_times_radiance():
    normals = torch.nn.functional.normalize(torch.randn(1, 40, 3, dtype=torch.float64), dim=-1)
    assert_close(shading_of(normals, WHITE), torch.ones(1, 40, 3, dtype=torch.float64))
    gamma = WHITE + 0.1 * torch.randn(1, 3, 9, dtype=torch.float64)
    expected = harmonic_light(normals.transpose(1, 2)[..., None], radiance_of(gamma))[..., 0].transpose(1, 2)
    assert_close(shading_of(normals, gamma), expected)
    assert_close(light_of(radiance_of(gamma)), gamma)


def test_a_lit_sphere_has_albedo_times_shading_at_its_own_normals():
    P, pixels = view()
    light = WHITE.clone()
    light[0, 0, 1] = 0.5  # red light from above: c1 y
    colour = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    picture = render_field(sphere(), lambda x: colour.expand(*x.shape), P, light, pixels, evaluations=60, refinements=20)
    hit = picture.hit
    n = torch.nn.functional.normalize(picture.points[hit], dim=-1)
    assert_close(picture.normals[hit], n, rtol=0, atol=1e-6)
    red = 0.2 * (1 + 0.5 * math.sqrt(3 / (4 * math.pi)) * n[:, 1])
    assert_close(picture.colour[hit], torch.stack([red, torch.full_like(red, 0.5), torch.full_like(red, 0.8)], -1), rtol=0, atol=1e-6)
    faces_camera = ((camera_centres(P)[:, None] - picture.points) * picture.normals).sum(-1)[hit]
    assert bool((faces_camera > -1e-6).all())


def test_pictures_are_differentiable_in_projection_light_shape_and_albedo():
    P, pixels = view()
    pixels = pixels[[200, 250, 300, 310]]
    surface = find_surface(sphere(0.7, 4.0), P, pixels, evaluations=40, refinements=10)
    light = (WHITE + 0.1 * torch.randn(1, 3, 9, dtype=torch.float64)).requires_grad_()
    codes = torch.tensor([0.7, 0.05, -0.1], dtype=torch.float64, requires_grad=True)
    tint = torch.rand(3, dtype=torch.float64, requires_grad=True)

    def formed(P, light, codes, tint):
        def field(x):
            return torch.sigmoid(4.0 * (codes[0] - (x * torch.stack([1 + codes[1], 1 + codes[2], codes[2] * 0 + 1])).norm(dim=-1)))

        picture = form_picture(field, lambda x: tint * (1 + 0.3 * torch.sin(x)), P, light, pixels, Surface(surface.depth, surface.hit))
        return picture.colour, picture.occupancy, picture.normals

    assert torch.autograd.gradcheck(formed, (P.clone().requires_grad_(), light, codes, tint), atol=1e-6)


def test_a_field_that_is_flat_gives_no_normal_and_no_wild_gradient():
    x = torch.tensor([[[0.0, 0, 3.0], [0, 0, 0.6]]])
    radius = torch.tensor(0.6, requires_grad=True)
    normals, _ = occupancy_normals(lambda p: torch.sigmoid(200 * (radius - p.norm(dim=-1))), x)
    assert_close(normals[0], torch.tensor([[0.0, 0, 0], [0, 0, 1]]))
    normals.sum().backward()
    assert bool(radius.grad.isfinite())


def test_the_search_carries_no_gradient():
    P, pixels = view()
    found = find_surface(sphere(), P.clone().requires_grad_(), pixels)
    assert not found.depth.requires_grad
    with pytest.raises(UsageError):
        find_surface(sphere(), P, pixels, evaluations=4, refinements=4)


def test_a_camera_comes_back_out_of_its_projection_at_any_scale():
    K, world_to_cam = intrinsics(35, 128, 128), look_at((1.0, 0.8, -1.5), (0.1, 0, 0))
    for scale in (1.0, -3.0, 0.01):
        found_K, found_pose = decompose(scale * compose(K, world_to_cam))
        np.testing.assert_allclose(found_K, K, atol=1e-9)
        np.testing.assert_allclose(found_pose, world_to_cam, atol=1e-9)
    with pytest.raises(DataError):
        decompose(np.zeros((3, 4)))
