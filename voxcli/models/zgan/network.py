"""Z-GAN, the predecessor of SSZ: one image to a binary frustum voxel model.

Built so that the tensors' names and shapes are those of the public checkpoints. Sizes and order of the layers are theirs too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.shapes import check_shape

LEVELS = 8
"""Halvings of the image: 256 pixels to one."""


@dataclass(frozen=True)
class ZGANConfig:
    """width: channels of the first level (`ngf`); the fourth and deeper ones have eight times as many.

    dropout: after the three middle levels of the decoder. The original also keeps it on, and takes normalisation statistics from the
    picture at hand, when it predicts: see `Generator.as_trained`. discriminator: channels of the discriminator's first level (`ndf`) in a
    network that is trained here; None: the generator alone, as in the public checkpoints.
    """

    width: int = 32
    dropout: float = 0.5
    discriminator: int | None = None


class Level(nn.Module):
    """One halving of the image, what lies below it, and one doubling of the volume.

    Level 0 is the outermost and has no skip; level 7 the innermost and has nothing below. [B, c, s, s] -> level 0: [B, 1, s/2, s/2, s/2];
    others: (skip, upsampled) [B, c + c_up, s, s, s].
    """

    def __init__(self, level: int, channels: list[int], dropout: float):
        super().__init__()
        outer, inner = channels[level], channels[level + 1]
        self.outermost, innermost = level == 0, level == LEVELS - 1
        down = nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=False)
        if self.outermost:
            last = nn.ConvTranspose3d(2 * inner, 1, 1)
            self.model = nn.Sequential(down, Level(level + 1, channels, dropout), nn.ReLU(), last, nn.Tanh())
            return
        up = nn.ConvTranspose3d(inner if innermost else 2 * inner, outer, 4, stride=2, padding=1, bias=False)
        layers: list[nn.Module] = [nn.LeakyReLU(0.2), down]
        layers += [AddDepth()] if innermost else [nn.BatchNorm2d(inner), Level(level + 1, channels, dropout)]
        layers += [nn.ReLU(), up, nn.BatchNorm3d(outer)]
        if 4 <= level <= 6:
            layers.append(nn.Dropout(dropout))
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y = self.model(x)
        return y if self.outermost else torch.cat([inflate(x, y.shape[2]), y], 1)


class AddDepth(nn.Module):
    """[B, C, 1, 1] -> [B, C, 1, 1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unsqueeze(2)


def inflate(features: Tensor, depth: int) -> Tensor:
    """Copy inflation: 2D features [B, C, H, W], the same in each of `depth` slices, [B, C, D, H, W] (a view)."""
    return features.unsqueeze(2).expand(-1, -1, depth, -1, -1)


class Generator(nn.Module):
    """Image [B, 3, 256, 256] in -1..1 -> [B, 1, 128, 128, 128] (D, H, W) in -1..1; the target is 0..1, so 0.5 separates."""

    def __init__(self, config: ZGANConfig | None = None):
        super().__init__()
        self.config = config or ZGANConfig()
        channels = [3, *(self.config.width * 2 ** min(level, 3) for level in range(LEVELS))]
        self.model = Level(0, channels, self.config.dropout)
        width = self.config.discriminator
        self.discriminator = None if width is None else Discriminator(width)

    def forward(self, image: Tensor) -> Tensor:
        check_shape(image, "B 3 256 256", "image")
        return self.model(image)

    def as_trained(self) -> Generator:
        """Switch to the original's way of predicting: dropout on, normalisation by the statistics of the one picture at hand."""
        return self.train()


class Discriminator(nn.Module):
    """`basic_z`, a volumetric PatchGAN: image [B, 3, 256, 256] and fruxels [B, 1, 128, 128, 128] -> logits [B, 1, 30, 30, 30].

    The image, averaged to half its size, stands as three more slices in front of the fruxels: a volume 131 deep.
    """

    def __init__(self, width: int = 32):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv3d(1, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv3d(width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm3d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv3d(2 * width, 4 * width, 4, stride=1, padding=1, bias=False),
            nn.BatchNorm3d(4 * width),
            nn.LeakyReLU(0.2),
            nn.Conv3d(4 * width, 1, 4, stride=1, padding=1),
        )

    def forward(self, image: Tensor, fruxels: Tensor) -> Tensor:
        sizes = check_shape(fruxels, "B 1 128 128 128", "fruxels")
        check_shape(image, "B 3 256 256", "image", sizes)
        return self.model(torch.cat([F.avg_pool2d(image, 2).unsqueeze(1), fruxels], 2))


def build(config: ZGANConfig) -> Generator:
    """A generator whose convolutions start from N(0, 0.02) and whose normalisation scales from N(1, 0.02), as in pix2pix; so does its
    discriminator, where the configuration has one."""
    network = Generator(config)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.ConvTranspose3d)):
            nn.init.normal_(module.weight, 0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            nn.init.normal_(module.weight, 1, 0.02)
    return network
