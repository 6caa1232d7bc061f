"""Answers to questions of the 3D-IQ test task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from voxcli import config
from voxcli.datasets.iqtt import Questions
from voxcli.models.base import AnswersQuestions, TrainedNetwork
from voxcli.models.iqtt.network import IQTTConfig, Solver

if TYPE_CHECKING:
    from voxcli.provenance import Json


class IQTTSolver(TrainedNetwork[Solver], AnswersQuestions):
    """A trained solver."""

    dtypes = ("float32",)

    @classmethod
    def build(cls, mapping: Mapping[str, Json], what: str) -> Solver:
        """The solver of a configuration."""
        return Solver(config.from_mapping(IQTTConfig, mapping, what))

    def answer(self, pictures: np.ndarray) -> int:
        """The choice of the shortest distance to the reference."""
        with torch.inference_mode():
            images = torch.from_numpy(pictures)[None].movedim(-1, -3).float().to(self.device) / 255
            return int(self.network(images).argmax(1).item())

    def answers(self, questions: Sequence[Questions], batch_size: int = 8) -> Iterator[int]:
        """The choice 0, 1 or 2 for each question of some lists, in order: of a training file, give the labelled list first."""
        for each in questions:
            for start in range(0, len(each), batch_size):
                pictures = each.batch(range(start, min(len(each), start + batch_size))).to(self.device)
                with torch.inference_mode():
                    yield from np.asarray(self.network(pictures).argmax(1).cpu()).tolist()
