"""Command lines run as users run them: in a process of their own, with real pipes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def environment(**extra):
    """The environment of a test process: no VOXCLI_* of the caller, one thread."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("VOXCLI_")}
    return {**clean, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **extra}


@pytest.fixture
def voxcli(tmp_path):
    """voxcli("info", "a.npz", input=b"...") runs the real command line in tmp_path; returns (code, stdout, stderr) as text."""
    return _runner([sys.executable, "-m", "voxcli"], tmp_path)


@pytest.fixture
def fake(tmp_path):
    """The same for the commands of fake_commands.py."""
    return _runner([sys.executable, str(HERE / "fake_commands.py")], tmp_path)


def _runner(command, folder):
    def run(*args, input=b"", env=None):
        done = subprocess.run([*command, *map(str, args)], input=input, capture_output=True, cwd=folder, env=environment(**(env or {})))
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    run.command = command
    return run
