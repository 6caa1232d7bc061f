"""All registered metrics keep one contract: voxcli/metrics/base.py."""

import dataclasses
from pathlib import Path

import metric_contract as contract
import numpy as np
import pytest
from references.shapes import box

import voxcli
from voxcli.metrics.iqtt import Answers
from voxcli.metrics.object_poses import ObjectPoses
from voxcli.metrics.pointsets import COMBINED
from voxcli.metrics.presets import PRESETS, options_for
from voxcli.metrics.registry import METRICS
from voxcli.metrics.surfaces import COMBINE, SampledMetric
from voxcli.metrics.trajectories import CameraPoses
from voxcli.scene import DepthMap, Labels, Mesh, PointCloud, VoxelGrid
from voxcli.scene.poses import Poses

ALL = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
SAMPLED = [name for name, metric in METRICS.items() if isinstance(metric, SampledMetric)]

RNG = np.random.default_rng(0)
NORMALS = RNG.normal(size=(2, 30, 3))
CLOUDS = [PointCloud(p, normals=n / np.linalg.norm(n, axis=1, keepdims=True)) for p, n in zip(RNG.random((2, 30, 3)), NORMALS, strict=True)]
GRIDS = [VoxelGrid(occupancy=RNG.random((4, 4, 4)).astype(np.float32)) for _ in range(2)]
CELLS = [VoxelGrid(occupancy=grid.values >= 0.5) for grid in GRIDS]
NAMES = Labels(("air", "wood", "steel"))
LABELLED = [VoxelGrid(labels=labels, classes=NAMES) for labels in RNG.integers(0, 3, (2, 4, 4, 4)).astype(np.uint8)]
CUBE = Mesh(*(part.numpy() for part in box()))
NOTHING = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
TURNED = np.diag([-1.0, 1, -1, 1])


def moved_to(*place):
    """world_to_cam of a camera that is moved."""
    matrix = np.eye(4)
    matrix[:3, 3] = place
    return matrix


PAIRS = {
    **dict.fromkeys(SAMPLED, CLOUDS), "iou": CELLS, "depth": [DepthMap(depth) for depth in 1 + RNG.random((2, 4, 5))],
    "pose": [np.eye(4), TURNED], "iqtt": [Answers(np.array([0, 1, 2])), Answers(np.array([0, 2, 1]))],
}  # fmt: skip
EXAMPLES = Path(__file__).parents[2] / "examples"


def test_each_has_a_pair_here():
    assert set(PAIRS) == set(METRICS)
    assert all(metric.name == name for name, metric in METRICS.items()) and tuple(COMBINED) == COMBINE


@ALL
def test_its_help_names_every_option(metric):
    contract.its_help_names_every_option(metric)


@ALL
def test_its_options_have_valid_defaults(metric):
    contract.its_options_have_valid_defaults(metric)


@ALL
def test_an_unknown_option_is_refused(metric):
    contract.an_unknown_option_is_refused(metric)


@ALL
def test_a_perfect_prediction_has_the_perfect_value_and_others_a_worse_one(metric):
    thing, other = PAIRS[metric.name]
    contract.a_perfect_prediction_has_the_perfect_value(metric, thing)
    contract.a_worse_prediction_has_a_worse_value(metric, thing, other)


@ALL
def test_it_is_as_symmetric_as_it_says(metric):
    contract.it_is_as_symmetric_as_it_says(metric, *PAIRS[metric.name])


@pytest.mark.parametrize("name", [*SAMPLED, "iou"])
def test_any_shape_scores_or_is_refused(name):
    contract.any_shape_scores_or_is_refused(METRICS[name], PAIRS[name][0])


@ALL
def test_its_presets_are_options(metric):
    contract.its_presets_are_options(metric)


@pytest.mark.parametrize("name", SAMPLED)
def test_records_of_samples_state_every_option(name):
    contract.its_record_states_every_option(METRICS[name], [GRIDS], points=20)


def test_records_of_volumes_state_every_option():
    by_another_name = {
        "strict": "the thresholds are written > or >=", "best_threshold": "value_at", "over": "mean_over", "ignore": "ignore_label",
        "mask_file": "masked", "mask_out_file": "masked", "shell": "of", "parts": "of", "match": "matched",
        "ids": "where they were asked for", "own_mask": "", "detail": "", "ranges": "",
    }  # fmt: skip
    pairs = [(GRIDS[0], CELLS[0]), LABELLED, (CUBE, CUBE), CLOUDS, (CUBE, CELLS[0])]
    contract.its_record_states_every_option(METRICS["iou"], pairs, by_another_name)


@pytest.mark.parametrize(("name", "elsewhere"), [("depth", {"mask_file": "masked"}), ("pose", ()), ("iqtt", ())])
def test_records_of_views_state_every_option(name, elsewhere):
    several = CameraPoses(("a", "b", "c"), np.stack([moved_to(0, 0, 1), moved_to(1, 0, 0), moved_to(0, 2, 0)]))
    objects = ObjectPoses(Poses(np.array([0]), np.zeros((1, 3)), np.array([[1.0, 0, 0, 0]]), np.ones((1, 3))), ("car",))
    more = {"pose": [(several, several), (objects, objects)]}
    contract.its_record_states_every_option(METRICS[name], [PAIRS[name], *more.get(name, [])], elsewhere)


def test_every_preset_is_of_registered_metrics():
    assert {metric for preset in PRESETS.values() for metric in (*preset.metrics, *preset.summary)} <= METRICS.keys()


# ------------------------------------------------------------------------------------------------ what is empty


@pytest.mark.parametrize("metric", [METRICS[name] for name in SAMPLED], ids=SAMPLED)
def test_empty_sets_have_the_documented_values(metric):
    options = options_for(metric, {"points": 20})
    one, both = (metric.score(*pair, options)["value"] for pair in ((NOTHING, CUBE), (NOTHING, NOTHING)))
    assert one == (0 if metric.name == "fscore" else None)
    assert both == (None if metric.name == "normals" else metric.perfect)
    priced = metric.score(NOTHING, CUBE, dataclasses.replace(options, empty_penalty=2.0))["value"]
    assert priced == {"chamfer": 8, "hausdorff": 2, "emd": 2, "fscore": 0, "normals": None}[metric.name]


def test_empty_volumes_agree_and_miss():
    iou, empty = METRICS["iou"], VoxelGrid(occupancy=np.zeros((4, 4, 4), bool))
    assert iou.score(empty, empty, iou.options())["value"] == 1 and iou.score(empty, CELLS[0], iou.options())["value"] == 0


def test_a_map_without_a_known_pixel_has_no_value():
    depth, unknown = METRICS["depth"], DepthMap(np.full((2, 2), np.nan))
    assert depth.score(unknown, unknown, depth.options())["value"] is None


# ------------------------------------------------------------------------------------------------ the Python face


def test_depth_pose_and_answers_are_scored_from_memory(tmp_path):
    from voxcli import files

    guess, truth = PAIRS["depth"]
    files.write(tmp_path / "a.npz", guess)
    record = voxcli.score(guess, truth.depth, "depth", value="mse")
    assert record["value"] == pytest.approx(np.square(guess.depth - truth.depth).mean()) and record["params"]["value"] == "mse"
    assert voxcli.score(tmp_path / "a.npz", guess, "depth")["value"] == pytest.approx(0, abs=1e-6)
    half = np.zeros(guess.depth.shape, bool)
    half[:2] = True
    assert voxcli.score(guess, truth, "depth", mask=half)["params"]["pixels"] == half.sum()
    assert voxcli.score(np.eye(4), TURNED, "pose")["value"] == 180
    assert voxcli.score([0, 1, 2], np.array([0, 1, 0]), "iqtt")["value"] == pytest.approx(2 / 3)


def test_the_best_threshold_of_a_pair_is_that_of_the_command():
    record = voxcli.score(GRIDS[0], CELLS[0], "iou", best_threshold=True)
    assert record["value"] == max(record["parts"]["thresholds"].values()) == 1 and len(record["params"]["thresholds"]) == 50


def test_parts_are_scored_from_memory():
    cloud = PointCloud(np.eye(3), labels=np.array([0, 1, 1], np.uint8))
    assert voxcli.score(cloud, cloud, "iou", of="parts")["params"]["compared"] == "points"
    with pytest.raises(voxcli.VoxcliError):
        voxcli.score(cloud, cloud, "iou", of="parts", thresholds=(0.4,))
