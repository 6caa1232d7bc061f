"""An exponential moving average of a network's weights, which is what is validated and exported (ours)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def copy_of_weights(network: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers by name."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def update_average(average: dict[str, Tensor], network: nn.Module, decay: float, step: int) -> None:
    """Move the average towards the weights after a step, the number of which within its stage lowers the decay at first."""
    decay = min(decay, (1 + step) / (10 + step))  # early weights are forgotten soon
    pairs = [(average[name], tensor.detach()) for name, tensor in network.state_dict().items()]
    floats = [(a, t) for a, t in pairs if a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floats], [t for _, t in floats], 1 - decay)
    for a, t in pairs:
        if not a.is_floating_point():
            a.copy_(t)


@contextmanager
def averaged(network: nn.Module, average: dict[str, Tensor] | None) -> Iterator[None]:
    """Within, the network has the averaged weights, where there are any."""
    kept = None if average is None else copy_of_weights(network)
    if average is not None:
        network.load_state_dict(average)
    yield
    if kept is not None:
        network.load_state_dict(kept)
