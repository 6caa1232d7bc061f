"""What the trainings of branched fields share, JOF and its baseline BAE-NET: data, and how well branches do on point-value pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli.config import Value
from voxcli.geometry.field_surface import cell_centres
from voxcli.models.branched.batches import ShapeBatch, ShapeSample, ShapeSamples, collate
from voxcli.training.counting import sample_ious
from voxcli.training.task import Config, Context, Network, Task

NAMES = 16
"""True part labels that are counted; 0 is air."""

SHOWN = 40
"""Cells a side of the fields in previews."""


class BranchTask(Task[Network, Config, ShapeSamples, ShapeSample, ShapeBatch]):
    """A task on shapes with point-value pairs. `tally` returns `branch_tally`."""

    threshold: float = 0.5
    """Occupancy from which on a point is inside."""
    collate = staticmethod(collate)

    def open_data(self, sources: Sequence[str | Path], options: Mapping[str, Value]) -> ShapeSamples:
        """Folders that `synth objects` wrote, or of published .mat shapes. options: `split`, `categories` and, for JOF, `images`."""
        return ShapeSamples(sources, options)

    def log_facts(self, data: ShapeSamples, constants: Mapping[str, Tensor]) -> dict[str, Value]:
        """The categories that there are."""
        return {"categories": data.categories}

    def summary(self, total: Tensor, context: Context[ShapeSamples]) -> tuple[float, dict[str, Value]]:
        """See `branch_summary`."""
        return branch_summary(total, context.data.categories)

    def weight_facts(self, data: ShapeSamples) -> dict[str, Value]:
        """The categories that the network has seen."""
        return {"categories": data.categories, "threshold": self.threshold}


def branch_tally(branches: Tensor, batch: ShapeBatch, count: int, threshold: float = 0.5) -> Tensor:
    """[count, 2 + k * NAMES]: for each category the sum of intersections over union and the number of shapes, then how often each branch
    won where each part truly is. branches [B, N, k] at the batch's points; count: of the categories."""
    best, winner = branches.max(-1)
    k = branches.shape[-1]
    rows = torch.zeros(len(branches), 2 + k * NAMES, dtype=torch.float64, device=branches.device)
    rows[:, 0], rows[:, 1] = sample_ious(best >= threshold, batch.occupied).float().double(), 1
    known = (batch.parts > 0) & (batch.parts < NAMES)
    flat = 2 + winner * NAMES + batch.parts.long().clamp(max=NAMES - 1)
    rows.scatter_add_(1, flat, known.double())
    total = torch.zeros(count, rows.shape[1], dtype=torch.float64, device=branches.device)
    return total.index_add_(0, batch.categories.to(branches.device), rows)


def branch_summary(total: Tensor, names: list[str]) -> tuple[float, dict[str, Value]]:
    """(mean over shapes of the intersection over union, record). `parts` is the share of points whose branch, taken to mean the part that
    it wins most often in its category, is right: 1 for perfect parts, the share of the largest part for none."""
    sums, counts = total[:, 0], total[:, 1]
    mean = float(sums.sum() / counts.sum().clamp_min(1))
    table = total[:, 2:].unflatten(1, (-1, NAMES))  # [C, k, parts]
    seen = table.sum((1, 2))
    right = table.amax(2).sum(1) / seen.clamp_min(1)
    of_category = {n: round(float(s / c), 5) if c else None for n, s, c in zip(names, sums, counts, strict=True)}
    parts = {n: round(float(r), 5) if c else None for n, r, c in zip(names, right, seen, strict=True)}
    known = [value for value in parts.values() if value is not None]
    mean_parts = round(float(np.mean(known)), 5) if known else None
    return mean, {"iou": round(mean, 5), "iou_of": of_category, "parts": parts, "mean_parts": mean_parts}


def cube_points(device: torch.device) -> Tensor:
    """The centres of SHOWN^3 cells of [-1, 1]^3: [1, SHOWN^3, 3]."""
    return cell_centres(torch.arange(SHOWN**3, device=device), SHOWN)[None].to(device)


def winners_view(branches: Tensor, threshold: float) -> np.ndarray:
    """`winners_picture` of the occupancies of branches at `cube_points`, [SHOWN^3, k]."""
    best, winner = (x.view(SHOWN, SHOWN, SHOWN).cpu().numpy() for x in branches.float().max(-1))
    return winners_picture(np.where(best >= threshold, winner, -1), branches.shape[-1])


def winners_picture(winners: np.ndarray, branches: int) -> np.ndarray:
    """Winning branches [X, Y, Z] (-1 = air) seen along z and along x, +y up, one colour a branch: uint8 [H, W, 3]."""
    import colorsys

    wheel = [colorsys.hsv_to_rgb(k / branches, 0.75, 0.9) for k in range(branches)]
    colours = np.array([(1.0, 1.0, 1.0), *wheel])
    tiles = []
    for axis in (2, 0):
        toward = np.moveaxis(np.flip(winners, axis), axis, 0)  # [depth, a, b]
        first = (toward >= 0).argmax(0)
        value = np.take_along_axis(toward, first[None], 0)[0]
        shade = np.where(value < 0, 1.0, 1 - 0.6 * first / len(toward))
        picture = colours[value + 1] * shade[..., None]
        tiles.append(picture.swapaxes(0, 1)[::-1] if axis == 2 else picture[::-1])
    return (np.kron(np.concatenate(tiles, 1), np.ones((3, 3, 1))) * 255).astype(np.uint8)
