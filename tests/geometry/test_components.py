"""Instances in labelled grids: which cells belong together, and what an instance measures."""

import math
from dataclasses import replace

import numpy as np
import pytest
from references.slow_scenes import cell_corners, partition
from refusals import refused

from voxcli.errors import DataError, VoxcliError
from voxcli.geometry.cameras import look_at, quaternion_to_rotation
from voxcli.geometry.components import as_class_grid, as_instance_grid, find_components, upright_box
from voxcli.geometry.visibility import first_labels, transmittance
from voxcli.scene import Frustum, FruxelGrid, Labels, VoxelGrid

CLASSES = Labels(("air", "car", "tree"))
FRUSTUM = Frustum(width=16, height=12, depth=10, z_near=2.0, z_far=7.0, fov_x_deg=50.0)


def voxels(shape=(12, 10, 8), size=(0.1, 0.2, 0.3), origin=(1.0, -2.0, 0.5), **boxes):
    """A voxel grid of boxes: class=(slice, slice, slice), or a list of them."""
    labels = np.zeros(shape, np.uint8)
    for name, spans in boxes.items():
        for span in spans if isinstance(spans, list) else [spans]:
            labels[span] = CLASSES.names.index(name)
    return VoxelGrid(labels=labels, origin=np.array(origin), voxel_size=np.array(size), classes=CLASSES)


def fruxels(labels, frustum=FRUSTUM, world_to_cam=None):
    return FruxelGrid(labels, frustum, look_at([3, 2, 1], [0, 0.5, -4]) if world_to_cam is None else world_to_cam, CLASSES)


def found_partition(grid, found):
    return {(each.label, frozenset(tuple(c) for c in np.argwhere(found.ids == n))) for n, each in enumerate(found.instances, start=1)}


@pytest.mark.parametrize("gap", [0.0, 0.11, 0.25, 0.32, 0.7])
@pytest.mark.parametrize("kind", ["voxels", "fruxels"])
def test_instances_are_those_of_comparing_every_cell_with_every_other(kind, gap):
    rng = np.random.default_rng(3)
    if kind == "voxels":
        grid = replace(voxels(), labels=rng.choice(3, (12, 10, 8), p=[0.93, 0.05, 0.02]).astype(np.uint8))
    else:
        grid = fruxels(rng.choice(3, FRUSTUM.shape, p=[0.96, 0.03, 0.01]).astype(np.uint8))
    found = find_components(grid, gap)
    assert found_partition(grid, found) == partition(grid, gap)
    assert len(found.instances) > 3 or gap > 0.5


def test_cells_that_share_a_corner_are_one_and_cells_of_other_classes_are_not():
    cell = lambda *i: tuple(slice(n, n + 1) for n in i)  # noqa: E731
    found = find_components(voxels(car=[cell(2, 2, 2), cell(3, 3, 3), cell(5, 3, 3)], tree=cell(4, 3, 3)))
    assert [(each.name, each.cells) for each in found.instances] == [("car 1", 2), ("car 2", 1), ("tree 1", 1)]


def test_a_gap_is_bridged_at_exactly_its_width():
    grid = voxels(car=[np.s_[0:2, 2:4, 2:4], np.s_[5:7, 2:4, 2:4], np.s_[10:11, 2:4, 2:4]])  # slits of 0.3 and of 0.3
    assert [len(find_components(grid, gap).instances) for gap in (0.0, 0.299, 0.3)] == [3, 3, 1]
    diagonal = voxels(car=[np.s_[0:2, 0:2, 0:2], np.s_[4:5, 3:4, 3:4]])  # 0.2, 0.2 and 0.3 apart
    assert [len(find_components(diagonal, gap).instances) for gap in (math.sqrt(0.17) - 1e-6, math.sqrt(0.17))] == [2, 1]


def test_a_gap_is_a_length_whatever_the_depth():
    labels = np.zeros(FRUSTUM.shape, np.uint8)
    labels[0, 5:7, [4, 6]] = labels[9, 5:7, [4, 6]] = 1  # slits of one fruxel: 0.117 m wide near, 0.385 m far
    near, far = (FRUSTUM.z_near + k * FRUSTUM.slice_thickness for k in (0, 9))
    found = find_components(fruxels(labels), gap=near / FRUSTUM.focal * 1.001)
    assert sorted(each.cells for each in found.instances) == [2, 2, 4]
    assert sorted(each.cells for each in find_components(fruxels(labels), gap=far / FRUSTUM.focal * 1.001).instances) == [4, 4]


def test_a_box_of_voxels_has_its_volume_centre_and_size():
    (car, tree) = find_components(voxels(car=np.s_[2:6, 1:4, 3:8], tree=np.s_[8:9, 8:9, 0:1])).instances
    assert (car.cells, car.name) == (60, "car 1") and tree.cells == 1
    assert car.volume == pytest.approx(0.4 * 0.6 * 1.5)
    np.testing.assert_allclose(car.centre, [1.4, -1.5, 2.15])
    np.testing.assert_allclose([car.low, car.high], [[1.2, -1.8, 1.4], [1.6, -1.2, 2.9]])
    np.testing.assert_allclose(car.box.centre, car.centre)
    np.testing.assert_allclose(car.box.size, [0.4, 0.6, 1.5])
    np.testing.assert_allclose(car.box.rotation_wxyz, [1, 0, 0, 0], atol=1e-9)


def test_a_full_frustum_has_the_volume_and_the_centre_of_mass_of_a_truncated_pyramid():
    (car,) = find_components(fruxels(np.ones(FRUSTUM.shape, np.uint8), world_to_cam=np.eye(4))).instances
    near, far, f = FRUSTUM.z_near, FRUSTUM.z_far, FRUSTUM.focal
    assert car.volume == pytest.approx((far**3 - near**3) / 3 * (16 / f) * (12 / f), rel=1e-12)
    np.testing.assert_allclose(car.centre, [0, 0, 3 / 4 * (far**4 - near**4) / (far**3 - near**3)], atol=1e-12)
    x, y = 8 / f * far, 6 / f * far
    np.testing.assert_allclose([car.low, car.high], [[-x, -y, near], [x, y, far]])


def test_measures_move_with_the_camera():
    labels = np.zeros(FRUSTUM.shape, np.uint8)
    labels[3:6, 4:9, 2:7] = 1
    (still,) = find_components(fruxels(labels, world_to_cam=np.eye(4))).instances
    (moved,) = find_components(fruxels(labels)).instances
    M = fruxels(labels).world_to_cam
    assert moved.volume == pytest.approx(still.volume, rel=1e-12)
    np.testing.assert_allclose(M[:3, :3] @ moved.centre + M[:3, 3], still.centre, atol=1e-9)
    corners = np.concatenate([cell_corners(fruxels(labels), c) for c in np.argwhere(labels)])
    np.testing.assert_allclose([moved.low, moved.high], [corners.min(0), corners.max(0)], atol=1e-12)


@pytest.mark.parametrize("degrees", [0, 17, -44, 60, 135])
def test_the_upright_box_of_a_turned_box_is_that_box(degrees):
    rng = np.random.default_rng(0)
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * [0.5, 1.0, 2.0]
    a = math.radians(degrees)
    turn = quaternion_to_rotation([math.cos(a / 2), 0, math.sin(a / 2), 0])
    points = np.concatenate([corners, rng.uniform(-1, 1, (50, 3)) * [0.5, 1.0, 2.0]]) @ turn.T + [3, 4, 5]
    box = upright_box(points)
    np.testing.assert_allclose(box.centre, [3, 4, 5], atol=1e-9)
    np.testing.assert_allclose(sorted(box.size), [1, 2, 4], atol=1e-9)
    local = (points - box.centre) @ quaternion_to_rotation(box.rotation_wxyz)
    assert (np.abs(local) <= box.size / 2 + 1e-9).all()
    assert 2 * abs(math.asin(box.rotation_wxyz[2])) <= math.radians(45) + 1e-9


def test_no_turn_gives_a_smaller_upright_box():
    points = np.random.default_rng(1).normal(size=(40, 3)) * [1, 1, 3]
    box = upright_box(points)
    areas = []
    for a in np.linspace(0, np.pi / 2, 2000):
        x, z = points[:, 0] * np.cos(a) + points[:, 2] * np.sin(a), points[:, 2] * np.cos(a) - points[:, 0] * np.sin(a)
        areas.append(np.ptp(x) * np.ptp(z))
    assert box.size[0] * box.size[2] <= min(areas) + 1e-9
    assert box.size[0] * box.size[2] == pytest.approx(min(areas), rel=1e-3)


def test_instances_come_by_class_and_from_large_to_small():
    grid = voxels(tree=np.s_[0:1, 0:1, 0:1], car=[np.s_[3:4, 0:1, 0:1], np.s_[6:9, 0:2, 0:1]])
    found = find_components(grid)
    assert [(each.name, each.cells) for each in found.instances] == [("car 1", 6), ("car 2", 1), ("tree 1", 1)]
    assert found.ids[7, 0, 0] == 1 and found.ids[3, 0, 0] == 2 and found.ids[0, 0, 0] == 3


def test_small_instances_and_other_classes_are_left_out_and_counted():
    grid = voxels(tree=np.s_[0:1, 0:1, 0:1], car=[np.s_[3:4, 0:1, 0:1], np.s_[6:9, 0:2, 0:1]])
    found = find_components(grid, min_volume=0.01)
    assert [each.name for each in found.instances] == ["car 1"]
    assert found.dropped == 2 and found.dropped_volume == pytest.approx(2 * 0.006)
    assert [each.name for each in find_components(grid, only=["tree"]).instances] == ["tree 1"]
    with refused(VoxcliError, "'tre'", hint="'tree'"):
        find_components(grid, only=["tre"])
    assert set(np.unique(as_class_grid(grid, found).labels)) == {0, 1}


@pytest.mark.parametrize("grid", [voxels(), fruxels(np.zeros(FRUSTUM.shape, np.uint8))], ids=["voxels", "fruxels"])
def test_a_scene_of_nothing_has_no_instances(grid):
    found = find_components(grid, gap=1.0)
    assert found.instances == () and not found.ids.any() and found.dropped == 0
    made = as_instance_grid(grid, found)
    assert made.classes.names == ("air",) and not made.labels.any()
    assert (as_class_grid(grid, found).labels == grid.labels).all()


@pytest.mark.parametrize("cell", [(0, 0, 0), (9, 11, 15), (4, 0, 15)])
def test_a_single_fruxel_at_the_border_is_an_instance(cell):
    labels = np.zeros(FRUSTUM.shape, np.uint8)
    labels[cell] = 2
    (tree,) = find_components(fruxels(labels), gap=0.5).instances
    z = FRUSTUM.z_near + np.array([cell[0], cell[0] + 1]) * FRUSTUM.slice_thickness
    assert tree.cells == 1 and tree.volume == pytest.approx((z[1] ** 3 - z[0] ** 3) / 3 / FRUSTUM.focal**2)
    corners = cell_corners(fruxels(labels), cell)
    np.testing.assert_allclose([tree.low, tree.high], [corners.min(0), corners.max(0)], atol=1e-12)


def test_opposite_borders_do_not_touch():
    found = find_components(voxels(car=[np.s_[0:1], np.s_[11:12]]), gap=0.9)
    assert [each.cells for each in found.instances] == [80, 80]


def test_ignored_and_nameless_cells_are_no_instances_and_ignored_ones_stay_so():
    grid = voxels(car=np.s_[2:4, 2:4, 2:4])
    grid.labels[0, 0, 0], grid.labels[1, 0, 0] = 255, 77
    found = find_components(grid)
    assert [each.name for each in found.instances] == ["car 1"]
    made = as_instance_grid(grid, found)
    assert made.classes.names == ("air", "car 1") and made.labels[0, 0, 0] == made.classes.ignore == 255 and made.labels[1, 0, 0] == 0


def test_class_zero_may_be_solid():
    grid = replace(voxels(), classes=Labels(("car", "air"), empty=1))  # all zeros: all car
    (car,) = find_components(grid).instances
    assert (car.label, car.cells) == (0, 12 * 10 * 8)
    made = as_instance_grid(grid, find_components(grid))
    assert made.classes.names == ("air", "car 1") and (made.labels == 1).all()


def test_more_instances_than_a_byte_holds():
    labels = np.zeros((40, 40, 3), np.uint8)
    labels[::2, ::2, 1] = 1
    grid = VoxelGrid(labels=labels, classes=CLASSES)
    made = as_instance_grid(grid, find_components(grid))
    assert made.labels.dtype == np.uint16 and made.labels.max() == 400 and made.classes.ignore == 65535


def test_occupancies_have_no_classes():
    with refused(DataError, "labels", actual="an occupancy grid"):
        find_components(VoxelGrid(occupancy=np.ones((2, 2, 2), bool)))


def test_the_first_label_is_the_nearest_solid_one():
    labels = np.zeros((4, 1, 4), np.uint8)
    labels[2:, 0, 0], labels[1, 0, 1], labels[3, 0, 1], labels[0, 0, 2], labels[1, 0, 2] = 1, 2, 1, 255, 1
    assert first_labels(labels, CLASSES).tolist() == [[1, 2, 1, 0]]
    assert first_labels(np.array([[[255, 0]], [[255, 255]]], np.uint8), CLASSES).tolist() == [[255, 0]]


def test_transmittance_is_what_is_left_of_a_ray():
    soft = np.array([0.0, 0.5, 0.5, 1.0, 0.2], np.float32)[:, None, None]
    assert transmittance(soft)[:, 0, 0].tolist() == [1, 1, 0.5, 0.25, 0]
