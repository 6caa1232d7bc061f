"""Batch normalisation over the batch of all processes, so that a run does not depend on how many share it.

torch.nn.SyncBatchNorm is written for CUDA alone. Here the call that every BatchNorm layer ends in is replaced while a forward pass runs,
whatever model it belongs to; layers, parameter names and checkpoints stay as they are.

Where channels come last, PyTorch's CPU kernel adds up each channel's float32 values one after another: over two million fruxels its
variance is off by 2e-4 to 6e-4, and the gradients behind it by more, in another way for every division of the batch. Here groups of
neighbouring positions are summed as channels of their own, which costs nothing, and added in float64: exact to 1e-7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from voxcli.training.parallel import Processes

FOLDED = 2048
"""Sums that the kernel keeps at once: more are more exact, and leave the core's nearest cache."""

FEW = 512
"""Positions over which a plain sum in float32 is good enough: over 4,096 of a picture with even areas it is off by 5e-5 already."""

_normalise_backward = torch.ops.aten.native_batch_norm_backward


class GlobalStatistics(TorchFunctionMode):
    """Within: batch_norm in training takes exact mean and variance over the samples of all processes, forward and backward."""

    def __init__(self, processes: Processes):
        super().__init__()
        self.processes = processes

    def __torch_function__(
        self, function: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function is F.batch_norm:
            return self._batch_norm(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))

    def _batch_norm(
        self, x: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
        training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
    ) -> Tensor:  # fmt: skip
        if not training or self._leaves_to_torch(x):
            return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
        normalise: Callable[..., Tensor] = _GlobalBatchNorm.apply
        return normalise(x, weight, bias, running_mean, running_var, momentum, eps, self.processes)

    def _leaves_to_torch(self, x: Tensor) -> bool:
        """True where one process gains nothing: on CUDA, in half precision, in another memory format, over few positions."""
        alone = self.processes.count == 1
        return alone and (x.dtype.itemsize < 4 or x.numel() // x.shape[1] <= FEW or _folded(x)[1] == 1)


class _GlobalBatchNorm(torch.autograd.Function):
    """Two small messages a layer: each process's mean and variance forward, two sums of gradients backward.

    The gradient that arrives is that of this process's loss; the one that leaves is of the sum over all processes' losses, as the
    average over processes that follows expects.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None,
        momentum: float, eps: float, processes: Processes,
    ) -> Tensor:  # fmt: skip
        """x [B, C, *], weight and bias [C] or None -> normalised by the mean and variance over all processes, [B, C, *]."""
        x = x.detach()
        mean, variance = _mean_and_variance(x)
        count = torch.full_like(mean, x.numel() // x.shape[1])
        counts, means, variances = processes.stack(torch.stack([count, mean, variance])).unbind(1)
        total = counts.sum(0)
        mean = (counts * means).sum(0) / total
        variance = (counts * (variances + (means - mean) ** 2)).sum(0) / total  # Chan et al. 1979: no cancellation
        if running_mean is not None and running_var is not None:
            # As the kernel does it, unseen by autograd: an earlier call that was left to torch has saved these tensors.
            running_mean.data.lerp_(mean.to(running_mean), momentum)
            running_var.data.lerp_((variance * total / (total - 1).clamp(min=1)).to(running_var), momentum)
        kind = torch.promote_types(x.dtype, torch.float32)
        mean, variance = mean.to(kind), variance.to(kind)
        y = torch.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, eps)[0]
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.details = (eps, float(total[0]), processes)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients with respect to x, weight and bias, None for the other arguments."""
        x, weight, mean, variance = ctx.saved_tensors
        eps, total, processes = ctx.details
        inverse = (variance + eps).rsqrt()
        products, sums = _gradient_sums(grad, x, mean, variance, inverse, eps)
        total_products, total_sums = (processes.add(torch.stack([products, sums])) / total).to(mean.dtype)
        scale = inverse if weight is None else weight.to(mean.dtype) * inverse
        # dx = scale * (grad - mean of grad - normalised * mean of grad * normalised): one multiple of x and a constant, as the kernel for
        # fixed statistics gives it in one pass, and one multiple of grad.
        slope = -scale * inverse * total_products
        constant = scale * (inverse * mean * total_products - total_sums)
        dx = torch.native_batch_norm(x, slope, constant, torch.zeros_like(mean), torch.ones_like(mean), False, 0.0, 0.0)[0]
        dx.addcmul_(grad, scale.to(grad.dtype).view([1, -1, *[1] * (x.ndim - 2)]))
        d_weight = None if weight is None else products.to(weight.dtype)
        d_bias = sums.to(weight.dtype) if ctx.needs_input_grad[2] and weight is not None else None
        return dx, d_weight, d_bias, None, None, None, None, None


def _mean_and_variance(x: Tensor) -> tuple[Tensor, Tensor]:
    """Of each channel over one process's part of a batch, float64 [C], from x [B, C, *]."""
    rows, fold = _folded(x)
    mean, variance = (part.double().view(fold, -1) for part in torch.batch_norm_update_stats(rows, None, None, 0.0))
    centre = mean.mean(0)
    return centre, (variance + (mean - centre) ** 2).mean(0)


def _gradient_sums(grad: Tensor, x: Tensor, mean: Tensor, variance: Tensor, inverse: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """(sum of grad * normalised x, sum of grad) of each channel, float64 [C]: one fast pass of the kernel for fixed statistics."""
    rows, fold = _folded(x)
    if fold > 1:
        grad = grad.movedim(1, -1).reshape(rows.shape)
    mean, variance, inverse = (each.repeat(fold) for each in (mean, variance, inverse))
    unit = torch.ones_like(mean)
    _, products, sums = _normalise_backward(grad, rows, unit, mean, variance, mean, inverse, False, eps, [False, True, True])
    return products.double().view(fold, -1).sum(0), sums.double().view(fold, -1).sum(0)


def _folded(x: Tensor) -> tuple[Tensor, int]:
    """(x as [positions / fold, fold * C] without a copy, fold) on the CPU where channels come last; otherwise (x, 1)."""
    rows = x.movedim(1, -1)
    if x.device.type != "cpu" or not rows.is_contiguous():
        return x, 1
    channels = x.shape[1]
    positions = x.numel() // channels
    fold = math.gcd(positions, 1 << max(0, (FOLDED // channels).bit_length() - 1))
    return rows.reshape(positions // fold, fold * channels), fold
