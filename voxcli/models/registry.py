"""Models by name. Their modules are imported when they are asked for, so that listing them costs nothing."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from voxcli import log
from voxcli.errors import FileFormatError, UsageError, unknown_name
from voxcli.options import imported

if TYPE_CHECKING:
    from torch import nn

    from voxcli.models.base import ModelOptions, ModelSpec, Predictor, Result, TrainedNetwork

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
    "objects": "voxcli.models.cutout",
}
"""Name -> package. A package offers a `spec` module with SPECS, a `network` and an `inference` module, and `stages` where it can be
trained here."""

_registered: dict[str, ModelSpec] = {}


def register(spec: ModelSpec) -> None:
    """Enter a model that does not come with voxcli, or one anew: all commands know it from then on."""
    _registered[spec.name] = spec
    MODELS[spec.name] = spec.package


def unregister(name: str) -> None:
    """Take a model out again."""
    _registered.pop(name, None)
    MODELS.pop(name, None)


def spec_of(name: str) -> ModelSpec:
    """What is known of a model before it is loaded. Raises UsageError for an unknown name."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    if name not in _registered:
        for spec in importlib.import_module(f"{MODELS[name]}.spec").SPECS:
            _registered.setdefault(spec.name, spec)
    return _registered[name]


def specs() -> list[ModelSpec]:
    """All models, in the order of MODELS."""
    return [spec_of(name) for name in MODELS]


def default_model() -> str:
    """The model where none is named: the one whose spec says so."""
    return next(name for name in MODELS if spec_of(name).default)


def able(ability: type) -> list[str]:
    """Names of the models with an ability of `voxcli.models.base`."""
    return [spec.name for spec in specs() if ability in spec.abilities]


def predicting() -> list[str]:
    """Names of the models that make 3D of pictures."""
    return [spec.name for spec in specs() if spec.options is not None]


def model_module(name: str, part: str) -> ModuleType:
    """The module `part` ("network", "inference", "stages") of a model."""
    found = optional_module(name, part)
    if found is None:
        raise UsageError(f"The model '{name}' offers no {part}.", hint=f"Models: {', '.join(MODELS)}.")
    return found


def optional_module(name: str, part: str) -> ModuleType | None:
    """The same; None where the model has no such module."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    module = f"{MODELS[name]}.{part}"
    return importlib.import_module(module) if MODELS[name] and importlib.util.find_spec(module) is not None else None


# -- loading ----------------------------------------------------------------------------------------------------------------------------


def class_of(name: str) -> type[TrainedNetwork[nn.Module]]:
    """The class of a model's loaded networks."""
    from voxcli.models.base import TrainedNetwork

    found: type = imported(spec_of(name).network)
    assert issubclass(found, TrainedNetwork), name
    return found


def names_of(network: type) -> list[str]:
    """The models whose weights a class loads."""
    path = f"{network.__module__}:{network.__qualname__}"
    return [spec.name for spec in specs() if spec.network == path]


def name_of(model: str | None, weights: str | None) -> str:
    """The model that is asked for: by its name, by what the weights are of, or the default."""
    if model or weights is None:
        return model or default_model()
    from voxcli.models.weights import model_of

    return model_of(weights)


def weights_of(name: str, weights: str | Path | None = None) -> Path:
    """The weights file that is given, else the one that comes with voxcli. Raises UsageError where there is none."""
    from voxcli.models.weights import SHIPPED, find_weights

    if weights is None and name in MODELS and not (SHIPPED / f"{name}.safetensors").is_file():
        foreign = f", or import an official checkpoint: voxcli weights import INPUT -m {name} -o FILE.safetensors"
        hint = f"Train it: voxcli train -m {name}{foreign if spec_of(name).importer else ''}"
        raise UsageError(
            f"No weights of {name} come with voxcli.", expected="--weights FILE.safetensors (in Python, weights='FILE.safetensors')",
            hint=hint,
        )  # fmt: skip
    return find_weights(weights or name)


def load_predictor(
    name: str, weights: str | Path | None = None, device: str = "auto", dtype: str = "auto"
) -> Predictor[nn.Module, ModelOptions, Result]:
    """A trained network that makes 3D of pictures. Raises UsageError for a model that does not, else see `load_network`."""
    from voxcli.models.base import Predictor

    check_predicts(name)
    network = load_network(name, weights, device, dtype)
    assert isinstance(network, Predictor)
    return network


def check_predicts(name: str) -> type[ModelOptions]:
    """The options of a model that makes 3D of pictures. Raises UsageError for one that makes none."""
    options = spec_of(name).options
    if options is None:
        raise UsageError(f"{name} predicts no 3D.", expected=" or ".join(predicting()), actual=name)
    return options


def load_network(name: str, weights: str | Path | None = None, device: str = "auto", dtype: str = "auto") -> TrainedNetwork[nn.Module]:
    """A trained network by the name of its model. Raises FileFormatError for weights of another one."""
    path = weights_of(name, weights)
    with log.timed("loading the network"):
        network = class_of(name).from_weights(path, device, dtype)
    if network.name != name:
        raise FileFormatError(f"'{weights or path}' holds weights of another model.", expected=name, actual=network.name)
    return network
