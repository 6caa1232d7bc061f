"""IoU of grids against values counted by hand, and against one obvious loop over cells."""

import numpy as np
import pytest
import torch
from processes import modules_after
from refusals import refused

from voxcli.errors import DataError, ShapeError, UsageError
from voxcli.metrics import grid_iou, iou, label_iou
from voxcli.metrics.counting import Counts, confusion, count_bits, pack
from voxcli.metrics.overlap import at_best_threshold, label_record, mean_iou, occupancy_counts, occupancy_iou
from voxcli.metrics.volumes import IoUOptions
from voxcli.scene import Frustum, FruxelGrid, Labels, VoxelGrid

NAMES = Labels(("air", "car", "tree"), empty=0, ignore=255)


def box(low, high, size=4):
    grid = np.zeros((size, size, size), bool)
    grid[low:high, low:high, low:high] = True
    return grid


def slow_confusion(pred, gt, classes, ignore=None, mask=None):
    table = np.zeros((classes, classes), np.int64)
    for index in np.ndindex(gt.shape):
        if gt[index] != ignore and (mask is None or mask[index]):
            table[gt[index], pred[index]] += 1
    return table


def test_two_boxes_that_share_one_corner_cell():
    assert iou(box(0, 2), box(1, 3)) == pytest.approx(1 / 15)  # 8 + 8 - 1 cells


def test_numbers_published_with_kaolin():
    # Its unit test of the IoU of voxel grids: two grids of 3^3, to four digits.
    pred = "011 100 100 001 011 111 100 011 001", "100 101 100 100 010 010 010 011 001"
    gt = "000 001 101 111 011 111 100 110 010", "101 011 101 010 111 001 100 100 111"
    grids = [np.array([int(cell) for cells in both for cell in cells.replace(" ", "")]).reshape(2, 3, 3, 3) for both in (pred, gt)]
    assert iou(*grids) == pytest.approx([0.4500, 0.2273], abs=1e-4)


def test_both_empty_is_one_and_one_empty_is_zero():
    nothing = np.zeros((3, 3, 3), bool)
    assert iou(nothing, nothing) == 1.0
    assert iou(nothing, ~nothing) == 0.0
    assert iou(~nothing, nothing) == 0.0


def test_a_threshold_is_met_with_equality_unless_strict():
    pred = np.full((2, 2, 2), 0.4, np.float32)
    gt = np.ones((2, 2, 2), bool)
    assert iou(pred, gt, threshold=0.4) == 1.0
    assert iou(pred, gt, threshold=0.4, strict=True) == 0.0


def test_iou_is_batched_and_takes_tensors():
    pred = torch.rand(2, 5, 4, 4, 3, generator=torch.Generator().manual_seed(0))
    gt = torch.rand(2, 5, 4, 4, 3, generator=torch.Generator().manual_seed(1)) > 0.5
    value = iou(pred, gt)
    assert isinstance(value, torch.Tensor) and value.shape == (2, 5)
    assert value[1, 3].item() == pytest.approx(iou(pred[1, 3].numpy(), gt[1, 3].numpy()))


def test_iou_is_symmetric():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 7, 6, 5)) > 0.6
    assert iou(a, b) == iou(b, a)


@pytest.mark.parametrize("cells", [1, 7, 63, 64, 65, 1000])
def test_packed_counts_equal_boolean_counts_at_any_length(cells):
    a, b = np.random.default_rng(cells).random((2, 3, cells)) > 0.5
    counts = count_bits(pack(a), pack(b))
    assert (counts.intersection == (a & b).sum(1)).all() and (counts.union == (a | b).sum(1)).all()


def test_masked_cells_do_not_count():
    pred, gt = box(0, 4), box(0, 2)
    assert iou(pred, gt, mask=box(0, 2)) == 1.0
    assert iou(pred, gt, mask=np.zeros_like(gt)) == 1.0  # nothing is left: both empty


@pytest.mark.parametrize("classes", [2, 9, 15, 16, 17, 40, 300])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (4, 4, 4)])
def test_confusion_equals_a_loop_over_cells(classes, shape):
    rng = np.random.default_rng(classes)
    kind = np.uint8 if classes < 256 else np.uint16
    pred, gt = rng.integers(0, classes, (2, *shape)).astype(kind)
    mask = rng.random(shape) < 0.7
    assert (confusion(pred, gt, classes) == slow_confusion(pred, gt, classes)).all()
    gt = np.where(rng.random(shape) < 0.2, 255 if classes < 256 else 999, gt).astype(kind)
    ignore = int(255 if classes < 256 else 999)
    assert (confusion(pred, gt, classes, ignore, mask) == slow_confusion(pred, gt, classes, ignore, mask)).all()
    assert confusion(pred, gt, classes, ignore).sum() == (gt != ignore).sum()


def test_an_ignored_class_within_the_range_is_left_out_too():
    gt = np.array([[[0, 1, 2, 2]]], np.uint8)
    assert confusion(np.zeros_like(gt), gt, 3, ignore=2).tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_labels_by_hand():
    gt = np.array([[[0, 0, 1, 1, 2, 255]]], np.uint8)
    pred = np.array([[[0, 1, 1, 2, 2, 1]]], np.uint8)
    # car: cells {1, 2} against {2, 3}: 1 of 3; tree: {3, 4} against {4}: 1 of 2; air: {0} against {0, 1}: 1 of 2; occupied: 3 of 4.
    assert label_iou(pred, gt, 3) == pytest.approx([1 / 2, 1 / 3, 1 / 2])
    record = label_record(pred, gt, NAMES, pred="p", gt="g")
    assert record["value"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert record["parts"]["classes"] == pytest.approx({"car": 1 / 3, "tree": 1 / 2})
    assert record["parts"]["completion"] == pytest.approx(3 / 4) and record["parts"]["empty"] == pytest.approx(1 / 2)
    counts = {"car": [1, 3], "tree": [1, 2], "completion": [3, 4], "completion_precision": [3, 4], "completion_recall": [3, 3]}
    assert record["parts"]["counts"] == counts
    assert record["params"]["mean_over"] == "present" and record["pred"] == "p"


def test_cells_of_which_a_prediction_says_nothing_are_misses():
    gt = np.array([[[0, 0, 1, 1, 2, 255]]], np.uint8)
    pred = np.array([[[0, 255, 1, 255, 255, 255]]], np.uint8)
    said, truth = (VoxelGrid(labels=labels, classes=NAMES) for labels in (pred, gt))
    # car: {2} of {2, 3}; tree: none of {4}; air: {0} of {0, 1}; occupied: {2} of {2, 3, 4}. The last cell does not count.
    record = grid_iou(said, truth)
    assert record["parts"]["classes"] == pytest.approx({"car": 1 / 2, "tree": 0})
    assert record["parts"]["empty"] == pytest.approx(1 / 2) and record["parts"]["completion"] == pytest.approx(1 / 3)
    counts = {"car": [1, 2], "tree": [0, 1], "completion": [1, 3], "completion_precision": [1, 1], "completion_recall": [1, 3]}
    assert record["parts"]["counts"] == counts
    assert record["params"]["unsaid"] == 3 and "unsaid" not in grid_iou(truth, truth)["params"]
    masked = grid_iou(said, truth, IoUOptions(mask=np.array([[[1, 1, 1, 0, 1, 1]]], bool)))
    assert masked["parts"]["classes"] == pytest.approx({"car": 1, "tree": 0}) and masked["params"]["unsaid"] == 2
    filled = VoxelGrid(occupancy=np.array([[[0, 0, 1, 1, 1, 1]]], bool))
    assert grid_iou(said, filled)["parts"]["counts"]["occupied"] == [1, 4]


def test_a_class_absent_from_both_is_null_and_leaves_the_mean():
    gt = np.array([[[0, 1, 1]]], np.uint8)
    record = label_record(gt, gt, NAMES)
    assert record["parts"]["classes"] == {"car": 1.0, "tree": None} and record["value"] == 1.0
    counts = Counts(np.array([1, 0, 0]), np.array([1, 4, 0]))
    assert mean_iou(counts, np.array([1, 0, 0]), [0, 1, 2], "present") == 0.5
    assert mean_iou(counts, np.array([1, 0, 0]), [0, 1, 2], "truth") == 1.0
    assert mean_iou(counts, np.array([1, 0, 0]), [0, 1, 2], "all") == pytest.approx(2 / 3)
    assert label_record(gt, gt, NAMES, classes=["car"])["params"]["classes"] == ["car"]


def test_two_empty_scenes_agree():
    air = np.zeros((2, 2, 2), np.uint8)
    assert label_record(air, air, NAMES)["value"] == 1.0


def test_the_best_threshold_is_of_the_whole_set():
    gt = np.ones((1, 1, 2), bool)
    samples = [np.array([[[0.3, 0.3]]]), np.array([[[0.5, 0.1]]])]
    thresholds = [0.1, 0.3, 0.5]
    records = at_best_threshold([occupancy_iou(p, gt, thresholds) for p in samples])
    assert [(record["value"], record["params"]["value_at"]) for record in records] == [(1.0, ">=0.1")] * 2
    of_equals = at_best_threshold([occupancy_iou(p, gt, [0.2, 0.3, 0.5]) for p in samples])
    assert of_equals[0]["params"]["value_at"] == ">=0.2"
    counts = [occupancy_counts(p, gt, thresholds) for p in samples]
    pooled = counts[0] + counts[1]
    assert pooled.intersection.tolist() == [4, 3, 1] and pooled.union.tolist() == [4, 4, 4]


def test_occupancy_records_name_their_comparison():
    record = occupancy_iou(np.full((2, 2, 2), 0.4), np.ones((2, 2, 2), bool), [0.4, 0.5])
    assert record["parts"]["thresholds"] == {">=0.4": 1.0, ">=0.5": 0.0} and record["params"]["value_at"] == ">=0.4"
    assert occupancy_iou(box(0, 2), box(1, 3))["params"]["thresholds"] == ["occupied"]


def test_bad_grids_are_refused():
    gt = np.zeros((2, 2, 2), np.uint8)
    with refused(ShapeError, "grids", expected=[2, 2, 2], actual=[2, 2, 3]):
        iou(np.zeros((2, 2, 3)), gt)
    with refused(DataError, "finite"):
        iou(np.full((2, 2, 2), np.nan), gt)
    with refused(DataError, expected="0..2", actual=3):
        label_iou(gt + 3, gt, 3)
    with refused(DataError, expected="0..2", actual=7):
        label_iou(gt, gt + 7, 3, ignore=255)
    with refused(UsageError, "'cra'", hint="'car'"):
        label_record(gt, gt, NAMES, classes=["cra"])


def fruxels(labels, classes=NAMES, **changes):
    d, h, w = labels.shape
    numbers = {"z_near": 2.0, "z_far": 12.0, "fov_x_deg": 40.0} | changes
    return FruxelGrid(labels, Frustum(width=w, height=h, depth=d, **numbers), classes=classes)


def test_fruxels_on_other_frusta_are_refused_with_both_printed():
    labels = np.zeros((2, 2, 2), np.uint8)
    with refused(DataError, expected="from 2 to 12", actual="from 2 to 13"):
        grid_iou(fruxels(labels, z_far=13.0), fruxels(labels))


def test_classes_are_matched_by_name():
    gt = np.array([[[0, 1, 2]]], np.uint8)
    pred = np.array([[[2, 1, 0]]], np.uint8)
    other = Labels(("tree", "car", "nothing"), empty=2)
    assert grid_iou(fruxels(pred, other), fruxels(gt))["value"] == 1.0
    with refused(DataError, "bus", expected="air, car, tree", actual="bus, car, air"):
        grid_iou(fruxels(pred, Labels(("bus", "car", "air"), empty=2)), fruxels(gt))


def test_voxels_in_other_places_are_refused_unless_compared_by_index():
    a = VoxelGrid(occupancy=box(0, 2))
    b = VoxelGrid(occupancy=box(0, 2), origin=np.array([1.0, 0, 0]))
    with refused(DataError, "places", expected="[1, 0, 0]", actual="[0, 0, 0]"):
        grid_iou(a, b)
    assert grid_iou(a, b, IoUOptions(align="index"))["value"] == 1.0
    with refused(DataError, "sizes", expected=[5, 5, 5], actual=[4, 4, 4]):
        grid_iou(a, VoxelGrid(occupancy=box(0, 2, 5)))
    with refused(DataError, "voxels", expected="fruxels", actual="voxels"):
        grid_iou(a, fruxels(np.zeros((4, 4, 4), np.uint8)))


def test_probabilities_against_labels_compare_occupied_space_without_ignored_cells():
    labels = VoxelGrid(labels=np.array([[[0, 1, 2, 255]]], np.uint8), classes=NAMES)
    pred = VoxelGrid(occupancy=np.array([[[0.1, 0.9, 0.2, 0.9]]], np.float32))
    assert grid_iou(pred, labels)["value"] == 0.5


def test_scoring_grids_does_not_load_torch():
    code = (
        "import numpy as np\nfrom voxcli.metrics import grid_iou\nfrom voxcli.scene import VoxelGrid\n"
        "g = VoxelGrid(occupancy=np.ones((2, 2, 2), bool))\nassert grid_iou(g, g)['value'] == 1.0"
    )
    assert not {"torch", "scipy"} & modules_after(code)


def test_precision_and_recall_stand_beside_each_threshold():
    pred = np.zeros((2, 2, 2))
    pred[0], pred[1, 0] = 0.8, 0.4  # 4 cells, and 2 more
    gt = np.zeros((2, 2, 2), bool)
    gt[:, 0] = True  # 4 cells: 2 of the first, and the 2
    parts = occupancy_iou(pred, gt, (0.3, 0.5, 0.9))["parts"]
    assert parts["precision"] == {">=0.3": pytest.approx(4 / 6), ">=0.5": 2 / 4, ">=0.9": None}
    assert parts["recall"] == {">=0.3": 1.0, ">=0.5": 2 / 4, ">=0.9": 0.0}
    masked = occupancy_iou(pred, gt, (0.5,), mask=np.arange(8).reshape(2, 2, 2) < 4)["parts"]
    assert masked["precision"] == {">=0.5": 2 / 4} and masked["recall"] == {">=0.5": 1.0}
    assert occupancy_iou(pred, np.zeros_like(gt), (0.5,))["parts"]["recall"] == {">=0.5": None}
