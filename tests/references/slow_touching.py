"""Cells that triangles touch, by cutting each triangle to each closed cell in exact rational arithmetic, and floods cell by cell."""

from collections import deque
from fractions import Fraction

import numpy as np


def touches(triangle, planes) -> bool:
    """Whether a triangle [3][3] has a point with n . x + d >= 0 for all planes (n [3], d): cut by one after the other."""
    polygon = [[Fraction(float(x)) for x in corner] for corner in triangle]
    for normal, offset in planes:
        side = [sum(Fraction(n) * x for n, x in zip(normal, p, strict=True)) + Fraction(offset) for p in polygon]
        kept = []
        for k, (p, s) in enumerate(zip(polygon, side, strict=True)):
            q, t = polygon[k - 1], side[k - 1]
            if (s >= 0) != (t >= 0):
                kept.append([a + (b - a) * s / (s - t) for a, b in zip(p, q, strict=True)])
            if s >= 0:
                kept.append(p)
        polygon = kept
        if not polygon:
            return False
    return True


def box_planes(low, high):
    """The six planes of a closed box."""
    units = [[int(i == k) for i in range(3)] for k in range(3)]
    return [(u, -Fraction(a)) for u, a in zip(units, low, strict=True)] + [
        ([-x for x in u], Fraction(b)) for u, b in zip(units, high, strict=True)
    ]


def fruxel_planes(k, j, i, frustum):
    """The six planes of a closed fruxel, in the camera frame: near, far, left, right, top, bottom."""
    f, w, h = Fraction(frustum.focal), Fraction(frustum.width, 2), Fraction(frustum.height, 2)
    thickness = (Fraction(frustum.z_far) - Fraction(frustum.z_near)) / frustum.depth
    near = Fraction(frustum.z_near) + k * thickness
    return [
        ([0, 0, 1], -near), ([0, 0, -1], near + thickness),
        ([f, 0, w - i], 0), ([-f, 0, i + 1 - w], 0), ([0, f, h - j], 0), ([0, -f, j + 1 - h], 0),
    ]  # fmt: skip


def flooded(walls: np.ndarray) -> np.ndarray:
    """Cells that can be reached from outside the grid through the faces of cells that are no walls."""
    reached = np.zeros(np.add(walls.shape, 2), bool)
    blocked = np.pad(walls, 1)
    todo = deque([(0, 0, 0)])
    reached[0, 0, 0] = True
    while todo:
        cell = todo.popleft()
        for axis in range(3):
            for step in (-1, 1):
                beside = list(cell)
                beside[axis] += step
                there = tuple(beside)
                if 0 <= beside[axis] < reached.shape[axis] and not reached[there] and not blocked[there]:
                    reached[there] = True
                    todo.append(there)
    return reached[1:-1, 1:-1, 1:-1]
