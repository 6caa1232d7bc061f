"""The Pose6DoF discriminator D: (A, F) -> C in {t, q, r}^(u, v, w) (SSZ, section 3.3): where the objects of a scene stand, how they are
turned, and whether they look real.

The paper leaves the sizes, the grid's relation to the frustum and the parametrisation of t open: what the configuration names is ours.

It also leaves normalisation open. The encoder that the discriminator resembles has batch normalisation; the discriminator has none, in
any layer. In training, real and generated volumes come in batches of their own. Each batch normalised by its own statistics would lose
what tells the two apart. In use, one generated volume comes alone, and running statistics would be a mixture of both kinds.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.errors import ShapeError, UsageError
from voxcli.models.blocks.residual import LEAK, Downscale3d, InflatedPointwise, InvertedResidual3d, Pointwise3d
from voxcli.models.ssz.poses import Certificate, cell_centres
from voxcli.scene.types import Frustum
from voxcli.shapes import check_shape

NORM_EPSILON = 1e-5
"""Of the batch normalisation that earlier discriminators had."""


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes of the discriminator and the choices of its loss. All of these numbers are ours: the paper states none.

    widths: channels of the levels; each halves the volume, so that a cell of the certificate is 2^levels fruxels wide.
    blocks: inverted residual blocks at each level. expansion: their hidden channels as a multiple of their input's.
    judged: the cells that are asked for "real" or "fake". Section 3.3 wants this answer for each instance of an object: `instances` asks
        the cells that hold an object's centre. `cells` asks all cells, as PatchGAN does: it also reaches the ground, and objects where
        none should be, but most of its cells hold air.
    real_label: what the discriminator shall say of real volumes (one-sided label smoothing; 1 is the plain loss).
    softness: share of a real volume's one-hot labels that is spread over all classes, so that certainty alone betrays nothing.
    translation, rotation: weights, relative to the pose term of equation (3), of ||t^ - t||^2 and ||R(q^) - R(q)||^2. Equation (3)
    compares R(q) t alone, which a wrong rotation and a wrong translation can have in common; 0 leaves it as printed.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (0, 1, 1, 1)
    expansion: int = 2
    judged: Literal["instances", "cells"] = "instances"
    real_label: float = 0.9
    softness: float = 0.1
    translation: float = 1.0
    rotation: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if not self.widths or len(self.widths) != len(self.blocks):
            raise UsageError("Discriminator: blocks needs one number a level.", expected=len(self.widths), actual=list(self.blocks))
        if not (0.5 < self.real_label <= 1 and 0 <= self.softness < 1 and self.translation >= 0 and self.rotation >= 0):
            raise UsageError("Discriminator: real_label lies in (0.5, 1], softness in [0, 1), and weights are not negative.")

    @property
    def stride(self) -> int:
        """Fruxels along each edge of a cell."""
        return 2 ** len(self.widths)


class Discriminator(nn.Module):
    """A volumetric PatchGAN: no global pooling, each cell of the certificate sees its own surroundings."""

    def __init__(self, config: DiscriminatorConfig, classes: int):
        super().__init__()
        self.config = config
        widths = config.widths
        # "Concatenated to a single tensor": the first pointwise convolution of (image copied along the depth, fruxels), never built.
        self.stem = InflatedPointwise(classes, 3, widths[0])
        self.levels = nn.ModuleList()
        for level, width in enumerate(widths):
            blocks: list[nn.Module] = [Downscale3d(widths[max(0, level - 1)], width)]
            blocks += [InvertedResidual3d(width, config.expansion, normalise=False) for _ in range(config.blocks[level])]
            self.levels.append(nn.Sequential(*blocks))
        self.head = Pointwise3d(widths[-1], 8)
        self.register_load_state_dict_pre_hook(_fold_normalisation)
        with torch.no_grad():
            # Without normalisation the spread of the values must survive from layer to layer by itself. Projections keep their smaller
            # start: what they make is added to their input.
            for name, module in self.named_modules():
                if isinstance(module, Pointwise3d) and not name.endswith("project"):
                    nn.init.kaiming_normal_(module.conv.weight, a=LEAK)
            # An untrained cell points at its own centre, unturned: the quaternion's norm never starts near 0.
            nn.init.normal_(self.head.conv.weight, std=0.02)
            bias = self.head.conv.bias
            assert bias is not None
            bias.copy_(torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 0]))

    def forward(self, image: Tensor, fruxels: Tensor, frustum: Frustum) -> Certificate:
        """image [B, 3, s H, s W] in 0..1 (averaged down to the fruxels where s > 1), fruxels [B, n, D, H, W]: probabilities or one-hot
        labels; frustum: of the fruxels at any resolution. -> certificate of D/2^l x H/2^l x W/2^l cells, float32."""
        sizes = check_shape(fruxels, "B n D H W", "fruxels")
        check_shape(image, "B 3 h w", "image", {"B": sizes["B"]})
        step = image.shape[2] // sizes["H"]
        if image.shape[2:] != (step * sizes["H"], step * sizes["W"]) or any(sizes[k] % self.config.stride for k in "DHW"):
            raise ShapeError(
                "The discriminator cannot lay its cells over this volume.",
                expected=f"fruxels in multiples of {self.config.stride}, and an image of a whole multiple of their size",
                actual=f"fruxels {list(fruxels.shape)}, image {list(image.shape)}",
            )
        image = F.avg_pool2d(image, step) if step > 1 else image
        x = self.stem(fruxels.contiguous(memory_format=torch.channels_last_3d), (image - 0.5) * 4)
        for level in self.levels:
            x = level(F.leaky_relu(x, LEAK))
        x = self.head(F.leaky_relu(x, LEAK)).float().permute(0, 2, 3, 4, 1)  # [B, u, v, w, 8]
        # Offsets in units of a cell's depth: about 1, whatever the frustum.
        u, v, w = x.shape[1:4]
        scale = (frustum.z_far - frustum.z_near) / u
        t = cell_centres(frustum, (u, v, w)).to(x) + scale * x[..., :3]
        return Certificate(t, F.normalize(x[..., 3:7], dim=-1, eps=1e-6), x[..., 7])


def _fold_normalisation(
    module: nn.Module, tensors: MutableMapping[str, Tensor], prefix: str, *_: dict[str, str] | bool | list[str]
) -> None:
    """Weights of a time when the blocks ended in batch normalisation, as weights of blocks without it that compute the same.

    In use, normalisation is a scale and a shift for each channel, which the projection before it takes over.
    """
    for key in [key for key in tensors if key.startswith(prefix) and key.endswith(".norm.running_var")]:
        block = key.removesuffix("norm.running_var")
        weight, bias, mean, variance = (tensors.pop(f"{block}norm.{name}") for name in ("weight", "bias", "running_mean", "running_var"))
        tensors.pop(f"{block}norm.num_batches_tracked", None)
        scale = weight / (variance + NORM_EPSILON).sqrt()
        tensors[f"{block}project.conv.weight"] = tensors[f"{block}project.conv.weight"] * scale[:, None, None, None]
        tensors[f"{block}project.conv.bias"] = bias - mean * scale
