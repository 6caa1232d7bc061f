"""Street scenes as batches of rays: pictures, coarse labels, and the labels of some rays at full resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voxcli.datasets.street import StreetFolder, pool_labels
from voxcli.models.frustum.batches import augment
from voxcli.training.stage import Augmentation
from voxcli.training.task import Draws, TensorBatch

Prepared = tuple[np.ndarray, dict[int, np.ndarray], "np.ndarray | None", str]


@dataclass(frozen=True)
class RaysBatch(TensorBatch):
    """images [B, 3, sH, sW] float32 in 0..1; labels by scale, uint8: 4 [B, D/4, H/4, W/4], 1 [B, D, H, W] or, of the rays at `pixels` [N]
    alone, [B, D, N]; names for messages."""

    images: Tensor
    labels: dict[int, Tensor]
    pixels: Tensor | None
    names: list[str]


@dataclass(frozen=True)
class RaysReader:
    """(picture, labels by scale, pixels, name) of a sample. Where random numbers are given it is augmented, and has the full resolution's
    labels at `rays` pixels alone, the same ones for all samples of a batch."""

    data: StreetFolder
    scales: tuple[int, ...]
    rays: int
    augmentation: Augmentation

    def __call__(self, index: int, draws: Draws | None) -> Prepared:
        sample, empty = self.data[index], self.data.classes.empty
        if draws is not None:
            sample = augment(sample, self.augmentation, draws.own)
        labels, pixels = {}, None
        for scale in self.scales:
            if scale > 1:
                labels[scale] = pool_labels(sample.labels, scale, -1 if empty is None else empty)
            elif draws is None:
                labels[1] = sample.labels
            else:
                flat = sample.labels.reshape(len(sample.labels), -1)
                pixels = np.sort(draws.shared.permutation(flat.shape[1])[: self.rays])
                labels[1] = flat[:, pixels]
        return sample.image, labels, pixels, sample.name


def collate(samples: list[Prepared]) -> RaysBatch:
    """Stack samples into tensors."""
    images, labels, pixels, names = zip(*samples, strict=True)
    pictures = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)
    stacked = {s: torch.from_numpy(np.stack([part[s] for part in labels])) for s in labels[0]}
    return RaysBatch(pictures, stacked, None if pixels[0] is None else torch.from_numpy(pixels[0]), list(names))
