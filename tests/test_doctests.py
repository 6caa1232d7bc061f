"""The examples in docstrings run, from the repository's root: some read examples/."""

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import voxcli.api
import voxcli.geometry
import voxcli.metrics
import voxcli.scene

ROOT = Path(__file__).parents[1]
ROOMS = (voxcli.api, voxcli.geometry, voxcli.metrics, voxcli.scene)
MODULES = ["voxcli.options", *(module.name for room in ROOMS for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("voxcli.geometry.", "voxcli.metrics."))])
def test_every_function_of_geometry_and_metrics_has_an_example(name):
    module = importlib.import_module(name)
    own = [f for _, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == name and not f.__name__.startswith("_")]
    assert [f.__name__ for f in own if ">>>" not in (f.__doc__ or "")] == []
