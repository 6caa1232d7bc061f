"""Weights as they are handed on: without what only a training needs, and with what `predict` can use besides."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace

import torch

from voxcli.errors import UsageError
from voxcli.models.base import LearnsFamiliarity
from voxcli.models.frustum.familiarity import split
from voxcli.models.registry import able, class_of
from voxcli.models.weights import Weights
from voxcli.scene import Picture
from voxcli.training.recipe import without_places


def without_discriminator(weights: Weights) -> Weights:
    """The generator alone: smaller, but it tells no poses."""
    tensors = {key: tensor for key, tensor in weights.tensors.items() if not key.startswith("discriminator.")}
    return replace(weights, tensors=tensors, config={key: value for key, value in weights.config.items() if key != "discriminator"})


def with_familiarity(weights: Weights, pictures: Iterable[Picture]) -> Weights:
    """The same weights with what tells pictures that are unlike the given ones. Raises UsageError for models that cannot tell."""
    if weights.model not in able(LearnsFamiliarity):
        raise UsageError(f"{weights.model} does not tell strange pictures.", actual="--familiar", hint="Leave it out.")
    own, _ = split(weights.tensors)
    weights = replace(weights, tensors=own)
    predictor = class_of(weights.model).from_weights(weights, "cpu", "float32")
    assert isinstance(predictor, LearnsFamiliarity)
    return replace(weights, tensors=own | predictor.learn_familiarity(pictures).tensors())


def without_origin(weights: Weights) -> Weights:
    """The same weights, whose facts do not reveal where the data of their training lay."""
    facts = {key: value for key, value in weights.facts.items() if key != "version"}
    training = facts.get("training")
    if isinstance(training, dict) and isinstance(training.get("recipe"), dict):
        facts["training"] = training | {"recipe": without_places(training["recipe"])}
    return replace(weights, facts=facts)


def state_dict_bytes(weights: Weights) -> bytes:
    """A file for `torch.load`: the tensors by name, and nothing else."""
    buffer = io.BytesIO()
    torch.save(dict(sorted(weights.tensors.items())), buffer)
    return buffer.getvalue()
