"""`voxcli evaluate`: tables, summaries and lines say which samples the numbers are not of: missing, failed, left out, other settings."""

import csv
import io
import json

import pytest
from evaluation_layouts import made
from layout_pieces import CHAIR, TABLE

CALL = ("evaluate", "pix2vox-shapenet", "--data", "data", "--predictions", "mine", "-o", "results", "--pictures", "0")


@pytest.fixture
def data(tmp_path):
    """Two chairs, IoU 0.5 and 1, and two tables, IoU 0.25 and without a prediction."""
    return made("pix2vox-shapenet", tmp_path)[:2]


def numbers(tmp_path, method="mine"):
    """(value, samples, missing, failed, left_out) by column, of table.csv."""
    rows = csv.DictReader(io.StringIO((tmp_path / "results/table.csv").read_text()))
    keys = ("value", "samples", "missing", "failed", "left_out")
    return {row["column"]: tuple(float(row[key]) if row[key] else None for key in keys) for row in rows if row["method"] == method}


def line_of(path, method="mine"):
    return next(line for line in path.read_text().splitlines() if line.startswith(f"| {method} |"))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_sample_that_fails_is_counted_beside_those_that_are_missing(voxcli, data, tmp_path, workers):
    (data[1] / CHAIR / "aa.binvox").write_bytes(b"broken")
    code, text, errors = voxcli(*CALL, "--keep-going", "--format", "table", "--workers", workers)
    assert code == 1 and "1 of 4 samples failed" in errors and "2 samples of mine scored, 1 without a prediction, 1 failed." in errors
    found = numbers(tmp_path)
    assert found["chair"] == (1.0, 1, 0, 1, 0) and found["table"] == (0.25, 1, 1, 0, 0) and found["mean"] == (0.625, 2, 1, 1, 0)
    assert line_of(tmp_path / "results/table.md").endswith("| 0.625 | 2 of 4 | 1 | 1 | 0 |")
    note = "mine: 2 of 4 samples; 1 without a prediction (table 1), 1 failed (chair 1)"
    for said in (text, (tmp_path / "results/table.md").read_text(), (tmp_path / "results/table.tex").read_text()):
        assert note in said
    lines = [json.loads(line) for line in (tmp_path / "results/mine/samples.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines if "failed" in line] == [f"{CHAIR}/aa"] and "aa.binvox" in lines[0]["failed"]
    parts = json.loads((tmp_path / "results/mine/summary.jsonl").read_text())["parts"]
    assert parts["failed"] == {"chair": {f"{CHAIR}/aa": lines[0]["failed"]}} and parts["missing"] == {"table": [f"{TABLE}/dd"]}


def test_a_failed_sample_is_tried_again_and_one_that_fails_now_loses_its_score(voxcli, data, tmp_path):
    path = data[1] / CHAIR / "aa.binvox"
    content = path.read_bytes()
    for broken, chairs in ((True, (1.0, 1, 0, 1, 0)), (False, (0.75, 2, 0, 0, 0)), (True, (1.0, 1, 0, 1, 0))):
        path.write_bytes(b"broken" if broken else content)
        assert voxcli(*CALL, "--keep-going")[0] == broken
        assert numbers(tmp_path)["chair"] == chairs


def test_a_category_and_a_table_of_failed_samples_alone_have_no_number(voxcli, data, tmp_path):
    for name in ("aa", "bb"):
        (data[1] / CHAIR / f"{name}.binvox").write_bytes(b"broken")
    assert voxcli(*CALL, "--keep-going", "--set", "protocol.tables=[{title: T, over: categories, column: {measure: iou}}]")[0] == 1
    assert numbers(tmp_path) == {"chair": (None, 0, 0, 2, 0), "table": (0.25, 1, 1, 0, 0), "mean": (0.25, 1, 1, 2, 0)}
    (data[1] / TABLE / "cc.binvox").write_bytes(b"broken")
    assert voxcli(*CALL, "--keep-going", "--method", "none")[0] == 1
    assert numbers(tmp_path, "none")["mean"] == (None, 0, 1, 3, 0)


def test_the_table_of_a_part_of_the_samples_says_so_also_when_another_method_joins_it(voxcli, data, tmp_path):
    code, _, errors = voxcli(*CALL, "--limit", "2")  # a chair, IoU 0.5, and a table, 0.25
    assert code == 0 and "2 of 4 samples of mine scored" in errors
    for call in (None, (*CALL, "--method", "whole")):
        assert call is None or voxcli(*call)[0] == 0
        found = numbers(tmp_path)
        assert found["chair"] == (0.5, 1, 0, 0, 1) and found["table"] == (0.25, 1, 0, 0, 1) and found["mean"] == (0.375, 2, 0, 0, 2)
        assert "| 2 of 4 | 0 | 0 | 0 |" in line_of(tmp_path / "results/table.md")
        assert "mine: 2 of 4 samples; 2 left out" in (tmp_path / "results/table.tex").read_text()
        assert "mine (2 of 4 samples)" in (tmp_path / "results/table-1.svg").read_text()
    assert numbers(tmp_path, "whole")["mean"][1:] == (3, 1, 0, 0)
    assert json.loads((tmp_path / "results/mine/summary.jsonl").read_text())["parts"]["left_out"] == {"chair": 1, "table": 1}


def test_other_settings_than_those_of_the_protocol_stand_in_the_table(voxcli, data, tmp_path):
    assert voxcli(*CALL, "--set", "protocol.read.categories=[chair]")[0] == 0
    assert voxcli(*CALL, "--method", "whole")[0] == 0
    text = (tmp_path / "results/table.md").read_text()
    assert 'mine: settings of its own, read.categories=["chair"]' in text and "whole: settings" not in text
    rows = csv.DictReader(io.StringIO((tmp_path / "results/table.csv").read_text()))
    assert {row["method"]: row["changed"] for row in rows if row["published"] == "no"} == {"mine": 'read.categories=["chair"]', "whole": ""}


def test_results_of_before_that_state_no_number_of_samples_go_on(voxcli, data, tmp_path):
    assert voxcli(*CALL)[0] == 0
    path = tmp_path / "results/mine/run.json"
    whole = path.read_bytes()
    path.write_text(json.dumps({key: each for key, each in json.loads(whole).items() if key != "samples"}))
    assert voxcli(*CALL, "--method", "other")[0] == 0 and numbers(tmp_path)["mean"][1:] == (3, 1, 0, 0)
    assert voxcli(*CALL)[0] == 0 and path.read_bytes() == whole


def test_csv_on_stdout_says_published_as_the_file_does(voxcli, data, tmp_path):
    code, text, _ = voxcli(*CALL, "--format", "csv")
    assert code == 0
    printed, written = (csv.DictReader(io.StringIO(each)) for each in (text, (tmp_path / "results/table.csv").read_text()))
    assert [row["published"] for row in printed] == [row["published"] for row in written]


@pytest.mark.parametrize("protocol", ["pix2vox-views", "uclid-views"])
def test_too_few_views_are_refused_before_a_sample_is_scored(refused, tmp_path, protocol):
    root, _, _ = made(protocol, tmp_path)
    path = sorted(root.rglob("rendering_metadata.txt"))[0]
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:1]))
    refused("evaluate", protocol, "--data", "data", "--predictions", "mine", "-o", "results",
            named="too few pictures: 1, and 2 are wanted.", unnamed="got")  # fmt: skip
