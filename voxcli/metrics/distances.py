"""Records of the distances between two samples of points, whatever they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, singledispatch
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from voxcli.errors import DataError, UsageError
from voxcli.metrics.pointsets import (
    COMBINED,
    Neighbours,
    harmonic,
    mean_power,
    neighbours,
    normal_agreement,
    percentile_of,
    precision_recall,
)
from voxcli.metrics.records import Record, Tree, make_record
from voxcli.metrics.surfaces import (
    ChamferOptions,
    EMDOptions,
    FScoreOptions,
    HausdorffOptions,
    NormalsOptions,
    SampledOptions,
    SurfaceOptions,
)
from voxcli.metrics.transport import approxmatch, match
from voxcli.provenance import Recordable

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.records import Names


@dataclass(frozen=True)
class Sample:
    """Points that stand for a surface: points [N 3], unit normals [N 3] where they are known.

    held: how many points there were, where they are fewer than was asked for and some were therefore drawn more than once.
    """

    points: Tensor
    normals: Tensor | None = None
    held: int | None = None


def replacement_params(pred: Sample, gt: Sample) -> dict[str, Recordable]:
    """For the params of a record: whether a set held too few points and was drawn from with replacement, and how many each held.

    >>> replacement_params(Sample(torch.zeros(5, 3), held=2), Sample(torch.zeros(5, 3)))
    {'replaced': True, 'held': [2, 5]}
    """
    if pred.held is None and gt.held is None:
        return {}
    return {"replaced": True, "held": [len(s.points) if s.held is None else s.held for s in (pred, gt)]}


def normalise(pred: Sample, gt: Sample, how: str) -> tuple[Sample, Sample]:
    """Both sets in the frame of NORMALISATIONS[how]; where that is the ground truth's, the same shift and scale goes to both.

    >>> a, b = Sample(torch.tensor([[2.0, 1, 4]])), Sample(torch.tensor([[0.0, 0, 0], [4, 2, 0]]))
    >>> normalise(a, b, "unit-cube")[0].points.tolist()
    [[0.0, 0.0, 1.0]]
    """
    if how == "none":
        return pred, gt
    shift, scale = frame(gt.points, how)
    own_shift, own_scale = frame(pred.points, how) if how == "own-cube" else (shift, scale)
    return (replace(pred, points=(pred.points - own_shift) * own_scale), replace(gt, points=(gt.points - shift) * scale))


def frame(points: Tensor, how: str) -> tuple[Tensor, float]:
    """(shift [3], scale) of the frame that a set of points [N 3] defines: x -> (x - shift) * scale. DataError for points in one place.

    >>> frame(torch.tensor([[0.0, 0, 0], [4, 2, 0]]), "unit-cube")[1]
    0.25
    """
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


@dataclass(frozen=True)
class SamplePair:
    """Two samples in one frame, which several metrics share: their nearest neighbours are looked for once, when the first one asks.

    surfaces: (distances of the prediction's points to the true surface, of the truth's points to the predicted surface), in the same
    frame; they take the place of point-to-point distances for `to="surface"`. motion: [4 4], what was done to the prediction before that.
    """

    pred: Sample
    gt: Sample
    surfaces: tuple[Tensor, Tensor] | None = None
    motion: Tensor | None = None

    @property
    def both_empty(self) -> bool:
        """Whether neither set has a point."""
        return not len(self.pred.points) and not len(self.gt.points)

    @cached_property
    def neighbours(self) -> Neighbours | None:
        """Both nearest-neighbour passes; None where a set is empty. Indices are there where both samples have normals."""
        if not len(self.pred.points) or not len(self.gt.points):
            return None
        with torch.no_grad():
            with_normals = self.pred.normals is not None and self.gt.normals is not None
            found = neighbours(self.pred.points, self.gt.points, indices=with_normals)
        return found if self.surfaces is None else Neighbours(*self.surfaces, found.pred_index, found.gt_index)

    def params(self) -> dict[str, Recordable]:
        """What a record says of the samples."""
        motion = {} if self.motion is None else {"motion": self.motion}
        return {"samples": [len(self.pred.points), len(self.gt.points)], **replacement_params(self.pred, self.gt), **motion}


@singledispatch
def distance_record(options: SampledOptions, pair: SamplePair, **names: Unpack[Names]) -> Record:
    """The record of the metric whose options these are, of two samples in one frame.

    >>> a, b = Sample(torch.zeros(1, 3)), Sample(torch.tensor([[3.0, 4.0, 0.0]]))
    >>> distance_record(HausdorffOptions(), SamplePair(a, b))["value"]
    5.0
    """
    raise UsageError("These are the options of no metric of samples.", actual=type(options).__name__)


def _record(metric: str, options: SurfaceOptions, pair: SamplePair, value: float | None, parts: Tree, names: Names,
            fixed: Mapping[str, Recordable] | None = None) -> Record:  # fmt: skip
    params = {**options.params(), **(fixed or {}), "to": options.to, **pair.params(), **options.stated_preset}
    return make_record(metric, value, parts=parts, params=params, **names)


@distance_record.register(ChamferOptions)
def _chamfer(options: ChamferOptions, pair: SamplePair, **names: Unpack[Names]) -> Record:
    power, found = 2 if options.squared else 1, pair.neighbours
    # Beside an unsquared mean the squared one: papers that print both an L1 and an L2 are served by one record.
    named = {power: ("accuracy", "completeness")} | ({} if options.squared else {2: ("accuracy_squared", "completeness_squared")})
    parts: Tree = {}
    for exponent, (there, back) in named.items():
        if found is not None:
            parts[there], parts[back] = mean_power(found.pred_distance, exponent), mean_power(found.gt_distance, exponent)
        else:
            price = 0.0 if pair.both_empty else options.empty_penalty
            parts[there] = parts[back] = None if price is None else torch.tensor(price**exponent, dtype=torch.float64)
    value = None
    if parts["accuracy"] is not None:
        value = options.scale * float(COMBINED[options.combine](parts["accuracy"], parts["completeness"]))
    return _record("chamfer", options, pair, value, parts, names)


@distance_record.register(FScoreOptions)
def _fscore(options: FScoreOptions, pair: SamplePair, **names: Unpack[Names]) -> Record:
    unit, found = 100.0 if options.percent else 1.0, pair.neighbours
    parts: Tree = {"fscore": {}, "precision": {}, "recall": {}}
    for threshold, length in zip(options.thresholds, options.lengths, strict=True):
        key = f"{'<' if options.strict else '<='}{threshold:g}"
        if found is None:
            p = r = torch.tensor(float(pair.both_empty))
        else:
            p, r = precision_recall(found, length, options.strict)
        parts["precision"][key], parts["recall"][key], parts["fscore"][key] = unit * p, unit * r, unit * harmonic(p, r)
    return _record("fscore", options, pair, float(next(iter(parts["fscore"].values()))), parts, names)


@distance_record.register(HausdorffOptions)
def _hausdorff(options: HausdorffOptions, pair: SamplePair, **names: Unpack[Names]) -> Record:
    found = pair.neighbours
    fixed: dict[str, Recordable] = {"squared": False, "combine": "max"}
    if found is None:
        side = 0.0 if pair.both_empty else options.empty_penalty
        value = None if side is None else options.scale * side
        return _record("hausdorff", options, pair, value, {"forward": side, "reverse": side}, names, fixed)
    forward, reverse = percentile_of(found.pred_distance, options.percentile), percentile_of(found.gt_distance, options.percentile)
    value = options.scale * max(float(forward), float(reverse))
    return _record("hausdorff", options, pair, value, {"forward": forward, "reverse": reverse}, names, fixed)


@distance_record.register(NormalsOptions)
def _normals(options: NormalsOptions, pair: SamplePair, **names: Unpack[Names]) -> Record:
    found, fixed = pair.neighbours, {"of": "absolute cosine", "combine": "mean"}
    if found is None or pair.pred.normals is None or pair.gt.normals is None:
        return _record("normals", options, pair, None, {"accuracy": None, "completeness": None}, names, fixed)
    accuracy, completeness = normal_agreement(found, pair.pred.normals, pair.gt.normals)
    value = float((accuracy + completeness) / 2)
    return _record("normals", options, pair, value, {"accuracy": accuracy, "completeness": completeness}, names, fixed)


@distance_record.register(EMDOptions)
def _emd(options: EMDOptions, pair: SamplePair, **names: Unpack[Names]) -> Record:
    """Its method, whether it is exact, its lower bound, and the gap that is left at most.

    The record of a soft matching is called `approxmatch`, and says that it is not an EMD.
    """
    params = {**options.params(), "squared": False, **options.stated_preset, **pair.params()}
    soft = options.method == "approxmatch"
    metric, count, other = "approxmatch" if soft else "emd", len(pair.pred.points), len(pair.gt.points)
    if soft:
        params |= {"is_emd": False, "note": "a soft matching; it is not an earth mover's distance"}
    if not count or not other:
        price = 0.0 if pair.both_empty else options.empty_penalty
        times = options.scale * (max(count, other) if options.reduce == "sum" else 1)
        return make_record(metric, None if price is None else times * price, parts={"mean": price}, params=params, **names)
    times = options.scale * (count if options.reduce == "sum" else 1)
    if soft:
        total = float(approxmatch(pair.pred.points, pair.gt.points))
        return make_record(metric, times * total / count, parts={"total": total, "mean": total / count}, params=params, **names)
    found = match(pair.pred.points, pair.gt.points, method=options.method, exact_up_to=options.exact_up_to)
    gap = (found.cost - found.lower_bound) / found.lower_bound if found.lower_bound > 0 else (0.0 if found.exact else None)
    params |= {"method": found.method, "is_emd": True, "exact": found.exact}
    parts = {"mean": found.cost, "lower_bound": found.lower_bound, "gap_at_most": gap}
    return make_record("emd", times * found.cost, parts=parts, params=params, **names)
