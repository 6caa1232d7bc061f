"""Metric records: a number that carries its own definition, and the summary of many (CONVENTIONS, section 4).

A record is a plain dict, one JSON line: {"metric", "value", "pred", "gt", "parts": {...}, "params": {...}}. `params` echoes every choice
that the value depends on; `parts` holds what the value was made from. A value that is not defined is None (null), never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from voxcli.errors import UsageError
from voxcli.version import __version__

Tree = dict[str, Any]
"""Numbers, words and lists by name, in any depth. Who reads a name knows the type of its value."""


class Names(TypedDict, total=False):
    """What a record calls the two that were compared: paths, or nothing."""

    pred: str
    gt: str


class _Scored(TypedDict):
    metric: str
    value: float | None
    pred: str
    gt: str
    parts: Tree
    params: Tree


class Record(_Scored, total=False):
    """What a metric says of one pair, or of a set. meta: the version and the SHA-256 of files, see `state_inputs`."""

    meta: Tree


COUNTS = "counts"
"""Key of a part whose numbers are added up over samples, not averaged: intersections and unions."""


def make_record(
    metric: str, value: float | None, *, pred: str = "", gt: str = "",
    parts: Mapping[str, object] | None = None, params: Mapping[str, object] | None = None,
) -> Record:  # fmt: skip
    """One record, with every number a plain int or float and every undefined one None, so that it is valid JSON as it stands.

    >>> make_record("chamfer", float("nan"), params={"thresholds": (0.1,)})
    {'metric': 'chamfer', 'value': None, 'pred': '', 'gt': '', 'parts': {}, 'params': {'thresholds': [0.1]}}
    """
    return {"metric": metric, "value": plain(value), "pred": pred, "gt": gt, "parts": plain(parts or {}), "params": plain(params or {})}


def state_inputs(record: Record, digests: Mapping[str, str] | None = None) -> Record:
    """The record with its meta: the version of voxcli, and the SHA-256 of the two files by their paths, where digests have them.

    >>> sorted(state_inputs(make_record("iou", 1.0, pred="a.npz"), {"a.npz": "e3b0", "b.npz": "c442"})["meta"]["inputs"])
    ['a.npz']
    """
    inputs = {path: digests[path] for path in (record["pred"], record["gt"]) if digests and path in digests}
    return {**record, "meta": {"voxcli_version": __version__, "inputs": inputs}}


def plain(value: object) -> Any:
    """JSON's own types: arrays and tensors become lists, their scalars Python numbers, NaN and infinities None, keys strings.

    >>> plain({1: (0.5, math.inf)})
    {'1': [0.5, None]}
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, range)):
        return [plain(v) for v in value]
    raise TypeError(f"a record cannot hold {type(value).__name__}")


def summarise(records: Sequence[Record], categories: Sequence[str] | None = None) -> Record:
    """The summary of records of one metric: mean over samples AND mean over categories, since papers differ in which they print.

    `value` is the mean over samples of those that are defined; `parts` has `samples`, `undefined` (records whose value is null),
    `mean_over_samples`, `mean_over_categories` (null without categories), `categories` {name: {"samples", "value"}}, and `mean_parts`,
    the mean of every number in the records' parts over the samples where it is defined. Counts are added instead (`counts`), and
    `pooled` gives the IoU of the whole set at once from [intersection, union] pairs, as scene completion benchmarks do.
    `params` are those shared by all records; the names of the ones that differ are listed in `parts["varying_params"]`.

    >>> summary = summarise([make_record("iou", 0.5), make_record("iou", 1.0)])
    >>> summary["value"], summary["parts"]["samples"]
    (0.75, 2)
    """
    if not records:
        raise UsageError("There is nothing to summarise.", expected="at least one record")
    metrics = {r["metric"] for r in records}
    if len(metrics) > 1:
        raise UsageError("A summary is of one metric.", actual=", ".join(sorted(metrics)))
    values = [r["value"] for r in records]
    by_category: dict[str, list[float | None]] = {}
    if categories is not None:
        for name, value in zip(categories, values, strict=True):
            by_category.setdefault(name, []).append(value)
    per_category = {name: {"samples": len(v), "value": mean(v)} for name, v in sorted(by_category.items())}
    parts: Tree = {
        "samples": len(records),
        "undefined": sum(v is None for v in values),
        "mean_over_samples": mean(values),
        "mean_over_categories": mean([c["value"] for c in per_category.values()]) if per_category else None,
    }
    if per_category:
        parts["categories"] = per_category
    parts["mean_parts"] = _mean_tree([{k: v for k, v in r["parts"].items() if k != COUNTS} for r in records])
    counts = _sum_tree([r["parts"][COUNTS] for r in records if COUNTS in r["parts"]])
    if counts:
        parts[COUNTS] = counts
        pooled = {name: _ratio(c) for name, c in counts.items() if _is_pair(c)}
        if pooled:
            parts["pooled"] = pooled
    params, varying = _shared([r["params"] for r in records])
    if varying:
        parts["varying_params"] = varying
    return make_record(metrics.pop(), parts["mean_over_samples"], pred="*", gt="*", parts=parts, params=params)


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are defined; None where none is.

    >>> mean([1.0, None, 2.0])
    1.5
    """
    known = [v for v in values if v is not None]
    return math.fsum(known) / len(known) if known else None


def _is_pair(x: object) -> bool:
    return isinstance(x, list) and len(x) == 2


def _ratio(pair: Sequence[float]) -> float | None:
    return pair[0] / pair[1] if pair[1] else None


def _is_number(x: object) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def _keys(trees: Sequence[Tree]) -> list[str]:
    return list(dict.fromkeys(k for t in trees for k in t))


def _mean_tree(trees: Sequence[Tree]) -> Tree:
    out: Tree = {}
    for key in _keys(trees):
        found = [t[key] for t in trees if key in t]
        if any(isinstance(v, dict) for v in found):
            out[key] = _mean_tree([v for v in found if isinstance(v, dict)])
        elif all(v is None or _is_number(v) for v in found):
            out[key] = mean(found)
    return out


def _sum_tree(trees: Sequence[Tree]) -> Tree:
    out: Tree = {}
    for key in _keys(trees):
        found = [t[key] for t in trees if key in t]
        if isinstance(found[0], Mapping):
            out[key] = _sum_tree(found)
        elif isinstance(found[0], list):
            out[key] = [sum(column) for column in zip(*found, strict=True)]
        else:
            out[key] = sum(found)
    return out


def _shared(all_params: Sequence[Tree]) -> tuple[Tree, list[str]]:
    keys = _keys(all_params)
    varying = [k for k in keys if any(k not in p or p[k] != all_params[0].get(k) for p in all_params)]
    return {k: all_params[0][k] for k in keys if k not in varying}, varying
