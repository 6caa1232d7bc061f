"""Part IoU of labelled shapes: which parts count, that the same elements are compared, and what weighs how much."""

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import DataError
from voxcli.metrics.parts import category_of, labelled_pair, matched_over, parts_of_branches, parts_record, with_counts
from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid

NAMED = Labels(("air", "seat", "back", "arm"), 0, None)
BRANCHES = Labels(("air", *(f"part-{k}" for k in range(1, 13))), 0, None)


def cloud(labels, classes=None, points=None):
    labels = np.asarray(labels, np.uint16)
    return PointCloud(np.arange(3.0 * len(labels)).reshape(-1, 3) if points is None else points, labels=labels, classes=classes)


def score(pred, gt, **choices):
    pair = labelled_pair(pred, gt)
    return parts_record(pair, category_of([pair], **choices), ignore=choices.get("ignore"))


def test_parts_are_those_that_the_truth_names_without_empty_space():
    record = score(cloud([1, 1, 2, 2, 2], NAMED), cloud([1, 1, 1, 2, 2], NAMED))
    assert record["params"]["parts"] == ["seat", "back", "arm"] and record["parts"]["absent"] == 1
    assert record["value"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_parts_by_hand():
    named = Labels(("air", "a", "b", "c", "d"), 0, None)
    pair = labelled_pair(cloud([1, 2, 2, 2, 3], named), cloud([1, 1, 2, 2, 2], named))
    record = parts_record(pair, category_of([pair]))
    assert list(record["parts"]["classes"].values()) == pytest.approx([1 / 2, 2 / 4, 0, 1]) and record["value"] == pytest.approx(0.5)
    assert parts_record(pair, category_of([pair]), absent=0.0)["parts"]["classes"]["d"] == 0


def test_branches_are_named_by_the_part_that_most_of_their_points_have():
    held = np.array([[0, 1, 0, 3, 0], [3, 3, 0, 0, 0]])  # of part 0 and part 1, by branch
    assert parts_of_branches(held).tolist() == [1, 1, 1, 0, 1]  # 2 and 4 hold no point and get the most frequent part
    assert parts_of_branches(np.array([[0, 4], [6, 0]])).tolist() == [1, 0]


def test_ids_that_no_truth_holds_are_no_parts():
    truth = [7] * 5 + [300] * 5
    record = score(cloud([7] * 4 + [300] * 6), cloud(truth))
    assert record["params"]["parts"] == ["part 7", "part 300"] and record["value"] == pytest.approx((4 / 5 + 5 / 6) / 2)
    with refused(DataError, expected="part 7, part 300", actual="1") as caught:
        score(cloud([0, 1] * 5), cloud(truth))
    assert "--match-parts" in caught.value.hint
    assert score(cloud([0, 1] * 5), cloud([7, 300] * 5), match=True)["value"] == 1


def test_what_the_truth_leaves_unlabelled_is_left_out_and_what_the_prediction_does_is_wrong():
    record = score(cloud([1, 2, 0, 2], NAMED), cloud([0, 0, 1, 2], NAMED))
    assert record["parts"]["classes"] == {"seat": 0, "back": 1, "arm": 1} and record["params"]["unlabelled_in_truth"] == 2
    assert score(cloud([0, 5, 6]), cloud([0, 5, 6]), ignore=0)["params"]["parts"] == ["part 5", "part 6"]
    with refused(DataError, "no part"):
        score(cloud([1, 1], NAMED), cloud([0, 0], NAMED))


def test_names_are_compared_where_both_name_their_parts():
    turned = Labels(("arm", "back", "seat"), None, None)
    assert score(cloud([2, 1, 0], turned), cloud([1, 2, 3], NAMED))["value"] == 1
    with refused(DataError, expected="seat, back, arm", actual="part-1, part-2, part-3") as caught:
        score(cloud([1, 2, 3], BRANCHES), cloud([1, 2, 3], NAMED))
    assert "part-1" in caught.value.actual and "--match-parts" in caught.value.hint


def test_branches_are_matched_by_name_and_reported():
    record = score(cloud([5, 5, 9, 9], BRANCHES), cloud([1, 1, 2, 2], NAMED), match=True)
    assert record["value"] == 1 and record["params"]["matched"]["part-5"] == "seat" and record["params"]["matched"]["part-9"] == "back"


def test_points_in_other_places_are_not_compared():
    points = np.random.default_rng(0).random((20, 3))
    labels = [1, 2] * 10
    assert score(cloud(labels, NAMED, points + 5e-5), cloud(labels, NAMED, points))["value"] == 1
    for other in (points[::-1], points + 1e-3):
        with refused(DataError, "places", expected="0.0001 of the extent"):
            score(cloud(labels, NAMED, other), cloud(labels, NAMED, points))
    with refused(DataError, "points", expected="20 points", actual=19):
        score(cloud(labels[:-1], NAMED, points[:-1]), cloud(labels, NAMED, points))


def strip(widths):
    """Triangles side by side on a line, of given widths and height 1."""
    x = np.concatenate([[0], np.cumsum(widths)])
    vertices = np.array([[v, y, 0] for v in x for y in (0.0, 1.0)])
    return vertices, np.array([[2 * k, 2 * k + 1, 2 * k + 2] for k in range(len(widths))])


def test_faces_weigh_by_their_area_in_whatever_order_they_come():
    vertices, faces = strip([1.0, 2.0, 5.0, 2.0])
    truth = Mesh(vertices, faces, face_labels=np.array([1, 1, 2, 2], np.uint8), classes=NAMED)
    order, turn = [2, 0, 3, 1], [1, 2, 0]
    guess = Mesh(vertices, faces[order][:, turn], face_labels=np.array([1, 1, 2, 2], np.uint8)[order], classes=NAMED)
    assert score(guess, truth)["value"] == 1
    wrong = Mesh(vertices, faces, face_labels=np.array([1, 2, 2, 2], np.uint8), classes=NAMED)
    record = score(wrong, truth)
    assert record["parts"]["classes"] == pytest.approx({"seat": 1 / 3, "back": 7 / 9, "arm": 1}) and "area" in record["params"]["compared"]
    with refused(DataError, "faces", expected="0.0001", actual="0.01 apart"):
        score(Mesh(vertices + [0, 0.01, 0], faces, face_labels=wrong.face_labels, classes=NAMED), truth)


def test_faces_that_lie_on_each_other_are_taken_once_each():
    vertices, faces = strip([1.0, 1.0])
    double = np.concatenate([faces, faces])
    truth = Mesh(vertices, double, face_labels=np.array([1, 2, 1, 2], np.uint8), classes=NAMED)
    order = [3, 0, 1, 2]
    assert score(Mesh(vertices, double[order], face_labels=truth.face_labels[order], classes=NAMED), truth)["value"] == 1


def test_named_nodes_are_labels_of_faces():
    vertices, faces = strip([1.0, 1.0])
    nodes = Mesh(vertices, faces, face_parts=np.array([0, 1], np.int32), part_names=("seat", "back"))
    labelled = Mesh(vertices, faces, face_labels=np.array([1, 2], np.uint8), classes=NAMED)
    assert score(labelled, nodes)["value"] == 1 and score(nodes, labelled)["value"] == 1
    with refused(DataError, "part labels"):
        score(Mesh(vertices, faces), labelled)


def test_cells_count_where_the_truth_is_filled():
    truth, guess = np.zeros((2, 4, 4, 4), np.uint8)
    truth[0], truth[1], guess[:3] = 1, 2, 1
    record = score(VoxelGrid(labels=guess, classes=NAMED), VoxelGrid(labels=truth, classes=NAMED))
    assert record["parts"]["classes"] == {"seat": 0.5, "back": 0, "arm": 1} and record["params"]["cells"] == 32
    with refused(DataError, "places", expected="[0, 0, 0]", actual="[1, 1, 1]"):
        score(VoxelGrid(labels=guess, classes=NAMED, origin=np.ones(3)), VoxelGrid(labels=truth, classes=NAMED))
    with refused(DataError, "point", expected="voxels", actual="points"):
        score(cloud([1], NAMED), VoxelGrid(labels=truth, classes=NAMED))


def test_counts_of_each_shape_name_branches_as_all_shapes_at_once_do():
    rng, names, branches = np.random.default_rng(0), Labels(("air", "a", "b", "c"), 0, 255), Labels(("air", *"pqrst"), 0, None)
    pairs = []
    for _ in range(6):
        points = rng.random((40, 3))
        guess, truth = (rng.choice(values, 40).astype(np.uint8) for values in ([0, 1, 2, 3, 4, 5], [1, 2, 3, 255]))
        pairs.append(labelled_pair(PointCloud(points, labels=guess, classes=branches), PointCloud(points, labels=truth, classes=names)))
    category = category_of(pairs, match=True)
    at_once = [parts_record(pair, category) for pair in pairs]
    own = [category_of([pair], match=True) for pair in pairs]
    later = matched_over([with_counts(parts_record(pair, mine), pair, mine) for pair, mine in zip(pairs, own, strict=True)])
    assert [record["value"] for record in later] == pytest.approx([record["value"] for record in at_once])
    assert [record["parts"]["classes"] for record in later] == [pytest.approx(record["parts"]["classes"]) for record in at_once]
    assert all(record["params"]["matched"] == at_once[0]["params"]["matched"] for record in later)
