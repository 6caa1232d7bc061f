"""The residual network of 18 layers with group normalisation that reads images, under the usual names (conv1, bn1, layer1 to layer4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.models.blocks.adapting import adapt_pointwise
from voxcli.models.blocks.efficientnet import CHANNELS, EfficientNetLite0
from voxcli.models.branched.preparation import plain_image


class Block(nn.Module):
    """Two convolutions and a shortcut: [B, before, h, w] -> [B, after, h / stride, w / stride]."""

    def __init__(self, before: int, after: int, stride: int, groups: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.GroupNorm(groups, after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.GroupNorm(groups, after)
        if stride > 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.GroupNorm(groups, after))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet(nn.Module):
    """Images [B, 3, H, W] -> (maps [B, w, H / 2, W / 2], [B, w, H / 4, W / 4], [B, 2 w, H / 8, W / 8], and features [B, widths[-1]]).

    The three maps, the stem's and those of the first two levels, have 256 channels together at the usual widths: equation (7)'s features.
    """

    layer1: nn.Module
    layer2: nn.Module
    layer3: nn.Module
    layer4: nn.Module

    def __init__(self, widths: tuple[int, ...], groups: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.GroupNorm(groups, widths[0])
        before = widths[0]
        for place, width in enumerate(widths, 1):
            level = nn.Sequential(Block(before, width, 1 if place == 1 else 2, groups), Block(width, width, 1, groups))
            setattr(self, f"layer{place}", level)
            before = width

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        stem = F.relu(self.bn1(self.conv1(images)))
        first = self.layer1(F.max_pool2d(stem, 3, 2, 1))
        second = self.layer2(first)
        return [stem, first, second], self.layer4(self.layer3(second)).mean((-2, -1))


class PublishedFeatures(nn.Module):
    """EfficientNet-Lite0 in the place of the first levels, and the last level (ours; see JOFConfig.backbone).

    Images standardised as ImageNet's [B, 3, H, W] -> (maps at 1/2, 1/4 and 1/8 of 16, 24 and 40 channels, and features [B, width]).
    rank: of what changes in the published pointwise convolutions; 0: all of it may change.
    """

    def __init__(self, width: int, groups: int, rank: int = 0):
        super().__init__()
        self.published = EfficientNetLite0()
        if rank:
            adapt_pointwise(self.published, rank)
        self.last = nn.Sequential(Block(CHANNELS[3] + CHANNELS[4], width, 2, groups), Block(width, width, 1, groups))

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        *finer, sixteenth, last = self.published(plain_image(images))
        size = (sixteenth.shape[2], sixteenth.shape[3])
        coarse = torch.cat([sixteenth, F.interpolate(last, size, mode="bilinear", align_corners=False)], 1)
        return finer, self.last(coarse).mean((-2, -1))
