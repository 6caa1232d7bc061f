"""Records and their summaries."""

import json

import numpy as np
import pytest

from voxcli.errors import UsageError
from voxcli.metrics.records import make_record, summarise


def test_a_record_is_valid_json_and_undefined_numbers_are_null():
    record = make_record("chamfer", np.float32(0.5), parts={"a": np.nan, "b": np.arange(2)}, params={"t": (0.1, np.inf)})
    assert json.loads(json.dumps(record, allow_nan=False)) == {
        "metric": "chamfer", "value": 0.5, "pred": "", "gt": "", "parts": {"a": None, "b": [0, 1]}, "params": {"t": [0.1, None]},
    }  # fmt: skip


def test_the_mean_over_samples_and_the_mean_over_categories_both_stand_in_the_summary():
    records = [make_record("iou", v, parts={"x": {"y": v}}, params={"k": 1}) for v in (1.0, 0.0, 0.5)]
    summary = summarise(records, ["chair", "chair", "car"])
    assert summary["value"] == summary["parts"]["mean_over_samples"] == 0.5
    assert summary["parts"]["categories"] == {"car": {"samples": 1, "value": 0.5}, "chair": {"samples": 2, "value": 0.5}}
    summary = summarise(records, ["chair", "car", "car"])
    assert summary["parts"]["mean_over_categories"] == pytest.approx((1.0 + 0.25) / 2)
    assert summary["parts"]["mean_parts"] == {"x": {"y": 0.5}} and summary["params"] == {"k": 1}
    assert summarise(records)["parts"]["mean_over_categories"] is None


def test_undefined_samples_are_counted_and_left_out():
    summary = summarise([make_record("chamfer", None), make_record("chamfer", 2.0)])
    assert summary["value"] == 2.0 and summary["parts"]["undefined"] == 1 and summary["parts"]["samples"] == 2


def test_counts_are_added_and_pooled():
    records = [make_record("iou", v, parts={"counts": {"car": c}}) for v, c in ((0.5, [1, 2]), (1.0, [6, 6]))]
    parts = summarise(records)["parts"]
    assert parts["counts"] == {"car": [7, 8]} and parts["pooled"] == {"car": 7 / 8}


def test_params_that_differ_are_named_not_hidden():
    summary = summarise([make_record("emd", 1.0, params={"n": 5, "m": 1}), make_record("emd", 1.0, params={"n": 6, "m": 1})])
    assert summary["params"] == {"m": 1} and summary["parts"]["varying_params"] == ["n"]


def test_summaries_of_nothing_or_of_mixed_metrics_are_refused():
    with pytest.raises(UsageError):
        summarise([])
    with pytest.raises(UsageError):
        summarise([make_record("iou", 1), make_record("emd", 1)])
