"""What a training of SSZ does: its network, and the loss of one step.

Steps are functions (networks, batch tensors, stage settings) -> loss terms, by name in STEPS; a recipe's stage names its step.
The adversarial stage of section 3.3 is one more step with a discriminator among the networks and an optimiser of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from voxcli import config
from voxcli.errors import UsageError, unknown_name
from voxcli.models.ssz.losses import voxel_loss
from voxcli.models.ssz.network import PRESETS, Generator, SSZConfig

TERMS = ("likelihood", "dice")
"""`likelihood` is equation (2), times the sum q of the class weights over their number (a scale that keeps the terms' balance when
the weights change; q cancels in Adam otherwise); `dice` is ours."""


def resolve_config(settings: dict[str, Any], classes: int, shape: tuple[int, int, int] | None) -> SSZConfig:
    """The configuration of a recipe: `preset` names where to start, other keys are fields of SSZConfig.

    shape: (D, H, W) of the data; the network must have it. None skips that check.
    """
    settings = dict(settings)
    preset = settings.pop("preset", "street")
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    merged = config.merge(config.to_mapping(PRESETS[preset]), settings)
    resolved = replace(config.from_mapping(SSZConfig, merged, "network"), classes=classes)
    own = (resolved.depth, resolved.height, resolved.width)
    if shape is not None and own != shape:
        raise UsageError("The network's output does not have the shape of the data.", expected=f"(D, H, W) = {shape}", actual=own,
                         hint="Set network.width, height and depth in the recipe, or choose another preset.")  # fmt: skip
    return resolved


def build(settings: SSZConfig) -> Generator:
    """A freshly initialised generator; random numbers from torch's global state, which the engine seeds and saves."""
    return Generator(settings)


def generator_step(
    network: nn.Module, images: Tensor, labels: dict[int, Tensor], *, scales: dict[int, float], losses: dict[str, float],
    class_weights: Tensor, ignore: int | None,
) -> dict[str, Tensor]:  # fmt: skip
    """Loss of the generator alone, by scale: weighted sums of the terms named in `losses`, to be added up by the engine."""
    for name in losses:
        if name not in TERMS:
            raise unknown_name("loss", name, TERMS)
    scores = network(images, tuple(scales))
    balance = float(class_weights.sum()) / len(class_weights)
    return {
        f"scale{scale}": weight
        * voxel_loss(
            scores[scale], labels[scale], class_weights, likelihood=losses.get("likelihood", 0.0) * balance,
            dice=losses.get("dice", 0.0), ignore=ignore, in_place=True,
        )
        for scale, weight in scales.items()
    }  # fmt: skip


STEPS = {"generator": generator_step}


@torch.no_grad()
def confusion(network: nn.Module, images: Tensor, labels: Tensor, scale: int, ignore: int | None) -> Tensor:
    """Counts [n, n]: row = true class, column = predicted class, of one batch at one scale; ignored fruxels left out."""
    scores = network(images, (scale,))[scale]
    n = scores.shape[1]
    predicted = scores.argmax(1)
    truth = labels.long()
    if ignore is not None and bool((labels == ignore).any()):
        keep = labels != ignore
        truth, predicted = truth[keep], predicted[keep]
    return torch.bincount((truth * n + predicted).reshape(-1), minlength=n * n).reshape(n, n)
