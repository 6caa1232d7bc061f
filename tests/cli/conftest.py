"""Command lines, run two ways: in this process, which is quick, and in one of their own with real pipes, as users run them.

`voxcli`, `fake` and their processes are called like fixture("info", "a.npz", input=b"...", env={...}), work in tmp_path and return
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
def refused(voxcli, tmp_path):
    """Run a command that must be refused: exit code 2, nothing on stdout, one to three lines on stderr, nothing written.

    Called like refused("info", "a.npz", named="a.npz", input=b"..."): `named` is a word or words that stderr has, `unnamed` those that it
    has not. `warned`: other lines come before the error. Returns stderr.
    """

    def run(*args, named=(), unnamed=(), warned=False, input=b""):
        before = contents(tmp_path)
        code, text, errors = voxcli(*args, input=input)
        assert (code, text) == (2, ""), (args, code, errors)
        before_it, begin, said = errors.partition("error: ")
        assert begin and bool(before_it) == warned and before_it[-1:] in ("", "\n") and len(said.splitlines()) <= 3, errors
        assert max(map(len, errors.splitlines())) < 400, errors
        assert "internal error" not in errors and "Traceback" not in errors
        for words, there in ((named, True), (unnamed, False)):
            for word in (words,) if isinstance(words, str) else words:
                assert (str(word) in errors) == there, f"{word}: {errors}"
        assert contents(tmp_path) == before, "something was written"
        return errors

    return run


def contents(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


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
