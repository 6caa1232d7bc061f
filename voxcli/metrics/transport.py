"""Earth mover's distance: exact, or with a stated bound on its gap. A soft matching is offered beside it, and never called by its name."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from voxcli.errors import DataError, ShapeError, UsageError, unknown_name
from voxcli.metrics.assignment import Matching, assign, assign_by_auction, transport
from voxcli.metrics.surfaces import EXACT_UP_TO, METHODS
from voxcli.shapes import check_shape

_LEVELS = [-(4.0**j) for j in range(7, -2, -1)] + [0.0]
"""How sharply the soft matching prefers near points: -4^7 .. -4^-1, and at last 0, where every point is as good as any other."""


def emd(pred: Tensor, gt: Tensor, *, method: str = "auto", exact_up_to: int = EXACT_UP_TO) -> Tensor:
    """Earth mover's distance [*] of pred [* N 3] and gt [* M 3]: the mean (unsquared) distance of the best matching.

    Exact up to `exact_up_to` points; beyond, `auto` takes the auction (see `match` for its bound). Clouds of different sizes are
    transported with uniform weights, exactly. `approxmatch` is the soft matching of Pixel2Mesh and DISN, as a mean over the
    prediction: not an EMD.
    Differentiable in both clouds, the matching being held constant.

    >>> emd(torch.tensor([[0.0, 0, 0], [1, 0, 0]]), torch.tensor([[1.0, 0, 0], [0, 0, 0.5]])).item()
    0.25
    """
    check_shape(pred, "* N 3", "predicted points")
    check_shape(gt, "* M 3", "ground-truth points")
    if pred.shape[:-2] != gt.shape[:-2]:
        raise ShapeError("Both point sets need the same batch dimensions.", expected=list(gt.shape[:-2]), actual=list(pred.shape[:-2]))
    count = pred.shape[:-2].numel()
    flat = zip(pred.reshape(count, *pred.shape[-2:]), gt.reshape(count, *gt.shape[-2:]), strict=True)
    if method == "approxmatch":
        return torch.stack([approxmatch(p, g) / len(p) for p, g in flat]).reshape(pred.shape[:-2])
    return torch.stack([_travelled(p, g, match(p, g, method=method, exact_up_to=exact_up_to)) for p, g in flat]).reshape(pred.shape[:-2])


def match(pred: Tensor, gt: Tensor, *, method: str = "auto", exact_up_to: int = EXACT_UP_TO) -> Matching:
    """The matching behind `emd` for one pair of clouds [N 3], [M 3]: its cost, its lower bound, and whether it is exact.

    >>> match(torch.zeros(1, 3), torch.tensor([[3.0, 4, 0]])).cost
    5.0
    """
    if method not in METHODS or method == "approxmatch":
        raise unknown_name("matching", method, METHODS[:-1])
    x, y = _finite(pred, "predicted"), _finite(gt, "ground-truth")
    if len(x) != len(y):
        if method == "auction":
            raise UsageError("The auction matches clouds of one size.", expected=len(y), actual=len(x))
        return transport(x, y, exact_up_to)
    if method == "exact" and len(x) > exact_up_to:
        raise UsageError("An exact matching was asked for above its size limit.", expected=f"at most {exact_up_to} points", actual=len(x),
                         hint="Raise --exact-up-to, or leave --method auto.")  # fmt: skip
    return assign_by_auction(x, y) if method == "auction" or len(x) > exact_up_to else assign(x, y)


def _travelled(pred: Tensor, gt: Tensor, found: Matching) -> Tensor:
    if not (pred.requires_grad or gt.requires_grad):
        return pred.new_tensor(found.cost)
    rows, columns = torch.from_numpy(found.rows).to(pred.device), torch.from_numpy(found.columns).to(pred.device)
    squared = (pred[rows] - gt[columns]).square().sum(-1)
    touching = squared == 0
    length = squared.masked_fill(touching, 1.0).sqrt().masked_fill(touching, 0.0)
    return (length * torch.from_numpy(found.mass).to(length)).sum()


def approxmatch(pred: Tensor, gt: Tensor) -> Tensor:
    """Total distance travelled under the soft matching of Fan et al. 2017 as Pixel2Mesh and DISN use it: pred [N 3], gt [M 3] -> [].

    Mass is handed out in ten rounds, each weighting pairs by exp(level * d^2), from level -4^7 (nearest first) to 0 (anywhere). Each
    point of the smaller set carries floor(larger / smaller) units. Not an EMD: it moves more than the optimum, and not all mass need
    arrive. In float64. Differentiable in both clouds, the matching being held constant.

    >>> round(approxmatch(torch.zeros(1, 3), torch.tensor([[3.0, 4, 0]])).item(), 3)
    5.0
    """
    check_shape(pred, "N 3", "predicted points")
    check_shape(gt, "M 3", "ground-truth points")
    _finite(pred, "predicted"), _finite(gt, "ground-truth")
    squared = (pred.double()[:, None] - gt.double()[None]).square().sum(-1)
    with torch.no_grad():
        plan = _soft_plan(squared.detach())
    touching = squared == 0
    return (squared.masked_fill(touching, 1.0).sqrt().masked_fill(touching, 0.0) * plan).sum().to(pred.dtype)


def _soft_plan(squared: Tensor) -> Tensor:
    n, m = squared.shape
    left = squared.new_full((n,), float(max(m // n, 1)))
    right = squared.new_full((m,), float(max(n // m, 1)))
    plan = torch.zeros_like(squared)
    for level in _LEVELS:
        weight = (level * squared).exp_()
        offer = left / (weight @ right + 1e-9)
        asked = (offer @ weight) * right
        accepted = (right / (asked + 1e-9)).clamp_max(1.0) * right
        right = (right - asked).clamp_min(0.0)
        moved = weight.mul_(offer[:, None]).mul_(accepted)
        left = (left - moved.sum(1)).clamp_min(0.0)
        plan += moved
    return plan


def _finite(points: Tensor, name: str) -> np.ndarray:
    check_shape(points, "N 3", f"{name} points")
    if len(points) == 0:
        raise DataError(f"The {name} point cloud is empty.", expected="at least one point")
    if not bool(torch.isfinite(points.detach()).all()):
        raise DataError(f"Points of the {name} cloud must be finite.", actual="NaN or infinite values")
    return points.detach().double().cpu().numpy()
