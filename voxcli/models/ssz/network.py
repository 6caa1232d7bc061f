"""The SSZ generator: one image to a multiclass frustum voxel model (Kniaz et al., Image-to-Voxel Model Translation for 3D Scene
Reconstruction and Segmentation, section 3.2).

Where the paper leaves a choice open (widths, numbers of blocks, the bottleneck), the configuration names ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from voxcli.errors import UsageError
from voxcli.models.blocks.efficientnet import CHANNELS, EfficientNetLite0, check_encoder
from voxcli.models.blocks.plain import PlainDownscale2d, PlainResidual2d, PlainResidual3d, PlainUpscale3d
from voxcli.models.blocks.residual import LEAK, Downscale2d, InvertedResidual2d, InvertedResidual3d, Pointwise3d, Upscale3d
from voxcli.models.ssz.discriminator import Discriminator, DiscriminatorConfig
from voxcli.shapes import check_shape

STEM = 16
"""Channels at the full resolution before a published encoder."""


@dataclass(frozen=True)
class SSZConfig:
    """Sizes of the generator. Level 0 is the full resolution, each further level half of it.

    width, height, depth: pixels and slices of the output, which has the image's resolution.
    classes: number of classes, air included.
    encoder: channels of the 2D levels, finest first, the last one the bottleneck; or the name of a published encoder, whose maps follow
        a stem of ours at the full resolution.
    picture_scale: pixels of the picture for each column of the output, along each axis: 1, or 2 for a published encoder, whose first map,
        at half the picture's resolution, then has a pixel a column.
    pretrained: for a published encoder, its weights when a training begins: `true` for ImageNet's of the installed package, or the path
        of a file: that package's, or weights of a model of ours with the same encoder. Weights of ours hold the encoder themselves.
    start: weights of this model that a training goes on from, as far as they have the same parts.
    encoder_blocks: inverted residual blocks at each 2D level of an encoder given by its channels; a published one has its own.
    decoder: channels of the 3D levels, coarsest (the bottleneck volume) first, as many as there are 2D levels.
    decoder_blocks: volumetric inverted residual blocks of stride 1 at each 3D level (ours; the paper upscales only).
    expansion, expansion3d: hidden channels of an inverted residual block as a multiple of its input's.
    refines: the full resolution's scores are the half resolution's, repeated, plus what its own head adds (ours): a training that went
        from coarse to fine loses nothing when it wakes the last level.
    refines_half: the half resolution's scores likewise are the quarter's plus what its own head adds.
    normalised_levels: how many of the 3D levels, from the coarsest, end in batch normalisation (the large ones are slow with it).
    blocks2d, blocks3d: `plain` puts dense convolutions and plain residual blocks in the place of the inverted residual ones (section 4.5).
    discriminator: the Pose6DoF discriminator's sizes; None (the ablation "no 6D") trains without one.
    """

    width: int = 128
    height: int = 128
    depth: int = 128
    classes: int = 10
    encoder: tuple[int, ...] | str = (16, 32, 64, 128, 192, 256)
    picture_scale: int = 1
    pretrained: bool | str = True
    start: str = ""
    encoder_blocks: tuple[int, ...] = (1, 2, 3, 3, 2, 2)
    decoder: tuple[int, ...] = (128, 96, 64, 32, 16, 8)
    decoder_blocks: tuple[int, ...] = (1, 2, 2, 1, 0, 0)
    expansion: int = 4
    expansion3d: int = 2
    normalised_levels: int = 4
    refines: bool = False
    refines_half: bool = False
    blocks2d: Literal["inverted", "plain"] = "inverted"
    blocks3d: Literal["inverted", "plain"] = "inverted"
    discriminator: DiscriminatorConfig | None = None

    def __post_init__(self) -> None:
        if isinstance(self.encoder, str):
            check_encoder(self.encoder)
        else:
            object.__setattr__(self, "encoder", tuple(self.encoder))
        if self.picture_scale != 1 and (self.picture_scale != 2 or not isinstance(self.encoder, str)):
            raise UsageError("SSZ takes one pixel of the picture for each column of fruxels, or two with a published encoder.",
                             expected="picture_scale 1, or 2", actual=self.picture_scale)  # fmt: skip
        levels = len(self.widths)
        if levels < 3:
            raise UsageError("SSZ: the encoder needs at least three levels.", actual=list(self.encoder))
        for name in ("encoder_blocks", "decoder", "decoder_blocks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if len(getattr(self, name)) != levels and not (name == "encoder_blocks" and isinstance(self.encoder, str)):
                raise UsageError(f"SSZ: {name} needs one number a level.", expected=levels, actual=list(getattr(self, name)))
        step = 2 ** (levels - 1)
        for name in ("width", "height", "depth"):
            if getattr(self, name) < step or getattr(self, name) % step:
                raise UsageError(f"SSZ: {name} must be a multiple of {step}, for {levels} levels.", actual=getattr(self, name))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the 2D levels, finest first."""
        if not isinstance(self.encoder, str):
            return self.encoder
        return (STEM, *CHANNELS) if self.picture_scale == 1 else CHANNELS

    @property
    def picture_size(self) -> tuple[int, int]:
        """(height, width) of the picture in pixels."""
        return self.height * self.picture_scale, self.width * self.picture_scale

    @property
    def bottleneck(self) -> tuple[int, int, int]:
        """(D, H, W) of the coarsest volume."""
        step = 2 ** (len(self.widths) - 1)
        return self.depth // step, self.height // step, self.width // step


PRESETS = {
    "street": SSZConfig(encoder="efficientnet-lite0", refines=True),
    "street-256": SSZConfig(
        encoder="efficientnet-lite0", picture_scale=2, decoder=(96, 64, 32, 16, 8), decoder_blocks=(1, 2, 2, 1, 0), normalised_levels=3,
        refines=True, refines_half=True,
    ),
    "scratch": SSZConfig(refines=True),
    "small": SSZConfig(
        width=64, height=64, depth=64, encoder=(16, 32, 64, 128, 192), encoder_blocks=(1, 2, 2, 2, 2),
        decoder=(128, 64, 32, 16, 8), decoder_blocks=(1, 1, 1, 0, 0), normalised_levels=3, refines=True,
    ),
    "paper": SSZConfig(
        encoder=(32, 64, 128, 256, 512, 512, 512, 512), encoder_blocks=(1,) * 8,
        decoder=(512, 512, 512, 256, 128, 64, 32, 16), decoder_blocks=(0,) * 8, expansion=6, normalised_levels=8,
    ),
}  # fmt: skip
PRESETS |= {
    "no-ir2d": replace(PRESETS["scratch"], blocks2d="plain"),
    "no-ir2d3d": replace(PRESETS["scratch"], blocks2d="plain", blocks3d="plain"),
}
"""`street` has a pretrained encoder, `street-256` one that sees pictures of two pixels a column; the encoder of `scratch` begins from
nothing. `no-ir2d` and `no-ir2d3d` are the ablations of `scratch` (section 4.5), and without a discriminator it is the third of them,
"no 6D". The paper states no widths: `paper` has pix2pix's, from 1x1 up, without blocks of ours."""


class Encoder(nn.Module):
    """[B, 3, H, W] -> features of each level, finest first: [B, c_l, H/2^l, W/2^l]."""

    def __init__(self, config: SSZConfig):
        super().__init__()
        widths = config.widths
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU6(inplace=True))
        self.levels = nn.ModuleList()
        plain = config.blocks2d == "plain"
        downscale = PlainDownscale2d if plain else Downscale2d
        for level, width in enumerate(widths):
            blocks: list[nn.Module] = [downscale(widths[level - 1], width)] if level else []
            # A level at full resolution is wide in pixels: its blocks expand by half as much.
            expansion = config.expansion if level else max(1, config.expansion // 2)
            for _ in range(config.encoder_blocks[level]):
                blocks.append(PlainResidual2d(width) if plain else InvertedResidual2d(width, width, expansion))
            self.levels.append(nn.Sequential(*blocks))

    def forward(self, image: Tensor) -> list[Tensor]:
        features = []
        x = self.stem((image - 0.5) * 4)  # centred on 0 with a spread of about 1, as initialisation expects
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class PublishedEncoder(nn.Module):
    """The same features from EfficientNet-Lite0, which is made of the inverted residual blocks that the paper asks for and has published
    ImageNet weights. It begins at half the picture's resolution: for pictures of one pixel a column, a stem and a block of ours give the
    level before."""

    def __init__(self, picture_scale: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM, 3, padding=1, bias=False), nn.BatchNorm2d(STEM), nn.ReLU6(inplace=True), InvertedResidual2d(STEM, STEM, 2)
        ) if picture_scale == 1 else None  # fmt: skip
        self.published = EfficientNetLite0()

    def forward(self, image: Tensor, finest: bool = True) -> list[Tensor]:
        """finest: whether the level before the published ones is asked for, where there is one."""
        kind = self.published.stem.weight.dtype
        maps = [each if torch.is_autocast_enabled(image.device.type) else each.to(kind) for each in self.published(image)]
        return [self.stem((image - 0.5) * 4), *maps] if self.stem is not None and finest else maps


class Decoder(nn.Module):
    """Features of each 2D level -> class scores at full resolution, and at coarser ones for deep supervision."""

    def __init__(self, config: SSZConfig):
        super().__init__()
        self.config = config
        skips = config.widths[::-1]
        widths = config.decoder
        self.inflate = nn.Conv2d(skips[0], widths[0] * config.bottleneck[0], 1)
        plain = config.blocks3d == "plain"
        upscale = PlainUpscale3d if plain else Upscale3d

        def refinement(level: int) -> nn.Sequential:
            width, count = widths[level], config.decoder_blocks[level]
            block = (lambda: PlainResidual3d(width)) if plain else (lambda: InvertedResidual3d(width, config.expansion3d))
            return nn.Sequential(*[block() for _ in range(count)])

        self.first = refinement(0)
        self.ups = nn.ModuleList()
        self.refine = nn.ModuleList()
        for level in range(1, len(widths)):
            normalise = level < config.normalised_levels
            self.ups.append(upscale(widths[level - 1], skips[level], widths[level], normalise))
            self.refine.append(refinement(level))
        self.head = Pointwise3d(widths[-1], config.classes)
        # Auxiliary heads at 1/2 and 1/4 of the resolution: a training may start coarse, where a step costs a fraction (ours).
        self.coarse_heads = nn.ModuleDict({str(s): Pointwise3d(widths[-1 - level], config.classes) for level, s in ((1, 2), (2, 4))})

    def forward(self, features: list[Tensor], scales: tuple[int, ...] = (1,)) -> dict[int, Tensor]:
        """Class scores [B, n, D/s, H/s, W/s] for each scale s of `scales` (1, 2, 4); levels that no scale needs are not run, and their
        features may lack."""
        skips = features[::-1]
        depth, height, width = self.config.bottleneck
        x = F.leaky_relu(self.inflate(skips[0]), LEAK)  # [B, c*d, h, w]
        # Channels of the bottleneck become depth: each slice of the coarsest volume has its own weights (ours).
        x = x.reshape(len(x), depth, -1, height, width).transpose(1, 2).contiguous(memory_format=torch.channels_last_3d)
        x = self.first(x)
        scores: dict[int, Tensor] = {}
        # A scale that refines a coarser one needs its scores.
        needed = {*scales, *((2,) if self.config.refines and 1 in scales else ())}
        if self.config.refines_half and 2 in needed:
            needed.add(4)
        for level, (up, refine) in enumerate(zip(self.ups, self.refine, strict=True)):
            scale = 2 ** (len(self.ups) - 1 - level)
            x = refine(up(x, skips[level + 1]))
            if scale in needed:
                head = self.head if scale == 1 else self.coarse_heads[str(scale)]
                scores[scale] = head(F.leaky_relu(x, LEAK))
                if (scale == 1 and self.config.refines) or (scale == 2 and self.config.refines_half):
                    scores[scale] = add_repeated(scores[scale], scores[2 * scale])
            if scale == min(scales):
                break
        return {scale: scores[scale] for scale in scales}


def add_repeated(fine: Tensor, coarse: Tensor) -> Tensor:
    """fine [B, n, 2D, 2H, 2W] + coarse [B, n, D, H, W] with every cell repeated twice along each axis."""
    summed: Tensor = _AddRepeated.apply(fine, coarse.to(fine.dtype))
    return summed


class _AddRepeated(torch.autograd.Function):
    """Cells are repeated in memory along rows alone, so that whole rows are added: sums over numbers far apart are ten times slower."""

    @staticmethod
    def forward(ctx, fine: Tensor, coarse: Tensor) -> Tensor:
        b, n, d, h, w = ctx.shape = coarse.shape
        rows = coarse.permute(0, 2, 3, 4, 1).reshape(b, d, 1, h, 1, w, 1, n).expand(-1, -1, -1, -1, -1, -1, 2, -1)
        summed = fine.permute(0, 2, 3, 4, 1).reshape(b, d, 2, h, 2, 2 * w * n) + rows.reshape(b, d, 1, h, 1, 2 * w * n)
        return summed.reshape(b, 2 * d, 2 * h, 2 * w, n).permute(0, 4, 1, 2, 3)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        if not ctx.needs_input_grad[1]:
            return grad, None
        b, n, d, h, w = ctx.shape
        rows = grad.permute(0, 2, 3, 4, 1).reshape(b, d, 2, h, 2, 2 * w * n)
        total = rows[:, :, 0, :, 0] + rows[:, :, 0, :, 1]
        total += rows[:, :, 1, :, 0]
        total += rows[:, :, 1, :, 1]
        cells = total.view(b, d, h, w, 2, n)
        return grad, (cells[..., 0, :] + cells[..., 1, :]).permute(0, 4, 1, 2, 3)


class Generator(nn.Module):
    """G: A -> B. Image [B, 3, s H, s W] in 0..1, s = `picture_scale` -> class scores (logits) [B, n, D, H, W].

    `probabilities` gives B itself.
    """

    def __init__(self, config: SSZConfig):
        super().__init__()
        self.config = config
        self.encoder = PublishedEncoder(config.picture_scale) if isinstance(config.encoder, str) else Encoder(config)
        self.decoder = Decoder(config)
        self.discriminator: Discriminator | None = None

    def forward(self, image: Tensor, scales: tuple[int, ...] = (1,)) -> dict[int, Tensor]:
        """Logits for each scale s: [B, n, D/s, H/s, W/s]; 1 is the full resolution, 2 and 4 are the auxiliary heads."""
        height, width = self.config.picture_size
        check_shape(image, f"B 3 {height} {width}", "image")
        image = image.contiguous(memory_format=torch.channels_last)
        if isinstance(self.encoder, PublishedEncoder):
            return self.decoder(self.encoder(image, finest=1 in scales), scales)
        return self.decoder(self.encoder(image), scales)

    def probabilities(self, image: Tensor) -> Tensor:
        """B of equation (1): softmax over the classes, air included, [B, n, D, H, W] float32."""
        return torch.softmax(self(image)[1].float(), dim=1)

    def labels(self, image: Tensor) -> Tensor:
        """F = argmax B, equation (1): [B, D, H, W] uint8."""
        return self(image)[1].argmax(dim=1).to(torch.uint8)


class SSZ(Generator):
    """The whole system of Figure 2: the generator, and as `discriminator` the network that trains it and tells the objects' poses."""

    discriminator: Discriminator

    def __init__(self, config: SSZConfig):
        super().__init__(config)
        assert config.discriminator is not None
        self.discriminator = Discriminator(config.discriminator, config.classes)


def build(config: SSZConfig) -> Generator:
    """A freshly initialised generator, with its discriminator where the configuration has one. The generator's names are the same."""
    return Generator(config) if config.discriminator is None else SSZ(config)
