"""Sums of sets of records: exact, in the memory of one record, and the same from parts of a set as from all of it."""

import json
import random
import tracemalloc
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxcli.errors import UsageError
from voxcli.files.registry import KIND_TYPES  # noqa: F401  (the packages that metrics import, before memory is counted)
from voxcli.metrics.records import make_record
from voxcli.metrics.summaries import BEST_THRESHOLD, CATEGORIES, F_OF_MEANS, POOLED, SAMPLES, add_to, summarise_by, summary_of
from voxcli.metrics.sums import Sums, Total

NUMBERS = st.lists(st.one_of(st.floats(-1e150, 1e150), st.integers(-(2**40), 2**40)), max_size=40)


@given(NUMBERS, st.integers(0, 40))
def test_a_total_is_the_sum_of_fractions_however_it_is_parted(numbers, cut):
    first, second = Total(), Total()
    for number in numbers[:cut]:
        first.add(number)
    for number in numbers[cut:]:
        second.add(number)
    first.join(Total.of(json.loads(json.dumps(second.state()))))
    assert first.count == len(numbers) and first.value == float(sum(map(Fraction, numbers)))


def record(k):
    """Something of all that records hold: undefined values, parts that some lack, words, counts, params that differ."""
    draw = random.Random(k)
    thresholds = {f">={t}": draw.random() for t in (0.3, 0.5)}
    value = None if k % 5 == 3 else thresholds[">=0.5"]
    parts = {
        "thresholds": thresholds, "precision": {"<1": draw.random(), "<2": draw.random()}, "recall": {"<1": draw.random(), "<2": None},
        "counts": {"car": [draw.randrange(50), 50 + draw.randrange(50)], "road": [1, 2]}, "word": "x", "pose": [1, 2],
    }  # fmt: skip
    if k % 4 == 1:
        parts["only"] = {"some": draw.random() * 1e9}
        parts["counts"]["tree"] = [0, draw.randrange(3)]
    params = {"classes": ["car", "road", *(["tree"] if k % 4 == 1 else [])], "mean_over": "present", "n": k % 2, **({"m": 1} if k else {})}
    return make_record("iou", value, parts=parts, params=params)


@pytest.mark.parametrize("rule", [SAMPLES, CATEGORIES, BEST_THRESHOLD, F_OF_MEANS])
@pytest.mark.parametrize("cuts", [(1,), (7, 11)])
def test_the_summary_of_joined_sums_is_that_of_the_set(rule, cuts):
    records, categories = [record(k) for k in range(30)], ["abc"[k % 3] for k in range(30)]
    whole = Sums(rule)
    for start, stop in zip((0, *cuts), (*cuts, 30), strict=True):
        part = Sums(rule)
        for each, category in zip(records[start:stop], categories[start:stop], strict=True):
            add_to(part, each, category)
        whole.join(Sums.of(json.loads(json.dumps(part.state()))))
    assert json.dumps(summary_of(whole)) == json.dumps(summarise_by(rule, records, categories))


def test_sums_of_labels_are_pooled_over_all_parts():
    """Intersections 2 + 4 of unions 4 + 4 of one class, 1 of 4 of the other: (6/8 + 1/4) / 2."""

    def labels(counts):
        return make_record("iou", 0.0, parts={"counts": counts}, params={"classes": list(counts), "mean_over": "present"})

    sums, more = Sums(POOLED), Sums(POOLED)
    add_to(sums, labels({"car": [2, 4]}))
    add_to(more, labels({"car": [4, 4], "road": [1, 4]}))
    sums.join(more)
    assert summary_of(sums)["value"] == 0.5


def test_sums_of_other_metrics_rules_and_sets_are_not_joined():
    sums = Sums(SAMPLES)
    sums.add(record(0))
    for rule, metric, category in ((CATEGORIES, "iou", None), (SAMPLES, "emd", None), (SAMPLES, "iou", "a")):
        other = Sums(rule)
        other.add({**record(0), "metric": metric}, category)
        with pytest.raises(UsageError):
            sums.join(other)


def test_the_memory_of_sums_does_not_grow_with_the_set():
    sums = Sums(SAMPLES)
    for k in range(50):
        add_to(sums, record(k), "a")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for k in range(50, 1050):
        add_to(sums, record(k), "a")
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert sums.samples == 1050 and grown < 20_000  # a thousand records take more than a megabyte
