"""Accuracy on the 3D-IQ test task (pix2scene, section 4.4): the share of questions answered rightly, with its standard error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError
from voxcli.metrics.records import Record, make_record
from voxcli.provenance import Recordable

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.records import Names

CHANCE = 1 / 3
"""The accuracy of a guess among three choices."""


@dataclass(frozen=True)
class Answers:
    """Answers to a list of questions. answers: 0, 1 or 2 [n]; kinds: what each choice is, ids [n, 3], where the file states it."""

    answers: np.ndarray
    kinds: np.ndarray | None = None


def accuracy_record(
    answers: np.ndarray, truth: np.ndarray, *, kinds: np.ndarray | None = None, kind_names: Sequence[str] = (), **names: Unpack[Names]
) -> Record:
    """The record of answers [n] to questions whose right choices are truth [n], all 0, 1 or 2.

    `value` is the accuracy p. `parts`: its standard_error sqrt(p (1 - p) / n), random_guess 1/3 and the standard error of guessing,
    above_guess: by how many of those p exceeds 1/3; answered: how often each choice was given. With kinds [n, 3] (ids of kind_names, the
    first that of the right choice): chosen, the share of the questions in which a choice of each kind was taken, among those that have one.
    Raises DataError where the numbers of answers and questions differ.

    >>> accuracy_record(np.array([0, 1, 2, 0]), np.array([0, 1, 2, 1]))["value"]
    0.75
    """
    if len(answers) != len(truth) or not len(truth):
        raise DataError("There must be one answer a question.", expected=f"{len(truth)} answers", actual=len(answers))
    count = len(truth)
    right = int((answers == truth).sum())
    p = right / count
    guess = math.sqrt(CHANCE * (1 - CHANCE) / count)
    parts: dict[str, Recordable] = {
        "questions": count,
        "right": right,
        "standard_error": math.sqrt(p * (1 - p) / count),
        "random_guess": CHANCE,
        "random_guess_standard_error": guess,
        "above_guess": (p - CHANCE) / guess,
        "answered": {str(choice): int((answers == choice).sum()) for choice in range(3)},
    }
    if kinds is not None and len(kinds) == count:
        parts["chosen"] = _chosen(answers, kinds, kind_names)
    return make_record("iqtt", p, parts=parts, params={"choices": 3}, **names)


def _chosen(answers: np.ndarray, kinds: np.ndarray, names: Sequence[str]) -> Mapping[str, float]:
    taken = kinds[np.arange(len(answers)), answers]
    offered = {k: (kinds == k).any(1) for k in range(len(names))}
    return {names[k]: float((taken[some] == k).mean()) for k, some in offered.items() if some.any()}
