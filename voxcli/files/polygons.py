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
    if (lengths > 3).any():
        apex, dented = _inward_corners(np.asarray(points, np.float64)[corners], starts, lengths)
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
        normals = np.zeros((len(lengths), 3))
        np.add.at(normals, polygon, np.cross(at - first, after - first))
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
    left = np.arange(len(flat))
    found: list[tuple[int, int, int]] = []
    turn = 0  # each search begins where the last ear was, which keeps triangles compact
    while len(left) > 3:
        a, b, c = flat[np.roll(left, 1)], flat[left], flat[np.roll(left, -1)]
        areas = _cross(b - a, c - b)
        others = b[areas <= 0]  # what an ear might hold besides its corners, a corner that turns inwards is nearest
        order = np.roll(np.arange(len(left)), -turn)
        ear = next((k for k in order[areas[order] > 0].tolist() if not _holds(a[k], b[k], c[k], others)), None)
        if ear is None:  # edges that touch or cross: a corner without area first, else the one that is left with the most
            flat_corners = np.flatnonzero(areas == 0)
            ear = int(flat_corners[0]) if len(flat_corners) else int(areas.argmax())
        found.append((int(left[ear - 1]), int(left[ear]), int(left[(ear + 1) % len(left)])))
        left = np.delete(left, ear)
        turn = ear % len(left)
    return [*found, (int(left[0]), int(left[1]), int(left[2]))]


def _holds(a: np.ndarray, b: np.ndarray, c: np.ndarray, others: np.ndarray) -> bool:
    """Whether a point of others [n, 2] lies in or on triangle abc; one in the very place of a corner does not count."""
    inside = (_cross(b - a, others - a) >= 0) & (_cross(c - b, others - b) >= 0) & (_cross(a - c, others - c) >= 0)
    apart = (others != a).any(axis=1) & (others != b).any(axis=1) & (others != c).any(axis=1)
    return bool((inside & apart).any())


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    product: np.ndarray = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return product
