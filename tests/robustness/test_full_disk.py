"""A disk that is full: one line that says so, and nothing half-written. Needs the right to mount a file system of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LINES = {
    "fruxelize": ("fruxelize", EXAMPLES / "scene.yaml", "-o", "FULL/scene.h5"),
    "convert": ("convert", EXAMPLES / "street/000002.npz", "-o", "FULL/scene.ply"),
    "convert a folder": ("convert", EXAMPLES / "street", "-o", "FULL/", "--to", "ply"),
    "render-surfels": ("render-surfels", EXAMPLES / "meshes/car.glb", "-o", "FULL/car.npz", "--size", "256"),
    "synth street": ("synth", "street", "-o", "FULL/streets", "--count", "4", "--size", "64", "64", "--depth", "64"),
    "synth iqtt": ("synth", "iqtt", "-o", "FULL/iqtt.h5", "--count", "40", "--size", "64"),
    "fuse-views": ("fuse-views", EXAMPLES / "street/000002.npz", EXAMPLES / "street/000005.npz", "-o", "FULL/fused.ply"),
    "segment": ("segment", EXAMPLES / "street/000002.npz", "-o", "FULL/instances.ply"),
}


@pytest.fixture
def full(tmp_path):
    """A folder on a file system of 16 KiB, which is mounted for the test."""
    folder = tmp_path / "full"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_a_full_disk_is_one_line_and_leaves_nothing(full, name):
    words = [str(word).replace("FULL", str(full)) for word in LINES[name]]
    done = subprocess.run([sys.executable, "-m", "voxcli", *words], capture_output=True, text=True, env=environment(), cwd=full.parent)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2 and done.stdout == "", done.stderr
    assert len(lines) == 1 and "No space left" in done.stderr and "Traceback" not in done.stderr and "internal" not in done.stderr
    assert not list(full.rglob("*.part")) and not list(full.rglob(".*"))
    for path in full.rglob("*"):
        if path.is_file() and path.suffix in (".npz", ".ply", ".h5", ".png"):
            seen = subprocess.run([sys.executable, "-m", "voxcli", "info", path], capture_output=True, text=True, env=environment())
            assert seen.returncode == 0, f"{path}: {seen.stderr}"
