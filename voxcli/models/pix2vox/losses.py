"""What Pix2Vox is trained by (section 3.2.5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.training.counting import sample_ious


def cross_entropy(probabilities: Tensor, truth: Tensor) -> Tensor:
    """Equation (3) with the minus sign that it lacks: the mean over all voxels. Both [B, X, Y, Z]; truth is bool or 0..1.

    Probabilities are kept 1e-7 away from 0 and 1, where the logarithm ends.
    """
    p = probabilities.float().clamp(1e-7, 1 - 1e-7)
    t = truth.float()
    return -(t * torch.log(p) + (1 - t) * torch.log1p(-p)).mean()


def cross_entropy_of_logits(logits: Tensor, truth: Tensor) -> Tensor:
    """The same from logits, exact wherever they lie."""
    return F.binary_cross_entropy_with_logits(logits.float(), truth.float())


def overlaps(probabilities: Tensor, truth: Tensor, thresholds: tuple[float, ...]) -> Tensor:
    """Intersection over union of each sample at each threshold, `>=` (section 4.1): [B, X, Y, Z] -> [B, T] float64; two empties give 1."""
    return torch.stack([sample_ious(probabilities.float() >= threshold, truth.bool()) for threshold in thresholds], 1)
