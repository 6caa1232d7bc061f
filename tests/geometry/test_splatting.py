"""Balls and plates, ray by ray."""

import math

import numpy as np
import pytest
import torch
from references import surfel_twins
from torch.testing import assert_close

from voxcli.geometry.rays import camera_rays, is_surface
from voxcli.geometry.splatting import splat
from voxcli.geometry.surfels import SurfelMaps
from voxcli.geometry.visible import reproject_surfels
from voxcli.scene import Camera

K = torch.tensor([[30.0, 0, 10.3], [0, 32.0, 8.9], [0, 0, 1]], dtype=torch.float64)


@pytest.mark.parametrize("seed", range(3))
def test_balls_equal_every_ray_against_every_ball(seed):
    g = torch.Generator().manual_seed(seed)
    points = torch.rand(25, 3, generator=g, dtype=torch.float64) * 2 - 1 + torch.tensor([0.0, 0.0, 2.5])
    radius = 0.1 + 0.2 * torch.rand(25, generator=g, dtype=torch.float64)
    found = splat(points, radius, K, 20, 18)
    depth, index = surfel_twins.nearest_ball(points, radius, K, 20, 18)
    assert torch.equal(found.point, index)
    assert_close(found.depth, depth)


def test_a_balls_normals_are_those_of_a_sphere():
    centre = torch.tensor([[0.1, -0.1, 3.0]], dtype=torch.float64)
    found = splat(centre, torch.tensor([0.6]).double(), K, 20, 18)
    seen = found.point >= 0
    points = camera_rays(K, 18, 20)[0] * torch.where(seen, found.depth, 0)
    assert_close(found.normals[:, seen], ((points - centre[0][:, None, None]) / 0.6)[:, seen])
    silhouette = math.pi * 0.6**2 / (9.02 - 0.36) * 30 * 32  # about: a sphere's outline near the optical axis
    assert seen.sum().item() == pytest.approx(silhouette, rel=0.1)


def test_a_disc_is_a_circle_of_its_plane_seen_from_either_side():
    for sign in (1.0, -1.0):
        normal = sign * torch.tensor([[0.6, 0.0, -0.8]]).double()
        found = splat(torch.tensor([[0.0, 0.0, 3.0]]).double(), torch.tensor([0.7]).double(), K, 20, 18, normal)
        seen = found.point >= 0
        rays = camera_rays(K, 18, 20)[0]
        plane = (0.6 * 0 - 0.8 * 3.0) / (0.6 * rays[0] - 0.8 * rays[2])
        away = (rays * plane - torch.tensor([0.0, 0.0, 3.0]).double()[:, None, None]).norm(dim=0)
        assert torch.equal(seen, away <= 0.7)
        assert_close(found.depth[seen], plane[seen])
        assert_close(found.normals[:, seen], torch.tensor([0.6, 0.0, -0.8]).double()[:, None].expand(3, int(seen.sum())))


def test_points_of_no_size_still_show_up_once():
    points = torch.tensor([[0.0, 0.0, 2.0], [0.21, 0.1, 2.0], [-0.3, -0.2, 4.0]]).double()
    found = splat(points, torch.zeros(3).double(), K, 20, 18)
    assert set(found.point.unique().tolist()) == {-1, 0, 1, 2}


def test_points_behind_around_or_not_a_number_are_left_out():
    points = torch.tensor([[0.0, 0.0, -2.0], [0.0, 0.0, 0.1], [math.nan, 0, 2], [0, 0, math.inf]]).double()
    found = splat(points, torch.full((4,), 0.3).double(), K, 20, 18, torch.full((4, 3), torch.nan))
    assert bool((found.point == -1).all()) and bool(found.depth.isinf().all()) and float(found.normals.abs().sum()) == 0
    assert bool((splat(points[:0], torch.zeros(0).double(), K, 20, 18).point == -1).all())


def test_surfels_of_a_slanted_plane_close_up_seen_from_elsewhere():
    here = Camera(np.array([[40.0, 0, 20], [0, 40, 20], [0, 0, 1]]), 40, 40)
    rays, _ = camera_rays(torch.from_numpy(here.K), 40, 40)
    n = torch.tensor([0.8, 0.0, -0.6]).double()
    z = (n @ torch.tensor([0.0, 0.0, 3.0]).double()) / (n[:, None, None] * rays).sum(0)
    z = torch.where((z > 0) & (z < 8), z, torch.nan)
    maps = SurfelMaps(z, n[:, None, None].expand(3, 40, 40), torch.full((3, 40, 40), 0.5).double())
    motion = np.eye(4)
    motion[0, 3] = -0.25
    there = Camera(here.K, 40, 40, motion)
    found = reproject_surfels(maps, here, there)
    middle = (slice(10, 30), slice(12, 24))
    assert bool(is_surface(found.depth[middle]).all())
    moved = (n @ torch.tensor([-0.25, 0.0, 3.0]).double()) / (n[:, None, None] * rays).sum(0)
    assert_close(found.depth[middle], moved[middle])
    assert_close(found.normals[:, 15, 15], n)


def test_surfels_seen_from_their_own_camera_are_themselves():
    here = Camera(np.array([[40.0, 0, 10], [0, 40, 10], [0, 0, 1]]), 20, 20)
    rays, _ = camera_rays(torch.from_numpy(here.K), 20, 20)
    n = torch.tensor([0.5, 0.3, -0.81]).double()
    n = n / n.norm()
    z = (n @ torch.tensor([0.0, 0.0, 3.0]).double()) / (n[:, None, None] * rays).sum(0)
    found = reproject_surfels(SurfelMaps(z, n[:, None, None].expand(3, 20, 20), torch.ones(3, 20, 20).double()), here, here)
    assert_close(found.depth, z)
