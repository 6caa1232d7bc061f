"""Street scenes as batches: reading, augmentation, labels at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voxcli.datasets.street import StreetFolder, StreetSample, pool_labels
from voxcli.scene.poses import Poses
from voxcli.training.augmenting import colour_jitter
from voxcli.training.stage import Augmentation
from voxcli.training.task import Draws, TensorBatch

Prepared = tuple[np.ndarray, dict[int, np.ndarray], str, Poses | None]


@dataclass(frozen=True)
class StreetBatch(TensorBatch):
    """images [B, 3, H, W] float32 in 0..1; labels [B, D/s, H/s, W/s] uint8 by scale s; names for messages; poses of each
    sample's objects, where the data have them."""

    images: Tensor
    labels: dict[int, Tensor]
    names: list[str]
    poses: list[Poses | None]


@dataclass(frozen=True)
class StreetReader:
    """(image, labels by scale, name, poses) of a sample, augmented where random numbers are given."""

    data: StreetFolder
    scales: Sequence[int]
    augmentation: Augmentation

    def __call__(self, index: int, draws: Draws | None) -> Prepared:
        sample, empty = self.data[index], self.data.classes.empty
        if draws is not None:
            sample = augment(sample, self.augmentation, draws.own)
        labels = {s: pool_labels(sample.labels, s, -1 if empty is None else empty) for s in self.scales}
        return sample.image, labels, sample.name, sample.poses


def collate(samples: list[Prepared]) -> StreetBatch:
    """Stack samples into tensors."""
    images, labels, names, poses = zip(*samples, strict=True)
    pictures = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)
    stacked = {s: torch.from_numpy(np.stack([part[s] for part in labels])) for s in labels[0]}
    return StreetBatch(pictures, stacked, list(names), list(poses))


def augment(sample: StreetSample, how: Augmentation, rng: np.random.Generator) -> StreetSample:
    """A mirrored and recoloured copy. Always draws the same number of random values, whatever is switched on."""
    mirrored, light, contrast = rng.random() < 0.5, rng.uniform(-1, 1), rng.uniform(-1, 1)
    tint, noise_seed = rng.uniform(-1, 1, 3), int(rng.integers(1 << 31))
    through_camera = rng.random()
    image, labels, poses = sample.image, sample.labels, sample.poses
    if how.flip and mirrored:
        image, labels = image[:, ::-1], np.ascontiguousarray(labels[:, :, ::-1])
        poses = poses.mirrored() if poses is not None else None
    if how.brightness or how.contrast or how.colour or how.noise:
        image = colour_jitter(image, how, light, contrast, tint, np.random.default_rng(noise_seed))
    if how.photographic and through_camera < how.photographic:
        from voxcli.datasets.synthetic.camera_pipeline import photographic

        image = photographic(np.ascontiguousarray(image), np.random.default_rng([noise_seed, 1]))
    return StreetSample(sample.name, np.ascontiguousarray(image), labels, poses)


def count_classes(data: StreetFolder, indices: Sequence[int], classes: int, samples: int) -> Tensor:
    """Fruxels of each class [n] over at most `samples` evenly spaced samples."""
    step = max(1, len(indices) // samples)
    total = np.zeros(256, np.int64)
    for i in list(indices)[::step][:samples]:
        total += np.bincount(data[i].labels.reshape(-1), minlength=256)
    return torch.from_numpy(total[:classes])
