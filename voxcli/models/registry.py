"""Models by name. Their modules are imported when they are asked for, so that listing them costs nothing."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from voxcli.errors import UsageError, unknown_name

MODELS = {
    "ssz": "voxcli.models.ssz",
    "rays": "voxcli.models.rays",
    "z-gan": "voxcli.models.zgan",
    "edges2image": "voxcli.models.edges2image",
    "pix2vox-f": "voxcli.models.pix2vox",
    "pix2vox-a": "voxcli.models.pix2vox",
    "jof": "voxcli.models.jof",
    "bae": "voxcli.models.bae",
    "pix2scene": "voxcli.models.pix2scene",
    "iqtt-pix2scene": "voxcli.models.iqtt",
    "iqtt-cnn": "voxcli.models.iqtt",
    "iqtt-siamese": "voxcli.models.iqtt",
    "uclid": "voxcli.models.uclid",
}
"""Name -> package. A package offers a `network` and an `inference` module, `stages` where it can be trained here, and `importer` where
there are foreign weights of it."""


def model_module(name: str, part: str) -> ModuleType:
    """The module `part` ("network", "inference", "stages", "importer") of a model."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    module = f"{MODELS[name]}.{part}"
    if importlib.util.find_spec(module) is None:
        raise UsageError(f"The model '{name}' offers no {part}.", hint=f"Models: {', '.join(MODELS)}.")
    return importlib.import_module(module)
