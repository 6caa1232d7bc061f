"""What the work tells on its way: lines of -v, seconds of -vv, progress without a terminal."""

import re
import time

import pytest
from example_files import FILES, box_mesh

from voxcli import files, log
from voxcli.cli.framework import output


@pytest.fixture
def folder(tmp_path):
    for name in ("scene.npz", "pred.npz", "scene.yaml", "best.safetensors", "street.png"):
        FILES[name](tmp_path / name)
    return tmp_path


WAYS = {
    "fruxelize scene.yaml -o x.npz --size 8 8 --depth 8": (
        "scene.yaml: read, scene, 1 object", "filled by the rule slab", "cropped to", "device: cpu"
    ),
    "convert scene.npz -o x.ply": ("scene.npz: read, 16x16x16 fruxels", "converted: "),
    "predict street.png --weights best.safetensors -o x.npz": ("street.png: read, picture, 32x32", "weights of ssz", "crop", "device: cpu"),
    "segment street.png --weights best.safetensors -o x.png": ("street.png: read", "crop", "device: cpu"),
    "metrics iou pred.npz scene.npz": ("pred.npz: read", "scene.npz: read"),
    "fuse-views scene.npz -o x.npz": ("scene.npz: read", "unobserved", "device: cpu"),
    "render-surfels scene.yaml -o x.png --size 16": ("scene.yaml: read", "camera: of the file, 16x16 pixels", "device: cpu"),
    "view scene.npz -o x.png": ("scene.npz: read", "x.png: picture"),
    "view scene.npz -o x.html": ("scene.npz: read", "x.html: page of scene.npz"),
    "info scene.npz": ("scene.npz: read",),
    "weights info best.safetensors": ("best.safetensors: read, weights of ssz",),
    "weights export best.safetensors -o x.pt": ("best.safetensors: read, weights of ssz", "x.pt: weights of ssz"),
    "synth rooms -o x --count 1 --size 16": ("x: rooms", "seed 0", "1 scene made"),
}  # fmt: skip


@pytest.mark.parametrize("line", WAYS)
def test_every_command_tells_its_way_with_v_alone(voxcli, folder, line):
    code, _, errors = voxcli(*line.split(), "-v")
    assert code == 0 and [words for words in WAYS[line] if words not in errors] == [], errors
    assert errors.count("device:") <= 1 and "timings" not in errors


def test_seconds_of_the_parts_come_with_vv_and_add_up(voxcli, folder):
    began = time.perf_counter()
    code, text, errors = voxcli("convert", "scene.npz", "-o", "x.ply", "-vv")
    took = time.perf_counter() - began
    (line,) = [each for each in errors.splitlines() if each.startswith("timings: ")]
    found = {name: float(value) for name, value in re.findall(r"(?:timings: |, )([a-z ]+?) ([\d.]+) s", line)}
    assert code == 0 and {"reading", "converting", "writing", "the rest", "in all"} == {*found}
    assert sum(found.values()) - found["in all"] == pytest.approx(found["in all"], abs=0.03) and found["in all"] <= took + 0.01
    assert "timings" not in voxcli("convert", "scene.npz", "-o", "y.ply", "-vv", "-q")[2]


def test_workers_tell_what_they_do(voxcli, folder):
    for k in range(2):
        files.write(folder / f"in/{k}.obj", box_mesh())
    code, _, errors = voxcli("convert", "in", "-o", "out", "--to", "ply", "--workers", "2", "-vv", "--keep-going")
    assert code == 0 and "in/0.obj: read" in errors and "in/1.obj: read" in errors and "reading in workers" in errors


def test_seconds_of_a_part_within_are_not_counted_twice():
    log.set_handler(lambda line: None)
    with log.timed("outer"):
        time.sleep(0.01)
        with log.timed("inner"):
            time.sleep(0.03)
    found = log.seconds()
    log.set_handler(None)
    assert 0.01 <= found["outer"] < 0.03 <= found["inner"] and log.seconds() == {}


def test_without_a_terminal_v_tells_how_far_a_loop_has_come(capsys, monkeypatch):
    monkeypatch.setattr(output, "LINE_SECONDS", 0.02)

    def loop(verbose, quiet=False, lines=True):
        out = output.Output()
        out.verbose, out.quiet = verbose, quiet
        with out.progress(3, "drawing", lines) as bar:
            bar.advance(2)
            time.sleep(0.07)
        return capsys.readouterr()

    said = loop(1)
    assert said.out == "" and re.match(r"drawing: 2 of 3 done, \d+ s\n", said.err)
    assert [loop(0).err, loop(1, quiet=True).err, loop(1, lines=False).err] == ["", "", ""]


def test_a_training_tells_each_record_of_its_log_without_a_terminal(voxcli, tmp_path):
    from inventory import RECIPE

    (tmp_path / "recipe.yaml").write_text(RECIPE)
    assert voxcli("synth", "street", "-o", "scenes", "--count", "6", "--size", "32", "32", "--depth", "16")[0] == 0
    line = ("train", "--data", "scenes", "--recipe", "recipe.yaml")
    code, text, errors = voxcli(*line, "-o", "run")
    steps_told = [line.split(", ")[0] for line in errors.splitlines() if line.startswith("step ")]
    assert (code, text) == (0, "") and steps_told == ["step 1 of 2", "step 2 of 2"]
    assert voxcli(*line, "-o", "other", "-q")[2] == ""


def test_the_result_of_a_prediction_names_what_can_be_done_next(voxcli, folder):
    errors = voxcli("predict", "street.png", "--weights", "best.safetensors", "-o", "x y.npz")[2]
    assert errors.rstrip().endswith("Next: voxcli view 'x y.npz' -o 'x y.html'; voxcli metrics iou 'x y.npz' TRUTH")
    assert "Next" not in voxcli("predict", "street.png", "--weights", "best.safetensors", "-o", "-", "--format", "npz")[2]
