"""What networks that predict fruxels have in common at their edges: facts that travel in weights, networks from weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from voxcli import config
from voxcli.backend import keep_freed_memory
from voxcli.config import Value
from voxcli.errors import FileFormatError, VoxcliError
from voxcli.models.frustum.familiarity import Familiarity, split
from voxcli.models.weights import Weights, check_finite, load_weights
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum

Net = TypeVar("Net", bound=nn.Module)

MOST_CELLS = 512**3
"""Of the output that weights may state: the tensors of a convolution fit any size, and none must ask for all memory."""


def frustum_facts(frustum: Frustum, classes: Labels) -> dict[str, Value]:
    """What weights say of their data, for `predict`: label names and the frustum."""
    return {
        "label_names": list(classes.names),
        "empty_label": classes.empty,
        "ignore_label": classes.ignore,
        "frustum": {"z_near": frustum.z_near, "z_far": frustum.z_far, "fov_x_deg": frustum.fov_x_deg},
    }


@dataclass(frozen=True)
class Restored(Generic[Net]):
    """A network from weights, with the frustum and the classes of its output, and what tells strange pictures, where the weights hold
    that."""

    network: Net
    frustum: Frustum
    classes: Labels
    familiarity: Familiarity | None


def restore(
    source: str | Path | Weights, model: str, config_type: type[Any], build: Callable[[Any], Net], device: torch.device, dtype: torch.dtype
) -> Restored[Net]:
    """A network for use from a weights file, the name of shipped weights, or weights in memory.

    config_type: the model's configuration, with `width`, `height` and `depth` of the output; build: a network from it. Raises
    FileFormatError for weights of another model, and for those that do not fit their own configuration.
    """
    name = "The weights" if isinstance(source, Weights) else f"'{source}'"
    weights = source if isinstance(source, Weights) else load_weights(source)
    if weights.model != model:
        raise FileFormatError(f"{name}: weights of another model.", expected=model, actual=weights.model)
    settings = config.from_mapping(config_type, weights.config, f"{name}: configuration")
    shape = (settings.depth, settings.height, settings.width)
    if prod(shape) > MOST_CELLS:
        raise FileFormatError(f"{name}: configuration: the output is too large.", expected=f"at most {MOST_CELLS} cells", actual=shape)
    try:
        check_finite(weights)
        own, familiarity = split(weights.tensors)
    except VoxcliError as error:
        raise FileFormatError(f"{name}: {error.message}", expected=error.expected, actual=error.actual) from error
    network, facts = build(settings), weights.facts
    try:
        network.load_state_dict(own)
        frustum = Frustum(settings.width, settings.height, settings.depth, **facts["frustum"])
        classes = Labels(tuple(facts["label_names"]), facts["empty_label"], facts["ignore_label"])
        if len(classes.names) != settings.classes or (classes.empty or 0) >= len(classes.names):
            raise ValueError(f"{len(classes.names)} label names and {classes.empty} as empty, for {settings.classes} classes")
    except (RuntimeError, KeyError, TypeError, ValueError, VoxcliError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileFormatError(f"{name}: weights that do not fit their own configuration.", actual=reason) from error
    if device.type == "cpu":
        keep_freed_memory()
    return Restored(network.eval().requires_grad_(False).to(device, dtype), frustum, classes, familiarity)
