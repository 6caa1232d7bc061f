"""BAE-NET (Chen et al., Branched Autoencoder for Shape Co-segmentation): a shape of one category as the union of k unsupervised branches.

The baseline of Table 4 of JOF. Points lie in [-1/2, 1/2]^3, the object's own frame, whose box has a diagonal of 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.errors import UsageError
from voxcli.models.branched.preparation import CELLS
from voxcli.shapes import check_shape

SLOPE = 0.02
THRESHOLD = 0.4
"""At which the original takes its surfaces."""


@dataclass(frozen=True)
class BAEConfig:
    """Widths of all layers; the defaults are the original's. code: length of a shape's code. branches: k, 8 for unsupervised parts.

    categories: what it was trained on, by name.
    """

    branches: int = 8
    code: int = 128
    encoder: tuple[int, ...] = (32, 64, 128, 256)
    decoder: tuple[int, ...] = (1024, 256)
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.encoder) != 4 or len(self.decoder) != 2 or min(*self.encoder, *self.decoder, self.code, self.branches) < 1:
            raise UsageError("bae: 'encoder' needs four positive numbers, 'decoder' two, 'code' and 'branches' one.")


class BAENet(nn.Module):
    """Occupied volumes [B, 1, 64, 64, 64] -> codes [B, code]; codes and points [B, N, 3] -> occupancy of each branch [B, N, k]."""

    def __init__(self, config: BAEConfig):
        super().__init__()
        self.config = config
        c1, c2, c3, c4 = config.encoder
        self.encoder = nn.ModuleDict()
        for place, (before, after) in enumerate(((1, c1), (c1, c2), (c2, c3), (c3, c4)), 1):
            self.encoder[f"conv_{place}"] = nn.Conv3d(before, after, 4, stride=2, padding=1)
            self.encoder[f"in_{place}"] = nn.InstanceNorm3d(after, affine=True)
        self.encoder["conv_5"] = nn.Conv3d(c4, config.code, 4)
        first, second = config.decoder
        self.generator = nn.ModuleDict(
            {
                "linear_1": nn.Linear(config.code + 3, first),
                "linear_2": nn.Linear(first, second),
                "linear_3": nn.Linear(second, config.branches),
            }
        )

    @property
    def last(self) -> nn.Linear:
        """The last layer of the generator: a weight for each branch."""
        layer = self.generator["linear_3"]
        assert isinstance(layer, nn.Linear)
        return layer

    def encode(self, volumes: Tensor) -> Tensor:
        """Codes in 0..1, [B, code]."""
        check_shape(volumes, f"B 1 {CELLS} {CELLS} {CELLS}", "volumes")
        x = volumes
        for place in range(1, 5):
            x = F.leaky_relu(self.encoder[f"in_{place}"](self.encoder[f"conv_{place}"](x)), SLOPE)
        return torch.sigmoid(self.encoder["conv_5"](x).flatten(1))

    def branches(self, codes: Tensor, points: Tensor) -> Tensor:
        """Occupancy of each branch in 0..1, [B, N, k]; the largest is the shape's, and its place the part."""
        check_shape(points, "B N 3", "points", {"B": len(codes)})
        layer: Any = self.generator["linear_1"]
        length = codes.shape[-1]
        # The code's share of the first layer is the same at every point.
        x = F.linear(codes, layer.weight[:, :length], layer.bias)[:, None] + F.linear(points, layer.weight[:, length:])
        x = F.leaky_relu(self.generator["linear_2"](F.leaky_relu(x, SLOPE)), SLOPE)
        return torch.sigmoid(self.generator["linear_3"](x))

    def forward(self, volumes: Tensor, points: Tensor) -> Tensor:
        return self.branches(self.encode(volumes), points)


def build(config: BAEConfig) -> BAENet:
    """A freshly initialised network."""
    network = BAENet(config)
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, a=SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    with torch.no_grad():
        network.last.weight.mul_(0.1)  # decided and wrong guesses of a sigmoid are slow to unlearn
    return network
