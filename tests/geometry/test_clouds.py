"""Closed surfaces around clouds of points."""

import numpy as np
import pytest
import torch
from references.shapes import sphere, torus

from voxcli.geometry.clouds import closed_surface
from voxcli.geometry.sampling import sample_surface, triangle_areas
from voxcli.geometry.surfaces import signed_volume
from voxcli.scene import Mesh, PointCloud


def sampled(vertices, faces, count=40_000):
    points, _, _ = sample_surface(vertices, faces, count, torch.Generator().manual_seed(0))
    return PointCloud(points.numpy())


def watertight(mesh):
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), 1)
    return bool((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())


@pytest.mark.parametrize("shape", [sphere, torus])
def test_volume_and_bounds_are_those_of_the_shape_that_was_sampled(shape):
    """Volume pins orientation, closedness and scale at once. The surface is at most half a cell off, the volume a shell."""
    vertices, faces = shape()[:2]
    cloud = sampled(vertices, faces)
    mesh = closed_surface(cloud, 64)
    true = signed_volume(Mesh(vertices.numpy(), faces.numpy()))
    cell = float(np.ptp(cloud.points, axis=0).max()) / 64
    shell = float(triangle_areas(vertices, faces).sum()) * cell / 2
    assert watertight(mesh) and true > 0 and abs(signed_volume(mesh) - true) < shell
    for side in (np.min, np.max):
        assert np.abs(side(mesh.vertices, axis=0) - side(cloud.points, axis=0)).max() < cell


def test_a_sheet_becomes_a_thin_closed_solid():
    points = np.random.default_rng(0).random((20_000, 3)) * [1, 1, 0]
    mesh = closed_surface(PointCloud(points), 40)
    assert watertight(mesh) and 0.15 / 40 < signed_volume(mesh) < 2 / 40


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.full((3, 3), np.nan)])
def test_no_points_give_no_faces(points):
    assert closed_surface(PointCloud(points)).faces.shape == (0, 3)


def test_one_point_is_a_small_solid():
    mesh = closed_surface(PointCloud(np.ones((1, 3))))
    assert watertight(mesh) and np.abs(mesh.vertices - 1).max() < 2
