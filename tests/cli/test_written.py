"""What a command says of its results: one line of one file, a count of several, each with -v, nothing with -q."""

import pytest
from example_files import FILES, box_mesh, fruxel_grid

from voxcli import files


@pytest.fixture
def folder(tmp_path):
    files.write(tmp_path / "scene.npz", fruxel_grid())
    for k in range(3):
        files.write(tmp_path / f"in/{k}.obj", box_mesh())
    return tmp_path


def test_one_file_is_told_with_what_is_in_it(voxcli, folder):
    assert voxcli("convert", "in/0.obj", "-o", "one.ply") == (0, "", "one.ply: mesh, 8 vertices, 12 faces\n")
    assert voxcli("convert", "scene.npz", "-o", "points.ply", "--as", "points")[2].startswith("points.ply: ")
    assert voxcli("render-surfels", "in/0.obj", "-o", "view.png", "--size", "32")[2] == "view.png: picture, 32x32 pixels\n"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_several_files_are_counted_and_each_is_told_with_v(voxcli, folder, workers):
    line = ("convert", "in", "--to", "ply", "--workers", workers)
    assert voxcli(*line, "-o", "out")[2] == "out: 3 files written.\n"
    said = voxcli(*line, "-o", "again", "-v")[2].splitlines()
    assert said[-4:] == [*(f"again/{k}.ply: mesh, 8 vertices, 12 faces" for k in range(3)), "again: 3 files written."]


def test_nothing_is_told_where_quiet_on_stdout_and_of_what_failed(voxcli, folder):
    assert voxcli("convert", "in", "-o", "out", "--to", "ply", "-q")[2] == ""
    assert voxcli("convert", "scene.npz", "-o", "-", "--format", "npz")[2] == ""
    (folder / "in/1.obj").write_text("broken")
    code, _, errors = voxcli("convert", "in", "-o", "some", "--to", "ply", "--keep-going")
    assert code == 1 and errors.splitlines()[-2:] == ["some: 2 files written.", "error: 1 of 3 items failed."]
    assert "written" not in voxcli("convert", "in", "-o", "none", "--to", "ply")[2]


def test_files_of_a_dry_run_are_not_told_as_written(voxcli, folder):
    FILES["car.obj"](folder / "car.obj")
    assert voxcli("fruxelize", "car.obj", "-o", "car.npz", "--dry-run")[2] == ""


@pytest.mark.parametrize(
    ("model", "following"), [("ssz", "voxcli predict INPUT --weights {} -o OUTPUT"), ("bae", "voxcli weights info {}")]
)
def test_a_training_ends_with_its_weights_and_what_to_do_with_them(voxcli, folder, monkeypatch, model, following):
    def train(model, data, run, recipe, resume, watcher, **_):
        (folder / run).mkdir()
        (folder / run / "best.safetensors").touch()
        watcher({"event": "end", "step": 6})

    monkeypatch.setattr("voxcli.training.train", train)
    code, text, errors = voxcli("train", "-m", model, "--data", "in", "-o", "my run")
    wanted = f"my run/best.safetensors: weights of {model}, the best of 6 steps. Next: {following.format(repr('my run/best.safetensors'))}"
    assert (code, text, errors.splitlines()[-1]) == (0, "", wanted)
