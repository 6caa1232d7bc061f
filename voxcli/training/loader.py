"""Batches of samples in a deterministic order, read ahead by background threads or processes."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from voxcli.datasets.street import StreetFolder, StreetSample, pool_labels
from voxcli.errors import DataError
from voxcli.scene.poses import Poses
from voxcli.training.recipe import Augmentation, Loading, Recipe

Prepared = tuple[np.ndarray, dict[int, np.ndarray], str, Poses | None]


@dataclass(frozen=True)
class Batch:
    """images [B, 3, H, W] float32 in 0..1; labels [B, D/s, H/s, W/s] uint8 by scale s; names for messages; poses of each
    sample's objects, where the data have them."""

    images: Tensor
    labels: dict[int, Tensor]
    names: list[str]
    poses: list[Poses | None]

    def to(self, device: torch.device) -> Batch:
        """The batch on another device; the copy to CUDA goes through pinned memory and does not wait."""
        if device.type == "cpu":
            return self
        move = lambda t: t.pin_memory().to(device, non_blocking=True)  # noqa: E731
        return Batch(move(self.images), {s: move(t) for s, t in self.labels.items()}, self.names, self.poses)


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


@dataclass(frozen=True)
class Reader:
    """Sample `index` at a position of the order, ready to be stacked: the same arrays wherever and whenever it is read."""

    data: StreetFolder
    scales: Sequence[int]
    augmentation: Augmentation
    seed: int

    def __call__(self, position: int, index: int) -> Prepared:
        sample = augment(self.data[index], self.augmentation, np.random.default_rng([self.seed, 1, position]))
        return prepare(sample, self.scales, self.data.classes.empty)


def training_batches(reader: Reader, order: Order, start: int, batch: int, part: slice, loading: Loading) -> Iterator[Batch]:
    """Endless batches from position `start`; of each `batch` samples this process reads `part`. Closing it stops the workers."""
    waiting: deque[list[Future]] = deque()
    read = reader if loading.kind == "threads" else _read_in_worker
    pool = _pool(reader, loading)
    try:
        while True:
            while len(waiting) < loading.prefetch:
                positions = range(start, start + batch)[part]
                waiting.append([pool.submit(read, p, order[p]) for p in positions])
                start += batch
            yield collate([future.result() for future in waiting.popleft()])
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pool(reader: Reader, loading: Loading) -> Executor:
    if loading.kind == "threads":
        return ThreadPoolExecutor(loading.workers)
    # Not forked: this process runs torch's threads, and a copy of it may wait for one that is not there.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(loading.workers, context, partial(_become_worker, reader, os.getpid()))


_workers_reader: Reader | None = None


def _become_worker(reader: Reader, parent: int) -> None:
    global _workers_reader
    _workers_reader = reader
    torch.set_num_threads(1)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    """End this worker once its training is gone: one that was killed has told nobody."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _read_in_worker(position: int, index: int) -> Prepared:
    assert _workers_reader is not None
    return _workers_reader(position, index)


def validation_batches(data: StreetFolder, indices: Sequence[int], batch: int, scales: Sequence[int]) -> Iterator[Batch]:
    """The given samples once, in order, as they are; the next batch is read while the caller works."""
    read = lambda i: prepare(data[i], scales, data.classes.empty)  # noqa: E731
    parts = [indices[start : start + batch] for start in range(0, len(indices), batch)]
    with ThreadPoolExecutor(1) as pool:
        futures = deque(pool.submit(lambda part: [read(i) for i in part], part) for part in parts[:1])
        for following in [*parts[1:], None]:
            if following is not None:
                futures.append(pool.submit(lambda part: [read(i) for i in part], following))
            if futures:
                yield collate(futures.popleft().result())


def prepare(sample: StreetSample, scales: Sequence[int], empty: int | None) -> Prepared:
    """(image, labels by scale, name, poses) of one sample."""
    labels = {s: pool_labels(sample.labels, s, -1 if empty is None else empty) for s in scales}
    return sample.image, labels, sample.name, sample.poses


def collate(parts: list[Prepared]) -> Batch:
    """Stack samples into tensors."""
    images, labels, names, poses = zip(*parts, strict=True)
    pictures = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)
    return Batch(pictures, {s: torch.from_numpy(np.stack([part[s] for part in labels])) for s in labels[0]}, list(names), list(poses))


def augment(sample: StreetSample, how: Augmentation, rng: np.random.Generator) -> StreetSample:
    """A mirrored and recoloured copy. Always draws the same number of random values, whatever is switched on."""
    mirrored, light, contrast = rng.random() < 0.5, rng.uniform(-1, 1), rng.uniform(-1, 1)
    tint, noise_seed = rng.uniform(-1, 1, 3), rng.integers(1 << 31)
    image, labels, poses = sample.image, sample.labels, sample.poses
    if how.flip and mirrored:
        image, labels = image[:, ::-1], np.ascontiguousarray(labels[:, :, ::-1])
        poses = poses.mirrored() if poses is not None else None
    if how.brightness or how.contrast or how.colour or how.noise:
        x = image.astype(np.float32)
        middle = x.mean()
        x = (x - middle) * (1 + how.contrast * contrast) + middle * (1 + how.brightness * light)
        x *= 1 + how.colour * tint.astype(np.float32)
        if how.noise:
            x += np.random.default_rng(noise_seed).standard_normal(x.shape, dtype=np.float32) * (255 * how.noise)
        image = x.clip(0, 255).astype(np.uint8)
    return StreetSample(sample.name, np.ascontiguousarray(image), labels, poses)


def count_classes(data: StreetFolder, indices: Sequence[int], classes: int, samples: int) -> Tensor:
    """Fruxels of each class [n] over at most `samples` evenly spaced samples."""
    step = max(1, len(indices) // samples)
    total = np.zeros(256, np.int64)
    for i in list(indices)[::step][:samples]:
        total += np.bincount(data[i].labels.reshape(-1), minlength=256)
    return torch.from_numpy(total[:classes])


def split(recipe: Recipe, data: StreetFolder, validation: StreetFolder | None) -> tuple[list[int], list[int], StreetFolder]:
    """Training indices, validation indices, and the data that the latter point into."""
    most = recipe.validation.samples
    if validation is not None:
        step = max(1, len(validation) // most)
        return list(range(len(data))), list(range(0, len(validation), step))[:most], validation
    count = max(1, min(most, round(recipe.validation.share * len(data))))
    if len(data) < 2:
        raise DataError("One sample is too few to train and validate on.", actual=f"{len(data)} sample(s)")
    held = sorted({round(i) for i in np.linspace(0, len(data) - 1, count)})
    return [i for i in range(len(data)) if i not in set(held)], held, data
