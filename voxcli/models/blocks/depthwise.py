"""Depthwise 3D convolutions that are fast on a CPU, forward and backward, with unchanged mathematics.

A volume in channels_last_3d order is, without a copy, a batch of B*D images in channels_last order, and a 3D kernel is a few 2D
kernels, one per depth tap. PyTorch's 2D depthwise kernels are vectorised in both directions; its 3D transposed ones, and the 3D
gradients with respect to weights, are not (10 to 100 times slower). CUDA takes PyTorch's own operators.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from voxcli import backend
from voxcli.errors import ShapeError, UsageError, unknown_name
from voxcli.models.blocks.activated import before_leaky, leaky_convolution, leaky_in_place
from voxcli.shapes import check_shape

TRANSPOSED_METHODS = ("native", "slices", "dense")

_TAPS = 4
_GROUP = 16  # channels to a group of a dense kernel: as many as a matrix unit takes at once
_MANY = 1 << 10  # pixels of a slice from which the gradient of a depthwise kernel is sooner taken tap by tap in float32
_conv_backward = torch.ops.aten.convolution_backward


def depthwise_transposed3d(x: Tensor, weight: Tensor, method: str | None = None, slope: float | None = None) -> Tensor:
    """Depthwise transposed convolution, kernel 4, stride 2, padding 1: [B, C, D, H, W] -> [B, C, 2D, 2H, 2W].

    weight [C, 1, 4, 4, 4], as in torch.nn.functional.conv_transpose3d with groups = C. `method`:
    `native` PyTorch's operator; `slices` 2D transposed convolutions of the depth slices, two of which add up to each output slice;
    `dense` the same kernel as a block-diagonal dense weight, 16 times the arithmetic, for matrix units. None takes the fastest
    measured: native on CUDA, dense on processors with bfloat16 units for bfloat16 input, slices on other processors.
    slope: of a LeakyReLU behind it.
    """
    sizes = check_shape(x, "B C D H W", "volume")
    check_shape(weight, "C 1 4 4 4", "weight", {"C": sizes["C"]})
    method = method or _fastest_transposed(x)
    if method == "native":
        return _leaky(F.conv_transpose3d(x, weight, stride=2, padding=1, groups=sizes["C"]), slope)
    if method == "dense":
        size = _group_size(sizes["C"])
        if x.device.type == "cpu":
            return _TransposedDense.apply(*as_autocast(x, block_diagonal(weight, size)), slope)
        return _leaky(F.conv_transpose3d(x, block_diagonal(weight, size), stride=2, padding=1, groups=sizes["C"] // size), slope)
    if method == "slices":
        if x.device.type != "cpu":
            raise UsageError("The slices method is written for the CPU.", actual=f"a tensor on {x.device}", hint="Use method=None.")
        return _leaky(_TransposedSlices.apply(*as_autocast(x, weight)), slope)
    raise unknown_name("method", method, TRANSPOSED_METHODS)


def depthwise3d(x: Tensor, weight: Tensor, slope: float | None = None) -> Tensor:
    """Depthwise convolution, kernel 3, stride 1, padding 1: [B, C, D, H, W] -> the same shape; weight [C, 1, 3, 3, 3].

    slope: of a LeakyReLU behind it.
    """
    sizes = check_shape(x, "B C D H W", "volume")
    check_shape(weight, "C 1 3 3 3", "weight", {"C": sizes["C"]})
    if x.device.type != "cpu":
        return _leaky(F.conv3d(x, weight, padding=1, groups=sizes["C"]), slope)
    return _DepthwiseSlices.apply(*as_autocast(x, weight), slope)


def depthwise_strided3d(x: Tensor, weight: Tensor) -> Tensor:
    """Depthwise convolution, kernel 4, stride 2, padding 1: [B, C, 2D, 2H, 2W] -> [B, C, D, H, W]; weight [C, 1, 4, 4, 4].

    The adjoint of `depthwise_transposed3d`, from whose parts it is made on the CPU.
    """
    sizes = check_shape(x, "B C D H W", "volume")
    check_shape(weight, "C 1 4 4 4", "weight", {"C": sizes["C"]})
    if any(sizes[key] % 2 for key in "DHW"):
        raise ShapeError("A volume that is halved needs even sizes.", expected="[B C 2D 2H 2W]", actual=list(x.shape))
    if x.device.type != "cpu":
        return F.conv3d(x, weight, stride=2, padding=1, groups=sizes["C"])
    return _StridedSlices.apply(*as_autocast(x, weight))


def as_autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Within torch.autocast on their device, the tensors in its type: for functions of ours, whose backward runs outside of it."""
    kind = tensors[0].device.type
    if not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return tuple(t.to(dtype) for t in tensors)


def block_diagonal(weight: Tensor, size: int) -> Tensor:
    """A depthwise weight [C, 1, ...] as the weight [C, size, ...] of C / size groups that computes the same."""
    eye = torch.eye(size, dtype=weight.dtype, device=weight.device).repeat(weight.shape[0] // size, 1)
    return eye.reshape(*eye.shape, *[1] * (weight.ndim - 2)) * weight


def _group_size(channels: int) -> int:
    return channels if channels % _GROUP else _GROUP


def _leaky(x: Tensor, slope: float | None) -> Tensor:
    return x if slope is None else leaky_in_place(x, slope)


def as_slices(x: Tensor) -> Tensor:
    """[B, C, D, H, W] -> [B*D, C, H, W] in channels_last order; a view where x is in channels_last_3d order."""
    b, c, d, h, w = x.shape
    return x.permute(0, 2, 3, 4, 1).reshape(b * d, h, w, c).permute(0, 3, 1, 2)


def as_volume(slices: Tensor, batch: int) -> Tensor:
    """[B*D, C, H, W] -> [B, C, D, H, W] in channels_last_3d order; the inverse of as_slices."""
    n, c, h, w = slices.shape
    return slices.permute(0, 2, 3, 1).reshape(batch, n // batch, h, w, c).permute(0, 4, 1, 2, 3)


def _fastest_transposed(x: Tensor) -> str:
    if x.device.type != "cpu":
        return "native"
    return "dense" if x.dtype == torch.bfloat16 and backend.cpu_has_bfloat16_units() else "slices"


def _weight_gradient2d(grad: Tensor, x: Tensor, kernel: int, padding: int) -> Tensor:
    """d sum(grad * conv2d(x, w)) / dw for a depthwise stride-1 convolution: [C, 1, kernel, kernel]."""
    c = x.shape[1]
    like = x.new_zeros(c, 1, kernel, kernel)
    return _conv_backward(grad, x, like, None, [1, 1], [padding] * 2, [1, 1], False, [0, 0], c, [False, True, False])[1]


def _depthwise_weight_gradient(grad: Tensor, x: Tensor) -> Tensor:
    """d sum(grad * conv3d(x, w)) / dw for a depthwise convolution: [C, 1, 3, 3, 3]."""
    channels, pixels = x.shape[1], x.shape[3] * x.shape[4]
    if x.dtype == torch.bfloat16 and pixels < _MANY and channels % _GROUP == 0 and backend.cpu_has_bfloat16_units():
        like = x.new_empty(channels, _GROUP, 3, 3, 3)
        ones, wanted = [1, 1, 1], [False, True, False]
        dense = _conv_backward(grad, x, like, None, ones, ones, ones, False, [0, 0, 0], channels // _GROUP, wanted)[1]
        own = torch.arange(channels, device=x.device)
        return dense[own, own % _GROUP].unsqueeze(1)
    exact = torch.promote_types(x.dtype, torch.float32)
    # Sample by sample, since slices of one sample alone are a view.
    samples = (_tap_gradients(g[None].to(exact), v[None].to(exact)) for g, v in zip(grad, x, strict=True))
    return sum(samples, start=x.new_zeros(channels, 1, 3, 3, 3, dtype=exact)).to(x.dtype)


def _tap_gradients(grad: Tensor, x: Tensor) -> Tensor:
    """The same of one sample, tap by tap: each takes slices of x to those `move` before them."""
    found = []
    for move in (-1, 0, 1):
        first, last = max(0, -move), x.shape[2] - max(0, move)
        found.append(_weight_gradient2d(as_slices(grad[:, :, first:last]), as_slices(x[:, :, first + move : last + move]), 3, 1))
    return torch.stack(found, dim=2)


class _DepthwiseSlices(torch.autograd.Function):
    """conv3d with groups = C, and a LeakyReLU where a slope is given: PyTorch's forward is fast in channels_last_3d, its two gradients are
    not."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, slope: float | None) -> Tensor:
        """x [B, C, D, H, W], weight [C, 1, 3, 3, 3] -> [B, C, D, H, W]."""
        x = x.contiguous(memory_format=torch.channels_last_3d)
        y = leaky_convolution(x, weight, None, slope, padding=1, groups=x.shape[1])
        ctx.slope = slope
        ctx.save_for_backward(x, weight, None if slope is None else y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """The gradients with respect to x and weight, None where not needed."""
        x, weight, y = ctx.saved_tensors
        grad = before_leaky(grad.contiguous(memory_format=torch.channels_last_3d), y, ctx.slope)
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = F.conv3d(grad, weight.flip(2, 3, 4), padding=1, groups=x.shape[1])
        if ctx.needs_input_grad[1]:
            dw = _depthwise_weight_gradient(grad, x)
        return dx, dw, None


class _TransposedDense(torch.autograd.Function):
    """conv_transpose3d, kernel 4, stride 2, padding 1, in groups, and a LeakyReLU where a slope is given."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, slope: float | None) -> Tensor:
        """x [B, C, D, H, W], weight [C, size, 4, 4, 4] -> [B, C, 2D, 2H, 2W]."""
        x = x.contiguous(memory_format=torch.channels_last_3d)
        groups = x.shape[1] // weight.shape[1]
        y = leaky_convolution(x, weight, None, slope, stride=2, padding=1, groups=groups, transposed=True)
        ctx.slope = slope
        ctx.save_for_backward(x, weight, None if slope is None else y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """The gradients with respect to x and weight, None where not needed."""
        x, weight, y = ctx.saved_tensors
        grad = before_leaky(grad.contiguous(memory_format=torch.channels_last_3d), y, ctx.slope)
        groups, wanted = x.shape[1] // weight.shape[1], [*ctx.needs_input_grad[:2], False]
        dx, dw, _ = _conv_backward(grad, x, weight, None, [2] * 3, [1] * 3, [1] * 3, True, [0] * 3, groups, wanted)
        return dx, dw, None


class _TransposedSlices(torch.autograd.Function):
    """conv_transpose3d, kernel 4, stride 2, padding 1, groups = C. Along each axis out[2m] = x[m] w[1] + x[m-1] w[3] and
    out[2m+1] = x[m] w[2] + x[m+1] w[0]: two input slices meet in each output slice."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        """x [B, C, D, H, W], weight [C, 1, 4, 4, 4] -> [B, C, 2D, 2H, 2W]."""
        x = x.contiguous(memory_format=torch.channels_last_3d)
        ctx.save_for_backward(x, weight)
        b, c, d, h, w = x.shape
        slices = as_slices(x)

        def up(tap: int) -> Tensor:
            """One depth tap of all slices: [B, D, 2H, 2W, C]."""
            y = F.conv_transpose2d(slices, weight[:, :, tap], stride=2, padding=1, groups=c)
            return y.permute(0, 2, 3, 1).reshape(b, d, 2 * h, 2 * w, c)

        # Every element is written below. Not a view: a custom function's output that is one cannot be changed in place.
        out = torch.empty(b, c, 2 * d, 2 * h, 2 * w, dtype=x.dtype, memory_format=torch.channels_last_3d)
        halves = out.permute(0, 2, 3, 4, 1).unflatten(1, (d, 2))
        even, odd = halves[:, :, 0], halves[:, :, 1]
        centre, before = up(1), up(3)
        even[:, :1] = centre[:, :1]
        _add_into(even[:, 1:], centre[:, 1:], before[:, :-1])
        centre, after = up(2), up(0)
        odd[:, -1:] = centre[:, -1:]
        _add_into(odd[:, :-1], centre[:, :-1], after[:, 1:])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """The gradients with respect to x and weight, None where not needed."""
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last_3d)
        dx = _transposed_input_gradient(grad, weight) if ctx.needs_input_grad[0] else None
        dw = _transposed_weight_gradient(grad, x) if ctx.needs_input_grad[1] else None
        return dx, dw


def _add_into(out: Tensor, a: Tensor, b: Tensor) -> None:
    """out = a + b without a copy. torch.compile follows no `out=` that is a view, and joins the two steps by itself."""
    if torch.compiler.is_compiling():
        out.copy_(a + b)
    else:
        torch.add(a, b, out=out)


class _StridedSlices(torch.autograd.Function):
    """conv3d, kernel 4, stride 2, padding 1, groups = C: forward and backward of `_TransposedSlices` with their places exchanged."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        """x [B, C, 2D, 2H, 2W], weight [C, 1, 4, 4, 4] -> [B, C, D, H, W]."""
        x = x.contiguous(memory_format=torch.channels_last_3d)
        ctx.save_for_backward(x, weight)
        return _transposed_input_gradient(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """The gradients with respect to x and weight, None where not needed."""
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last_3d)
        dx = _TransposedSlices.apply(grad, weight) if ctx.needs_input_grad[0] else None
        dw = _transposed_weight_gradient(x, grad) if ctx.needs_input_grad[1] else None
        return dx, dw


def _transposed_input_gradient(grad: Tensor, weight: Tensor) -> Tensor:
    """dx[m] = sum over taps a of conv2d(grad[2m - 1 + a], w[a], stride 2)."""
    b, c = grad.shape[:2]
    slices = as_slices(grad)
    total = None
    for tap in range(_TAPS):
        # Of the slices of one parity, the tap reads those displaced by -1, 0, 0 or 1.
        parity, move = (tap + 1) % 2, (tap - 1) // 2
        y = as_volume(F.conv2d(slices[parity::2], weight[:, :, tap], stride=2, padding=1, groups=c), b)
        if total is None:
            total = torch.zeros_like(y)
        if move == 0:
            total += y
        elif move < 0:
            total[:, :, 1:] += y[:, :, :-1]
        else:
            total[:, :, :-1] += y[:, :, 1:]
    assert total is not None
    return total


def _transposed_weight_gradient(grad: Tensor, x: Tensor) -> Tensor:
    """dw[a, b, e] = sum over m of x[m] grad[2m - 1 + (a, b, e)], by parities: each is a stride-1 weight gradient."""
    dw = x.new_zeros(x.shape[1], 1, _TAPS, _TAPS, _TAPS)
    v = as_slices(F.pad(x, (0, 0, 0, 0, 1, 1)))  # zero slices between samples: one shifted batch of slices stands for all
    n = len(v)
    for i in range(2):
        for j in range(2):
            for k in range(2):
                g = as_slices(F.pad(grad[:, :, i::2, j::2, k::2], (0, 0, 0, 0, 1, 1)))
                for a in _taps(i):
                    move = (i + 1 - a) // 2  # out[2m + i] reads x[m + move] through tap a
                    small = _weight_gradient2d(g[1 : n - 1], v[1 + move : n - 1 + move], 3, 1)
                    for bb in _taps(j):
                        for e in _taps(k):
                            dw[:, :, a, bb, e] = small[:, :, 1 + (j + 1 - bb) // 2, 1 + (k + 1 - e) // 2]
    return dw


def _taps(parity: int) -> tuple[int, int]:
    """The two kernel taps that reach outputs of one parity."""
    return (1, 3) if parity == 0 else (0, 2)
