"""Networks that predict fruxels: how scores become labels, and intersection over union of what was counted."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from voxcli.config import Value
from voxcli.metrics.counting import as_array
from voxcli.metrics.overlap import class_counts
from voxcli.scene.labels import Labels

Decision = Callable[[Tensor], Tensor]
"""How scores [B, n, D, *] become labels [B, D, *] uint8."""

Predictor = Callable[[Tensor], Tensor]
"""Images [B, 3, H, W] in 0..1 -> labels [B, D, H, W] uint8."""

SHARE = 0.9
"""Of the largest probability of a surface on a ray: see `surface_labels`. Less makes surfaces of uncertain distance thicker."""


def per_class_iou(table: Tensor) -> list[float | None]:
    """Intersection over union of each class from counts [n, n] (row = truth); None for a class in neither truth nor prediction."""
    counts = class_counts(as_array(table))
    return [round(float(iou), 5) if union else None for iou, union in zip(counts.iou(), counts.union, strict=True)]


def iou_record(total: Tensor, classes: Labels, scale: int) -> tuple[float, dict[str, Value]]:
    """Mean IoU over the solid classes that occur, and the record of it, from counts [n, n] over all samples at one scale."""
    iou = per_class_iou(total)
    solid = [value for value in (iou[i] for i in classes.solid_ids) if value is not None]
    mean = sum(solid) / len(solid) if solid else 0.0
    return mean, {"scale": scale, "mean_iou": mean, "iou": dict(zip(classes.names, iou, strict=True))}


def most_probable(scores: Tensor) -> Tensor:
    """The most probable class of each fruxel: scores [B, n, D, *] -> [B, D, *] uint8."""
    return scores.max(1).indices.to(torch.uint8)  # argmax takes four times as long along an axis with a stride


def surface_labels(scores: Tensor, empty: int = 0) -> Tensor:
    """The most probable class of each fruxel, but no ray passes what it most likely meets: scores [B, n, D, *] -> [B, D, *] uint8.

    Where the distance of a surface is uncertain, each of many slices is most probably air, and a ray would come out empty although it
    almost surely ends on something. If all fruxels of a ray say air, but the product of their probabilities of air is below 1/2, the slices
    where a surface is likeliest (at least SHARE of the largest probability) take their most probable solid class. The ray passes all slices
    before the median of its end: what is likeliest in one slice may hold less of the probability than many slices farther away.
    """
    labels = most_probable(scores)
    nothing = (labels == empty).all(1)  # [B, *]
    rays = scores.movedim((1, 2), (-2, -1))[nothing].float()  # [N, n, D], few of all
    air = rays[:, empty] - torch.logsumexp(rays, 1)  # log of the probability of air, [N, D]
    meets = air.sum(1) < math.log(0.5)
    rays, air = rays[meets], air[meets]
    passes = air.cumsum(1).exp()  # the probability that a ray goes on behind each slice
    solid = (1 - air.exp()) * (passes < (1 + passes[:, -1:]) / 2)
    likely = solid >= SHARE * solid.amax(1, keepdim=True)
    rays[:, empty] = -torch.inf
    labels.movedim(1, -1)[nothing.masked_scatter(nothing, meets)] = torch.where(likely, most_probable(rays), empty)
    return labels


def predictor(network: nn.Module, scale: int = 1, decide: Decision = most_probable) -> Predictor:
    """The predictions of a network at one scale."""
    device = next(network.parameters()).device

    @torch.no_grad()
    def predict(images: Tensor) -> Tensor:
        return decide(network(images.to(device), (scale,))[scale])

    return predict
