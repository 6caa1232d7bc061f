"""Every choice behind a distance between surfaces, in one place, and the records that state them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from voxcli.errors import DataError, UsageError, unknown_name
from voxcli.metrics.pointsets import (
    COMBINE,
    Neighbours,
    harmonic,
    mean_power,
    neighbours,
    normal_agreement,
    percentile_of,
    precision_recall,
)
from voxcli.metrics.records import Record, make_record
from voxcli.metrics.transport import EXACT_UP_TO, METHODS, approxmatch, match

NORMALISATIONS = {
    "none": "as given",
    "unit-cube": "ground truth's box centred, its longest side 1",
    "unit-sphere": "ground truth's centroid at 0, its largest radius 1",
    "gt-10": "ground truth's longest edge 10",
    "own-cube": "each set's own box centred, its longest side 1",
}
DRAWS = {
    "surface": "even by area on surfaces; clouds as they are, or a random subset",
    "vertices": "all vertices",
    "vertices-replaced": "vertices, drawn with replacement",
}
DISTANCE_METRICS = ("chamfer", "fscore", "hausdorff", "normals")


@dataclass(frozen=True)
class Choices:
    """What has to be said before a distance between two surfaces is a number (CONVENTIONS, section 4)."""

    points: int | None = None
    draw: str = "surface"
    seed: int = 0
    normalise: str = "none"
    squared: bool = True
    combine: str = "sum"
    scale: float = 1.0
    thresholds: tuple[float, ...] = (0.01,)
    threshold_of: str = "distance"
    strict: bool = True
    percent: bool = False
    percentile: float = 100.0
    method: str = "auto"
    reduce: str = "mean"
    exact_up_to: int = EXACT_UP_TO
    to: str = "points"
    empty_penalty: float | None = None

    def __post_init__(self) -> None:
        for what, value, known in (
            ("normalisation", self.normalise, NORMALISATIONS), ("draw", self.draw, DRAWS), ("way to combine", self.combine, COMBINE),
            ("threshold kind", self.threshold_of, ("distance", "squared")), ("matching", self.method, METHODS),
            ("reduction", self.reduce, ("mean", "sum")), ("target", self.to, ("points", "surface")),
        ):  # fmt: skip
            if value not in known:
                raise unknown_name(what, value, known)
        if not self.thresholds or any(not t > 0 for t in self.thresholds):
            raise UsageError("Thresholds of the F-score must be positive.", actual=list(self.thresholds))
        if self.points is not None and self.points < 1:
            raise UsageError("--points must be at least 1.", actual=self.points)
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise UsageError("--scale must be a positive number.", actual=f"{self.scale:g}")
        if self.empty_penalty is not None and not (self.empty_penalty >= 0 and math.isfinite(self.empty_penalty)):
            raise UsageError("--empty-penalty must not be negative.", actual=f"{self.empty_penalty:g}")

    @property
    def lengths(self) -> tuple[float, ...]:
        """The thresholds as distances."""
        return tuple(math.sqrt(t) for t in self.thresholds) if self.threshold_of == "squared" else self.thresholds

    def params(self, *names: str) -> dict[str, Any]:
        """The named choices and the ones that all distances share, for a record."""
        every = asdict(self)
        return {n: every[n] for n in ("points", "draw", "seed", "normalise", *names, "empty_penalty")}


@dataclass(frozen=True)
class Sample:
    """Points that stand for a surface: points [N 3], unit normals [N 3] where they are known.

    held: how many points there were, where they are fewer than was asked for and some were therefore drawn more than once.
    """

    points: Tensor
    normals: Tensor | None = None
    held: int | None = None


def drawn_again(pred: Sample, gt: Sample) -> dict[str, Any]:
    """For the params of a record: whether a set held too few points and was drawn from with replacement, and how many each held."""
    if pred.held is None and gt.held is None:
        return {}
    return {"replaced": True, "held": [len(s.points) if s.held is None else s.held for s in (pred, gt)]}


def normalise(pred: Sample, gt: Sample, how: str) -> tuple[Sample, Sample]:
    """Both sets in the frame of NORMALISATIONS[how]; where that is the ground truth's, the same shift and scale goes to both."""
    if how == "none":
        return pred, gt
    shift, scale = frame(gt.points, how)
    own_shift, own_scale = frame(pred.points, how) if how == "own-cube" else (shift, scale)
    return (replace(pred, points=(pred.points - own_shift) * own_scale), replace(gt, points=(gt.points - shift) * scale))


def frame(points: Tensor, how: str) -> tuple[Tensor, float]:
    """(shift, scale) of the frame that a set of points defines: x -> (x - shift) * scale."""
    low, high = points.amin(0), points.amax(0)
    if how == "unit-sphere":
        shift = points.mean(0)
        size = float((points - shift).norm(dim=-1).max())
    else:
        shift = torch.zeros_like(low) if how == "gt-10" else (low + high) / 2
        size = float((high - low).max()) / (10 if how == "gt-10" else 1)
    if not size > 0:
        raise DataError("A set of points without extent gives no frame to normalise by.", actual=f"{len(points)} point(s) in one place")
    return shift, 1 / size


# ------------------------------------------------------------------------------------------------ records


def distance_records(
    metrics: Sequence[str], pred: Sample, gt: Sample, choices: Choices | Sequence[Choices], /, *,
    surfaces: tuple[Tensor, Tensor] | None = None, preset: str | None = None, **names: str,
) -> list[Record]:  # fmt: skip
    """Records of `metrics` (of DISTANCE_METRICS) between two samples, all from one pair of nearest-neighbour passes.

    choices: one for all, or one for each metric, of one normalisation.
    surfaces: (distances of the prediction's points to the true surface, of the truth's points to the predicted surface), in the
    normalised frame; they take the place of point-to-point distances for `to="surface"`.
    """
    for metric in metrics:
        if metric not in DISTANCE_METRICS:
            raise unknown_name("metric", metric, DISTANCE_METRICS)
    each = [choices] * len(metrics) if isinstance(choices, Choices) else list(choices)
    empty = [len(pred.points) == 0, len(gt.points) == 0]
    found = None
    if not any(empty):
        pred, gt = normalise(pred, gt, each[0].normalise) if surfaces is None else (pred, gt)
        with torch.no_grad():
            found = neighbours(pred.points, gt.points)
            if surfaces is not None:
                found = Neighbours(surfaces[0], surfaces[1], found.pred_index, found.gt_index)
    out = []
    for metric, choice in zip(metrics, each, strict=True):
        value, parts, params = _WORK[metric](found, all(empty), choice, pred, gt)
        params |= {"to": choice.to, "samples": [len(pred.points), len(gt.points)], **drawn_again(pred, gt)}
        if preset:
            params["preset"] = preset
        out.append(make_record(metric, value, parts=parts, params=params, **names))
    return out


def _chamfer(found: Neighbours | None, both_empty: bool, c: Choices, *_: Sample) -> tuple[Any, Record, Record]:
    power = 2 if c.squared else 1
    params = c.params("squared", "combine", "scale")
    # Beside an unsquared mean the squared one: papers that print both an L1 and an L2 are served by one record.
    named = {power: ("accuracy", "completeness")} | ({} if c.squared else {2: ("accuracy_squared", "completeness_squared")})
    parts: Record = {}
    for exponent, (there, back) in named.items():
        if found is not None:
            parts[there], parts[back] = mean_power(found.pred_distance, exponent), mean_power(found.gt_distance, exponent)
        else:
            price = 0.0 if both_empty else c.empty_penalty
            parts[there] = parts[back] = None if price is None else torch.tensor(price**exponent, dtype=torch.float64)
    if parts["accuracy"] is None:
        return None, parts, params
    return c.scale * float(COMBINE[c.combine](parts["accuracy"], parts["completeness"])), parts, params


def _fscore(found: Neighbours | None, both_empty: bool, c: Choices, *_: Sample) -> tuple[Any, Record, Record]:
    unit = 100.0 if c.percent else 1.0
    parts: Record = {"fscore": {}, "precision": {}, "recall": {}}
    for threshold, length in zip(c.thresholds, c.lengths, strict=True):
        key = f"{'<' if c.strict else '<='}{threshold:g}"
        if found is None:
            p = r = torch.tensor(float(both_empty))
        else:
            p, r = precision_recall(found, length, c.strict)
        parts["precision"][key], parts["recall"][key], parts["fscore"][key] = unit * p, unit * r, unit * harmonic(p, r)
    return next(iter(parts["fscore"].values())), parts, c.params("thresholds", "threshold_of", "strict", "percent")


def _hausdorff(found: Neighbours | None, both_empty: bool, c: Choices, *_: Sample) -> tuple[Any, Record, Record]:
    params = c.params("percentile", "scale") | {"squared": False, "combine": "max"}
    if found is None:
        side = 0.0 if both_empty else c.empty_penalty
        return None if side is None else c.scale * side, {"forward": side, "reverse": side}, params
    forward, reverse = percentile_of(found.pred_distance, c.percentile), percentile_of(found.gt_distance, c.percentile)
    return c.scale * max(float(forward), float(reverse)), {"forward": forward, "reverse": reverse}, params


def _normals(found: Neighbours | None, both_empty: bool, c: Choices, pred: Sample, gt: Sample) -> tuple[Any, Record, Record]:
    params = c.params() | {"of": "absolute cosine", "combine": "mean"}
    if found is None or pred.normals is None or gt.normals is None:
        return None, {"accuracy": None, "completeness": None}, params
    accuracy, completeness = normal_agreement(found, pred.normals, gt.normals)
    return (accuracy + completeness) / 2, {"accuracy": accuracy, "completeness": completeness}, params


_Work = Callable[..., tuple[Any, Record, Record]]
_WORK: dict[str, _Work] = {"chamfer": _chamfer, "fscore": _fscore, "hausdorff": _hausdorff, "normals": _normals}


def emd_record(pred: Sample, gt: Sample, choices: Choices, /, *, preset: str | None = None, **names: str) -> Record:
    """The record of the earth mover's distance: its method, whether it is exact, its lower bound, and the gap that is left at most.

    The record of a soft matching is called `approxmatch`, and says that it is not an EMD.
    """
    params = choices.params("method", "reduce", "scale", "exact_up_to") | {"squared": False}
    if preset:
        params["preset"] = preset
    params |= {"samples": [len(pred.points), len(gt.points)], **drawn_again(pred, gt)}
    soft = choices.method == "approxmatch"
    metric, count = "approxmatch" if soft else "emd", len(pred.points)
    if soft:
        params |= {"is_emd": False, "note": "a soft matching; it is not an earth mover's distance"}
    if not count or not len(gt.points):
        price = 0.0 if count == len(gt.points) else choices.empty_penalty
        times = choices.scale * (max(count, len(gt.points)) if choices.reduce == "sum" else 1)
        return make_record(metric, None if price is None else times * price, parts={"mean": price}, params=params, **names)
    pred, gt = normalise(pred, gt, choices.normalise)
    times = choices.scale * (count if choices.reduce == "sum" else 1)
    if soft:
        total = float(approxmatch(pred.points, gt.points))
        return make_record(metric, times * total / count, parts={"total": total, "mean": total / count}, params=params, **names)
    found = match(pred.points, gt.points, method=choices.method, exact_up_to=choices.exact_up_to)
    gap = (found.cost - found.lower_bound) / found.lower_bound if found.lower_bound > 0 else (0.0 if found.exact else None)
    params |= {"method": found.method, "is_emd": True, "exact": found.exact}
    parts = {"mean": found.cost, "lower_bound": found.lower_bound, "gap_at_most": gap}
    return make_record("emd", times * found.cost, parts=parts, params=params, **names)
