"""Edges to image after pix2pixHD (Wang et al., CVPR 2018): the global generator, and discriminators at several scales.

Without its local enhancers, which only images beyond 1024 pixels need, and without instance maps, which edges do not have.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.errors import UsageError
from voxcli.models.edges2image.edges import EdgeSettings
from voxcli.shapes import check_shape


@dataclass(frozen=True)
class DiscriminatorConfig:
    """count: discriminators, each on half the resolution of the one before. width: channels of the first level. levels: halvings."""

    count: int = 2
    width: int = 64
    levels: int = 3


@dataclass(frozen=True)
class Edges2ImageConfig:
    """width: channels at full resolution, doubled by each of `downs` halvings. blocks: residual blocks at the lowest resolution.

    The paper's are 64, 4 and 9 (182.5 M parameters); the defaults here are for 128 to 256 pixels (ours). edges: how contours are found, the
    same for training and use. discriminator: None in weights for use alone.
    """

    width: int = 48
    downs: int = 3
    blocks: int = 6
    edges: EdgeSettings = EdgeSettings()
    discriminator: DiscriminatorConfig | None = None

    def __post_init__(self) -> None:
        if min(self.width, self.downs) < 1 or self.blocks < 0:
            raise UsageError("An edges2image network needs a width and a halving.", actual=f"{self.width}, {self.downs}, {self.blocks}")


def normalised(convolution: nn.Module, channels: int) -> list[nn.Module]:
    """A convolution, instance normalisation without parameters, ReLU."""
    return [convolution, nn.InstanceNorm2d(channels), nn.ReLU()]


class ResidualBlock(nn.Module):
    """[B, C, H, W] -> the same: two 3x3 convolutions with reflected borders beside the identity."""

    def __init__(self, channels: int):
        super().__init__()
        conv = lambda: nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")  # noqa: E731
        self.body = nn.Sequential(*normalised(conv(), channels), conv(), nn.InstanceNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Generator(nn.Module):
    """Edges [B, 1, H, W] in 0..1 -> image [B, 3, H, W] in -1..1. Any size: borders are reflected up to a multiple of 2^downs."""

    def __init__(self, config: Edges2ImageConfig):
        super().__init__()
        self.config = config
        self.multiple = 2**config.downs
        widths = [config.width * 2**level for level in range(config.downs + 1)]
        layers = normalised(nn.Conv2d(1, widths[0], 7, padding=3, padding_mode="reflect"), widths[0])
        for a, b in zip(widths, widths[1:], strict=False):
            layers += normalised(nn.Conv2d(a, b, 3, stride=2, padding=1), b)
        layers += [ResidualBlock(widths[-1]) for _ in range(config.blocks)]
        for a, b in zip(widths[::-1], widths[-2::-1], strict=False):
            layers += normalised(nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1), b)
        layers += [nn.Conv2d(widths[0], 3, 7, padding=3, padding_mode="reflect"), nn.Tanh()]
        self.body = nn.Sequential(*layers)
        self.discriminator = None if config.discriminator is None else Discriminators(config.discriminator)

    def forward(self, edges: Tensor) -> Tensor:
        sizes = check_shape(edges, "B 1 H W", "edges")
        height, width = sizes["H"], sizes["W"]
        # At least two cells at the lowest resolution: one alone has nothing to reflect and no spread to normalise by.
        right, below = (max(-size % self.multiple, 2 * self.multiple - size) for size in (width, height))
        if right or below:
            edges = F.pad(edges, (0, right, 0, below), mode="reflect" if right < width and below < height else "replicate")
        return self.body(edges)[..., :height, :width]


class PatchDiscriminator(nn.Module):
    """(edges, image) [B, 4, H, W] -> feature maps of every level, the last [B, 1, h, w]: how real each patch looks."""

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        widths = [config.width * min(2**level, 8) for level in range(config.levels + 1)]
        levels: list[nn.Module] = [nn.Sequential(nn.Conv2d(4, widths[0], 4, stride=2, padding=2), nn.LeakyReLU(0.2))]
        for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
            conv = nn.Conv2d(a, b, 4, stride=1 if i == config.levels - 1 else 2, padding=2)
            levels.append(nn.Sequential(conv, nn.InstanceNorm2d(b), nn.LeakyReLU(0.2)))
        self.levels = nn.ModuleList([*levels, nn.Conv2d(widths[-1], 1, 4, padding=2)])

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class Discriminators(nn.Module):
    """The same kind of discriminator on the image and on its halves: features by scale, then by level."""

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(config) for _ in range(config.count))

    def forward(self, edges: Tensor, image: Tensor) -> list[list[Tensor]]:
        sizes = check_shape(edges, "B 1 H W", "edges")
        check_shape(image, "B 3 H W", "image", sizes)
        x, found = torch.cat([edges, image], 1), []
        for judge in self.scales:
            found.append(judge(x))
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        return found


def build(config: Edges2ImageConfig) -> Generator:
    """A network whose convolutions start from N(0, 0.02), as in pix2pixHD."""
    network = Generator(config)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
