"""The mask head: which pixels of a photograph show the object that it is of.

A network of ours: a decoder with skip features, as U-Net has (Ronneberger et al., MICCAI 2015), over the maps of a pretrained
EfficientNet-Lite0. Its last layer sees the colours of the picture and tells four pixels at once (the sub-pixel convolution of Shi et al.,
CVPR 2016), so that outlines are as fine as the picture. Of the encoder, the depthwise kernels and the scales and shifts of its
normalisation learn; its pointwise convolutions, most of its numbers, change by low rank alone, so that weights need not hold them again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.errors import UsageError
from voxcli.models.blocks.adapting import adapt_pointwise
from voxcli.models.blocks.decoding import ConvNormAct, doubled
from voxcli.models.blocks.efficientnet import CHANNELS, EfficientNetLite0, check_encoder
from voxcli.shapes import check_shape

STRIDE = 32
"""Pixels of the picture for each of the encoder's coarsest map: sides are multiples of it."""


@dataclass(frozen=True)
class CutOutConfig:
    """side: pixels a side of the pictures that it is used on. encoder: name of the 2D encoder. pretrained: its ImageNet weights when a
    training begins, `true` for those of the installed package or the path of a file. start: weights of this model that a training goes on
    from. rank: of what changes in the encoder's pointwise convolutions. coarse: channels at 1/32 and 1/16 of the picture. fine: at 1/8,
    1/4, 1/2 and of the last layer.
    """

    side: int = 224
    encoder: str = "efficientnet-lite0"
    pretrained: bool | str = True
    start: str = ""
    rank: int = 8
    coarse: int = 96
    fine: tuple[int, int, int, int] = (64, 32, 24, 16)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fine", tuple(self.fine))
        check_encoder(self.encoder)
        check_side(self.side)
        if self.rank < 1:
            raise UsageError("The mask head's encoder changes by a rank.", expected="rank: 1 or more", actual=self.rank)
        if len(self.fine) != 4 or min(self.coarse, *self.fine) < 1:
            raise UsageError("The mask head has channels at five resolutions.", expected="coarse: 96, fine: [64, 32, 24, 16]",
                             actual=f"coarse: {self.coarse}, fine: {list(self.fine)}")  # fmt: skip


def check_side(side: int) -> None:
    """Raise UsageError for sides of pictures that the encoder's maps do not divide."""
    if side < 2 * STRIDE or side % STRIDE:
        raise UsageError("The mask head takes squares of another size.", expected=f"a multiple of {STRIDE} from {2 * STRIDE} on",
                         actual=side)  # fmt: skip


class CutOut(nn.Module):
    """Picture [B, 3, S, S] in 0..1 -> logits [B, S, S]: above 0 where the object is more likely than not."""

    def __init__(self, config: CutOutConfig):
        super().__init__()
        self.config = config
        half, quarter, eighth, sixteenth, last = CHANNELS
        at8, at4, at2, top = config.fine
        self.encoder = EfficientNetLite0()
        adapt_pointwise(self.encoder, config.rank)
        self.lateral32, self.smooth32 = nn.Conv2d(last, config.coarse, 1), ConvNormAct(config.coarse, config.coarse)
        self.lateral16, self.smooth16 = nn.Conv2d(sixteenth, config.coarse, 1), ConvNormAct(config.coarse, config.coarse)
        self.lateral8, self.smooth8 = nn.Conv2d(eighth, config.coarse, 1), ConvNormAct(config.coarse, at8)
        self.lateral4, self.smooth4 = nn.Conv2d(quarter, at8, 1), ConvNormAct(at8, at4)
        self.smooth2 = ConvNormAct(at4 + half, at2)
        self.smooth1 = ConvNormAct(at2 + 12, top)
        self.mask = nn.Conv2d(top, 4, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """Picture [B, 3, S, S] -> logits [B, S, S]. Raises ShapeError for other shapes, UsageError for sides that are no multiple of 32."""
        sizes = check_shape(picture, "B 3 S S", "picture")
        check_side(sizes["S"])
        maps = self.encoder(picture)
        if not torch.is_autocast_enabled(picture.device.type):  # maps of a frozen encoder may be in another type than the head
            maps = [each.to(self.mask.weight.dtype) for each in maps]
        half, quarter, eighth, sixteenth, last = maps
        x = self.smooth32(self.lateral32(last))
        x = self.smooth16(doubled(x) + self.lateral16(sixteenth))
        x = self.smooth8(doubled(x) + self.lateral8(eighth))
        x = self.smooth4(doubled(x) + self.lateral4(quarter))
        x = self.smooth2(torch.cat([doubled(x), half], 1))
        x = self.smooth1(torch.cat([x, F.pixel_unshuffle(picture, 2).to(x.dtype)], 1))
        return F.pixel_shuffle(self.mask(x), 2)[:, 0]


def build(config: CutOutConfig) -> CutOut:
    """A freshly initialised network; its encoder is random until weights are loaded."""
    return CutOut(config)
