"""Slow, obvious twins of the point metrics: every distance written out, in float64 NumPy."""

import itertools

import numpy as np


def all_distances(a, b):
    """Euclidean distances [N, M] by differences."""
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def directed(a, b):
    """Distance from every point of a to the nearest of b, [N]."""
    return all_distances(a, b).min(axis=1)


def best_permutation(a, b):
    """Mean distance of the best matching of a few points, by trying all."""
    d = all_distances(a, b)
    return min(np.mean([d[i, j] for i, j in enumerate(p)]) for p in itertools.permutations(range(len(b))))


def point_triangle(p, a, b, c):
    """Distance from a point to a triangle, the plane where its foot is inside, else the edges."""
    e0, e1 = b - a, c - a
    best = np.inf
    n = np.cross(e0, e1)
    if n @ n > 0:
        s = np.linalg.solve(np.stack([e0, e1, n], 1), p - a)
        if s[0] >= 0 and s[1] >= 0 and s[0] + s[1] <= 1:
            best = abs(s[2]) * np.linalg.norm(n)
    for x, y in ((a, b), (b, c), (c, a)):
        d = y - x
        t = 0.0 if d @ d == 0 else np.clip((p - x) @ d / (d @ d), 0, 1)
        best = min(best, np.linalg.norm(p - x - t * d))
    return best


def soft_matching_total(a, b):
    """The annealed soft matching with Python loops: level by level, point by point."""
    n, m = len(a), len(b)
    d2 = all_distances(a, b) ** 2
    left, right = [float(max(m // n, 1))] * n, [float(max(n // m, 1))] * m
    total = 0.0
    for level in [-(4.0**j) for j in (7, 6, 5, 4, 3, 2, 1, 0, -1)] + [0.0]:
        w = np.exp(level * d2)
        offer = [left[k] / (1e-9 + sum(w[k, j] * right[j] for j in range(m))) for k in range(n)]
        taken = []
        for j in range(m):
            wanted = right[j] * sum(w[k, j] * offer[k] for k in range(n))
            taken.append(min(right[j] / (wanted + 1e-9), 1.0) * right[j])
            right[j] = max(0.0, right[j] - wanted)
        for k in range(n):
            moved = [w[k, j] * offer[k] * taken[j] for j in range(m)]
            total += sum(x * np.sqrt(d2[k, j]) for j, x in enumerate(moved))
            left[k] = max(0.0, left[k] - sum(moved))
    return total
