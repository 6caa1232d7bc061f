"""Rays at work: pictures of any size in, labelled fruxels out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli import backend
from voxcli.errors import DataError
from voxcli.models.frustum.facts import restore
from voxcli.models.frustum.familiarity import Familiarity, learn
from voxcli.models.frustum.fitting import fit, leave_out
from voxcli.models.frustum.scores import surface_labels
from voxcli.models.offers import Offers
from voxcli.models.rays.network import Features, Rays, RaysConfig
from voxcli.models.weights import Weights
from voxcli.scene.labels import Labels
from voxcli.scene.types import Camera, Frustum, FruxelGrid, Picture

OFFERS = Offers("FruxelGrid", frozenset({"fov_x_deg", "camera", "probabilities"}))

RAYS_AT_ONCE = 2048
"""Rays whose scores are in memory at a time: 10 classes x 128 slices of each are 10 MB as float32."""


@dataclass(frozen=True)
class Predictor:
    """A trained network with what its numbers mean: the frustum of its output and its classes; and what tells strange pictures, where the
    weights hold that."""

    network: Rays
    frustum: Frustum
    classes: Labels
    device: torch.device
    dtype: torch.dtype
    familiarity: Familiarity | None = None

    @property
    def view(self) -> Frustum:
        """What the network's camera sees, in pixels of its picture."""
        scale = self.network.config.picture_scale
        return replace(self.frustum, width=scale * self.frustum.width, height=scale * self.frustum.height)


def load_predictor(weights: str | Path | Weights = "rays", device: str = "auto", dtype: str = "auto") -> Predictor:
    """A predictor from a weights file, the name of shipped weights, or weights in memory.

    dtype `auto` is bfloat16 on CUDA and on processors that multiply it in hardware, float32 elsewhere.
    """
    where = backend.pick_device(device)
    number = backend.pick_dtype(dtype, where)
    found = restore(weights, "rays", RaysConfig, Rays, where, number)
    return Predictor(found.network, found.frustum, found.classes, where, number, found.familiarity)


def predict(
    predictor: Predictor, pictures: Sequence[Picture], *, fov_x_deg: float | None = None, camera: Camera | None = None,
    probabilities: bool = False, batch_size: int = 1,
) -> Iterator[FruxelGrid]:  # fmt: skip
    """The fruxels of each picture, in order.

    Pictures are fitted to the network's camera (see `fit`); one whose field of view is unknown lies whole within the frustum. Columns that
    a picture does not show are marked as ignored. fov_x_deg: the pictures' horizontal field of view; camera: their whole camera, whose
    place in the world the result takes over. probabilities: the class probabilities as float16 come along.
    """
    network, frustum, classes = predictor.network, predictor.frustum, predictor.classes
    for start in range(0, len(pictures), batch_size):
        chosen = pictures[start : start + batch_size]
        fitted = [
            fit(picture, frustum, scale=network.config.picture_scale, fov_x_deg=fov_x_deg, camera=camera, whole=True) for picture in chosen
        ]
        images = torch.from_numpy(np.stack([each.image for each in fitted])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            features = network.features(images.to(predictor.device).to(predictor.dtype) / 255)
            labels, shares = decode(network, features, probabilities)
            strange = None if predictor.familiarity is None else predictor.familiarity.facts(features.summary)
        for k, each in enumerate(fitted):
            volume, share = labels[k].cpu().numpy(), None if shares is None else shares[k].cpu().numpy()
            leave_out(volume, each.unseen, classes, share)
            facts = each.facts if strange is None else each.facts | {"strangeness": strange[k]}
            yield FruxelGrid(volume, frustum, camera.world_to_cam if camera is not None else np.eye(4), classes, share, facts)


def learn_familiarity(predictor: Predictor, pictures: Iterable[Picture]) -> Familiarity:
    """What tells pictures that are unlike those given, which are like the training's: every fifth serves for the threshold alone.

    Raises DataError for fewer than about 100.
    """
    network, found = predictor.network, []
    for picture in pictures:
        image = fit(picture, predictor.frustum, scale=network.config.picture_scale, whole=True).image
        with torch.inference_mode():
            x = torch.from_numpy(image).permute(2, 0, 1)[None].to(predictor.device).to(predictor.dtype) / 255
            found.append(network.features(x, fine=False).summary)
    if not found:
        raise DataError("There are no pictures to be familiar with.")
    features = torch.cat(found)
    held_out = torch.arange(len(features)) % 5 == 4
    return learn(features[~held_out], features[held_out])


def decode(network: Rays, features: Features, probabilities: bool = False) -> tuple[Tensor, Tensor | None]:
    """Labels [B, D, H, W] uint8 (see `surface_labels`) and, where asked for, probabilities [B, n, D, H, W] float16: some rays at a time,
    for little memory."""
    config_, batch = network.config, len(features.coarse)
    pixels = torch.arange(config_.width * config_.height, device=features.coarse.device)
    labels, shares = [], []
    for some in pixels.split(RAYS_AT_ONCE):
        scores = network.rays(features, some)
        labels.append(surface_labels(scores))
        if probabilities:
            shares.append(torch.softmax(scores, 1).half())
    size = (config_.depth, config_.height, config_.width)
    whole = torch.cat(labels, 2).reshape(batch, *size)
    return whole, torch.cat(shares, 3).reshape(batch, config_.classes, *size) if probabilities else None
