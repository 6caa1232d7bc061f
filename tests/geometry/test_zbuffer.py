import math

import pytest
import torch
from references.shapes import box, random_tetrahedra, sphere, torus
from torch.testing import assert_close

from voxcli.geometry import tiny
from voxcli.geometry import zbuffer as zbuffers
from voxcli.geometry.raster import coverage
from voxcli.geometry.zbuffer import first_faces, nearest, seen_planes, zbuffer

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


def test_gradients_may_go_through_what_is_computed_from_depths():
    vertices, faces = box((-1.0, -1, 3), (1, 1, 5))
    scale = torch.ones((), requires_grad=True, dtype=torch.float64)
    maps = zbuffer(vertices, faces, K, 48, 36), first_faces(vertices, faces, K, 48, 36)
    for found in (found for each in maps for found in each):
        (scale * found).sum().backward()
    assert not bool(scale.grad.isnan())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("many", [0, 1 << 62], ids=["hidden left out", "all drawn"])
def test_depth_and_face_equal_brute_force_also_around_and_behind_the_camera(seed, many, monkeypatch):
    monkeypatch.setattr(zbuffers, "_MANY", many)
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


def first_by_hand(points, faces, width, height):
    """Every covered sample of every face in turn: the least (depth in float32, face)."""
    found = {}
    for c in coverage(points, faces, width, height):
        for sample, depth, face in zip(c.sample.tolist(), c.height.float().tolist(), c.face[c.span].tolist(), strict=True):
            found[sample] = min(found.get(sample, (math.inf, -1)), (depth, face))
    return [found.get(k, (math.inf, -1)) for k in range(width * height)]


@pytest.mark.parametrize("fine", [0, 1 << 62], ids=["tiny ones by themselves", "all in spans"])
@pytest.mark.parametrize("size", [0.4, 3.0, 40.0])
def test_triangles_that_are_hidden_are_left_out_and_no_others(size, fine, monkeypatch):
    monkeypatch.setattr(zbuffers, "_MANY", 0)
    monkeypatch.setattr(tiny, "_FINE", fine)
    monkeypatch.setattr(tiny, "_FEW", 1.0)
    rng = torch.Generator().manual_seed(int(size))
    corners = torch.rand(900, 1, 3, generator=rng, dtype=torch.float64) * torch.tensor([30.0, 20, 1])
    corners = corners + torch.randn(900, 3, 3, generator=rng, dtype=torch.float64) * torch.tensor([size, size, 0.05])
    corners = torch.cat([corners, corners[::3].flip(1), corners[::5]])  # the same places again, from the other side and later in the order
    corners[::2, :, 2] = corners[::2, :1, 2].round(decimals=1)  # many equal depths
    points, faces = corners.view(-1, 3), torch.arange(3 * len(corners)).view(-1, 3)
    found = nearest(points, faces, 30, 20)
    assert list(zip(found.depth.view(-1).tolist(), found.face.view(-1).tolist(), strict=True)) == first_by_hand(points, faces, 30, 20)


@pytest.mark.parametrize("fine", [0, 1 << 62], ids=["tiny ones by themselves", "all in spans"])
def test_the_far_side_of_a_closed_surface_is_never_drawn(fine, monkeypatch):
    drawn = []
    triangles_of = zbuffers.triangles_of
    monkeypatch.setattr(zbuffers, "_MANY", 0)
    monkeypatch.setattr(tiny, "_FINE", fine)
    monkeypatch.setattr(
        zbuffers, "triangles_of", lambda placed, boxes, *other: drawn.append(len(boxes.face)) or triangles_of(placed, boxes, *other)
    )
    v, f = torus(n=200, m=100)
    nearest(v * torch.tensor([40.0, 40, 1]) + 64, f, 128, 128)
    near, far = drawn
    assert near > 5000 and far < 0.15 * near  # the silhouette's own triangles remain


def test_planes_seen_have_the_depths_and_faces_of_the_zbuffer():
    v, f = random_tetrahedra(12, 3)
    v = v * 2 + torch.tensor([0.0, 0.0, 1.0])
    there, planes = zbuffer(v, f, K, 48, 36), seen_planes(v, f, K, 48, 36)
    shown = there.face >= 0
    assert torch.equal(planes.pixel, shown.view(-1).nonzero().ravel())
    assert torch.equal(planes.face[planes.place], there.face[shown])
    assert_close(planes.depth, there.depth[shown], rtol=1e-4, atol=1e-6)  # near an edge the weights are held at 0
    normal = planes.normal.T
    a, b, c = v[f[there.face[shown]]].unbind(1)
    assert_close((normal * normal).sum(1), torch.ones(len(normal), dtype=torch.float64))
    for edge in (b - a, c - a):
        assert_close((normal * edge).sum(1), torch.zeros(len(normal), dtype=torch.float64), rtol=0, atol=1e-12)
    assert bool(((normal * a).sum(1) <= 1e-9).all())  # towards the camera


def test_planes_are_the_same_whether_or_not_the_faces_are_told_apart():
    v, f = sphere(1.0, (0.1, 0.0, 3.0), subdivisions=3)
    few, many = seen_planes(v, f, K, 48, 36), seen_planes(v, torch.cat([f, f[:1].repeat(3 * 48 * 36, 1)]), K, 48, 36)
    assert few.place is not None and many.place is None
    assert torch.equal(few.pixel, many.pixel) and torch.equal(few.face[few.place], many.face)
    assert torch.equal(few.depth, many.depth) and torch.equal(few.normal, many.normal)


def test_a_face_without_area_is_not_seen():
    v = torch.tensor([[0.0, 0, 4], [0, 0, 4], [0, 0, 4]], dtype=torch.float64)
    planes = seen_planes(v, torch.tensor([[0, 1, 2]]), K, 48, 36)
    assert not len(planes.pixel) and not len(planes.face)
