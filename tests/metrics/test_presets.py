"""Every preset, its choices done by hand: numbers are written out here from the papers, not read from the table."""

import math

import numpy as np
import pytest
import torch
from references.shapes import box, sphere, torus
from references.slow_points import soft_matching_total
from refusals import refused
from scipy.interpolate import RegularGridInterpolator
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scoring import score, score_iou

from voxcli.errors import DataError, UsageError
from voxcli.files.completion import NYU_CLASSES
from voxcli.files.keyed import OCC3D_CLASSES
from voxcli.geometry.inside import points_inside
from voxcli.metrics.depth import depth_record
from voxcli.metrics.evaluate import sample
from voxcli.metrics.overlap import at_best_threshold
from voxcli.metrics.presets import PRESETS, merge, protocol, table
from voxcli.metrics.summaries import F_OF_MEANS, summarise_by
from voxcli.metrics.surfaces import SampledOptions
from voxcli.metrics.views import DepthOptions
from voxcli.scene import FruxelGrid, Labels, Mesh, PointCloud, VoxelGrid


def mesh(tensors, scale=1.0, shift=(0.0, 0.0, 0.0)):
    return Mesh(tensors[0].numpy() * scale + np.asarray(shift), tensors[1].numpy())


# Near one another, so that the trees of this file stay quick at 100,000 points.
PRED, GT = mesh(sphere(), 1.0, (0.05, 0, 0.1)), mesh(sphere(), np.array([1.1, 1.0, 0.9]), (0.04, 0.02, 0.1))


def points_of(number=None, draw="surface", pred=PRED, gt=GT):
    """The points that both shapes are judged by, as arrays: only the draw is ours, all the rest is done by hand below."""
    choices = SampledOptions(points=number, draw=draw)
    return tuple(sample(s, choices, which=w).points.numpy() for s, w in ((pred, "prediction"), (gt, "ground truth")))


def directed(a, b):
    return cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]


def unit_sphere(a, b):
    centre = b.mean(0)
    radius = np.sqrt(((b - centre) ** 2).sum(1)).max()
    return (a - centre) / radius, (b - centre) / radius


def unit_cube(a, b):
    centre, side = (b.min(0) + b.max(0)) / 2, (b.max(0) - b.min(0)).max()
    return (a - centre) / side, (b - centre) / side


def f(d, e, test):
    p, r = test(d).mean(), test(e).mean()
    return 2 * p * r / (p + r) if p + r else 0.0


def value(preset, metric, pred=PRED, gt=GT):
    (record,) = score([metric], pred, gt, preset=preset)
    assert record["params"]["preset"] == preset
    return record["value"]


def close(found, wanted):
    assert found == pytest.approx(wanted, abs=1e-6, rel=1e-6)


def test_uclid():
    d, e = directed(*unit_sphere(*points_of(2048)))
    close(value("uclid", "chamfer"), 1000 * ((d**2).mean() + (e**2).mean()))
    d, e = directed(*unit_sphere(*points_of(10_000)))
    close(value("uclid", "fscore"), 100 * f(d, e, lambda x: x**2 < 0.1**2))


def test_uclid_emd():
    c = cdist(*unit_sphere(*points_of(2048)))
    close(value("uclid", "emd"), 100 * c[linear_sum_assignment(c)].mean())


def test_uclid_shell():
    a, b = unit_sphere(*points_of(7000))
    cells = [{tuple(c) for c in np.floor((x + 1) / 2 * 50).astype(int) if (c >= 0).all() and (c < 50).all()} for x in (a, b)]
    record = score_iou(PRED, GT, preset="uclid")
    close(record["value"], 100 * len(cells[0] & cells[1]) / len(cells[0] | cells[1]))


def test_uclid_scores_random_points_for_an_empty_prediction():
    nothing = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    (record,) = score(["chamfer"], nothing, GT, preset="uclid")
    assert record["value"] > 10 and record["params"]["samples"] == [100, 2048]


@pytest.mark.parametrize(("preset", "times"), [("pix3d", 1), ("uclid-pix3d", 100)])
def test_pix3d_distances(preset, times):
    a, b = (unit_cube(p, p)[0] for p in points_of(1024))
    d, e = directed(a, b)
    close(value(preset, "chamfer"), times * (d.mean() + e.mean()))
    c = cdist(a, b)
    close(value(preset, "emd"), times * c[linear_sum_assignment(c)].mean())


def test_pix3d_iou():
    rng = np.random.default_rng(0)
    x = (np.indices((24, 24, 24)) + 0.5) / 24 - 0.5
    soft = np.clip(0.6 - 2 * np.sqrt((x**2).sum(0)) + 0.1 * rng.random((24, 24, 24)), 0, 1)
    hard = (np.abs(x[0]) < 0.3) & (np.abs(x[1]) < 0.2) & (np.abs(x[2]) < 0.4)

    def resampled(v):
        v = v.astype(float)
        i = np.argwhere(v >= 0.1)
        lo, hi = i.min(0), i.max(0)
        v = v[lo[0] : hi[0] + 1, lo[1] : hi[1] + 1, lo[2] : hi[2] + 1]
        half = (hi - lo).max() / 2
        axes = [np.linspace(k / 2 - half, k / 2 + half, 32) for k in hi - lo]
        read = RegularGridInterpolator([np.arange(n) for n in v.shape], v, bounds_error=False, fill_value=0)
        return read(np.stack(np.meshgrid(*axes, indexing="ij"), -1))

    a, b = resampled(soft), resampled(hard)
    at = np.arange(1, 51) / 100
    wanted = max(((a > t) & (b > t)).sum() / ((a > t) | (b > t)).sum() for t in at)
    record = score_iou(VoxelGrid(occupancy=soft), VoxelGrid(occupancy=hard), preset="pix3d")
    assert len(record["parts"]["thresholds"]) == 50
    assert at_best_threshold([record])[0]["value"] == pytest.approx(wanted, abs=2e-4)  # a cell at a threshold may fall either way


@pytest.mark.parametrize("preset", ["onet", "jof"])
def test_onet_chamfer(preset):
    d, e = directed(*unit_cube(*points_of(100_000)))
    (record,) = score(["chamfer"], PRED, GT, preset=preset)
    close(record["value"], 10 * 0.5 * (d.mean() + e.mean()))
    squares = [record["parts"][part] for part in ("accuracy_squared", "completeness_squared")]
    close(sum(squares) / 2, 0.5 * ((d**2).mean() + (e**2).mean()))


def test_onet_normals_and_iou():
    choices = SampledOptions(points=100_000)
    a, b = (sample(s, choices, which=w) for s, w in ((PRED, "prediction"), (GT, "ground truth")))
    x, y = unit_cube(a.points.numpy(), b.points.numpy())
    there, back = cKDTree(y).query(x)[1], cKDTree(x).query(y)[1]
    n, m = a.normals.numpy(), b.normals.numpy()
    wanted = (np.abs((n * m[there]).sum(1)).mean() + np.abs((m * n[back]).sum(1)).mean()) / 2
    close(value("onet", "normals"), wanted)
    every = np.concatenate([PRED.vertices, GT.vertices])
    low, high = every.min(0), every.max(0)
    draws = torch.rand(100_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()
    spots = torch.from_numpy((low + high) / 2 + (draws - 0.5) * 1.1 * (high - low))
    p, q = (points_inside(spots, torch.from_numpy(m.vertices), torch.from_numpy(m.faces)).numpy() for m in (PRED, GT))
    record = score_iou(PRED, GT, preset="onet")
    assert record["value"] == pytest.approx((p & q).sum() / (p | q).sum(), abs=1e-4)


def test_onet_charges_the_root_of_three_for_an_empty_mesh():
    close(value("onet", "chamfer", pred=Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))), 10 * 3**0.5)


def test_jof_fscore():
    d, e = directed(*unit_cube(*points_of(100_000)))
    close(value("jof", "fscore"), 100 * f(d, e, lambda x: x**2 <= 1e-4))


def test_pixel2mesh():
    near = mesh(torus(1.0, 0.6), 0.1), mesh(torus(1.0, 0.6), 0.1, (0.004, 0.01, 0.0))
    a, b = near[0].vertices, near[1].vertices
    d, e = directed(a, b)
    close(value("pixel2mesh", "chamfer", *near), 1000 * ((d**2).mean() + (e**2).mean()))
    (record,) = score(["fscore"], *near, preset="pixel2mesh")
    wanted = [100 * f(d, e, lambda x, t=t: x**2 <= t) for t in (1e-4, 2e-4)]
    assert list(record["parts"]["fscore"].values()) == pytest.approx(wanted, abs=1e-6)
    few = [PointCloud(m.vertices[::40]) for m in near]
    close(value("pixel2mesh", "emd", *few), 0.01 * soft_matching_total(few[0].points, few[1].points))


def test_disn():
    a, b = unit_sphere(*points_of(2048, "vertices-replaced"))
    d, e = directed(a, b)
    close(value("disn", "chamfer"), 1000 * ((d**2).mean() + (e**2).mean()))
    (record,) = score(["fscore"], PRED, GT, preset="disn")
    for percent, found in zip((0.5, 1, 2, 5, 10, 20), record["parts"]["fscore"].values(), strict=True):
        close(found, f(d, e, lambda x, t=percent / 100 * 2.5: x < t))
    (other,) = score(["fscore"], PRED, PRED, preset="disn")
    p, r = (np.mean([k["parts"][part]["<0.05"] for k in (record, other)]) for part in ("precision", "recall"))
    close(summarise_by(F_OF_MEANS, [record, other])["parts"]["f_of_means"]["<0.05"], 2 * p * r / (p + r))


def test_disn_soft_matching():
    (record,) = score(["emd"], PRED, GT, preset="disn")
    assert record["params"]["is_emd"] is False
    close(record["value"], 0.01 * record["parts"]["total"])
    close(record["value"], 20.48 * record["parts"]["mean"])


def test_meshrcnn():
    a, b = points_of(10_000)
    size = (b.max(0) - b.min(0)).max() / 10
    d, e = directed(a / size, b / size)
    close(value("meshrcnn", "chamfer"), (d**2).mean() + (e**2).mean())
    (record,) = score(["fscore"], PRED, GT, preset="meshrcnn")
    wanted = [100 * f(d, e, lambda x, t=t: x < t) for t in (0.1, 0.3, 0.5)]
    assert list(record["parts"]["fscore"].values()) == pytest.approx(wanted, abs=1e-6)


def test_tatarchenko():
    given = {"points": 5000}
    d, e = directed(*unit_cube(*points_of(5000)))
    (record,) = score(["fscore"], PRED, GT, given, preset="tatarchenko")
    found = record["parts"]["fscore"]
    for t in (1 / 200, 1 / 100, 1 / 50, 1 / 20, 1 / 10, 1 / 5):
        close(found[f"<{t:g}"], f(d, e, lambda x, t=t: x < t))
    close(record["value"], found["<0.01"])


@pytest.mark.parametrize(("points", "drawn"), [(10_000, 10_000), (None, 100_000)])
def test_two_samples_of_a_cube_get_what_their_density_gives(points, drawn):
    """Points at random, n on an area of 6: of a disc of radius 0.01 around another point, none lies in exp(-pi n 0.01^2 / 6) of all."""
    cube = mesh(box(), 3.0)
    (record,) = score(["fscore"], cube, cube, {} if points is None else {"points": points}, preset="tatarchenko")
    assert record["value"] == pytest.approx(1 - math.exp(-math.pi * drawn * 0.01**2 / 6), abs=0.01)


def test_pix2scene():
    a, b = PointCloud(PRED.vertices), PointCloud(GT.vertices)
    d, e = directed(a.points, b.points)
    (record,) = score(["hausdorff"], a, b, preset="pix2scene")
    close(record["value"], max(d.max(), e.max()))
    assert [record["parts"]["forward"], record["parts"]["reverse"]] == pytest.approx([d.max(), e.max()])
    assert protocol("pix2scene", "depth") == {"value": "mse", "kind": "ray"}
    close(depth_record(np.array([[1.0, 2, np.nan]]), np.array([[1.5, 2, 3]]), DepthOptions(value="mse", kind="ray"))["value"], 0.125)


@pytest.mark.parametrize(("preset", "at"), [("pix2vox", (0.4, 0.2, 0.3, 0.5)), ("r2n2", (0.4,))])
def test_voxel_presets(preset, at):
    rng = np.random.default_rng(0)
    p, g = (rng.integers(0, 11, (32, 32, 32)) / 10).astype(np.float32), rng.random((32, 32, 32)) < 0.4
    record = score_iou(VoxelGrid(occupancy=p), VoxelGrid(occupancy=g), preset=preset)
    wanted = [((p >= np.float32(t)) & g).sum() / ((p >= np.float32(t)) | g).sum() for t in at]
    assert list(record["parts"]["thresholds"].values()) == pytest.approx(wanted, abs=1e-6)
    close(record["value"], wanted[0])


def test_disn_iou_is_on_110_cells_a_side():
    record = score_iou(mesh(box()), mesh(box()), preset="disn")
    assert record["value"] == 1 and record["params"]["grid"] == [110, 110, 110]


def test_bae_net_parts():
    names = Labels(("air", "seat", "back", "arm"), 0, None)
    pred, gt = (PointCloud(np.eye(5, 3), labels=np.array(labels, np.uint8), classes=names) for labels in ([1, 1, 2, 2, 2], [1, 1, 1, 2, 2]))
    record = score_iou(pred, gt, preset="bae-net")
    close(record["value"], (2 / 3 + 2 / 3 + 1) / 3)  # no arm in either counts 1
    assert protocol("bae-net", "iou")["absent"] == 1.0 and protocol("jof", "iou") == protocol("bae-net", "iou")


def test_kitti_ssc():
    names = Labels(("unlabeled", *(f"class{k}" for k in range(1, 20))), empty=0, ignore=255)
    rng = np.random.default_rng(0)
    gt, pred = rng.integers(0, 20, (2, 8, 8, 8)).astype(np.uint8)
    gt[gt == 7] = pred[pred == 7] = 0  # class 7 is in neither, and counts 0
    gt[0, 0] = 255
    invalid = rng.random((8, 8, 8)) < 0.2
    kept = ~invalid & (gt != 255)
    p, g = pred[kept], gt[kept]
    each = [((p == k) & (g == k)).sum() / max(((p == k) | (g == k)).sum(), 1) for k in range(1, 20)]
    grids = [VoxelGrid(labels=v, classes=names) for v in (pred, gt)]
    record = score_iou(*grids, {"mask": ~invalid}, preset="kitti-ssc")
    close(record["value"], np.mean(each))
    close(record["parts"]["completion"], ((p > 0) & (g > 0)).sum() / ((p > 0) | (g > 0)).sum())


def test_the_presets_of_nyu_and_occ3d_pool_over_their_classes():
    names = NYU_CLASSES
    rng = np.random.default_rng(1)
    gt, pred = rng.integers(0, 12, (2, 6, 6, 6)).astype(np.uint8)
    gt[0], gt[gt == 4], pred[pred == 4] = 255, 0, 0
    p, g = pred[1:], gt[1:]
    each = [((p == k) & (g == k)).sum() / max(((p == k) | (g == k)).sum(), 1) for k in range(1, 12)]
    record = score_iou(*(VoxelGrid(labels=v, classes=names) for v in (pred, gt)), preset="nyu-ssc")
    close(record["value"], np.mean(each))
    hits = ((p > 0) & (g > 0)).sum()
    close(record["parts"]["completion_precision"], hits / (p > 0).sum())
    close(record["parts"]["completion_recall"], hits / (g > 0).sum())
    gt, pred = rng.integers(0, 18, (2, 6, 6, 6)).astype(np.uint8)
    gt[gt == 2] = pred[pred == 2] = 17
    seen = rng.random((6, 6, 6)) < 0.6
    p, g = pred[seen], gt[seen]
    each = [((p == k) & (g == k)).sum() / ((p == k) | (g == k)).sum() for k in range(17) if k != 2]  # 17 is free
    truth = VoxelGrid(labels=gt, classes=OCC3D_CLASSES, masks={"camera": seen})
    record = score_iou(VoxelGrid(labels=pred, classes=OCC3D_CLASSES), truth, preset="occ3d")
    close(record["value"], np.mean(each))
    assert record["params"]["own_mask"] == "camera"
    with refused(DataError, "camera"):
        score_iou(truth, VoxelGrid(labels=gt, classes=OCC3D_CLASSES), preset="occ3d")


def test_every_preset_is_tested_above_or_with_depth_and_stands_in_the_table():
    assert set(PRESETS) == {
        "pix2vox", "r2n2", "uclid", "uclid-pix3d", "pix3d", "onet", "jof", "pixel2mesh", "disn", "meshrcnn", "tatarchenko", "pix2scene",
        "bae-net", "kitti-ssc", "eigen", "kitti", "midas", "nyu-ssc", "occ3d",
    }  # fmt: skip
    assert {row["preset"] for row in table()} == set(PRESETS) and all(row["choices"] for row in table())


def test_a_choice_against_the_preset_is_an_error_and_a_repeated_one_is_not():
    with refused(UsageError, "squared", "'onet'", expected="squared no", actual="yes"):
        score(["chamfer"], PRED, GT, {"squared": True}, preset="onet")
    with refused(UsageError, "--threshold", expected="0.1", actual="0.1"):
        merge("meshrcnn", "fscore", {"thresholds": [0.1]})
    assert merge("meshrcnn", "fscore", {"thresholds": [0.1, 0.3, 0.5], "seed": 3, "points": None})["seed"] == 3
    with refused(UsageError, "'pixel2mash'", hint="'pixel2mesh'"):
        protocol("pixel2mash", "emd")
    with refused(UsageError, expected="one of iou", actual="chamfer"):
        protocol("pix2vox", "chamfer")
    with refused(UsageError, "'sqared'", hint="'squared'"):
        score(["chamfer"], PRED, GT, {"sqared": True})


def test_fruxels_are_no_trouble_for_distances():
    from voxcli.scene import Frustum

    labels = np.zeros((8, 8, 8), np.uint8)
    labels[3:5, 3:5, 3:5] = 2
    grid = FruxelGrid(labels, Frustum(8, 8, 8, 2.0, 4.0, 50.0))
    (record,) = score(["chamfer"], grid, grid, {"points": 500, "squared": False})
    assert 0 < record["value"] < 0.2
