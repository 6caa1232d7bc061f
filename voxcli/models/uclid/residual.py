"""Residual blocks and trunks in two dimensions, with instance normalisation: what the image encoder and both regressors are built of.

All that differs between the three stands in their constructors: `bias` of the convolutions, `affine` normalisation, strides, pooling.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.models.blocks.efficientnet import CHANNELS


def conv3(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the size, or halves it at stride 2."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=bias)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with instance normalisation around a shortcut (He et al. 2016)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, *, bias: bool = False, affine: bool = False):
        super().__init__()
        self.conv1 = conv3(in_channels, out_channels, stride, bias)
        self.bn1 = nn.InstanceNorm2d(out_channels, affine=affine)
        self.conv2 = conv3(out_channels, out_channels, 1, bias)
        self.bn2 = nn.InstanceNorm2d(out_channels, affine=affine)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.InstanceNorm2d(out_channels, affine=affine))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', H / stride, W / stride]"""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + shortcut)


def stage(in_channels: int, out_channels: int, blocks: int, stride: int, *, bias: bool = False, affine: bool = False) -> nn.Sequential:
    """Blocks of one width; the first of them has the stride."""
    widths = [in_channels] + [out_channels] * (blocks - 1)
    return nn.Sequential(*(BasicBlock(w, out_channels, stride if k == 0 else 1, bias=bias, affine=affine) for k, w in enumerate(widths)))


class ResNet18(nn.Module):
    """ResNet-18 without its classifier, with instance normalisation in place of batch normalisation (section 3.3).

    bias: whether its 3 x 3 convolutions have one. pooled: whether the stem ends with max-pooling.
    """

    def __init__(self, widths: Sequence[int] = (64, 128, 256, 512), *, bias: bool = False, pooled: bool = True):
        super().__init__()
        self.pooled = pooled
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.InstanceNorm2d(widths[0])
        self.layer1 = stage(widths[0], widths[0], 2, 1, bias=bias)
        self.layer2 = stage(widths[0], widths[1], 2, 2, bias=bias)
        self.layer3 = stage(widths[1], widths[2], 2, 2, bias=bias)
        self.layer4 = stage(widths[2], widths[3], 2, 2, bias=bias)

    def forward(self, images: Tensor) -> list[Tensor]:
        """images [B, 3, H, W] -> the outputs of the four layers, finest first: F_1 .. F_4, each half as large as the one before."""
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.max_pool2d(x, 3, 2, 1) if self.pooled else x
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps


PUBLISHED = (*CHANNELS[1:],)
"""Channels of the four maps F_1 .. F_4 where EfficientNet-Lite0 stands in the place of ResNet-18 (the preset `lite`, ours)."""

PUBLISHED_FINER = (*CHANNELS[:3], CHANNELS[3] + CHANNELS[4])
"""Channels of its maps where the stem does not end with pooling: the coarsest one lies beside the one before it."""


class PublishedStages(nn.Module):
    """The maps of EfficientNet-Lite0, finest first, as those of ResNet-18: without parameters, for one encoder serves several parts."""

    def __init__(self, *, pooled: bool = True):
        super().__init__()
        self.pooled = pooled

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture -> those at 1/4 to 1/32, or without pooling those at 1/2 to 1/16."""
        return list(maps[1:]) if self.pooled else [*maps[:3], coarsest(maps)]


def coarsest(maps: Sequence[Tensor]) -> Tensor:
    """The last two maps side by side, in the size of the finer one."""
    size = (maps[-2].shape[2], maps[-2].shape[3])
    return torch.cat([maps[-2], F.interpolate(maps[-1], size, mode="bilinear", align_corners=False)], 1)
