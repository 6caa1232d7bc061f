"""Rays: one picture to a labelled frustum, ray by ray.

A network of ours that joins three published ideas. Features of the picture are decoded at each pixel into all fruxels of its ray, as in
NDC-Scene (Yao et al., ICCV 2023), and a small 3D convolution lets neighbouring rays agree at the coarse scale, as MonoScene's decoder does
(Cao and de Charette, CVPR 2022). Its 2D part is a feature pyramid (Lin et al., CVPR 2017) over a pretrained EfficientNet-Lite0. At the full
resolution a ray depends on its own pixel alone, so a training step needs only some of the rays.

The picture has s x s pixels for each column of fruxels, s = `picture_scale`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from voxcli.backend import cpu_has_bfloat16_units
from voxcli.errors import UsageError
from voxcli.models.blocks.decoding import ConvNormAct, doubled, pointwise_joined
from voxcli.models.blocks.efficientnet import CHANNELS, EfficientNetLite0, check_encoder
from voxcli.models.frustum.familiarity import pooled
from voxcli.shapes import check_shape

COARSE = 4
"""Columns, rows and slices of the coarse volume are those of the frustum divided by this."""


@dataclass(frozen=True)
class RaysConfig:
    """Sizes of the network.

    width, height, depth: columns, rows and slices of the output. classes: number of classes, air included.
    picture_scale: pixels of the picture for each column, along each axis; the encoder's first map, at half the picture's resolution,
        then has a pixel a column.
    encoder: name of the 2D encoder. pretrained: its ImageNet weights when a training begins, `true` for those of the installed package
        or the path of a file; weights of ours hold the encoder themselves. start: weights of this model that a training goes on from.
    pyramid: channels of the feature pyramid. volume: hidden channels of the 3D convolution over the coarse volume.
    fine: channels of the features at half and at full resolution of the columns.
    """

    width: int = 128
    height: int = 128
    depth: int = 128
    classes: int = 10
    picture_scale: int = 2
    encoder: str = "efficientnet-lite0"
    pretrained: bool | str = True
    start: str = ""
    pyramid: int = 160
    volume: int = 16
    fine: tuple[int, int] = (96, 64)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fine", tuple(self.fine))
        check_encoder(self.encoder)
        if self.picture_scale != 2:
            raise UsageError("Rays takes pictures of two pixels for each column of fruxels.", expected="picture_scale 2",
                             actual=self.picture_scale, hint="voxcli synth street --picture-scale 2 makes them.")  # fmt: skip
        for name, step in (("width", 16), ("height", 16), ("depth", COARSE)):
            if getattr(self, name) < step or getattr(self, name) % step:
                raise UsageError(f"Rays: {name} must be a multiple of {step}.", actual=getattr(self, name))

    @property
    def picture_size(self) -> tuple[int, int]:
        """(height, width) of the picture in pixels."""
        return self.height * self.picture_scale, self.width * self.picture_scale


PRESETS = {"near": RaysConfig(), "far": RaysConfig(width=128, height=96, depth=96)}
"""`near`: the frustum of SSZ (2 to 12 m, 40 degrees). `far`: 2 to 50 m, 70 degrees wide, for pictures of 4:3."""


@dataclass(frozen=True)
class Features:
    """What rays are decoded from: `coarse` scores [B, n, D/4, H/4, W/4] and `pixels` features [B, c, H, W]; and as `summary` what kind of
    picture it is: means and spreads of the encoder's coarser maps [B, 624] (see frustum.familiarity)."""

    coarse: Tensor
    pixels: Tensor
    summary: Tensor


class Pyramid(nn.Module):
    """Encoder maps at 1/4, 1/8, 1/16 and 1/32 of the picture -> one map [B, pyramid, H/4, W/4], a pixel for each coarse column."""

    def __init__(self, config: RaysConfig):
        super().__init__()
        width = config.pyramid
        _, quarter, eighth, sixteenth, last = CHANNELS
        # The map at 1/4 has four pixels for each coarse column: they become channels.
        self.lateral4 = nn.Conv2d(4 * quarter, width, 1)
        self.lateral8 = nn.Conv2d(eighth, width, 1)
        self.lateral16 = nn.Conv2d(sixteenth, width, 1)
        self.lateral32 = nn.Conv2d(last, width, 1)
        self.smooth8, self.smooth16, self.smooth32 = (nn.Sequential(ConvNormAct(width, width), ConvNormAct(width, width)) for _ in range(3))

    def forward(self, maps: list[Tensor]) -> Tensor:
        _, quarter, eighth, sixteenth, last = maps
        x = self.smooth32(self.lateral32(last))
        x = self.smooth16(doubled(x) + self.lateral16(sixteenth))
        return self.smooth8(doubled(x) + self.lateral8(eighth) + self.lateral4(F.pixel_unshuffle(quarter, 2)))


class CoarseHead(nn.Module):
    """Pyramid [B, c, H/4, W/4] -> coarse class scores [B, n, D/4, H/4, W/4]: a linear map from each pixel to its ray, and a residual 3D
    convolution, zero at first, over neighbouring rays and slices."""

    def __init__(self, config: RaysConfig):
        super().__init__()
        self.classes, self.slices = config.classes, config.depth // COARSE
        self.hidden = ConvNormAct(config.pyramid, 2 * config.pyramid)
        self.ray = nn.Conv2d(2 * config.pyramid, self.classes * self.slices, 1)
        self.gather = nn.Conv3d(self.classes, config.volume, 3, padding=1)
        self.spread = nn.Conv3d(config.volume, self.classes, 3, padding=1)
        nn.init.zeros_(self.spread.weight)
        if self.spread.bias is not None:
            nn.init.zeros_(self.spread.bias)

    def forward(self, x: Tensor) -> Tensor:
        rays = self.ray(self.hidden(x))
        volume = rays.reshape(len(rays), self.classes, self.slices, *rays.shape[2:]).contiguous(memory_format=torch.channels_last_3d)
        return volume + self.spread(F.relu(self.gather(volume)))


class Rays(nn.Module):
    """Picture [B, 3, 2H, 2W] in 0..1 -> class scores (logits) [B, n, D, H, W]."""

    def __init__(self, config: RaysConfig):
        super().__init__()
        self.config = config
        self.encoder = EfficientNetLite0()
        self.pyramid = Pyramid(config)
        self.coarse = CoarseHead(config)
        half, full = config.fine
        self.half_resolution = nn.Sequential(nn.Conv2d(config.pyramid + CHANNELS[1], half, 1), ConvNormAct(half, half))
        self.full_resolution = nn.Sequential(nn.Conv2d(half + CHANNELS[0], full, 1), ConvNormAct(full, full))
        self.fine_ray = nn.Linear(full, config.classes * config.depth)
        nn.init.zeros_(self.fine_ray.weight)
        nn.init.zeros_(self.fine_ray.bias)

    def forward(self, picture: Tensor, scales: tuple[int, ...] = (1,)) -> dict[int, Tensor]:
        """Logits at each scale of `scales`: 1 is the full resolution, 4 the coarse volume [B, n, D/4, H/4, W/4]."""
        features = self.features(picture, fine=1 in scales)
        scores = {4: features.coarse} if 4 in scales else {}
        if 1 in scales:
            size = (self.config.height, self.config.width)
            everywhere = torch.arange(size[0] * size[1], device=picture.device)
            scores[1] = self.rays(features, everywhere).unflatten(3, size)
        return scores

    def features(self, picture: Tensor, fine: bool = True) -> Features:
        """Coarse scores and, unless `fine` is off, the features of every pixel."""
        check_shape(picture, "B 3 {} {}".format(*self.config.picture_size), "picture")
        maps = self.encoder(picture)
        # Maps of a frozen encoder may be in another type than the heads.
        if not torch.is_autocast_enabled(picture.device.type):
            maps = [each.to(self.fine_ray.weight.dtype) for each in maps]
        summary = pooled(maps[2:])
        x = self.pyramid(maps)
        coarse = self.coarse(x)
        if not fine:
            return Features(coarse, x, summary)
        for (joining, convolution), finer in ((self.half_resolution, maps[1]), (self.full_resolution, maps[0])):
            assert isinstance(joining, nn.Conv2d)
            x = convolution(pointwise_joined(joining, x, finer))
        return Features(coarse, x, summary)

    def rays(self, features: Features, pixels: Tensor) -> Tensor:
        """Logits [B, n, D, N] of the rays of N pixels, given by their index in the flattened H x W.

        The coarse scores, interpolated linearly along all three axes, plus what the pixel's own features add to each fruxel.
        """
        classes, depth, width, height = (getattr(self.config, name) for name in ("classes", "depth", "width", "height"))
        kind = self._arithmetic()
        volume = features.coarse.flatten(1, 2)  # [B, n D/4, H/4, W/4]
        coarse = at_pixels(volume if torch.is_grad_enabled() else volume.to(kind), pixels, (height, width))
        own = features.pixels.permute(0, 2, 3, 1).flatten(1, 2)[:, pixels]  # [B, N, c]
        own = F.pad(own, (0, 1), value=1.0)  # the bias is the weight of a feature that is 1
        weight = torch.cat([self.fine_ray.weight, self.fine_ray.bias[:, None]], 1)
        coarse = coarse.unflatten(1, (classes, depth // COARSE))
        scores: Tensor = _Decode.apply(coarse.to(kind), own.to(kind), weight.to(kind), depth)
        return scores

    def _arithmetic(self) -> torch.dtype:
        """The type that rays are decoded in: to be trained, that of autocast; to be used, float32 at least, for exact scores."""
        own, device = self.fine_ray.weight.dtype, self.fine_ray.weight.device.type
        if not torch.is_grad_enabled():
            return torch.promote_types(own, torch.float32)
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else own


def at_pixels(volume: Tensor, pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """The samples [B, C, N] of maps [B, C, h, w], interpolated linearly, at N pixels of a picture of size (H, W), by their index in it."""
    (h, w), (height, width) = volume.shape[2:], size
    column, row = pixels % width, torch.div(pixels, width, rounding_mode="floor")
    if volume.dtype == torch.bfloat16 and volume.device.type == "cpu" and cpu_has_bfloat16_units():
        # Each sample as a sum over all cells: with matrix units the gradient is sooner there. Weights, multiples of 1/64, are exact.
        rows, columns = linear_interpolation(h, height).to(volume)[row], linear_interpolation(w, width).to(volume)[column]
        return volume.flatten(2) @ (rows[:, :, None] * columns[:, None]).flatten(1).T
    volume = volume.to(torch.promote_types(volume.dtype, torch.float32))
    at = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], -1)  # [N, 2] in -1..1
    grid = at.to(volume)[None, None].expand(len(volume), -1, -1, -1)
    return F.grid_sample(volume, grid, mode="bilinear", padding_mode="border", align_corners=False)[:, :, 0]


class _Decode(torch.autograd.Function):
    """Coarse scores interpolated along rays, plus a linear map of each pixel's features: two products into one tensor, without a copy."""

    @staticmethod
    def forward(ctx, coarse: Tensor, own: Tensor, weight: Tensor, depth: int) -> Tensor:
        """coarse [B, n, q, N], own [B, N, c], weight [n D, c], D -> scores [B, n, D, N]."""
        slices = linear_interpolation(coarse.shape[2], depth).to(coarse)
        ctx.save_for_backward(own, weight, slices)
        scores = slices @ coarse
        scores.view(len(own), len(weight), -1).baddbmm_(weight.expand(len(own), -1, -1), own.transpose(1, 2))
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """The gradients with respect to coarse, own and weight."""
        own, weight, slices = ctx.saved_tensors
        flat = grad.reshape(len(own), len(weight), -1)
        down = torch.bmm(weight.T.expand(len(own), -1, -1), flat)
        return slices.T @ grad, down.transpose(1, 2), (flat @ own).sum(0), None


def linear_interpolation(count: int, size: int) -> Tensor:
    """The matrix [size, count] that takes `count` samples at the centres of equal cells to `size` of them, linear between the centres and
    constant beyond the outer ones."""
    return F.interpolate(torch.eye(count)[None], size=size, mode="linear", align_corners=False)[0].T


def build(config: RaysConfig) -> Rays:
    """A freshly initialised network; its encoder is random until weights are loaded."""
    return Rays(config)
