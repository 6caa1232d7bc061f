"""Faces of a mesh wound alike: counter-clockwise seen from outside, whatever way its file winds them.

Modellers and collections of shapes wind faces of one surface in both ways. Across an edge that exactly two faces share, their winding
follows from each other; so each patch of a surface has two windings, and three facts choose between them: what encloses a volume has
its outside outside, a cavity has it inside, and an open patch keeps the winding of most of its area.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from voxcli.geometry.closedness import (
    CLOSED,
    OPEN,
    SUPERFLUOUS,
    Edges,
    closed_by_edges,
    components,
    drop_doubled_faces,
    edges_of,
    merge_vertices,
)

_TOGETHER = 1 << 15  # faces of parts that are looked at together: their tables stay near a processor's cache
_CLEAR = 0.75  # share of a patch's area from which on its winding is taken for meant
_WITNESSES = 8  # vertices of a patch that must lie within another, where it is called nested


class WoundFaces(NamedTuple):
    """faces [F, 3] with some turned around, and the kind of each, uint8 [F] (see closedness)."""

    faces: np.ndarray
    kinds: np.ndarray


def wound_faces(vertices: np.ndarray, faces: np.ndarray) -> WoundFaces:
    """Faces wound alike, and what they are then. vertices [V, 3] float64, faces [F, 3]. Only those that are wrong are turned.

    Faces are neighbours where an edge is shared by exactly two. A closed patch is turned outward. Within another closed patch, one of
    which three quarters of the area are wound against that one is a cavity, and stays one. An open patch keeps the winding of most of its
    area, and a surface with one side alone (a Moebius strip) its own.

    >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [2, 1, 3]])                # the last one is turned
    >>> found = wound_faces(corners, faces)
    >>> found.faces.tolist(), set(found.kinds.tolist()) == {CLOSED}
    ([[0, 2, 1], [0, 1, 3], [0, 3, 2], [2, 3, 1]], True)
    """
    return wound_parts([(vertices, faces)])[0]


def wound_parts(parts: list[tuple[np.ndarray, np.ndarray]]) -> list[WoundFaces]:
    """The same of several surfaces, of which none knows of the others: small ones are looked at together, which takes less time.

    >>> triangle = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]])
    >>> [found.faces.tolist() for found in wound_parts([triangle, triangle])]
    [[[0, 1, 2]], [[0, 1, 2]]]
    """
    found: list[WoundFaces] = []
    together: list[tuple[np.ndarray, np.ndarray]] = []
    for part in parts:
        if together and sum(len(faces) for _, faces in together) + len(part[1]) > _TOGETHER:
            found += _wound_together(together)
            together = []
        together.append(part)
    return found + _wound_together(together)


def _wound_together(parts: list[tuple[np.ndarray, np.ndarray]]) -> list[WoundFaces]:
    if not parts:
        return []
    ends = np.cumsum([0, *(len(faces) for _, faces in parts)])
    offsets = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    vertices = np.concatenate([np.asarray(v, np.float64) for v, _ in parts])
    faces = np.concatenate([f.astype(np.int64, copy=False) + o for (_, f), o in zip(parts, offsets, strict=False)])
    merged = merge_vertices(vertices, faces, np.repeat(np.arange(len(parts)), np.diff(offsets)) if len(parts) > 1 else None)
    keep = drop_doubled_faces(merged)  # doubled faces cancel under the winding rule
    kinds, turned = np.full(len(faces), SUPERFLUOUS, np.uint8), np.zeros(len(faces), bool)
    if len(keep):
        edges = edges_of(merged[keep])
        patches = _patches(edges)
        turned[keep] = _turned(vertices[faces[keep]], edges, patches, np.searchsorted(keep, ends))
        kinds[keep] = np.where(closed_by_edges(edges, turned[keep], patches.of), CLOSED, OPEN)
    return [_with_turned(f, turned[a:b], kinds[a:b]) for (_, f), a, b in zip(parts, ends[:-1], ends[1:], strict=True)]


def _with_turned(faces: np.ndarray, turned: np.ndarray, kinds: np.ndarray) -> WoundFaces:
    if turned.any():
        faces = faces.copy()
        faces[turned] = faces[turned][:, [0, 2, 1]]
    return WoundFaces(faces, kinds)


class _Patches(NamedTuple):
    """Faces joined across edges of two: of [F] the patch of each face, turned [F] against the patch's first face, number of patches."""

    of: np.ndarray
    turned: np.ndarray
    number: int


def _turned(corners: np.ndarray, edges: Edges, patches: _Patches, ends: np.ndarray) -> np.ndarray:
    """Which faces are to be turned, bool [F]. corners [F, 3, 3]; the faces of a part are those from one of the ends to the next."""
    area, volume = _areas_and_volumes(corners, ends)
    total = np.bincount(patches.of, area, patches.number)
    against = np.bincount(patches.of, area * patches.turned, patches.number)
    turned: np.ndarray = patches.turned ^ (against > total / 2)[patches.of]  # as most of its area is wound
    volume = np.bincount(patches.of, np.where(turned, -volume, volume), patches.number)
    outward = _is_closed(patches, edges, turned)
    inward = outward & (volume < 0)
    if inward.any():
        clear = np.maximum(against, total - against) >= _CLEAR * total
        corners = np.where(turned[:, None, None], corners[:, ::-1], corners)
        turn = np.zeros(patches.number, bool)
        for a, b in zip(ends[:-1], ends[1:], strict=True):
            if a < b:
                some = slice(patches.of[a:b].min(), patches.of[a:b].max() + 1)  # patches are numbered by their first faces
                own = _Patches(patches.of[a:b] - some.start, patches.turned[a:b], some.stop - some.start)
                turn[some] = _to_be_turned(corners[a:b], own, outward[some], inward[some], clear[some])
        turned ^= turn[patches.of]
    return turned


def _areas_and_volumes(corners: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Twice the area of each face, and six times the volume that it spans with the middle of its part's corners. [F], [F]"""
    with np.errstate(all="ignore"):
        moved = np.ascontiguousarray(corners.reshape(-1, 9).T).reshape(3, 3, -1)
        for start, end in zip(ends[:-1], ends[1:], strict=True):
            if start < end:
                own = moved[..., start:end]
                own -= own.mean(axis=(0, 2))[:, None]
        a, b, c = moved
        (u0, u1, u2), (v0, v1, v2) = b - a, c - a
        n0, n1, n2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
        return np.nan_to_num(np.sqrt(n0 * n0 + n1 * n1 + n2 * n2)), np.nan_to_num(a[0] * n0 + a[1] * n1 + a[2] * n2)


def _patches(edges: Edges) -> _Patches:
    n = len(edges.edge) // 3
    starts = (np.cumsum(edges.shared) - edges.shared)[edges.shared == 2]
    first, second = edges.order[starts], edges.order[starts + 1]
    clash = edges.forward[first] == edges.forward[second]  # both run the same way: one of them is turned
    f, g = first // 3, second // 3
    if not clash.any():
        count, of = components((f, g), n)
        return _Patches(of, np.zeros(n, bool), count)
    # Each face stands for itself and for itself turned: neighbours join the two that fit. A surface with two sides falls apart into two.
    _, label = components((np.concatenate([f, f + n]), np.concatenate([g + n * clash, g + n * ~clash])), 2 * n)
    _, of = np.unique(np.minimum(label[:n], label[n:]), return_inverse=True)
    return _Patches(of, label[:n] > label[n:], int(of.max()) + 1)


def _is_closed(patches: _Patches, edges: Edges, turned: np.ndarray) -> np.ndarray:
    """Whether a patch runs through each of its edges equally often in both directions, bool [patches]."""
    forward = edges.forward ^ np.repeat(turned, 3)
    uneven = np.bincount(edges.edge, np.where(forward, 1, -1)) != 0
    odd = np.flatnonzero((uneven | (edges.shared > 2))[edges.edge])
    patch = patches.of[odd // 3]
    key, where = np.unique(edges.edge[odd].astype(np.int64) * patches.number + patch, return_inverse=True)
    balance = np.bincount(where.ravel(), np.where(forward[odd], 1, -1), len(key))
    closed = np.ones(patches.number, bool)
    closed[(key % patches.number)[balance != 0]] = False
    return closed


def _to_be_turned(corners: np.ndarray, patches: _Patches, closed: np.ndarray, inward: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """Which closed patches are to be turned: inward ones, but cavities of what is outward, and outward ones that are cavities of others."""
    turn: np.ndarray = inward.copy()
    cavities = _nested(corners, patches, inward & clear, closed)
    turn[cavities] = False
    inverted = turn & clear  # a file that winds all faces inward keeps its cavities
    if inverted.any():
        turn[_nested(corners, patches, closed & clear & ~inward, inverted)] = True
        turn[_nested(corners, patches, cavities, inverted)] = True
    return turn


def _nested(corners: np.ndarray, patches: _Patches, which: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Which of some patches lie within one of others, bool [patches]."""
    import torch

    from voxcli.geometry.inside import points_inside

    nested = np.zeros(patches.number, bool)
    order = np.argsort(patches.of, kind="stable")
    starts = np.searchsorted(patches.of[order], np.arange(patches.number + 1))
    low = np.minimum.reduceat(corners.min(axis=1)[order], starts[:-1])
    high = np.maximum.reduceat(corners.max(axis=1)[order], starts[:-1])
    for other, inner in _boxes_within(low, high, np.flatnonzero(which), np.flatnonzero(within)):
        inner = inner[~nested[inner]]
        if not len(inner):
            continue
        spread = np.linspace(starts[inner], starts[inner + 1] - 1, _WITNESSES).astype(np.int64).T  # faces of each, evenly
        spots = torch.from_numpy(corners[order[spread], 0].reshape(-1, 3))
        of_other = corners[order[starts[other] : starts[other + 1]]].reshape(-1, 3)
        found = points_inside(spots, torch.from_numpy(of_other), torch.arange(len(of_other)).view(-1, 3))
        nested[inner] = found.numpy().reshape(-1, _WITNESSES).all(axis=1)
    return nested


def _boxes_within(low: np.ndarray, high: np.ndarray, which: np.ndarray, others: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each of some boxes that others lie within, and these. low, high [boxes, 3]; which, others: indices of boxes."""
    step = max(1, (1 << 20) // max(len(which), 1))
    for some in (others[start : start + step] for start in range(0, len(others), step)):
        held = (low[which] > low[some, None]).all(axis=2) & (high[which] < high[some, None]).all(axis=2)
        for k in np.flatnonzero(held.any(axis=1)):
            yield int(some[k]), which[held[k]]
