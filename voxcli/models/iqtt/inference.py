"""Answers to questions of the 3D-IQ test task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from voxcli import backend, config
from voxcli.datasets.iqtt import Questions
from voxcli.errors import FileFormatError
from voxcli.models.iqtt.network import PRESETS, IQTTConfig, Solver, build
from voxcli.models.weights import Weights, load_weights


@dataclass(frozen=True)
class Predictor:
    """A trained solver."""

    network: Solver
    model: str
    device: torch.device


def load_predictor(weights: str | Path | Weights, device: str = "auto") -> Predictor:
    """A predictor from a weights file, or weights in memory."""
    weights = weights if isinstance(weights, Weights) else load_weights(weights)
    if weights.model not in PRESETS:
        raise FileFormatError("These weights are of another model.", expected=" or ".join(PRESETS), actual=weights.model)
    where = backend.pick_device(device)
    network = build(config.from_mapping(IQTTConfig, weights.config, "the weights' configuration"))
    try:
        network.load_state_dict(weights.tensors)
    except RuntimeError as error:
        raise FileFormatError("The weights do not fit their own configuration.", actual=str(error)[:300]) from error
    return Predictor(network.eval().requires_grad_(False).to(where), weights.model, where)


def answers(predictor: Predictor, questions: Sequence[Questions], batch_size: int = 8) -> Iterator[int]:
    """The choice 0, 1 or 2 for each question of some lists, in order: of a training file, give the labelled list first."""
    for each in questions:
        for start in range(0, len(each), batch_size):
            pictures = each.batch(range(start, min(len(each), start + batch_size))).to(predictor.device)
            with torch.inference_mode():
                yield from np.asarray(predictor.network(pictures).argmax(1).cpu()).tolist()
