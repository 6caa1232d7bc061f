"""The 17 points of `voxcli guide commands`, a small real check of each. Other modules test them in depth."""

import csv
import io
import json
import os
import re
import subprocess
import sys

import inventory
import pytest
from conftest import as_bytes
from example_files import FILES, box_mesh
from processes import IMPORTS, environment, processor_seconds

from voxcli import files
from voxcli.cli import app
from voxcli.cli.commands import info
from voxcli.cli.commands.completion import Page, manual, script
from voxcli.cli.commands.guide import PAGES
from voxcli.cli.framework import output
from voxcli.cli.framework.batch import Item
from voxcli.version import __version__


@pytest.fixture
def folder(tmp_path):
    for name in ("scene.npz", "pred.npz", "car.obj"):
        FILES[name](tmp_path / name)
    return tmp_path


def test_01_dash_and_format(voxcli, folder, monkeypatch):
    scene = (folder / "scene.npz").read_bytes()
    for form in ("npz", "h5", "glb"):
        code, text, _ = voxcli("convert", "-", "--input-format", "npz", "-o", "-", "--format", form, input=scene)
        assert code == 0 and as_bytes(text)[:4] == {"npz": b"PK\3\4", "h5": b"\x89HDF", "glb": b"glTF"}[form]
    assert voxcli("metrics", "iou", "-", "scene.npz", "--input-format", "npz", input=scene)[0] == 0
    assert voxcli("info", "-", "--input-format", "npz", input=scene)[0] == 0
    monkeypatch.setattr(output.Output, "on_terminal", property(lambda self: True))
    code, text, errors = voxcli("convert", "car.obj", "-o", "-", "--format", "glb")
    assert (code, text) == (2, "") and "terminal" in errors


def test_02_stdout_is_data(voxcli, folder):
    (folder / "bad.npz").write_bytes(b"no archive")
    for line in ("info scene.npz bad.npz", "metrics iou bad.npz scene.npz", "convert bad.npz -o - --format glb"):
        code, text, errors = voxcli(*line.split())
        assert (code, text) == (2, "") and "bad.npz" in errors
    code, text, errors = voxcli("convert", "scene.npz", "-o", "x.glb")
    assert (code, text) == (0, "") and errors.startswith("x.glb: ")


def test_03_score_formats(voxcli, folder):
    said = {form: voxcli("metrics", "iou", "pred.npz", "scene.npz", "--format", form)[1] for form in output.RECORD_FORMATS}
    one, line = json.loads(said["json"]), json.loads(said["jsonl"])
    assert one == line and {*one} == {"metric", "value", "pred", "gt", "parts", "params", "meta"}
    assert one["meta"]["voxcli_version"] == __version__ and {*one["meta"]["inputs"]} == {"pred.npz", "scene.npz"}
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        (row,) = csv.DictReader(io.StringIO(said[form]), delimiter=delimiter)
        assert float(row["iou"]) == one["value"] and row["voxcli_version"] == __version__
        assert row["pred_sha256"] == one["meta"]["inputs"]["pred.npz"] and row["gt_sha256"] == one["meta"]["inputs"]["scene.npz"]
    assert f"{one['value']:.4g}" in said["table"]


def test_04_exit_codes(voxcli, folder, monkeypatch):
    assert voxcli("metrics", "iou", "scene.npz", "scene.npz", "--fail-under", "0.9")[0] == 0
    assert voxcli("metrics", "iou", "pred.npz", "scene.npz", "--fail-under", "0.999")[0] == 1
    assert voxcli("metrics", "iou", "absent.npz", "scene.npz")[0] == 2

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(info.options, "first", interrupted)
    assert voxcli("convert", "scene.npz", "-o", "x.glb")[:2] == (130, "")
    with subprocess.Popen([sys.executable, "-m", "voxcli", "guide", "conventions"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment()) as process:  # fmt: skip
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 0


def test_05_inputs(voxcli, folder):
    for name in ("in/a", "in/deep/b"):
        files.write(folder / f"{name}.obj", box_mesh())
    (folder / "list.txt").write_text("in/a.obj\nin/deep/b.obj\nabsent.obj\n")
    for k, source in enumerate((["in"], ["in/**/*.obj"], ["in/a.obj", "in/deep/b.obj"])):
        assert voxcli("convert", *source, "-o", f"out{k}/", "--to", "ply")[0] == 0
        assert len([*(folder / f"out{k}").rglob("*.ply")]) == 2
    for k, (source, data) in enumerate((("@list.txt", b""), ("@-", (folder / "list.txt").read_bytes()))):
        line = ("convert", source, "-o", f"listed{k}/", "--to", "ply")
        assert voxcli(*line, input=data)[0] == 2
        code, _, errors = voxcli(*line, "--keep-going", input=data)
        assert code == 1 and "absent.obj" in errors and len([*(folder / f"listed{k}").rglob("*.ply")]) == 2


def test_06_writes(voxcli, folder, monkeypatch):
    line = ("convert", "scene.npz", "-o", "new/deep/x.glb")
    assert voxcli(*line)[0] == 0
    before = (folder / "new/deep/x.glb").read_bytes()
    assert voxcli(*line)[0] == 2 and "skipped" in voxcli(*line, "--skip-existing")[2]

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert voxcli(*line, "--overwrite")[0] == 2
    assert [path.name for path in (folder / "new/deep").iterdir()] == ["x.glb"] and (folder / "new/deep/x.glb").read_bytes() == before


def test_07_dry_run(voxcli, folder):
    code, text, errors = voxcli("convert", "scene.npz", "car.obj", "-o", "out/", "--to", "ply", "--dry-run")
    first, second = map(json.loads, text.splitlines())
    assert (code, errors) == (0, "") and not (folder / "out").exists()
    assert first["read"][0]["shape"] == [16, 16, 16] and second["read"][0]["bytes"] == (folder / "car.obj").stat().st_size
    assert first["write"] == [{"path": "out/scene.ply", "exists": False}]


def test_08_progress(capsys, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def shown(stderr, verbose, **env):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stderr)
            patch.setattr(output, "LINE_SECONDS", 0.01)
            patch.setenv("TERM", "xterm-256color")
            for name, value in env.items():
                patch.setenv(name, value)
            out = output.Output()
            out.verbose = verbose
            with out.progress(2, "drawing") as bar:
                bar.advance()
                import time

                time.sleep(0.05)
        return stderr.getvalue()

    without = shown(Terminal(), 0, NO_COLOR="1").replace("\x1b[0m", "")
    assert "drawing" in shown(Terminal(), 0) and "drawing" in without and not re.search(r"\x1b\[[\d;]*m", without)
    assert shown(io.StringIO(), 0) == "" and shown(io.StringIO(), 1).startswith("drawing: 1 of 2 done")


def test_09_words(voxcli, folder):
    line = ("convert", "scene.npz", "-o", "x.ply", "--overwrite")
    assert voxcli(*line)[2].count("\n") == 1 and voxcli(*line, "-q")[2] == ""
    way, timed = voxcli(*line, "-v")[2], voxcli(*line, "-vv")[2]
    assert "scene.npz: read, " in way and "converted: " in way and "timings" not in way and "timings: " in timed


def test_10_errors(voxcli, folder):
    for line, said in {
        "inof scene.npz": "Did you mean 'info'?", "info scene.npz --formatt json": "Did you mean '--format'?",
        "info scnee.npz": "scnee.npz", "train -m szs --data . -o run": "Did you mean 'ssz'?",
        "metrics chamfer car.obj car.obj --preset onte": "Did you mean 'onet'?",
        "convert scene.npz -o x.nzp": "Did you mean 'npz'?", "guide tran": "Did you mean 'train'?",
    }.items():  # fmt: skip
        code, text, errors = voxcli(*line.split())
        assert (code, text) == (2, "") and said in errors and len(errors.splitlines()) <= 3, errors
    assert re.search("expected .* got ", voxcli("info", "car.obj", "--kind", "voxels")[2])


def test_11_precedence(voxcli, folder):
    (folder / "c.yaml").write_text("points: 30\nseed: 3\nresolution: 8\n")
    line = ("convert", "car.obj", "-o", "x.ply", "--print-config", "--config", "c.yaml")
    text = voxcli(*line, "--seed", "1", env={"VOXCLI_SEED": "2", "VOXCLI_POINTS": "20"})[1].splitlines()
    wanted = {"seed: 1  # --seed", "points: 20  # VOXCLI_POINTS", "resolution: 8  # --config", "surface: auto  # default"}
    assert wanted <= {*text}
    (folder / "c.yaml").write_text("sede: 3\n")
    code, _, errors = voxcli(*line)
    assert code == 2 and "unknown key 'sede'" in errors and "'seed'" in errors
    code, _, errors = voxcli("info", "scene.npz", env={"VOXCLI_FROMAT": "json"})
    assert code == 0 and "VOXCLI_FROMAT" in errors and "VOXCLI_FORMAT?" in errors
    # A threshold that is given comes before that of the weights, which comes before none.
    FILES["object.safetensors"](folder / "object.safetensors")
    FILES["chair.png"](folder / "chair.png")
    for flags, level in (((), 0.4), (("--threshold", "0.2"), 0.2)):
        assert voxcli("predict", "chair.png", "--weights", "object.safetensors", "-o", "x.npz", "--overwrite", *flags)[0] == 0
        assert files.read(folder / "x.npz").meta["options"]["threshold"] == level


def test_12_same_bytes(voxcli, folder):
    files.write(folder / "in/a.obj", box_mesh())
    files.write(folder / "in/b.obj", box_mesh())
    line = ("convert", "in", "--to", "ply", "--as", "points", "--points", "20")
    assert voxcli(*line, "-o", "one")[0] == 0 == voxcli(*line, "-o", "two")[0]
    one = {name: (folder / f"one/{name}.ply").read_bytes() for name in "ab"}
    assert all((folder / f"two/{name}.ply").read_bytes() == one[name] for name in "ab")
    first, second = (files.read(folder / f"one/{name}.ply").points for name in "ab")
    assert (first != second).any() and Item("in/b.obj", "", "b").seed(0) != Item("in/a.obj", "", "a").seed(0)
    assert voxcli("fruxelize", "car.obj", "-o", "x.npz", "--size", "8", "8", "--depth", "8", "-v")[2].count("device: cpu") == 1


def test_13_provenance(voxcli, folder):
    digest = json.loads(voxcli("metrics", "iou", "scene.npz", "scene.npz")[1])["meta"]["inputs"]["scene.npz"]
    for suffix in ("ply", "glb", "npz"):
        assert voxcli("convert", "scene.npz", "-o", f"x.{suffix}", "--as", "mesh" if suffix != "npz" else "voxels")[0] == 0
        meta = files.read(folder / f"x.{suffix}").meta
        assert (meta["command"], meta["voxcli_version"], meta["inputs"]) == ("convert", __version__, {"scene.npz": digest})
    assert voxcli("convert", "scene.npz", "-o", "x.obj")[0] == 0 and digest in (folder / "x.obj").read_text()[:2000]
    assert "/" not in json.dumps(meta["inputs"]) and str(folder) not in json.dumps(meta)


def test_14_resume(voxcli, tmp_path):
    line = ("synth", "rooms", "-o", "rooms", "--count", "2", "--size", "16")
    assert voxcli(*line)[2] == "2 scenes made, 0 were there: rooms\n"
    whole = {path: path.read_bytes() for path in (tmp_path / "rooms").rglob("*") if path.is_file()}
    cut = next(path for path in whole if path.match("images/000001.png"))
    cut.write_bytes(whole[cut][:100])  # as a kill may leave what other programs write
    assert voxcli(*line)[2] == "1 scene made, 1 was there: rooms\n"
    assert {path: path.read_bytes() for path in whole} == whole


def test_15_version_and_help(voxcli):
    assert voxcli("--version") == (0, f"voxcli {__version__}\n", "")
    assert any(processor_seconds("-m", "voxcli", "--help") < max(0.3, 3 * processor_seconds("-c", IMPORTS)) for _ in range(5))


def test_16_completions_and_manual(voxcli):
    bash, page = script(Page.bash), manual()
    for entry in app.COMMANDS:
        for line in inventory.command_lines(entry):
            flag = line.split(":")[0].split(" ")[0].split("/")[0]
            assert not flag.startswith("--") or (flag in bash and flag.replace("-", "\\-") in page), flag
    assert voxcli("completion", "bash")[1] == bash and voxcli("completion", "man")[1] == page


def test_17_inventory():
    listed = inventory.read_committed()
    for entry in app.COMMANDS[:3]:
        assert sorted(inventory.command_lines(entry)) == sorted(listed[inventory.EVERY] + listed[f"voxcli {entry.words}"])
    assert {title for title in listed if title.startswith("voxcli ")} == {f"voxcli {entry.words}" for entry in app.COMMANDS}


def test_the_page_lists_each_point_with_its_test():
    page = (PAGES / "commands.md").read_text(encoding="utf-8")
    points = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |\Z)", page, re.MULTILINE | re.DOTALL)
    named = [(int(number), *re.findall(r"`(test_\w+)`", text)) for number, text in points]
    tests = [name for name in globals() if re.match(r"test_\d\d_", name)]
    assert named == [(int(name[5:7]), name) for name in tests] and len(tests) == 17
