"""Grids in given boxes, and points in their cells."""

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import DataError
from voxcli.geometry.boxes import GridPlace, place_around, place_in, voxelize_points
from voxcli.scene import Labels, PointCloud

PLACE = GridPlace((4, 3, 5), np.array([-1.0, 0.5, 2.0]), np.array([0.5, 0.25, 0.2]))


def cell_of(point):
    return tuple(int((p - o) // s) for p, o, s in zip(point, PLACE.origin, PLACE.voxel_size, strict=True))


def test_a_cell_is_filled_where_a_point_lies():
    points = np.random.default_rng(0).uniform([-1.5, 0.4, 1.9], [1.5, 1.4, 3.2], (60, 3))
    expected = {cell for cell in map(cell_of, points) if all(0 <= i < n for i, n in zip(cell, PLACE.shape, strict=True))}
    grid, outside = voxelize_points(PointCloud(points), PLACE)
    assert set(map(tuple, np.argwhere(grid.labels).tolist())) == expected and grid.classes.names == ("air", "object")
    assert outside == pytest.approx(np.mean([cell_of(p) not in expected for p in points]))


def test_points_on_the_border_of_the_grid_lie_in_its_last_cells():
    corners = np.array([PLACE.origin, PLACE.origin + PLACE.shape * PLACE.voxel_size])
    grid, outside = voxelize_points(PointCloud(corners), PLACE)
    assert np.argwhere(grid.labels).tolist() == [[0, 0, 0], [3, 2, 4]] and outside == 0


def test_a_cell_has_the_most_frequent_label_of_its_points_and_the_least_of_several():
    points = np.repeat([[0.5, 0.5, 0.5], [1.5, 0.5, 0.5], [2.5, 0.5, 0.5]], [3, 2, 1], axis=0)
    place = GridPlace((4, 1, 1), np.zeros(3), np.ones(3))
    named = Labels(("air", "car", "tree"))
    grid, _ = voxelize_points(PointCloud(points, labels=np.array([2, 1, 2, 2, 1, 0]), classes=named), place)
    assert grid.labels.ravel().tolist() == [2, 1, 0, 0] and grid.classes is named
    foreign = Labels(("class_0", "class_1", "class_2"), empty=None)
    grid, _ = voxelize_points(PointCloud(points, labels=np.array([2, 1, 2, 2, 1, 0]), classes=foreign), place)
    assert grid.labels.ravel().tolist() == [3, 2, 1, 0] and grid.classes.names[1:] == foreign.names
    grid, _ = voxelize_points(PointCloud(points, labels=np.array([2, 1, 2, 2, 1, 0]), classes=named), place, "tree")
    assert grid.labels.ravel().tolist() == [1, 1, 1, 0] and grid.classes.names == ("air", "tree")


def test_a_box_is_divided_as_asked_and_else_into_cells_as_cubic_as_they_go():
    low, high = np.array([0.0, -1, 2]), np.array([4.0, 1, 3])
    place = place_in(low, high, None, 16)
    assert place.shape == (16, 8, 4) and np.array_equal(place.voxel_size, [0.25] * 3) and np.array_equal(place.origin, low)
    place = place_in(low, high, (2, 4, 8), 16)
    assert place.shape == (2, 4, 8) and np.array_equal(place.voxel_size, [2, 0.5, 0.125])


def test_cubic_cells_of_a_given_number_surround_points():
    place = place_around(np.array([[0.0, 0, 0], [2, 1, 4]]), (8, 8, 8))
    assert np.array_equal(place.voxel_size, [0.5] * 3) and np.array_equal(place.origin, [-1, -1.5, 0])
    with refused(DataError, "no extent"):
        place_around(np.ones((3, 3)), (4, 4, 4))
