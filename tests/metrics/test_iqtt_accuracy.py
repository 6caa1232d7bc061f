"""Accuracy on the 3D-IQ test task in closed form."""

import math

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import DataError
from voxcli.metrics.iqtt import accuracy_record


def test_accuracy_has_the_standard_error_of_a_share():
    truth = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    answers = truth.copy()
    answers[:2] = 2
    record = accuracy_record(answers, truth, pred="p", gt="g")
    assert record["value"] == 0.75 and record["parts"]["right"] == 6 and record["metric"] == "iqtt"
    assert record["parts"]["standard_error"] == pytest.approx(math.sqrt(0.75 * 0.25 / 8))
    assert record["parts"]["random_guess"] == pytest.approx(1 / 3) and record["parts"]["answered"] == {"0": 2, "1": 2, "2": 4}
    assert record["parts"]["above_guess"] == pytest.approx((0.75 - 1 / 3) / math.sqrt(2 / 9 / 8))


def test_guessing_lies_within_its_standard_error_of_a_third():
    rng = np.random.default_rng(0)
    truth, answers = rng.integers(0, 3, (2, 20_000))
    record = accuracy_record(answers, truth)
    assert abs(record["parts"]["above_guess"]) < 3
    assert record["parts"]["random_guess_standard_error"] == pytest.approx(record["parts"]["standard_error"], rel=0.02)


def test_kinds_say_what_was_taken_for_the_reference_where_it_was_offered():
    kinds = np.array([[0, 1, 2], [1, 0, 2], [0, 2, 2], [2, 0, 1]])
    record = accuracy_record(np.array([1, 1, 2, 2]), np.array([0, 1, 0, 1]), kinds=kinds, kind_names=("answer", "mirror", "bent", "other"))
    assert record["parts"]["chosen"] == {"answer": 0.25, "mirror": 2 / 3, "bent": 0.25}
    assert record["value"] == record["parts"]["chosen"]["answer"]


def test_another_number_of_answers_is_refused():
    for count in (0, 2, 4):
        with refused(DataError, expected="3 answers"):
            accuracy_record(np.zeros(count, int), np.zeros(3, int))
