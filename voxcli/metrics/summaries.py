"""What one number says of a whole set. Papers differ in it, so the rule is part of the summary, and a preset brings its own."""

from __future__ import annotations

from collections.abc import Sequence

from voxcli.errors import UsageError
from voxcli.metrics.presets import BEST_THRESHOLD, CATEGORIES, F_OF_MEANS, POOLED, SAMPLES
from voxcli.metrics.records import COUNTS, Record, mean, summarise

__all__ = ["BEST_THRESHOLD", "CATEGORIES", "F_OF_MEANS", "POOLED", "SAMPLES", "f_of_means", "settle", "summarise_by"]


def summarise_by(rule: str, records: Sequence[Record], categories: Sequence[str] | None = None) -> Record:
    """`records.summarise`, its value by one of the rules above; `params.summary` names the rule.

    Raises UsageError where the rule asks for what the records do not have: categories, thresholds, counts.

    >>> from voxcli.metrics.records import make_record
    >>> summarise_by(CATEGORIES, [make_record("iou", v) for v in (0.0, 1.0, 1.0)], ["chair", "car", "car"])["value"]
    0.5
    """
    if rule == BEST_THRESHOLD:
        from voxcli.metrics.overlap import at_best_threshold

        records = at_best_threshold(records)
    summary = summarise(records, categories)
    if rule == CATEGORIES:
        if categories is None:
            raise UsageError("The value is a mean over categories, and no category was named.", hint="Add --category-from parent.")
        summary["value"] = summary["parts"]["mean_over_categories"]
    elif rule == POOLED:
        summary["value"] = _pooled_mean(summary, records)
    elif rule == F_OF_MEANS:
        summary["parts"]["f_of_means"] = joined = f_of_means(records)
        summary["value"] = next(iter(joined.values()))
    summary["params"]["summary"] = rule
    return summary


def settle(rule: str, record: Record) -> None:
    """Give the record of a single pair the value that the rule has for a set of one. Only the best threshold makes a difference.

    >>> from voxcli.metrics.records import make_record
    >>> record = make_record("iou", 0.1, parts={"thresholds": {">=0.5": 0.1, ">=0.4": 0.3}})
    >>> settle(BEST_THRESHOLD, record)
    >>> record["value"], record["params"]["value_at"]
    (0.3, '>=0.4')
    """
    if rule == BEST_THRESHOLD:
        from voxcli.metrics.overlap import at_best_threshold

        best = at_best_threshold([record])[0]
        record["value"], record["params"]["value_at"] = best["value"], best["params"]["value_at"]


def _pooled_mean(summary: Record, records: Sequence[Record]) -> float:
    import numpy as np

    from voxcli.metrics.counting import Counts
    from voxcli.metrics.overlap import mean_iou

    over = summary["params"].get("mean_over")
    if over is None:
        raise UsageError("Only labels are pooled over a set, all by one kind of mean.")
    names = list(dict.fromkeys(name for record in records for name in record["params"]["classes"]))
    pairs = np.array([summary["parts"][COUNTS][name] for name in names])
    return mean_iou(Counts(pairs[:, 0], pairs[:, 1]), pairs[:, 1], range(len(names)), over)


def f_of_means(records: Sequence[Record]) -> dict[str, float | None]:
    """F-scores of mean precision and mean recall over F-score records (DISN averages over views before it joins them), by threshold.

    >>> from voxcli.metrics.records import make_record
    >>> f_of_means([make_record("fscore", 0.5, parts={"precision": {"<1": 1.0}, "recall": {"<1": 1.0}})])
    {'<1': 1.0}
    """
    out: dict[str, float | None] = {}
    for key in records[0]["parts"]["precision"] if records else ():
        p, r = (mean(record["parts"][part][key] for record in records) for part in ("precision", "recall"))
        out[key] = None if p is None or r is None else (2 * p * r / (p + r) if p + r else 0.0)
    return out
