"""What one meets in the first hour: a line for each result, data sets given whole, shards, names that are nearly right."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import contents
from evaluation_layouts import made
from example_files import FILES, box_mesh, fruxel_grid
from processes import environment

from voxcli import files, log
from voxcli.cli.framework import output
from voxcli.datasets.synthetic.folders import counted
from voxcli.scene import Picture

SMALL = ("synth", "street", "--count", 2, "--size", 16, 16, "--depth", 16)


@pytest.fixture
def street(tmp_path):
    """A data set of two scenes, as `synth street` lays it out."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/meta.json").write_text('{"schema": "voxcli/street-dataset"}')
    for k in range(2):
        for part in ("images", "depth", "instances"):
            pixels = np.full((16, 16, 3), 90 + k, np.uint8)
            files.write(tmp_path / f"d/{part}/{k}.png", Picture(pixels))
        files.write(tmp_path / f"d/fruxels/{k}.npz", fruxel_grid())
    return tmp_path


def test_of_a_data_set_predict_takes_the_images_and_view_the_scenes(voxcli, street):
    FILES["best.safetensors"](street / "best.safetensors")
    code, text, _ = voxcli("predict", "d", "--weights", "best.safetensors", "-o", "out", "--dry-run")
    lines = [json.loads(line) for line in text.splitlines()]
    assert code == 0 and [line["read"][0]["path"] for line in lines] == ["d/images/0.png", "d/images/1.png"]
    assert [line["write"][0]["path"] for line in lines] == ["out/0.npz", "out/1.npz"]
    text = voxcli("view", "d", "-o", "out/", "--format", "png", "--dry-run")[1]
    assert [json.loads(line)["read"][0]["path"] for line in text.splitlines()] == ["d/fruxels/0.npz", "d/fruxels/1.npz"]


def test_a_folder_that_is_no_data_set_is_taken_whole(voxcli, street):
    (street / "d/meta.json").unlink()
    assert len(voxcli("view", "d", "-o", "out/", "--format", "png", "--dry-run")[1].splitlines()) == 8


def test_shards_and_files_of_a_data_set_do_not_mix(voxcli, refused, tmp_path):
    assert voxcli(*SMALL, "-o", "loose")[0] == voxcli(*SMALL, "-o", "packed", "--shard", 2)[0] == 0
    refused(*SMALL, "-o", "loose", "--shard", 2, named=("loose", "--shard"))
    refused(*SMALL, "-o", "packed", named=("packed", "--shard"))
    refused(*SMALL, "-o", "packed", "--dry-run", named="--shard")
    assert "0 scenes made, 2 were there" in voxcli(*SMALL, "-o", "packed", "--shard", 2)[2]
    assert json.loads(voxcli("info", "packed")[1])["samples"] == 2
    assert voxcli(*SMALL, "-o", "packed", "--overwrite")[0] == 0 and not list(tmp_path.glob("packed/*.tar"))


def test_the_plan_of_shards_names_them(voxcli, tmp_path):
    text = voxcli(*SMALL, "--count", 3, "-o", "new", "--shard", 2, "--dry-run")[1]
    told = [(line["write"][0]["path"], line["scenes"]) for line in map(json.loads, text.splitlines())]
    assert told == [("new/000000.tar", 2), ("new/000001.tar", 1)]
    for k in range(3):
        files.write(tmp_path / f"m/{k}.off", box_mesh())
    lines = [json.loads(line) for line in voxcli("fruxelize", "m", "-o", "b/", "--shard", 2, "--dry-run")[1].splitlines()]
    assert [([each["path"] for each in line["read"]], line["write"][0]["path"], line["items"]) for line in lines] == [
        (["m/0.off", "m/1.off"], "b/000000.tar", 2), (["m/2.off"], "b/000001.tar", 1)]  # fmt: skip


def _work(items):
    with log.timed("writing"):
        return sum(items)


def test_workers_count_the_seconds_of_their_parts():
    made, seconds = counted(_work, True, [1, 2])
    assert made == 3 and {*seconds} == {"making", "writing"} and counted(_work, False, [1])[1] == {}


def test_a_line_for_pieces_and_for_data_sets(voxcli, street):
    files.write(street / "scene.npz", fruxel_grid())
    assert re.fullmatch(r"pieces: \d+ pieces, \.npz\n", voxcli("segment", "scene.npz", "-o", "pieces", "--split", "npz")[2])
    voxcli(*SMALL, "-o", "s")
    assert voxcli("convert", "s", "-o", "n", "--to", "nuscenes")[2] == "n: 2 samples\n"
    assert voxcli("convert", "n", "-o", "back", "--to", "street")[2] == "back: 2 samples\n"


def test_quiet_and_verbose_contradict_each_other_and_a_flag_comes_before_a_variable(voxcli, refused, street):
    refused("info", "d/fruxels/0.npz", "-q", "-v", named=("-q", "-v"))
    assert "read" in voxcli("info", "d/fruxels/0.npz", "-v", env={"VOXCLI_QUIET": "1"})[2]
    assert voxcli("info", "d/fruxels/0.npz", "-q", env={"VOXCLI_VERBOSE": "1"})[2] == ""


def test_one_file_is_paired_with_the_one_of_its_name_in_a_folder(voxcli, refused, street):
    files.write(street / "mine/1.npz", fruxel_grid())
    for pair in (("mine/1.npz", "d/fruxels"), ("d/fruxels", "mine/1.npz"), ("mine/*.npz", "d/fruxels")):
        record = json.loads(voxcli("metrics", "iou", *pair)[1])
        assert record["value"] == 1 and {record["pred"], record["gt"]} == {"mine/1.npz", "d/fruxels/1.npz"}
    files.write(street / "mine/other.npz", fruxel_grid())
    refused("metrics", "iou", "mine/other.npz", "d/fruxels", named=("other", "d/fruxels"))


def test_a_summary_of_labels_has_the_mean_of_pooled_cells(voxcli, tmp_path):
    """Of 10 cells of class 1, then of 30, the prediction has 10 and 10: IoU 1 and 1/3, pooled 20 / 40."""
    for name, size, right in (("a", 10, 10), ("b", 30, 10)):
        truth = np.zeros((16, 16, 16), np.uint8)
        truth[0, : size // 10, :10] = 1
        found = np.where(np.arange(16)[:, None] < right // 10, truth, 0).astype(np.uint8)
        for side, labels in (("p", found), ("g", truth)):
            files.write(tmp_path / side / f"{name}.npz", replace(fruxel_grid(), labels=labels))
    summary = json.loads(voxcli("metrics", "iou", "p", "g", "--format", "jsonl")[1].splitlines()[-1])
    assert summary["value"] == pytest.approx(2 / 3) and summary["parts"]["pooled_mean"] == 0.5
    last = voxcli("metrics", "iou", "p", "g", "--format", "csv")[1].splitlines()[-1]
    assert "pooled" in last and ",0.5," in last


def test_an_evaluation_without_data_or_predictions_leaves_nothing_behind(refused, tmp_path):
    made("pix2vox-shapenet", tmp_path)
    (tmp_path / "empty").mkdir()
    refused("evaluate", "pix2vox-shapenet", "--data", "data", "--predictions", "empty", "-o", "new", named=("empty", "--pair"))
    refused("evaluate", "pix2vox-shapenet", "--data", "nowhere", "-o", "new", named="nowhere")


def test_missing_data_are_refused_before_torch_is_loaded(tmp_path):
    code = "import sys; from voxcli.cli.app import run; run(sys.argv[1:]); print('torch' in sys.modules)"
    words = ("evaluate", "pix2vox-shapenet", "--data", "nowhere", "-o", "new")
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert "nowhere" in done.stderr and done.stdout == "False\n"


def test_a_table_of_weights_fits_80_columns(voxcli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("voxcli.cli.framework.output.Output.on_terminal", True)
    text = re.sub(r"\x1b\[[0-9;]*m", "", voxcli("weights", "list")[1])
    rows = [line for line in text.splitlines() if line.startswith(" rays")]
    assert len(rows) == 2 and all({"rays", "yes", "MB"} <= {*row.split()} for row in rows) and max(map(len, text.splitlines())) <= 80


def test_a_turntable_of_two_names_the_page_and_a_shell_that_is_unknown_the_known_ones(refused, street):
    refused("view", "d/fruxels/0.npz", "d/fruxels/1.npz", "-o", "x.gif", named=("x.gif", "turntable", ".html"))
    assert refused("completion", "tcsh", named=("SHELL", "bash", "fish")).count("tcsh") == 1


def test_two_scenes_of_different_pictures_are_told(voxcli, street):
    code, _, errors = voxcli("view", "d/fruxels/0.npz", "d/fruxels/1.npz", "-o", "x.html")
    assert code == 0 and "different pictures" in errors
    mine = replace(fruxel_grid(), meta={"inputs": {"1.png": _sha(street / "d/images/1.png")}})
    files.write(street / "mine.npz", mine)
    assert "different pictures" in voxcli("view", "mine.npz", "d/fruxels/0.npz", "-o", "x.png", "--size", 64)[2]
    assert "different" not in voxcli("view", "mine.npz", "d/fruxels/1.npz", "-o", "y.png", "--size", 64)[2]


def _sha(path):
    from voxcli.provenance import sha256_file

    return sha256_file(path)


def test_the_summary_of_a_set_alone_says_what_it_is(voxcli, refused, tmp_path):
    FILES["sums-0.json"](tmp_path / "sums.json")
    (tmp_path / "all.jsonl").write_text(voxcli("metrics", "merge", "sums.json", "--format", "jsonl")[1])
    refused("view", "all.jsonl", "-o", "x.png", named=("all.jsonl", "summary", "voxcli info"))
    assert voxcli("info", "all.jsonl")[0] == 0 and "x.png" not in {path.name for path in contents(tmp_path)}


def test_an_evaluation_reads_data_and_predictions_of_shards(voxcli):
    voxcli(*SMALL, "-o", "s", "--shard", 1)
    words = ("evaluate", "ssz-synthetic", "--data", "s", "--predictions", "s", "--pair", "fruxels/{name}", "-o", "r", "--format", "jsonl")
    code, text, errors = voxcli(*words)
    assert code == 0 and "2 samples" in errors, errors
    rows = [row for row in map(json.loads, text.splitlines()) if not row["published"] and row["value"] is not None]
    assert rows and all(row["samples"] == 2 and row["value"] in (1, 100) for row in rows)
    assert voxcli(*words)[1] == text


def test_a_wide_table_is_drawn_in_blocks_so_that_no_number_is_folded():
    assert output._blocks([5, 10, 10, 10], 30) == [[0, 1], [0, 2], [0, 3]]  # 2 + 5 + 3 + 10 = 20 letters, with another column 33
    assert output._blocks([5, 10, 10, 10], 33) == [[0, 1, 2], [0, 3]]
    assert output._blocks([5, 40], 30) == [[0, 1]] and output._blocks([], 30) == []


def test_shards_of_streets_are_told_predicted_and_scored_as_the_folder_is(voxcli, tmp_path):
    assert voxcli("synth", "street", "-o", "shards", "--count", "2", "--shard", "2", "--size", "8", "8", "--depth", "8", "-q")[0] == 0
    rows = json.loads(voxcli("info", "shards/000000.tar")[1])
    assert sorted(row["kind"] for row in rows) == sorted(2 * ["depth", "fruxels", "image", "image", "poses"])
    plan = voxcli("predict", "shards/000000.tar", "-m", "ssz", "-o", "out/", "--dry-run")[1]
    assert [json.loads(line)["read"][0]["path"].split(".tar/")[1] for line in plan.splitlines()] == [
        "images/000000.png",
        "images/000001.png",
    ]
    assert voxcli("synth", "street", "-o", "plain", "--count", "2", "--size", "8", "8", "--depth", "8", "-q")[0] == 0
    for truth in ("plain", "plain/fruxels", "shards"):
        assert json.loads(voxcli("metrics", "iou", "plain/fruxels", truth, "--format", "json")[1])[-1]["parts"]["samples"] == 2
