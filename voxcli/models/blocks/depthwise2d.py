"""Depthwise 2D convolutions whose gradients are fast on a CPU, with unchanged mathematics.

PyTorch's gradients of a 3 x 3 kernel are vectorised, those of a 5 x 5 one are not (14 times slower in float32, 70 times in bfloat16), and
in bfloat16 no gradient of a strided convolution's input is. CUDA takes PyTorch's own operators.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from voxcli.models.blocks.depthwise import as_autocast
from voxcli.shapes import check_shape

FAST = 3
"""Size of the kernels whose weights have a fast gradient."""

_conv_backward = torch.ops.aten.convolution_backward


def depthwise2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, uneven: tuple[bool, bool] = (False, False)
) -> Tensor:
    """[B, C, H, W] -> [B, C, H', W'] by the kernels weight [C, 1, k, k], as torch.nn.functional.conv2d with groups = C; bias [C].

    Rows and columns that are `uneven` have one zero less in front than behind.
    """
    sizes = check_shape(x, "B C H W", "maps")
    check_shape(weight, "C 1 k k", "weight", {"C": sizes["C"]})
    if x.device.type != "cpu" or not torch.is_grad_enabled():
        return F.conv2d(x, with_leading_zeros(weight, uneven), bias, stride, padding, groups=sizes["C"])
    bias = x.new_zeros(sizes["C"]) if bias is None else bias
    return _Depthwise.apply(*as_autocast(x, weight, bias), stride, padding, uneven)


def with_leading_zeros(weight: Tensor, uneven: tuple[bool, bool]) -> Tensor:
    """Kernels with a zero in front of the rows and columns that are `uneven`. As many zeros on both sides of a map then do what one less
    in front does, without a copy of the map."""
    return F.pad(weight, (int(uneven[1]), 0, int(uneven[0]), 0)) if any(uneven) else weight


class _Depthwise(torch.autograd.Function):
    """conv2d with groups = C."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, uneven: tuple[bool, bool]) -> Tensor:
        """x [B, C, H, W], weight [C, 1, k, k], bias [C] -> [B, C, H', W']."""
        x = x.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.uneven = stride, padding, uneven
        return F.conv2d(x, with_leading_zeros(weight, uneven), bias, stride, padding, groups=x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None, None]:
        """The gradients with respect to x, weight and bias, None where not needed."""
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        dx = _input_gradient(grad, x, with_leading_zeros(weight, ctx.uneven), ctx.stride, ctx.padding) if ctx.needs_input_grad[0] else None
        dw = _weight_gradient(grad, x, weight, ctx.stride, ctx.padding, ctx.uneven) if ctx.needs_input_grad[1] else None
        db = grad.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return dx, dw, db, None, None, None


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """[B, C, H, W]: with stride 1 a convolution by the mirrored kernel; otherwise PyTorch's own, in float32 at least."""
    channels, kernel = weight.shape[0], weight.shape[2]
    if stride == 1 and padding < kernel:
        return F.conv2d(grad, weight.flip(2, 3), padding=kernel - 1 - padding, groups=channels)
    exact = torch.promote_types(x.dtype, torch.float32)
    like = torch.empty_like(x, dtype=exact)
    return _gradients(grad.to(exact), like, weight.to(exact), stride, padding, [True, False, False])[0].to(x.dtype)


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, uneven: tuple[bool, bool]) -> Tensor:
    """[C, 1, k, k]. The gradient of a larger kernel is put together from those of 3 x 3 parts of it, each of a part of x."""
    kernel = weight.shape[2]
    if kernel <= FAST and not any(uneven):
        return _gradients(grad, x, weight, stride, padding, [False, True, False])[1]
    x = F.pad(x, (padding - uneven[1], padding, padding - uneven[0], padding))
    size = min(kernel, FAST)
    rows, columns = (stride * (length - 1) + size for length in grad.shape[2:])
    like, found = weight[:, :, :size, :size], torch.empty_like(weight)
    starts = [*range(0, kernel - size, size), kernel - size]
    for i in starts:
        for j in starts:
            part = x[:, :, i : i + rows, j : j + columns].contiguous(memory_format=torch.channels_last)
            found[:, :, i : i + size, j : j + size] = _gradients(grad, part, like, stride, 0, [False, True, False])[1]
    return found


def _gradients(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, wanted: list[bool]) -> tuple[Tensor, Tensor, Tensor]:
    """Those of PyTorch's operator with respect to x, weight and bias."""
    return _conv_backward(grad, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], x.shape[1], wanted)
