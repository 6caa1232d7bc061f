"""Convolutions that stay as published but for a small change: low-rank adaptation (LoRA; Hu et al., ICLR 2022).

A pointwise convolution's weight W becomes W + U D, where D has `rank` rows. W is a buffer: no training moves it, and weights of ours can
leave it to other files (`voxcli.models.weights.Shared`). U is zero at first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from voxcli.models.blocks.dense2d import dense2d


def scaled(weight: Tensor, scale: Tensor | None, shift: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The weight [c_out, ...] and bias of a convolution that is followed by a scale and a shift [c_out], in the type of the weight."""
    if scale is not None:
        weight = (weight * scale.reshape(-1, *[1] * (weight.ndim - 1))).to(weight.dtype)
    return weight, None if shift is None else shift.to(weight.dtype)


class AdaptedPointwise(nn.Module):
    """[B, c_in, H, W] -> [B, c_out, H, W] by W + U D. weight [c_out, c_in, 1, 1], down = D [rank, c_in], up = U [c_out, rank]."""

    def __init__(self, weight: Tensor, rank: int):
        super().__init__()
        outputs, inputs = weight.shape[:2]
        self.weight: Tensor
        self.register_buffer("weight", weight.detach().clone())
        self.down = nn.Parameter(torch.empty(rank, inputs))
        if not weight.is_meta:  # weights follow then; and numbers drawn without memory would load torch's compiler
            nn.init.normal_(self.down, std=inputs**-0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        """The convolution, where given times `scale` plus `shift`, both [c_out]."""
        weight = self.weight + (self.up @ self.down)[:, :, None, None]
        return dense2d(x, *scaled(weight, scale, shift))


def adapt_pointwise(network: nn.Module, rank: int) -> None:
    """Put an AdaptedPointwise in the place of every dense 1 x 1 convolution without bias within a network. Names of weights stay."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and child.kernel_size == (1, 1) and child.groups == 1 and child.bias is None:
                setattr(module, name, AdaptedPointwise(child.weight, rank))
