"""`import voxcli` is light, offers what it says, and its examples run."""

import doctest
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

import voxcli
from voxcli import api

ROOT = Path(__file__).parents[2]
MODULES = [module.name for module in pkgutil.iter_modules(api.__path__)]


def test_importing_voxcli_loads_nothing_heavy():
    code = "import sys, voxcli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert not {"torch", "numpy", "scipy", "trimesh", "PIL", "yaml", "typer"} & set(done.stdout.split())


def test_importing_voxcli_takes_less_than_60_ms():
    def seconds(code):
        process = subprocess.Popen([sys.executable, "-c", code], env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_utime + usage.ru_stime

    assert any(seconds("import voxcli") - seconds("pass") < 0.06 for _ in range(10))


def test_every_offered_name_is_there():
    assert all(getattr(voxcli, name) is not None for name in voxcli.__all__)
    assert set(voxcli.__all__) <= set(dir(voxcli))
    with pytest.raises(AttributeError):
        voxcli.nothing  # noqa: B018


def test_the_types_are_said():
    assert (Path(voxcli.__file__).parent / "py.typed").is_file()


def test_nothing_below_the_command_line_imports_it():
    package = Path(voxcli.__file__).parent
    outside = [path for path in package.rglob("*.py") if "cli" not in path.relative_to(package).parts and path.name != "__main__.py"]
    assert len(outside) > 100
    assert [str(path) for path in outside if "voxcli.cli" in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testmod(importlib.import_module(f"voxcli.api.{name}"))
    assert failed == 0 and (tried or name == "things")
