"""Losses of pix2pixHD: least squares for the verdicts, and matching of the discriminators' features. Its perceptual loss is left out: it
needs a network trained elsewhere, and no weights are fetched here."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Features = Sequence[Sequence[Tensor]]
"""Of each scale, each level; a scale's last is its verdict."""


def verdict_loss(found: Features, target: float) -> Tensor:
    """Mean over the scales of the mean of (D - target)^2."""
    return torch.stack([(levels[-1].float() - target).square().mean() for levels in found]).mean()


def feature_loss(made: Features, real: Features) -> Tensor:
    """Mean over scales and levels, verdicts left out, of mean |D_i(made) - D_i(real)|; the real ones are held still."""
    pairs = [(a, b) for levels, others in zip(made, real, strict=True) for a, b in zip(levels[:-1], others[:-1], strict=True)]
    return torch.stack([(a.float() - b.detach().float()).abs().mean() for a, b in pairs]).mean()
