"""The slow, obvious twin of solid rasterisation: every ray against every triangle, in exact rational arithmetic."""

from fractions import Fraction

import numpy as np


def ray_crossings(origin, direction, triangles) -> list[tuple[Fraction, int]]:
    """(distance in units of direction, sign) of the crossings of one ray with triangles [F][3][3]; exact; +1 = the ray leaves the solid.

    A ray that meets an edge or a vertex is refused: the caller picks rays in general position.
    """
    o, d = [Fraction(float(x)) for x in origin], [Fraction(float(x)) for x in direction]
    found = []
    for triangle in triangles:
        a, b, c = ([Fraction(float(x)) for x in p] for p in triangle)
        normal = _cross(_sub(b, a), _sub(c, a))
        slope = _dot(normal, d)
        if slope == 0:
            continue
        t = _dot(normal, _sub(a, o)) / slope
        p = [o[k] + t * d[k] for k in range(3)]
        sides = [_dot(_cross(_sub(v, u), _sub(p, u)), normal) for u, v in ((a, b), (b, c), (c, a))]
        assert all(s != 0 for s in sides), "the ray meets an edge: choose another"
        if min(sides) > 0:
            found.append((t, 1 if slope > 0 else -1))
    return sorted(found)


def filled_cells(crossings, bounds, rule: str, fill: str) -> np.ndarray:
    """Which of the cells between consecutive bounds [n + 1] of a ray are filled. Only crossings in front of t = 0 count."""
    crossings = [(t, s) for t, s in crossings if t > 0]

    def inside(t) -> bool:
        beyond = [s for u, s in crossings if u > t]
        return bool(len(beyond) % 2) if fill == "parity" else sum(beyond) != 0

    out = np.zeros(len(bounds) - 1, bool)
    for k in range(len(bounds) - 1):
        low, high = Fraction(float(bounds[k])), Fraction(float(bounds[k + 1]))
        if rule == "centre":
            out[k] = inside((low + high) / 2)
        else:
            # The state changes at crossings alone: look at both ends and right behind each crossing within.
            stops = [low, *(t for t, _ in crossings if low < t < high)]
            out[k] = any(inside(t) for t in stops)
    return out


def _sub(a, b):
    return [x - y for x, y in zip(a, b, strict=True)]


def _dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def _cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
