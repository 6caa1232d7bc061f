"""`voxcli evaluate --retrieve`: the truth of the training object that looks most alike, as a row of any table of objects."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from evaluation_layouts import made
from layout_pieces import CHAIR, TABLE, plane, save, solid
from PIL import Image


@pytest.fixture(autouse=True)
def colours(monkeypatch):
    """Pictures are compared by their mean colours alone: the encoder has tests of its own."""
    monkeypatch.setattr("voxcli.evaluation.retrieval.load_encoder", lambda: lambda rgba: torch.from_numpy(rgba.mean((1, 2))))


@pytest.fixture
def shapenet(tmp_path):
    """Tests aa and bb, chairs, and cc and dd, tables. Training: red squares, of two cells, and blue bars, of one. aa is a red square, the
    others are blue bars; all truths have four cells."""
    root = made("pix2vox-shapenet", tmp_path)[0]
    looks = {(CHAIR, "red"): 2, (TABLE, "blue"): 1, (CHAIR, "aa"): 4, (CHAIR, "bb"): 4, (TABLE, "cc"): 4, (TABLE, "dd"): 4}
    for (synset, name), cells in looks.items():
        folder = root / "ShapeNetRendering" / synset / name / "rendering"
        folder.mkdir(parents=True, exist_ok=True)
        for view in range(2):
            rgba = np.zeros((137, 137, 4), np.uint8)
            square = name in ("red", "aa")
            rgba[(slice(40, 100) if square else slice(60, 75)), 20:110] = (200, 30, 30, 255) if square else (30, 40, 200, 255)
            Image.fromarray(rgba).save(folder / f"{view:02d}.png")
        (folder / "rendering_metadata.txt").write_text("0 30 0 0.8 25\n" * 2)
        if name in ("red", "blue"):
            save(root / "ShapeNetVox32" / synset / name / "model.binvox", solid(cells))
            save(root / "ShapeNetCore.v1" / synset / name / "model.obj", plane(0.1 * cells))
    listed = json.loads((root / "ShapeNet.json").read_text())
    for entry, name in zip(listed, ("red", "blue"), strict=True):
        entry["train"] = [name]
    (root / "ShapeNet.json").write_text(json.dumps(listed))
    return root


def cells(path, table):
    rows = csv.DictReader(io.StringIO(path.read_text()))
    return {row["column"]: float(row["value"]) for row in rows if (row["table"], row["method"]) == (table, "retrieval") and row["value"]}


def test_the_volume_of_the_object_that_looks_most_alike_is_scored(voxcli, shapenet, tmp_path):
    line = ("evaluate", "pix2vox-shapenet", "--data", "data", "-o", "results", "--retrieve", "data", "--pictures", "1")
    assert voxcli(*line)[0] == 0
    # aa gets the two cells of the red square, the others the one cell of the blue bar, of four.
    found = cells(tmp_path / "results/table.csv", "Table 1: IoU by category")
    assert found == pytest.approx({"chair": (0.5 + 0.25) / 2, "table": 0.25, "mean": (0.5 + 3 * 0.25) / 4})
    lines = [json.loads(line) for line in (tmp_path / "results/retrieval/samples.jsonl").read_text().splitlines()]
    first = lines[0]["records"]["iou"]
    assert [each["records"]["iou"]["params"]["retrieved"] for each in lines] == [f"{CHAIR}/red", *[f"{TABLE}/blue"] * 3]
    assert f"data/ShapeNetVox32/{CHAIR}/red/model.binvox" in first["meta"]["inputs"]
    before = (tmp_path / "results/retrieval/samples.jsonl").read_bytes()
    assert voxcli(*line)[0] == 0 and (tmp_path / "results/retrieval/samples.jsonl").read_bytes() == before


def test_a_measure_of_meshes_compares_with_the_mesh_of_the_same_object(voxcli, shapenet, tmp_path):
    line = ("evaluate", "jof-shapenet", "--data", "data", "-o", "results", "--retrieve", "data", "--pictures", "0", "--limit", "1")
    assert voxcli(*line)[0] == 0
    # The red square's mesh lies 0.2 above that of aa in a unit cube.
    assert cells(tmp_path / "results/table.csv", "Tables 2 and 5: Chamfer-L1")["chair"] == pytest.approx(2.0, abs=0.01)


def test_what_cannot_be_retrieved_is_refused(refused, tmp_path):
    (tmp_path / "data").mkdir()
    call = ("-o", "results", "--data", "data", "--retrieve", "data")
    refused("evaluate", "ssz-synthetic", *call, named=("street", "--retrieve"))
    refused("evaluate", "pix2vox-shapenet", "-m", "pix2vox-f", *call, named="--retrieve takes the place")
    refused("evaluate", "pix2vox-shapenet", *call, named=("--retrieve data", "ShapeNet.json"))
