"""Folders that others change: read-only ones, two commands that write into one, one that is removed meanwhile."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import environment
from test_large_batch import CUBE

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LINES = {
    "convert": ("convert", EXAMPLES / "street/000002.npz", "-o", "FOLDER/scene.ply"),
    "convert into a new folder": ("convert", EXAMPLES / "street", "-o", "FOLDER/new/", "--to", "ply"),
    "fruxelize": ("fruxelize", EXAMPLES / "scene.yaml", "-o", "FOLDER/scene.h5"),
    "synth iqtt": ("synth", "iqtt", "-o", "FOLDER/iqtt.h5", "--count", "2", "--size", "16"),
    "synth street": ("synth", "street", "-o", "FOLDER/streets", "--count", "1", "--size", "16", "16", "--depth", "8"),
}
FRUXELIZE = ("fruxelize", "in", "-o", "out", "--size", "32", "32", "--depth", "32")


def started(folder, *words):
    command = [sys.executable, "-m", "voxcli", *map(str, words)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def errors_of(process):
    """(exit code, lines of errors), which are the program's own words."""
    words = process.communicate()[1]
    assert "Traceback" not in words and "internal" not in words, words
    return process.returncode, [line for line in words.splitlines() if line.startswith("error:")]


def made(folder):
    return {path.name: path.read_bytes() for path in (folder / "out").glob("[!.]*")}


@pytest.fixture
def boxes(tmp_path):
    """A folder of 24 meshes, and what `fruxelize` makes of it when nothing disturbs."""
    (tmp_path / "quiet/in").mkdir(parents=True)
    for k in range(24):
        (tmp_path / f"quiet/in/{k:02d}.obj").write_bytes(CUBE.replace(b"1", b"%d" % (1 + k), 1))
    shutil.copytree(tmp_path / "quiet/in", tmp_path / "in")
    assert errors_of(started(tmp_path / "quiet", *FRUXELIZE)) == (0, [])
    return tmp_path, made(tmp_path / "quiet")


@pytest.fixture
def read_only(tmp_path):
    """A folder that takes no file: of another file system where the rights of a folder mean nothing, as for root."""
    folder = tmp_path / "folder"
    folder.mkdir()
    if os.geteuid():
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name != "convert" else []) for name in LINES])
def test_a_read_only_folder_is_one_line(read_only, name):
    code, errors = errors_of(started(read_only.parent, *(str(word).replace("FOLDER", str(read_only)) for word in LINES[name])))
    assert code == 2 and len(errors) == 1 and str(read_only) in errors[0], errors
    assert list(read_only.iterdir()) == []


@pytest.mark.slow
def test_two_commands_that_fill_one_folder_leave_whole_files(boxes):
    folder, expected = boxes
    for _ in range(3):
        both = [started(folder, *FRUXELIZE) for _ in range(2)]
        ends = [errors_of(process) for process in both]
        assert all((code, len(errors)) in ((0, 0), (2, 1)) for code, errors in ends), ends
        found = made(folder)
        assert found and found.items() <= expected.items() and not list((folder / "out").glob(".*"))
        assert len(found) == len(expected) or [code for code, _ in ends] == [2, 2]
        shutil.rmtree(folder / "out")


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 5, 12])
def test_a_folder_that_is_removed_meanwhile_is_made_again_or_told_in_one_line(boxes, after):
    folder, expected = boxes
    process = started(folder, *FRUXELIZE)
    while process.poll() is None and len(made(folder)) < after:
        time.sleep(0.002)
    shutil.rmtree(folder / "out", ignore_errors=True)
    code, errors = errors_of(process)
    assert (code, len(errors)) in ((0, 0), (2, 1)), errors
    assert made(folder).items() <= expected.items() and not list((folder / "out").glob(".*"))
