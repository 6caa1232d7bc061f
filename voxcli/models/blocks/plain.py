"""The plain counterparts of the inverted residual blocks, for SSZ's ablations: dense convolutions where those have separable ones."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.models.blocks.residual import LEAK, InflatedPointwise


class PlainResidual2d(nn.Module):
    """Two dense 3x3 convolutions and the identity: [B, C, H, W] -> the same shape."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class PlainDownscale2d(nn.Module):
    """A dense 4x4 convolution of stride 2, as in pix2pix: [B, c_in, H, W] -> [B, c_out, H/2, W/2]."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 4, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class PlainResidual3d(nn.Module):
    """Two dense 3^3 convolutions and the identity: [B, C, D, H, W] -> the same shape."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm3d(channels),
            nn.LeakyReLU(LEAK, inplace=True),
            nn.Conv3d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm3d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class PlainUpscale3d(nn.Module):
    """A dense 4^3 deconvolution of stride 2, LeakyReLU, and the same copy-inflate skip as `Upscale3d` has.

    volume [B, c_in, D, H, W], image features [B, c_image, 2H, 2W] -> [B, c_out, 2D, 2H, 2W].
    """

    def __init__(self, c_in: int, c_image: int, c_out: int, normalise: bool):
        super().__init__()
        self.deconv = nn.ConvTranspose3d(c_in, c_out, 4, stride=2, padding=1, bias=False)
        self.pointwise = InflatedPointwise(c_out, c_image, c_out)
        self.norm = nn.BatchNorm3d(c_out) if normalise else nn.Identity()

    def forward(self, volume: Tensor, image: Tensor) -> Tensor:
        return self.norm(self.pointwise(F.leaky_relu(self.deconv(volume), LEAK, inplace=True), image))
