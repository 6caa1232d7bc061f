"""What one number says of a whole set. Papers differ in it, so the rule is part of the summary, and a preset brings its own."""

from __future__ import annotations

from collections.abc import Sequence

from voxcli.errors import UsageError
from voxcli.metrics.presets import BEST_THRESHOLD, CATEGORIES, F_OF_MEANS, POOLED, SAMPLES
from voxcli.metrics.records import COUNTS, Record, Tree
from voxcli.metrics.sums import Sums

__all__ = [
    "BEST_THRESHOLD", "CATEGORIES", "F_OF_MEANS", "POOLED", "SAMPLES", "add_to", "f_of_means", "settle", "summarise_by", "summary_of",
]  # fmt: skip


def summarise_by(rule: str, records: Sequence[Record], categories: Sequence[str] | None = None) -> Record:
    """`records.summarise`, its value by one of the rules above; `params.summary` names the rule.

    Raises UsageError where the rule asks for what the records do not have: categories, thresholds, counts.

    >>> from voxcli.metrics.records import make_record
    >>> summarise_by(CATEGORIES, [make_record("iou", v) for v in (0.0, 1.0, 1.0)], ["chair", "car", "car"])["value"]
    0.5
    """
    sums = Sums(rule)
    for record, category in zip(records, categories if categories is not None else [None] * len(records), strict=True):
        add_to(sums, record, category)
    return summary_of(sums)


def add_to(sums: Sums, record: Record, category: str | None = None) -> None:
    """Add a record to the sums of a set, with what their rule looks at.

    >>> from voxcli.metrics.records import make_record
    >>> sums = Sums(SAMPLES)
    >>> add_to(sums, make_record("iou", 0.5))
    >>> sums.samples
    1
    """
    if sums.rule != BEST_THRESHOLD:
        sums.add(record, category)
        return
    if "thresholds" not in record["parts"]:
        raise UsageError("Only occupancy has a best threshold; these records are of labels, shells, points or parts.")
    thresholds: dict[str, float | None] = record["parts"]["thresholds"]
    if sums.samples and list(thresholds) != sums.choices:
        raise UsageError("Some predictions of the set are probabilities and some are not, so they have no threshold in common.")
    sums.add(record, category, thresholds)


def summary_of(sums: Sums) -> Record:
    """The summary of a set by the rule of its sums; `params.summary` names the rule. Raises UsageErrors as `summarise_by`.

    >>> from voxcli.metrics.records import make_record
    >>> sums = Sums(SAMPLES)
    >>> add_to(sums, make_record("iou", 0.5))
    >>> summary_of(sums)["value"]
    0.5
    """
    rule = sums.rule
    if rule == BEST_THRESHOLD:
        means = {at: sums.value_at(at).mean or 0.0 for at in sums.choices}
        summary = sums.summary(max(means, key=lambda at: means[at]))  # the lowest of equals: they come in their order
    else:
        summary = sums.summary()
    if COUNTS in summary["parts"] and "mean_over" in summary["params"]:
        summary["parts"]["pooled_mean"] = _pooled_mean(summary, list(sums.classes))
    if rule == CATEGORIES:
        if sums.categories is None:
            raise UsageError("The value is a mean over categories, and no category was named.", hint="Add --category-from parent.")
        summary["value"] = summary["parts"]["mean_over_categories"]
    elif rule == POOLED:
        summary["value"] = _pooled_mean(summary, list(sums.classes))
    elif rule == F_OF_MEANS:
        summary["parts"]["f_of_means"] = joined = f_of_means(summary["parts"]["mean_parts"])
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


def _pooled_mean(summary: Record, names: Sequence[str]) -> float:
    import numpy as np

    from voxcli.metrics.counting import Counts
    from voxcli.metrics.overlap import mean_iou

    over = summary["params"].get("mean_over")
    if over is None:
        raise UsageError("Only labels are pooled over a set, all by one kind of mean.")
    pairs = np.array([summary["parts"][COUNTS][name] for name in names])
    return mean_iou(Counts(pairs[:, 0], pairs[:, 1]), pairs[:, 1], range(len(names)), over)


def f_of_means(parts: Tree) -> dict[str, float | None]:
    """F-scores of mean precision and mean recall (DISN averages over views before it joins them), by threshold.

    >>> f_of_means({"precision": {"<1": 1.0}, "recall": {"<1": 1.0}})
    {'<1': 1.0}
    """
    out: dict[str, float | None] = {}
    for key, p in parts["precision"].items():
        r = parts["recall"][key]
        out[key] = None if p is None or r is None else (2 * p * r / (p + r) if p + r else 0.0)
    return out
