"""Scoring what lies in files: what stands for a surface, mixes of kinds, empties, and one pair of passes for all metrics."""

import numpy as np
import pytest
import torch
from references.shapes import box, sphere
from refusals import refused
from scoring import score, score_iou

from voxcli.errors import DataError, UsageError
from voxcli.metrics import pointsets
from voxcli.metrics.distances import Sample, SamplePair, distance_record, normalise
from voxcli.metrics.evaluate import depth_points, sample, surfel_points
from voxcli.metrics.registry import METRICS
from voxcli.metrics.solids import fill_like
from voxcli.metrics.surfaces import ChamferOptions, FScoreOptions, SampledOptions
from voxcli.scene import Camera, DepthMap, Labels, Mesh, PointCloud, Surfels, VoxelGrid

K = np.array([[10.0, 0, 2], [0, 10, 1.5], [0, 0, 1]])


def mesh(tensors):
    return Mesh(tensors[0].numpy(), tensors[1].numpy())


NOTHING = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
CUBE, BALL = mesh(box()), mesh(sphere())


def options_of(metric, given):
    """Those of the options that a metric has."""
    return {name: value for name, value in given.items() if hasattr(METRICS[metric].options(), name)}


def test_all_metrics_come_from_one_pair_of_passes(monkeypatch):
    calls = []
    monkeypatch.setattr("voxcli.metrics.distances.neighbours", lambda *a, **k: calls.append(1) or pointsets.neighbours(*a, **k))
    given = {"points": 300, "thresholds": (0.1, 0.2)}
    together = score(["chamfer", "fscore", "hausdorff", "normals"], CUBE, BALL, given)
    assert len(calls) == 1 and [r["metric"] for r in together] == ["chamfer", "fscore", "hausdorff", "normals"]
    for record in together:
        assert score([record["metric"]], CUBE, BALL, options_of(record["metric"], given)) == [record]


def test_samples_are_seeded_and_differ_between_the_two_sides():
    a = sample(CUBE, SampledOptions(points=50), which="prediction")
    assert torch.equal(a.points, sample(CUBE, SampledOptions(points=50), which="prediction").points)
    assert not torch.equal(a.points, sample(CUBE, SampledOptions(points=50), which="ground truth").points)
    assert not torch.equal(a.points, sample(CUBE, SampledOptions(points=50, seed=1), which="prediction").points)
    assert len(sample(CUBE, SampledOptions(draw="vertices")).points) == 8
    cloud = PointCloud(np.arange(30.0).reshape(10, 3))
    assert len(sample(cloud, SampledOptions()).points) == 10
    few = sample(cloud, SampledOptions(points=4)).points
    assert len(few.unique(dim=0)) == 4
    assert len(sample(cloud, SampledOptions(points=25)).points) == 25


def test_one_empty_side_scores_nought_and_has_no_distance():
    given = {"points": 20}
    chamfer, fscore, hausdorff, emd = score(["chamfer", "fscore", "hausdorff", "emd"], NOTHING, CUBE, given)
    assert (chamfer["value"], fscore["value"], hausdorff["value"], emd["value"]) == (None, 0, None, None)
    chamfer, hausdorff = score(["chamfer", "hausdorff"], NOTHING, CUBE, given | {"empty_penalty": 2.0})
    assert chamfer["value"] == 8 and hausdorff["value"] == 2 and chamfer["params"]["empty_penalty"] == 2
    chamfer, fscore = score(["chamfer", "fscore"], NOTHING, NOTHING, given)
    assert (chamfer["value"], fscore["value"]) == (0, 1)
    assert score_iou(NOTHING, CUBE)["value"] == 0


def test_nothing_costs_what_was_said_with_scale_and_sum():
    given = {"points": 20, "empty_penalty": 2.0, "scale": 10.0}
    chamfer, hausdorff, emd = score(["chamfer", "hausdorff", "emd"], NOTHING, CUBE, given | {"reduce": "sum"})
    assert (chamfer["value"], hausdorff["value"], emd["value"]) == (80, 20, 400)
    (soft,) = score(["emd"], NOTHING, CUBE, given | {"method": "approxmatch"})
    assert soft["metric"] == "approxmatch" and soft["params"]["is_emd"] is False
    lone = PointCloud(np.zeros((0, 3)))
    assert score(["chamfer"], lone, CUBE, given)[0]["value"] == 80
    with refused(DataError, "without points"):
        score(["chamfer"], lone, CUBE, {"points": 20})


def test_presets_that_price_nothing_price_it_for_all_their_metrics():
    lone = PointCloud(np.zeros((0, 3)))
    by_preset = {
        "onet": {"chamfer": 10 * 3**0.5, "normals": None}, "jof": {"chamfer": 10 * 3**0.5, "fscore": 0},
    }  # fmt: skip
    for preset, wanted in by_preset.items():
        for empty in (lone, NOTHING):
            found = {r["metric"]: r["value"] for r in score(list(wanted), empty, CUBE, preset=preset)}
            assert found == {k: v if v is None else pytest.approx(v) for k, v in wanted.items()}
    assert score_iou(lone, CUBE, preset="onet")["value"] == 0
    replaced = score_iou(lone, CUBE, preset="uclid")
    assert replaced["params"]["samples"] == [100, 7000] and replaced["value"] < 5
    with refused(DataError, "ground truth"):
        score(["chamfer"], CUBE, NOTHING, preset="uclid")
    with refused(DataError, "without points"):
        score(["chamfer"], lone, CUBE, preset="meshrcnn")


def test_an_unsquared_chamfer_carries_its_squared_means_beside():
    a, b = PointCloud(np.array([[0.0, 0, 0], [1, 0, 0]])), PointCloud(np.array([[0.0, 0, 0], [0, 0, 3]]))
    (record,) = score(["chamfer"], a, b, {"squared": False, "combine": "mean"})
    assert record["parts"] == {"accuracy": 0.5, "completeness": 1.5, "accuracy_squared": 0.5, "completeness_squared": 4.5}
    assert record["value"] == 1


def test_each_metric_takes_its_own_of_many_choices():
    given = {"points": 50, "scale": 2.0, "percentile": 90.0, "percent": True, "thresholds": (0.3,), "combine": "max"}
    for record in score(["chamfer", "fscore", "hausdorff", "normals"], CUBE, BALL, given):
        own = {k: v for k, v in given.items() if k in record["params"]}
        assert score([record["metric"]], CUBE, BALL, options_of(record["metric"], own)) == [record]


@pytest.mark.parametrize("how", ["unit-cube", "unit-sphere", "gt-10", "own-cube"])
def test_normalised_scores_do_not_depend_on_the_units(how):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 50, 3))
    given = {"normalise": how}
    one = score(["chamfer"], PointCloud(a), PointCloud(b), given)[0]["value"]
    move = 0 if how == "gt-10" else 7.0
    assert score(["chamfer"], PointCloud(5 * a + move), PointCloud(5 * b + move), given)[0]["value"] == pytest.approx(one)


def test_normalisations_by_hand():
    gt = Sample(torch.tensor([[0.0, 0, 0], [4, 2, 0]], dtype=torch.float64))
    pred = Sample(torch.tensor([[2.0, 1, 4]], dtype=torch.float64))
    assert normalise(pred, gt, "unit-cube")[0].points.tolist() == [[0, 0, 1]]
    assert normalise(pred, gt, "gt-10")[1].points.tolist() == [[0, 0, 0], [10, 5, 0]]
    assert normalise(pred, gt, "unit-sphere")[1].points.norm(dim=1).tolist() == pytest.approx([1, 1])
    with refused(DataError, "extent", actual="1 point"):
        normalise(gt, pred, "unit-cube")


def test_distances_to_the_surface_are_exact():
    ground = Mesh(np.array([[-9.0, 0, -9], [9, 0, -9], [9, 0, 9], [-9, 0, 9]]), np.array([[0, 2, 1], [0, 3, 2]]))
    raised = Mesh(ground.vertices + [0, 0.25, 0], ground.faces)
    given = {"points": 200, "to": "surface", "squared": False, "combine": "mean"}
    record = score(["chamfer"], raised, ground, given)[0]
    assert record["value"] == pytest.approx(0.25) and record["params"]["to"] == "surface"
    assert score(["chamfer"], raised, ground, given | {"normalise": "unit-cube"})[0]["value"] == pytest.approx(0.25 / 18, rel=0.05)
    with refused(UsageError, "surface"):
        score(["chamfer"], PointCloud(ground.vertices), ground, given)


def test_a_mesh_is_filled_on_the_grid_of_the_other():
    grid = VoxelGrid(occupancy=np.zeros((4, 4, 4), bool), origin=np.array([-0.5] * 3), voxel_size=np.full(3, 0.5))
    filled = fill_like(CUBE, grid)
    assert filled.values.sum() == 8
    assert score_iou(CUBE, filled)["value"] == 1 and score_iou(filled, CUBE)["value"] == 1
    assert score_iou(CUBE, CUBE, {"resolution": 16})["value"] == 1
    # Two cubes wound alike, of 8 and of 4 cells a side: by the non-zero rule they are one solid, by parity the inner one is a hole.
    both = Mesh(np.concatenate([CUBE.vertices * 8, CUBE.vertices * 4]), np.concatenate([CUBE.faces, CUBE.faces + len(CUBE.vertices)]))
    solid = VoxelGrid(occupancy=np.ones((8, 8, 8), bool), origin=(both.vertices.min(0)), voxel_size=np.ones(3))
    for fill, share in (("winding", 1.0), ("parity", 1 - 64 / 512)):
        for record in (score_iou(both, solid, {"fill": fill}), score_iou(solid, both, {"fill": fill})):
            assert (record["value"], record["params"]["fill"]) == (share, fill)
    assert score_iou(both, both, {"fill": "parity", "resolution": 10})["params"]["fill"] == "parity"
    assert score_iou(both, solid)["params"]["fill"] == "auto" and "fill" not in score_iou(solid, solid)["params"]
    for pair in ((solid, solid), (both, both)):
        with refused(UsageError, "fill"):
            score_iou(*pair, {"fill": "parity"})
    with refused(UsageError, "'resolutoin'", hint="'resolution'"):
        score_iou(CUBE, CUBE, {"resolutoin": 16})


def test_points_that_are_known_to_be_inside_take_the_place_of_drawn_ones():
    spots = np.array([[0.5, 0.5, 0.5], [0.9, 0.9, 0.9], [1.1, 0.5, 0.5], [0.5, 2, 0.5]])
    known = PointCloud(spots, labels=np.array([1, 0, 1, 0], np.uint8), classes=Labels(("empty", "occupied"), ignore=None))
    record = score_iou(CUBE, known)
    assert record["value"] == pytest.approx(1 / 3) and record["params"]["points"] == 4 and record["params"]["of"] == "points"
    assert score_iou(known, known)["value"] == 1 and score_iou(NOTHING, known)["value"] == 0
    other = PointCloud(spots + 1, labels=known.labels, classes=known.classes)
    with refused(DataError, "points", expected=4, actual=4):
        score_iou(other, known)
    with refused(DataError, "points", expected=100000, actual=4):
        score_iou(CUBE, known, preset="onet")
    with refused(UsageError, "mesh"):
        score_iou(VoxelGrid(occupancy=np.ones((2, 2, 2), bool)), known)


def test_solids_of_nothing_on_a_lattice():
    given = {"resolution": 8}
    assert score_iou(NOTHING, CUBE, given)["value"] == 0 and score_iou(CUBE, NOTHING, given)["value"] == 0
    assert score_iou(NOTHING, NOTHING, given)["value"] == 1


def test_surfels_and_depth_become_the_same_world_points():
    z = np.array([[2.0, np.nan, 3, 2], [2, 2, 2, 4], [1, 2, 2, 2]])
    pose = np.eye(4)
    pose[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    pose[:3, 3] = [0.5, -1, 2]
    camera = Camera(K, 4, 3, pose)
    normals = np.tile([0.0, 0, -1], (3, 4, 1))
    points, turned = surfel_points(Surfels(z, normals, np.zeros((3, 4, 3)), camera))
    assert np.allclose(depth_points(DepthMap(z, "z", camera)), points) and len(points) == 11
    seen = points @ pose[:3, :3].T + pose[:3, 3]
    pixels = seen[:, :2] / seen[:, 2:] * 10 + [2, 1.5]
    assert np.allclose(pixels[0], [0.5, 0.5]) and np.allclose(pixels[1], [2.5, 0.5]) and np.allclose(seen[:, 2], z[np.isfinite(z)])
    assert np.allclose(turned @ pose[:3, :3].T, [0, 0, -1])
    rays = np.linalg.norm(seen, axis=1)
    ray_map = np.full(z.shape, np.nan)
    ray_map[np.isfinite(z)] = rays
    assert np.allclose(depth_points(DepthMap(ray_map, "ray", camera)), points)
    with refused(DataError, "camera"):
        depth_points(DepthMap(z))


def test_bad_input_is_refused():
    with refused(DataError, "area", actual="total area 0"):
        score(["chamfer"], Mesh(CUBE.vertices * 0, CUBE.faces), CUBE)
    with refused(DataError, "prediction", actual="1 point"):
        score(["chamfer"], PointCloud(np.array([[np.nan, 0, 0], [1, 1, 1]])), CUBE)
    with refused(UsageError, "'chamfre'", hint="'chamfer'"):
        score(["chamfre"], CUBE, CUBE)
    with refused(UsageError, "no metric", actual="SampledOptions"):
        distance_record(SampledOptions(), SamplePair(Sample(torch.zeros(1, 3)), Sample(torch.zeros(1, 3))))
    with pytest.raises(UsageError):
        ChamferOptions(points=0)
    with pytest.raises(UsageError):
        FScoreOptions(thresholds=(0.0,))
    with refused(UsageError, "'unit-cubes'", hint="'unit-cube'"):
        ChamferOptions(normalise="unit-cubes")


def test_an_auction_record_states_its_gap():
    rng = np.random.default_rng(0)
    record = score(["emd"], PointCloud(rng.random((700, 3))), PointCloud(rng.random((700, 3))), {"exact_up_to": 500})[0]
    assert record["params"]["exact"] is False and record["params"]["method"] == "auction"
    assert 0 <= record["parts"]["gap_at_most"] < 0.03 and record["parts"]["lower_bound"] <= record["value"]
