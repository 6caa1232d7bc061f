"""Questions of the 3D-IQ test task as batches: all of them as pictures with their lights, some of them with their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli.datasets.iqtt import IQTTFile
from voxcli.datasets.synthetic.iqtt import ALBEDO, LENS_MM, SENSOR_MM, draw_lights
from voxcli.errors import DataError, UsageError
from voxcli.geometry.lighting import Lights
from voxcli.training.task import Draws, TensorBatch

UNKNOWN = -1
"""The answer of a question whose answer is not known, or is not to be learnt from."""


@dataclass(frozen=True)
class QuestionBatch(TensorBatch):
    """questions [B, 4, 3, S, S] in 0..1, the reference first; answers [B] in 0..2 or UNKNOWN. labelled, labels: the same of labelled
    questions drawn for the supervised loss, [B, 4, 3, S, S] and [B], drawn [B] which ones; None where there are none. ambient [B, 4, 3],
    positions and colours [B, 4, L, 3]: the lights of each picture in its camera's frame, drawn anew where the file does not tell them."""

    questions: Tensor
    answers: Tensor
    labelled: Tensor | None
    labels: Tensor | None
    drawn: Tensor | None
    ambient: Tensor
    positions: Tensor
    colours: Tensor
    names: list[str]

    def lights_of(self, picture: int) -> Lights:
        """The lights of one of the four pictures of each question: ambient [B, 3], positions and colours [B, L, 3]."""
        return Lights(self.ambient[:, picture], self.positions[:, picture], self.colours[:, picture])

    @property
    def K(self) -> Tensor:
        """[B, 3, 3] of the camera that all pictures share."""
        size = self.questions.shape[-1]
        focal = LENS_MM / SENSOR_MM * size
        K = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]], device=self.questions.device)
        return K.expand(len(self.names), 3, 3)

    @property
    def albedo(self) -> Tensor:
        """[B, 3]"""
        return self.questions.new_full((len(self.names), 3), ALBEDO)


class QuestionSamples:
    """The questions of files, labelled ones first within each. labels: how many answers may be learnt from, of the first ones; None: all.
    Scores know every answer (`answer`), whatever may be learnt from; so do the questions of a validation file, however few.

    Raises DataError where there are no files, UsageError for labels below 0.
    """

    def __init__(self, sources: Sequence[str | Path], labels: int | None = None):
        if not sources:
            raise DataError("There are no questions to train on.", hint="Make some: voxcli synth iqtt -o iqtt.h5 --count 1000")
        self.files = [IQTTFile(source) for source in sources]
        self._places = [(k, i) for k, f in enumerate(self.files) for i in range(len(f.labeled) + len(f.unlabeled))]
        self.size = self.pictures(0).shape[1] if self._places else 0
        known = [i for i, (k, n) in enumerate(self._places) if n < len(self.files[k].labeled)]
        if labels is not None and (type(labels) is not int or labels < 0):
            raise UsageError("dataset.labels is a number of answers.", expected=f"0 to {len(known)}", actual=labels)
        self.asked, self.known = labels, len(known)
        self.labelled = known if labels is None else known[:labels]

    def __len__(self) -> int:
        return len(self._places)

    def name(self, index: int) -> str:
        """File, list and number of a question."""
        file, place = self._places[index]
        first = self.files[file].labeled
        return first.name(place) if place < len(first) else self.files[file].unlabeled.name(place - len(first))

    def pictures(self, index: int) -> np.ndarray:
        """uint8 [4, S, S, 3]"""
        file, place = self._places[index]
        first = self.files[file].labeled
        return first.pictures(place) if place < len(first) else self.files[file].unlabeled.pictures(place - len(first))

    def lights(self, index: int) -> tuple[np.ndarray, ...] | None:
        """Ambient [4, 3], positions and colours [4, L, 3] of a question's pictures; None where the file does not tell them."""
        file, place = self._places[index]
        known = self.files[file].lights
        return None if known is None else tuple(values[place] for values in known)

    @property
    def unlit(self) -> list[Path]:
        """The files that do not tell the lights of their pictures."""
        return [file.path for file in self.files if file.lights is None]

    def answer(self, index: int) -> int:
        """The right choice of a question, for scores; UNKNOWN where the file does not tell."""
        file, place = self._places[index]
        whole = self.files[file]
        if whole.truth is not None:
            return int(whole.truth[place])
        known = whole.labeled.answers
        return int(known[place]) if known is not None and place < len(whole.labeled) else UNKNOWN


@dataclass(frozen=True)
class Question:
    """A read sample; see QuestionBatch."""

    pictures: np.ndarray
    answer: int
    labelled: np.ndarray | None
    label: int
    drawn: int
    lights: tuple[np.ndarray, ...]
    name: str


@dataclass(frozen=True)
class QuestionReader:
    """Questions; for training, each with a labelled one drawn beside it where `indices` names any, and without its own answer."""

    data: QuestionSamples
    labelled: tuple[int, ...]

    def __call__(self, index: int, draws: Draws | None) -> Question:
        rng = np.random.default_rng(index) if draws is None else draws.own
        lights, drawn = _drawn_lights(rng), int(rng.integers(1 << 62))
        known = self.data.lights(index)
        beside = self.labelled[drawn % len(self.labelled)] if draws is not None and self.labelled else None
        return Question(
            self.data.pictures(index), self.data.answer(index) if draws is None else UNKNOWN,
            None if beside is None else self.data.pictures(beside), UNKNOWN if beside is None else self.data.answer(beside),
            -1 if beside is None else beside, lights if known is None else known, self.data.name(index),
        )  # fmt: skip


def collate(samples: list[Question]) -> QuestionBatch:
    """Stack what the reader gave."""
    beside = [sample.labelled for sample in samples if sample.labelled is not None]
    lights = zip(*(sample.lights for sample in samples), strict=True)
    ambient, positions, colours = (torch.from_numpy(np.stack(values)).float() for values in lights)
    return QuestionBatch(
        _as_tensor([sample.pictures for sample in samples]), torch.tensor([sample.answer for sample in samples]),
        _as_tensor(beside) if beside else None, torch.tensor([sample.label for sample in samples]) if beside else None,
        torch.tensor([sample.drawn for sample in samples]) if beside else None, ambient, positions, colours,
        [sample.name for sample in samples],
    )  # fmt: skip


def _drawn_lights(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Lights that are not those of the pictures: the same for all four."""
    return tuple(np.stack([values.numpy()] * 4) for values in draw_lights(rng)[:3])


def _as_tensor(pictures: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).movedim(-1, -3).float() / 255
