"""Whether points lie inside a mesh, by signed crossings of rays with its faces."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from voxcli.errors import DataError
from voxcli.shapes import check_shape

_PAIRS = 1 << 21


def points_inside(points: Tensor, vertices: Tensor, faces: Tensor) -> Tensor:
    """True for points inside the surface: points [N 3], vertices [V 3], faces [F 3] -> bool [N].

    From every point rays go out both ways along the three axes; each counts the faces that it crosses, those it leaves through +1, those
    it enters through -1. A point is inside where the mean of the six counts is at least one half, of either sign: for a closed mesh all
    six are its winding number, so overlapping parts unite; for open shells and doubled faces they vote. float64. Raises DataError for a
    mesh without faces.

    >>> vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    >>> faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> points_inside(torch.tensor([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]], dtype=torch.float64), vertices, faces).tolist()
    [True, False]
    """
    check_shape(points, "N 3", "points")
    check_shape(faces, "F 3", "faces")
    if len(faces) == 0:
        raise DataError("The mesh has no faces, so it has no inside.")
    spots, corners = points.detach().double().cpu().numpy(), vertices.detach().double().cpu().numpy()[faces.cpu().numpy()]
    votes = np.zeros(len(spots))
    for axis in range(3):
        votes += _crossings(np.roll(spots, -axis, axis=1), np.roll(corners, -axis, axis=2))
    return torch.from_numpy(np.abs(votes) >= 3).to(points.device)


def _crossings(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Signed crossings above and below each point along the last axis, added up: points [N 3], corners [F 3 3] -> [N]."""
    a, b, c = (corners[:, k, :2] for k in range(3))
    area = _cross(b - a, c - a)
    standing = area != 0  # a face seen edge-on is not crossed
    corners, area = corners[standing], area[standing]
    votes = np.zeros(len(points))
    if not len(corners):
        return votes
    face, point = _candidates(points[:, :2], corners[:, :, :2])
    for start in range(0, len(face), _PAIRS):
        f, p = face[start : start + _PAIRS], point[start : start + _PAIRS]
        spot = points[p, :2]
        weights = [_edge(spot, corners[f, k, :2], corners[f, (k + 1) % 3, :2], np.sign(area[f])) for k in range(3)]
        hit = (weights[0][1] & weights[1][1]) & weights[2][1]
        f, p = f[hit], p[hit]
        opposite = [weights[(k + 1) % 3][0][hit] for k in range(3)]  # the edge across from corner k weighs that corner
        height = sum(w * corners[f, k, 2] for k, w in enumerate(opposite)) / np.abs(area[f])
        # Seen from below a face turned up (positive area) is left, one turned down entered; seen from above the other way round.
        sign = np.sign(area[f])
        np.add.at(votes, p, np.where(height > points[p, 2], sign, -sign))
    return votes


def _edge(spot: np.ndarray, tail: np.ndarray, head: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The signed area that a point spans with an edge, positive inside, and whether the point is on its inner side.

    A point on the edge itself belongs to the face for which the edge runs in one fixed direction, so that of two faces sharing an edge
    exactly one is crossed. Both see the same rounded number, as the edge is always measured from its lower end.
    """
    swap = (tail[:, 0] > head[:, 0]) | ((tail[:, 0] == head[:, 0]) & (tail[:, 1] > head[:, 1]))
    low, high = np.where(swap[:, None], head, tail), np.where(swap[:, None], tail, head)
    flip = np.where(swap, -turn, turn)
    value = _cross(high - low, spot - low) * flip
    return value, (value > 0) | ((value == 0) & (flip > 0))


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    product: np.ndarray = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return product


def _candidates(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (face, point) whose plan views may meet, through a square grid: faces are entered in every cell of their box."""
    low, high = triangles.min(axis=1), triangles.max(axis=1)
    corner = low.min(axis=0)
    size = np.maximum(high.max(axis=0) - corner, 1e-300)
    cells = max(1, min(1024, int(np.sqrt(len(triangles)))))

    def cell_of(p: np.ndarray) -> np.ndarray:
        cell: np.ndarray = np.clip(((p - corner) / size * cells).astype(np.int64), 0, cells - 1)
        return cell

    within = np.flatnonzero(((points >= corner) & (points <= corner + size)).all(axis=1))
    place = cell_of(points[within])
    key = place[:, 0] * cells + place[:, 1]
    order = np.argsort(key, kind="stable")
    starts = np.searchsorted(key[order], np.arange(cells * cells + 1))
    first, last = cell_of(low), cell_of(high)
    span = last - first + 1
    count = span.prod(axis=1)
    owner = np.repeat(np.arange(len(triangles)), count)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    cell = (first[owner, 0] + step // span[owner, 1]) * cells + first[owner, 1] + step % span[owner, 1]
    held = starts[cell + 1] - starts[cell]
    face = np.repeat(owner, held)
    offset = np.arange(len(face)) - np.repeat(np.cumsum(held) - held, held)
    return face, within[order[np.repeat(starts[cell], held) + offset]]
