"""The auxiliary networks: a depth map and a camera from one picture (UCLID-Net, section 3.3).

Both speak of a fixed pinhole camera (35 mm on a sensor of 32 mm) that looks at the object's centre. Pictures: [B, 3, H, W] in 0..1, the
object on white. Over a published encoder (`lite`) they take its maps in place of the picture, see UCLID.seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.errors import UsageError
from voxcli.models.uclid.residual import PUBLISHED_FINER, PublishedStages, ResNet18, coarsest, conv3, stage
from voxcli.shapes import check_shape

FOCAL = 35 / 32
"""Focal length of the fixed camera, as a multiple of the picture's side."""

LEAST_SIDE = 112
"""Depth maps of fewer pixels have points too far apart for the cleaning of their cloud: pixels are then interpolated or repeated."""


@dataclass(frozen=True)
class DepthConfig:
    """widths of the encoder, and of the pyramid. Depths span near .. far; at or beyond `background` there is nothing.

    The published network has near 0.6, far 2.2 and background 2.19, in ShapeNet's units; ours are in halves of the object's longest side.
    normalised: whether the layers that read the pyramid normalise each map (ours, and what older weights of ours were trained with); the
    published network normalises in its encoder alone.
    """

    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    pyramid: int = 128
    near: float = 1.0
    far: float = 8.0
    background: float = 7.9
    normalised: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.near < self.background < self.far:
            raise UsageError("Depths must lie in order: 0 < near < background < far.", actual=f"{self.near}, {self.background}, {self.far}")


class DepthNet(nn.Module):
    """Feature pyramid on a ResNet-18: maps of all scales are brought to half the picture's size by pixel shuffling and read together."""

    def __init__(self, config: DepthConfig, published: bool = False):
        """published: whether the maps of EfficientNet-Lite0 are read, whose widths are not configured."""
        super().__init__()
        self.config, self.published = config, published
        p, (w1, w2, w3, w4) = config.pyramid, PUBLISHED_FINER if published else config.widths
        self.encoder: nn.Module = PublishedStages(pooled=False) if published else ResNet18(config.widths, bias=True, pooled=False)
        self.toplayer = nn.Conv2d(w4, p, 1)
        self.latlayer1, self.latlayer2, self.latlayer3 = nn.Conv2d(w3, p, 1), nn.Conv2d(w2, p, 1), nn.Conv2d(w1, p, 1)
        self.smooth1, self.smooth2, self.smooth3 = (conv3(p, p, bias=True) for _ in range(3))
        self.agg1, self.agg2, self.agg3, self.agg4 = (_joined(config.normalised, p, p, p) for _ in range(4))
        self.up1, self.up2, self.up3 = (nn.Sequential(conv3(p, p * r * r, bias=True), nn.PixelShuffle(r), nn.ReLU()) for r in (8, 4, 2))
        self.predict1 = _joined(config.normalised, 4 * p, p)
        self.predict2 = nn.Sequential(conv3(p, 1, bias=True), nn.Sigmoid())

    def forward(self, seen: Tensor | Sequence[Tensor]) -> Tensor:
        """Images [B, 3, H, W], or the published encoder's maps of them -> z-depth [B, H/2, W/2], between near and far everywhere; H and W
        are multiples of 16."""
        if isinstance(seen, Tensor):
            check_shape(seen, "B 3 H W", "images")
            if seen.shape[2] % 16 or seen.shape[3] % 16:
                raise UsageError("Depth is regressed from pictures whose sides are multiples of 16.", actual=list(seen.shape[2:]))
        c2, c3, c4, c5 = self.encoder(seen)
        p5 = self.toplayer(c5)
        p4 = self.smooth1(_enlarged(p5) + self.latlayer1(c4))
        p3 = self.smooth2(_enlarged(p4) + self.latlayer2(c3))
        p2 = self.smooth3(_enlarged(p3) + self.latlayer3(c2))
        together = torch.cat([self.up1(self.agg1(p5)), self.up2(self.agg2(p4)), self.up3(self.agg3(p3)), self.agg4(p2)], 1)
        share = self.predict2(self.predict1(together))[:, 0].float()
        return self.config.near + share * (self.config.far - self.config.near)

    def where_seen(self, seen: Tensor | Sequence[Tensor]) -> Tensor:
        """As forward, with NaN where there is background, and at least LEAST_SIDE pixels a side."""
        depth = self(seen)
        if depth.shape[-1] < LEAST_SIDE:
            depth = F.interpolate(depth[:, None], (LEAST_SIDE, LEAST_SIDE), mode="bilinear", align_corners=False)[:, 0]
        return depth.masked_fill(depth >= self.config.background, torch.nan)


def _joined(normalised: bool, *widths: int) -> nn.Sequential:
    """Convolutions with ReLU; an identity keeps the place, and with it the tensors' names, where nothing is normalised."""
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [conv3(before, after, bias=True), nn.InstanceNorm2d(after) if normalised else nn.Identity(), nn.ReLU()]
    return nn.Sequential(*layers)


def _enlarged(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class CameraConfig:
    """widths and blocks of the four stages; stride of the stem. Distances lie between 0 and `farthest`, in units as for DepthConfig.

    z_up: the rotation acts on an object in Blender's axes, as the published one does.
    """

    widths: tuple[int, int, int, int] = (64, 128, 256, 256)
    blocks: int = 4
    stride: int = 1
    farthest: float = 7.0
    z_up: bool = False


class CameraNet(nn.Module):
    """A residual network with affine instance normalisation; its seven outputs are a rotation in six numbers and a distance."""

    def __init__(self, config: CameraConfig, published: bool = False):
        """published: whether the last stage reads the maps of EfficientNet-Lite0, in place of the stages before it."""
        super().__init__()
        self.config, self.published = config, published
        w = config.widths
        if published:
            self.layer4 = stage(PUBLISHED_FINER[-1], w[3], config.blocks, 2, affine=True)
            self.fc = nn.Linear(w[3], 7)
            return
        self.conv1 = conv3(3, w[0], config.stride)
        self.bn1 = nn.InstanceNorm2d(w[0], affine=True)
        self.layer1 = stage(w[0], w[0], config.blocks, 1, affine=True)
        self.layer2 = stage(w[0], w[1], config.blocks, 2, affine=True)
        self.layer3 = stage(w[1], w[2], config.blocks, 2, affine=True)
        self.layer4 = stage(w[2], w[3], config.blocks, 2, affine=True)
        self.fc = nn.Linear(w[3], 7)

    def forward(self, seen: Tensor | Sequence[Tensor]) -> Tensor:
        """Images [B, 3, H, W], or the published encoder's maps of them -> world_to_cam [B, 4, 4], rigid; the object's centre lies on the
        optical axis."""
        if isinstance(seen, Tensor):
            check_shape(seen, "B 3 H W", "images")
            x = F.relu(self.bn1(self.conv1(seen)))
            x = self.layer3(self.layer2(self.layer1(x)))
        else:
            x = coarsest(seen)
        x = self.layer4(x)
        numbers = self.fc(x.mean((2, 3))).float()  # [B, 7]
        rotation = rotation_of_six(numbers[:, :6])
        if self.config.z_up:
            rotation = rotation @ rotation.new_tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up to z up first
        away = torch.sigmoid(numbers[:, 6]) * self.config.farthest
        zero = torch.zeros_like(away)
        top = torch.cat([rotation, torch.stack([zero, zero, away], 1)[..., None]], 2)
        return torch.cat([top, top.new_tensor([0.0, 0, 0, 1]).expand(len(top), 1, 4)], 1)


def rotation_of_six(numbers: Tensor) -> Tensor:
    """Rotations [* 3 3] from six numbers [* 6] (Zhou et al. 2019): the first column along the first three, the second one in the plane of
    both halves, orthogonal to it up to handedness as DISN has it: z = x cross the rest, y = z cross x."""
    x = F.normalize(numbers[..., :3], dim=-1, eps=1e-8)
    z = F.normalize(torch.linalg.cross(x, numbers[..., 3:]), dim=-1, eps=1e-8)
    return torch.stack([x, torch.linalg.cross(z, x), z], -1)


def fixed_projection(world_to_cam: Tensor) -> Tensor:
    """P [* 3 4] of the fixed camera: see geometry.backproject."""
    unit = torch.diag(world_to_cam.new_tensor([2 * FOCAL, 2 * FOCAL, 1.0]))
    return unit @ world_to_cam[..., :3, :]
