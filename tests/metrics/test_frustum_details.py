"""Scores of fruxels by volume, by depth, and of what is seen: by a loop over cells, and by volumes that add up to a pyramid's."""

import itertools

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import UsageError
from voxcli.metrics.frustum_details import fruxel_volumes
from voxcli.metrics.grids import grid_iou
from voxcli.metrics.volumes import IoUOptions
from voxcli.scene import Frustum, FruxelGrid, Labels, VoxelGrid

NAMES = Labels(("air", "car", "tree"))
FRUSTUM = Frustum(width=4, height=3, depth=8, z_near=2.0, z_far=10.0, fov_x_deg=60.0)


def scene(seed):
    """Labels of which three in ten are solid, and some ignored."""
    return np.random.default_rng(seed).choice(np.array([0, 1, 2, 255], np.uint8), FRUSTUM.shape, p=[0.65, 0.15, 0.15, 0.05])


def scored(**options):
    guess, truth = (FruxelGrid(scene(seed), FRUSTUM, classes=NAMES) for seed in (1, 2))
    return guess.labels, truth.labels, grid_iou(guess, truth, IoUOptions(detail=True, **options))


def by_loops(guess, truth, counts):
    """{mean, completion, precision, recall}, each cell counting as often as `counts` says of (d, h, w)."""
    hit, either = np.zeros(3), np.zeros(3)
    both = predicted = true = 0.0
    for cell in itertools.product(*map(range, truth.shape)):
        weight = counts(*cell)
        p, t = int(guess[cell]), int(truth[cell])
        if t == 255 or not weight:
            continue
        for k in (1, 2):
            hit[k] += weight * (p == k == t)
            either[k] += weight * (k in (p, t))
        both += weight * (p in (1, 2) and t != 0)
        predicted, true = predicted + weight * (p in (1, 2)), true + weight * (t != 0)
    ious = [hit[k] / either[k] for k in (1, 2) if either[k]]
    return {"mean": np.mean(ious), "completion": both / (predicted + true - both), "precision": both / predicted, "recall": both / true}


def test_every_part_is_what_a_loop_over_the_cells_says():
    guess, truth, record = scored(ranges=(5.0, 7.5))
    parts = record["parts"]
    edges, f = np.linspace(2, 10, 9), 2 / np.tan(np.radians(30))
    assert parts["by_volume"] == pytest.approx(by_loops(guess, truth, lambda d, h, w: (edges[d + 1] ** 3 - edges[d] ** 3) / 3 / f**2))
    first = [[next((d for d in range(8) if truth[d, h, w] in (1, 2)), 8) for w in range(4)] for h in range(3)]
    assert parts["visible"] == pytest.approx(by_loops(guess, truth, lambda d, h, w: d <= first[h][w]))
    assert parts["hidden"] == pytest.approx(by_loops(guess, truth, lambda d, h, w: d > first[h][w]))
    assert list(parts["by_depth"]) == ["2..5", "5..7.5", "7.5..10"]
    for name, slices in (("2..5", range(3)), ("5..7.5", range(3, 5)), ("7.5..10", range(5, 8))):
        assert parts["by_depth"][name] == pytest.approx(by_loops(guess, truth, lambda d, h, w, of=slices: d in of))
    plain = by_loops(guess, truth, lambda *_: 1)
    assert (record["value"], parts["completion"]) == pytest.approx((plain["mean"], plain["completion"]))
    assert (parts["completion_precision"], parts["completion_recall"]) == pytest.approx((plain["precision"], plain["recall"]))


def test_volumes_of_fruxels_add_up_to_the_frustum():
    base = (2 * np.tan(np.radians(30))) ** 2 * 3 / 4  # area of the picture at z = 1
    assert fruxel_volumes(FRUSTUM).sum() * 12 == pytest.approx(base * (10**3 - 2**3) / 3)


def test_cells_that_are_masked_do_not_count_in_any_part():
    mask = np.zeros(FRUSTUM.shape, bool)
    mask[:3] = True
    _, _, record = scored(mask=mask, ranges=(5.0,))
    assert record["parts"]["by_depth"]["2..5"]["mean"] == pytest.approx(record["value"])
    assert record["parts"]["by_depth"]["5..10"]["precision"] is None


def test_details_are_refused_where_they_mean_nothing():
    voxels = VoxelGrid(labels=np.zeros((2, 2, 2), np.uint8), classes=NAMES)
    with refused(UsageError, "--detail"):
        grid_iou(voxels, voxels, IoUOptions(detail=True))
    with refused(UsageError, "--range"):
        grid_iou(voxels, voxels, IoUOptions(ranges=(3.0,)))
    with refused(UsageError, "within the frustum", actual="12"):
        scored(ranges=(12.0,))
