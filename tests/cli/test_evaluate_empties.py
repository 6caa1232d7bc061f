"""`voxcli evaluate` scores samples of which nothing was predicted: F-score and IoU are 0, a distance is undefined and counted as such."""

import csv
import json

import numpy as np
import pytest
import torch
from evaluation_layouts import made
from layout_pieces import TABLE, save
from small_networks import SMALL

from voxcli.models.weights import save_weights
from voxcli.scene import VoxelGrid

CLOUD = b"ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
MESH = CLOUD.replace(b"end_header", b"element face 0\nproperty list uchar int vertex_indices\nend_header")
FEW = ("--set=protocol.measures.emd.preset=null", "--set=protocol.measures.emd.options={points: 16, normalise: own-cube, scale: 100}")
"""Every way has one length, so that few points have the EMD of many."""


def numbers(folder, method="mine"):
    """(value, samples, undefined) by table and column, of table.csv."""
    rows = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    assert all(row["undefined"] == "" for row in rows if row["published"] == "yes")
    own = [row for row in rows if row["method"] == method]
    return {(row["table"], row["column"]): (float(row["value"] or "nan"), int(row["samples"]), int(row["undefined"])) for row in own}


def evaluated(voxcli, protocol, *more, method="mine"):
    """What is printed, what is said, and the numbers."""
    code, text, errors = voxcli("evaluate", protocol, "--data", "data", "-o", "results", "--pictures", "1", "--method", method, *more)
    assert code == 0, errors
    return text, errors


@pytest.mark.parametrize("empty", ["cloud", "mesh", "points", "voxels"])
def test_the_distance_of_an_empty_file_is_undefined_and_counted(voxcli, tmp_path, empty):
    _, predictions, cells = made("uclid-pix3d", tmp_path)
    path = predictions / "chair/0003"
    if empty == "voxels":
        save(path.with_suffix(".binvox"), VoxelGrid(occupancy=np.zeros((4, 4, 4), bool)))
    else:
        content = {"cloud": CLOUD, "mesh": MESH, "points": b"# x y z\n"}[empty]
        path.with_suffix(".xyz" if empty == "points" else ".ply").write_bytes(content)
    text, errors = evaluated(voxcli, "uclid-pix3d", "--predictions", "mine", "--format", "table", *FEW)
    assert "3 samples of mine scored, 0 without a prediction, 1 undefined." in errors
    ((title, expected),) = cells.items()
    found = numbers(tmp_path / "results")
    for column, value in expected.items():
        assert found[title, column] == (pytest.approx(value, rel=1e-3), 3, 1)
    line = next(line for line in (tmp_path / "results/table.md").read_text().splitlines() if line.startswith("| mine |"))
    assert line.endswith("| 3 | 0 | 0 | 1 |")
    note = "mine: 1 undefined (CD-L1 1, EMD 1), as the distance of an empty prediction is; in no mean"
    for said in (text, *((tmp_path / "results" / name).read_text() for name in ("table.md", "table.tex"))):
        assert note in said
    summaries = [json.loads(line) for line in (tmp_path / "results/mine/summary.jsonl").read_text().splitlines()]
    assert [each["parts"]["undefined"] for each in summaries] == [1, 1]
    assert json.loads(voxcli("info", "results/mine", "--format", "json")[1])["undefined"] == 1


def test_an_f_score_of_nothing_is_0_where_the_distance_is_undefined(voxcli, tmp_path):
    _, predictions, cells = made("meshrcnn", tmp_path)
    (predictions / TABLE / "dd.ply").write_bytes(CLOUD)
    evaluated(voxcli, "meshrcnn", "--predictions", "mine")
    found = numbers(tmp_path / "results")
    chamfer, near = cells["Chamfer by category"], {"chair": (50.0, 2, 0), "table": (0.0, 2, 0), "mean": (25.0, 4, 0)}
    for column, samples, undefined in (("chair", 2, 0), ("table", 2, 1), ("mean", 4, 1)):
        assert found["Chamfer by category", column] == (pytest.approx(chamfer[column], rel=5e-3), samples, undefined)
        assert found["F1@0.1 by category", column] == pytest.approx(near[column], rel=1e-3)
    assert found["All categories", "F1@0.1"] == (pytest.approx(25.0, rel=1e-3), 4, 0)
    assert found["All categories", "Normal"][1:] == (4, 1)
    assert "mine: 1 undefined (table 1)" in (tmp_path / "results/table.md").read_text()


def test_the_iou_of_an_empty_cloud_is_0(voxcli, tmp_path):
    _, predictions, _ = made("pix2vox-shapenet", tmp_path)
    (predictions / TABLE / "dd.ply").write_bytes(CLOUD)
    _, errors = evaluated(voxcli, "pix2vox-shapenet", "--predictions", "mine")
    assert "4 samples of mine scored, 0 without a prediction." in errors
    found = {column: number for (_, column), number in numbers(tmp_path / "results").items()}
    assert found["table"] == (0.125, 2, 0) and found["mean"] == ((0.5 + 1 + 0.25 + 0) / 4, 4, 0)


def test_a_model_that_predicts_nothing_is_scored(voxcli, tmp_path):
    made("uclid-pix3d", tmp_path)
    weights = SMALL["uclid"].weights("uclid")
    weights.tensors["reconstruction.occ.bias"] = torch.full((1,), -100.0)
    save_weights(tmp_path / "none.safetensors", weights, half=False)
    _, errors = evaluated(voxcli, "uclid-pix3d", "--weights", "none.safetensors", *FEW, method="none")
    assert "3 samples of none scored, 0 without a prediction, 3 undefined." in errors
    found = numbers(tmp_path / "results", "none")
    assert [each[1:] for each in found.values()] == [(3, 3)] * 2 and all(np.isnan(each[0]) for each in found.values())


def test_an_empty_truth_is_still_an_error(voxcli, tmp_path):
    root, _, _ = made("meshrcnn", tmp_path)
    for path in root.rglob("model.obj"):
        path.with_suffix(".ply").write_bytes(CLOUD)
        path.unlink()
    code, _, errors = voxcli("evaluate", "meshrcnn", "--data", "data", "--predictions", "mine", "-o", "results",
                             "--set", 'protocol.read.truth="{category}/{id}/model.ply"')  # fmt: skip
    assert code == 2 and "model.ply holds no points" in errors
