"""Scores and a preview on data that the training never sees."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from voxcli.datasets.street import StreetFolder
from voxcli.training import loader, previews
from voxcli.training.arithmetic import Arithmetic


def score(
    steps: ModuleType, network: nn.Module, arithmetic: Arithmetic, data: StreetFolder, indices: Sequence[int], scale: int
) -> dict[str, Any]:
    """Per-class IoU over the accumulated confusion of the given samples, shared among the processes; mean_iou over the solid classes."""
    processes, n = arithmetic.processes, len(data.classes.names)
    counts = torch.zeros(n, n, dtype=torch.int64, device=processes.device)
    began = time.perf_counter()
    for batch in loader.validation_batches(data, indices[processes.rank :: processes.count], 1, [scale]):
        batch = batch.to(processes.device)
        with arithmetic.forward(training=False):
            counts += steps.confusion(network, arithmetic.images(batch.images), batch.labels[scale], scale, data.classes.ignore)
    iou = per_class_iou(processes.add(counts).cpu())
    solid = [iou[i] for i in data.classes.solid_ids if iou[i] is not None]
    mean = sum(solid) / len(solid) if solid else 0.0
    seconds = round(time.perf_counter() - began, 2)
    return {"scale": scale, "mean_iou": mean, "iou": dict(zip(data.classes.names, iou, strict=True)), "seconds": seconds}


def per_class_iou(confusion: Tensor) -> list[float | None]:
    """Intersection over union of each class from counts [n, n] (row = truth); None for a class in neither truth nor prediction."""
    hits = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - hits
    return [round(float(h) / float(u), 5) if u else None for h, u in zip(hits, union, strict=True)]


def preview(
    steps: ModuleType, network: nn.Module, arithmetic: Arithmetic, data: StreetFolder, indices: Sequence[int], scale: int
) -> np.ndarray:
    """A sheet with one row a sample: input, prediction and ground truth from the camera and from above. uint8 [H, W, 3]."""
    assert data.frustum is not None
    images, predicted, truth = [], [], []
    for batch in loader.validation_batches(data, indices, 1, [scale]):
        with arithmetic.forward(training=False):
            labels = steps.predicted_labels(network, arithmetic.images(batch.images.to(arithmetic.device)), scale)
        images.append((batch.images[0].permute(1, 2, 0) * 255).round().byte().numpy())
        predicted.append(labels[0].cpu().numpy())
        truth.append(batch.labels[scale][0].numpy())
    return previews.sheet(images, predicted, truth, data.classes, data.frustum)
