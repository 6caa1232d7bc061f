"""Batch normalisation over the batch of all processes, so that a run does not depend on how many share it.

torch.nn.SyncBatchNorm is written for CUDA alone. Here the call that every BatchNorm layer ends in is replaced while a forward pass runs,
whatever model it belongs to; layers, parameter names and checkpoints stay as they are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from voxcli.training.parallel import Processes

_normalise_backward = torch.ops.aten.native_batch_norm_backward


class GlobalStatistics(TorchFunctionMode):
    """Within: batch_norm in training takes mean and variance over the samples of all processes, forward and backward."""

    def __init__(self, processes: Processes):
        super().__init__()
        self.processes = processes

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is F.batch_norm:
            return self._batch_norm(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))

    def _batch_norm(self, x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
        if not training:
            return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
        return _GlobalBatchNorm.apply(x, weight, bias, running_mean, running_var, momentum, eps, self.processes)


class _GlobalBatchNorm(torch.autograd.Function):
    """Two small messages a layer: each process's mean and variance forward, two sums of gradients backward.

    The gradient that arrives is that of this process's loss; the one that leaves is of the sum over all processes' losses, as the
    average over processes that follows expects.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, running_mean, running_var, momentum, eps, processes):
        x = x.detach()
        mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)
        count = torch.full_like(mean, x.numel() // x.shape[1])
        counts, means, variances = processes.stack(torch.stack([count, mean, variance]).double()).unbind(1)
        total = counts.sum(0)
        mean = (counts * means).sum(0) / total
        variance = (counts * (variances + (means - mean) ** 2)).sum(0) / total  # Chan et al. 1979: no cancellation
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean), momentum)
            running_var.lerp_((variance * total / (total - 1).clamp(min=1)).to(running_var), momentum)
        kind = torch.promote_types(x.dtype, torch.float32)
        mean, variance = mean.to(kind), variance.to(kind)
        y = torch.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, eps)[0]
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.details = (eps, float(total[0]), processes)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight, mean, variance = ctx.saved_tensors
        eps, total, processes = ctx.details
        inverse = (variance + eps).rsqrt()
        # The kernel with fixed statistics gives sum(grad * normalised) and sum(grad) in one fast pass.
        unit = torch.ones_like(mean)
        _, products, sums = _normalise_backward(grad, x, unit, mean, variance, mean, inverse, False, eps, [False, True, True])
        product, summed = processes.add(torch.stack([products, sums]).double()).to(mean.dtype) / total
        scale = inverse if weight is None else weight.to(mean.dtype) * inverse
        shape = [1, -1, *[1] * (x.ndim - 2)]
        # dx = scale * (grad - mean of grad - normalised * mean of grad * normalised), as one multiple of grad, one of x, one constant.
        slope = -scale * inverse * product
        constant = scale * (inverse * mean * product - summed)
        dx = grad * scale.to(grad.dtype).view(shape)
        dx.addcmul_(x, slope.to(dx.dtype).view(shape)).add_(constant.to(dx.dtype).view(shape))
        d_weight = None if weight is None else products.to(weight.dtype)
        d_bias = sums.to(weight.dtype) if ctx.needs_input_grad[2] and weight is not None else None
        return dx, d_weight, d_bias, None, None, None, None, None
