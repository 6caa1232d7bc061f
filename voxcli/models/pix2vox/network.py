"""Pix2Vox: one or more images of an object to a 32^3 occupancy volume in the object's canonical frame (Xie et al., Pix2Vox:
Context-aware 3D Reconstruction from Single and Multi-view Images, section 3.2).

Layers and tensor names are those of the public checkpoints. Where they differ from the paper's text, the checkpoints decide: eight
convolutions of VGG-16 instead of nine, pooling by 4 in F and 3 in A instead of the other way round, a context scorer of widths
9-16-8-4-2-1, and a refiner whose output is averaged with its input.

The preset `lite` is ours: F with a pretrained EfficientNet-Lite0 in the place of VGG-16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.errors import UsageError, unknown_name
from voxcli.models.blocks.adapting import adapt_pointwise
from voxcli.models.blocks.efficientnet import ENCODERS, PublishedMaps
from voxcli.models.pix2vox.sizes import IMAGE
from voxcli.shapes import check_shape

TRUNK_POOLED_AFTER = (1, 3, 6)
"""After which of VGG-16's convolutions a maximum over 2x2 pixels follows, as far as the trunk goes."""

EMPTY = -2.0
"""About the logit of every cell in a network that has learnt nothing: one in eight is occupied."""

VGG = "vgg16"

METHODS = ("context", "mean", "max")
"""How coarse volumes are fused: by the scores of their contexts (section 3.2.3), by equation (5), or cell by cell by the largest (ours)."""


@dataclass(frozen=True)
class Pix2VoxConfig:
    """Widths of all layers. The defaults are Pix2Vox-F's.

    backbone: what the pictures meet first, `vgg16`, or `efficientnet-lite0` (ours). pretrained: the latter's ImageNet weights when a
    training begins, `true` for those of the installed package or the path of a file. rank: of what changes in its pointwise convolutions,
    so that weights need not hold these again (see blocks.adapting); 0: they change as all else does.
    trunk: channels of VGG-16's first eight convolutions. encoder, kernels, pool: channels and kernel sizes of the three layers after the
    backbone, and the maximum taken after the second. decoder: channels that the features become at 2^3 cells, then of the four layers
    that double. scorer: channels inside of the context scoring network. refiner: channels of the refiner's levels; empty for none;
    hidden: width of its middle layer. imagenet: file whose VGG-16 a training began with (see importer.load_trunk). start: weights of
    this model that it began with, as far as they have the same parts. Both: empty for none.
    """

    backbone: str = VGG
    pretrained: bool | str = True
    rank: int = 0
    trunk: tuple[int, ...] = (64, 64, 128, 128, 256, 256, 256, 512)
    encoder: tuple[int, ...] = (512, 256, 128)
    kernels: tuple[int, ...] = (1, 3, 3)
    pool: int = 4
    decoder: tuple[int, ...] = (256, 128, 64, 32, 8)
    scorer: tuple[int, ...] = (16, 8, 4, 2)
    refiner: tuple[int, ...] = ()
    hidden: int = 2048
    imagenet: str = ""
    start: str = ""

    def __post_init__(self) -> None:
        if self.backbone not in (VGG, *ENCODERS):
            raise unknown_name("backbone", self.backbone, (VGG, *ENCODERS))
        if self.backbone != VGG and self.imagenet:
            raise UsageError("pix2vox: 'imagenet' names weights of VGG-16, which this network does not have.", actual=self.imagenet,
                             hint="Name weights of its backbone with 'pretrained'.")  # fmt: skip
        if self.rank < 0 or (self.rank and self.backbone == VGG):
            raise UsageError("pix2vox: 'rank' belongs to a pretrained backbone.", expected="0, or 1 and more with efficientnet-lite0",
                             actual=f"{self.rank} with {self.backbone}")  # fmt: skip
        lengths = {"trunk": 8, "encoder": 3, "kernels": 3, "decoder": 5, "scorer": 4}
        for name, length in lengths.items():
            if len(getattr(self, name)) != length or min(getattr(self, name)) < 1:
                raise UsageError(f"pix2vox: '{name}' needs {length} positive numbers.", actual=list(getattr(self, name)))
        if len(self.refiner) not in (0, 3) or min(self.pool, self.hidden, *self.refiner) < 1:
            raise UsageError("pix2vox: 'refiner' needs three positive numbers or none, 'pool' and 'hidden' a positive one.",
                             actual=f"refiner {list(self.refiner)}, pool {self.pool}, hidden {self.hidden}")  # fmt: skip
        if self.features != 8 * self.decoder[0]:
            raise UsageError("pix2vox: the encoder's features must fill the decoder's first volume.", expected=f"{self.features} numbers",
                             actual=f"{self.decoder[0]} channels of 2x2x2 cells")  # fmt: skip

    @property
    def features(self) -> int:
        """Numbers in the feature vector of an image: 2048 in F, 16384 in A."""
        side = IMAGE // 8
        side = (side - self.kernels[0] + 1 - self.kernels[1] + 1) // self.pool - self.kernels[2] + 1
        return self.encoder[-1] * side * side


PRESETS = {
    "pix2vox-f": Pix2VoxConfig(),
    "pix2vox-a": Pix2VoxConfig(encoder=(512, 512, 256), kernels=(3, 3, 1), pool=3, decoder=(2048, 512, 128, 32, 8), refiner=(32, 64, 128)),
    "lite": Pix2VoxConfig(backbone="efficientnet-lite0", rank=8, encoder=(384, 256, 128)),
}
"""The two networks of the paper, Fast and Accurate; and F over a lighter pretrained backbone."""


class Encoder(nn.Module):
    """Section 3.2.1. Images [B, 3, 224, 224], BGR, in -1..1 -> features [B, C, s, s]: 128 x 4 x 4 in F, 256 x 8 x 8 in A."""

    def __init__(self, config: Pix2VoxConfig):
        super().__init__()
        self.config = config
        if config.backbone == VGG:
            self.vgg, before = vgg_slice(config.trunk), config.trunk[-1]
        else:
            self.published, before = PublishedMaps(), PublishedMaps.channels
            if config.rank:
                adapt_pointwise(self.published.encoder, config.rank)
        first, second, third = config.encoder
        k1, k2, k3 = config.kernels
        self.layer1 = nn.Sequential(nn.Conv2d(before, first, k1), nn.BatchNorm2d(first), nn.ELU(inplace=True))
        self.layer2 = nn.Sequential(nn.Conv2d(first, second, k2), nn.BatchNorm2d(second), nn.ELU(inplace=True), nn.MaxPool2d(config.pool))
        self.layer3 = nn.Sequential(nn.Conv2d(second, third, k3), nn.BatchNorm2d(third), nn.ELU(inplace=True))

    def maps(self, images: Tensor) -> Tensor:
        """What the backbone makes of images: [B, 512, 28, 28], or [B, 472, 28, 28] with EfficientNet-Lite0."""
        if self.config.backbone == VGG:
            return self.vgg(images)
        return self.published((images.flip(1) + 1) / 2)

    def embed(self, maps: Tensor) -> Tensor:
        """The layers after the backbone: [B, 512, 28, 28] -> features [B, C, s, s]."""
        return self.layer3(self.layer2(self.layer1(maps)))

    def forward(self, images: Tensor) -> Tensor:
        x = self.maps(images)
        # Pictures of half the size, with which a training may start for a quarter of the work (ours), give maps of half the size.
        return self.embed(x if x.shape[-1] == IMAGE // 8 else F.interpolate(x, (IMAGE // 8, IMAGE // 8), mode="nearest"))


def vgg_slice(widths: tuple[int, ...]) -> nn.Sequential:
    """VGG-16's first convolutions, with batch normalisation: [B, 3, H, W] -> [B, widths[-1], H/8, W/8]."""
    layers: list[nn.Module] = []
    before = 3
    for place, width in enumerate(widths):
        layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2)] if place in TRUNK_POOLED_AFTER else []
        before = width
    return nn.Sequential(*layers)


class Decoder(nn.Module):
    """Section 3.2.2. Features -> the last two layers' outputs: [B, 8, 32, 32, 32] and the coarse volume's logits [B, 32, 32, 32].

    The features are read in their stored order as `decoder[0]` channels of 2^3 cells. Volumes are indexed [x, y, z].
    """

    def __init__(self, config: Pix2VoxConfig):
        super().__init__()
        self.first = config.decoder[0]
        steps = zip(config.decoder, config.decoder[1:], strict=False)
        self.layer1, self.layer2, self.layer3, self.layer4 = (doubling(before, after) for before, after in steps)
        self.layer5 = nn.Sequential(nn.ConvTranspose3d(config.decoder[-1], 1, 1, bias=False))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = features.reshape(-1, self.first, 2, 2, 2)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # [B, 8, 32, 32, 32]
        return x, self.layer5(x)[:, 0]


class Merger(nn.Module):
    """The context scoring network of section 3.2.3. Context [B, 9, 32, 32, 32] -> scores m_r before the softmax, [B, 32, 32, 32]."""

    def __init__(self, config: Pix2VoxConfig):
        super().__init__()
        widths = (config.decoder[-1] + 1, *config.scorer, 1)
        steps = zip(widths, widths[1:], strict=False)
        self.layer1, self.layer2, self.layer3, self.layer4, self.layer5 = (scoring(before, after) for before, after in steps)

    def forward(self, context: Tensor) -> Tensor:
        return self.layer5(self.layer4(self.layer3(self.layer2(self.layer1(context)))))[:, 0]


class Refiner(nn.Module):
    """Section 3.2.4. Fused volume [B, 32, 32, 32] -> refined one: the mean of the volume and what a small U-net makes of it."""

    def __init__(self, config: Pix2VoxConfig):
        super().__init__()
        c16, c8, c4 = config.refiner
        self.layer1, self.layer2, self.layer3 = halving(1, c16), halving(c16, c8), halving(c8, c4)
        self.layer4 = nn.Sequential(nn.Linear(c4 * 64, config.hidden), nn.ReLU(inplace=True))
        self.layer5 = nn.Sequential(nn.Linear(config.hidden, c4 * 64), nn.ReLU(inplace=True))
        self.layer6, self.layer7 = doubling(c4, c8), doubling(c8, c16)
        self.layer8 = nn.Sequential(nn.ConvTranspose3d(c16, 1, 4, stride=2, padding=1, bias=False), nn.Sigmoid())

    def forward(self, volume: Tensor) -> Tensor:
        v32 = volume[:, None]  # [B, 1, 32, 32, 32]
        v16 = self.layer1(v32)
        v8 = self.layer2(v16)
        v4 = self.layer3(v8)  # [B, 128, 4, 4, 4]
        r4 = v4 + self.layer5(self.layer4(v4.flatten(1))).reshape(v4.shape)
        r8 = v8 + self.layer6(r4)
        r16 = v16 + self.layer7(r8)
        return ((v32 + self.layer8(r16)) * 0.5)[:, 0]


def scoring(before: int, after: int) -> nn.Sequential:
    """[B, before, s, s, s] -> [B, after, s, s, s]."""
    return nn.Sequential(nn.Conv3d(before, after, 3, padding=1), nn.BatchNorm3d(after), nn.LeakyReLU(0.2, inplace=True))


def doubling(before: int, after: int) -> nn.Sequential:
    """[B, before, s, s, s] -> [B, after, 2s, 2s, 2s]."""
    up = nn.ConvTranspose3d(before, after, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(up, nn.BatchNorm3d(after), nn.ReLU(inplace=True))


def halving(before: int, after: int) -> nn.Sequential:
    """[B, before, s, s, s] -> [B, after, s/2, s/2, s/2]."""
    return nn.Sequential(nn.Conv3d(before, after, 4, padding=2), nn.BatchNorm3d(after), nn.LeakyReLU(0.2, inplace=True), nn.MaxPool3d(2))


def score_maps(scores: Tensor) -> Tensor:
    """Equation (1): scores m of each view [B, V, 32, 32, 32] -> shares s that sum to one over the views."""
    return torch.softmax(scores.float(), 1)


def fuse(volumes: Tensor, shares: Tensor | None, method: str = "context") -> Tensor:
    """Coarse volumes [B, V, 32, 32, 32] of any number of views, in any order -> the fused volume [B, 32, 32, 32].

    context: equation (2), with the shares of `score_maps`. mean: equation (5). max: the largest of each cell.
    """
    if method not in METHODS:
        raise unknown_name("fusion method", method, METHODS)
    if method == "max":
        return volumes.amax(1)
    if method == "mean" or shares is None:
        assert method == "mean" or volumes.shape[1] == 1
        return volumes.mean(1)
    return (shares * volumes).sum(1).clamp(0, 1)


class Pix2Vox(nn.Module):
    """The whole network of Figure 2. Images [B, V, 3, 224, 224] of B objects, V views each -> occupancy [B, 32, 32, 32] in 0..1."""

    def __init__(self, config: Pix2VoxConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.merger = Merger(config)
        if config.refiner:
            self.refiner = Refiner(config)

    def coarse(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Each view on its own: [B, V, 3, 224, 224] -> (context [B, V, 9, 32, 32, 32], coarse volumes [B, V, 32, 32, 32]).

        The context is the output of the decoder's last two layers; its last channel is the coarse volume.
        """
        check_shape(images, f"B V 3 {IMAGE} {IMAGE}", "images")
        features = self.encoder(images.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        return self.volumes(features, tuple(images.shape[:2]))

    def volumes(self, features: Tensor, views: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Contexts and coarse volumes from the features of B * V images; `views` is (B, V)."""
        inner, logits = self.decoder(features)
        volumes = torch.sigmoid(logits)
        context = torch.cat([inner, volumes[:, None]], 1)
        return context.unflatten(0, views), volumes.unflatten(0, views)

    def scores(self, context: Tensor) -> Tensor:
        """m_r of equation (1) for every view: [B, V, 9, 32, 32, 32] -> [B, V, 32, 32, 32]."""
        return self.merger(context.flatten(0, 1)).unflatten(0, context.shape[:2])

    def fused(self, context: Tensor, volumes: Tensor, method: str = "context") -> Tensor:
        """The fused volume [B, 32, 32, 32], not yet refined. A single view is its own fusion, scored only while training."""
        scored = method == "context" and (volumes.shape[1] > 1 or self.training)
        return fuse(volumes, score_maps(self.scores(context)) if scored else None, method)

    def refined(self, volume: Tensor) -> Tensor:
        """The refined volume; without a refiner the volume itself."""
        return self.refiner(volume) if self.config.refiner else volume

    def forward(self, images: Tensor, method: str = "context") -> Tensor:
        return self.refined(self.fused(*self.coarse(images), method))


def initialise(network: Pix2Vox) -> None:
    """Draw all weights afresh: Kaiming's normal law for convolutions, N(0, 0.01) for linear layers, neutral normalisation.

    The end of the decoder is ours. Its last layer has no offset: a cell whose channels are all cut off by the rectifier before it is
    occupied by 1/2 and learns nothing any more, and many came to that. So the normalisation before it begins with an offset of 1, and the
    layer with nearly equal weights that make of it what most cells are, empty.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.ConvTranspose3d)):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        normalisation: Any = network.decoder.layer4[1]
        normalisation.bias.fill_(1.0)
        for parameter in network.decoder.layer5.parameters():
            parameter.mul_(0.1).add_(EMPTY / parameter.shape[0])


def build(config: Pix2VoxConfig) -> Pix2Vox:
    """A freshly initialised network."""
    network = Pix2Vox(config)
    initialise(network)
    return network
