"""`voxcli evaluate`: going on where it stopped, rows of several methods, protocols of one's own, and what is refused."""

import json

import numpy as np
import pytest
from evaluation_layouts import made, meshrcnn
from layout_pieces import CHAIR, TABLE, picture, plane, save, solid
from small_networks import SMALL

from voxcli import files
from voxcli.evaluation.pairing import find_file, pattern_of
from voxcli.evaluation.protocol import Column, Table, read_protocol
from voxcli.evaluation.results import method_name
from voxcli.evaluation.samples import Job, evaluator_of
from voxcli.evaluation.summary import Counts
from voxcli.evaluation.tables import FilledTable, Row, csv_text, latex
from voxcli.models.weights import save_weights
from voxcli.scene import FRUSTUM_PRESETS, FruxelGrid, Labels


@pytest.fixture
def data(tmp_path):
    """Volumes of four objects and predictions of three: IoU 0.5 and 1 of chairs, 0.25 of a table."""
    return made("pix2vox-shapenet", tmp_path)[:2]


def run(voxcli, *more, protocol="pix2vox-shapenet"):
    code, text, errors = voxcli("evaluate", protocol, "--data", "data", "-o", "results", "--pictures", "0", *more)
    assert code == 0, errors
    return text


def test_a_second_call_computes_nothing_that_is_there_and_writes_the_same_bytes(voxcli, data, tmp_path, monkeypatch):
    run(voxcli, "--predictions", "mine")
    before = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()}
    monkeypatch.setattr("voxcli.metrics.volumes.IoU.score", None)
    run(voxcli, "--predictions", "mine")
    assert {path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()} == before


def test_a_killed_evaluation_goes_on_with_the_samples_that_are_left(voxcli, data, tmp_path):
    run(voxcli, "--predictions", "mine")
    path = tmp_path / "results/mine/samples.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:40])
    run(voxcli, "--predictions", "mine")
    assert path.read_bytes() == whole


def test_workers_change_no_byte(voxcli, data, tmp_path):
    run(voxcli, "--predictions", "mine")
    run(voxcli, "--predictions", "mine", "--method", "two", "--workers", "2")
    assert (tmp_path / "results/two/samples.jsonl").read_bytes() == (tmp_path / "results/mine/samples.jsonl").read_bytes()


def test_several_methods_are_rows_of_one_table(voxcli, data, tmp_path):
    run(voxcli, "--predictions", "mine")
    for _, synset, name in (("", CHAIR, "aa"), ("", CHAIR, "bb"), ("", TABLE, "cc"), ("", TABLE, "dd")):
        save(tmp_path / "better" / synset / f"{name}.binvox", solid(4))
    rows = [json.loads(line) for line in run(voxcli, "--predictions", "better", "--format", "jsonl").splitlines()]
    means = {row["method"]: row["value"] for row in rows if row["column"] == "mean" and not row["published"]}
    assert means == {"mine": pytest.approx(1.75 / 3), "better": 1.0}
    assert "| Pix2Vox-A (published) | 0.689 |" in (tmp_path / "results/table.md").read_text()
    assert (tmp_path / "results/table-1.svg").read_text().startswith("<svg")


def test_a_prediction_that_has_come_since_is_scored(voxcli, data, tmp_path):
    run(voxcli, "--predictions", "mine")
    save(data[1] / TABLE / "dd.binvox", solid(4))
    rows = [json.loads(line) for line in run(voxcli, "--predictions", "mine", "--format", "jsonl").splitlines()]
    mean = next(row for row in rows if row["method"] == "mine" and row["column"] == "mean")
    assert (mean["value"], mean["samples"], mean["missing"]) == (pytest.approx((0.5 + 1 + 0.25 + 1) / 4), 4, 0)


def test_a_prediction_or_a_truth_that_has_changed_is_scored_again(voxcli, data, tmp_path):
    run(voxcli, "--predictions", "mine")
    save_over(data[1] / CHAIR / "aa.binvox", solid(1))
    rows = [json.loads(line) for line in run(voxcli, "--predictions", "mine", "--format", "jsonl").splitlines()]
    found = {row["column"]: (row["value"], row["samples"], row["missing"]) for row in rows if row["method"] == "mine"}
    assert found["chair"] == ((0.25 + 1) / 2, 2, 0) and found["table"] == (0.25, 1, 1) and found["mean"][1:] == (3, 1)
    save_over(data[0] / "ShapeNetVox32" / CHAIR / "bb/model.binvox", solid(8))
    rows = [json.loads(line) for line in run(voxcli, "--predictions", "mine", "--format", "jsonl").splitlines()]
    assert next(row["value"] for row in rows if (row["method"], row["column"]) == ("mine", "chair")) == (0.25 + 0.5) / 2


def save_over(path, thing):
    path.unlink()
    save(path, thing)


def test_damaged_predictions_are_named_and_the_others_make_the_table(voxcli, data, tmp_path):
    (data[1] / CHAIR / "aa.binvox").write_bytes(b"broken")
    code, text, errors = voxcli("evaluate", "pix2vox-shapenet", "--data", "data", "-o", "results", "--predictions", "mine", "--keep-going",
                                "--pictures", "0", "--format", "jsonl")  # fmt: skip
    assert code == 1 and "aa.binvox" in errors and errors.splitlines()[-1] == "error: 1 of 4 items failed."
    found = {row["column"]: row["value"] for row in map(json.loads, text.splitlines()) if row["method"] == "mine"}
    assert found["chair"] == 1.0 and (tmp_path / "results/table.md").is_file()


def test_missing_predictions_are_named_by_category(voxcli, data, tmp_path):
    run(voxcli, "--predictions", "mine")
    summary = json.loads((tmp_path / "results/mine/summary.jsonl").read_text())
    assert summary["parts"]["missing"] == {"table": [f"{TABLE}/dd"]}
    assert summary["parts"]["categories"] == {"chair": {"samples": 2, "value": 0.75}, "table": {"samples": 1, "value": 0.25}}


def test_records_say_what_was_computed(voxcli, data, tmp_path):
    run(voxcli, "--predictions", "mine")
    line = json.loads((tmp_path / "results/mine/samples.jsonl").read_text().splitlines()[0])
    record = line["records"]["iou"]
    read = [f"data/ShapeNetRendering/{CHAIR}/aa/rendering/00.png", f"data/ShapeNetVox32/{CHAIR}/aa/model.binvox", f"mine/{CHAIR}/aa.binvox"]
    assert record["params"]["preset"] == "pix2vox" and sorted(record["meta"]["inputs"]) == read
    assert record["meta"]["voxcli_version"]


def test_limit_takes_samples_spread_evenly_and_keeps_the_others(voxcli, data, tmp_path):
    run(voxcli, "--predictions", "mine", "--limit", "2")
    names = [json.loads(line)["name"] for line in (tmp_path / "results/mine/samples.jsonl").read_text().splitlines()]
    assert names == [f"{CHAIR}/aa", f"{TABLE}/cc"]
    run(voxcli, "--predictions", "mine")
    run(voxcli, "--predictions", "mine", "--limit", "2")
    assert len((tmp_path / "results/mine/samples.jsonl").read_text().splitlines()) == 4
    assert json.loads((tmp_path / "results/mine/summary.jsonl").read_text())["parts"]["samples"] == 2


def test_a_new_protocol_is_one_yaml(voxcli, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "mine").mkdir()
    meshrcnn(tmp_path / "data", tmp_path / "mine")
    (tmp_path / "my.yaml").write_text("""\
title: Mine
source: nobody
reader: shapes
read: {truth: "{category}/{id}/model.obj"}
measures:
  far: {metric: hausdorff, options: {points: 500}}
tables:
  - {title: Far, over: categories, column: {measure: far}, published: {theirs: {mean: 0.5}}}
""")
    rows = [json.loads(line) for line in run(voxcli, "--predictions", "mine", "--format", "jsonl", protocol="my.yaml").splitlines()]
    found = {(row["method"], row["column"]): row["value"] for row in rows}
    assert found["theirs", "mean"] == 0.5 and found["mine", CHAIR] == pytest.approx((0.005 + 0.02) / 2, rel=5e-3)


def test_settings_of_a_protocol_are_changed_by_set(voxcli, data, tmp_path):
    text = run(voxcli, "--predictions", "mine", "--set", "protocol.read.categories=[chair]", "--format", "jsonl")
    found = {row["column"]: row["samples"] for row in map(json.loads, text.splitlines()) if not row["published"]}
    assert (found["chair"], found["table"], found["mean"]) == (2, 0, 2)


def test_pair_says_where_predictions_lie(voxcli, data, tmp_path):
    (tmp_path / "flat").mkdir()
    save(tmp_path / "flat/run-aa-rendering.binvox", solid(2))
    text = run(voxcli, "--predictions", "flat", "--pair", "run-{id}-*", "--format", "jsonl")
    row = next(row for row in map(json.loads, text.splitlines()) if row["method"] == "flat" and row["column"] == "mean")
    assert (row["value"], row["samples"], row["missing"]) == (0.5, 1, 3)


def test_what_cannot_be_is_refused(refused, data, tmp_path):
    call = ("evaluate", "pix2vox-shapenet", "--data", "data", "-o", "results")
    refused("evaluate", "pix2vox-shapnet", "--data", "data", "-o", "results", named="pix2vox-shapenet")
    refused("evaluate", "pix2vox-shapenet", named="--data ROOT -o DIR")
    refused(*call, "--predictions", "mine", "-m", "pix2vox-f", named="--predictions takes the place")
    refused(*call, "--predictions", "nowhere", named="nowhere")
    refused(*call, "--predictions", "mine", "--method", "a/b", named="'a/b'")
    refused(*call, "--predictions", "mine", "--set", "protocol.reed={}", named=("reed", "read"))
    refused(*call, "--predictions", "mine", "--pair", "{synset}/{id}", named="synset")
    refused("evaluate", "onet", "--data", "data", "-o", "results", named="names no model")
    refused("evaluate", "pix2vox-shapenet", "--data", "data", "-o", "data", "--predictions", "mine", named="folder of the data")
    (tmp_path / "other.safetensors").write_bytes(b"no weights")
    refused(*call, "--weights", "other.safetensors", named="other.safetensors")
    (tmp_path / "file").write_bytes(b"")
    refused(*call[:-1], "file/results", "--predictions", "mine", named="file")


def test_two_files_of_one_sample_are_an_error(voxcli, data, tmp_path):
    save(tmp_path / f"mine/{CHAIR}/aa.npz", solid(1))
    code, text, errors = voxcli("evaluate", "pix2vox-shapenet", "--data", "data", "-o", "results", "--predictions", "mine")
    assert (code, text) == (2, "") and "Several files" in errors and "--pair" in errors


def test_results_of_another_run_are_not_mixed(voxcli, data, tmp_path):
    run(voxcli, "--predictions", "mine")
    before = (tmp_path / "results/mine/samples.jsonl").read_bytes()
    code, _, errors = voxcli("evaluate", "pix2vox-shapenet", "--data", "data", "-o", "results", "--predictions", "mine", "--pictures", "0",
                             "--set", "protocol.read.split=all")  # fmt: skip
    assert code == 2 and "another run" in errors and "settings" in errors and "--method" in errors
    assert (tmp_path / "results/mine/samples.jsonl").read_bytes() == before
    run(voxcli, "--predictions", "mine", "--set", "protocol.read.split=all", "--overwrite")


def test_one_folder_holds_results_of_one_protocol(voxcli, data, tmp_path):
    run(voxcli, "--predictions", "mine")
    before = (tmp_path / "results/table.md").read_bytes()
    code, _, errors = voxcli("evaluate", "pix2vox-unseen", "--data", "data", "-o", "results", "--predictions", "mine", "--method", "b",
                             "--set", "protocol.read={unseen: [], views: 1}")  # fmt: skip
    assert code == 2 and "pix2vox-shapenet" in errors and (tmp_path / "results/table.md").read_bytes() == before


def test_no_prediction_at_all_is_an_error_that_says_where_they_were_looked_for(voxcli, data, tmp_path):
    (tmp_path / "none").mkdir()
    code, _, errors = voxcli("evaluate", "pix2vox-shapenet", "--data", "data", "-o", "results", "--predictions", "none")
    assert code == 2 and f"{CHAIR}/aa" in errors and "--pair" in errors


def test_a_part_that_no_summary_has_is_refused(refused, data):
    refused("evaluate", "pix2vox-shapenet", "--data", "data", "-o", "new/results", "--predictions", "mine", "--set",
            "protocol.tables=[{title: T, over: columns, columns: {x: {measure: iou, part: nonsense}}}]",
            named=("nonsense", "mean_over_samples"))  # fmt: skip


@pytest.mark.parametrize("bad", [b'{"variant": ', b"[1]", b"{}", b"\xff\xfe"])
def test_a_damaged_line_of_samples_is_told_by_its_number_and_in_our_words(voxcli, data, tmp_path, bad):
    run(voxcli, "--predictions", "mine")
    path = tmp_path / "results/mine/samples.jsonl"
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + bad + b"\n" + b"".join(rest[1:]))
    code, text, errors = voxcli("evaluate", "pix2vox-shapenet", "--data", "data", "-o", "results", "--predictions", "mine")
    assert (code, text) == (2, "") and "samples.jsonl', line 2" in errors and "--overwrite" in errors
    assert not any(word in errors for word in ("Expecting", "column", "char", "codec"))


def test_dry_run_writes_nothing(voxcli, data, tmp_path):
    *samples, last = map(json.loads, run(voxcli, "--predictions", "mine", "--dry-run").splitlines())
    assert len(samples) == 4 == last["samples"] and "results/mine/samples.jsonl" in [each["path"] for each in last["write"]]
    assert all(each["path"].split("/")[0] in ("data", "mine") and each["bytes"] > 0 for line in samples for each in line["read"])
    assert not (tmp_path / "results").exists()


def test_the_same_path_in_another_folder_is_other_data(tmp_path, monkeypatch):
    for folder, synset in (("one", CHAIR), ("two", TABLE)):
        save(tmp_path / folder / "data" / synset / "aa/model.obj", plane())
        monkeypatch.chdir(tmp_path / folder)
        job = Job(read_protocol("meshrcnn"), "data", predictions="mine")
        assert [place.name for place in evaluator_of(job).places] == [f"{synset}/aa"]


def test_files_are_found_by_their_sample(tmp_path):
    for name in ("a/1.ply", "a/1_00.obj", "a/2.txt", "a/3.ply", "a/3.obj"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    suffixes = (".ply", ".obj")
    assert find_file(tmp_path, "{category}/{id}", {"category": "a", "id": "1"}, suffixes) == tmp_path / "a/1.ply"
    assert find_file(tmp_path, "{category}/{id}_*", {"category": "a", "id": "1"}, suffixes) == tmp_path / "a/1_00.obj"
    assert find_file(tmp_path, "{category}/{id}", {"category": "a", "id": "2"}, suffixes) is None
    assert find_file(tmp_path, "{category}/{id}.obj", {"category": "a", "id": "3"}, suffixes) == tmp_path / "a/3.obj"
    with pytest.raises(Exception, match="Several files"):
        find_file(tmp_path, "{category}/{id}", {"category": "a", "id": "3", "name": "a/3"}, suffixes)
    assert pattern_of("{category}/x-{id}").fullmatch("chair/x-7").groupdict() == {"category": "chair", "id": "7"}


def test_tables_survive_latex_and_csv():
    table = Table("T_1", "categories", Column("iou"), decimals=2)
    rows = [Row("a & b", True, {"50%": 0.5, "x,y": None}, {}), Row("ours", False, {"50%": 1.0}, {"50%": 0.1}, Counts(3, 1))]
    filled = FilledTable(table, ["50%", "x,y"], rows)
    assert "a \\& b & 0.50 & - \\\\\n\\midrule\nours & 1.00 & - \\\\" in latex([filled]) and "50\\%" in latex([filled])
    assert csv_text([filled]).splitlines()[1:3] == ["T_1,a & b,yes,50%,0.5,,,,,,,", 'T_1,a & b,yes,"x,y",,,,,,,,']


def test_methods_are_named_after_what_predicts():
    assert method_name(None, "ssz", None, None) == "ssz"
    assert method_name(None, "ssz", "runs/mine.safetensors", None) == "mine"
    assert method_name(None, None, None, "preds/") == "preds"
    assert method_name("ours", "ssz", None, None) == "ours"


@pytest.mark.parametrize(("name", "cells"), [("object", {}), ("car", {"car": 0.3, "mean": 0.3})])
def test_a_method_of_one_class_is_scored_by_that_class_or_by_all_as_one(voxcli, tmp_path, name, cells):
    """Z-GAN's labels are air and object, or, trained on one class, air and that class; the scenes have a car and the ground."""
    root, predictions, expected = made("ssz-synthetic", tmp_path)
    for path in predictions.iterdir():
        grid = files.read_as(path, FruxelGrid)
        filled = grid.labels == 2 if name == "car" else grid.labels > 0
        path.unlink()
        save(path, FruxelGrid(filled.astype(np.uint8), grid.frustum, classes=Labels(("air", name))))
    call = ("evaluate", "ssz-synthetic", "--data", "data", "--predictions", "mine", "-o", "results", "--pictures", "0", "--format", "jsonl")
    code, text, errors = voxcli(*call)
    assert code == 0, errors
    rows = [row for row in map(json.loads, text.splitlines()) if row["method"] == "mine"]
    by_class = {row["column"]: row["value"] for row in rows if row["table"] == "Table 2: IoU by class" and row["value"] is not None}
    assert by_class == pytest.approx(cells)
    assert ("mine names no class of the truth: iou has no number" in errors) == (name == "object")
    (as_one,) = [row["value"] for row in rows if row["table"] == "IoU of all classes as one"]
    title, right = "IoU of all classes as one", {"car": 24 / (16 + 2048 + 16 + 48 + 1024)}
    assert as_one == pytest.approx(right.get(name, expected[title]["IoU"]))


def test_weights_of_z_gan_run_to_the_end(voxcli, tmp_path):
    """It knows one size of fruxels. All of the truth is one class that it has no name for."""
    labels = np.full((128, 128, 128), 9, np.uint8)
    save(tmp_path / "data/fruxels/a.npz", FruxelGrid(labels, FRUSTUM_PRESETS["semantic-voxels"]))
    picture(tmp_path / "data/images/a.png", 128, "RGB")
    weights = SMALL["z-gan"].weights("z-gan")
    weights.facts.update(frustum={"z_near": 2.0, "z_far": 12.0, "fov_x_deg": 40.0}, label_names=["air", "object"])
    save_weights(tmp_path / "random.safetensors", weights, half=False)
    text = run(voxcli, "--weights", "random.safetensors", "--format", "jsonl", protocol="ssz-synthetic")
    values = {row["column"]: row["value"] for row in map(json.loads, text.splitlines()) if row["method"] == "random"}
    assert 0 <= values["IoU"] <= 1 and values["ground"] is None and values["mean"] is None
