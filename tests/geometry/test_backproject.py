"""Back-projection of features and of depth into the object's cube."""

import math

import numpy as np
import pytest
import torch
from references.backproject_twins import cloud, kept, lifted, official_cells
from refusals import refused
from torch.testing import assert_close

from voxcli.errors import DataError, ShapeError
from voxcli.geometry.backproject import (
    backproject,
    check_projection,
    check_sight,
    clean_cloud,
    cube_points,
    depth_cloud,
    depth_grids,
    occupied_cells,
    unit_projection,
)
from voxcli.geometry.cameras import intrinsics, look_at

K = torch.tensor([[245.0, 0, 112], [0, 245, 112], [0, 0, 1]], dtype=torch.float64)


def camera(eye=(1.5, 1.2, 2.5)):
    return torch.from_numpy(look_at(eye, (0, 0, 0)))


def projection(eye=(1.5, 1.2, 2.5)):
    return unit_projection(K, camera(eye), 224, 224)


def front(distance=4.0):
    """Looking along -z of the world at the origin, right is +x and down is -y."""
    return unit_projection(K, torch.from_numpy(look_at((0, 0, distance), (0, 0, 0))), 224, 224)


@pytest.mark.parametrize("official", [False, True])
@pytest.mark.parametrize("shape", [(3, 7, 5), (1, 4, 4), (2, 1, 3)])
def test_features_are_those_of_the_slow_twin(official, shape):
    features = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = lifted(features.numpy(), K.numpy(), camera((0.4, 0.3, 1.1)).numpy(), (224, 224), 6, official)
    found = backproject(features, projection((0.4, 0.3, 1.1)), 6, "official" if official else "none")
    assert_close(found, torch.from_numpy(wanted), rtol=0, atol=1e-10)
    assert (found == 0).any() and (found != 0).any()


@pytest.mark.parametrize("leading", [(), (2,), (1, 2)])
def test_leading_dimensions_are_kept(leading):
    features = torch.rand(*leading, 3, 8, 8)
    matrices = projection().float().expand(*leading, 3, 4)
    lit = backproject(features, matrices, 4)
    assert lit.shape == (*leading, 3, 4, 4, 4)
    flat = backproject(features.reshape(-1, 3, 8, 8)[0], projection().float(), 4)
    assert_close(lit.reshape(-1, 3, 4, 4, 4)[0], flat)
    assert depth_grids(torch.full((*leading, 8, 8), 3.0), matrices, (4, 2))[1].shape == (*leading, 2, 2, 2)


def test_a_single_bright_pixel_lights_exactly_one_ray():
    """Cells shine by how near they project to the pixel's centre, and all others are dark."""
    size, row, column = 16, 9, 20
    picture = torch.zeros(1, 32, 32, dtype=torch.float64)
    picture[0, row, column] = 1
    lit = backproject(picture, projection(), size)[0]
    points = cube_points(size, picture).reshape(-1, 3)
    u, v, w = (points @ projection()[:, :3].T + projection()[:, 3]).unbind(-1)
    apart = torch.stack([(u / w + 1) * 16 - (column + 0.5), (v / w + 1) * 16 - (row + 0.5)], -1).abs()
    wanted = (1 - apart).clamp(min=0).prod(-1).reshape(size, size, size)
    assert_close(lit, wanted, rtol=0, atol=1e-12)
    assert 0 < int((lit > 0).sum()) < 200


def test_axes_are_x_right_y_down_of_the_picture_and_a_ramp_gives_back_the_pinhole():
    ramp = torch.stack(torch.meshgrid(*[torch.arange(64, dtype=torch.float64) + 0.5] * 2, indexing="xy")) / 32 - 1  # u, v
    grid, line = backproject(ramp, front(), 3), torch.tensor([-1.0, 0, 1], dtype=torch.float64)
    wide = 245 / 112 / (4 - line)  # by z
    assert_close(grid[0], (line[:, None] * wide).expand(3, 3, 3).transpose(0, 1), rtol=0, atol=1e-12)
    assert_close(grid[1], (-line[:, None] * wide).expand(3, 3, 3), rtol=0, atol=1e-12)


def test_nothing_is_lit_behind_the_camera():
    lit = backproject(torch.ones(1, 8, 8, dtype=torch.float64), front(0.2), 9)[0]
    line = torch.linspace(-1, 1, 9)
    assert (lit[:, :, line > 0.2] == 0).all() and (lit[4, 4, line < 0.2] == 1).all()


def test_gradients_reach_features_and_camera():
    features = torch.randn(2, 2, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    matrices = torch.stack([projection(), projection((-2.0, 0.5, 1.7))]).requires_grad_()
    for compat in ("none", "official"):
        assert torch.autograd.gradcheck(lambda f, p, c=compat: backproject(f, p, 3, c), (features, matrices))


# ------------------------------------------------------------------------------------------------ depth


def sphere_depth(size, distance=4.0, radius=0.8):
    """z-depth of a sphere around the origin, NaN beside it, of a camera at that distance."""
    u = ((torch.arange(size, dtype=torch.float64) + 0.5) / size * 224 - 112) / 245
    x, y = torch.meshgrid(u, u, indexing="xy")
    square = x * x + y * y + 1
    inside = distance**2 - square * (distance**2 - radius**2)
    return torch.where(inside >= 0, (distance - inside.clamp(min=0).sqrt()) / square, torch.nan)


@pytest.mark.parametrize("eye", [(0.0, 0.0, 4.0), (2.0, 2.0, 8**0.5), (-4.0, 0.0, 0.1)])
def test_the_depth_of_a_sphere_is_its_near_half(eye):
    distance = math.dist(eye, (0, 0, 0))
    points, there = depth_cloud(sphere_depth(112, distance), projection(eye))
    seen = points[there]
    assert_close(seen.norm(dim=-1), torch.full((len(seen),), 0.8, dtype=torch.float64), rtol=0, atol=1e-12)
    assert (seen @ torch.tensor(eye, dtype=torch.float64) > 0).all() and len(seen) > 1600
    assert clean_cloud(points, there).sum() > 0.85 * len(seen)


@pytest.mark.parametrize("eye", [(0.0, 0.0, 4.0), (2.0, 2.0, 8**0.5)])
def test_official_clouds_are_mirrored_front_to_back_about_the_centre_and_reach_the_picture_s_border(eye):
    depth = sphere_depth(24, math.dist(eye, (0, 0, 0))) + torch.rand(24, 24, dtype=torch.float64) * 0.1
    (points, there), (mirrored, same) = depth_cloud(depth, projection(eye)), depth_cloud(depth, projection(eye), "official")
    to_cam = camera(eye)
    ours, theirs = (p[there] @ to_cam[:3, :3].T + to_cam[:3, 3] for p in (points, mirrored))
    assert torch.equal(there, same)
    assert_close(theirs[:, :2], ours[:, :2] * 24 / 23, rtol=0, atol=1e-12)
    assert_close(theirs[:, 2], 2 * to_cam[2, 3] - ours[:, 2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [28, 14, 7])
def test_official_cells_are_those_of_the_published_loader_s_arithmetic(size):
    """All cells of a smooth surface; exact geometry, without the compatibility, fills others."""
    eye = (1.1, 0.9, 1.6)
    depth = sphere_depth(112, math.dist(eye, (0, 0, 0)), 0.9)
    wanted = official_cells(depth.nan_to_num(0).numpy(), K.numpy(), camera(eye).numpy(), (224, 224), size)
    found = {compat: occupied_cells(*depth_cloud(depth, projection(eye), compat), size) for compat in ("none", "official")}
    assert {tuple(cell) for cell in found["official"].nonzero().tolist()} == wanted and len(wanted) > size
    assert not torch.equal(found["none"], found["official"])


def test_a_plane_of_depth_fills_one_layer_of_cells():
    """z = 0.1 seen from z = 4 is depth 3.9: layer floor(1.1 x N / 2) of every size, whole where the picture sees it."""
    depth = torch.full((224, 224), 3.9, dtype=torch.float64)
    for size, grid in zip((28, 14, 7), depth_grids(depth, front(), (28, 14, 7)), strict=True):
        layer = int(1.1 * size / 2)
        assert grid[:, :, layer].all() and grid.sum() == size**2


def test_clouds_and_their_cleaning_are_those_of_the_slow_twin():
    generator = torch.Generator().manual_seed(3)
    depth = 3.0 + torch.rand(12, 14, generator=generator, dtype=torch.float64)
    depth[torch.rand(12, 14, generator=generator) < 0.3] = torch.nan
    own = K * torch.tensor([[14 / 224], [12 / 224], [1.0]], dtype=torch.float64)
    matrix = unit_projection(own, camera(), 14, 12)
    points, there = depth_cloud(depth, matrix)
    wanted = cloud(depth.nan_to_num(0).numpy(), own.numpy(), camera().numpy())
    assert_close(points[there], torch.from_numpy(np.stack(wanted)), rtol=0, atol=1e-10)
    for reach in (0.2, 0.35):
        assert clean_cloud(points, there, 5, reach)[there].tolist() == kept(wanted, 5, reach)


def test_lone_points_and_points_outside_the_cube_are_dropped():
    crowd = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) * 0.03
    points = torch.cat([crowd, torch.tensor([[0.9, 0.9, 0.9]]), crowd + 1.5])
    assert clean_cloud(points, torch.ones(101, dtype=torch.bool)).tolist() == [True] * 50 + [False] * 51
    assert not clean_cloud(crowd[:5], torch.ones(5, dtype=torch.bool)).any()


def test_cells_hold_points_by_their_lower_corner_and_the_far_faces_belong_to_the_last():
    points = torch.tensor([[-1.0, -1, -1], [1, 1, 1], [0, -0.01, 0.49], [1.01, 0, 0], [0.6, 0.6, 0.6]])
    grid = occupied_cells(points, torch.tensor([True, True, True, True, False]), 4)
    assert grid.nonzero().tolist() == [[0, 0, 0], [2, 1, 2], [3, 3, 3]]


def test_empty_depth_gives_empty_grids():
    assert all((grid == 0).all() for grid in depth_grids(torch.full((2, 8, 8), torch.nan), front().expand(2, 3, 4).float(), (4, 2)))


# ------------------------------------------------------------------------------------------------ wrong cameras


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m * torch.tensor([[-1.0], [1], [1]]), "mirrored"),
        (lambda m: m @ torch.diag(torch.tensor([1.0, 1, -1, 1])).double(), "left-handed"),
        (lambda m: m * torch.tensor([[0.0], [1], [1]]), "singular"),
        (lambda m: m * torch.nan, "finite"),
    ],
)
def test_cameras_that_cannot_be_say_why(change, message):
    with refused(DataError, message):
        check_projection(change(projection()))
    with refused(DataError, message):
        depth_cloud(torch.ones(4, 4), change(projection()).float())


def test_cameras_that_see_nothing_say_why():
    check_sight(projection())
    turned = torch.diag(torch.tensor([1.0, -1, -1, 1], dtype=torch.float64)) @ camera()  # OpenGL's axes
    with refused(DataError, "behind", expected="z forward", actual="depths -4.8 to -1.5"):
        check_sight(unit_projection(K, turned, 224, 224))
    aside = camera()
    aside[0, 3] += 9
    with refused(DataError, "picture", expected="longest side 2"):
        check_sight(unit_projection(K, aside, 224, 224))
    with pytest.raises(ShapeError):
        check_projection(torch.eye(4))


def test_the_middle_of_the_picture_is_u_v_zero_whatever_its_size():
    wide = torch.from_numpy(intrinsics(40.0, 640, 480))
    place = unit_projection(wide, torch.from_numpy(look_at((0, 0, 3), (0, 0, 0))), 640, 480) @ torch.tensor([0.0, 0, 0, 1]).double()
    assert_close(place, torch.tensor([0.0, 0, 3]).double())
