"""Any shape as a coloured solid in its own frame: meshes, points, grids; where it was; what has no extent."""

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import DataError
from voxcli.geometry.coloured import colour_volume, placement_of
from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid


def box(size, colours=None):
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * size
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))], np.int64)
    return Mesh(corners + [3.0, 1, -2], faces, face_colors=colours)


def test_a_box_keeps_its_share_of_the_cube_and_its_colours():
    colours = np.tile(np.array([[200, 10, 10]], np.uint8), (12, 1))
    made = colour_volume(box((2.0, 1.0, 1.5), colours))
    diagonal = np.sqrt(4 + 1 + 2.25)
    assert made.placement.diagonal == pytest.approx(diagonal)
    np.testing.assert_allclose(made.placement.middle, [3, 1, -2])
    assert made.occupied.mean() == pytest.approx(3.0 / diagonal**3, rel=0.08)
    assert (made.colours[made.occupied] == [200, 10, 10]).all() and not made.colours[~made.occupied].any()


def test_a_rod_thinner_than_a_cell_is_whole():
    made = colour_volume(box((2.0, 0.01, 0.01)))
    assert made.occupied.any((1, 2)).sum() == 64 and (made.colours[made.occupied] == 128).all()


def test_a_shell_of_points_is_filled():
    rng = np.random.default_rng(0)
    ball = rng.standard_normal((60000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    made = colour_volume(PointCloud(ball * 2 + 5))
    radius = 1 / np.sqrt(12)
    assert made.occupied.mean() == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.15)  # the shell is half a cell thick outside
    assert made.occupied[32, 32, 32]


def test_grids_of_any_resolution_come_to_the_same_place():
    for n in (5, 40, 160):
        solid = np.zeros((n, n, n), bool)
        solid[: n // 5 * 4, : n // 5, : n // 5 * 2] = True
        made = colour_volume(VoxelGrid(solid, voxel_size=np.full(3, 5 / n)))
        assert made.placement.diagonal == pytest.approx(np.sqrt(16 + 1 + 4))
        assert made.occupied.mean() == pytest.approx(8 / 21**1.5, rel=0.12)
    labels = np.zeros((3, 3, 3), np.uint8)
    labels[1, 1, 1] = 2
    assert colour_volume(VoxelGrid(labels=labels, classes=Labels(("air", "a", "b"), 0, None))).occupied.any()


def test_what_has_no_extent_is_refused():
    with refused(DataError, "extent"):
        placement_of(np.ones((4, 3)))
    with refused(DataError, "empty"):
        placement_of(np.zeros((0, 3)))
    with refused(DataError, "filled cell"):
        colour_volume(VoxelGrid(np.zeros((2, 2, 2), bool)))
    with refused(DataError, "no faces"):
        colour_volume(Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int64)))
