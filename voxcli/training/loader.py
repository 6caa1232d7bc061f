"""Batches of samples in a deterministic order, read ahead by background threads or processes."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from voxcli.errors import DataError
from voxcli.training.recipe import Loading, Recipe
from voxcli.training.task import Batch, Draws, Read, Samples

Sample = TypeVar("Sample")
Collate = Callable[[list[Sample]], Batch]


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
class Reader(Generic[Sample]):
    """Sample `index` at a position of the order, in the batch that begins at `first`: the same wherever and whenever it is read."""

    read: Read[Sample]
    seed: int

    def __call__(self, first: int, position: int, index: int) -> Sample:
        draws = Draws(np.random.default_rng([self.seed, 1, position]), np.random.default_rng([self.seed, 2, first]))
        return self.read(index, draws)


def training_batches(
    reader: Reader[Sample], collate: Collate[Sample], order: Order, start: int, batch: int, part: slice, loading: Loading
) -> Generator[Batch, None, None]:
    """Endless batches from position `start`; of each `batch` samples this process reads `part`. Closing it stops the workers."""
    waiting: deque[list[Future[Sample]]] = deque()
    read = reader if loading.kind == "threads" else _read_in_worker
    pool = _pool(reader, loading)
    try:
        while True:
            while len(waiting) < loading.prefetch:
                positions = range(start, start + batch)[part]
                waiting.append([pool.submit(read, start, p, order[p]) for p in positions])
                start += batch
            yield collate([future.result() for future in waiting.popleft()])
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pool(reader: Reader[Sample], loading: Loading) -> Executor:
    if loading.kind == "threads":
        return ThreadPoolExecutor(loading.workers)
    # Not forked: this process runs torch's threads, and a copy of it may wait for one that is not there.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(loading.workers, context, partial(_become_worker, reader, os.getpid()))


_workers_reader: Reader[Any] | None = None


def _become_worker(reader: Reader[Any], parent: int) -> None:
    global _workers_reader
    _workers_reader = reader
    torch.set_num_threads(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this worker once its training is gone: a killed training stops no worker."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _read_in_worker(first: int, position: int, index: int) -> Any:
    assert _workers_reader is not None
    return _workers_reader(first, position, index)


def validation_batches(read: Read[Sample], collate: Collate[Sample], indices: Sequence[int]) -> Iterator[Batch]:
    """The given samples once, one by one, in order, as they are; the next one is read while the caller works."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Sample]] = deque()
        for index in indices:
            waiting.append(pool.submit(read, index, None))
            if len(waiting) > 1:
                yield collate([waiting.popleft().result()])
        if waiting:
            yield collate([waiting.popleft().result()])


def split(recipe: Recipe, data: Samples, validation: Samples | None) -> tuple[list[int], list[int], Samples]:
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
