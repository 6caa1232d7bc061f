"""SSZ at work: pictures of any size in, labelled fruxels out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voxcli import backend
from voxcli.errors import UsageError
from voxcli.models.frustum.facts import restore
from voxcli.models.frustum.fitting import fit, leave_out
from voxcli.models.offers import Offers
from voxcli.models.ssz.instances import find_instances
from voxcli.models.ssz.network import SSZ, Generator, SSZConfig, build
from voxcli.models.weights import Weights
from voxcli.scene.labels import Labels
from voxcli.scene.types import Camera, Frustum, FruxelGrid, Picture

OFFERS = Offers("FruxelGrid", frozenset({"fov_x_deg", "camera", "probabilities", "poses"}))


@dataclass(frozen=True)
class Predictor:
    """A trained generator with what its numbers mean: the frustum of its output and its classes."""

    network: Generator
    frustum: Frustum
    classes: Labels
    device: torch.device
    dtype: torch.dtype

    @property
    def view(self) -> Frustum:
        """What the network's camera sees, in pixels of its image."""
        return self.frustum


def load_predictor(weights: str | Path | Weights = "ssz", device: str = "auto", dtype: str = "auto") -> Predictor:
    """A predictor from a weights file, the name of shipped weights, or weights in memory.

    dtype `auto` is bfloat16 on CUDA and on processors that multiply it in hardware, float32 elsewhere.
    """
    where = backend.pick_device(device)
    number = backend.pick_dtype(dtype, where)
    found = restore(weights, "ssz", SSZConfig, build, where, number)
    if isinstance(found.network, SSZ):
        found.network.discriminator.float()  # poses are in metres: not to be rounded to three digits
    return Predictor(found.network, found.frustum, found.classes, where, number)


def predict(
    predictor: Predictor, pictures: Sequence[Picture], *, fov_x_deg: float | None = None, camera: Camera | None = None,
    probabilities: bool = False, batch_size: int = 1, poses: bool = False,
) -> Iterator[FruxelGrid]:  # fmt: skip
    """The fruxels of each picture, in order.

    Pictures are cropped or padded to the model's frustum (see `fit`); columns that a picture does not show have the ignore label.
    fov_x_deg: the pictures' horizontal field of view; camera: their whole camera, whose place in the world the result takes over.
    probabilities: B of equation (1) as float16 comes along, 0 in columns that a picture does not show.
    poses: meta["instances"] lists the objects and their poses (see `find_instances`); needs weights with a discriminator.
    """
    judge = getattr(predictor.network, "discriminator", None)
    if poses and judge is None:
        raise UsageError("These weights tell no poses: they hold no discriminator.", hint="Train: voxcli train --recipe street-6d")
    for start in range(0, len(pictures), batch_size):
        fitted = [fit(each, predictor.frustum, fov_x_deg=fov_x_deg, camera=camera) for each in pictures[start : start + batch_size]]
        images = torch.from_numpy(np.stack([each.image for each in fitted])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            scores = predictor.network(images.to(predictor.device).to(predictor.dtype) / 255)[1]
            labels = scores.argmax(1).to(torch.uint8).cpu().numpy()
            share = torch.softmax(scores.float(), 1) if probabilities or poses else None
            shares = share.half().cpu().contiguous().numpy() if probabilities and share is not None else [None] * len(labels)
            for each, volume, kept in zip(fitted, labels, shares, strict=True):
                leave_out(volume, each.unseen, predictor.classes, kept)
            found: list[list[dict[str, Any]] | None] = [None] * len(labels)
            if poses and judge is not None and share is not None:
                seen = images.to(predictor.device).float() / 255
                for k, volume in enumerate(labels):
                    certificate = judge(seen[k : k + 1], share[k : k + 1], predictor.frustum)
                    found[k] = find_instances(volume, certificate, predictor.frustum, predictor.classes)
        for each, volume, kept, instances in zip(fitted, labels, shares, found, strict=True):
            yield FruxelGrid(
                volume, predictor.frustum, camera.world_to_cam if camera is not None else np.eye(4), predictor.classes, kept,
                each.facts if instances is None else each.facts | {"instances": instances},
            )  # fmt: skip
