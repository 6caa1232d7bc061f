"""Predicted scenes whose latent code is decoded for every camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from voxcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from voxcli.ops.rendering import LatentScene

Thing = TypeVar("Thing")


def latent_scene(thing: Thing, weights: str | None, other_view: bool, device: str) -> Thing | LatentScene:
    """A predicted scene as one that decodes its latent code for each camera, where other_view is set; else the thing itself.

    weights: file or name of those that predicted it. Raises UsageError for weights without a latent code, DataError for other weights.
    """
    from voxcli.models.base import MakesScenes
    from voxcli.models.registry import able, load_network
    from voxcli.ops.rendering import LatentScene
    from voxcli.scene import Surfels

    prediction = thing.meta.get("prediction") if isinstance(thing, Surfels) else None
    makers = able(MakesScenes)
    if not isinstance(thing, Surfels) or not isinstance(prediction, dict) or prediction.get("model") not in makers:
        if weights is not None:
            raise UsageError("--weights decode latent codes, and the input holds none.",
                             expected=f"a file of `predict -m {' or '.join(makers)}`")  # fmt: skip
        return thing
    if not other_view:
        return thing
    from voxcli.models.weights import SHIPPED, find_weights
    from voxcli.provenance import sha256_file

    name = prediction["model"]
    if weights is None and not (SHIPPED / f"{name}.safetensors").is_file():
        raise UsageError("Another view is decoded from the latent code.", expected="--weights FILE.safetensors",
                         hint="Give the weights that the input was predicted with.")  # fmt: skip
    path = find_weights(weights or name)
    if thing.meta.get("weights") != (digest := sha256_file(path)):
        raise DataError(f"The latent code is not of the weights '{path}': the input was predicted with others.",
                        expected=f"those with the SHA-256 {str(thing.meta.get('weights'))[:12]}...", actual=f"{digest[:12]}...",
                        hint="Give --weights that the input was predicted with.")  # fmt: skip
    network = load_network(name, path, device)
    assert isinstance(network, MakesScenes)
    return LatentScene(
        thing, lambda camera: network.seen_from(prediction, camera), network.target, network.turns_of(thing.camera), network.strange
    )
