"""Every protocol on a tiny data set in its real layout: planted predictions score what geometry says, missing ones are counted, a network
with random weights runs to the end, and another folder is refused with the tree that is expected."""

import csv
import io
import json

import numpy as np
import pytest
from evaluation_layouts import LAYOUTS, ONE_CATEGORY, PAIRS, made
from PIL import Image
from small_networks import SMALL

from voxcli.evaluation.pictures import SIDE, strip
from voxcli.evaluation.protocol import names, read_protocol
from voxcli.evaluation.samples import ScoredSample
from voxcli.metrics.iqtt import Answers
from voxcli.models.weights import save_weights

OWN_TREES = {
    "onet": "ROOT/CATEGORY/ID/pointcloud.npz and ROOT/CATEGORY/ID/points.npz",
    "nyu": "ROOT/NYUtest/NYU0001_0000.bin",
    "nuscenes-occ3d": "ROOT/gts/SCENE/TOKEN/labels.npz; ROOT/annotations.json",
}
SCENES = ("semantic-kitti", "nuscenes-occ3d")
"""Their samples lie in sequences, which are no categories."""
EXACT = 1e-4
LOOSE = {
    "pix2vox-pix3d": 0.04,
    "disn": 0.01,
    "meshrcnn": 1e-3,
    "jof-shapenet": 1e-3,
    "jof-unseen": 1e-3,
    "jof-pix3d": 1e-3,
    "jof-pascal3d": 1e-3,
    "onet": 5e-3,
    "uclid-pix3d": 1e-3,
}
"""Error: of numbers that are means over points at random places, and of edges of Pix3D's that are interpolated over a cell."""


def cells(folder):
    """(table, method, column) -> number, of table.csv."""
    rows = csv.DictReader(io.StringIO((folder / "table.csv").read_text()))
    return {(row["table"], row["method"], row["column"]): row for row in rows}


def test_every_protocol_has_a_data_set_here():
    assert sorted([*LAYOUTS, "pix2vox-time"]) == names()  # the last needs none


@pytest.mark.parametrize("name", LAYOUTS)
def test_planted_predictions_score_what_geometry_says(voxcli, tmp_path, name):
    root, predictions, expected = made(name, tmp_path)
    pair = ("--pair", PAIRS[name]) if name in PAIRS else ()
    code, _, errors = voxcli("evaluate", name, "--data", str(root), "--predictions", str(predictions), "-o", "results", "--pictures", "0",
                             *pair)  # fmt: skip
    assert code == 0, errors
    found, of_categories = cells(tmp_path / "results"), categories(tmp_path / "results")
    tolerance = {"rel": LOOSE.get(name, EXACT), "abs": 1e-6 + LOOSE.get(name, 0)}
    for table, row in expected.items():
        for column, value in row.items():
            if isinstance(value, dict):
                measure = next(each for each in read_protocol(name).tables if each.title == table).columns[column].measure
                values = {key: each for key, each in value.items() if key != "mean"}
                assert of_categories[measure] == pytest.approx(values, **tolerance), (table, column)
                value = value["mean"]
            assert float(found[table, "mine", column]["value"]) == pytest.approx(value, **tolerance), (table, column)
    lines = [json.loads(line) for line in (tmp_path / "results/mine/samples.jsonl").read_text().splitlines()]
    check_complete(name, expected, found, {line["category"] for line in lines})
    absent = sum(not line["records"] for line in lines)
    first = next(iter(expected))
    missing = [int(row["missing"]) for (table, method, _), row in found.items() if (table, method) == (first, "mine")]
    assert (sum if read_protocol(name).variants else max)(missing) == absent
    assert absent >= len(read_protocol(name).all_variants) and f"{absent} of {len(lines)} samples have no prediction" in errors


def categories(folder):
    """measure -> category -> value, of summary.jsonl."""
    rows = map(json.loads, (folder / "mine/summary.jsonl").read_text().splitlines())
    return {row["measure"]: {key: each["value"] for key, each in row["parts"].get("categories", {}).items()} for row in rows}


def check_complete(name, expected, found, of_data):
    """Every column of every table has a value by hand; categories and classes two at least, and their mean. What a table over columns
    does not show of the categories of its data is in the summary."""
    for table in read_protocol(name).tables:
        planted = expected[table.title]
        if table.over == "columns":
            assert planted.keys() == table.columns.keys()
            assert len(of_data) > 1 or name in ONE_CATEGORY or of_data == {""} or name in SCENES
            several = [planted[key] for key, column in table.columns.items() if not column.part and len(of_data) > 1]
            assert all(isinstance(each, dict) and {"mean"} < each.keys() and len(each) > 2 for each in several)
        elif table.over == "variants":
            assert planted.keys() == read_protocol(name).variants.keys()
        else:
            assert "mean" in planted and len(planted) > 2
            shown = {column for title, method, column in found if (title, method) == (table.title, "mine")}
            assert planted.keys() <= shown


def test_one_file_answers_all_questions(voxcli, tmp_path):
    root, predictions, _ = made("iqtt", tmp_path)
    for path in predictions.iterdir():
        path.unlink()
    (predictions / "answers.txt").write_text("0\n1\n0\n1\n")  # the right ones are 0, 1, 2, 1
    assert voxcli("evaluate", "iqtt", "--data", str(root), "--predictions", str(predictions), "-o", "results", "--pictures", "0")[0] == 0
    row = cells(tmp_path / "results")["Table 3: accuracy", "mine", "accuracy"]
    assert (float(row["value"]), row["samples"], row["missing"]) == (0.75, "4", "0")


def test_parts_are_named_by_all_samples_again_when_one_comes_later(voxcli, tmp_path):
    root, predictions, expected = made("jof-parts", tmp_path)
    later = predictions / "03001627/bb.npz"
    later.rename(tmp_path / "bb.npz")
    call = ("evaluate", "jof-parts", "--data", str(root), "--predictions", str(predictions), "-o", "results", "--pictures", "0")
    title, row = next(iter(expected.items()))
    for change, chairs in ((None, 1.0), ((tmp_path / "bb.npz").rename, row["chair"])):
        if change:
            change(later)
        assert voxcli(*call)[0] == 0
        assert float(cells(tmp_path / "results")[title, "mine", "chair"]["value"]) == pytest.approx(chairs)
    before = (tmp_path / "results/mine/samples.jsonl").read_bytes()
    assert voxcli(*call)[0] == 0 and (tmp_path / "results/mine/samples.jsonl").read_bytes() == before
    record = next(line for line in map(json.loads, before.splitlines()) if line["category"] == "chair")["records"]["parts"]
    assert record["params"]["matched"] == {"a": "seat", "b": "leg", "c": "seat", "d": "seat"}


def _runs(name):
    """Those that run a network several times on the same data are slow, and add little."""
    return pytest.param(name, marks=[pytest.mark.slow] if name.endswith(("-views", "-ablation")) else [])


@pytest.mark.parametrize("name", [_runs(name) for name in LAYOUTS if read_protocol(name).model])
def test_a_network_with_random_weights_runs_to_the_end(voxcli, tmp_path, name):
    root, _, expected = made(name, tmp_path)
    model = read_protocol(name).model
    weights = SMALL[model].weights(model)
    weights.facts.update({"label_names": ["air", "wall", "chair"]} if name in ("ssz-scannet", "nyu") else {})
    save_weights(tmp_path / "random.safetensors", weights, half=False)
    code, _, errors = voxcli("evaluate", name, "--data", str(root), "--weights", "random.safetensors", "-o", "results", "--pictures", "1",
                             "--limit", "1", "--dtype", "float32", "--keep-going")  # fmt: skip
    assert code == 0, errors
    found = cells(tmp_path / "results")
    assert any(method == "random" for _, method, _ in found)
    lines = (tmp_path / "results/random/samples.jsonl").read_text().splitlines()
    assert len(lines) == len(read_protocol(name).all_variants)
    assert (tmp_path / "results/random/sheet.png").is_file()


@pytest.mark.parametrize(("name", "tiles"), [("iqtt", 6), ("pix2scene-rooms", 6)])
def test_the_sheet_shows_what_the_paper_s_figures_show(voxcli, tmp_path, name, tiles):
    """A question, its reference made again and its depth (Figures 10, 11); a room, as it is drawn, normals and depths (Figure 4)."""
    root = made(name, tmp_path)[0]
    model = read_protocol(name).model
    save_weights(tmp_path / "random.safetensors", SMALL[model].weights(model), half=False)
    assert voxcli("evaluate", name, "--data", str(root), "--weights", "random.safetensors", "-o", "results", "--limit", "2")[0] == 0
    sheet = np.asarray(Image.open(tmp_path / "results/random/sheet.png"))
    assert sheet.shape == (2 * SIDE, tiles * SIDE, 3)
    assert all((sheet[:SIDE, k * SIDE : (k + 1) * SIDE] != 255).any() for k in range(tiles))


def test_the_right_choice_has_a_green_frame_and_a_wrong_answer_a_red_one():
    more = tuple(np.zeros((4, 16, 16, 3), np.uint8))
    pairs = [(Answers(np.array([answer])), Answers(np.array([right]))) for answer, right in ((0, 0), (0, 2))]
    strips = [strip(ScoredSample({}, *pair, None, more)) for pair in pairs]
    corners = [[tuple(row[0, k * SIDE].tolist()) for k in range(4)] for row in strips]
    green, red, none = (84, 162, 75), (228, 87, 86), (255, 255, 255)
    assert corners == [[none, green, none, none], [none, red, none, green]]


@pytest.mark.parametrize("name", LAYOUTS)
def test_another_folder_is_refused_with_the_expected_tree(refused, tmp_path, name):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("nothing")
    (tmp_path / "mine").mkdir()
    said = refused("evaluate", name, "--data", "other", "--predictions", "mine", "-o", "results", named=("other", "expected ROOT"))
    assert OWN_TREES.get(name, "ROOT") in said


def test_two_meshes_of_an_object_are_one_error_and_materials_beside_a_mesh_none(refused, voxcli, tmp_path):
    """ShapeNetCore's objects are model.obj and model.mtl."""
    made("meshrcnn", tmp_path)
    models = sorted((tmp_path / "data").glob("*/*/model.obj"))
    other = models[0].with_name("other.obj")
    other.write_bytes(models[0].read_bytes())
    said = refused("evaluate", "meshrcnn", "--data", "data", "--predictions", "mine", "-o", "results", named="Two truths")
    assert "'protocol.read.truth=\"{category}/{id}/model.obj\"'" in said
    other.unlink()
    for path in models:
        path.with_suffix(".mtl").write_text("newmtl paint")
    assert voxcli("evaluate", "meshrcnn", "--data", "data", "--predictions", "mine", "-o", "results", "--pictures", 0)[0] == 0
