"""The losses of JOF, by the numbers of their equations. All are means, so that their weights hang on no size; codes are the exception."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.models.jof.network import Codes

CHROMATICITY, SPARSITY, WHITE, SILHOUETTE = 15.0, 0.8, 1.0, 0.5
"""alpha and p of albedo constancy, c of white shading, o_j inside of a silhouette (section 3.4.1)."""


def occupancy_loss(found: Tensor, occupied: Tensor) -> Tensor:
    """L_S of equation (8): [B, N] against bool [B, N]."""
    return F.mse_loss(found, occupied.to(found.dtype))


def albedo_loss(found: Tensor, colours: Tensor, occupied: Tensor) -> Tensor:
    """L_A of equation (8) over the occupied points: [B, N, 3] against [B, N, 3], in -1..1. Air has no colour to compare."""
    weight = occupied.to(found.dtype)[..., None]
    return ((found - colours) ** 2 * weight).sum() / (3 * weight.sum()).clamp_min(1)


def places_loss(branches: Tensor, points: Tensor, occupied: Tensor, seeds: Tensor) -> Tensor:
    """Where branches begin (ours): branch j is occupied where the shape is and seed j the nearest. branches [B, N, k], points [B, N, 3],
    occupied bool [B, N], seeds [k, 3]. Of branches that begin alike, the first to win takes all points of all shapes, for ever: only the
    winner learns.
    """
    nearest = torch.cdist(points, seeds.to(points)).argmin(-1)
    own = F.one_hot(nearest, len(seeds)) * occupied[..., None]
    return (branches - own).square().sum(-1).mean()


def balance_loss(branches: Tensor, occupied: Tensor) -> Tensor:
    """That all branches go on taking part (ours): log k minus the entropy, in nats, of their mean shares of the occupied points of a batch.
    branches [B, N, k], occupied bool [B, N]. Shapes may lack a part; a batch of them should not."""
    inside = branches[occupied]
    if not len(inside):
        return branches.sum() * 0
    shares = (inside / inside.sum(-1, keepdim=True).clamp_min(1e-6)).mean(0)
    return math.log(branches.shape[-1]) + (shares * shares.clamp_min(1e-9).log()).sum()


def code_loss(found: Tensor, truth: Tensor) -> Tensor:
    """||E_X(I) - E'_X(V)||^2 of L_2: [B, n], summed over a code and averaged over the batch."""
    return ((found - truth.detach()) ** 2).sum(1).mean()


def silhouette_loss(occupancy: Tensor, mask: Tensor) -> Tensor:
    """Equation (5): occupancy [B, N] at the surface points of N pixels, mask [B, N] (bool). It should be 1/2 inside and 0 outside.

    Inside, a point that a search has found lies above 1/2 by the search's tolerance alone. Its term is left out (ours): the gradient of an
    absolute value is as large for a tolerance as for a true miss, and would shrink whatever is seen.
    """
    inside = (SILHOUETTE - occupancy).clamp_min(0)
    return torch.where(mask, inside, occupancy.abs()).mean()


def photometric_loss(found: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Equation (6): colours [B, N, 3] against [B, N, 3] where the mask [B, N] is set, M. Where no ray hits, the colour is that of
    the point with the largest occupancy along it."""
    weight = mask.to(found.dtype)[..., None]
    return ((found - image).abs() * weight).sum() / (3 * weight.sum()).clamp_min(1)


def albedo_constancy(albedo: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Regularisation of albedo: albedo, image [B, 3, H, W], mask [B, H, W]. Mean over pairs of neighbours that are both in the mask.

    A sum over a pixel's four neighbours counts each pair twice; we count it once.
    """
    chromaticity = image / image.norm(dim=1, keepdim=True).clamp_min(1e-6)
    total, pairs = albedo.new_zeros(()), albedo.new_zeros(())
    for axis in (-1, -2):
        length = albedo.shape[axis] - 1

        def sides(x: Tensor, axis: int = axis, length: int = length) -> tuple[Tensor, Tensor]:
            return x.narrow(axis, 0, length), x.narrow(axis, 1, length)

        (a, b), (c, d), (m, n) = sides(albedo), sides(chromaticity), sides(mask)
        weight = torch.exp(-CHROMATICITY * (c - d).norm(dim=1)) * (m & n).to(albedo.dtype)
        total = total + (weight * (((a - b) ** 2).sum(1) + 1e-8) ** (SPARSITY / 2)).sum()
        pairs = pairs + (m & n).sum()
    return total / pairs.clamp_min(1)


def white_shading(shading: Tensor, mask: Tensor) -> Tensor:
    """Batch-wise white shading: |mean of C over the foreground of the batch - 1|, averaged over the channels. [B, N, 3], [B, N]."""
    weight = mask.to(shading.dtype)[..., None]
    mean = (shading * weight).sum((0, 1)) / weight.sum().clamp_min(1)
    return (mean - WHITE).abs().mean()


def main_variation(features: Tensor) -> Tensor:
    """v: the eigenvector of the largest eigenvalue of the covariance of features [q, C], unit, [C].

    Its value comes from a singular value decomposition; its gradient from power iterations that start there, since that of a
    decomposition divides by differences of eigenvalues, many of which are 0.
    """
    centred = features - features.mean(0, keepdim=True)
    with torch.no_grad():
        v = torch.linalg.svd(centred, full_matrices=False)[2][0]
    for _ in range(8):
        v = F.normalize(centred.T @ (centred @ v), dim=0, eps=1e-20)
    return v


def local_consistency(variations: Tensor, categories: Tensor) -> Tensor:
    """Equation (7): mean of |v_i - v_j|_1 over pairs of one category. variations [B, C], categories [B] (-1: unknown, in no pair).

    An eigenvector has no sign: that of v_j is chosen to agree with v_i.
    """
    size = len(variations)
    i, j = torch.triu_indices(size, size, 1, device=variations.device)
    same = (categories[i] == categories[j]) & (categories[i] >= 0)
    if not bool(same.any()):
        return variations.sum() * 0
    a, b = variations[i[same]], variations[j[same]]
    sign = torch.where((a * b).sum(1, keepdim=True).detach() < 0, -1.0, 1.0)
    return (a - sign * b).abs().sum(1).mean()


def code_losses(found: Codes, truth: Codes) -> dict[str, Tensor]:
    """One loss for each code, by the names of recipes."""
    return {f"{name}_code": code_loss(a, b) for name, a, b in zip(Codes._fields, found, truth, strict=True) if a.shape[-1]}
