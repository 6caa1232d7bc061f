import math

import pytest
import torch
from references.shapes import box, random_tetrahedra, sphere
from torch.testing import assert_close

from voxcli.geometry.zbuffer import nearest, zbuffer

K = torch.tensor([[60.0, 0, 24.3], [0, 60.0, 18.7], [0, 0, 1]], dtype=torch.float64)


def brute_force(vertices, faces, K, width, height):
    """Every pixel's ray against every triangle: nearest z-depth and its face."""
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    rays = torch.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], torch.ones_like(u)], -1).double()
    depth, face = torch.full((height, width), torch.inf, dtype=torch.float64), torch.full((height, width), -1)
    for index, (a, b, c) in enumerate(vertices[faces]):
        normal = torch.linalg.cross(b - a, c - a)
        z = (a @ normal) / (rays @ normal)
        p = rays * z[..., None]
        sides = torch.stack([(torch.linalg.cross((q1 - q0).expand_as(p), p - q0) * normal).sum(-1) for q0, q1 in ((a, b), (b, c), (c, a))])
        nearer = (sides >= 0).all(0) & (z > 1e-3) & (z < depth)
        depth, face = torch.where(nearer, z, depth), torch.where(nearer, index, face)
    return depth, face


@pytest.mark.parametrize("seed", range(5))
def test_depth_and_face_equal_brute_force_also_around_and_behind_the_camera(seed):
    v, f = random_tetrahedra(12, seed)
    v = v * 2 + torch.tensor([0.0, 0.0, 1.0])
    depth, face = brute_force(v, f, K, 48, 36)
    found = zbuffer(v, f, K, 48, 36)
    assert (found.face != face).float().mean() < 0.002  # a pixel within 1e-5 of an edge may go either way
    same = found.face == face
    assert_close(found.depth[same], depth[same], rtol=1e-6, atol=1e-6)


def test_the_weighted_corners_are_the_point_on_the_pixels_ray():
    v, f = sphere(1.0, (0.1, 0.0, 3.0))
    found = zbuffer(v, f, K, 48, 36)
    shown = found.face >= 0
    point = (found.weights[..., None] * v[f[found.face.clamp_min(0)]]).sum(-2)[shown]
    rows, columns = shown.nonzero().unbind(1)
    assert_close(point[:, 0] / point[:, 2] * 60 + 24.3, columns + 0.5, rtol=0, atol=2e-3, check_dtype=False)
    assert_close(point[:, 1] / point[:, 2] * 60 + 18.7, rows + 0.5, rtol=0, atol=2e-3, check_dtype=False)
    assert_close(found.depth[shown], point[:, 2])


def test_a_sphere_shows_its_analytic_depth():
    v, f = sphere(1.0, (0.0, 0.0, 3.0), subdivisions=6)
    centred = torch.tensor([[60.0, 0, 24.5], [0, 60.0, 24.5], [0, 0, 1]], dtype=torch.float64)
    assert zbuffer(v, f, centred, 49, 49).depth[24, 24].item() == pytest.approx(2.0, abs=1e-3)
    shown = (zbuffer(v, f, centred, 49, 49).face >= 0).sum().item()
    silhouette = math.pi * 60**2 * math.tan(math.asin(1 / 3)) ** 2  # the circle that a sphere at distance 3 radii covers
    assert shown == pytest.approx(silhouette, rel=0.02)


def test_a_triangle_across_the_camera_plane_is_cut_not_mirrored():
    v = torch.tensor([[-100.0, 1.0, -50.0], [100.0, 1.0, -50.0], [0.0, 1.0, 100.0]], dtype=torch.float64)  # a floor
    found = zbuffer(v, torch.tensor([[0, 1, 2]]), K, 48, 36)
    rows = torch.arange(36).double() + 0.5
    below = rows > 18.7 + 60 / 90
    assert bool((found.face[~(rows > 18.7)] == -1).all())
    expected = 60 / (rows[below] - 18.7)
    assert_close(found.depth[below, 24], expected)


def test_parallel_projection_keeps_the_smallest_depth():
    low, high = box((1, 1, 5), (7, 7, 6)), box((3, 3, 2), (9, 9, 3))
    v, f = torch.cat([low[0], high[0]]), torch.cat([low[1], high[1] + 8])
    found = nearest(v, f, 10, 10)
    expected = torch.full((10, 10), torch.inf, dtype=torch.float64)
    expected[1:7, 1:7] = 5
    expected[3:9, 3:9] = 2
    assert torch.equal(found.depth, expected)


def test_nothing_to_see_is_all_background():
    v, f = box((-1, -1, -5), (1, 1, -3))
    found = zbuffer(v, f, K, 8, 8)
    assert bool(found.depth.isinf().all())
    assert bool((found.face == -1).all())
    assert float(found.weights.abs().sum()) == 0


def test_a_picture_of_nothing_is_empty():
    vertices, faces = torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)
    shown = zbuffer(vertices, faces, torch.eye(3), 5, 4)
    assert shown.depth.shape == (4, 5) and not shown.weights.any()
    for depth, face in (shown[:2], nearest(vertices, faces, 5, 4)):
        assert bool(torch.isinf(depth).all() and (face == -1).all())
    behind = zbuffer(torch.tensor([[0.0, 0, -1], [1, 0, -1], [0, 1, -2]]), torch.tensor([[0, 1, 2]]), torch.eye(3), 5, 4)
    assert bool((behind.face == -1).all()) and not behind.weights.any()
