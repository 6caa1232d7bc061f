"""Slow, obvious twins: instances by comparing every cell with every other, and fusion one voxel at a time."""

import itertools
import math

import numpy as np


def cell_corners(grid, cell):
    """The eight world-frame corners of one cell of a fruxel or voxel grid, [8, 3]."""
    corners = []
    for step in itertools.product((0, 1), repeat=3):
        index = np.add(cell, step)
        if hasattr(grid, "voxel_size"):
            corners.append(grid.origin + index * grid.voxel_size)
            continue
        f = grid.frustum
        z = f.z_near + index[0] * (f.z_far - f.z_near) / f.depth
        camera = np.array([(index[2] - f.width / 2) / f.focal * z, (index[1] - f.height / 2) / f.focal * z, z])
        corners.append(np.linalg.inv(grid.world_to_cam)[:3] @ [*camera, 1])
    return np.array(corners)


def partition(grid, gap):
    """The instances as a set of (label, frozenset of cells): cells of a class whose nearest corners are at most gap apart are one."""
    cells = [tuple(c) for c in np.argwhere(np.isin(grid.labels, grid.classes.solid_ids))]
    corners = [cell_corners(grid, c) for c in cells]
    group = list(range(len(cells)))
    for a, b in itertools.combinations(range(len(cells)), 2):
        if grid.labels[cells[a]] == grid.labels[cells[b]]:
            apart = np.linalg.norm(corners[a][:, None] - corners[b][None], axis=-1).min()
            if apart <= gap + 1e-9:
                old, new = group[b], group[a]
                group = [new if g == old else g for g in group]
    return {(int(grid.labels[cells[g]]), frozenset(c for c, h in zip(cells, group, strict=True) if h == g)) for g in set(group)}


def fused_scores(views, point, method, trust, behind):
    """Scores [n] of the classes at one world point, or None where no view says anything. Views hold labels or probabilities."""
    n = len(views[0].classes.names)
    total, weights = np.zeros(n), 0.0
    for view in views:
        f = view.frustum
        x, y, z = view.world_to_cam[:3] @ [*point, 1]
        if z <= 0:
            continue
        k = math.floor((z - f.z_near) / (f.z_far - f.z_near) * f.depth)
        j, i = math.floor(f.focal * y / z + f.height / 2), math.floor(f.focal * x / z + f.width / 2)
        if not (0 <= k < f.depth and 0 <= j < f.height and 0 <= i < f.width):
            continue
        if view.probabilities is not None:
            p = view.probabilities[:, k, j, i].astype(float)
            p = np.maximum(p / p.sum(), 1e-4)
            reach = float(all(view.probabilities[:, s, j, i].argmax() == view.classes.empty for s in range(k)))
        else:
            label = int(view.labels[k, j, i])
            if label >= n:
                continue
            p = np.full(n, (1 - trust) / (n - 1))
            p[label] = trust
            reach = float(all(view.labels[s, j, i] in (view.classes.empty, view.classes.ignore) for s in range(k)))
        w = behind + (1 - behind) * reach
        vote = np.zeros(n)
        vote[p.argmax()] = 1
        total += w * {"bayes": np.log(p), "mean": p, "vote": vote}[method]
        weights += w
    return total if weights > 0 else None
