"""Exact distances from points to the surface of a mesh."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from voxcli.errors import DataError
from voxcli.geometry.nearest import nearest
from voxcli.shapes import check_shape

_PAIRS = 1 << 20
"""Point-triangle pairs measured at once."""


def point_triangle_squared(points: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Squared distances from points to triangles abc, all [P 3] -> [P] (Ericson, Real-Time Collision Detection, 5.1.5).

    The nearest point is inside the triangle, or on one of its edges: the least of the plane's distance, where its foot lies inside, and
    the three segments'. Triangles without area are their edges.

    >>> a, b, c = torch.tensor([[0.0, 0, 0]]), torch.tensor([[3.0, 0, 0]]), torch.tensor([[0.0, 4, 0]])
    >>> point_triangle_squared(torch.tensor([[1.0, 1, 2]]), a, b, c).tolist()
    [4.0]
    """
    ab, ac, ap = b - a, c - a, points - a
    normal = torch.linalg.cross(ab, ac)
    area2 = normal.square().sum(-1)
    safe = area2.where(area2 > 0, torch.ones_like(area2))
    # Barycentric coordinates of the foot of the perpendicular.
    v = (torch.linalg.cross(ap, ac) * normal).sum(-1) / safe
    w = (torch.linalg.cross(ab, ap) * normal).sum(-1) / safe
    inside = (v >= 0) & (w >= 0) & (v + w <= 1) & (area2 > 0)
    plane = (ap * normal).sum(-1).square() / safe
    edges = torch.minimum(torch.minimum(_segment_squared(points, a, b), _segment_squared(points, b, c)), _segment_squared(points, c, a))
    return torch.where(inside, torch.minimum(plane, edges), edges)


def _segment_squared(points: Tensor, a: Tensor, b: Tensor) -> Tensor:
    direction = b - a
    length = direction.square().sum(-1)
    t = ((points - a) * direction).sum(-1) / length.where(length > 0, torch.ones_like(length))
    return (points - a - t.clamp(0, 1)[:, None] * direction).square().sum(-1)


def distance_to_surface(points: Tensor, vertices: Tensor, faces: Tensor) -> Tensor:
    """Distance from every point to the nearest point of the surface: points [N 3], vertices [V 3], faces [F 3] -> [N].

    Exact: the distance to the nearest used vertex bounds the answer from above, and a triangle can only beat it if its centre lies within
    that bound plus its radius. Triangles are searched in groups of like radius, so that one long triangle does not make all of them
    candidates. Not differentiable. Raises DataError for a mesh without faces.

    >>> vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]])
    >>> faces = torch.tensor([[0, 1, 2]])
    >>> distance_to_surface(torch.tensor([[1.0, 1, 2], [-3, 0, 4]]), vertices, faces).tolist()
    [2.0, 5.0]
    """
    check_shape(points, "N 3", "points")
    check_shape(faces, "F 3", "faces")
    if len(faces) == 0:
        raise DataError("The mesh has no faces, so it has no surface to measure to.")
    device, dtype = points.device, points.dtype
    points, corners = points.detach().double().cpu(), vertices.detach().double().cpu()[faces.cpu()]  # [F 3 3]
    best = nearest(points, corners.reshape(-1, 3))[0].square()
    centres = corners.mean(1)
    radii = (corners - centres[:, None]).norm(dim=-1).amax(1)
    groups = np.unique(np.ceil(np.log2(radii.clamp_min(1e-300).numpy())), return_inverse=True)[1]
    for group in range(groups.max() + 1):
        members = torch.from_numpy(np.flatnonzero(groups == group))
        _improve(best, points, corners[members], centres[members], float(radii[members].max()))
    return best.sqrt().to(device=device, dtype=dtype)


def _improve(best: Tensor, points: Tensor, corners: Tensor, centres: Tensor, radius: float) -> None:
    """Lower `best` (squared) in place by the triangles of one group, whose corners all lie within `radius` of their centres."""
    from scipy.spatial import cKDTree

    tree = cKDTree(centres.numpy(), balanced_tree=False, compact_nodes=False)
    todo = np.arange(len(points))
    reach = best.sqrt().numpy() * (1 + 1e-12) + radius
    # The nearest centre's triangle first: it lowers most bounds far below the vertex bound, so that few pairs are left.
    _, first = tree.query(points.numpy(), workers=-1)
    close = torch.from_numpy(np.asarray(first))
    a, b, c = corners[close].unbind(1)
    torch.minimum(best, point_triangle_squared(points, a, b, c), out=best)
    reach = best.sqrt().numpy() * (1 + 1e-12) + radius
    counts = tree.query_ball_point(points.numpy(), reach, workers=-1, return_length=True)
    ends = np.cumsum(counts)
    start = 0
    while start < len(todo):
        stop = max(int(np.searchsorted(ends, (ends[start - 1] if start else 0) + _PAIRS)), start + 1)
        found = tree.query_ball_point(points[start:stop].numpy(), reach[start:stop], workers=-1)
        flat = torch.from_numpy(np.concatenate([np.asarray(f, np.int64) for f in found]))
        owner = torch.from_numpy(np.repeat(np.arange(start, stop), counts[start:stop]))
        a, b, c = corners[flat].unbind(1)
        best.scatter_reduce_(0, owner, point_triangle_squared(points[owner], a, b, c), "amin")
        start = stop
