"""IoU without a common grid: of shells seen by points, and of points that are inside or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from voxcli.errors import DataError
from voxcli.geometry.inside import points_inside
from voxcli.metrics.records import COUNTS, Record, make_record
from voxcli.metrics.volumes import SHELL_RESOLUTION
from voxcli.provenance import Recordable
from voxcli.shapes import check_shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.records import Names


def shell_record(pred: Tensor, gt: Tensor, /, *, resolution: int = SHELL_RESOLUTION, low: float = -1.0, high: float = 1.0,
                 percent: bool = False, **names: Unpack[Names]) -> Record:  # fmt: skip
    """The record of the shell IoU; `parts.outside` is the share of each set's points that lie outside the box, and were left out.

    >>> shell_record(torch.zeros(1, 3), torch.tensor([[0.0, 0, 0], [2, 0, 0]]))["parts"]["outside"]
    {'pred': 0.0, 'gt': 0.5}
    """
    cells = [_cells_hit(p, resolution, low, high) for p in (pred, gt)]
    both, either = int((cells[0] & cells[1]).sum()), int((cells[0] | cells[1]).sum())
    if not either and (len(pred) or len(gt)):
        raise DataError("All points lie outside the box of the shell grid.", expected=f"points in [{low:g}, {high:g}]^3",
                        hint="--preset uclid brings both into the frame of the truth.")  # fmt: skip
    value = both / either if either else 1.0
    params: dict[str, Recordable] = {
        "of": "shell",
        "resolution": resolution,
        "box": [low, high],
        "samples": [len(pred), len(gt)],
        "percent": percent,
    }
    outside = [float(((p < low) | (p > high)).any(-1).double().mean()) if len(p) else 0.0 for p in (pred, gt)]
    parts: dict[str, Recordable] = {"outside": dict(zip(("pred", "gt"), outside, strict=True)), COUNTS: {"shell": [both, either]}}
    return make_record("iou", 100 * value if percent else value, parts=parts, params=params, **names)


def _cells_hit(points: Tensor, resolution: int, low: float, high: float) -> Tensor:
    check_shape(points, "N 3", "points")
    if not bool(torch.isfinite(points).all()):
        raise DataError("Points must be finite.", actual="NaN or infinite values")
    index = ((points.double() - low) / (high - low) * resolution).floor().long()
    index[points == high] = resolution - 1
    index = index[((index >= 0) & (index < resolution)).all(-1)]
    hit = torch.zeros(resolution**3, dtype=torch.bool)
    hit[(index[:, 0] * resolution + index[:, 1]) * resolution + index[:, 2]] = True
    return hit


# ------------------------------------------------------------------------------------------------ meshes, by points in a box


def common_box_points(pred: Tensor, gt: Tensor, count: int, generator: torch.Generator, padding: float = 0.1) -> Tensor:
    """`count` points drawn evenly in the box around both vertex sets, its sides lengthened by `padding` as in ONet -> [count 3] float64.

    >>> common_box_points(torch.zeros(1, 3), torch.ones(1, 3), 5, torch.Generator().manual_seed(0)).shape
    torch.Size([5, 3])
    """
    every = torch.cat([pred, gt]).double()
    low, high = every.amin(0), every.amax(0)
    centre, size = (low + high) / 2, (high - low) * (1 + padding)
    return centre + (torch.rand(count, 3, generator=generator, dtype=torch.float64) - 0.5) * size


def mesh_iou(pred: tuple[Tensor, Tensor], gt: tuple[Tensor, Tensor], /, *, points: int = 100_000, seed: int = 0, padding: float = 0.1,
             **names: Unpack[Names]) -> Record:  # fmt: skip
    """The IoU record of two solids given as (vertices [V 3], faces [F 3]), over points drawn in their common padded box (ONet).

    A mesh without faces is empty: both empty 1, one empty 0.

    >>> none, one = (torch.zeros(0, 3), torch.zeros(0, 3).long()), (torch.eye(3), torch.tensor([[0, 1, 2]]))
    >>> mesh_iou(none, one)["value"]
    0.0
    """
    params: dict[str, Recordable] = {
        "of": "points",
        "points": points,
        "seed": seed,
        "padding": padding,
        "empties": "both empty 1, one empty 0",
    }
    empty = [len(mesh[1]) == 0 for mesh in (pred, gt)]
    if any(empty):
        return make_record("iou", float(all(empty)), parts={COUNTS: {"inside": [0, 0 if all(empty) else points]}}, params=params, **names)
    spots = common_box_points(pred[0], gt[0], points, torch.Generator().manual_seed(seed), padding)
    a, b = points_inside(spots, *pred), points_inside(spots, *gt)
    if not bool((a | b).any()):
        raise DataError("No sampled point lies inside either mesh: they enclose no volume.",
                        hint="Flat or open meshes have no IoU; try chamfer.")  # fmt: skip
    return {**points_record(a, b, **names), "params": params}


def points_record(pred: Tensor, gt: Tensor, /, **names: Unpack[Names]) -> Record:
    """The IoU record of two solids that are known at the same points: whether each point is inside, bool [N].

    >>> points_record(torch.tensor([True, False]), torch.tensor([True, True]))["value"]
    0.5
    """
    both, either = int((pred & gt).sum()), int((pred | gt).sum())
    parts: dict[str, Recordable] = {"inside": [int(pred.sum()), int(gt.sum())], COUNTS: {"inside": [both, either]}}
    params: dict[str, Recordable] = {"of": "points", "points": len(gt), "drawn": "by the file", "empties": "both empty 1, one empty 0"}
    return make_record("iou", both / either if either else 1.0, parts=parts, params=params, **names)
