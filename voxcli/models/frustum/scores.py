"""Scores of networks that predict fruxels, counted over batches: confusion, intersection over union, the most probable labels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from voxcli.scene.labels import Labels


def per_class_iou(confusion: Tensor) -> list[float | None]:
    """Intersection over union of each class from counts [n, n] (row = truth); None for a class in neither truth nor prediction."""
    hits = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - hits
    return [round(float(h) / float(u), 5) if u else None for h, u in zip(hits, union, strict=True)]


def iou_record(total: Tensor, classes: Labels, scale: int) -> tuple[float, dict[str, Any]]:
    """Mean IoU over the solid classes that occur, and the record of it, from counts [n, n] over all samples at one scale."""
    iou = per_class_iou(total)
    solid = [value for value in (iou[i] for i in classes.solid_ids) if value is not None]
    mean = sum(solid) / len(solid) if solid else 0.0
    return mean, {"scale": scale, "mean_iou": mean, "iou": dict(zip(classes.names, iou, strict=True))}


@torch.no_grad()
def confusion(network: nn.Module, images: Tensor, labels: Tensor, scale: int, ignore: int | None) -> Tensor:
    """Counts [n, n]: row = true class, column = predicted class, of one batch at one scale; ignored fruxels left out."""
    scores = network(images, (scale,))[scale]
    n = scores.shape[1]
    predicted = scores.argmax(1)
    truth = labels.long()
    if ignore is not None and bool((labels == ignore).any()):
        keep = labels != ignore
        truth, predicted = truth[keep], predicted[keep]
    return torch.bincount((truth * n + predicted).reshape(-1), minlength=n * n).reshape(n, n)


@torch.no_grad()
def predicted_labels(network: nn.Module, images: Tensor, scale: int) -> Tensor:
    """The most probable class of every fruxel at one scale: [B, D/s, H/s, W/s] uint8."""
    return network(images, (scale,))[scale].argmax(1).to(torch.uint8)
