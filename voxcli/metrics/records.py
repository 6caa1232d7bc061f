"""Metric records: a number that carries its own definition, and the summary of many (CONVENTIONS, section 4).

A record is a plain dict, one JSON line: {"metric", "value", "pred", "gt", "parts": {...}, "params": {...}}. `params` echoes every choice
that the value depends on; `parts` holds what the value was made from. A value that is not defined is None (null), never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from voxcli.provenance import Json, Recordable
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
    parts: Mapping[str, Recordable] | None = None, params: Mapping[str, Recordable] | None = None,
) -> Record:  # fmt: skip
    """One record, with every number a plain int or float and every undefined one None, so that it is valid JSON as it stands.

    >>> make_record("chamfer", float("nan"), params={"thresholds": (0.1,)})
    {'metric': 'chamfer', 'value': None, 'pred': '', 'gt': '', 'parts': {}, 'params': {'thresholds': [0.1]}}
    """
    number = plain(value)
    assert number is None or isinstance(number, (int, float))
    return {"metric": metric, "value": number, "pred": pred, "gt": gt, "parts": _tree(parts or {}), "params": _tree(params or {})}


def _tree(named: Mapping[str, Recordable]) -> Tree:
    return {str(name): plain(value) for name, value in named.items()}


def state_inputs(record: Record, digests: Mapping[str, str] | None = None, category: str | None = None) -> Record:
    """The record with its meta: the version of voxcli, the SHA-256 of the two files by their paths, where digests have them, and the
    category of the pair, where it has one.

    >>> sorted(state_inputs(make_record("iou", 1.0, pred="a.npz"), {"a.npz": "e3b0", "b.npz": "c442"})["meta"]["inputs"])
    ['a.npz']
    """
    inputs = {path: digests[path] for path in (record["pred"], record["gt"]) if digests and path in digests}
    return {**record, "meta": {"voxcli_version": __version__, "inputs": inputs} | ({"category": category} if category is not None else {})}


def plain(value: Recordable) -> Json:
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
    from voxcli.metrics.sums import Sums

    sums = Sums()
    for record, category in zip(records, categories if categories is not None else [None] * len(records), strict=True):
        sums.add(record, category)
    return sums.summary()


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are defined; None where none is.

    >>> mean([1.0, None, 2.0])
    1.5
    """
    known = [v for v in values if v is not None]
    return math.fsum(known) / len(known) if known else None
