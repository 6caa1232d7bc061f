"""Command lines, run two ways: in this process, which is quick, and in one of their own with real pipes, as users run them.

All four fixtures are called like fixture("info", "a.npz", input=b"...", env={...}), work in tmp_path and return
(exit code, stdout, stderr); bytes that are no text travel as surrogates (see `as_bytes`). `fake` and `fake_process` have the commands
of fake_commands.py in place of the real ones.
"""

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import fake_commands
import pytest
from processes import environment

from voxcli.cli import app

HERE = Path(__file__).parent


@pytest.fixture
def voxcli(tmp_path, monkeypatch, capsysbinary):
    """The real commands, in this process."""
    return _runner_here(app.COMMANDS, tmp_path, monkeypatch, capsysbinary)


@pytest.fixture
def fake(tmp_path, monkeypatch, capsysbinary):
    """The fake commands, in this process."""
    return _runner_here(fake_commands.ENTRIES, tmp_path, monkeypatch, capsysbinary)


@pytest.fixture
def voxcli_process(tmp_path):
    """The real commands, in a process of their own."""
    return _runner([sys.executable, "-m", "voxcli"], tmp_path)


@pytest.fixture
def fake_process(tmp_path):
    """The fake commands, in a process of their own."""
    return _runner([sys.executable, str(HERE / "fake_commands.py")], tmp_path)


def as_text(data):
    """Bytes of stdout as text that `as_bytes` turns back."""
    return data.decode(errors="surrogateescape")


def as_bytes(text):
    """What stdout held, byte by byte."""
    return text.encode(errors="surrogateescape")


def _runner(command, folder):
    def run(*args, input=b"", env=None):
        done = subprocess.run([*command, *map(str, args)], input=input, capture_output=True, cwd=folder, env=environment(**(env or {})))
        return done.returncode, as_text(done.stdout), done.stderr.decode()

    run.command = command
    return run


def _runner_here(entries, folder, monkeypatch, capture):
    def run(*args, input=b"", env=None):
        with monkeypatch.context() as patch, warnings.catch_warnings():
            patch.chdir(folder)
            for name in [name for name in os.environ if name.startswith("VOXCLI_")]:
                patch.delenv(name)
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input)))
            capture.readouterr()
            code = app.run([str(arg) for arg in args], entries)
        captured = capture.readouterr()
        return code, as_text(captured.out), captured.err.decode()

    return run
