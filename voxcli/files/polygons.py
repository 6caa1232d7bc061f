"""Polygons to triangles, the one way for all formats: fans where these are right, ear clipping where they are not."""

from __future__ import annotations

import numpy as np

from voxcli.errors import DataError

_DENT = 1e-6
"""A corner turns inwards where it cuts more than this share of the polygon's area away."""


def triangles_of(points: np.ndarray, corners: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide polygons into triangles that cover just their area, wound as they are.

    A convex polygon becomes a fan around its first corner, one with a single corner that turns inwards a fan around that corner. Others
    lose one ear after the other. Polygons of fewer than three corners give nothing.

    Args:
        points: [V, 3]. corners: [K] indices into points, those of all polygons in a row. lengths: [P] corners of each polygon.

    Returns (places [F, 3] in `corners`, the polygon [F] that each triangle is of), in the order of the polygons.
    Raises DataError for an index beyond the points.

    >>> triangles_of(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), np.arange(4), np.array([4]))[0].tolist()
    [[0, 1, 2], [0, 2, 3]]
    """
    corners, lengths = np.asarray(corners, np.int64), np.asarray(lengths, np.int64)
    if len(corners) and (corners.min() < 0 or corners.max() >= len(points)):
        raise DataError("A face names a vertex that is not there.", expected=f"indices 0..{len(points) - 1}",
                        actual=f"{corners.min()}..{corners.max()}")  # fmt: skip
    starts = np.cumsum(lengths) - lengths
    apex = np.zeros(len(lengths), np.int64)
    dented = np.zeros(0, np.int64)
    large = np.flatnonzero(lengths > 3)
    if len(large):
        counts = lengths[large]
        first = np.cumsum(counts) - counts
        places = np.repeat(starts[large] - first, counts) + np.arange(counts.sum())
        apex[large], inner = _inward_corners(np.asarray(points, np.float64)[corners[places]], first, counts)
        dented = large[inner]
    counts = np.maximum(lengths - 2, 0)
    rows = np.repeat(np.arange(len(lengths)), counts)
    step = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    local = np.stack([np.zeros_like(step), step + 1, step + 2], axis=-1)
    places = starts[rows, None] + (local + apex[rows, None]) % np.maximum(lengths[rows, None], 1)
    first = np.cumsum(counts) - counts
    for row in dented.tolist():
        start, count = int(starts[row]), int(lengths[row])
        ears = _ears(_flattened(np.asarray(points, np.float64)[corners[start : start + count]]))
        places[first[row] : first[row] + count - 2] = start + np.array(ears, np.int64)
    return places, rows


def _inward_corners(at: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the corner [P] that a fan may turn around, the polygons for which there is none). at: positions [K, 3] of all corners."""
    polygon = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(at)) - starts[polygon]
    after = at[starts[polygon] + (place + 1) % lengths[polygon]]
    before = at[starts[polygon] + (place - 1) % lengths[polygon]]
    first = at[starts[polygon]]
    with np.errstate(all="ignore"):  # positions may be NaN here; whoever called says so
        shares = np.cross(at - first, after - first)
        normals = np.stack([np.bincount(polygon, share, len(lengths)) for share in shares.T], axis=1)
        turns = (np.cross(at - before, after - at) * normals[polygon]).sum(axis=1)
        inward = turns < -_DENT * (normals**2).sum(axis=1)[polygon]
    count = np.bincount(polygon[inward], minlength=len(lengths))
    apex = np.zeros(len(lengths), np.int64)
    apex[polygon[inward]] = place[inward]
    apex[count > 1] = 0
    return apex, np.flatnonzero(count > 1)


def _flattened(at: np.ndarray) -> np.ndarray:
    """A polygon [n, 3] seen along the axis that it faces most, [n, 2], counter-clockwise."""
    normal = np.cross(at - at[0], np.roll(at, -1, axis=0) - at[0]).sum(axis=0)
    axis = int(np.abs(normal).argmax())
    seen = [(axis + 1) % 3, (axis + 2) % 3]
    flat: np.ndarray = at[:, seen if normal[axis] > 0 else seen[::-1]]
    return flat


def _ears(flat: np.ndarray) -> list[tuple[int, int, int]]:
    """The triangles of a polygon [n, 2], counter-clockwise: a corner is cut off where its triangle holds no other corner."""
    points: list[tuple[float, float]] = [(x, y) for x, y in flat.tolist()]
    count = len(points)
    before, after = [count - 1, *range(count - 1)], [*range(1, count), 0]

    def turn(k: int) -> float:
        return _turn(points[before[k]], points[k], points[after[k]])

    inward = {k for k in range(count) if turn(k) <= 0}  # what a triangle might hold: the corner nearest to its edge is one of these
    found: list[tuple[int, int, int]] = []
    at = tried = 0
    while len(found) < count - 3:
        stuck = tried > count - len(found)  # edges touch or cross
        if stuck:
            left = [at]
            while (following := after[left[-1]]) != at:
                left.append(following)
            straight = next((k for k in left if turn(k) == 0), None)
            if straight is None:  # no triangles cover a polygon that crosses itself
                return found + [(at, b, c) for b, c in zip(left[1:-1], left[2:], strict=True)]
            at = straight
        a, c = before[at], after[at]
        if stuck or (turn(at) > 0 and not any(_holds(points[a], points[at], points[c], points[k]) for k in inward)):
            found.append((a, at, c))
            after[a], before[c] = c, a
            inward -= {at, a, c}
            inward |= {k for k in (a, c) if turn(k) <= 0}
            at, tried = after[c], 0  # one is passed over, which keeps triangles compact
        else:
            at, tried = c, tried + 1
    return [*found, (before[at], at, after[at])]


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Twice the area of a triangle, positive where it is counter-clockwise."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])


def _holds(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], p: tuple[float, float]) -> bool:
    """Whether p lies in or on triangle abc; a point in the very place of a corner does not."""
    return _turn(a, b, p) >= 0 and _turn(b, c, p) >= 0 and _turn(c, a, p) >= 0 and p not in (a, b, c)
