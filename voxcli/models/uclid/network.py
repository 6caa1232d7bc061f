"""UCLID-Net (Guillard, Remelli, Fua: "UCLID-Net: Single View Reconstruction in Object Space"), in the order of its section 3.

Grids are indexed [x, y, z] over the cube [-1, 1]^3. Scales are numbered as in the paper: s = 1 is the finest (28), s = 4 the coarsest (7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from voxcli.errors import ShapeError, UsageError, unknown_name
from voxcli.geometry.backproject import Compat, backproject
from voxcli.models.blocks.adapting import adapt_pointwise
from voxcli.models.blocks.efficientnet import ENCODERS, EfficientNetLite0
from voxcli.models.uclid.folding import Fold
from voxcli.models.uclid.regressors import CameraConfig, CameraNet, DepthConfig, DepthNet
from voxcli.models.uclid.residual import PUBLISHED, PublishedStages, ResNet18
from voxcli.shapes import check_shape

SIZES = (28, 28, 14, 7)
"""N_1 .. N_4 (section 3.3)."""

RESNET = "resnet18"

CELLS = 28
"""N_0: the grid of occupancies and of patches."""


@dataclass(frozen=True)
class UCLIDConfig:
    """Widths: of the encoder's layers; of the maps F_s after reduction, s = 1 .. 4; of what the decoder's layers give before grids are
    joined to it; of the last grid, of which `occupancy` channels are read by `occ` and `code` ones by `fold`; of the layers of `fold`.

    depth_channels: how often the binary depth grid stands beside the features (twice; 0: an ablation without depth). depth, camera: the
    auxiliary networks, None without them. compat: see geometry.backproject. regressed: what depth and camera are measured in: `cube`, in
    halves of the object's longest side (ours), or `shapenet`, in the units of ShapeNet's meshes (the published ones). side: of pictures.
    backbone: the image encoder, `resnet18`, or `efficientnet-lite0` for all three networks together (ours), whose widths are its own.
    pretrained: the latter's ImageNet weights when a training begins, `true` for those of the installed package or the path of a file.
    rank: of what changes in its pointwise convolutions; 0: all of it. start: weights of this model that a training goes on from.
    regressors: weights of this model whose auxiliary networks a training begins with, with their widths; empty: none.
    """

    encoder: tuple[int, int, int, int] = (64, 128, 256, 512)
    reduced: tuple[int, int, int, int] = (30, 30, 30, 290)
    decoder: tuple[int, int, int] = (146, 73, 73)
    occupancy: int = 8
    code: int = 32
    fold: int = 64
    depth_channels: int = 2
    depth: DepthConfig | None = field(default_factory=DepthConfig)
    camera: CameraConfig | None = field(default_factory=CameraConfig)
    compat: Compat = "none"
    regressed: Literal["cube", "shapenet"] = "cube"
    side: int = 224
    backbone: str = RESNET
    pretrained: bool | str = True
    rank: int = 0
    start: str = ""
    regressors: str = ""

    def __post_init__(self) -> None:
        if self.backbone not in (RESNET, *ENCODERS):
            raise unknown_name("backbone", self.backbone, (RESNET, *ENCODERS))
        if self.rank < 0 or (self.rank and self.backbone == RESNET):
            raise UsageError("uclid: 'rank' belongs to a pretrained backbone.", expected="0, or 1 and more with efficientnet-lite0",
                             actual=f"{self.rank} with {self.backbone}")  # fmt: skip
        widths = (*self.encoder, *self.reduced, *self.decoder, self.occupancy, self.code, self.fold)
        if min(widths) < 1 or self.depth_channels < 0:
            raise UsageError("Every width of the network is at least 1.", actual=widths)
        if self.side < 48 or self.side % 16:
            raise UsageError("Pictures have a multiple of 16 pixels a side, 48 at least.", actual=self.side)


PRESETS = {
    "paper": UCLIDConfig(depth=DepthConfig(normalised=False)),
    "official": UCLIDConfig(
        depth=DepthConfig(near=0.6, far=2.2, background=2.19, normalised=False), camera=CameraConfig(farthest=1.75, z_up=True),
        compat="official", regressed="shapenet",
    ),
    "small": UCLIDConfig(
        (24, 48, 80, 112), (8, 8, 8, 46), (48, 16, 16), 8, 32, 48, 2,
        DepthConfig((16, 32, 48, 64), 24), CameraConfig((16, 32, 64, 96), 2, 2), side=112,
    ),
    "lite": UCLIDConfig(
        reduced=(8, 16, 24, 94), decoder=(64, 32, 32), depth=DepthConfig(pyramid=32),
        camera=CameraConfig((0, 0, 0, 128), 2), side=160, backbone="efficientnet-lite0", rank=48,
    ),
}  # fmt: skip
"""`paper` and `official` have the same layers; `official` is what the published weights want. `small` is for pictures of 112 pixels. `lite`
has a pretrained encoder, and behind it the paper's layers with fewer channels."""


class VolumeBlock(nn.Module):
    """A residual block in three dimensions: [B, C, N, N, N] -> [B, C', N', N', N'], N' = 2 N where it doubles."""

    def __init__(self, in_channels: int, out_channels: int, doubles: bool):
        super().__init__()
        self.conv1: nn.Module = nn.Conv3d(in_channels, in_channels, 3, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm3d(in_channels)
        self.conv2: nn.Module = nn.Conv3d(in_channels, out_channels, 3, padding=1, bias=False)
        shortcut: nn.Module = nn.Conv3d(in_channels, out_channels, 1, bias=False)
        if doubles:
            self.conv2 = nn.ConvTranspose3d(in_channels, out_channels, 2, 2)
            shortcut = nn.ConvTranspose3d(in_channels, out_channels, 2, 2, bias=False)
        self.bn2: nn.Module = nn.BatchNorm3d(out_channels)
        changes = doubles or in_channels != out_channels
        self.upsample: nn.Module | None = nn.Sequential(shortcut, nn.BatchNorm3d(out_channels)) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.upsample is None else self.upsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + shortcut)


def volume_layer(in_channels: int, out_channels: int, doubles: bool) -> nn.Sequential:
    """layer_s of equations (2) and (3): two residual blocks, of which the first changes width and size."""
    return nn.Sequential(VolumeBlock(in_channels, out_channels, doubles), VolumeBlock(out_channels, out_channels, False))


class VolumeDecoder(nn.Module):
    """Section 3.2: grids of all scales, the coarsest first, to the last grid H_0. layer1 works on s = 4, layer4 on s = 1."""

    def __init__(self, joined: Sequence[int], widths: Sequence[int], out_channels: int):
        """joined: channels of the grids of features and depth together, s = 1 .. 4."""
        super().__init__()
        self.layer1 = volume_layer(joined[3], joined[3], False)
        self.layer2 = volume_layer(joined[3], widths[0], True)
        self.layer3 = volume_layer(widths[0] + joined[2], widths[1], True)
        self.layer4 = volume_layer(widths[1] + joined[1], widths[2], False)
        self.output_layer = nn.Conv3d(widths[2] + joined[0], out_channels, 1, bias=False)

    def forward(self, grids: Sequence[Tensor]) -> Tensor:
        """G_1 .. G_4, each [B, C_s, N_s, N_s, N_s] -> H_0 [B, C, 28, 28, 28]"""
        x = self.layer2(self.layer1(grids[3]))  # (2)            [B, 146, 14, 14, 14]
        x = self.layer3(torch.cat([x, grids[2]], 1))  # (3), s = 3     [B, 73, 28, 28, 28]
        x = self.layer4(torch.cat([x, grids[1]], 1))  # (3), s = 2     [B, 73, 28, 28, 28]
        return self.output_layer(torch.cat([x, grids[0]], 1))  # (3), s = 1     [B, 40, 28, 28, 28]


class Reconstruction(nn.Module):
    """The main network: encoder, back-projection, decoder, `occ` and `fold`."""

    def __init__(self, config: UCLIDConfig):
        super().__init__()
        self.config = config
        published = config.backbone != RESNET
        self.encoder: nn.Module = PublishedStages() if published else ResNet18(config.encoder)
        widths = PUBLISHED if published else config.encoder
        self.reduce = nn.ModuleList(nn.Conv2d(w, r, 1) for w, r in zip(widths, config.reduced, strict=True))
        joined = [r + config.depth_channels for r in config.reduced]
        self.decoder = VolumeDecoder(joined, config.decoder, config.occupancy + config.code)
        self.occ = nn.Conv3d(config.occupancy, 1, 1)
        self.fold = Fold(config.code, config.fold)

    def grids(self, seen: Tensor | Sequence[Tensor], projection: Tensor, depth: Sequence[Tensor]) -> list[Tensor]:
        """Section 3.1: images [B, 3, H, W] in 0..1, or what UCLID.seen gives for them, projection [B, 3, 4], binary depth grids
        [B, N_s, N_s, N_s] of s = 1 .. 4 -> G_1 .. G_4: features and depth in object space [B, C_s, N_s, N_s, N_s]. Those of several views
        may be added (section 4.3)."""
        if isinstance(seen, Tensor):
            check_shape(seen, "B 3 H W", "images")
            if min(seen.shape[2:]) < 33:
                raise ShapeError("Pictures are too small for five halvings and their normalisation.", expected="33 pixels a side or more",
                                 actual=list(seen.shape[2:]))  # fmt: skip
        grids = []
        for scale, features in enumerate(self.encoder(seen)):
            lifted = backproject(self.reduce[scale](features), projection, SIZES[scale], self.config.compat)  # equation (1)
            if self.config.depth_channels:
                binary = depth[scale][:, None].to(lifted).expand(-1, self.config.depth_channels, -1, -1, -1)
                lifted = torch.cat([lifted, binary], 1)
            grids.append(lifted)
        return grids

    def decode(self, grids: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """G_1 .. G_4 -> logits of occupancy [B, 28, 28, 28] and codes of patches [B, code, 28, 28, 28]."""
        last = self.decoder(grids)
        return self.occ(last[:, : self.config.occupancy])[:, 0].float(), last[:, self.config.occupancy :]

    def points(self, codes: Tensor, cells: Tensor, uv: Tensor) -> Tensor:
        """Equation (4): the patches of cells [M, 4] int64 (sample, x, y, z), sampled at uv [K, 2] or [M, K, 2] in 0..1.

        Returns [M, K, 3] in the cube: the cell's lower corner and an offset within it. All cells of all samples go through at once.
        """
        sample, x, y, z = cells.unbind(1)
        offsets = self.fold(codes[sample, :, x, y, z], uv)
        return (cells[:, None, 1:] + offsets) * (2 / CELLS) - 1


class UCLID(nn.Module):
    """The main network `reconstruction` and the auxiliary ones, `depth` and `camera`, where the configuration has them; with a published
    encoder, `published`, which all three read."""

    def __init__(self, config: UCLIDConfig):
        super().__init__()
        self.config = config
        published = config.backbone != RESNET
        self.published = EfficientNetLite0() if published else None
        if self.published is not None and config.rank:
            adapt_pointwise(self.published, config.rank)
        self.reconstruction = Reconstruction(config)
        self.depth = None if config.depth is None else DepthNet(config.depth, published)
        self.camera = None if config.camera is None else CameraNet(config.camera, published)

    def seen(self, images: Tensor) -> Tensor | list[Tensor]:
        """What all three networks take of images [B, 3, H, W] in 0..1: these themselves, or the maps of the published encoder."""
        return images if self.published is None else self.published(images)


def build(config: UCLIDConfig) -> UCLID:
    """A freshly initialised network: normal weights after He et al. 2015, biases 0, from torch's global generator."""
    network = UCLID(config)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.ConvTranspose3d)):
            # Each output of a transposed convolution of step 2 sees one input cell: its fan is the channels alone.
            fan = module.in_channels * (1 if isinstance(module, nn.ConvTranspose3d) else module.kernel_size[0] ** (module.weight.ndim - 2))
            nn.init.normal_(module.weight, std=(2 / fan) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if network.depth is not None:
        last = network.depth.predict2[0]
        assert isinstance(last, nn.Conv2d)
        nn.init.normal_(last.weight, std=1e-2)
    nn.init.normal_(network.reconstruction.occ.weight, std=0.1)
    return network


def for_inference(decoder: VolumeDecoder) -> VolumeDecoder:
    """The same decoder, faster: each normalisation becomes part of the convolution before it, and on the CPU weights, and with them grids,
    lie channels last (measured: 456 ms in place of 534 with the paper's widths on two cores). In evaluation mode, in place."""
    for block in decoder.modules():
        if isinstance(block, VolumeBlock):
            block.conv1, block.bn1 = _joined(block.conv1, block.bn1), nn.Identity()
            block.conv2, block.bn2 = _joined(block.conv2, block.bn2), nn.Identity()
            if isinstance(block.upsample, nn.Sequential):
                block.upsample = _joined(*block.upsample)
    on_cpu = next(decoder.parameters()).device.type == "cpu"
    if on_cpu:
        for parameter in decoder.parameters():
            if parameter.ndim == 5:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    return decoder


def _joined(convolution: nn.Module, normalisation: nn.Module) -> nn.Module:
    assert isinstance(convolution, nn.Conv3d | nn.ConvTranspose3d) and isinstance(normalisation, nn.BatchNorm3d)
    return fuse_conv_bn_eval(convolution, normalisation, isinstance(convolution, nn.ConvTranspose3d))


def added(grids: Tensor, owner: Tensor, count: int) -> Tensor:
    """Section 4.3: the grids [V, C, N, N, N] of views, added up for each of `count` objects; owner [V] int64 says whose a view is."""
    if count == len(grids):
        return grids
    return grids.new_zeros(count, *grids.shape[1:]).index_add(0, owner, grids)


def occupied(logits: Tensor, threshold: float) -> Tensor:
    """Cells [M, 4] (sample, x, y, z) whose occupancy reaches the threshold, in the order of the samples; logits [B, 28, 28, 28]."""
    return (torch.sigmoid(logits) >= threshold).nonzero()
