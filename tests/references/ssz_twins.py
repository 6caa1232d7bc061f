"""Slow, obvious twins of what the SSZ generator and its loss compute."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def transposed_by_definition(x: Tensor, weight: Tensor) -> Tensor:
    """Every input fruxel stamps its scaled kernel onto the output; then the padding of 1 is cut off."""
    b, c, d, h, w = x.shape
    canvas = x.new_zeros(b, c, 2 * d + 2, 2 * h + 2, 2 * w + 2)
    for i in range(d):
        for j in range(h):
            for k in range(w):
                stamp = x[:, :, i, j, k, None, None, None] * weight[:, 0]
                canvas[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4, 2 * k : 2 * k + 4] += stamp
    return canvas[:, :, 1:-1, 1:-1, 1:-1]


def inflated_by_concatenation(volume: Tensor, image: Tensor, w_volume: Tensor, w_image: Tensor, bias: Tensor) -> Tensor:
    """The paper's copy-inflate skip in its words: copy the image's features d times, concatenate, convolve pointwise."""
    copies = torch.stack([image] * volume.shape[2], dim=2)
    weight = torch.cat([w_volume, w_image], dim=1)[..., None]
    return F.conv3d(torch.cat([volume, copies], dim=1), weight, bias)


def equation_two(probabilities: list, labels: list, k: list[float]) -> float:
    """Equation (2) for one sample as nested lists: probabilities [n][d][h][w], labels [d][h][w]."""
    total, count = 0.0, 0
    for z, plane in enumerate(labels):
        for y, row in enumerate(plane):
            for x, f in enumerate(row):
                total += -k[f] * math.log(probabilities[f][z][y][x])
                count += 1
    return total / (sum(k) * count)


def dice_and_likelihood(scores: Tensor, labels: Tensor, k: Tensor, likelihood: float, dice: float, ignore: int) -> Tensor:
    """Both loss terms from one-hot tensors, by autograd."""
    keep = labels != ignore
    truth = labels.long().masked_fill(~keep, 0)
    n = scores.shape[1]
    log_p = F.log_softmax(scores, 1)
    hit = log_p.gather(1, truth[:, None])[:, 0]
    nll = -(k[truth] * hit * keep).sum() / (k.sum() * labels.numel())
    one_hot = F.one_hot(truth, n).permute(0, 4, 1, 2, 3) * keep[:, None]
    p = log_p.exp() * keep[:, None]
    over = (0, 2, 3, 4)
    shown = one_hot.sum(over) > 0
    ratio = 2 * (p * one_hot).sum(over) / (p.sum(over) + one_hot.sum(over))
    return likelihood * nll + dice * (1 - ratio[shown].mean())


def pooled_by_counting(labels, empty: int):
    """2x2x2 pooling of labels, cell by cell."""
    import numpy as np

    out = np.zeros([s // 2 for s in labels.shape], labels.dtype)
    for i in np.ndindex(out.shape):
        cell = labels[tuple(slice(2 * a, 2 * a + 2) for a in i)].reshape(-1)
        solid = cell[cell != empty]
        out[i] = np.bincount(solid).argmax() if len(solid) else empty
    return out
