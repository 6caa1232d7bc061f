"""`view -o FILE.html`: one file, two files, folders, stdout, and calls that are refused."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from example_files import fruxel_grid, picture, prediction

from voxcli import files
from voxcli.provenance import sha256_file


@pytest.fixture
def folder(tmp_path):
    files.write(tmp_path / "scene.npz", fruxel_grid())
    files.write(tmp_path / "pred.npz", prediction())
    files.write(tmp_path / "other.npz", replace(fruxel_grid(), frustum=replace(fruxel_grid().frustum, z_far=20.0)))
    files.write(tmp_path / "photo.png", picture())
    return tmp_path


def data_of(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[1])


def test_a_file_becomes_a_page_that_says_how_it_was_made(voxcli, folder):
    assert voxcli("view", "scene.npz", "-o", "scene.html", "-q") == (0, "", "")
    assert voxcli("view", "scene.npz", "-o", "again/scene.html")[0] == 0
    assert (folder / "scene.html").read_bytes() == (folder / "again" / "scene.html").read_bytes()
    found = data_of(folder / "scene.html")
    assert found["meta"]["command"] == "view" and found["meta"]["inputs"] == {"scene.npz": sha256_file(folder / "scene.npz")}
    assert {entry["name"] for entry in found["legend"]} == {"car", "building", "ground"} and "picture" not in found


def test_two_files_become_a_comparison_with_the_score_of_the_metric(voxcli, folder):
    assert voxcli("view", "pred.npz", "scene.npz", "-o", "compare.html", "--picture", "photo.png", "-q") == (0, "", "")
    found = data_of(folder / "compare.html")
    record = json.loads(voxcli("metrics", "iou", "pred.npz", "scene.npz")[1])
    assert found["scores"]["main"][1] == record["value"] and found["scores"]["classes"] == record["parts"]["classes"]
    assert [pane["title"] for pane in found["panes"]] == ["pred.npz", "scene.npz", "hits and misses"]
    assert found["picture"]["source"].startswith("data:image/jpeg;base64,") and len(found["meta"]["inputs"]) == 3


def test_what_cannot_be_compared_is_shown_with_a_word(voxcli, folder):
    code, _, errors = voxcli("view", "pred.npz", "other.npz", "-o", "compare.html")
    assert code == 0 and errors.startswith("warning: not compared: ") and len(errors.splitlines()) == 2
    assert "frusta" in data_of(folder / "compare.html")["reason"]


def test_folders_and_stdout(voxcli, folder):
    assert voxcli("view", "scene.npz", "pred.npz", "-o", "pages/", "--format", "html")[0] == 0
    assert sorted(path.name for path in (folder / "pages").iterdir()) == ["pred.html", "scene.html"]
    data = (folder / "scene.npz").read_bytes()
    code, text, _ = voxcli("view", "-", "--input-format", "npz", "-o", "-", "--format", "html", input=data)
    assert code == 0 and text.startswith("<!doctype html>") and text.endswith("</html>\n")
    assert voxcli("view", "scene.npz", "-o", "pages/scene.html")[0] == 2, "nothing is overwritten without being asked"


@pytest.mark.parametrize(("words", "named"), [
    ("pred.npz scene.npz other.npz -o x.html", "one file"),
    ("scene.npz -o x.jpg", "x.jpg"),
    ("scene.npz -o x.png --picture photo.png", "--picture"),
    ("scene.npz pred.npz -o pages/ --format html --picture photo.png", "--picture"),
    ("photo.png -o x.html", ("photo.png", "PNG")),
    ("scene.npz -o x.html --picture absent.png", "absent.png"),
    ("scene.npz absent.npz -o x.html", "absent.npz"),
    ("scene.npz -o x.html --format pdf", "pdf"),
    ("scene.npz -o x.svg", ("x.svg", "FILE.png")),
    ("photo.png -o x.gif", "photo.png"),
    ("scene.npz -o x.gif --views left", "frames"),
    ("scene.npz -o x.png --views 12", "FILE.gif"),
    ("scene.npz pred.npz -o x.gif", "x.gif"),
])  # fmt: skip
def test_calls_that_are_refused(refused, folder, words, named):
    refused("view", *words.split(), named=named)


@pytest.mark.parametrize("output", ["x.html", "x.png", "x/"])
def test_two_folders_are_scored_and_two_files_compared(refused, folder, output):
    for name in ("a", "b"):
        files.write(folder / name / "scene.npz", fruxel_grid())
    refused("view", "a", "b", "-o", output, named=("exactly two files", "metrics iou"))


def test_a_file_that_cannot_be_shown_is_refused_before_the_first_is_drawn(refused, folder):
    (folder / "page.html").touch()
    for words in ((), ("--dry-run",)):
        refused("view", "scene.npz", "page.html", "-o", "x/", *words, named="page.html")
    refused("info", "scene.npz", "page.html", "--dry-run", named="page.html")


def test_on_a_terminal_a_file_that_is_not_there_is_told(refused, folder, monkeypatch):
    monkeypatch.setattr("voxcli.cli.framework.output.Output.on_terminal", True)
    refused("view", "nosuch", named="No such file or folder: nosuch")


def test_a_threshold_decides_what_is_occupied(voxcli, tmp_path):
    from voxcli.scene import VoxelGrid

    files.write(tmp_path / "soft.npz", VoxelGrid(occupancy=np.linspace(0, 1, 27, dtype=np.float32).reshape(3, 3, 3)))
    assert voxcli("view", "soft.npz", "-o", "x.html", "--threshold", "0.9")[0] == 0
    assert data_of(tmp_path / "x.html")["panes"][0]["counts"] == [3]


def test_open_shows_the_page_and_nothing_opens_by_itself(voxcli, folder, monkeypatch):
    import webbrowser

    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    assert voxcli("view", "scene.npz", "-o", "scene.html")[0] == 0 and opened == []
    assert voxcli("view", "scene.npz", "-o", "again.html", "--open")[0] == 0 and opened == [(folder / "again.html").as_uri()]
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert voxcli("view", "scene.npz", "--open", "-q") == (0, "", "")
    (page,) = folder.glob("voxcli-*/scene.html")
    assert opened[1:] == [page.as_uri()] and "panes" in data_of(page)
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    assert "yourself" in voxcli("view", "scene.npz", "-o", "again.html", "--open", "--overwrite")[2]


@pytest.mark.parametrize(("words", "named"), [
    ("scene.npz -o x.png --open", "--open"), ("scene.npz pred.npz -o pages/ --format html --open", "--open"),
    ("scene.npz -o x.png --views camera,lfet", "left"), ("scene.npz -o x.html --views left", "--views"),
])  # fmt: skip
def test_other_calls_that_are_refused(refused, folder, words, named):
    refused("view", *words.split(), named=named)


def test_views_are_named_in_their_order(voxcli, folder):
    assert voxcli("view", "scene.npz", "-o", "two.png", "--views", "top, front", "--size", "64")[0] == 0
    sheet = files.read(folder / "two.png")
    assert sheet.meta["options"]["views"] == ["top", "front"] and sheet.rgb.shape[1] <= 2 * 64 + 3 * 8


def test_two_files_become_a_sheet_with_the_prediction_left(voxcli, folder):
    assert voxcli("view", "pred.npz", "scene.npz", "-o", "sheet.png", "--size", "64", "-q") == (0, "", "")
    sheet = files.read(folder / "sheet.png")
    assert len(sheet.meta["inputs"]) == 2 and sheet.rgb.shape[1] == 2 * 64 + 3 * 8
    assert voxcli("view", "scene.npz", "scene.npz", "-o", "same.png", "--size", "64", "--views", "top,camera")[0] == 0
    rows = files.read(folder / "same.png").rgb[70:]  # below the captions of the first row
    assert np.array_equal(rows[:20, 8:72], rows[:20, 80:144]) and len(np.unique(rows[:20, 8:72])) > 3
    code, _, errors = voxcli("view", "pred.npz", "other.npz", "-o", "apart.png", "--size", "32")
    assert code == 0 and errors.startswith("warning: not compared: ")


def test_a_turntable_goes_round_without_end_in_the_same_bytes(voxcli, folder):
    from PIL import Image

    words = ("view", "scene.npz", "--size", "48", "--views", "4", "-q", "-o")
    assert voxcli(*words, "turn.gif") == (0, "", "") and voxcli(*words, "again.gif")[0] == 0
    assert (folder / "turn.gif").read_bytes() == (folder / "again.gif").read_bytes()
    with Image.open(folder / "turn.gif") as turn:
        assert (turn.n_frames, turn.size, turn.info["loop"]) == (4, (48, 48), 0)
        frames = []
        for k in range(4):
            turn.seek(k)
            frames.append(np.asarray(turn.convert("RGB")))
    assert not np.array_equal(frames[0], frames[2])
    assert (frames[0] != frames[0][0, 0]).any(-1).mean() > 0.05
