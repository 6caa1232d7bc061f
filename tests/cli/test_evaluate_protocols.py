"""Every protocol on a tiny data set in its real layout. What is shown of each, and where:

planted predictions score what geometry says, in every column of every table (`check_complete`): test_planted_predictions
missing ones are counted, of each category and of all: the same
a network with random weights runs to the end: test_a_network_with_random_weights, test_what_a_network_with_random_weights_predicts
another folder is refused with the tree that is expected: test_another_folder
a user's protocol is one YAML: test_a_protocol_is_one_yaml, and test_a_new_protocol_is_one_yaml of test_evaluate_command.py

pix2vox-time has no data: test_evaluate_costs.py. Real samples: test_evaluate_real_samples.py.
"""

import csv
import io
import json
import re

import numpy as np
import pytest
import yaml
from evaluation_layouts import LAYOUTS, ONE_CATEGORY, PAIRS, made
from layout_pieces import CHAIR, TABLE, picture, save
from layout_pieces import box as cube
from PIL import Image
from small_networks import SMALL

from voxcli.evaluation.pictures import SIDE, strip
from voxcli.evaluation.protocol import names, read_protocol
from voxcli.evaluation.samples import ScoredSample
from voxcli.metrics.iqtt import Answers
from voxcli.models.weights import save_weights
from voxcli.scene import Labels, PointCloud

TREES = {
    "r2n2": "ROOT/ShapeNetRendering/SYNSET/ID/rendering/00.png",
    "disn": "ROOT/renderings_rgb/ShapeNet/SYNSET/ID/easy/00.png",
    "pix3d": "ROOT/pix3d.json",
    "pascal3d": "ROOT/Annotations/CLASS_imagenet/NAME.mat",
    "street": "ROOT/images/NAME.png and ROOT/fruxels/NAME.npz",
    "rooms": "ROOT/images/NAME.png, ROOT/facts",
    "questions": "ROOT/3diqtt-v2-val.h5",
    "scannet": "ROOT/scans/SCENE/SCENE.sens",
    "parts": "ROOT/SYNSET/points/ID.pts",
    "unseen": "ROOT/CATEGORY/ID/*.obj",
    "shapes": "ROOT/CATEGORY/ID/",
    "semantic-kitti": "ROOT/sequences/08/voxels/000000.label",
}
"""What a wrong root is told, by reader, and by protocol where it states its own tree."""
OWN_TREES = {
    "onet": "ROOT/CATEGORY/ID/pointcloud.npz and ROOT/CATEGORY/ID/points.npz",
    "nyu": "ROOT/NYUtest/NYU0001_0000.bin",
    "nuscenes-occ3d": "ROOT/gts/SCENE/TOKEN/labels.npz; ROOT/annotations.json",
}
SCENES = ("semantic-kitti", "nuscenes-occ3d")
"""Their samples lie in sequences, which are no categories."""
EXACT = 1e-4
LOOSE = {
    "disn": 0.01,
    "meshrcnn": 1e-3,
    "jof-shapenet": 1e-3,
    "jof-unseen": 1e-3,
    "jof-pix3d": 1e-3,
    "jof-pascal3d": 1e-3,
    "onet": 5e-3,
    "uclid-pix3d": 1e-3,
}
"""Error of numbers that are means over points at random places."""


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
                values = {key: each for key, each in value.items() if key != "mean"}
                assert of_categories[behind(name, table, column)] == pytest.approx(values, **tolerance), (table, column)
                value = value["mean"]
            assert float(found[table, "mine", column]["value"]) == pytest.approx(value, **tolerance), (table, column)
    lines = [json.loads(line) for line in (tmp_path / "results/mine/samples.jsonl").read_text().splitlines()]
    check_complete(name, expected, found, {line["category"] for line in lines})
    absent = sum(not line["records"] for line in lines)
    first = next(iter(expected))
    missing = [int(row["missing"]) for (table, method, _), row in found.items() if (table, method) == (first, "mine")]
    assert (sum if read_protocol(name).variants else max)(missing) == absent
    assert absent >= len(read_protocol(name).all_variants) and f"{absent} of {len(lines)} samples have no prediction" in errors

    for title in (table.title for table in read_protocol(name).tables if table.over == "categories"):
        for category in expected[title].keys() - {"mean"}:
            of_category = [bool(line["records"]) for line in lines if line["category"] == category]
            row = found[title, "mine", category]
            assert (int(row["samples"]), int(row["missing"])) == (sum(of_category), len(of_category) - sum(of_category))


def categories(folder):
    """(variant, measure) -> category -> value, of summary.jsonl."""
    rows = map(json.loads, (folder / "mine/summary.jsonl").read_text().splitlines())
    return {
        (row["variant"], row["measure"]): {key: each["value"] for key, each in row["parts"].get("categories", {}).items()} for row in rows
    }


def behind(name, title, column):
    """The variant and the measure of a column."""
    table = next(each for each in read_protocol(name).tables if each.title == title)
    return ("", table.columns[column].measure) if table.over == "columns" else (column, table.column.measure)


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
            several = [each if isinstance(each, dict) else {"mean": each} for each in planted.values()]
            assert len(of_data) == 1 or all({"mean"} < each.keys() and len(each) > 2 for each in several)
            values = [[each[key] for each in several] for key in several[0]]
            assert all(len(set(each)) == len(each) for each in values)  # or mixed-up variants would pass
        else:
            assert "mean" in planted and len(planted) > 2
            shown = {column for title, method, column in found if (title, method) == (table.title, "mine")}
            assert planted.keys() <= shown


def test_a_further_threshold_is_a_column(voxcli, tmp_path):
    root, predictions, _ = made("tatarchenko", tmp_path)
    table = "{title: Near, over: categories, column: {measure: fscore, part: 'mean_parts.fscore.<0.05'}}"
    code, _, errors = voxcli("evaluate", "tatarchenko", "--data", str(root), "--predictions", str(predictions), "-o", "results",
                             "--pictures", "0", "--set", f"protocol.tables=[{table}]")  # fmt: skip
    assert code == 0, errors
    found = {column: float(row["value"]) for (_, method, column), row in cells(tmp_path / "results").items() if method == "mine"}
    assert found == pytest.approx({"chair": 1.0, "table": 0.75, "mean": 2.75 / 3})


def test_a_cloud_has_distances_and_no_iou_of_solids(voxcli, tmp_path):
    truth = cube((-1, -1, -1), (1, 1, 1))
    save(tmp_path / "data" / CHAIR / "aa/isosurf.obj", truth)
    save(tmp_path / "mine" / CHAIR / "aa.ply", PointCloud(truth.vertices))
    tables = [f"{{title: {each}, over: categories, column: {{measure: {each}}}}}" for each in ("chamfer", "iou")]
    code, _, errors = voxcli("evaluate", "disn", "--data", "data", "--predictions", "mine", "-o", "results", "--pictures", "0",
                             "--set", "protocol.measures.emd=null", "--set", f"protocol.tables=[{', '.join(tables)}]")  # fmt: skip
    assert code == 0, errors
    row = {table: row["value"] for (table, _, column), row in cells(tmp_path / "results").items() if column == "chair"}
    assert (float(row["chamfer"]), row.get("iou", "")) == (0.0, "")


@pytest.mark.parametrize("name", ONE_CATEGORY)
def test_a_protocol_of_one_category_takes_all_others(voxcli, tmp_path, name):
    root, predictions, _ = made(name, tmp_path)
    pair = ("--pair", PAIRS[name]) if name in PAIRS else ()
    tables = "protocol.tables=[{title: All, over: categories, column: {measure: chamfer}}]"
    no_emd = ("--set", "protocol.measures.emd=null", "--set", tables) if "emd" in read_protocol(name).measures else ()
    code, _, errors = voxcli("evaluate", name, "--data", str(root), "--predictions", str(predictions), "-o", "results", "--pictures", "0",
                             "--set", "protocol.read.categories=null", *pair, *no_emd)  # fmt: skip
    assert code == 0, errors
    found = categories(tmp_path / "results")
    assert found.keys() == ONE_CATEGORY[name].keys()
    for key, values in ONE_CATEGORY[name].items():
        assert found[key] == pytest.approx(values, rel=LOOSE.get(name, 1e-3))


@pytest.mark.parametrize("name", names())
def test_a_protocol_is_one_yaml_that_a_user_can_write(voxcli, tmp_path, name):
    code, text, _ = voxcli("evaluate", name, "--print-config")
    assert code == 0
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(yaml.safe_load(text)["protocol"]))
    assert read_protocol(str(tmp_path / "mine.yaml")) == read_protocol(name)


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


def test_parts_of_chairs_and_tables_are_named_together_with_the_settings_of_the_note(voxcli, tmp_path):
    """Branch a is mostly seats and tops, b legs; nobody predicts a back. Parts in neither count as 1."""
    root, predictions, _ = made("jof-parts", tmp_path)
    points, labels = np.random.default_rng(9).random((10, 3)).round(3), np.array([1] * 8 + [2] * 2, np.uint8)
    for folder in ("points", "points_label"):
        (root / TABLE / folder).mkdir(parents=True)
    np.savetxt(root / TABLE / "points/tt.pts", points, fmt="%.3f")
    np.savetxt(root / TABLE / "points_label/tt.seg", labels, fmt="%d")
    listed = root / "train_test_split/shuffled_test_file_list.json"
    listed.write_text(json.dumps([*json.loads(listed.read_text()), f"shape_data/{TABLE}/tt"]))
    save(predictions / TABLE / "tt.npz", PointCloud(points, labels=labels, classes=Labels(("air", "a", "b", "c", "d"), 0, None)))
    settings = re.findall(r"--set (\S*[^\s.])", read_protocol("jof-parts").note.split("chair+table is of")[1].split("A part that")[0])
    assert len(settings) == 5
    code, _, errors = voxcli("evaluate", "jof-parts", "--data", str(root), "--predictions", str(predictions), "-o", "results", "--pictures",
                             "0", *(f"--set={each.strip(chr(39))}" for each in settings))  # fmt: skip
    assert code == 0, errors
    row = cells(tmp_path / "results")["Table 4: IoU of parts", "mine", "chair+table"]
    chairs = (3 / 4 + 1 + 0 + 1) / 4, (4 / 10 + 0 + 0 + 1) / 4  # seat, leg, back, arm
    assert (float(row["value"]), row["samples"]) == (pytest.approx((sum(chairs) + 1) / 3), "3")


LESS = {"uclid": "protocol.predict.points=2", "jof": "protocol.predict.resolution=16"}
"""Settings by model that make a prediction quick."""


def quick(protocol):
    """Options that make predictions and their scores quick."""
    emd = protocol.measures.get("emd")
    few = ["--set=protocol.measures.emd.options.points=64"] if emd is not None and emd.preset == "uclid" else []
    return [*few, *(f"--set={LESS[model]}" for model in LESS if model == protocol.model)]


@pytest.mark.parametrize("name", [name for name in LAYOUTS if read_protocol(name).model])
def test_a_network_with_random_weights_runs_to_the_end(voxcli, tmp_path, name):
    root, _, expected = made(name, tmp_path)
    model = read_protocol(name).model
    weights = SMALL[model].weights(model)
    weights.facts.update({"label_names": ["air", "wall", "chair"]} if name in ("ssz-scannet", "nyu") else {})
    if name == "ssz-shapenet":
        weights.facts["frustum"] = {"z_near": 3.0, "z_far": 10.0, "fov_x_deg": 60.0}
        weights.facts["label_names"] = ["air", "car", "airplane"]
    save_weights(tmp_path / "random.safetensors", weights, half=False)
    code, _, errors = voxcli("evaluate", name, "--data", str(root), "--weights", "random.safetensors", "-o", "results", "--pictures", "1",
                             "--limit", "1", "--dtype", "float32", "--keep-going", *quick(read_protocol(name)))  # fmt: skip
    assert code == 0, errors
    found = cells(tmp_path / "results")
    assert any(method == "random" for _, method, _ in found)
    lines = (tmp_path / "results/random/samples.jsonl").read_text().splitlines()
    assert len(lines) == len(read_protocol(name).all_variants) and all(json.loads(line)["records"] for line in lines)
    assert (tmp_path / "results/random/sheet.png").is_file()


@pytest.mark.parametrize("name", [name for name in LAYOUTS if read_protocol(name).model is None])
def test_what_a_network_with_random_weights_predicts_is_scored(voxcli, tmp_path, name):
    """These protocols read shapes alone: a picture beside a truth goes through `predict` first."""
    root = made(name, tmp_path)[0]
    picture(root / CHAIR / "aa/00.png")
    save_weights(tmp_path / "random.safetensors", SMALL["jof"].weights("jof"), half=False)
    code, _, errors = voxcli("predict", str(root), "--weights", "random.safetensors", "-o", "random", "--format", "obj", "--resolution",
                             "16", "--dtype", "float32")  # fmt: skip
    assert code == 0, errors
    code, _, errors = voxcli("evaluate", name, "--data", str(root), "--predictions", "random", "--pair", "{category}/{id}/00", "-o",
                             "results", "--pictures", "1")  # fmt: skip
    assert code == 0, errors
    lines = [json.loads(line) for line in (tmp_path / "results/random/samples.jsonl").read_text().splitlines()]
    assert [set(line["records"]) for line in lines] == [set(read_protocol(name).measures), set(), set(), set()]
    assert all(record["value"] is not None for record in lines[0]["records"].values())


GAP, TOP = 8, 8 + 2 * 22
"""Pixels between the pictures of a strip, and above them: the sample's title and the captions."""


def left(k):
    """The first column of a strip's k-th picture."""
    return GAP + k * (SIDE + GAP)


@pytest.mark.parametrize(("name", "tiles"), [("iqtt", 6), ("pix2scene-rooms", 6)])
def test_the_sheet_shows_what_the_paper_s_figures_show(voxcli, tmp_path, name, tiles):
    """A question, its reference made again and its depth (Figures 10, 11); a room, as it is drawn, normals and depths (Figure 4)."""
    root = made(name, tmp_path)[0]
    model = read_protocol(name).model
    save_weights(tmp_path / "random.safetensors", SMALL[model].weights(model), half=False)
    assert voxcli("evaluate", name, "--data", str(root), "--weights", "random.safetensors", "-o", "results", "--limit", "2")[0] == 0
    sheet = np.asarray(Image.open(tmp_path / "results/random/sheet.png"))
    assert sheet.shape == (2 * (TOP + SIDE + GAP), left(tiles), 3)
    assert all((sheet[TOP : TOP + SIDE, left(k) : left(k + 1) - GAP] != 255).any() for k in range(tiles))
    assert all((sheet[TOP - 22 : TOP, left(k) : left(k + 1)] != 255).any() for k in range(tiles)), "each has its caption"


def test_the_right_choice_has_a_green_frame_and_a_wrong_answer_a_red_one():
    more = tuple(np.zeros((4, 16, 16, 3), np.uint8))
    pairs = [(Answers(np.array([answer])), Answers(np.array([right]))) for answer, right in ((0, 0), (0, 2))]
    line = {"variant": "", "name": "q", "category": "", "records": {}}
    strips = [strip(ScoredSample(line, *pair, None, more)) for pair in pairs]
    corners = [[tuple(row[TOP, left(k)].tolist()) for k in range(4)] for row in strips]
    green, red, none = (84, 162, 75), (228, 87, 86), (255, 255, 255)
    assert corners == [[none, green, none, none], [none, red, none, green]]


@pytest.mark.parametrize("name", LAYOUTS)
def test_another_folder_is_refused_with_the_expected_tree(refused, tmp_path, name):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("nothing")
    (tmp_path / "mine").mkdir()
    said = refused("evaluate", name, "--data", "other", "--predictions", "mine", "-o", "results", named=("other", "expected ROOT"))
    assert OWN_TREES.get(name, TREES.get(read_protocol(name).reader)) in said


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
