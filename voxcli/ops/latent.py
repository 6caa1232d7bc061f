"""Predicted scenes whose latent code is decoded anew for every camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from voxcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from voxcli.ops.rendering import Imagined

Thing = TypeVar("Thing")


def latent_scene(thing: Thing, weights: str | None, elsewhere: bool, device: str) -> Thing | Imagined:
    """A predicted scene that decodes its latent code for each camera, where it is to be seen from elsewhere; else the thing itself.

    Raises UsageError for --weights where there is no code, and DataError where the code is of other weights.
    """
    from voxcli.ops.rendering import Imagined
    from voxcli.scene import Surfels

    told = thing.meta.get("prediction") if isinstance(thing, Surfels) else None
    if not isinstance(thing, Surfels) or not isinstance(told, dict) or told.get("model") != "pix2scene":
        if weights is not None:
            raise UsageError("--weights decode latent codes, and the input holds none.", expected="a file of `predict -m pix2scene`")
        return thing
    if not elsewhere:
        return thing
    import numpy as np

    from voxcli.models.pix2scene import inference
    from voxcli.models.weights import SHIPPED, find_weights
    from voxcli.provenance import sha256_file

    if weights is None and not (SHIPPED / "pix2scene.safetensors").is_file():
        raise UsageError("Another view is decoded from the latent code.", expected="--weights FILE.safetensors",
                         hint="Give the weights that the input was predicted with.")  # fmt: skip
    path = find_weights(weights or "pix2scene")
    if thing.meta.get("weights") != (digest := sha256_file(path)):
        raise DataError(f"The latent code is not of the weights '{path}': the input was predicted with others.",
                        expected=f"those with the SHA-256 {str(thing.meta.get('weights'))[:12]}...", actual=f"{digest[:12]}...",
                        hint="Give --weights that the input was predicted with.")  # fmt: skip
    predictor = inference.load_predictor(path, device)
    places = inference.trained_places(predictor)
    return Imagined(thing, lambda camera: inference.seen_from(predictor, told, camera), np.asarray(predictor.facts["target"]),
                    places.turns_of(thing.camera), places.strange)  # fmt: skip
