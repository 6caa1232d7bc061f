"""Losses that several models share."""

from __future__ import annotations

from torch import Tensor


def soft_overlap_loss(probabilities: Tensor, truth: Tensor) -> Tensor:
    """1 - the intersection over union of soft occupancies, mean over samples (ours: it does not care how empty a volume or picture is)."""
    p, t = probabilities.float().flatten(1), truth.float().flatten(1)
    both = (p * t).sum(1)
    return (1 - both / (p.sum(1) + t.sum(1) - both).clamp(min=1e-6)).mean()
