"""Dense 2D convolutions whose gradients are fast on a CPU, with unchanged mathematics.

PyTorch's gradient of the bias takes twice the time of the other two together, and its gradients of input and weight take a third longer
when they are asked for at once than one by one. In float32, that of the input of a 1 x 1 kernel is sooner a product of matrices. CUDA takes
PyTorch's own operators.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from voxcli.models.blocks.activated import before_leaky, leaky_convolution, leaky_in_place
from voxcli.models.blocks.depthwise import as_autocast


def dense2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, slope: float | None = None
) -> Tensor:  # fmt: skip
    """[B, c_in, H, W] -> [B, c_out, H', W'] by kernels [c_out, c_in, k, k], as torch.nn.functional.conv2d.

    slope: of a LeakyReLU behind it.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        y = F.conv2d(x, weight, bias, stride, padding)
        return y if slope is None else leaky_in_place(y, slope)
    tensors = (x, weight) if bias is None else (x, weight, bias)
    given = as_autocast(*tensors)
    return _Dense.apply(given[0], given[1], None if bias is None else given[2], stride, padding, slope)


class _Dense(torch.autograd.Function):
    """conv2d, and a LeakyReLU where a slope is given."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, slope: float | None) -> Tensor:
        """x [B, c_in, H, W], weight [c_out, c_in, k, k], bias [c_out] -> [B, c_out, H', W']."""
        y = leaky_convolution(x, weight, bias, slope, stride=stride, padding=padding)
        ctx.stride, ctx.padding, ctx.slope = stride, padding, slope
        ctx.save_for_backward(x, weight, None if slope is None else y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None, None]:
        """The gradients with respect to x, weight and bias, None where not needed."""
        x, weight, y = ctx.saved_tensors
        grad = before_leaky(grad, y, ctx.slope)
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = _input_gradient(grad, x, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            dw = _gradients(grad, x, weight, ctx.stride, ctx.padding, [False, True, False])[1]
        return dx, dw, channel_sums(grad) if ctx.needs_input_grad[2] else None, None, None, None


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    if weight.shape[2:] == (1, 1) and stride == 1 and not padding and grad.dtype == torch.float32:
        return (grad.permute(0, 2, 3, 1) @ weight[:, :, 0, 0]).permute(0, 3, 1, 2)
    return _gradients(grad, x, weight, stride, padding, [True, False, False])[0]


def _gradients(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, wanted: list[bool]) -> tuple[Tensor, Tensor, Tensor]:
    """Those of PyTorch's operator with respect to x, weight and bias."""
    return torch.ops.aten.convolution_backward(grad, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, wanted)


def channel_sums(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [C], as a product with ones. Sums over few channels that come last are slow, so it adds up many pixels side by side
    first."""
    n, c, h, w = x.shape
    together = math.gcd(n * h * w, 64)
    rows = x.permute(0, 2, 3, 1).reshape(-1, together * c)
    return (rows.new_ones(1, len(rows)) @ rows).view(together, c).sum(0)
