"""Which parts of a mesh enclose a volume: closed, consistently wound components, told apart from open shells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CLOSED, OPEN, SUPERFLUOUS = range(3)
"""Kinds of faces: of a closed component; of an open one; doubled or without area."""


def merge_vertices(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """faces [F, 3] re-written so that vertices at one position share one index. vertices [V, 3] float64.

    >>> merge_vertices(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0]]), np.array([[0, 3, 2]])).tolist()
    [[0, 1, 2]]
    """
    # Bit patterns compare like the numbers for equality; adding 0.0 folds -0.0 into 0.0.
    rows = np.ascontiguousarray(vertices + 0.0).view(np.dtype((np.void, 24))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    merged: np.ndarray = first[inverse.ravel()][faces]
    return merged


def drop_doubled_faces(faces: np.ndarray) -> np.ndarray:
    """Indices of the faces to keep: the first of all that span the same three (merged) vertices, and none without area.

    >>> drop_doubled_faces(np.array([[0, 1, 2], [2, 1, 0], [0, 0, 1], [1, 2, 3]])).tolist()
    [0, 3]
    """
    ordered = np.sort(faces, axis=1)
    flat = (ordered[:, 0] == ordered[:, 1]) | (ordered[:, 1] == ordered[:, 2])
    n = int(faces.max(initial=0)) + 1
    if n < 2_000_000:  # three indices fit one int64
        ordered = (ordered[:, 0].astype(np.int64) * n + ordered[:, 1]) * n + ordered[:, 2]
    _, first = np.unique(ordered, axis=0, return_index=True)
    keep = np.zeros(len(faces), bool)
    keep[first] = True
    return np.flatnonzero(keep & ~flat)


class Edges(NamedTuple):
    """Edges of F faces, three a face: edge [3 F] numbers them, forward [3 F] says whether the face runs from the lower vertex to the higher
    one, shared [E] how many faces share an edge."""

    edge: np.ndarray
    forward: np.ndarray
    shared: np.ndarray


def edges_of(faces: np.ndarray) -> Edges:
    """The edges of faces [F, 3] with merged vertices.

    >>> edges_of(np.array([[0, 1, 2], [2, 1, 3]])).shared.tolist()
    [1, 1, 2, 1, 1]
    """
    start, stop = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    low, high = np.minimum(start, stop).astype(np.int64), np.maximum(start, stop).astype(np.int64)
    _, edge, count = np.unique(low * (int(faces.max(initial=0)) + 1) + high, return_inverse=True, return_counts=True)
    return Edges(edge.ravel(), start == low, count)


def closed_faces(faces: np.ndarray) -> np.ndarray:
    """True for faces of closed, consistently wound components. faces [F, 3] with merged vertices -> [F] bool.

    >>> tetrahedron = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> closed_faces(tetrahedron).tolist(), closed_faces(tetrahedron[:3]).tolist()
    ([True, True, True, True], [False, False, False])
    """
    return closed_by_edges(edges_of(faces), np.zeros(len(faces), bool))


def closed_by_edges(edges: Edges, turned: np.ndarray) -> np.ndarray:
    """The same of F faces by their edges, some of them taken as turned around: turned [F] -> [F] bool.

    A component (faces joined by edges) is closed if each of its edges is run through equally often in both directions: then the
    signed crossings along every ray that avoids its edges add up to zero.

    >>> tetrahedron = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> closed_by_edges(edges_of(tetrahedron), np.array([True, False, False, False])).any()
    np.False_
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(turned)
    if not n:
        return np.zeros(0, bool)
    edge, owner = edges.edge, np.repeat(np.arange(n), 3)
    balance = np.bincount(edge, weights=np.where(edges.forward ^ np.repeat(turned, 3), 1, -1))
    if not balance.any():
        return np.ones(n, bool)
    joined = coo_matrix((np.ones(3 * n, np.int8), (owner, edge + n)), shape=(n + len(balance),) * 2)
    _, component = connected_components(joined, directed=False)
    broken = np.zeros(component.max() + 1, bool)
    broken[component[owner[balance[edge] != 0]]] = True
    whole: np.ndarray = ~broken[component[:n]]
    return whole
