"""Parts of decoders that go from an encoder's maps of a picture back to its resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class ConvNormAct(nn.Sequential):
    """3 x 3 convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def doubled(x: Tensor) -> Tensor:
    """A map [B, C, H, W] at twice the size, bilinear."""
    if x.device.type != "cpu" or not x.requires_grad:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return _Doubled.apply(x)


def pointwise_joined(layer: nn.Conv2d, coarse: Tensor, fine: Tensor) -> Tensor:
    """layer(torch.cat([doubled(coarse), fine], 1)) of a 1 x 1 convolution. It commutes with what is linear in the pixels, so the coarse
    map [B, C, H, W] goes through its part of the layer before it is doubled; fine [B, K, 2H, 2W]."""
    own, other = layer.weight.split([coarse.shape[1], fine.shape[1]], 1)
    return doubled(F.conv2d(coarse, own, layer.bias)) + F.conv2d(fine, other)


class _Doubled(torch.autograd.Function):
    """PyTorch's interpolation, whose gradient is slow in bfloat16. It is a convolution of the gradient, its border repeated: along each
    axis, sample i is a quarter of 2i - 1 and 2i + 2 and three quarters of 2i and 2i + 1."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, 2H, 2W]."""
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        """[B, C, 2H, 2W] -> [B, C, H, W]."""
        axis = grad.new_tensor([0.25, 0.75, 0.75, 0.25])
        kernel = (axis[:, None] * axis).expand(grad.shape[1], 1, 4, 4)
        return F.conv2d(F.pad(grad, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=grad.shape[1])
