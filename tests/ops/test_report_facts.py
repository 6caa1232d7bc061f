"""Facts of what is made to be looked at: pages, plots, tables of scores; and of checkpoints."""

import json

import numpy as np
import pytest
import torch
from refusals import refused

from voxcli.errors import FileFormatError
from voxcli.evaluation.tables import FilledTable, Row, csv_text, latex
from voxcli.ops.plots.charts import Values, histogram
from voxcli.ops.plots.drawing import svg
from voxcli.ops.plots.report import Report, page_of_report, svg_of
from voxcli.ops.records_facts import finder
from voxcli.ops.viewer.page import PageItem, page_of
from voxcli.scene import Labels, VoxelGrid

META = {"schema": "voxcli/page", "command": "view"}


def facts(path, content=None):
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return finder(str(path))(str(path))


def report():
    return Report("a & b", ("mean 0.5 over 2 pairs",), (histogram("all pairs", [Values("x", "#123456", [0.25, 0.75])], "iou"),))


def test_a_page_of_a_scene_tells_what_it_shows(tmp_path):
    labels = np.zeros((2, 2, 2), np.uint8)
    labels[0, 0, 0] = 1
    page, _ = page_of(PageItem(VoxelGrid(labels=labels, classes=Labels(("air", "car"))), "a<b>.npz"), meta=META)
    found = facts(tmp_path / "a.html", page)
    assert (found["kind"], found["title"], found["classes"], found["meta"]) == ("page", "a<b>.npz", ["car"], META)
    assert [each["title"] for each in found["shows"]] == ["a<b>.npz"]


def test_a_page_and_a_sheet_of_plots_tell_title_plots_and_meta(tmp_path):
    found = facts(tmp_path / "a.html", page_of_report(report(), META))
    assert (found["title"], found["facts"], found["plots"]) == ("a & b", ["mean 0.5 over 2 pairs"], ["all pairs"])
    assert found["meta"] == META
    found = facts(tmp_path / "a.svg", svg_of(report(), META))
    assert (found["kind"], found["title"], found["plots"], found["meta"]) == ("plot", "a & b", ["all pairs"], META)
    assert facts(tmp_path / "b.svg", svg(report().drawings[0]))["title"] == "all pairs"


def test_tables_of_an_evaluation_tell_columns_and_methods(tmp_path):
    class Table:
        title, decimals = "Table 1: 50 %", 1

    filled = FilledTable(Table(), ["car_1", "mean"], [Row("A & B", True, {"car_1": 1.0}, {}), Row("mine", False, {"mean": 2.0}, {})])
    expected = {"Table 1: 50 %": {"columns": ["car_1", "mean"], "methods": ["A & B", "mine"]}}
    assert facts(tmp_path / "t.tex", latex([filled]))["tables"] == expected
    assert facts(tmp_path / "t.csv", csv_text([filled]))["tables"] == expected
    lines = ["# A paper", "", "its table", "", "## Table 1", "", "| method | car | samples | missing |", "|---|---|---|---|",
             "| A (published) | 0.5 |  |  |", "| mine | - | 4 | 0 |", "", "A note.", ""]  # fmt: skip
    found = facts(tmp_path / "t.md", "\n".join(lines))
    assert found["title"] == "A paper" and found["tables"] == {"Table 1": {"columns": ["car"], "methods": ["A (published)", "mine"]}}


def test_a_printed_table_tells_its_columns_or_values(tmp_path):
    from voxcli.cli.framework.output import _table

    found = facts(tmp_path / "a.txt", _table(["what", "value"], [["name", "a b"], ["iou", 0.25], ["car", None]]))
    assert found == {"kind": "table", "values": {"name": "a b", "iou": "0.25", "car": None}}
    found = facts(tmp_path / "b.txt", _table(["name", "iou"], [["a", 0.25], ["b", 0.5]]))
    assert found == {"kind": "table", "columns": ["name", "iou"], "rows": 2}


def test_checkpoints_tell_step_and_numbers_and_run_nothing(tmp_path):
    state = {"recipe": {"model": "ssz"}, "network": {"a": torch.zeros(2, 3)}, "step": 7, "best": {"stage": 0, "score": 0.5, "step": 4}}
    torch.save(state, tmp_path / "last.pt")
    size = (tmp_path / "last.pt").stat().st_size
    assert facts(tmp_path / "last.pt") == {
        "kind": "checkpoint",
        "model": "ssz",
        "step": 7,
        "best": state["best"],
        "bytes": size,
        "numbers": 6,
    }
    torch.save({"a": torch.zeros(4), "b": torch.zeros(2)}, tmp_path / "state.pt")
    found = facts(tmp_path / "state.pt")
    assert (found["kind"], found["tensors"], found["numbers"]) == ("tensors", 2, 6)


class Evil:
    def __reduce__(self):
        return (open, ("made.txt", "w"))


def test_a_strangers_checkpoint_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"step": Evil()}, "evil.pt")
    with refused(FileFormatError, "evil.pt"):
        facts(tmp_path / "evil.pt")
    assert not (tmp_path / "made.txt").exists()


@pytest.mark.parametrize(("name", "content"), [
    ("a.html", '<meta name="generator" content="voxcli 1"><script type="application/json" id="data">{"panes": 1}</script>'),
    ("a.html", '<meta name="generator" content="voxcli 1">'), ("a.pt", b"PK"), ("a.csv", b"table,method,published,column,value,\n\xff"),
    ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0" width="1" height="1" aria-label="a"><metadata>{</metadata>'),
])  # fmt: skip
def test_damaged_files_are_one_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with refused(FileFormatError, name):
        facts(tmp_path / name)


def test_files_of_other_programs_are_none_of_ours(tmp_path):
    for name, content in (("a.html", "<html>"), ("a.svg", "<svg/>"), ("a.csv", "x,y\n"), ("a.txt", "notes"), ("a.md", "# Notes\n")):
        (tmp_path / name).write_text(content)
        assert finder(str(tmp_path / name)) is None


ROW = {"metric": "iou", "value": 0.5, "pred": "a", "gt": "b", "parts": {}, "params": {}}


@pytest.mark.parametrize(("name", "content"), [
    ("a.json", json.dumps(ROW)), ("a.json", json.dumps([ROW], indent=2)), ("a.jsonl", json.dumps(ROW)),
    ("a.csv", "name,metric,preset,pred,gt,iou\na,iou,,a,b,0.5\n"), ("a.tsv", "name\tmetric\tpreset\tpred\tgt\tiou\na\tiou\t\ta\tb\t0.5\n"),
])  # fmt: skip
def test_records_are_known_in_every_format(tmp_path, name, content):
    found = facts(tmp_path / name, content)
    assert found == {"kind": "metric-records", "lines": 1, "metrics": {"iou": {"pairs": 1, "mean": 0.5}}}


def test_the_summary_of_a_set_alone_has_its_value(tmp_path):
    assert facts(tmp_path / "a.json", json.dumps(ROW | {"pred": "*"}))["metrics"] == {"iou": {"summary": 0.5}}


def test_lines_of_trainings_and_evaluations_are_told(tmp_path):
    log = [{"event": "start", "samples": 3}, {"event": "step", "step": 5, "stage": "a", "of": 9, "loss": 0.25}]
    found = facts(tmp_path / "log.jsonl", "\n".join(map(json.dumps, log)))
    assert (found["kind"], found["step"], found["samples"], found["loss"]) == ("training-log", 5, 3, 0.25)
    samples = [{"variant": "1 view", "name": "a", "category": "", "records": {"iou": ROW}},
               {"variant": "1 view", "name": "b", "category": "", "records": {}}]  # fmt: skip
    found = facts(tmp_path / "samples.jsonl", "\n".join(map(json.dumps, samples)))
    assert found.pop("measures") == {"1 view iou": {"pairs": 1, "mean": 0.5}}
    assert found == {"kind": "evaluation-samples", "samples": 2, "scored": 1, "undefined": 0}
    found = facts(tmp_path / "summary.jsonl", json.dumps({"variant": "", "measure": "iou", **ROW, "pred": "*"}))
    assert found == {"kind": "evaluation-values", "values": {"iou": 0.5}}


def test_what_lies_beside_data_and_results_is_told(tmp_path):
    meta = {"command": "synth rooms", "schema": "voxcli/rooms-dataset"}
    assert facts(tmp_path / "meta.json", json.dumps(meta)) == {"kind": "rooms-dataset-meta", "meta": meta}
    views = {"category": "chair", "split": "train", "parts": ["air", "seat"], "views": {"lights": [{}, {}]}}
    found = facts(tmp_path / "views.json", json.dumps(views, indent=1))
    assert found == {"kind": "object-views", "category": "chair", "split": "train", "parts": ["air", "seat"], "views": {"lights": 2}}
    run = {"data": "d", "model": "ssz", "predictions": None, "protocol": "p", "settings": {}}
    found = facts(tmp_path / "run.json", json.dumps(run, indent=1))
    assert found == {"kind": "evaluation-run", "protocol": "p", "model": "ssz", "predictions": None, "data": "d"}
