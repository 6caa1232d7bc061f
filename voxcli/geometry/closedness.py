"""Which parts of a mesh enclose a volume: closed, consistently wound components, told apart from open shells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voxcli.geometry.edge_sums import position_codes

CLOSED, OPEN, SUPERFLUOUS = range(3)
"""Kinds of faces: of a closed component; of an open one; doubled or without area."""


def merge_vertices(vertices: np.ndarray, faces: np.ndarray, part: np.ndarray | None = None) -> np.ndarray:
    """faces [F, 3] re-written so that vertices at one position share one index, the first. vertices [V, 3] float64.

    part [V] int64: vertices of different parts stay apart.

    >>> merge_vertices(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0]]), np.array([[0, 3, 2]])).tolist()
    [[0, 1, 2]]
    """
    codes = position_codes(vertices)
    if part is not None:
        codes += part.astype(np.uint64) << np.uint64(32)
    order = np.argsort(codes)
    new = _differ(codes[order])
    # Bit patterns compare like the numbers for equality; adding 0.0 folds -0.0 into 0.0.
    columns = list((vertices + 0.0).view(np.int64).T) if part is None else [*(vertices + 0.0).view(np.int64).T, part]
    again = np.flatnonzero(~new)
    here, before = order[again], order[again - 1]
    if any((column[here] != column[before]).any() for column in columns):  # two positions with one code
        _, first, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_index=True, return_inverse=True)
        merged: np.ndarray = first[inverse.ravel()][faces]
        return merged
    starts = np.flatnonzero(new)
    same = np.empty_like(order)
    same[order] = np.repeat(np.minimum.reduceat(order, starts), np.diff(starts, append=len(order))) if len(order) else order
    merged = same[faces]
    return merged


def _differ(values: np.ndarray) -> np.ndarray:
    """Which of some values [N] differ from the one before, [N] bool; the first does."""
    new = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new


def drop_doubled_faces(faces: np.ndarray) -> np.ndarray:
    """Indices of the faces to keep: the first of all that span the same three (merged) vertices, and none without area.

    >>> drop_doubled_faces(np.array([[0, 1, 2], [2, 1, 0], [0, 0, 1], [1, 2, 3]])).tolist()
    [0, 3]
    """
    a, b, c = faces.T.astype(np.int64)
    low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    middle = a + b + c - low - high
    flat = (low == middle) | (middle == high)
    n = int(faces.max(initial=0)) + 1
    if n < 2_000_000:  # three indices fit one int64
        keys = (low * n + middle) * n + high
        if _differ(np.sort(keys)).all():
            return np.flatnonzero(~flat)
        _, first = np.unique(keys, return_index=True)
    else:
        _, first = np.unique(np.stack([low, middle, high], axis=1), axis=0, return_index=True)
    keep = np.zeros(len(faces), bool)
    keep[first] = True
    return np.flatnonzero(keep & ~flat)


class Edges(NamedTuple):
    """Edges of F faces, three a face: edge [3 F] numbers them, forward [3 F] says whether the face runs from the lower vertex to the higher
    one, shared [E] how many faces share an edge. order [3 F]: places in `edge` by number, the faces of an edge in theirs."""

    edge: np.ndarray
    forward: np.ndarray
    shared: np.ndarray
    order: np.ndarray


def edges_of(faces: np.ndarray) -> Edges:
    """The edges of faces [F, 3] with merged vertices.

    >>> edges_of(np.array([[0, 1, 2], [2, 1, 3]])).shared.tolist()
    [1, 1, 2, 1, 1]
    """
    start, stop = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    low, high = np.minimum(start, stop).astype(np.int64), np.maximum(start, stop).astype(np.int64)
    vertex_bits, place_bits = int(faces.max(initial=0)).bit_length(), len(start).bit_length()
    keys = low << vertex_bits | high
    if 2 * vertex_bits + place_bits < 64:  # sorted with their places, as numbers: a fraction of an argsort's time
        packed = np.sort(keys << place_bits | np.arange(len(keys)))
        order, keys = packed & ((1 << place_bits) - 1), packed >> place_bits
    else:
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
    new = _differ(keys)
    edge = np.empty_like(order)
    edge[order] = np.cumsum(new) - 1
    return Edges(edge, start == low, np.diff(np.flatnonzero(new), append=len(keys)), order)


def components(pairs: tuple[np.ndarray, np.ndarray], count: int) -> tuple[int, np.ndarray]:
    """Into how many components pairs join `count` things, and which each is in [count], numbered by their first ones.

    >>> components((np.array([0, 3]), np.array([2, 3])), 4)[1].tolist()
    [0, 1, 0, 2]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    number, found = connected_components(coo_matrix((np.ones(len(pairs[0]), np.int8), pairs), shape=(count, count)), directed=False)
    return int(number), found


def closed_faces(faces: np.ndarray) -> np.ndarray:
    """True for faces of closed, consistently wound components. faces [F, 3] with merged vertices -> [F] bool.

    >>> tetrahedron = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> closed_faces(tetrahedron).tolist(), closed_faces(tetrahedron[:3]).tolist()
    ([True, True, True, True], [False, False, False])
    """
    return closed_by_edges(edges_of(faces), np.zeros(len(faces), bool))


def closed_by_edges(edges: Edges, turned: np.ndarray, patch: np.ndarray | None = None) -> np.ndarray:
    """The same of F faces by their edges, some of them taken as turned around: turned [F] -> [F] bool.

    patch [F]: which faces are known to be joined across edges of two, numbered from 0.

    A component (faces joined by edges) is closed if each of its edges is run through equally often in both directions: then the
    signed crossings along every ray that avoids its edges add up to zero.

    >>> tetrahedron = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> closed_by_edges(edges_of(tetrahedron), np.array([True, False, False, False])).any()
    np.False_
    """
    n = len(turned)
    if not n:
        return np.zeros(0, bool)
    edge, order = edges.edge, edges.order
    balance = np.bincount(edge, weights=np.where(edges.forward ^ np.repeat(turned, 3), 1, -1))
    if not balance.any():
        return np.ones(n, bool)
    joined = np.arange(n) if patch is None else patch
    again = np.flatnonzero(~_differ(edge[order]) & (edges.shared > (1 if patch is None else 2))[edge[order]])
    # Of the faces of an edge, each is joined to the one before.
    number, whole_of = components((joined[order[again - 1] // 3], joined[order[again] // 3]), int(joined.max()) + 1)
    component = whole_of[joined]
    broken = np.zeros(number, bool)
    broken[component[np.flatnonzero(balance[edge] != 0) // 3]] = True
    whole: np.ndarray = ~broken[component]
    return whole
