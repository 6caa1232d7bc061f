"""The committed completion scripts are those of the commands that exist, and they complete."""

import shutil
import subprocess
from pathlib import Path

import pytest

from voxcli.cli.app import COMMANDS
from voxcli.cli.commands.completion import SHELLS

COMMITTED = {"bash": "voxcli.bash", "zsh": "_voxcli", "fish": "voxcli.fish"}
FOLDER = Path(__file__).parents[2] / "completions"


@pytest.mark.parametrize("shell", [shell.value for shell in SHELLS])
def test_the_committed_script_is_the_generated_one(voxcli, shell):
    code, text, errors = voxcli("completion", shell)
    assert (code, errors) == (0, "")
    path = FOLDER / COMMITTED[shell]
    assert path.read_text() == text, f"run: voxcli completion {shell} > completions/{path.name}"


@pytest.mark.parametrize("shell", [shell.value for shell in SHELLS])
def test_the_script_is_valid_and_knows_every_command(shell):
    path = FOLDER / COMMITTED[shell]
    text = path.read_text()
    for entry in COMMANDS:
        assert not entry.exists or entry.hidden or entry.words.split()[-1] in text
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    assert subprocess.run([shell, "-n", str(path)], capture_output=True, text=True).stderr == ""


def bash_offers(*words):
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _voxcli; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", f"source '{FOLDER / 'voxcli.bash'}'; {ask}"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_offers_commands_options_and_choices():
    assert "info" in bash_offers("voxcli", "") and "completion" in bash_offers("voxcli", "")
    assert bash_offers("voxcli", "inf") == ["info"]
    assert bash_offers("voxcli", "info", "--form") == ["--format"]
    assert bash_offers("voxcli", "info", "-q", "--format", "") == ["json", "jsonl"]
    assert bash_offers("voxcli", "info", "--format", "jsonl", "--keep") == ["--keep-going"]


def test_bash_leaves_inputs_and_free_values_to_file_names():
    assert bash_offers("voxcli", "info", "") == []
    assert bash_offers("voxcli", "convert", "a.obj", "-o", "b") == []
