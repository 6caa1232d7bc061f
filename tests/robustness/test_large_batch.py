"""A long batch with some bad items finishes, names these, and takes no more memory than a short one."""

import os
import subprocess
import sys

import pytest
from processes import environment

CUBE = b"""v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 1
v 1 0 1
v 1 1 1
v 0 1 1
f 4 3 2 1
f 5 6 7 8
f 1 2 6 5
f 2 3 7 6
f 3 4 8 7
f 4 1 5 8
"""


def converted(folder, count):
    """(exit code, names of the outputs, lines on stderr, largest resident memory in bytes) of a batch whose every hundredth mesh is bad."""
    (folder / "in").mkdir(parents=True)
    for k in range(count):
        (folder / f"in/{k:05d}.obj").write_bytes(CUBE if k % 100 else CUBE[:60] + b"\nf 1 2 9\n")
    with open(folder / "errors", "wb") as errors:
        command = [sys.executable, "-m", "voxcli", "convert", "in", "-o", "out", "--to", "ply", "--keep-going", "--quiet"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    lines = (folder / "errors").read_text().splitlines()
    return process.returncode, sorted(path.name for path in (folder / "out").iterdir()), lines, usage.ru_maxrss * 1024


@pytest.mark.slow
def test_ten_thousand_meshes_of_which_a_hundred_are_bad(tmp_path):
    code, names, lines, memory = converted(tmp_path / "many", 10_000)
    assert code == 1 and len(names) == 9_900
    bad = [f"{k:05d}.obj" for k in range(0, 10_000, 100)]
    assert all(any(name in line for line in lines) for name in bad)
    assert not any(f"{k:05d}.ply" in names for k in range(0, 10_000, 100))
    assert memory < converted(tmp_path / "few", 500)[3] + (16 << 20), "names and messages are all that is kept"
