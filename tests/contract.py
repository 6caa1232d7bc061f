"""What every registered model must do, for tests of those that come with voxcli and of others: one function a property."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from voxcli import scene
from voxcli.errors import FileFormatError
from voxcli.models.base import Inputs, ModelOptions, ModelSpec, Predictor, TrainedNetwork
from voxcli.models.registry import able, class_of, names_of, spec_of
from voxcli.models.weights import Weights, load_weights, save_weights
from voxcli.options import option_infos
from voxcli.scene import Picture

ARRAYS = ("labels", "occupancy", "probabilities", "points", "vertices", "faces", "vertex_colors", "depth", "normals", "world_to_cam", "rgb")


def pictures(count: int = 3, side: int = 64) -> list[Picture]:
    """Discs of noise on nothing."""
    alpha = 255 * (np.hypot(*np.mgrid[-side / 2 : side / 2, -side / 2 : side / 2]) < 0.4 * side).astype(np.uint8)
    return [Picture(np.random.default_rng(k).integers(0, 256, (side, side, 3), dtype=np.uint8), alpha) for k in range(count)]


def its_spec_tells_the_truth(spec: ModelSpec) -> None:
    """The class is what the spec says, and its weights' names lead back to it."""
    kind = class_of(spec.name)
    assert spec_of(spec.name) is spec and spec.name in names_of(kind)
    assert issubclass(kind, Predictor if spec.options else TrainedNetwork)
    assert all(issubclass(kind, ability) and spec.name in able(ability) for ability in spec.abilities)
    if spec.options is not None:
        assert issubclass(getattr(scene, spec.gives), object) and (spec.frame is None) == (spec.units is None)


def its_options_are_documented(options: type[ModelOptions]) -> None:
    """Each has a help text of its own, and a default that its limits allow."""
    made = options()
    for field in dataclasses.fields(options):
        about = option_infos(options)[field.name]
        assert about.help.endswith((".", ")")) and getattr(made, field.name) == field.default
    assert set(options.only_for) <= option_infos(options).keys() and options.__doc__


def its_weights_keep_their_record(weights: Weights, folder: Path) -> None:
    """A file says the model, the configuration and what the numbers mean, and gives the same network."""
    save_weights(folder / "its.safetensors", weights, half=False)
    back = load_weights(folder / "its.safetensors")
    assert (back.model, back.config) == (weights.model, weights.config) and dict(weights.facts).items() <= back.facts.items()
    made = class_of(weights.model).from_weights(folder / "its.safetensors", "cpu", "float32")
    assert made.name == weights.model and all(back.tensors[name].equal(tensor) for name, tensor in weights.tensors.items())


def its_weights_load(spec: ModelSpec, weights: Weights) -> TrainedNetwork:
    """They come back as a network for use, and weights of another model are refused, as are damaged ones."""
    kind = class_of(spec.name)
    network = kind.from_weights(weights, "cpu", "float32")
    assert network.name == spec.name and network.device.type == "cpu" and str(network.dtype) == "torch.float32"
    assert not network.network.training and not any(p.requires_grad or p.is_meta for p in network.network.parameters())
    with pytest.raises(FileFormatError):
        kind.from_weights(dataclasses.replace(weights, model="another"), "cpu")
    first = next(iter(weights.tensors))
    with pytest.raises(FileFormatError):
        kind.from_weights(dataclasses.replace(weights, tensors={k: t for k, t in weights.tensors.items() if k != first}), "cpu")
    return network


def a_batch_equals_singles(spec: ModelSpec, predictor: Predictor, options: ModelOptions, atol: float = 1e-5) -> None:
    """Each picture gives one result of the type that the spec names, whatever is computed with it; its meta is JSON."""
    samples = [Inputs.of(picture) for picture in pictures()]
    together, alone = (list(predictor.predict(samples, options, size)) for size in (3, 1))
    assert len(together) == len(alone) == 3 and list(predictor.predict([], options)) == []
    for one, other in zip(together, alone, strict=True):
        assert type(one).__name__ == type(other).__name__ == spec.gives
        same(one, other, ARRAYS, atol)
        assert json.dumps(one.meta, sort_keys=True) and one.meta.keys() == other.meta.keys()


def same(one: object, other: object, names: Sequence[str], atol: float) -> None:
    """The arrays of two results agree, those of half precision to their last digit."""
    for name in names:
        a, b = getattr(one, name, None), getattr(other, name, None)
        assert (a is None) == (b is None), name
        if a is not None:
            much = max(atol, 1e-3) if a.dtype == np.float16 else atol
            np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), atol=much, err_msg=name)
