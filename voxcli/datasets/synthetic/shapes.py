"""Closed parametric solids with few faces: the clay of the synthetic scenes.

Every function returns a Shape whose surface is closed and wound counter-clockwise seen from outside. All of them but the two spheres'
and the torus' are lofts: rings of points that are swept from the first to the last and capped.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """vertices [V, 3] float64, faces [F, 3] int64."""

    vertices: np.ndarray
    faces: np.ndarray


@lru_cache(maxsize=256)
def _loft_faces(rings: int, points: int) -> np.ndarray:
    """Faces of a capped loft: sides ordered [ring, point, 2], then the start cap [point], then the end cap [point]."""
    j = np.arange(points)
    k = (j + 1) % points
    low = (np.arange(rings - 1) * points)[:, None]
    a, b, c, d = low + j, low + k, low + points + k, low + points + j
    sides = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
    start = np.stack([np.full(points, rings * points), k, j], -1)
    last = (rings - 1) * points
    end = np.stack([np.full(points, rings * points + 1), last + j, last + k], -1)
    return np.concatenate([sides, start, end]).astype(np.int64)


def loft(rings: np.ndarray, start: np.ndarray | None = None, end: np.ndarray | None = None) -> Shape:
    """The solid swept through rings [R, N, 3], which run counter-clockwise seen from beyond the last ring.

    start, end: tips of the two caps, the middle of the first and the last ring unless given.
    """
    count, points = rings.shape[:2]
    vertices = np.zeros((count * points + 2, 3))
    vertices[:-2] = rings.reshape(-1, 3)
    vertices[-2] = rings[0].sum(0) / points if start is None else start
    vertices[-1] = rings[-1].sum(0) / points if end is None else end
    return Shape(vertices, _loft_faces(count, points))


@lru_cache(maxsize=64)
def circle(points: int) -> np.ndarray:
    """Cosines and sines [points, 2], turned by half a step so that a square stands on its side."""
    angle = (np.arange(points) + 0.5) * (2 * math.pi / points)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


_CORNERS = np.array([[-0.5, 0.0, 0.5], [0.5, 0.0, 0.5], [0.5, 0.0, -0.5], [-0.5, 0.0, -0.5]])  # counter-clockwise about +y
_BOX = np.stack([_CORNERS - (0.0, 0.5, 0.0), _CORNERS + (0.0, 0.5, 0.0)])


def box(size: tuple[float, float, float], centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Shape:
    """An axis-aligned box about `centre`; its sides come in the order +z, +x, -z, -x."""
    return loft(_BOX * size + centre)


def tapered_box(
    bottom: tuple[float, float],
    top: tuple[float, float],
    height: float,
    base: tuple[float, float, float] = (0.0, 0.0, 0.0),
    lean: float = 0.0,
) -> Shape:
    """A frustum of a pyramid: bottom and top (x, z) sizes, standing with the middle of its bottom on `base`; the top leans along z."""
    rings = np.stack([_CORNERS * (bottom[0], 1.0, bottom[1]), _CORNERS * (top[0], 1.0, top[1]) + (0.0, height, lean)])
    return loft(rings + base)


def cylinder(radius: float, height: float, points: int = 12, axis: int = 1, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Shape:
    """A regular prism inscribed in a cylinder along an axis (0 x, 1 y, 2 z)."""
    ring = circle(points) * radius
    rings = np.zeros((2, points, 3))
    rings[:, :, (axis + 1) % 3] = ring[:, 0]
    rings[:, :, (axis + 2) % 3] = ring[:, 1]
    rings[:, :, axis] = [[-height / 2], [height / 2]]
    return loft(rings + np.asarray(centre))


def cone(radius: float, height: float, points: int = 10, base: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Shape:
    """A pyramid inscribed in an upright cone."""
    rings = _lathe_rings(np.array([[0.0, radius]]), points)
    return loft(rings + np.asarray(base), end=np.asarray(base) + (0.0, height, 0.0))


def _lathe_rings(profile: np.ndarray, points: int, stretch: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    ring = circle(points)
    rings = np.zeros((len(profile), points, 3))
    rings[:, :, 2] = profile[:, 1:2] * ring[:, 0] * stretch[1]
    rings[:, :, 0] = profile[:, 1:2] * ring[:, 1] * stretch[0]
    rings[:, :, 1] = profile[:, :1]
    return rings


def lathe(profile: list[tuple[float, float]], points: int = 10, stretch: tuple[float, float] = (1.0, 1.0)) -> Shape:
    """A turned solid about +y: profile [(height, radius)] from bottom to top; stretch widens it along x and z."""
    return loft(_lathe_rings(np.asarray(profile, dtype=np.float64), points, stretch))


def ellipsoid(
    radii: tuple[float, float, float], centre: tuple[float, float, float] = (0.0, 0.0, 0.0), points: int = 10, rings: int = 5
) -> Shape:
    """An ellipsoid as a lathe with poles at the bottom and the top."""
    angle = (np.arange(rings) + 1) * (math.pi / (rings + 1))
    profile = np.stack([-np.cos(angle), np.sin(angle)], 1)
    sphere = loft(_lathe_rings(profile, points), start=np.array([0.0, -1.0, 0.0]), end=np.array([0.0, 1.0, 0.0]))
    return Shape(sphere.vertices * np.asarray(radii) + np.asarray(centre), sphere.faces)


def limb(start: np.ndarray, end: np.ndarray, start_radius: float, end_radius: float, points: int = 6, bulge: float = 0.0) -> Shape:
    """A tapered rod from start to end; bulge adds a middle ring that is thicker by this share."""
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    x, y, z = (end - start).tolist()
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    # Two axes across the rod: a fixed direction made square to it, and what completes the right hand.
    first = (-y, x, 0.0) if abs(z) < 0.8 else (0.0, -z, y)
    size = math.sqrt(first[0] ** 2 + first[1] ** 2 + first[2] ** 2)
    p, q, r = first[0] / size, first[1] / size, first[2] / size
    ring = circle(points) @ np.array([[p, q, r], [y * r - z * q, z * p - x * r, x * q - y * p]])
    rings = np.zeros((3 if bulge else 2, points, 3))
    rings[0] = start + start_radius * ring
    rings[-1] = end + end_radius * ring
    if bulge:
        rings[1] = (start + end) / 2 + (start_radius + end_radius) / 2 * (1 + bulge) * ring
    return loft(rings)


def extrude(outline: np.ndarray | list[tuple[float, float]], half_width: float | np.ndarray) -> Shape:
    """A side profile [(z, y)] swept along x from -half_width to +half_width (one width a corner: a tapered cabin).

    The outline must be star-shaped about the mean of its corners. Faces: two for each edge k (corner k to k + 1) in the outline's
    own order, then the left cap (-x), then the right cap, one for each edge.
    """
    outline = np.asarray(outline, dtype=np.float64)
    width = np.broadcast_to(np.asarray(half_width, dtype=np.float64), len(outline))
    z, y = outline.T
    if np.sum(y * np.roll(z, -1) - np.roll(y, -1) * z) < 0:
        raise ValueError("an extruded outline must run counter-clockwise in the (y, z) plane")
    rings = np.stack([np.stack([-width, y, z], 1), np.stack([width, y, z], 1)])
    return loft(rings)


def plate(quad: np.ndarray, across: tuple[float, float], up: tuple[float, float], thickness: float = 0.012) -> Shape:
    """A thin plate on a planar quad [4, 3] (bottom left, bottom right, top right, top left seen from outside).

    across, up: the shares of the quad that it covers. It sits half inside the surface and half proud of it.
    """
    (u0, u1), (v0, v1) = across, up
    weights = np.array([[(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v] for u, v in ((u0, v0), (u1, v0), (u1, v1), (u0, v1))])
    corners = weights @ quad
    (ax, ay, az), (bx, by, bz) = (corners[1] - corners[0]).tolist(), (corners[3] - corners[0]).tolist()
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    half = np.array([nx, ny, nz]) * (thickness / 2 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-12))
    return loft(np.stack([corners - half, corners + half]))


@lru_cache(maxsize=4)
def icosphere(level: int) -> Shape:
    """A unit sphere from an icosahedron, its faces split in four `level` times. Shared: do not write into it."""
    g = (1 + math.sqrt(5)) / 2
    corners = [
        (-1, g, 0),
        (1, g, 0),
        (-1, -g, 0),
        (1, -g, 0),
        (0, -1, g),
        (0, 1, g),
        (0, -1, -g),
        (0, 1, -g),
        (g, 0, -1),
        (g, 0, 1),
        (-g, 0, -1),
        (-g, 0, 1),
    ]
    points = [np.array(c, dtype=np.float64) / math.hypot(*c) for c in corners]
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6), (7, 1, 8),
             (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)]  # fmt: skip
    for _ in range(level):
        middles: dict[tuple[int, int], int] = {}

        def middle(a: int, b: int, middles: dict[tuple[int, int], int] = middles) -> int:
            key = (min(a, b), max(a, b))
            if key not in middles:
                point = points[a] + points[b]
                points.append(point / np.linalg.norm(point))
                middles[key] = len(points) - 1
            return middles[key]

        split = []
        for a, b, c in faces:
            ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
            split += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = split
    return Shape(np.stack(points), np.array(faces, dtype=np.int64))


@lru_cache(maxsize=16)
def _torus_faces(around: int, tube: int) -> np.ndarray:
    i, j = (g.reshape(-1) for g in np.meshgrid(np.arange(around), np.arange(tube), indexing="ij"))
    a, b = i * tube + j, i * tube + (j + 1) % tube
    d, c = (i + 1) % around * tube + j, (i + 1) % around * tube + (j + 1) % tube
    return np.concatenate([np.stack([a, c, b], 1), np.stack([a, d, c], 1)]).astype(np.int64)


def torus(radius: float, thickness: float, around: int = 18, tube: int = 5, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Shape:
    """A ring in the (y, z) plane, its axis along x; thickness is the radius of the tube."""
    turn, ring = circle(around), circle(tube)
    distance = radius + thickness * ring[:, 0]
    vertices = np.zeros((around, tube, 3))
    vertices[:, :, 0] = thickness * ring[:, 1]
    vertices[:, :, 1] = turn[:, :1] * distance
    vertices[:, :, 2] = turn[:, 1:] * distance
    return Shape(vertices.reshape(-1, 3) + np.asarray(centre), _torus_faces(around, tube))


def moved(shape: Shape, shift: np.ndarray) -> Shape:
    """The shape, shifted by [3]."""
    return Shape(shape.vertices + shift, shape.faces)


def signed_volume(shape: Shape) -> float:
    """The volume by the divergence theorem: positive where the winding looks outward."""
    a, b, c = (shape.vertices[shape.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)
