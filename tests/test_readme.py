"""What the README shows is what runs: every `voxcli` line of it, in its order, in one folder."""

import re
import shlex
from pathlib import Path

import pytest

from voxcli.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def command_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    # The first block is one shell line that also installs: its voxcli calls are run like all others.
    return [call.strip() for line in lines for call in line.split("&&") if call.strip().startswith("voxcli ")]


def test_the_readme_shows_every_command():
    shown = " ".join(command_lines())
    for words in app.build_group().list_commands(None):
        assert f"voxcli {words}" in shown, f"README has no example of `voxcli {words}`"


@pytest.mark.skipif(not (ROOT / "voxcli" / "weights" / "ssz.safetensors").exists(), reason="the shipped weights are not there")
def test_every_line_of_the_readme_runs(tmp_path, monkeypatch, capfdbinary):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for line in command_lines():
        code = app.run(shlex.split(line)[1:])
        assert code == 0, (line, capfdbinary.readouterr().err.decode())


@pytest.mark.skipif(not (ROOT / "voxcli" / "weights" / "ssz.safetensors").exists(), reason="the shipped weights are not there")
def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names = {}
    exec(compile(block, "README.md", "exec"), names)
    assert names["record"]["metric"] == "iou" and 0 < names["record"]["value"] < 1


def test_pictures_and_files_that_the_readme_links_to_are_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
