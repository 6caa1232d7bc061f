"""Inverted residual blocks in two and three dimensions, and the copy-inflate skip (SSZ, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from voxcli.models.blocks.dense2d import dense2d
from voxcli.models.blocks.depthwise import as_slices, as_volume, depthwise3d, depthwise_strided3d, depthwise_transposed3d

LEAK = 0.2


class InvertedResidual2d(nn.Module):
    """Pointwise expansion, depthwise 3x3, linear pointwise projection; the input is added where the shapes agree.

    [B, c_in, H, W] -> [B, c_out, H, W].
    """

    def __init__(self, c_in: int, c_out: int, expansion: int):
        super().__init__()
        hidden = c_in * expansion
        self.residual = c_in == c_out
        self.layers = nn.Sequential(
            nn.Conv2d(c_in, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.residual else y


class Downscale2d(nn.Module):
    """The encoder's additional pointwise and depthwise convolutions: [B, c_in, H, W] -> [B, c_out, H/2, W/2]."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU6(inplace=True),
            nn.Conv2d(c_out, c_out, 4, stride=2, padding=1, groups=c_out, bias=False),
            nn.BatchNorm2d(c_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Pointwise3d(nn.Module):
    """A 1x1x1 convolution, computed on the slices: [B, c_in, D, H, W] -> [B, c_out, D, H, W]."""

    def __init__(self, c_in: int, c_out: int, bias: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return as_volume(self.on_slices(as_slices(x)), len(x))

    def on_slices(self, slices: Tensor, slope: float | None = None) -> Tensor:
        """[N, c_in, H, W] -> [N, c_out, H, W]; slope: of a LeakyReLU behind it."""
        return dense2d(slices, self.conv.weight, self.conv.bias, slope=slope)


class Norm3d(nn.BatchNorm2d):
    """Batch normalisation over batch, depth, height and width, computed on the slices."""

    def forward(self, x: Tensor) -> Tensor:
        return as_volume(super().forward(as_slices(x)), x.shape[0])


class InflatedPointwise(nn.Module):
    """Pointwise convolution of the concatenation (volume, copy-inflated image features), without the concatenation.

    volume [B, c_volume, D, H, W], image [B, c_image, H, W] -> [B, c_out, D, H, W]. A pointwise convolution is linear over
    channels, so the image's part is one 2D product, the same in each slice, that is added along the depth axis.
    """

    def __init__(self, c_volume: int, c_image: int, c_out: int):
        super().__init__()
        self.volume = Pointwise3d(c_volume, c_out, bias=False)
        self.image = nn.Conv2d(c_image, c_out, 1)

    def forward(self, volume: Tensor, image: Tensor) -> Tensor:
        return add_inflated(self.volume(volume), self.image(image))


def add_inflated(volume: Tensor, image: Tensor) -> Tensor:
    """volume [B, C, D, H, W] + image [B, C, H, W] copied along the depth axis (the copies are never made)."""
    if volume.device.type != "cpu":
        return volume + image.unsqueeze(2)
    return _AddInflated.apply(volume, image)


class _AddInflated(torch.autograd.Function):
    """A broadcast addition, whose gradient's sum along depth is a product with ones: 20 times faster than the reduction."""

    @staticmethod
    def forward(ctx, volume: Tensor, image: Tensor) -> Tensor:
        return volume + image.contiguous(memory_format=torch.channels_last).unsqueeze(2)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        b, c, d, h, w = grad.shape
        rows = grad.permute(0, 2, 3, 4, 1).reshape(b, d, h * w * c)
        total = (rows.new_ones(1, d) @ rows).reshape(b, h, w, c)
        return grad, total.permute(0, 3, 1, 2)


class InvertedResidual3d(nn.Module):
    """Pointwise expansion, depthwise 3^3, linear pointwise projection, residual: [B, C, D, H, W] -> the same shape.

    The paper's volumetric block at stride 1; that the decoder has some of these between its upscalings is ours.
    normalise: whether batch normalisation follows the projection. Without it the projection has a bias.
    """

    def __init__(self, channels: int, expansion: int, normalise: bool = True):
        super().__init__()
        hidden = channels * expansion
        self.expand = Pointwise3d(channels, hidden)
        self.weight = nn.Parameter(torch.zeros(hidden, 1, 3, 3, 3))
        self.project = Pointwise3d(hidden, channels, bias=not normalise)
        self.norm = Norm3d(channels) if normalise else nn.Identity()
        nn.init.kaiming_uniform_(self.weight, a=LEAK)

    def forward(self, x: Tensor) -> Tensor:
        # The activation acts on the slices: on the volume, a view of them, autograd would copy the whole gradient.
        y = as_volume(self.expand.on_slices(as_slices(x), LEAK), len(x))
        y = depthwise3d(y, self.weight, LEAK)
        return x + self.norm(self.project(y))


class Upscale3d(nn.Module):
    """The paper's volumetric block: depthwise deconvolution, LeakyReLU, pointwise convolution with a copy-inflate skip.

    volume [B, c_in, D, H, W], image features [B, c_image, 2H, 2W] -> [B, c_out, 2D, 2H, 2W].
    """

    def __init__(self, c_in: int, c_image: int, c_out: int, normalise: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(c_in, 1, 4, 4, 4))
        self.pointwise = InflatedPointwise(c_in, c_image, c_out)
        self.norm = Norm3d(c_out) if normalise else nn.Identity()
        # Eight of the 64 taps meet in each output: fan-in 8.
        nn.init.normal_(self.weight, std=(2 / (1 + LEAK**2) / 8) ** 0.5)

    def forward(self, volume: Tensor, image: Tensor) -> Tensor:
        # No bias here: the pointwise convolution before has one, and a pass over the largest volume costs time.
        y = depthwise_transposed3d(volume, self.weight, slope=LEAK)
        return self.norm(self.pointwise(y, image))


class Downscale3d(nn.Module):
    """`Downscale2d` with volumetric convolutions, for the discriminator: [B, c_in, D, H, W] -> [B, c_out, D/2, H/2, W/2].

    Without batch normalisation, as all of the discriminator: see models/ssz/discriminator.py.
    """

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.pointwise = Pointwise3d(c_in, c_out)
        self.weight = nn.Parameter(torch.zeros(c_out, 1, 4, 4, 4))
        nn.init.kaiming_uniform_(self.weight, a=LEAK)

    def forward(self, x: Tensor) -> Tensor:
        y = as_volume(self.pointwise.on_slices(as_slices(x), LEAK), len(x))
        return depthwise_strided3d(y, self.weight)
