"""Sampling surfaces, measuring to them, and telling inside from outside."""

import numpy as np
import pytest
import torch
from references.shapes import sphere, torus
from references.slow_points import point_triangle
from refusals import refused

from voxcli.errors import DataError, UsageError
from voxcli.geometry.inside import points_inside
from voxcli.geometry.sampling import sample_surface, triangle_areas, triangle_normals
from voxcli.geometry.surface_distance import distance_to_surface

SQUARE = torch.tensor([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]], dtype=torch.float64), torch.tensor([[0, 1, 2], [0, 2, 3]])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def tensors(mesh):
    vertices, faces = (mesh.vertices, mesh.faces) if hasattr(mesh, "vertices") else mesh
    return torch.as_tensor(np.asarray(vertices), dtype=torch.float64), torch.as_tensor(np.asarray(faces), dtype=torch.int64)


def test_samples_lie_on_the_surface_and_fill_it_evenly():
    vertices, faces = SQUARE
    points, normals, face = sample_surface(vertices, faces, 40_000, generator())
    assert torch.equal(normals, torch.tensor([0.0, 0, 1], dtype=torch.float64).expand(40_000, 3))
    counts = torch.histogramdd(points[:, :2], [4, 4], range=[0.0, 2, 0, 2]).hist
    assert (counts - 2500).abs().max() < 5 * 2500**0.5  # five standard deviations of a binomial cell
    assert torch.equal(face, (points[:, 1] > points[:, 0]).long())


def test_triangles_are_drawn_by_area_and_those_without_area_never():
    vertices = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 3, 0], [5.0, 5, 5]], dtype=torch.float64)
    faces = torch.tensor([[4, 4, 4], [0, 1, 2], [4, 4, 0], [0, 1, 3], [1, 1, 1]])
    _, _, face = sample_surface(vertices, faces, 40_000, generator())
    assert set(face.tolist()) == {1, 3}
    assert abs((face == 3).double().mean() - 0.75) < 5 * (0.75 * 0.25 / 40_000) ** 0.5


def test_the_same_seed_gives_the_same_points_and_gradients_reach_the_vertices():
    vertices, faces = SQUARE
    assert torch.equal(sample_surface(vertices, faces, 9, generator(1))[0], sample_surface(vertices, faces, 9, generator(1))[0])
    moving = vertices.clone().requires_grad_()
    sample_surface(moving, faces, 50, generator())[0].sum().backward()
    assert moving.grad.sum() == pytest.approx(150)  # weights of each point sum to 1, in three coordinates


def test_areas_and_normals_by_hand():
    vertices, faces = SQUARE
    assert triangle_areas(vertices, faces).tolist() == [2, 2]
    assert torch.equal(triangle_normals(vertices, faces.flip(1))[0], torch.tensor([0.0, 0, -1], dtype=torch.float64))


def test_meshes_without_surface_are_refused():
    vertices, faces = SQUARE
    with refused(DataError, "no faces"):
        sample_surface(vertices, faces[:0], 5)
    with refused(DataError, "area", actual="total area 0"):
        sample_surface(vertices * 0, faces, 5)
    with pytest.raises(UsageError):
        sample_surface(vertices, faces, 0)


@pytest.mark.parametrize("seed", range(12))
def test_distance_to_a_surface_equals_a_loop_over_triangles(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(12, 3))
    faces = rng.integers(0, 12, (15, 3))  # with some degenerate triangles
    if seed % 3 == 1:
        vertices[:, 2] = 0
    if seed % 3 == 2:
        vertices[0] *= 50  # long triangles among short ones
    points = rng.normal(size=(20, 3)) * rng.choice([0.5, 5])
    wanted = [min(point_triangle(p, *vertices[f]) for f in faces) for p in points]
    found = distance_to_surface(torch.from_numpy(points), torch.from_numpy(vertices), torch.from_numpy(faces))
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-9)


def test_distance_to_a_square_is_the_closed_form():
    points = torch.tensor([[1, 1, 3], [1, 1, -2], [4, 1, 0], [5, 6, 12.0]], dtype=torch.float64)
    assert distance_to_surface(points, *SQUARE).tolist() == [3, 2, 2, 13]


def test_points_inside_a_sphere_and_a_torus():
    spots = 3 * torch.rand(20_000, 3, generator=generator(), dtype=torch.float64) - 1.5
    for mesh in (sphere(), torus()):
        vertices, faces = tensors(mesh)
        inside = points_inside(spots, vertices, faces)
        volume = torch.linalg.det(vertices[faces]).sum() / 6
        share = float(volume / 27)
        assert abs(float(inside.double().mean()) - share) < 5 * (share * (1 - share) / 20_000) ** 0.5


def test_rays_through_shared_edges_and_corners_count_once():
    cube = torch.tensor([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=torch.float64)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = torch.tensor([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    line = torch.linspace(-0.4, 1.4, 19, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line, line)
    grid = torch.cat([grid, torch.tensor([[0.5, 0.5, 0.5], [0.25, 0.25, 0.25], [2, 0.5, 0.5]], dtype=torch.float64)])
    strictly = ((grid > 1e-9) & (grid < 1 - 1e-9)).all(1)
    outside = ((grid < -1e-9) | (grid > 1 + 1e-9)).any(1)
    inside = points_inside(grid, cube, faces)
    assert inside[strictly].all() and not inside[outside].any()


def test_overlapping_solids_unite():
    vertices, faces = tensors(sphere())
    both = torch.cat([vertices, vertices + 0.3]), torch.cat([faces, faces + len(vertices)])
    assert bool(points_inside(torch.full((1, 3), 0.15, dtype=torch.float64), *both))


def test_meshes_without_faces_have_no_inside_and_no_distance():
    vertices, faces = SQUARE
    with pytest.raises(DataError):
        points_inside(vertices, vertices, faces[:0])
    with pytest.raises(DataError):
        distance_to_surface(vertices, vertices, faces[:0])
