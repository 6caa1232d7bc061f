"""Moving a prediction onto the truth before their distance is measured: iterated closest points, rigid or with a change of size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from voxcli.metrics.distances import Sample

SEEN = 4096
"""Points of the prediction that a motion is found by: every so many of its sample."""

ROUNDS, SETTLED = 200, 1e-12
"""Rounds of closest points, and the change of the mean squared distance, in units of the truth's extent, that ends them."""


def motion_between(pred: Tensor, gt: Tensor, resize: bool = False) -> Tensor:
    """The motion [4 4] (column vectors) that brings points [N 3] closest to others [M 3]: a rotation and a translation; with `resize`, a
    uniform scale besides.

    Closest points find a near minimum alone, so they begin where the points are and with centroids (and sizes) made equal; with `resize`
    rigid motions are tried besides. The best end counts, by the squared distances both ways: a shape that shrinks into the other comes
    close to it in one. Nothing is mirrored.

    >>> cloud = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 4]], dtype=torch.float64)
    >>> motion_between(cloud + 0.1, cloud).round(decimals=6)[:3, 3].tolist()
    [-0.1, -0.1, -0.1]
    """
    from trimesh.registration import icp

    middle, extent = gt.mean(0), float((gt.amax(0) - gt.amin(0)).max()) or 1.0
    a, b = ((points - middle).numpy() / extent for points in (pred[:: max(1, len(pred) // SEEN)], gt))
    spread = [float(np.linalg.norm(points - points.mean(0), axis=1).mean()) for points in (a, b)]
    resize = resize and min(spread) > 0
    size = spread[1] / spread[0] if resize else 1.0
    centred = np.eye(4)
    centred[:3] = np.column_stack([size * np.eye(3), b.mean(0) - size * a.mean(0)])
    rules = {"threshold": SETTLED, "max_iterations": ROUNDS, "reflection": False}
    scales = (True, False) if resize else (False,)
    ends = [icp(a, b, initial=start, scale=scale, **rules)[0] for scale in scales for start in (np.eye(4), centred)]
    found = min(ends, key=lambda end: _both_ways(a @ end[:3, :3].T + end[:3, 3], b))
    out = np.eye(4)
    out[:3, :3] = found[:3, :3]
    out[:3, 3] = extent * found[:3, 3] + middle.numpy() - found[:3, :3] @ middle.numpy()
    return torch.from_numpy(out)


def _both_ways(a: np.ndarray, b: np.ndarray) -> float:
    """The mean squared distance of points to the closest of others, added up for both directions."""
    from scipy.spatial import cKDTree

    return float(np.square(cKDTree(b).query(a)[0]).mean() + np.square(cKDTree(a).query(b)[0]).mean())


def moved(sample: Sample, motion: Tensor) -> Sample:
    """A sample after a motion [4 4]; normals turn along.

    >>> moved(Sample(torch.eye(3, dtype=torch.float64)), 2 * torch.eye(4, dtype=torch.float64)).points[0].tolist()
    [2.0, 0.0, 0.0]
    """
    turn = motion[:3, :3]
    normals = None if sample.normals is None else sample.normals @ (turn / torch.linalg.det(turn) ** (1 / 3)).T
    return replace(sample, points=sample.points @ turn.T + motion[:3, 3], normals=normals)
