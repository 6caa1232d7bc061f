"""Metrics of large sets: parts of a set whose sums are joined, and records that are kept on disk until the command has ended well."""

import csv
import io
import json

import numpy as np
import pytest

from voxcli import files
from voxcli.cli.framework import output
from voxcli.scene import VoxelGrid

FORMATS = ("jsonl", "json", "csv", "table")


@pytest.fixture
def sets(tmp_path):
    """Predictions and truths of two categories; pair k has k + 1 of 8 cells right and all others empty."""
    for k in range(6):
        cells = np.zeros(8, bool)
        cells[: k + 1] = True
        where = f"{'ab'[k % 2]}/{k}.npz"
        files.write(tmp_path / "pred" / where, VoxelGrid(cells.reshape(2, 2, 2)))
        files.write(tmp_path / "gt" / where, VoxelGrid(np.ones((2, 2, 2), bool)))
    files.write(tmp_path / "pred/b/9.npz", VoxelGrid(np.ones((2, 2, 2), bool)))
    return tmp_path


def summary(text):
    return json.loads(text.splitlines()[-1])


def test_the_merged_summary_is_that_of_one_run(voxcli, sets):
    flags = ("--category-from", "parent", "--format", "jsonl")
    code, text, _ = voxcli("metrics", "iou", "pred", "gt", *flags)
    whole = summary(text)
    assert code == 0 and whole["value"] == pytest.approx(sum(range(1, 7)) / 8 / 6)
    names = []
    for which in ("[0-1]", "2", "[3-9]"):  # one part is a single pair
        names.append(f"sums-{len(names)}.json")
        glob = f"*/{which}.npz"
        assert voxcli("metrics", "iou", f"pred/{glob}", f"gt/{glob}", *flags, "--partial", names[-1])[0] == 0
    code, text, errors = voxcli("metrics", "merge", *names, "--format", "jsonl")
    assert (code, errors) == (0, "") and summary(text) == whole and len(text.splitlines()) == 1
    assert voxcli("metrics", "merge", *names, "--fail-under", 0.5)[0] == 1
    assert whole["parts"]["unmatched"] == {"pred": ["b/9"], "gt": []}


def test_several_metrics_are_merged_too(voxcli, sets):
    run = ("metrics", "all", "--points", 50, "--format", "jsonl")
    whole = [json.loads(line) for line in voxcli(*run, "pred/*/[0-5].npz", "gt")[1].splitlines()[-4:]]
    for k, which in enumerate(("[0-2]", "[3-5]")):
        assert voxcli(*run, f"pred/*/{which}.npz", f"gt/*/{which}.npz", "--partial", f"{k}.json")[0] == 0
    merged = [json.loads(line) for line in voxcli("metrics", "merge", "0.json", "1.json", "--format", "jsonl")[1].splitlines()]
    assert [each["metric"] for each in merged] == ["chamfer", "fscore", "hausdorff", "normals"] and merged == whole


def test_sums_are_not_overwritten_and_strange_ones_are_named(voxcli, refused, sets):
    score = ("metrics", "iou", "pred/a", "gt/a", "--partial", "sums.json")
    assert voxcli(*score)[0] == 0
    refused(*score, named="sums.json")
    assert voxcli(*score, "--overwrite")[0] == 0
    odd = json.loads((sets / "sums.json").read_text())
    odd["metrics"][0]["values"] = {"totals": [["x", 1]]}
    for text in ("", "[]", '{"schema": 3}', json.dumps(odd)):
        (sets / "odd.json").write_text(text)
        refused("metrics", "merge", "sums.json", "odd.json", named="odd.json")
    assert voxcli("metrics", "chamfer", "pred/a", "gt/a", "--points", 10, "--partial", "other.json")[0] == 0
    refused("metrics", "merge", "sums.json", "other.json", named=("other.json", "chamfer"))


def test_a_part_counts_once_and_parts_of_other_options_are_refused(voxcli, refused, sets):
    for name, more in (("mine.json", ()), ("other.json", ("--threshold", 0.6))):
        assert voxcli("metrics", "iou", "pred/a", "gt/a", "--partial", name, *more)[0] == 0
    refused("metrics", "merge", "mine.json", "./mine.json", named="given twice")
    refused("metrics", "merge", "mine.json", "other.json", named=("other.json", "0.6"))


@pytest.mark.parametrize("format", FORMATS)
def test_records_on_disk_are_printed_as_those_in_memory(voxcli, sets, monkeypatch, format):
    run = ("metrics", "iou", "pred", "gt", "--category-from", "parent", "--format", format)
    printed = voxcli(*run)
    monkeypatch.setattr(output, "STAGED", 100)
    assert voxcli(*run) == printed
    if format == "json":
        assert printed[1] == json.dumps(json.loads(printed[1]), indent=2, ensure_ascii=False) + "\n" and len(json.loads(printed[1])) == 7
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(printed[1])))
        assert [row["name"] for row in rows][:6] == ["a/0", "a/2", "a/4", "b/1", "b/3", "b/5"] and float(rows[0]["iou"]) == 0.125
