"""How well a branched field does on point-value pairs: occupancy, and parts. Shared with its baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

NAMES = 16
"""True part labels that are counted; 0 is air."""


def branch_tally(branches: Tensor, occupied: Tensor, parts: Tensor, categories: Tensor, count: int, threshold: float = 0.5) -> Tensor:
    """[count, 2 + k * NAMES]: for each category the sum of intersections over union and the number of shapes, then how often each branch
    won where each part truly is. branches [B, N, k], occupied [B, N], parts [B, N] (255: unknown), categories [B]."""
    best, winner = branches.max(-1)
    found = best >= threshold
    union = (found | occupied).sum(1)
    share = torch.where(union > 0, (found & occupied).sum(1) / union.clamp_min(1), torch.ones_like(union, dtype=best.dtype))
    k = branches.shape[-1]
    rows = torch.zeros(len(branches), 2 + k * NAMES, dtype=torch.float64, device=branches.device)
    rows[:, 0], rows[:, 1] = share.double(), 1
    known = (parts > 0) & (parts < NAMES)
    flat = 2 + winner * NAMES + parts.long().clamp(max=NAMES - 1)
    rows.scatter_add_(1, flat, known.double())
    total = torch.zeros(count, rows.shape[1], dtype=torch.float64, device=branches.device)
    return total.index_add_(0, categories.to(branches.device), rows)


def branch_summary(total: Tensor, names: list[str]) -> tuple[float, dict[str, Any]]:
    """(mean over shapes of the intersection over union, record). `parts` is the share of points whose branch, taken to mean the part that
    it wins most often in its category, is right: 1 for perfect parts, the share of the largest part for none."""
    sums, counts = total[:, 0], total[:, 1]
    mean = float(sums.sum() / counts.sum().clamp_min(1))
    table = total[:, 2:].unflatten(1, (-1, NAMES))                                               # [C, k, parts]
    seen = table.sum((1, 2))
    right = table.amax(2).sum(1) / seen.clamp_min(1)
    of_category = {n: round(float(s / c), 5) if c else None for n, s, c in zip(names, sums, counts, strict=True)}
    parts = {n: round(float(r), 5) if c else None for n, r, c in zip(names, right, seen, strict=True)}
    known = [value for value in parts.values() if value is not None]
    mean_parts = round(float(np.mean(known)), 5) if known else None
    return mean, {"iou": round(mean, 5), "iou_of": of_category, "parts": parts, "mean_parts": mean_parts}


def winners_picture(winners: np.ndarray, branches: int) -> np.ndarray:
    """Winning branches [X, Y, Z] (-1 = air) seen along z and along x, +y up, one colour a branch: uint8 [H, W, 3]."""
    import colorsys

    wheel = [colorsys.hsv_to_rgb(k / branches, 0.75, 0.9) for k in range(branches)]
    colours = np.array([(1.0, 1.0, 1.0), *wheel])
    tiles = []
    for axis in (2, 0):
        toward = np.moveaxis(np.flip(winners, axis), axis, 0)                                    # [depth, a, b]
        first = (toward >= 0).argmax(0)
        value = np.take_along_axis(toward, first[None], 0)[0]
        shade = np.where(value < 0, 1.0, 1 - 0.6 * first / len(toward))
        picture = colours[value + 1] * shade[..., None]
        tiles.append(picture.swapaxes(0, 1)[::-1] if axis == 2 else picture[::-1])
    return (np.kron(np.concatenate(tiles, 1), np.ones((3, 3, 1))) * 255).astype(np.uint8)
