"""Nearest neighbours between point clouds: one function that takes the fastest way there is for where the points lie.

CPU: a KD-tree over points in Morton order. Sorting both clouds along a space-filling curve keeps successive queries in the same branches,
which is most of the time at a million points. CUDA: brute force in tiles that never hold N x M distances at once.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from voxcli.errors import DataError
from voxcli.shapes import check_shape

_PART = 1 << 15
"""Points that are put in order at once: few enough for the processor's cache."""
_TILE = 1 << 24
"""Distances held at once by the tiled search (64 MiB in float32)."""
_LARGEST = {torch.float32: 1e18, torch.float64: 1e153}
"""Coordinates whose differences can be squared and added up."""


def nearest(query: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest target of every query point.

    query [* N 3], target [* M 3], the same leading dimensions, device and dtype (float32 or float64). Returns the Euclidean distance
    (not squared) [* N] and the index [* N] int64. Of equally near targets any one may be named. The distance is differentiable in both
    clouds (not at distance 0, where its gradient is 0); the index is constant. Raises DataError for empty clouds, NaN,
    infinite and far too large coordinates.

    >>> distance, index = nearest(torch.tensor([[0.0, 0, 0]]), torch.tensor([[9.0, 0, 0], [0, 3, 4]]))
    >>> distance.tolist(), index.tolist()
    ([5.0], [1])
    """
    check_shape(query, "* N 3", "query points")
    check_shape(target, "* M 3", "target points")
    _check_points(query, "query")
    _check_points(target, "target")
    count = query.shape[:-2].numel()
    if not count:
        return query.new_zeros(query.shape[:-1]), query.new_zeros(query.shape[:-1], dtype=torch.int64)
    with torch.no_grad():
        flat = [_search(q, t) for q, t in zip(query.detach().reshape(count, -1, 3), target.detach().reshape(count, -1, 3), strict=True)]
    index = torch.stack([i for _, i in flat]).reshape(query.shape[:-1])
    if query.requires_grad or target.requires_grad:
        return distance_to(query, target, index), index
    return torch.stack([d for d, _ in flat]).reshape(query.shape[:-1]), index


def nearest_both(a: Tensor, b: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """`nearest` in both directions, (a to b, b to a), for one cloud each: a [N 3], b [M 3]. The clouds are put in order only once.

    >>> there, back = nearest_both(torch.tensor([[0.0, 0, 0]]), torch.tensor([[9.0, 0, 0], [0, 3, 4]]))
    >>> there[0].tolist(), back[0].tolist()
    ([5.0], [9.0, 5.0])
    """
    _check_pair(a, b)
    with torch.no_grad():
        if a.is_cuda:
            forward, backward = _tiled(a.detach(), b.detach()), _tiled(b.detach(), a.detach())
        else:
            first, second = _both_ordered(a.detach().numpy(), b.detach().numpy())
            forward, backward = _query(second, first), _query(first, second)
    if a.requires_grad or b.requires_grad:
        return (distance_to(a, b, forward[1]), forward[1]), (distance_to(b, a, backward[1]), backward[1])
    return forward, backward


def distances_both(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The distances of `nearest_both` alone, without gradients: a tenth less time where nobody asks which points were the nearest.

    >>> there, back = distances_both(torch.tensor([[0.0, 0, 0]]), torch.tensor([[9.0, 0, 0], [0, 3, 4]]))
    >>> there.tolist(), back.tolist()
    ([5.0], [9.0, 5.0])
    """
    _check_pair(a, b)
    a, b = a.detach(), b.detach()
    if a.is_cuda:
        return _tiled(a, b)[0], _tiled(b, a)[0]
    first, second = _both_ordered(a.numpy(), b.numpy())
    return _distances(second, first), _distances(first, second)


def distance_to(query: Tensor, target: Tensor, index: Tensor) -> Tensor:
    """Distance [* N] from query [* N 3] to target[index], computed anew so that gradients reach both clouds.

    >>> distance_to(torch.zeros(1, 3), torch.tensor([[0.0, 3, 4]]), torch.tensor([0])).tolist()
    [5.0]
    """
    chosen = torch.gather(target, -2, index.unsqueeze(-1).expand(*index.shape, 3))
    squared = (query - chosen).square().sum(-1)
    touching = squared == 0
    return squared.masked_fill(touching, 1.0).sqrt().masked_fill(touching, 0.0)  # the root of 0 would give a NaN gradient


def squared_distance_to(query: Tensor, target: Tensor, index: Tensor) -> Tensor:
    """Squared distance [* N] from query [* N 3] to target[index]; smooth everywhere, so the one to train on.

    >>> squared_distance_to(torch.zeros(1, 3), torch.tensor([[0.0, 3, 4]]), torch.tensor([0])).tolist()
    [25.0]
    """
    chosen = torch.gather(target, -2, index.unsqueeze(-1).expand(*index.shape, 3))
    return (query - chosen).square().sum(-1)


def _check_pair(a: Tensor, b: Tensor) -> None:
    check_shape(a, "N 3", "points")
    check_shape(b, "M 3", "points")
    _check_points(a, "first")
    _check_points(b, "second")


def _check_points(points: Tensor, name: str) -> None:
    if points.shape[-2] == 0:
        raise DataError(f"The {name} point cloud is empty.", expected="at least one point")
    if points.dtype not in (torch.float32, torch.float64):
        raise DataError(f"The {name} points must be float32 or float64.", actual=str(points.dtype).removeprefix("torch."))
    if not points.numel():  # a batch of no clouds
        return
    low, high = (float(end) for end in points.detach().aminmax())  # NaN where any coordinate is
    most = _LARGEST[points.dtype]
    if -most <= low and high <= most:
        return
    bad = int((~torch.isfinite(points)).any(-1).sum())
    if bad:
        raise DataError(f"Points of the {name} cloud must be finite.", actual=f"{bad} point(s) with NaN or infinity")
    raise DataError(f"Squared distances of the {name} points are beyond their type.", expected=f"coordinates of {most:g} at most",
                    actual=max(-low, high), hint="Scale the clouds down, or give them as float64.")  # fmt: skip


def _search(query: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    if query.is_cuda:
        return _tiled(query, target)
    q, t = query.numpy(), target.numpy()
    ordered, target_ordered = _both_ordered(q, t)
    return _query(target_ordered, ordered)


# ------------------------------------------------------------------------------------------------ the Morton curve


@lru_cache(maxsize=1)
def _spread() -> np.ndarray:
    """For each axis and each 10-bit number, its bits moved three places apart, in the upper half of a word: [3, 1024] uint64."""
    bits = np.arange(1024, dtype=np.uint64)
    spread = np.zeros(1024, np.uint64)
    for k in range(10):
        spread |= ((bits >> np.uint64(k)) & np.uint64(1)) << np.uint64(3 * k + 32)
    return np.stack([spread << np.uint64(axis) for axis in range(3)])


_Ordered = tuple[np.ndarray, np.ndarray]
"""Points in Morton order, and the order (where each one came from)."""


def _both_ordered(a: np.ndarray, b: np.ndarray) -> tuple[_Ordered, _Ordered]:
    low, scale = _curve_frame(a, b)
    return _ordered(a, low, scale), _ordered(b, low, scale)


def _curve_frame(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, float]:
    """Corner and scale of the cube around both clouds, in 1024 cells a side."""
    parts = [cloud[start : start + _PART] for cloud in (a, b) for start in range(0, len(cloud), _PART)]
    ends = np.array([[(part[:, k].min(), part[:, k].max()) for k in range(3)] for part in parts])
    low, high = ends[..., 0].min(0), ends[..., 1].max(0)
    side = float((high - low).max())
    scale = 1023.0 / side if side > 0 else 0.0
    return low, (scale if scale <= np.finfo(a.dtype).max else 0.0)  # points that close need no order


def _ordered(points: np.ndarray, low: np.ndarray, scale: float) -> _Ordered:
    table, count = _spread(), len(points)
    # Key and index in one word: sorting the words is several times faster than an argsort, and stable.
    words = np.arange(count, dtype=np.uint64)
    for start in range(0, count, _PART):
        part, word = points[start : start + _PART], words[start : start + _PART]
        for axis in range(3):
            word |= table[axis].take(((part[:, axis] - low[axis]) * scale).astype(np.intp))
    words.sort()
    words &= np.uint64(0xFFFFFFFF)
    order = words.view(np.int64)
    return points.take(order, axis=0), order


# ------------------------------------------------------------------------------------------------ trees


def _query(target: _Ordered, query: _Ordered) -> tuple[Tensor, Tensor]:
    """Distances and indices of the nearest targets, both clouds given in Morton order with where their points came from."""
    found, where = _tree_search(target[0], query[0])
    return _placed(found.astype(query[0].dtype, copy=False), query[1]), _placed(target[1].take(where), query[1])


def _distances(target: _Ordered, query: _Ordered) -> Tensor:
    return _placed(_tree_search(target[0], query[0])[0].astype(query[0].dtype, copy=False), query[1])


def _placed(values: np.ndarray, order: np.ndarray) -> Tensor:
    """Values of points in Morton order, where these came from."""
    placed = np.empty_like(values)
    placed[order] = values
    return torch.from_numpy(placed)


def _tree_search(target: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    try:
        from pykdtree.kdtree import KDTree
    except ImportError:  # a platform without its wheel: the same answer from SciPy, about 1.5 times slower
        from scipy.spatial import cKDTree

        tree = cKDTree(target, leafsize=24, balanced_tree=False, compact_nodes=False)
        found, where = tree.query(query, workers=-1)
        return found, where
    found, where = KDTree(target, leafsize=16).query(query)
    return found, where


# ------------------------------------------------------------------------------------------------ brute force in tiles


def _tiled(query: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest neighbours without a tree: one tile of distances at a time, by differences, so that near distances keep their digits."""
    columns = min(len(target), 4096)
    rows = max(1, _TILE // columns)
    best = torch.full((len(query),), torch.inf, dtype=query.dtype, device=query.device)
    index = torch.zeros(len(query), dtype=torch.int64, device=query.device)
    for start in range(0, len(query), rows):
        part = query[start : start + rows]
        near, where = best[start : start + rows], index[start : start + rows]
        for first in range(0, len(target), columns):
            tile = target[first : first + columns]
            squared = (part[:, None, 0] - tile[None, :, 0]).square_()
            for axis in (1, 2):
                squared += (part[:, None, axis] - tile[None, :, axis]).square_()
            value, local = squared.min(dim=1)
            closer = value < near
            near[closer] = value[closer]
            where[closer] = local[closer] + first
    return best.sqrt_(), index
