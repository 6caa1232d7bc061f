"""How strange a picture is to a network: how far its features lie from those of the pictures that the network learnt from.

The features are means and spreads of the encoder's maps. Their principal components in the training pictures span what such pictures are
about; in these components the squared Mahalanobis distance from the training pictures' mean, per component, is the strangeness: about 1 for
a training picture. What lies outside of the components is not looked at: photographs differ from renderings there, whatever they show.

Measured with EfficientNet-Lite0 as ImageNet left it, pictures of two pixels a column, 200 renderings of `synth street` to learn from and 80
others for the threshold, eight random divisions. Features: mean and spread of the maps at 1/8 and 1/16 of the picture's size, mean of that
at 1/32 (624 numbers). Shares that are called strange, far frustum / near frustum, in per cent:

| components | 51 street photographs | 24 pictures of skimage.data |
|---|---|---|
| 16 | 0 / 3 | 88 / 90 |
| 24 | 0 / 0 (the strangest at 0.64 / 0.82 of the threshold) | 95 / 97 |
| 32 | 4 / 0 | 100 / 100 |
| 40 | 22 / 11 | 100 / 100 |
| 24, without spreads | 1 / 0 | 97 / 92 |
| 24, of the coarsest map alone | 32 / 0 | 96 / 60 |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from voxcli.errors import DataError, FileFormatError, VoxcliError
from voxcli.provenance import Meta
from voxcli.shapes import check_shape

COMPONENTS = 24
MOST_WARNED = 0.05
"""Share of held-out pictures of the training's kind that may be called strange."""
PREFIX = "familiarity."
_NAMES = ("mean", "axes", "threshold")


def pooled(maps: Sequence[Tensor]) -> Tensor:
    """What is compared of an encoder's maps [B, c_l, h_l, w_l], finest first: mean and spread of each over its positions, of the last one
    the mean alone. Returns float32 [B, C], C = 2 c_1 + 2 c_2 + ... + c_last."""
    found = []
    for number, features in enumerate(maps):
        flat = features.float().flatten(2)
        found.append(flat.mean(2))
        if number < len(maps) - 1:
            found.append(flat.std(2, correction=0))
    return torch.cat(found, 1)


@dataclass(frozen=True)
class Familiarity:
    """mean [C] of the training pictures' features; axes [k, C]: features less the mean become k numbers of mean 0 and variance 1;
    threshold: the strangeness above which a picture is called strange. Float32 on the CPU."""

    mean: Tensor
    axes: Tensor
    threshold: float

    def strangeness(self, features: Tensor) -> Tensor:
        """Of features [B, C] (see `pooled`), on any device: float32 [B] on the CPU."""
        check_shape(features, f"B {len(self.mean)}", "features")
        return ((features.detach().float().cpu() - self.mean) @ self.axes.T).square().mean(1)

    def facts(self, features: Tensor) -> list[Meta]:
        """For the meta of each of B predictions, as key `strangeness`: what the command line warns by."""
        return [{"score": _rounded(float(score)), "threshold": _rounded(self.threshold)} for score in self.strangeness(features)]

    def tensors(self) -> dict[str, Tensor]:
        """As they lie in a weights file beside the network's own, whose names never begin so: 2 (k + 1) C bytes in half precision."""
        return dict(zip((PREFIX + name for name in _NAMES), (self.mean, self.axes, torch.tensor(self.threshold)), strict=True))


def learn(features: Tensor, held_out: Tensor, components: int = COMPONENTS) -> Familiarity:
    """From features [N, C] of training pictures, N more than the components, and of others of their kind [M, C] that the threshold is
    taken from: at most 5 % of these are above it.

    Features of other scales count alike: each is divided by its spread first. Raises DataError for too few pictures.
    """
    sizes = check_shape(features, "N C", "features")
    check_shape(held_out, "M C", "held-out features", {"C": sizes["C"]})
    if min(len(features) - 1, sizes["C"]) < components or len(held_out) < 1 / MOST_WARNED:
        raise DataError("Too few pictures to tell the strange ones from.", expected=f"over {components} and {1 / MOST_WARNED:.0f} held out",
                        actual=f"{len(features)} and {len(held_out)}",
                        hint="Every fifth picture is held out: give at least 100.")  # fmt: skip
    x = features.double().cpu()
    mean, spread = x.mean(0), x.std(0, correction=0)
    # A feature that hardly varies says nothing, and one divided by next to nothing would not fit into half precision.
    spread = spread.masked_fill(spread < 1e-3 * spread.median().clamp(min=1e-6), torch.inf)
    _, lengths, directions = torch.linalg.svd((x - mean) / spread, full_matrices=False)
    deviations = lengths[:components] / len(x) ** 0.5
    if not bool(deviations[-1] > 1e-6 * deviations[0]):
        raise DataError("The pictures differ in fewer ways than are asked for.", expected=f"{components} components")
    axes = directions[:components] / deviations[:, None] / spread
    # As they come back from a file of half precision, so that the threshold holds for what is shipped.
    made = Familiarity(mean.half().float(), axes.half().float(), 0.0)
    scores = made.strangeness(held_out).sort().values
    return Familiarity(made.mean, made.axes, float(scores[-1 - int(MOST_WARNED * len(scores))]) * 1.001)


def split(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Familiarity | None]:
    """The tensors of a weights file as the network's own, and what they know of strange pictures, if anything. Raises FileFormatError for
    a part of it."""
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(PREFIX)}
    if len(own) == len(tensors):
        return own, None
    try:
        mean, axes, threshold = (tensors[PREFIX + name].float() for name in _NAMES)
        check_shape(axes, f"k {len(mean)}", "axes")
        return own, Familiarity(mean, axes, float(threshold))
    except (KeyError, RuntimeError, TypeError, ValueError, VoxcliError) as error:
        raise FileFormatError("The weights hold a part of what tells strange pictures.", expected=", ".join(PREFIX + n for n in _NAMES),
                              actual=str(error)[:120]) from error  # fmt: skip


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
