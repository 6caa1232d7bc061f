"""Scores of networks that predict fruxels, counted over batches: confusion, intersection over union, the most probable labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from voxcli.scene.labels import Labels

Decision = Callable[[Tensor], Tensor]
"""How scores [B, n, D, *] become labels [B, D, *] uint8."""

SHARE = 0.9
"""Of the largest probability of a surface on a ray: see `surface_labels`. Less makes surfaces of uncertain distance thicker."""


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


def most_probable(scores: Tensor) -> Tensor:
    """The most probable class of each fruxel: scores [B, n, D, *] -> [B, D, *] uint8."""
    return scores.argmax(1).to(torch.uint8)


def surface_labels(scores: Tensor, empty: int = 0) -> Tensor:
    """The most probable class of each fruxel, but no ray passes what it most likely meets: scores [B, n, D, *] -> [B, D, *] uint8.

    Where the distance of a surface is uncertain, each of many slices is most probably air, and a ray would come out empty although it
    almost surely ends on something. If all fruxels of a ray say air, but the product of their probabilities of air is below 1/2, the slices
    where a surface is likeliest (at least SHARE of the largest probability on the ray) take their most probable solid class.
    """
    labels = scores.argmax(1)
    nothing = (labels == empty).all(1)
    if not bool(nothing.any()):
        return labels.to(torch.uint8)
    air = scores[:, empty].float() - torch.logsumexp(scores.float(), 1)          # log of the probability of air, [B, D, *]
    meets = nothing & (air.sum(1) < math.log(0.5))
    solid = 1 - air.exp()
    likely = solid >= SHARE * solid.amax(1, keepdim=True)
    others = scores.clone()
    others[:, empty] = -torch.inf
    return torch.where(meets[:, None] & likely, others.argmax(1), labels).to(torch.uint8)


@torch.no_grad()
def confusion(
    network: nn.Module, images: Tensor, labels: Tensor, scale: int, ignore: int | None, decide: Decision = most_probable
) -> Tensor:
    """Counts [n, n]: row = true class, column = predicted class, of one batch at one scale; ignored fruxels left out."""
    scores = network(images, (scale,))[scale]
    n = scores.shape[1]
    predicted = decide(scores).long()
    truth = labels.long()
    if ignore is not None and bool((labels == ignore).any()):
        keep = labels != ignore
        truth, predicted = truth[keep], predicted[keep]
    return torch.bincount((truth * n + predicted).reshape(-1), minlength=n * n).reshape(n, n)


@torch.no_grad()
def predicted_labels(network: nn.Module, images: Tensor, scale: int, decide: Decision = most_probable) -> Tensor:
    """The class of every fruxel at one scale: [B, D/s, H/s, W/s] uint8."""
    return decide(network(images, (scale,))[scale])
