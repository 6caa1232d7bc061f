"""Outputs that are no ordinary files, and folders that take none: devices, pipes, /dev/stdout, /proc."""

import io
import os
import shutil
import subprocess

import numpy as np
import pytest
from example_files import FILES
from processes import environment
from refusals import refused

from voxcli.atomic import atomic_write_bytes, check_writable, own_descriptor
from voxcli.errors import UsageError

needs_devices = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such devices here")


@pytest.fixture
def scene(tmp_path):
    FILES["scene.npz"](tmp_path / "scene.npz")
    return tmp_path


@needs_devices
def test_a_device_holds_nothing_to_protect(refused, voxcli, scene):
    assert voxcli("convert", "scene.npz", "-o", "/dev/null", "--format", "ply", "-q") == (0, "", "")
    refused("convert", "scene.npz", "-o", "/dev/full", "--format", "ply", named=("/dev/full cannot be written", "No space left"))


@needs_devices
def test_dev_stdout_is_what_stdout_is_a_pipe_or_the_open_file(voxcli_process, scene):
    line = ("convert", "scene.npz", "-o", "/dev/stdout", "--format", "npz")
    code, text, errors = voxcli_process(*line)
    assert (code, errors) == (0, "")
    with np.load(io.BytesIO(text.encode(errors="surrogateescape"))) as archive:
        assert archive["labels"].shape == (16, 16, 16)
    before = set(os.listdir(scene))
    for mode, start in (("wb", b""), ("ab", b"before")):
        with open(scene / "into.npz", "wb") as file:
            file.write(start)
        with open(scene / "into.npz", mode) as file:
            os.unlink(scene / "into.npz") if mode == "wb" else None  # as `> (deleted)`: the open file has no name any more
            done = subprocess.run([*voxcli_process.command, *line], stdout=file, stderr=subprocess.PIPE, cwd=scene, env=environment())
            size = os.fstat(file.fileno()).st_size
        assert (done.returncode, done.stderr) == (0, b"")
        assert size == len(start) + len(text.encode(errors="surrogateescape"))
    assert set(os.listdir(scene)) == before | {"into.npz"}, "a file of another name was written"
    assert (scene / "into.npz").read_bytes().startswith(b"beforePK")


@needs_devices
def test_links_lead_to_open_files(tmp_path):
    (tmp_path / "link").symlink_to("/dev/stdout")
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert own_descriptor("/dev/stdout") == own_descriptor(tmp_path / "link") == own_descriptor("/dev/fd/1") == 1
    assert own_descriptor(tmp_path / "file") is own_descriptor(tmp_path / "circle") is own_descriptor("/dev/null") is None


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_folder_that_takes_no_file_is_told_before_computing(refused, tmp_path, dry):
    if not os.path.isdir("/proc/self"):
        pytest.skip("no /proc here")
    FILES["street.png"](tmp_path / "street.png")
    (tmp_path / "file").touch()
    for target in ("/proc/x.npz", "/proc/new/x.npz", "file/x.npz"):
        # The weights do not exist: an error about the output shows that it came first.
        refused("predict", "street.png", "--weights", "none.safetensors", "-o", target, *dry, named=f"{target} cannot be written")


def test_fusing_asks_before_reading_too(refused, scene):
    if not os.path.isdir("/proc/self"):
        pytest.skip("no /proc here")
    shutil.copy(scene / "scene.npz", scene / "other.npz")
    refused("fuse-views", "scene.npz", "other.npz", "-o", "/proc/x.npz", named=("/proc/x.npz cannot be written", "takes no file"))


def test_asking_whether_a_folder_takes_files_leaves_nothing(tmp_path):
    before = os.stat(tmp_path).st_mtime_ns, os.listdir(tmp_path)
    check_writable([tmp_path / "a.npz", tmp_path / "new/deep/b.npz"])
    assert os.listdir(tmp_path) == before[1]
    (tmp_path / "locked").mkdir(mode=0o500)
    if os.geteuid():
        with refused(UsageError, "c.npz"):
            check_writable([tmp_path / "locked/new/c.npz"])


def test_a_failure_among_several_says_what_was_done_and_how_to_go_on(refused, voxcli, scene):
    (scene / "in").mkdir()
    for name in ("a", "b", "d"):
        FILES["scene.npz"](scene / f"in/{name}.npz")
    (scene / "in/c.npz").write_bytes(b"no archive")
    code, _, errors = voxcli("convert", "in", "-o", "out", "--to", "ply")
    assert code == 2 and errors.startswith("error: in/c.npz")
    assert errors.rstrip().endswith("Before it, 2 of 4 were done; --keep-going finishes the others."), errors
    assert len(errors.splitlines()) <= 3
    refused("convert", "in/c.npz", "-o", "out.ply", unnamed="--keep-going")


def test_an_interrupt_right_after_the_temporary_file_is_made_leaves_nothing(tmp_path, monkeypatch):
    make = os.open

    def interrupted(*arguments):
        os.close(make(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr("voxcli.atomic.os.open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic_write_bytes(tmp_path / "scene.npz", b"scene")
    assert os.listdir(tmp_path) == []
