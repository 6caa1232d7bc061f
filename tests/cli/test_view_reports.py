"""`view` of metric records, folders of results and run folders: plots in all forms, text on a terminal, and calls that are refused."""

import json
import re

import numpy as np
import pytest
from example_files import fruxel_grid, prediction

from voxcli import files
from voxcli.ops.plots.scores import read_records
from voxcli.provenance import sha256_file
from voxcli.scene import VoxelGrid

LOG = [{"event": "start", "samples": 4, "stages": [{"name": "all", "steps": 20, "batch": 2}]},
       {"event": "step", "step": 5, "stage": "all", "of": 20, "loss": 2.0, "samples_per_second": 3.0},
       {"event": "step", "step": 10, "stage": "all", "of": 20, "loss": 1.0, "samples_per_second": 5.0},
       {"event": "validation", "step": 10, "stage": "all", "score": 0.5, "seconds": 1.0}]  # fmt: skip

RECORDS = {}


@pytest.fixture
def folder(voxcli, tmp_path):
    """Records of two pairs that are there, a run, a scene."""
    for name, guess in (("a", prediction()), ("b", fruxel_grid())):
        files.write(tmp_path / "pred" / f"{name}.npz", guess)
        files.write(tmp_path / "gt" / f"{name}.npz", fruxel_grid())
    for form in ("jsonl", "csv"):  # scored once: the files are the same each time
        RECORDS[form] = RECORDS.get(form) or voxcli("metrics", "iou", "pred", "gt", "--format", form)[1]
        (tmp_path / f"scores.{form}").write_text(RECORDS[form])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in LOG))
    files.write(tmp_path / "scene.npz", fruxel_grid())
    return tmp_path


@pytest.mark.parametrize("source", ["scores.jsonl", "run"])
def test_plots_in_all_forms_say_how_they_were_made(voxcli, folder, source):
    read = f"{source}/log.jsonl" if source == "run" else source
    for form in ("html", "svg", "png"):
        assert voxcli("view", source, "-o", f"one.{form}", "-q") == (0, "", "")
    metas = [json.loads(re.search(pattern, (folder / f"one.{form}").read_text())[1].replace("&lt;", "<"))
             for form, pattern in (("html", r'id="meta">(.*?)</script>'), ("svg", r"<metadata>(.*?)</metadata>"))]  # fmt: skip
    for meta in (*metas, files.read(folder / "one.png").meta):
        assert meta["command"] == "view" and meta["inputs"] == {read: sha256_file(folder / read)}


def test_the_same_call_gives_the_same_bytes_and_size_is_that_of_a_plot(voxcli, folder):
    for form in ("html", "png"):
        for name in ("one", "two"):
            assert voxcli("view", "run", "-o", f"{name}.{form}")[0] == 0
        assert (folder / f"one.{form}").read_bytes() == (folder / f"two.{form}").read_bytes()
    assert voxcli("view", "run", "-o", "large.png", "--size", "840")[0] == 0
    small, large = (files.read(folder / f"{name}.png").rgb.shape for name in ("one", "large"))
    assert np.allclose(np.array(large) / small, [1.5, 1.5, 1], atol=0.01)


def test_the_best_and_the_worst_are_shown_with_their_pictures(voxcli, folder):
    code, page, _ = voxcli("view", "scores.csv", "-o", "-", "--format", "html")
    assert code == 0 and page.count("data:image/png") == 2 and ">b, 1<" in page
    code, text, _ = voxcli("view", "-", "--input-format", "csv", "-o", "-", "--format", "svg", input=(folder / "scores.csv").read_bytes())
    assert code == 0 and text.startswith("<svg") and text.count("data:image/png") == 2


def test_a_terminal_shows_text(voxcli, folder, monkeypatch):
    from voxcli.cli.framework.output import Output

    monkeypatch.setattr(Output, "on_terminal", True)
    assert voxcli("view", "scores.jsonl")[1].splitlines()[0] == "scores.jsonl"
    code, text, _ = voxcli("view", "run")
    assert code == 0 and "not at work: the same call goes on, about 6 s left" in text and "run loss: 2 █▁ 1" in text


def test_policies_hold(voxcli, folder):
    code, text, _ = voxcli("view", "run", "-o", "a.svg", "--dry-run")
    plan = json.loads(text)
    assert code == 0 and plan["write"] == [{"path": "a.svg", "exists": False}] and not (folder / "a.svg").exists()
    assert [(each["path"], each["kind"]) for each in plan["read"]] == [("run/log.jsonl", "trainings")]
    (folder / "a.svg").write_text("mine")
    assert voxcli("view", "scores.jsonl", "-o", "a.svg", "--skip-existing")[0] == 0 and (folder / "a.svg").read_text() == "mine"
    assert voxcli("view", "scores.jsonl", "-o", "a.svg")[0] == 2
    assert voxcli("view", "scores.jsonl", "scores.csv", "-o", "a.svg", "--overwrite")[0] == 0 and (folder / "a.svg").stat().st_size > 1000


@pytest.mark.parametrize(("words", "named"), [
    ("scores.jsonl -o x.gif", "x.gif"), ("scores.jsonl -o plots/", "plots/"), ("scores.jsonl -o plots/ --format png", "plots/"),
    ("scores.jsonl scene.npz -o x.html", "scene.npz"), ("scores.jsonl run -o x.html", "run"), ("scores.jsonl", "terminal"),
    ("scores.jsonl -o x.png --threshold 0.4", "--threshold"), ("run -o x.png --views front", "--views"), ("run -o x.png --open", "--open"),
    ("empty.jsonl -o x.png", "empty.jsonl"),
])  # fmt: skip
def test_calls_that_are_refused(refused, folder, words, named):
    (folder / "empty.jsonl").write_text("")
    refused("view", *words.split(), named=named)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_set_at_its_best_threshold_is_shown_at_that(tmp_path, voxcli, form):
    """The threshold is the summary's alone: a quarter and three quarters are the truth at 0.2, half of it at 0.5."""
    for k, truth in enumerate((np.arange(8) < 2, np.arange(8) < 6)):
        for side, values in (("pred", np.where(np.arange(8) < truth.sum() / 2, 0.6, 0.3) * truth), ("gt", truth)):
            (tmp_path / side / "abc"[k]).mkdir(parents=True)
            kind = np.float32 if side == "pred" else bool
            files.write(tmp_path / side / "abc"[k] / "x.npz", VoxelGrid(occupancy=values.reshape(2, 2, 2).astype(kind)))
    sides = [str(tmp_path / side) for side in ("pred", "gt")]
    code, text, _ = voxcli("metrics", "iou", *sides, "--threshold", 0.5, "--threshold", 0.2, "--best-threshold", "--category-from",
                           "([ab])/", "--format", form)  # fmt: skip
    assert code == 0
    (tmp_path / f"scores.{form}").write_text(text)
    (found,) = read_records(str(tmp_path / f"scores.{form}"), form)
    assert found.values == [1.0, 1.0] and found.axis == "iou at >=0.2" and [score.category for score in found.scores] == ["a", "b"]
    assert json.loads(voxcli("info", f"scores.{form}")[1])["metrics"] == {"iou": {"pairs": 2, "mean": 1.0}}


def test_records_as_json_come_from_stdin_too(voxcli, folder):
    records = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    code, text, errors = voxcli("view", "-", "--input-format", "json", "-o", "-", "--format", "svg", input=json.dumps(records).encode())
    assert code == 0 and text.startswith("<svg"), errors
