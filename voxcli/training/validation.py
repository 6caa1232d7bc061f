"""Scores and a preview on data that the training never sees."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from voxcli.config import Value
from voxcli.errors import DataError
from voxcli.training import loader
from voxcli.training.arithmetic import Arithmetic
from voxcli.training.stage import Augmentation
from voxcli.training.task import AnyTask, Context, Samples


class Scores(NamedTuple):
    """The score by which the best weights are chosen, and the record for the log."""

    score: float
    record: dict[str, Value]


def score(task: AnyTask, network: nn.Module, arithmetic: Arithmetic, indices: Sequence[int], context: Context[Samples]) -> Scores:
    """The model's record over the given samples, shared among the processes, with its `score` and the `seconds` it took."""
    processes, total = arithmetic.processes, None
    began = time.perf_counter()
    read = task.reader(context.data, context.stage, Augmentation())
    # With fewer samples than processes some repeat the first one for its shape alone.
    own = indices[processes.rank :: processes.count]
    for batch in loader.validation_batches(read, task.collate, own or indices[:1]):
        with torch.no_grad(), arithmetic.forward(training=False):
            found = task.tally(network, batch.to(processes.device), context)
        found = found if own else torch.zeros_like(found)
        total = found if total is None else total + found
    if total is None:
        raise DataError("There is nothing to validate on.")
    value, record = task.summary(processes.add(total).cpu(), context)
    return Scores(value, {**record, "score": value, "seconds": round(time.perf_counter() - began, 2)})


def preview(
    task: AnyTask, network: nn.Module, arithmetic: Arithmetic, indices: Sequence[int], context: Context[Samples]
) -> np.ndarray | None:
    """The model's picture of the given samples, uint8 [H, W, 3], where it draws one."""
    read = task.reader(context.data, context.stage, Augmentation())
    batches = (batch.to(arithmetic.device) for batch in loader.validation_batches(read, task.collate, indices))
    with torch.no_grad(), arithmetic.forward(training=False):
        return task.preview(network, batches, context)


def png(image: np.ndarray) -> bytes:
    """A picture uint8 [H, W, 3] as a PNG file; the same picture gives the same bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
