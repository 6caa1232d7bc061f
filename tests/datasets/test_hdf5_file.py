"""HDF5 files that cannot be written end in one error and leave nothing."""

import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest
from processes import environment
from refusals import refused

from voxcli.datasets.hdf5_file import new_hdf5
from voxcli.errors import UsageError


@pytest.mark.parametrize("kilobytes", [1, 5, 20])
def test_a_file_that_grows_too_large_is_told_and_removed(tmp_path, kilobytes):
    """A limit of the size of files, which every system has, stands for a full disk."""
    line = [sys.executable, "-m", "voxcli", "synth", "iqtt", "-o", "q.h5", "--count", "8", "--size", "64"]
    done = subprocess.run(line, capture_output=True, cwd=tmp_path, env=environment(), text=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes << 10,) * 2))  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: 'q.h5' cannot be written.") and "File too large" in done.stderr
    assert len(done.stderr.splitlines()) <= 3 and "errno" not in done.stderr and list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with refused(UsageError, "a.h5"), new_hdf5(tmp_path / "file" / "a.h5", False):
        pass
    with refused(UsageError, "exists"), new_hdf5(tmp_path / "file", False):
        pass


def test_a_bug_within_the_block_stays_one_and_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="ours"), new_hdf5(tmp_path / "a.h5", False):
        raise RuntimeError("ours")
    assert list(tmp_path.iterdir()) == []


def test_the_later_of_two_writers_fails(tmp_path):
    with refused(UsageError, "a.h5", hint="--overwrite"), new_hdf5(tmp_path / "a.h5", False) as file:
        file["x"] = np.arange(3)
        (tmp_path / "a.h5").write_bytes(b"theirs")
    assert (tmp_path / "a.h5").read_bytes() == b"theirs" and len(list(tmp_path.iterdir())) == 1
    with new_hdf5(tmp_path / "a.h5", True) as file:
        file["x"] = np.arange(3)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"][:].tolist() == [0, 1, 2]
