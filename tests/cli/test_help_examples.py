"""Every example in every help text runs as it stands, in a folder that holds the files it names."""

import fnmatch
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from example_files import FILES
from processes import environment

from voxcli.cli import app
from voxcli.cli.app import COMMANDS

COMMANDS_THERE = {entry.words: entry for entry in COMMANDS if entry.exists}

SHIPPED_WEIGHTS = Path(app.__file__).parents[1] / "weights" / "ssz.safetensors"


def examples(entry):
    """The lines of the docstring's Examples block, with continuation lines joined."""
    block = (entry.load().__doc__ or "").partition("Examples:\n")[2]
    return [line.strip() for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def read_and_written(line):
    """(words that may name inputs, words that name outputs) of a command line."""
    words = list(shlex.shlex(line, posix=True, punctuation_chars="|<>"))
    outputs = [after for before, after in zip(words, words[1:], strict=False) if before in ("-o", "--output", ">")]
    return [word.lstrip("@") for word in words if word not in outputs], outputs


def provide(folder, word):
    """Make the files that a word of a command line names: itself, all of a folder, all that a pattern fits."""
    for name, make in FILES.items():
        named = name == word or name.startswith(word.rstrip("/") + "/") or fnmatch.fnmatch(name, word)
        if named and not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            make(folder / name)


@pytest.mark.parametrize("words", COMMANDS_THERE)
def test_help_ends_with_two_or_three_examples_of_the_command(words):
    lines = examples(COMMANDS_THERE[words])
    assert 2 <= len(lines) <= 3
    assert all(f"voxcli {words}" in line for line in lines)


@pytest.mark.parametrize("words", COMMANDS_THERE)
def test_examples_run(words, tmp_path, voxcli):
    if words == "predict" and not SHIPPED_WEIGHTS.exists():
        pytest.skip(f"no weights are shipped yet: {SHIPPED_WEIGHTS.name} is absent")
    shell = environment(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    for line in examples(COMMANDS_THERE[words]):
        inputs, outputs = read_and_written(line)
        for word in inputs[1 + len(words.split()) :]:
            provide(tmp_path, word)
        if set(line) & set("|<>*@$&;"):  # a shell's work; the rest is quicker in this process
            done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=shell, capture_output=True, text=True, timeout=300)
            code, errors = done.returncode, done.stderr
        else:
            code, _, errors = voxcli(*shlex.split(line)[1:])
        assert code == 0, f"{line}\n{errors}"
        for output in outputs:
            assert output == "-" or (tmp_path / output).exists() != ("--dry-run" in inputs), line


def test_the_harness_tells_inputs_from_outputs():
    assert read_and_written("voxcli predict a.png -m ssz -o out.npz")[1] == ["out.npz"]
    assert read_and_written("voxcli info - < scene.npz > facts.json") == (["voxcli", "info", "-", "<", "scene.npz", ">"], ["facts.json"])
