"""Trees of streets and parks: a stem, branches, and the hull of a crown.

Photographic pictures show the sky through the hull (see photo.cover). Labels are filled from the hull: a crown is one solid, in
leaf or bare, as people outline it.
"""

from __future__ import annotations

import math

import numpy as np

from voxcli.datasets.synthetic.shapes import Shape, icosphere, limb
from voxcli.datasets.synthetic.street.pieces import STYLE_SIZE, Assembly, StreetObject, Surface, between, tint

LEAVES = np.array([
    [0.16, 0.25, 0.1], [0.2, 0.3, 0.12], [0.12, 0.2, 0.1], [0.26, 0.33, 0.14], [0.3, 0.33, 0.16], [0.18, 0.27, 0.17], [0.22, 0.26, 0.14],
    [0.42, 0.34, 0.14], [0.4, 0.24, 0.12], [0.14, 0.22, 0.14],
])  # fmt: skip
BARKS = np.array([[0.24, 0.2, 0.16], [0.32, 0.28, 0.24], [0.17, 0.14, 0.12], [0.4, 0.38, 0.35], [0.27, 0.26, 0.22]])
TWIGS = np.array([[0.3, 0.25, 0.21], [0.23, 0.2, 0.18], [0.38, 0.32, 0.26], [0.33, 0.25, 0.2], [0.28, 0.28, 0.24]])


def street_tree(rng: np.random.Generator, bare: bool, back: float, front: float, tall: bool) -> StreetObject:
    """A tree of about 7 to 17 m if tall, else of 4 to 8.5 m. bare: without leaves.

    Its crown reaches at most `back` metres towards -x, where a wall may stand, and `front` metres towards +x, over the road.
    """
    a = Assembly("tree")
    height = between(rng, 7.0, 17.0) if tall else between(rng, 4.0, 8.5)
    clear = between(rng, 1.9, 3.4) if tall else between(rng, 1.6, 2.3)
    reach = between(rng, 2.4, 5.6) if tall else between(rng, 1.0, 2.4)
    x0, x1 = -min(reach, back), min(reach, front)
    middle = np.array([(x0 + x1) / 2, (clear + height) / 2, 0.0])
    radii = np.array([(x1 - x0) / 2, (height - clear) / 2, reach * between(rng, 0.8, 1.05)])
    trunk = between(rng, 0.14, 0.36) if tall else between(rng, 0.05, 0.14)
    bark, leaf = tint(rng, BARKS), tint(rng, LEAVES, 0.12) * between(rng, 1.0, 1.5)
    twig = tint(rng, TWIGS, 0.12)
    fork = np.array([0.12 * rng.standard_normal() * min(1.0, -x0), clear + between(rng, 0.05, 0.3) * (height - clear),
                     0.15 * rng.standard_normal()])  # fmt: skip
    knee = 0.5 * fork + np.array([0.03, 0.0, 0.03]) * rng.standard_normal(3)
    a.add(limb(np.array([0.0, -0.03, 0.0]), knee, trunk * 1.25, trunk, 7), bark, Surface.BARK)
    a.add(limb(knee - np.array([0, 0.03, 0]), fork, trunk, trunk * 0.85, 7), bark, Surface.BARK)
    lumps = _lumps(rng, middle, radii, int(rng.integers(5, 10)))
    _branches(a, rng, fork, [centre for centre, _ in lumps], trunk, bark, bare)
    for centre, size in lumps:
        colour = (twig if bare else leaf) * between(rng, 0.9, 1.1)
        a.add(_lump(rng, centre, size), colour, Surface.TWIGS if bare else Surface.LEAVES)
    vertices = a.vertices
    hull = np.concatenate([_lump_bounds(centre, size) for centre, size in lumps])
    low = max(float(hull[:, 1].min()), 0.4)
    stem = float(np.abs(vertices[vertices[:, 1] < low][:, [0, 2]]).max()) + 0.02
    left, right = vertices.min(0), vertices.max(0)
    blocks = [(-stem, stem, 0.0, low + 0.02, -stem, stem), (left[0], right[0], low, right[1] + 0.1, left[2], right[2])]
    return a.finish(blocks, style=crown_style(rng, bare))


def crown_style(rng: np.random.Generator, bare: bool) -> np.ndarray:
    """Numbers for the crown's texture: lumps a metre, depth of shading, share that is covered, seed, size of the gaps in metres."""
    style = np.zeros(STYLE_SIZE)
    cover = between(rng, 0.4, 0.8) if bare else between(rng, 0.55, 0.95)
    style[:5] = between(rng, 4.0, 14.0), between(rng, 0.25, 0.6), cover, rng.integers(1, 250), between(rng, 0.25, 0.9)
    return style


def _lumps(rng: np.random.Generator, middle: np.ndarray, radii: np.ndarray, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(centre, radii) of ellipsoids that together about fill one ellipsoid. The first is in its middle, `count` more are around it."""
    out = [(middle + np.array([0.0, 0.06, 0.0]) * radii, 0.72 * radii)]
    start = rng.random() * 6.28
    for k in range(count):
        angle, lift = start + 2.4 * k, between(rng, -0.6, 0.75)
        flat = math.sqrt(1 - lift * lift)
        size = between(rng, 0.36, 0.52)
        towards = np.array([math.cos(angle) * flat, lift, math.sin(angle) * flat])
        out.append((middle + (1 - size) * towards * radii, size * radii * np.array([1.0, between(rng, 0.7, 1.0), 1.0])))
    return out


def _lump(rng: np.random.Generator, centre: np.ndarray, radii: np.ndarray) -> Shape:
    sphere = icosphere(1)
    push = 1 - 0.16 * rng.random((len(sphere.vertices), 1))  # inwards alone, so that it stays within its bounds
    return Shape(sphere.vertices * push * radii + centre, sphere.faces)


def _lump_bounds(centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return np.stack([centre - radii, centre + radii])


def _branches(
    a: Assembly, rng: np.random.Generator, fork: np.ndarray, ends: list[np.ndarray], trunk: float, bark: np.ndarray, bare: bool
) -> None:
    """Branches from the fork to the middles of the lumps; bare ones fork again."""
    for end in ends:
        start = fork - np.array([0.0, 0.3 * rng.random() * fork[1], 0.0])
        bend = 0.5 * (start + end) + 0.12 * np.linalg.norm(end - start) * rng.standard_normal(3) * np.array([1.0, 0.5, 1.0])
        width = trunk * between(rng, 0.4, 0.7)
        a.add(limb(start, bend, width, width * 0.7, 4), bark, Surface.BARK)
        a.add(limb(bend, end, width * 0.7, width * 0.35, 4), bark, Surface.BARK)
        for _ in range(int(rng.integers(2, 4)) if bare else 0):
            tip = end + 0.55 * np.linalg.norm(end - bend) * (rng.standard_normal(3) * np.array([0.6, 0.4, 0.6]) + np.array([0.0, 0.3, 0.0]))
            a.add(limb(bend + (end - bend) * rng.random() * 0.8, tip, width * 0.4, width * 0.12, 3), bark, Surface.BARK)
