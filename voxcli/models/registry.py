"""Models by name. Their modules are imported when they are asked for, so that listing them costs nothing."""

from __future__ import annotations

import importlib
from types import ModuleType

from voxcli.errors import unknown_name

MODELS = {"ssz": "voxcli.models.ssz"}
"""Name -> package. A package offers `network`, `inference` and `stages` modules."""


def model_module(name: str, part: str) -> ModuleType:
    """The module `part` ("network", "inference", "stages") of a model."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    return importlib.import_module(f"{MODELS[name]}.{part}")
