"""Batches of samples in a deterministic order, read ahead by background threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voxcli.datasets.street import StreetFolder, StreetSample, pool_labels
from voxcli.training.recipe import Augmentation


@dataclass(frozen=True)
class Batch:
    """images [B, 3, H, W] float32 in 0..1; labels [B, D/s, H/s, W/s] uint8 by scale s; names for messages."""

    images: Tensor
    labels: dict[int, Tensor]
    names: list[str]


class Order:
    """Which sample comes when: a fresh permutation for each epoch, a function of (seed, epoch) alone."""

    def __init__(self, indices: Sequence[int], seed: int):
        self.indices, self.seed = np.asarray(indices), seed
        self._epoch, self._permutation = -1, self.indices

    def __getitem__(self, position: int) -> int:
        """The index of the sample at a position counted from the start of the training."""
        epoch, place = divmod(position, len(self.indices))
        if epoch != self._epoch:
            self._epoch, self._permutation = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.indices)
        return int(self._permutation[place])


def training_batches(
    data: StreetFolder, order: Order, start: int, batch: int, part: slice, scales: Sequence[int], augmentation: Augmentation,
    seed: int, threads: int,
) -> Iterator[Batch]:  # fmt: skip
    """Endless batches from position `start`; of each `batch` samples this process reads `part`. Closing it stops the threads."""

    def read(position: int) -> tuple[np.ndarray, dict[int, np.ndarray], str]:
        sample = augment(data[order_at[position]], augmentation, np.random.default_rng([seed, 1, position]))
        return prepare(sample, scales, data.classes.empty)

    order_at: dict[int, int] = {}
    waiting: deque[list[Future]] = deque()
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        try:
            while True:
                while len(waiting) < 3:
                    positions = range(start, start + batch)[part]
                    order_at.update({p: order[p] for p in positions})
                    waiting.append([pool.submit(read, p) for p in positions])
                    start += batch
                yield collate([future.result() for future in waiting.popleft()])
                order_at = {p: i for p, i in order_at.items() if p >= start - 4 * batch}
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def validation_batches(data: StreetFolder, indices: Sequence[int], batch: int, scales: Sequence[int]) -> Iterator[Batch]:
    """The given samples once, in order, as they are."""
    for start in range(0, len(indices), batch):
        yield collate([prepare(data[i], scales, data.classes.empty) for i in indices[start : start + batch]])


def prepare(sample: StreetSample, scales: Sequence[int], empty: int | None) -> tuple[np.ndarray, dict[int, np.ndarray], str]:
    """(image, labels by scale, name) of one sample."""
    labels = {s: pool_labels(sample.labels, s, -1 if empty is None else empty) for s in scales}
    return sample.image, labels, sample.name


def collate(parts: list[tuple[np.ndarray, dict[int, np.ndarray], str]]) -> Batch:
    """Stack samples into tensors."""
    images, labels, names = zip(*parts, strict=True)
    pictures = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)
    return Batch(pictures, {s: torch.from_numpy(np.stack([part[s] for part in labels])) for s in labels[0]}, list(names))


def augment(sample: StreetSample, how: Augmentation, rng: np.random.Generator) -> StreetSample:
    """A mirrored and recoloured copy. Always draws the same number of random values, whatever is switched on."""
    mirrored, light, contrast = rng.random() < 0.5, rng.uniform(-1, 1), rng.uniform(-1, 1)
    tint, noise_seed = rng.uniform(-1, 1, 3), rng.integers(1 << 31)
    image, labels = sample.image, sample.labels
    if how.flip and mirrored:
        image, labels = image[:, ::-1], np.ascontiguousarray(labels[:, :, ::-1])
    if how.brightness or how.contrast or how.colour or how.noise:
        x = image.astype(np.float32)
        middle = x.mean()
        x = (x - middle) * (1 + how.contrast * contrast) + middle * (1 + how.brightness * light)
        x *= 1 + how.colour * tint.astype(np.float32)
        if how.noise:
            x += np.random.default_rng(noise_seed).standard_normal(x.shape, dtype=np.float32) * (255 * how.noise)
        image = x.clip(0, 255).astype(np.uint8)
    return StreetSample(sample.name, np.ascontiguousarray(image), labels)


def count_classes(data: StreetFolder, indices: Sequence[int], classes: int, samples: int) -> Tensor:
    """Fruxels of each class [n] over at most `samples` evenly spaced samples."""
    step = max(1, len(indices) // samples)
    total = np.zeros(256, np.int64)
    for i in list(indices)[::step][:samples]:
        total += np.bincount(data[i].labels.reshape(-1), minlength=256)
    return torch.from_numpy(total[:classes])


def batch_facts(batch: Batch) -> dict[str, Any]:
    """What to say about a batch that went wrong."""
    return {"samples": batch.names}
