"""Z-GAN at work: pictures in, fruxels of one class out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from voxcli import backend, config
from voxcli.errors import FileFormatError
from voxcli.models.frustum.fitting import fit, leave_out
from voxcli.models.offers import Offers
from voxcli.models.weights import Weights, load_weights
from voxcli.models.zgan.network import Generator, ZGANConfig
from voxcli.scene.labels import Labels
from voxcli.scene.types import Camera, Frustum, FruxelGrid, Picture

OFFERS = Offers("FruxelGrid", frozenset({"fov_x_deg", "camera", "probabilities"}))

IMAGE, CELLS = 256, 128
THRESHOLD = 0.5
"""The output spans -1..1 but was trained towards 0 and 1: half-way between these."""


@dataclass(frozen=True)
class Predictor:
    """A trained generator, in evaluation mode (the original predicts in training mode: `network.as_trained()`)."""

    network: Generator
    frustum: Frustum
    classes: Labels
    device: torch.device
    dtype: torch.dtype

    @property
    def view(self) -> Frustum:
        """What the network's camera sees, in pixels of its image."""
        return replace(self.frustum, width=IMAGE, height=IMAGE)


def load_predictor(weights: str | Path | Weights, device: str = "auto", dtype: str = "auto") -> Predictor:
    """A predictor from a weights file or weights in memory. dtype `auto` is as for the other models."""
    weights = weights if isinstance(weights, Weights) else load_weights(weights)
    if weights.model != "z-gan":
        raise FileFormatError("These weights are of another model.", expected="z-gan", actual=weights.model)
    where = backend.pick_device(device)
    settings = replace(config.from_mapping(ZGANConfig, weights.config, "the weights' configuration"), discriminator=None)
    network = Generator(settings)
    try:
        network.load_state_dict({k: t for k, t in weights.tensors.items() if not k.startswith("discriminator.")})
        frustum = Frustum(CELLS, CELLS, CELLS, **weights.facts["frustum"])
        classes = Labels(tuple(weights.facts["label_names"]), weights.facts["empty_label"], weights.facts["ignore_label"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise FileFormatError("The weights do not fit their own configuration.", actual=str(error)[:300]) from error
    number = backend.pick_dtype(dtype, where)
    return Predictor(network.eval().requires_grad_(False).to(where, number), frustum, classes, where, number)


def predict(
    predictor: Predictor, pictures: Sequence[Picture], *, fov_x_deg: float | None = None, camera: Camera | None = None,
    probabilities: bool = False, batch_size: int = 1,
) -> Iterator[FruxelGrid]:  # fmt: skip
    """The fruxels of each picture, in order: class 1 where the output exceeds 0.5. Arguments as for SSZ.

    probabilities: the output, clipped to 0..1, as that of class 1.
    """
    for start in range(0, len(pictures), batch_size):
        chunk = pictures[start : start + batch_size]
        fitted = [fit(each, predictor.frustum, scale=IMAGE // CELLS, fov_x_deg=fov_x_deg, camera=camera) for each in chunk]
        images = torch.from_numpy(np.stack([each.image for each in fitted])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            scores = predictor.network(images.to(predictor.device).to(predictor.dtype) / 127.5 - 1)[:, 0].float().cpu()
        for each, score in zip(fitted, scores, strict=True):
            labels, share = (score > THRESHOLD).to(torch.uint8).numpy(), score.clamp(0, 1).half().numpy()
            shares = np.stack([1 - share, share]) if probabilities else None
            leave_out(labels, each.unseen, predictor.classes, shares)
            place = camera.world_to_cam if camera is not None else np.eye(4)
            yield FruxelGrid(labels, predictor.frustum, place, predictor.classes, shares, each.facts)
