"""Distances between point sets: Chamfer, F-score, Hausdorff and normal consistency, all from one pair of nearest-neighbour passes.

With d(p) the Euclidean distance from a point to the nearest point of the other set,

    accuracy      mean of d over the prediction         completeness  mean of d over the ground truth   (of d squared with `squared`)
    precision(t)  share of the prediction with d < t    recall(t)     share of the ground truth with d < t
    forward       max of d over the prediction          reverse       max of d over the ground truth    (or a percentile)

Every paper combines them differently; here each choice has a name, and records state all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from voxcli.errors import ShapeError, UsageError, unknown_name
from voxcli.geometry.nearest import distance_to, distances_both, nearest, nearest_both, squared_distance_to
from voxcli.shapes import check_shape

COMBINED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": lambda a, b: a + b,
    "mean": lambda a, b: (a + b) / 2,
    "max": torch.maximum,
}
"""How the two directions become one number, by the names of surfaces.COMBINE."""


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours of both sets in each other: distances [* N], [* M] (differentiable) and indices (int64).

    Indices are None where distances alone were asked for.
    """

    pred_distance: Tensor
    gt_distance: Tensor
    pred_index: Tensor | None = None
    gt_index: Tensor | None = None


def neighbours(pred: Tensor, gt: Tensor, *, indices: bool = True) -> Neighbours:
    """Both nearest-neighbour passes between pred [* N 3] and gt [* M 3]. Errors as `geometry.nearest.nearest`.

    indices: which points were the nearest, too. Without them a pass over large sets takes a tenth less time.

    >>> neighbours(torch.zeros(1, 3), torch.tensor([[3.0, 4, 0], [0, 0, 1]])).gt_distance.tolist()
    [5.0, 1.0]
    """
    check_shape(pred, "* N 3", "predicted points")
    check_shape(gt, "* M 3", "ground-truth points")
    if pred.shape[:-2] != gt.shape[:-2]:
        raise ShapeError("Both point sets need the same batch dimensions.", expected=list(gt.shape[:-2]), actual=list(pred.shape[:-2]))
    pred, gt = _one_kind(pred, gt)
    if pred.ndim == 2 and not indices and not (pred.requires_grad or gt.requires_grad):
        return Neighbours(*distances_both(pred, gt))
    if pred.ndim == 2:
        (there, to), (back, fro) = nearest_both(pred, gt)
        return Neighbours(there, back, to, fro)
    there, to = nearest(pred, gt)
    back, fro = nearest(gt, pred)
    return Neighbours(there, back, to, fro)


def _one_kind(pred: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
    kind = torch.float64 if torch.float64 in (pred.dtype, gt.dtype) else torch.float32
    return pred.to(kind), gt.to(kind)


def chamfer(pred: Tensor, gt: Tensor, *, squared: bool = True, combine: str = "sum", scale: float = 1.0) -> Tensor:
    """Chamfer distance [*] of pred [* N 3] and gt [* M 3]: accuracy and completeness joined by `combine` (sum, mean, max), times `scale`.

    Differentiable in both. With squared=True, combine="sum" it is the loss of Fan et al. 2017; squared=False, combine="mean" is the
    Chamfer-L1 of Occupancy Networks. Raises DataError for empty sets and points that are not finite.

    >>> chamfer(torch.zeros(1, 3), torch.tensor([[3.0, 4, 0]]), squared=False).item()
    10.0
    """
    join = _combiner(combine)
    pred, gt = _one_kind(pred, gt)
    if pred.requires_grad or gt.requires_grad:
        with torch.no_grad():
            found = neighbours(pred.detach(), gt.detach())
        assert found.pred_index is not None and found.gt_index is not None
        measure = squared_distance_to if squared else distance_to
        return scale * join(measure(pred, gt, found.pred_index).mean(-1), measure(gt, pred, found.gt_index).mean(-1))
    found = neighbours(pred, gt, indices=False)
    power = 2 if squared else 1
    return scale * join(mean_power(found.pred_distance, power), mean_power(found.gt_distance, power))


def fscore(pred: Tensor, gt: Tensor, thresholds: float | Sequence[float] = 0.01, *, strict: bool = True) -> Tensor:
    """F-score of pred [* N 3] and gt [* M 3]: the harmonic mean of precision and recall at a distance (not squared) -> [*], or [* T]
    for a list of T thresholds. `strict` counts d < t, else d <= t. 0 where both are 0. Not differentiable.

    >>> fscore(torch.eye(3), torch.eye(3), [0.1, 0.2]).tolist()
    [1.0, 1.0]
    """
    with torch.no_grad():
        found = neighbours(pred, gt, indices=False)
        many = [thresholds] if isinstance(thresholds, (int, float)) else list(thresholds)
        scores = torch.stack([harmonic(*precision_recall(found, t, strict)) for t in many], -1)
    return scores[..., 0] if isinstance(thresholds, (int, float)) else scores


def hausdorff(pred: Tensor, gt: Tensor, *, percentile: float = 100.0, combine: str = "max") -> Tensor:
    """Hausdorff distance [*] of pred [* N 3] and gt [* M 3], not squared: the larger of both directed ones.

    percentile below 100 replaces each directed maximum by that percentile of the distances (linear between ranks). Differentiable in the
    points that attain it.

    >>> hausdorff(torch.zeros(1, 3), torch.tensor([[3.0, 4, 0], [0, 0, 0]])).item()
    5.0
    """
    join = _combiner(combine)
    found = neighbours(pred, gt, indices=False)
    return join(percentile_of(found.pred_distance, percentile), percentile_of(found.gt_distance, percentile))


def normal_consistency(pred: Tensor, gt: Tensor, pred_normals: Tensor, gt_normals: Tensor, *, signed: bool = False) -> Tensor:
    """Mean of |cos| between the normals of nearest neighbours, both directions averaged (ONet) -> [*]; cos itself with `signed`.

    >>> normal_consistency(torch.eye(3), torch.eye(3), torch.eye(3), -torch.eye(3)).item()
    1.0
    """
    with torch.no_grad():
        forward, reverse = normal_agreement(neighbours(pred, gt), pred_normals, gt_normals, signed)
        return (forward + reverse) / 2


# ------------------------------------------------------------------------------------------------ parts, from one pair of passes


def mean_power(distance: Tensor, power: int) -> Tensor:
    """Mean of distance ** power (1 or 2) over the last axis [* N] -> [*], accumulated in float64, in the dtype of the distances.

    >>> mean_power(torch.tensor([1.0, 3.0]), 2).item()
    5.0
    """
    values = distance.square() if power == 2 else distance
    return values.mean(-1, dtype=torch.float64).to(distance.dtype)


def precision_recall(found: Neighbours, threshold: float, strict: bool = True) -> tuple[Tensor, Tensor]:
    """Precision and recall [*] at one distance, float64.

    >>> found = neighbours(torch.zeros(1, 3), torch.tensor([[0.0, 0, 0], [1, 0, 0]]))
    >>> [float(share) for share in precision_recall(found, 0.5)]
    [1.0, 0.5]
    """
    if not threshold > 0:
        raise UsageError("A threshold of the F-score must be positive.", actual=threshold)
    near = [d < threshold if strict else d <= threshold for d in (found.pred_distance, found.gt_distance)]
    return near[0].double().mean(-1), near[1].double().mean(-1)


def harmonic(precision: Tensor, recall: Tensor) -> Tensor:
    """2 P R / (P + R), 0 where both are 0.

    >>> harmonic(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])).tolist()
    [1.0, 0.0]
    """
    total = precision + recall
    return 2 * precision * recall / total.where(total > 0, torch.ones_like(total))


def percentile_of(distance: Tensor, percentile: float) -> Tensor:
    """The percentile of distances [* N] over the last axis, linear between ranks -> [*]; 100 is the maximum.

    >>> percentile_of(torch.tensor([0.0, 1.0, 2.0]), 50).item()
    1.0
    """
    if not 0 < percentile <= 100:
        raise UsageError("A percentile lies above 0 and at most at 100.", actual=percentile)
    if percentile == 100:
        return distance.amax(-1)
    rank = (distance.shape[-1] - 1) * percentile / 100
    low = int(rank)
    ordered = distance.sort(-1).values  # torch.quantile refuses more than 16 million values
    return torch.lerp(ordered[..., low], ordered[..., min(low + 1, distance.shape[-1] - 1)], rank - low)


def normal_agreement(found: Neighbours, pred_normals: Tensor, gt_normals: Tensor, signed: bool = False) -> tuple[Tensor, Tensor]:
    """Mean (absolute) cosine between each point's normal and its neighbour's, prediction to truth and back, [*] each.

    UsageError for neighbours without indices.

    >>> found = neighbours(torch.eye(3), torch.eye(3))
    >>> [float(cosine) for cosine in normal_agreement(found, torch.eye(3), -torch.eye(3), signed=True)]
    [-1.0, -1.0]
    """
    check_shape(pred_normals, "* N 3", "predicted normals", {"N": found.pred_distance.shape[-1]})
    check_shape(gt_normals, "* M 3", "ground-truth normals", {"M": found.gt_distance.shape[-1]})
    pred_normals, gt_normals = _one_kind(_unit(pred_normals), _unit(gt_normals))
    if found.pred_index is None or found.gt_index is None:
        raise UsageError("Normals are compared by the indices of neighbours.", expected="neighbours(..., indices=True)")
    there = _cosines(pred_normals, gt_normals, found.pred_index)
    back = _cosines(gt_normals, pred_normals, found.gt_index)
    return (there.mean(-1), back.mean(-1)) if signed else (there.abs().mean(-1), back.abs().mean(-1))


def _unit(normals: Tensor) -> Tensor:
    lengths: Tensor = normals.norm(dim=-1, keepdim=True)
    return normals / lengths.clamp_min(1e-12)


def _cosines(own: Tensor, other: Tensor, index: Tensor) -> Tensor:
    return (own * torch.gather(other, -2, index.unsqueeze(-1).expand(*index.shape, 3))).sum(-1)


def _combiner(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    if name not in COMBINED:
        raise unknown_name("way to combine", name, COMBINED)
    return COMBINED[name]
