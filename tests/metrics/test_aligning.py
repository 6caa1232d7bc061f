"""Predictions moved onto the truth before they are measured: known motions come back, and nothing is moved unless it is asked for."""

import numpy as np
import pytest
import torch
from references.shapes import box
from refusals import refused
from scoring import score

from voxcli.errors import UsageError
from voxcli.scene import Mesh, PointCloud

TRUTH = np.random.default_rng(0).normal(size=(400, 3)) * (3.0, 1.0, 0.4) + 7.0
ANGLE = np.radians(9)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])


def displaced(scale=1.0):
    """The truth turned by 9 degrees about its middle, made larger, and pushed by a fifth of its length."""
    middle = TRUTH.mean(0)
    return scale * (TRUTH - middle) @ TURN.T + middle + (1.2, -0.5, 0.3)


@pytest.mark.parametrize(("align", "scale"), [("icp", 1.0), ("similarity", 1.0), ("similarity", 1.3), ("similarity", 0.6)])
def test_a_known_motion_is_undone_and_stands_in_the_records(align, scale):
    pred = displaced(scale)
    records = score(["chamfer", "fscore", "hausdorff"], PointCloud(pred), PointCloud(TRUTH), {"align": align})
    assert [round(record["value"], 6) for record in records] == [0, 1, 0]
    motion = np.array(records[0]["params"]["motion"])
    assert np.allclose(pred @ motion[:3, :3].T + motion[:3, 3], TRUTH, atol=1e-6) and records[0]["params"]["align"] == align
    assert np.linalg.det(motion[:3, :3]) == pytest.approx(scale**-3)
    (emd,) = score(["emd"], PointCloud(pred), PointCloud(TRUTH), {"align": align})
    assert emd["value"] == pytest.approx(0, abs=1e-6)


def test_a_rigid_motion_keeps_the_size():
    (record,) = score(["chamfer"], PointCloud(displaced(1.3)), PointCloud(TRUTH), {"align": "icp"})
    turn = np.array(record["params"]["motion"])[:3, :3]
    assert np.allclose(turn @ turn.T, np.eye(3)) and record["value"] > 1e-3


def test_a_moved_surface_is_measured_where_it_was_moved():
    vertices, faces = box()
    sides = np.array([2.0, 1.0, 0.5])
    truth = Mesh(vertices.numpy() * sides, faces.numpy())
    pred = Mesh(truth.vertices @ TURN.T + 0.1, truth.faces)
    given = {"align": "icp", "points": 3000, "squared": False}
    records = score(["chamfer", "normals"], pred, truth, given | {"to": "surface"})
    (unmoved,) = score(["normals"], truth, truth, {"points": 3000})
    assert records[0]["value"] < 0.02 and records[1]["value"] == pytest.approx(unmoved["value"], abs=0.01)
    assert score(["chamfer"], pred, truth, {**given, "align": "none", "to": "surface"})[0]["value"] > 0.1


def test_nothing_is_moved_unless_it_is_asked_for_and_no_preset_is_left():
    (record,) = score(["chamfer"], PointCloud(displaced()), PointCloud(TRUTH))
    assert record["value"] > 0.1 and record["params"]["align"] == "none" and "motion" not in record["params"]
    with refused(UsageError, "align", "'onet'"):
        score(["chamfer"], PointCloud(displaced()), PointCloud(TRUTH), {"align": "icp"}, preset="onet")
    nothing = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    assert score(["chamfer"], nothing, PointCloud(TRUTH), {"align": "icp"})[0]["value"] is None


@pytest.mark.parametrize("align", ["icp", "similarity"])
def test_a_single_point_is_only_pushed(align):
    one = PointCloud(np.full((1, 3), 9.0))
    (record,) = score(["chamfer"], one, PointCloud(TRUTH[:1]), {"align": align})
    assert record["value"] == pytest.approx(0, abs=1e-12) and np.allclose(np.array(record["params"]["motion"])[:3, :3], np.eye(3))


@pytest.mark.parametrize("seed", range(3))
def test_a_change_of_size_is_never_worse_than_a_rigid_motion_both_ways(seed):
    from scipy.spatial import cKDTree

    from voxcli.metrics.aligning import motion_between

    def both_ways(a, b):
        return np.square(cKDTree(b).query(a)[0]).mean() + np.square(cKDTree(a).query(b)[0]).mean()

    rng = np.random.default_rng(seed)
    truth = rng.uniform(-1, 1, (600, 3)) * [2.0, 0.7, 1.0]
    turn = np.diag([-1.0, 1.0, -1.0])  # half a turn, from which closest points may shrink a shape
    pred = (truth + rng.normal(0, 0.01, truth.shape)) @ turn.T + [3.0, 1, 2]
    costs = []
    for resize in (False, True):
        motion = motion_between(torch.from_numpy(pred), torch.from_numpy(truth), resize=resize).numpy()
        costs.append(both_ways(pred @ motion[:3, :3].T + motion[:3, 3], truth))
    assert costs[1] <= costs[0] * (1 + 1e-9)
