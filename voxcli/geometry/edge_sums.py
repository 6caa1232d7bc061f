"""Whether a large surface is closed, by sums over its edges: one pass over the faces, and no table of edges in memory."""

from __future__ import annotations

import numpy as np

AT_ONCE = 1 << 19
"""Faces of one piece of the pass."""

_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)


def closed_by_sums(vertices: np.ndarray, faces: np.ndarray) -> bool | None:
    """True for a surface that runs through each edge equally often in both directions, False for one with an edge of an odd number of
    faces, None where sums do not tell: faces that are there twice, or wound in both ways. vertices [V, 3] float64, faces [F, 3].

    Vertices at one position are one. Faces without area do not count. Each directed edge adds a number that its ends' positions give; that
    of the edge's other direction is taken away. Edges that differ have the same number with a chance of 2^-64.

    >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> tetrahedron = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> closed_by_sums(corners, tetrahedron), closed_by_sums(corners, tetrahedron[:3])
    (True, False)
    """
    places = position_codes(vertices)
    if _doubled(places, faces):
        return None
    balance, odd = np.uint64(0), np.uint64(0)
    with np.errstate(over="ignore"):
        for start in range(0, len(faces), AT_ONCE):
            ends = places[faces[start : start + AT_ONCE]]
            for here, there in ((ends[:, 0], ends[:, 1]), (ends[:, 1], ends[:, 2]), (ends[:, 2], ends[:, 0])):
                forth, back = _mixed(here + _ODD[3] * there), _mixed(there + _ODD[3] * here)
                balance += (forth - back).sum(dtype=np.uint64)
                odd ^= np.bitwise_xor.reduce(np.where(here == there, np.uint64(0), forth + back))
    return True if balance == 0 else None if odd == 0 else False


def _doubled(places: np.ndarray, faces: np.ndarray) -> bool:
    """Whether two faces with area span the same three positions."""
    spans = np.zeros(len(faces), np.uint64)
    with np.errstate(over="ignore"):
        for start in range(0, len(faces), AT_ONCE):
            a, b, c = places[faces[start : start + AT_ONCE]].T
            flat = (a == b) | (b == c) | (c == a)
            found = _mixed(a) + _mixed(b) + _mixed(c)
            spans[start : start + AT_ONCE] = np.where(flat, np.arange(start, start + len(a), dtype=np.uint64), found)
    spans.sort()
    return bool((spans[1:] == spans[:-1]).any())


def position_codes(vertices: np.ndarray) -> np.ndarray:
    """A number for each vertex [V, 3] float64, the same for the same position, uint64 [V]. Two positions share one with a chance of 2^-64.

    >>> codes = position_codes(np.array([[0.0, 0, 1], [0, 1, 0], [-0.0, 0, 1]]))
    >>> bool(codes[0] == codes[2]), bool(codes[0] == codes[1])
    (True, False)
    """
    bits = np.ascontiguousarray(vertices + 0.0, np.float64).view(np.uint64)  # adding 0.0 folds -0.0 into 0.0
    with np.errstate(over="ignore"):
        return _mixed(bits[:, 0] * _ODD[0] + _mixed(bits[:, 1] * _ODD[1] + _mixed(bits[:, 2] * _ODD[2])))


def _mixed(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele et al. 2014): every bit of a number depends on every bit of the other."""
    x = (x ^ (x >> np.uint64(30))) * _ODD[3]
    x = (x ^ (x >> np.uint64(27))) * _ODD[4]
    result: np.ndarray = x ^ (x >> np.uint64(31))
    return result
