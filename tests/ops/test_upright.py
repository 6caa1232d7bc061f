"""Shapes of a +z up frame in millimetres, in the world frame: every corner where it belongs."""

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import UsageError
from voxcli.ops.upright import UNITS, in_world_frame
from voxcli.scene import DepthMap, Labels, Mesh, PointCloud, VoxelGrid

POINTS = np.array([[1.0, 2, 3], [0, 0, 10], [0, 5, 0]])
TURNED = np.array([[1.0, 3, -2], [0, 10, 0], [0, 0, -5]])  # what was up (z) is up (y); right-handed


def test_meshes_are_turned_and_scaled():
    mesh = in_world_frame(Mesh(POINTS, np.array([[0, 1, 2]]), part_names=("a",)), "z", "mm")
    assert np.allclose(mesh.vertices, TURNED / 1000) and mesh.faces.tolist() == [[0, 1, 2]] and mesh.part_names == ("a",)
    assert np.allclose(in_world_frame(mesh, "y", "cm").vertices, TURNED / 100_000)


def test_points_keep_their_type_their_normals_their_length_and_discs_are_scaled():
    cloud = PointCloud(POINTS.astype(np.float32), np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]], np.float32), radius=np.ones(3, np.float32))
    found = in_world_frame(cloud, "z", "ft")
    assert found.points.dtype == np.float32 and np.allclose(found.points, TURNED * 0.3048)
    assert found.normals.tolist() == [[0, 1, 0], [0, 0, -1], [1, 0, 0]] and np.allclose(found.radius, 0.3048)


@pytest.mark.parametrize("kind", ["labels", "occupancy"])
def test_cells_of_a_grid_lie_where_their_centres_are_turned_to(kind):
    values = np.random.default_rng(0).integers(0, 3, (3, 4, 5)).astype(np.uint8)
    held = {"labels": values, "classes": Labels(("air", "a", "b"))} if kind == "labels" else {"occupancy": values > 0}
    grid = VoxelGrid(**held, origin=np.array([1.0, -2, 3]), voxel_size=np.array([1.0, 2, 4]))
    found = in_world_frame(grid, "z", "in")
    for index in np.ndindex(values.shape):
        x, y, z = grid.origin + (np.array(index) + 0.5) * grid.voxel_size
        there = (np.array([x, z, -y]) * 0.0254 - found.origin) / found.voxel_size
        assert np.allclose(there % 1, 0.5) and found.values[tuple(np.floor(there).astype(int))] == grid.values[index]


def test_things_with_a_camera_are_refused_and_units_are_those_of_the_flag():
    with refused(UsageError, "--up", actual="depth"):
        in_world_frame(DepthMap(np.ones((2, 2), np.float32)), "z", "m")
    from typing import get_args, get_type_hints

    from voxcli.cli.commands.convert import convert

    assert set(get_args(get_args(get_type_hints(convert)["unit"])[0])) == set(UNITS)
