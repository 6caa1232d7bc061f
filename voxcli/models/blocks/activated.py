"""LeakyReLU as part of a convolution: oneDNN writes each number once, activated, which saves a pass over the largest volumes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def leaky_convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, slope: float | None, *, stride: int = 1, padding: int = 0, groups: int = 1,
    transposed: bool = False,
) -> Tensor:  # fmt: skip
    """LeakyReLU of the 2D or 3D convolution of x [B, C, (D,) H, W], or of its transposed one; None leaves the result as it is.

    Without a gradient of its own: for the forward pass of functions that have one.
    """
    axes = x.ndim - 2
    strides, paddings, ones = [stride] * axes, [padding] * axes, [1] * axes
    if slope is not None and _in_one_pass(x):
        activation = "leaky_relu", [slope], ""
        if transposed:
            return torch.ops.mkldnn._convolution_transpose_pointwise(
                x, weight, bias, paddings, [0] * axes, strides, ones, groups, *activation
            )
        return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, paddings, strides, ones, groups, *activation)
    y = torch.convolution(x, weight, bias, strides, paddings, ones, transposed, [0] * axes, groups)
    return y if slope is None else F.leaky_relu(y, slope, inplace=not torch.compiler.is_compiling())


def _in_one_pass(x: Tensor) -> bool:
    """Whether oneDNN has the two as one. The result is that of float32 before it is rounded."""
    known = x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16) and x.is_contiguous(memory_format=_FORMATS[x.ndim])
    built = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_transpose_pointwise")
    return known and built and not torch.compiler.is_compiling()


_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def before_leaky(grad: Tensor, y: Tensor, slope: float | None) -> Tensor:
    """The gradient before a LeakyReLU, from that behind it and from its result; the same one where there is none."""
    return grad if slope is None else torch.ops.aten.leaky_relu_backward(grad, y, slope, True)


def leaky_in_place(x: Tensor, slope: float) -> Tensor:
    """LeakyReLU that overwrites its input: for what nothing else reads. torch.compile, which plans memory itself, takes the other form:
    to it, what a function of ours returns is a view that must not be changed. In bfloat16 it makes a copy and lets the input go."""
    if x.device.type == "cpu" and x.dtype == torch.bfloat16 and not torch.compiler.is_compiling():
        return _Leaky.apply(x, slope)
    return F.leaky_relu(x, slope, inplace=not torch.compiler.is_compiling())


class _Leaky(torch.autograd.Function):
    """LeakyReLU whose gradient follows from its result. PyTorch's keeps the input; its form in place takes half as long again on a CPU."""

    @staticmethod
    def forward(ctx, x: Tensor, slope: float) -> Tensor:
        y = torch.ops.aten.leaky_relu(x, slope)
        ctx.save_for_backward(y)
        ctx.slope = slope
        return y

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return before_leaky(grad, y, ctx.slope), None
