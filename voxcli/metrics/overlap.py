"""Intersection over union of grids: occupancy at one or many thresholds, and labels per class, with scene completion beside them.

    IoU(A, B) = |A and B| / |A or B|,    1 where both are empty, 0 where one is

Functions take NumPy arrays or torch tensors and never import torch themselves. What they return as a record states the comparison, the
classes that the mean is over, and the cells that were left out. Records carry their counts, so a whole set can be pooled afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError, ShapeError, UsageError, unknown_name
from voxcli.metrics.counting import Array, Counts, as_array, confusion, count_bits, count_ones, is_tensor, pack
from voxcli.metrics.records import COUNTS, Record, Tree, make_record
from voxcli.metrics.volumes import MEAN_OVER
from voxcli.provenance import Recordable
from voxcli.scene.labels import Labels

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.records import Names


@dataclass(frozen=True)
class OccupancyCounts(Counts):
    """Counts of occupied cells; true: those of the truth."""

    true: np.ndarray

    def precision(self) -> np.ndarray:
        """The share of the prediction's cells that the truth has, too; NaN where nothing is predicted."""
        return _share(self.intersection, self.union + self.intersection - self.true)

    def recall(self) -> np.ndarray:
        """The share of the truth's cells that the prediction has, too; NaN where the truth is empty."""
        return _share(self.intersection, self.true)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole == 0, np.nan, part / np.maximum(whole, 1))


def iou(pred: Array, gt: Array, *, threshold: float = 0.5, strict: bool = False, mask: Array | None = None) -> Array | float:
    """IoU of occupancy grids [* X Y Z] -> [*], float64 (a tensor for tensors, an array or a number otherwise).

    Floats are occupied where they are >= threshold (> with `strict`), booleans and integers where they are not 0; the ground truth, if
    float, at 0.5. Cells where `mask` [* X Y Z] is False are left out. Not differentiable.

    >>> iou(np.full((2, 2, 2), 0.4), np.ones((2, 2, 2), bool), threshold=0.4)
    1.0
    """
    value = occupancy_counts(pred, gt, [threshold], strict=strict, mask=mask).iou()[0]
    if is_tensor(pred):
        import torch

        return torch.tensor(value.tolist(), dtype=torch.float64, device=pred.device)
    return value if value.ndim else float(value)


def occupancy_counts(
    pred: Array, gt: Array, thresholds: Sequence[float] = (0.5,), *, strict: bool = False, mask: Array | None = None,
    threshold_truth: bool = False,
) -> OccupancyCounts:  # fmt: skip
    """Intersections, unions and sizes of the truth [T, *] of occupancy grids [* X Y Z] at T thresholds. Choices as in `iou`.

    With `threshold_truth` a float ground truth meets the same thresholds as the prediction, instead of 0.5.

    >>> occupancy_counts(np.full((2, 2, 2), 0.4), np.ones((2, 2, 2), bool), (0.3, 0.5)).intersection.tolist()
    [8, 0]
    """
    values, true_values = as_array(pred), as_array(gt)
    _same_grid(values, true_values)
    batch, cells = true_values.shape[:-3], int(np.prod(true_values.shape[-3:], dtype=np.int64))
    truths = thresholds if threshold_truth else [0.5]
    inside = [pack(_occupied(true_values, t, strict, "ground truth").reshape(*batch, cells)) for t in truths]
    visible = None
    if mask is not None:
        counted = as_array(mask).astype(bool, copy=False)
        if counted.shape != true_values.shape:
            raise ShapeError("The mask has a different shape from the grid.", expected=list(true_values.shape), actual=list(counted.shape))
        visible = pack(counted.reshape(*batch, cells))
        inside = [bits & visible for bits in inside]
    found = []
    for k, threshold in enumerate(thresholds):
        guess = pack(_occupied(values, threshold, strict, "prediction").reshape(*batch, cells))
        found.append(count_bits(guess if visible is None else guess & visible, inside[k if threshold_truth else 0]))
    true = np.stack([count_ones(inside[k if threshold_truth else 0]) for k in range(len(thresholds))])
    return OccupancyCounts(np.stack([c.intersection for c in found]), np.stack([c.union for c in found]), true)


def _same_grid(pred: np.ndarray, gt: np.ndarray) -> None:
    if pred.shape != gt.shape:
        raise ShapeError("Prediction and ground truth are on different grids.", expected=list(gt.shape), actual=list(pred.shape))
    if gt.ndim < 3:
        raise ShapeError("A grid needs three axes.", expected="[* X Y Z]", actual=list(gt.shape))


def _occupied(values: np.ndarray, threshold: float, strict: bool, what: str) -> np.ndarray:
    if values.dtype.kind == "b":
        return values
    if values.dtype.kind in "iu":
        return np.asarray(values != 0)
    if values.size and not np.isfinite(values.max() - values.min()):  # max and min carry a NaN along: one pass each, no mask
        raise DataError(f"Occupancies of the {what} must be finite.", actual="NaN or infinite values")
    limit = values.dtype.type(threshold)
    return np.asarray(values > limit if strict else values >= limit)


def comparison(threshold: float, strict: bool = False) -> str:
    """How a threshold is written in records.

    >>> comparison(0.4), comparison(0.4, strict=True)
    ('>=0.4', '>0.4')
    """
    return f"{'>' if strict else '>='}{threshold:g}"


def occupancy_iou(
    pred: Array, gt: Array, thresholds: Sequence[float] = (0.5,), /, *, strict: bool = False, mask: Array | None = None,
    threshold_truth: bool = False, **names: Unpack[Names],
) -> Record:  # fmt: skip
    """The record of one pair of occupancy grids [X Y Z]: `value` at the first threshold, `parts.thresholds` at all of them, with
    `parts.precision` and `parts.recall` beside (null where nothing is predicted, or true).

    names: `pred` and `gt`, the names that the record carries.

    >>> occupancy_iou(np.full((2, 2, 2), 0.4), np.ones((2, 2, 2), bool), (0.4, 0.5))["parts"]["thresholds"]
    {'>=0.4': 1.0, '>=0.5': 0.0}
    """
    if not thresholds:
        raise UsageError("IoU needs at least one threshold.")
    counts = occupancy_counts(pred, gt, thresholds, strict=strict, mask=mask, threshold_truth=threshold_truth)
    probable = as_array(pred).dtype.kind == "f"
    keys = [comparison(t, strict) for t in thresholds] if probable else ["occupied"]
    values = counts.iou()
    params: dict[str, Recordable] = {
        "of": "occupancy", "thresholds": keys, "value_at": keys[0], "grid": list(as_array(gt).shape), "masked": mask is not None,
        "truth_at": "same" if threshold_truth else comparison(0.5, strict), "empties": "both empty 1, one empty 0",
    }  # fmt: skip
    shares = {"thresholds": values, "precision": counts.precision(), "recall": counts.recall()}
    parts: Tree = {name: dict(zip(keys, each, strict=False)) for name, each in shares.items()} | {COUNTS: _pairs(keys, counts)}
    return make_record("iou", values[0], parts=parts, params=params, **names)


def at_best_threshold(records: Sequence[Record]) -> list[Record]:
    """Occupancy records of a set, their values moved to the threshold with the best mean over the set (the lowest of equals).

    >>> record = occupancy_iou(np.full((2, 2, 2), 0.4), np.ones((2, 2, 2), bool), (0.5, 0.4))
    >>> at_best_threshold([record])[0]["params"]["value_at"]
    '>=0.4'
    """
    if not records:
        raise UsageError("The best threshold of an empty set is not defined.")
    if any("thresholds" not in r["parts"] for r in records):
        raise UsageError("Only occupancy has a best threshold; these records are of labels, shells, points or parts.")
    keys = list(records[0]["parts"]["thresholds"])
    if any(list(r["parts"]["thresholds"]) != keys for r in records):
        raise UsageError("Some predictions of the set are probabilities and some are not, so they have no threshold in common.")
    means = [np.mean([r["parts"]["thresholds"][k] for r in records]) for k in keys]
    best = keys[int(np.argmax(means))]
    return [{**r, "value": r["parts"]["thresholds"][best], "params": r["params"] | {"value_at": best}} for r in records]


# ------------------------------------------------------------------------------------------------ labels


def class_counts(table: np.ndarray) -> Counts:
    """Intersections and unions [K] of the classes of a confusion matrix [K, K] (row = truth).

    A further column, [K, K + 1], holds cells of which the prediction says nothing: they miss their class.

    >>> class_counts(np.array([[3, 1], [0, 2]])).union.tolist()
    [4, 3]
    """
    hit = table.diagonal()
    return Counts(hit.copy(), table.sum(axis=0)[: len(table)] + table.sum(axis=1) - hit)


def completion_counts(table: np.ndarray, empty: int) -> Counts:
    """Intersection and union of occupied space, whatever its class: the completion IoU of semantic scene completion.

    Cells of the further column (see `class_counts`) are not occupied in the prediction.

    >>> completion_counts(np.array([[3, 1], [0, 2]]), empty=0).iou().round(3)
    np.float64(0.667)
    """
    occupied = np.arange(len(table)) != empty
    both = table[occupied][:, : len(table)][:, occupied].sum()
    either = table[occupied].sum() + table[empty, : len(table)].sum() - table[empty, empty]
    return Counts(np.asarray(both), np.asarray(either))


def completion_scores(table: np.ndarray, empty: int) -> Tree:
    """IoU, precision and recall of occupied space, whatever its class, of a confusion matrix (see `class_counts`); None where
    nothing is there to be divided by.

    >>> completion_scores(np.array([[3, 1], [0, 2]]), 0)["precision"].round(3)
    np.float64(0.667)
    """
    counts = completion_counts(table, empty)
    predicted, true = occupied_counts(table, empty)
    return {
        "completion": counts.iou(), "precision": counts.intersection / predicted if predicted else None,
        "recall": counts.intersection / true if true else None,
    }  # fmt: skip


def occupied_counts(table: np.ndarray, empty: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells that are occupied in the prediction, and in the truth, of a confusion matrix.

    >>> [int(count) for count in occupied_counts(np.array([[3, 1], [0, 2]]), 0)]
    [3, 2]
    """
    occupied = np.arange(len(table)) != empty
    return table[:, : len(table)][:, occupied].sum(), table[occupied].sum()


def label_iou(pred: Array, gt: Array, classes: int, *, ignore: int | None = 255, mask: Array | None = None) -> np.ndarray:
    """IoU of every class of two label grids of one shape -> [classes] float64, NaN for a class absent from both.

    Cells whose truth is `ignore`, or where `mask` is False, are left out.

    >>> label_iou(np.array([0, 1, 1]), np.array([0, 1, 0]), 3).tolist()
    [0.5, 0.5, nan]
    """
    counts = class_counts(confusion(as_array(pred), as_array(gt), classes, ignore, None if mask is None else as_array(mask)))
    return np.where(counts.union == 0, np.nan, counts.iou())


def mean_iou(counts: Counts, truth: np.ndarray, classes: Sequence[int], over: str = "present") -> float:
    """Mean IoU over `classes` (ids), by one of MEAN_OVER; 1 where no class is left to average (both empty).

    truth: cells of each class in the ground truth, [K].

    >>> mean_iou(Counts(np.array([1, 0]), np.array([2, 0])), np.array([2, 0]), [0, 1], "all")
    0.75
    """
    if over not in MEAN_OVER:
        raise unknown_name("mean", over, MEAN_OVER)
    ids = np.asarray(classes, np.int64)
    if over == "all-zero":
        return float(np.where(counts.union == 0, 0.0, counts.iou())[ids].mean())
    if over != "all":
        ids = ids[(counts.union if over == "present" else truth)[ids] > 0]
    return float(counts.iou()[ids].mean()) if ids.size else 1.0


def label_record(
    pred: Array, gt: Array, labels: Labels, /, *, mask: Array | None = None, classes: Sequence[str] | None = None, over: str = "present",
    unlabelled: np.ndarray | None = None, **names: Unpack[Names],
) -> Record:  # fmt: skip
    """The record of one pair of label grids that share the class names of `labels`.

    `value` is the mean IoU over `classes` (default: every class but empty space) by one of MEAN_OVER. `parts.classes` has each class (null
    where it is absent from both), `parts.empty` empty space, `parts.completion` occupied against empty whatever the class, with its
    precision and recall beside, `parts.counts` [intersection, union] for pooling (of precision and recall: hits of predicted, of true).
    unlabelled: bool, cells that the prediction leaves out, whatever label stands there: each is a miss of its true class, and
    `params.unsaid` has their number where there are any.

    >>> label_record(np.array([0, 1, 1]), np.array([0, 1, 0]), Labels(("air", "wood")))["parts"]["classes"]
    {'wood': 0.5}
    """
    guess, truth, count = as_array(pred), as_array(gt), len(labels.names)
    counted = None if mask is None else as_array(mask)
    left = None if unlabelled is None else unlabelled if counted is None else unlabelled & counted.astype(bool)
    labelled = counted if unlabelled is None else ~unlabelled if counted is None else ~unlabelled & counted.astype(bool)
    table = confusion(guess, truth, count, labels.ignore, labelled)
    if left is not None:
        missed = confusion(np.zeros_like(truth), truth, count, labels.ignore, left)
        table = np.concatenate([table, missed.sum(axis=1, keepdims=True)], axis=1)
    record = label_table_record(table, labels, classes=classes, over=over, masked=mask is not None, shape=truth.shape, **names)
    if left_out := int(table[:, count:].sum()):
        record["params"]["unsaid"] = left_out
    return record


def label_table_record(
    table: np.ndarray, labels: Labels, /, *, classes: Sequence[str] | None = None, over: str = "present", masked: bool = False,
    shape: Sequence[int] = (), **names: Unpack[Names],
) -> Record:  # fmt: skip
    """As `label_record`, from a confusion matrix (see `class_counts`), of one pair or summed over a set as scene completion benchmarks do.

    >>> label_table_record(np.array([[3, 1], [0, 2]]), Labels(("air", "wood")))["parts"]["counts"]["wood"]
    [2, 3]
    """
    ids = labels.solid_ids if classes is None else [_class_id(labels, name) for name in classes]
    if not ids:
        raise UsageError("There is no class to average over.", expected=f"one of {', '.join(labels.names)}")
    counts = class_counts(table)
    values = np.where(counts.union == 0, np.nan, counts.iou())
    parts: Tree = {"classes": {labels.names[i]: values[i] for i in ids}}
    pairs = {labels.names[i]: [counts.intersection[i], counts.union[i]] for i in ids}
    if labels.empty is not None:
        completion, scores = completion_counts(table, labels.empty), completion_scores(table, labels.empty)
        parts |= {"empty": values[labels.empty], "completion": scores["completion"]}
        parts |= {f"completion_{name}": scores[name] for name in ("precision", "recall")}
        pairs |= {"completion": [completion.intersection, completion.union]}
        predicted, true = occupied_counts(table, labels.empty)
        pairs |= {"completion_precision": [completion.intersection, predicted], "completion_recall": [completion.intersection, true]}
    parts[COUNTS] = pairs
    params = {
        "of": "labels", "mean_over": over, "meaning": MEAN_OVER.get(over), "classes": [labels.names[i] for i in ids],
        "empty": None if labels.empty is None else labels.names[labels.empty], "ignore_label": labels.ignore, "masked": masked,
        "grid": list(shape), "empties": "both empty 1, one empty 0",
    }  # fmt: skip
    return make_record("iou", mean_iou(counts, table.sum(axis=1), ids, over), parts=parts, params=params, **names)


def _class_id(labels: Labels, name: str) -> int:
    if name not in labels.names:
        raise unknown_name("class", name, labels.names)
    return labels.names.index(name)


def _pairs(keys: Sequence[str], counts: Counts) -> dict[str, list[int]]:
    return {k: [int(i), int(u)] for k, i, u in zip(keys, counts.intersection, counts.union, strict=False)}
