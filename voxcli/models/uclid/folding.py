"""`fold` (UCLID-Net, section 3.2): a patch of surface in each occupied cell, from its code, in two successive folds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROWS = 8192
"""Points that go through the layers together where no gradient is asked for: so many stay in the processor's cache."""


class Fold(nn.Module):
    """Seven pointwise layers: (code, u, v) -> 64 -> 64 -> 64, then (code, 64) -> 64 -> 64 -> 64 -> 3, sigmoid: an offset within the cell.

    Layers are without bias, each but the last followed by batch normalisation and ReLU. Weights [out, in], the code's columns first.
    """

    def __init__(self, code: int = 32, width: int = 64):
        super().__init__()
        self.code = code
        ins = {"11": code + 2, "12": width, "13": width, "21": code + width, "22": width, "23": width}
        for name, size in ins.items():
            layer = nn.Linear(size, width, bias=False)
            nn.init.normal_(layer.weight, std=(2 / size) ** 0.5)
            self.add_module(f"conv{name}", layer)
            self.add_module(f"bn{name}", nn.BatchNorm1d(width))
        self.conv3 = nn.Linear(width, 3, bias=False)

    def forward(self, codes: Tensor, uv: Tensor) -> Tensor:
        """codes [M, C] and uv [K, 2], or [M, K, 2], in 0..1 -> offsets [M, K, 3] in 0..1, any number M and K of both."""
        if uv.ndim == 2:
            uv = uv.expand(len(codes), *uv.shape)
        uv = uv.to(codes.dtype)
        count = uv.shape[1]
        if not len(codes) or not count:
            return codes.new_zeros(len(codes), count, 3)
        if torch.is_grad_enabled() or self.training:
            return self._folded(codes, uv)
        step = max(1, ROWS // count)
        return torch.cat([self._folded(c, p) for c, p in zip(codes.split(step), uv.split(step), strict=True)])

    def _folded(self, codes: Tensor, uv: Tensor) -> Tensor:
        x = self._joined("1", codes, uv)
        x = self._joined("2", codes, x)
        return torch.sigmoid(self.conv3(x))

    def _joined(self, fold: str, codes: Tensor, x: Tensor) -> Tensor:
        """One fold of three layers. The code is the same for all points of a cell, so its share of the first layer is computed once."""
        first = self.get_submodule(f"conv{fold}1")
        assert isinstance(first, nn.Linear)
        weight = first.weight
        x = F.linear(x, weight[:, self.code :]) + F.linear(codes, weight[:, : self.code])[:, None]
        x = self._normalised(f"bn{fold}1", x)
        for layer in ("2", "3"):
            x = self._normalised(f"bn{fold}{layer}", self.get_submodule(f"conv{fold}{layer}")(x))
        return x

    def _normalised(self, name: str, x: Tensor) -> Tensor:
        return F.relu(self.get_submodule(name)(x.flatten(0, 1))).view_as(x)


def even_uv(count: int) -> Tensor:
    """`count` places spread evenly over the unit square [count, 2]: the Fibonacci lattice, the same at every call."""
    k = torch.arange(count, dtype=torch.float64)
    golden = (5**0.5 - 1) / 2
    return torch.stack([(k + 0.5) / count, (k * golden + 0.5) % 1], 1).float()


def random_uv(cells: int, count: int, generator: torch.Generator) -> Tensor:
    """Places drawn from U[0, 1]^2, others for each cell [cells, count, 2]. The same generator state gives the same places."""
    return torch.rand(cells, count, 2, generator=generator, device=generator.device)
