"""What UCLID-Net and its regressors are trained on."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from voxcli.geometry.chamfer import ragged_chamfer


def occupancy_loss(logits: Tensor, occupancy: Tensor) -> Tensor:
    """Binary cross-entropy of cells [B, 28, 28, 28], mean over all: the first term of section 3.2."""
    return F.binary_cross_entropy_with_logits(logits, occupancy.to(logits))


def chamfer_loss(points: Tensor, cells: Tensor, truth: Tensor) -> Tensor:
    """Chamfer-L2, mean over the samples of which any cell is occupied: the second term. points [M, K, 3] of cells [M, 4], truth [B, N, 3].

    Where none is, the occupancies alone have something to learn, and this is 0.
    """
    owner = cells[:, 0].repeat_interleave(points.shape[1])
    distances, there = ragged_chamfer(points.flatten(0, 1).float(), owner, truth.float())
    return distances.sum() / there.sum().clamp(min=1)


def depth_terms(depth: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Terms of the depth regressor, from [B, H, W] each, background at the far end.

    `log`: root of the mean squared difference of logarithms. `gradient`: mean difference of the steps between neighbours. `normal`:
    1 - the cosine between the normals (-dz/dx, -dz/dy, 1), one cell of the map as the unit of both directions.
    """
    (x, y), (true_x, true_y) = _steps(depth), _steps(truth)
    dot = x * true_x + y * true_y + 1
    cosine = dot / ((x * x + y * y + 1) * (true_x * true_x + true_y * true_y + 1)).sqrt()
    return {
        "log": (depth.log() - truth.log()).square().mean().sqrt(),
        "gradient": (x - true_x).abs().mean() + (y - true_y).abs().mean(),
        "normal": 1 - cosine.mean(),
    }


def _steps(depth: Tensor) -> tuple[Tensor, Tensor]:
    across, down = depth[:, :-1, 1:] - depth[:, :-1, :-1], depth[:, 1:, :-1] - depth[:, :-1, :-1]
    return across, down


def camera_loss(motion: Tensor, truth: Tensor, points: Tensor) -> Tensor:
    """Mean distance, by the sum of absolute differences, between points [B, N, 3] moved by two cameras [B, 4, 4] (DISN)."""
    apart = points @ (motion - truth)[:, :3, :3].mT + (motion - truth)[:, None, :3, 3]
    return apart.abs().sum(-1).mean()
