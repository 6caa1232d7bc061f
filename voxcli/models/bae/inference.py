"""BAE-NET at work: shapes in, their parts out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli import backend, config
from voxcli.errors import FileFormatError, UsageError
from voxcli.models.bae.network import BAEConfig, BAENet
from voxcli.models.weights import Weights, load_weights


@dataclass(frozen=True)
class ShapeParts:
    """A network that divides shapes of its category: the code of a shape, then which branch wins where."""

    network: BAENet
    device: torch.device

    @property
    def names(self) -> tuple[str, ...]:
        """part-1 .. part-k."""
        return tuple(f"part-{k}" for k in range(1, self.network.config.branches + 1))

    def codes(self, occupied: np.ndarray, colours: np.ndarray) -> Tensor:
        """The code of occupancy [64, 64, 64] in the object's own frame over [-1/2, 1/2]^3; colours are not looked at."""
        with torch.no_grad():
            return self.network.encode(torch.from_numpy(occupied.astype(np.float32))[None, None].to(self.device))

    def parts(self, codes: Tensor, points: np.ndarray) -> np.ndarray:
        """The winning branch, 0 .. k - 1, of points [N, 3] of the object's own frame."""
        at = torch.from_numpy(np.asarray(points, np.float32))[None].to(self.device)
        with torch.no_grad():
            found = [self.network.branches(codes, some).argmax(-1) for some in at.split(1 << 15, 1)]
        return torch.cat(found, 1)[0].cpu().numpy()


def load_shape_parts(weights: str | Path | Weights, device: str = "auto", dtype: str = "auto") -> ShapeParts:
    """What `segment` needs of a weights file. Raises FileFormatError for weights of another model, or that do not fit themselves."""
    name = "The weights" if isinstance(weights, Weights) else f"'{weights}'"
    weights = weights if isinstance(weights, Weights) else load_weights(weights)
    if weights.model != "bae":
        raise FileFormatError(f"{name}: weights of another model.", expected="bae", actual=weights.model)
    if dtype not in ("auto", "float32"):
        raise UsageError("bae tells parts in float32: its branches differ by less than other types can tell.", actual=dtype)
    with torch.device("meta"):
        network = BAENet(config.from_mapping(BAEConfig, weights.config, f"{name}: configuration"))
    try:
        network.load_state_dict(weights.tensors, assign=True)
    except (RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileFormatError(f"{name}: weights that do not fit their own configuration.", actual=reason) from error
    where = backend.pick_device(device)
    return ShapeParts(network.eval().requires_grad_(False).to(where), where)
