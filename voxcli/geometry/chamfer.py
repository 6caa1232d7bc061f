"""The Chamfer distance of clouds of different lengths, to train on."""

from __future__ import annotations

import torch
from torch import Tensor

from voxcli.errors import ShapeError
from voxcli.geometry.nearest import nearest_both, squared_distance_to
from voxcli.shapes import check_shape


def ragged_chamfer(points: Tensor, owner: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Chamfer-L2 of each of B clouds, given one after another: mean squared distance to the truth plus that of the truth to it.

    points [M 3] of all clouds, owner [M] int64 from 0 to B - 1 in ascending order, truth [B N 3]. Returns the distances [B], 0 for a cloud
    without a point, and which clouds have any [B] bool. Differentiable in points and truth. Raises DataError for NaN and infinite points.

    >>> points = torch.tensor([[0.0, 0, 0], [3, 0, 0]])
    >>> truth = torch.zeros(2, 1, 3)
    >>> ragged_chamfer(points, torch.tensor([0, 1]), truth)[0].tolist()             # 3^2 there and 3^2 back
    [0.0, 18.0]
    """
    check_shape(points, "M 3", "points")
    check_shape(truth, "B N 3", "true points")
    if owner.shape != points.shape[:1]:
        raise ShapeError("Each point has one owner.", expected=list(points.shape[:1]), actual=list(owner.shape))
    counts = torch.bincount(owner, minlength=len(truth)).tolist()
    distances = []
    for cloud, wanted in zip(points.split(counts), truth, strict=True):
        if not len(cloud):
            distances.append(cloud.sum())  # 0, and part of the graph where the cloud is
            continue
        (_, to), (_, back) = nearest_both(cloud.detach(), wanted.detach())
        distances.append(squared_distance_to(cloud, wanted, to).mean() + squared_distance_to(wanted, cloud, back).mean())
    return torch.stack(distances), torch.tensor([count > 0 for count in counts], device=points.device)
