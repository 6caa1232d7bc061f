"""Grids of files against one another: by loops over cells, and numbers that follow from the cells."""

import itertools

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import DataError, UsageError
from voxcli.metrics.grids import box_resampled, check_same_grid, describe, grid_iou, rename_classes
from voxcli.metrics.volumes import IoUOptions
from voxcli.scene import Frustum, FruxelGrid, Labels, VoxelGrid

NAMES = Labels(("air", "car", "tree"))
FRUSTUM = Frustum(width=3, height=2, depth=2, z_near=2.0, z_far=12.0, fov_x_deg=40.0)


def labelled(*values, classes=NAMES):
    return VoxelGrid(labels=np.array([[values]], np.uint8), classes=classes)


def occupied(*values):
    return VoxelGrid(occupancy=np.array([[values]]))


def fruxels(**more):
    return FruxelGrid(np.ones(FRUSTUM.shape, np.uint8), FRUSTUM, classes=NAMES, **more)


# ------------------------------------------------------------------------------------------------ Pix3D's volumes


def resampled_by_loops(values, size, threshold):
    """The crop's value at each place of the cube, between its eight neighbours by their distances; 0 outside the crop."""
    filled = [index for index in itertools.product(*map(range, values.shape)) if values[index] >= threshold]
    low, high = (np.array([pick(cell[axis] for cell in filled) for axis in range(3)]) for pick in (min, max))
    half = max(high - low) / 2
    out = np.zeros((size,) * 3)
    for index in itertools.product(range(size), repeat=3):
        place = (low + high) / 2 + half * (2 * np.array(index) / (size - 1) - 1)
        if (place < low).any() or (place > high).any():
            continue
        for corner in itertools.product(*[(int(np.floor(p)), int(np.floor(p)) + 1) for p in place]):
            share = np.prod(1 - np.abs(place - corner))
            out[index] += share * values[corner] if share > 0 else 0
    return out


@pytest.mark.parametrize("size", [2, 5, 8])
def test_a_volume_is_cropped_and_resampled_as_a_loop_over_cells_says(size):
    values = np.random.default_rng(size).random((6, 5, 7)) * 0.6
    values[:2] = values[:, :, 5:] = 0.05
    np.testing.assert_allclose(box_resampled(values, size, 0.1), resampled_by_loops(values, size, 0.1), atol=1e-12)


def test_a_bar_of_three_cells_is_the_middle_line_of_a_cube_of_three():
    values = np.zeros((8, 8, 8))
    values[4, 2, 3:6] = 0.5, 1.0, 0.25
    wanted = np.zeros((3, 3, 3))
    wanted[1, 1] = 0.5, 1.0, 0.25
    np.testing.assert_array_equal(box_resampled(values, 3), wanted)
    assert not box_resampled(values * 0.05, 3).any()


def test_large_volumes_are_pooled_by_the_maximum_over_four_cells_first():
    values = np.zeros((128, 128, 128))
    values[:128:4, :128:4, :128:4] = 0.7  # one cell in each block of 4 x 4 x 4
    assert np.array_equal(box_resampled(values, 32), np.full((32, 32, 32), 0.7))
    assert not np.array_equal(box_resampled(values, 31), np.full((31, 31, 31), 0.7))


def test_resampled_volumes_may_differ_in_size_and_place_and_take_no_mask():
    small, large = np.zeros((6, 6, 6)), np.zeros((9, 9, 9))
    small[1:4, 1:4, 1:4] = large[5:8, 4:7, 3:6] = 1
    a, b = VoxelGrid(occupancy=small), VoxelGrid(occupancy=large, origin=np.array([9.0, 9, 9]))
    record = grid_iou(a, b, IoUOptions(resample=4))
    assert record["value"] == 1 and (record["params"]["resample"], record["params"]["box_threshold"]) == (4, 0.1)
    with refused(UsageError, "mask"):
        grid_iou(a, b, IoUOptions(resample=4, mask=small > 0))


# ------------------------------------------------------------------------------------------------ labels


def test_labels_change_their_numbers_and_keep_their_names():
    source, target = Labels(("tree", "nothing", "car", "van"), empty=1), NAMES
    labels = np.array([0, 1, 2, 2, 0, 1])
    renamed = rename_classes(labels, source, target)
    for before, after in zip(labels, renamed, strict=True):
        assert target.names[after] == {"nothing": "air"}.get(source.names[before], source.names[before])
    assert rename_classes(labels[:0], source, target).size == 0
    with refused(DataError, "van", expected="air, car, tree", actual="tree, nothing, car, van"):
        rename_classes(np.array([3]), source, target)
    with refused(DataError, expected="0..3", actual=4):
        rename_classes(np.array([4]), source, target)


def test_above_255_classes_labels_have_sixteen_bits():
    many = Labels(("air", *(f"thing {k}" for k in range(300))), ignore=None)
    renamed = rename_classes(np.array([1]), Labels(("air", "thing 299")), many)
    assert renamed.tolist() == [300] and renamed.dtype == np.uint16


def test_where_one_grid_knows_only_occupancy_occupied_space_is_compared():
    truth = labelled(0, 1, 2, 255, 1)
    assert grid_iou(occupied(True, True, False, True, True), truth)["value"] == 2 / 4  # the ignored cell does not count
    assert grid_iou(truth, occupied(True, True, False, True, True))["value"] == 2 / 5  # the prediction's is empty
    assert grid_iou(occupied(True, True, False, True, True), truth, IoUOptions(ignore=1))["value"] == 1 / 3
    assert grid_iou(truth, truth, IoUOptions(of="occupancy"))["value"] == 1
    with refused(DataError, "occupancy"):
        grid_iou(occupied(*[True] * 5), truth, IoUOptions(of="labels"))
    with refused(UsageError, "Classes", hint="--class"):
        grid_iou(occupied(*[True] * 5), truth, IoUOptions(classes=("car",)))
    with refused(DataError, "empty space"):
        grid_iou(labelled(0, 1, classes=Labels(("a", "b"), empty=None)), occupied(True, True))


def test_a_mask_and_the_ignored_cells_leave_out_both():
    truth, guess = labelled(0, 1, 2, 255, 1), occupied(True, True, False, True, True)
    mask = np.array([[[False, True, True, True, True]]])
    assert grid_iou(guess, truth, IoUOptions(mask=mask))["value"] == 2 / 3


def test_cells_of_which_the_prediction_says_nothing_count_as_missed():
    truth = labelled(1, 1, 1, 0)
    record = grid_iou(labelled(1, 255, 255, 0), truth)
    assert record["parts"]["classes"]["car"] == 1 / 3
    assert grid_iou(labelled(1, 255, 255, 0), labelled(1, 1, 255, 0))["parts"]["classes"]["car"] == 1 / 2


# ------------------------------------------------------------------------------------------------ places


@pytest.mark.parametrize(("moved", "alike"), [(0.009, True), (0.011, False)])
def test_voxels_may_lie_a_hundredth_of_a_cell_apart(moved, alike):
    a, b = (VoxelGrid(occupancy=np.ones((2, 2, 2), bool), origin=np.array([0, at, 0])) for at in (0, moved))
    if alike:
        check_same_grid(a, b)
    else:
        with refused(DataError, expected=f"[0, {moved}, 0]", actual="[0, 0, 0]", hint="--align index"):
            check_same_grid(a, b)
    assert grid_iou(a, b, IoUOptions(align="index"))["value"] == 1


def test_other_alignments_and_cells_are_refused():
    a = VoxelGrid(occupancy=np.ones((2, 2, 2), bool))
    with refused(UsageError, actual="space"):
        check_same_grid(a, a, "space")
    with refused(DataError, expected=[2, 2, 2], actual=[2, 2, 3]):
        check_same_grid(VoxelGrid(occupancy=np.ones((2, 2, 3), bool)), a, "index")
    with refused(DataError, expected="voxels", actual="fruxels"):
        check_same_grid(fruxels(), a)
    assert describe(FRUSTUM) == "3x2, 2 slices from 2 to 12, fov 40 degrees"


def test_what_is_known_of_the_poses_of_two_cameras_is_told():
    moved, turned = np.eye(4), np.diag([-1.0, 1, -1, 1])
    moved[0, 3] = 2
    assumed = {"camera_assumed": {"height": 1.6}}
    cases = [
        (fruxels(), fruxels(), "no pose stated"),
        (fruxels(world_to_cam=moved), fruxels(world_to_cam=moved), "same"),
        (fruxels(world_to_cam=moved), fruxels(world_to_cam=turned), "differ, not compared"),
        (fruxels(world_to_cam=moved), fruxels(), "one without a pose, not compared"),
        (fruxels(world_to_cam=moved, meta=assumed), fruxels(world_to_cam=moved), "one without a pose, not compared"),
    ]
    for pred, gt, known in cases:
        record = grid_iou(pred, gt)
        assert record["value"] == 1 and record["params"]["cameras"] == known


# ------------------------------------------------------------------------------------------------ probabilities beside a decision


CHANCES = (0.2, 0.45, 0.41, 0.9)
"""Of four cells. At 0.5 one is occupied, at 0.4 three are; the truth fills the last three."""


def decided(**more):
    values = np.array([[CHANCES]], np.float32)
    return VoxelGrid(occupancy=values >= 0.5, probabilities=values, **more)


def test_a_threshold_meets_the_probabilities_that_a_prediction_holds():
    truth = occupied(False, True, True, True)
    assert grid_iou(decided(), truth)["value"] == pytest.approx(1 / 3)  # what the file decided
    assert grid_iou(decided(), truth, IoUOptions(thresholds=(0.4,)))["value"] == 1
    assert grid_iou(decided(), truth, IoUOptions(thresholds=(0.1,)))["value"] == pytest.approx(3 / 4)
    assert grid_iou(decided(), truth, IoUOptions(thresholds=(0.9,), strict=True))["value"] == 0
    boxed = grid_iou(decided(), truth, IoUOptions(thresholds=(0.4,), resample=4))
    assert boxed["parts"]["thresholds"].keys() == {">=0.4"}


def test_a_threshold_meets_what_a_prediction_of_fruxels_does_not_take_for_air():
    labels, chances = np.zeros(FRUSTUM.shape, np.uint8), np.zeros((3, *FRUSTUM.shape), np.float16)
    chances[0], chances[1], chances[2] = 0.55, 0.25, 0.2  # occupied with 0.45, though air is the likeliest class
    labels[0, 0, 0] = 255
    guess, truth = FruxelGrid(labels, FRUSTUM, classes=NAMES, probabilities=chances), fruxels()
    at = {">=0.5": 0.0, ">=0.4": 11 / 12}  # the cell that is left out is a miss
    record = grid_iou(guess, truth, IoUOptions(thresholds=(0.5, 0.4), of="occupancy"))
    assert record["parts"]["thresholds"] == pytest.approx(at) and "not_applied" not in record["params"]


def test_a_threshold_that_a_decided_prediction_cannot_take_is_said():
    params = grid_iou(occupied(True, False), occupied(True, True), IoUOptions(thresholds=(0.4, 0.5)))["params"]
    assert params["not_applied"] == [">=0.4", ">=0.5"] and params["value_at"] == "occupied"
    assert "not_applied" not in grid_iou(occupied(True, False), occupied(True, True))["params"]
