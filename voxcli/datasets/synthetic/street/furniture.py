"""What stands along streets apart from houses and trees.

Walls, railings, fences, hoardings and shelters are obstacles of class `building`. Posts, signs, lamps, bollards, wires and the bonnet of
the camera's own car are drawn and have no class: labels, depth and instances leave them out.
"""

from __future__ import annotations

import math

import numpy as np

from voxcli.datasets.synthetic.shapes import box, cylinder, ellipsoid, limb
from voxcli.datasets.synthetic.street.far.buildings import BRICKS, PANELS, RENDERS, STONES
from voxcli.datasets.synthetic.street.pieces import STYLE_SIZE, Assembly, StreetObject, Surface, between, tint
from voxcli.datasets.synthetic.street.vehicles import COMMON_PAINTS

METALS = np.array([[0.35, 0.36, 0.37], [0.12, 0.13, 0.13], [0.5, 0.51, 0.52], [0.1, 0.18, 0.14], [0.2, 0.2, 0.22], [0.42, 0.4, 0.37]])
SIGNS = np.array([[0.75, 0.08, 0.08], [0.1, 0.22, 0.6], [0.85, 0.85, 0.84], [0.85, 0.7, 0.1], [0.1, 0.4, 0.2]])
POSTERS = np.array([[0.75, 0.75, 0.72], [0.2, 0.3, 0.55], [0.5, 0.55, 0.4], [0.6, 0.3, 0.2], [0.15, 0.16, 0.2], [0.55, 0.6, 0.68]])


def _style(rng: np.random.Generator, cover: float = 1.0) -> np.ndarray:
    style = np.zeros(STYLE_SIZE)
    style[:5] = 8.0, 0.3, cover, rng.integers(1, 250), 0.4
    style[10] = rng.integers(1, 1000)
    return style


def barrier(rng: np.random.Generator, length: float, kind: str) -> StreetObject:
    """A barrier of class `building`, `length` metres along z. kind: `wall` (some with a railing on top), `railing`, `fence`, `hoarding`."""
    a = Assembly("building")
    if kind == "wall":
        height, thick = between(rng, 0.5, 2.3), between(rng, 0.2, 0.4)
        brick = tint(rng, np.concatenate([BRICKS, STONES]))
        a.add(box((thick, height, length), (0.0, height / 2, 0.0)), brick, Surface.MASONRY)
        a.add(box((thick + 0.08, 0.08, length), (0.0, height, 0.0)), brick * between(rng, 0.7, 1.3))
        if rng.random() < 0.35:
            _rails(a, rng, length, height, between(rng, 0.5, 1.3))
    elif kind == "railing":
        _rails(a, rng, length, 0.0, between(rng, 0.9, 2.0))
    elif kind == "fence":
        height = between(rng, 0.9, 2.0)
        a.add(box((0.06, height, length), (0.0, height / 2, 0.0)), np.array([0.4, 0.3, 0.22]) * between(rng, 0.5, 1.4), Surface.MASONRY)
    else:
        height = between(rng, 1.9, 2.6)
        a.add(box((0.1, height, length), (0.0, height / 2, 0.0)), tint(rng, POSTERS, 0.1), Surface.POSTER)
    return a.finish(style=_style(rng, between(rng, 0.25, 0.5)))


def _rails(a: Assembly, rng: np.random.Generator, length: float, low: float, height: float) -> None:
    """A railing as a see-through plate between posts."""
    metal = tint(rng, METALS)
    a.add(box((0.05, height, length - 0.02), (0.0, low + height / 2, 0.0)), metal, Surface.RAILING)
    a.add(box((0.045, 0.05, length), (0.0, low + height, 0.0)), metal)
    for z in np.arange(-length / 2 + 0.05, length / 2, 2.4):
        a.add(box((0.08, height + 0.08, 0.08), (0.0, low + height / 2, float(z))), metal)


def shelter(rng: np.random.Generator) -> StreetObject:
    """A bus shelter of class `building`, open towards -x."""
    length, high = between(rng, 2.6, 4.6), between(rng, 2.25, 2.5)
    metal = tint(rng, METALS)
    a = Assembly("building")
    a.add(box((1.4, 0.12, length), (-0.5, high, 0.0)), metal)
    a.add(box((0.04, high - 0.3, length), (0.15, high / 2 + 0.15, 0.0)), (0.12, 0.14, 0.15), Surface.GLASS)
    a.add(box((1.2, high - 0.4, 0.1), (-0.45, high / 2, length / 2 - 0.05)), tint(rng, POSTERS), Surface.POSTER)
    for z in (-0.5, 0.0, 0.5):
        a.add(box((0.08, high, 0.08), (0.15, high / 2, z * (length - 0.1))), metal)
    a.add(box((0.35, 0.06, length * 0.7), (-0.1, 0.5, 0.0)), metal)
    return a.finish(style=_style(rng))


def lamp_post(rng: np.random.Generator) -> StreetObject:
    """A street lamp of 4 to 9 m. Its arm reaches towards +x."""
    high, metal = between(rng, 4.0, 9.0), tint(rng, METALS)
    a = Assembly("post")
    radius = between(rng, 0.05, 0.09)
    a.add(limb(np.zeros(3), np.array([0.0, high, 0.0]), radius, radius * 0.6, 6), metal)
    a.add(cylinder(radius * 1.7, 1.2, 6, 1, (0.0, 0.6, 0.0)), metal)
    arm = between(rng, 0.3, 1.8)
    a.add(limb(np.array([0.0, high - 0.05, 0.0]), np.array([arm, high + 0.15 * arm, 0.0]), 0.04, 0.03, 4), metal)
    a.add(box((0.6, 0.14, 0.24), (arm, high + 0.15 * arm, 0.0)), metal * 0.9)
    a.add(box((0.4, 0.05, 0.18), (arm, high + 0.15 * arm - 0.07, 0.0)), (0.9, 0.85, 0.7), Surface.LAMP)
    return a.finish(style=_style(rng))


def traffic_light(rng: np.random.Generator) -> StreetObject:
    """A signal that faces -z, with three lamps, one of them lit."""
    low, metal = between(rng, 2.0, 3.0), tint(rng, METALS)
    a = Assembly("post")
    a.add(limb(np.zeros(3), np.array([0.0, low + 0.9, 0.0]), 0.06, 0.05, 6), metal)
    a.add(box((0.36, 1.0, 0.25), (0.0, low + 0.5, 0.0)), (0.03, 0.03, 0.035))
    if rng.random() < 0.4:
        a.add(box((0.62, 1.3, 0.03), (0.0, low + 0.5, 0.06)), (0.04, 0.04, 0.04))
    lit = rng.integers(3)
    for k, colour in enumerate(((0.1, 0.9, 0.45), (1.0, 0.6, 0.1), (1.0, 0.1, 0.08))):
        tone = np.array(colour) * (1.0 if k == lit else 0.12)
        a.add(cylinder(0.11, 0.06, 8, 2, (0.0, low + 0.18 + 0.32 * k, -0.13)), tone, Surface.LAMP if k == lit else Surface.PLAIN)
    return a.finish(style=_style(rng))


def sign_post(rng: np.random.Generator) -> StreetObject:
    """A traffic sign on a post, some with a name plate below it. It faces -z."""
    low, metal = between(rng, 1.9, 2.6), tint(rng, METALS)
    a = Assembly("post")
    a.add(limb(np.zeros(3), np.array([0.0, low + 0.6, 0.0]), 0.035, 0.035, 5), metal)
    points = int(rng.choice([3, 4, 12]))
    colour = tint(rng, SIGNS)
    size = between(rng, 0.25, 0.42)
    a.add(cylinder(size, 0.03, points, 2, (0.0, low + 0.35, -0.05)), colour)
    a.add(cylinder(size * 0.74, 0.03, points, 2, (0.0, low + 0.35, -0.065)), (0.85, 0.85, 0.84) if rng.random() < 0.7 else colour * 0.6)
    if rng.random() < 0.4:
        a.add(box((0.6, 0.22, 0.03), (0.0, low - 0.15, -0.05)), tint(rng, SIGNS), Surface.POSTER)
    return a.finish(style=_style(rng))


def small_thing(rng: np.random.Generator) -> StreetObject:
    """A bollard, a litter bin or a cabinet, up to 1.3 m high."""
    a, kind = Assembly("post"), rng.random()
    if kind < 0.5:
        a.add(cylinder(between(rng, 0.05, 0.1), 1.0, 7, 1, (0.0, 0.5, 0.0)), tint(rng, METALS))
    elif kind < 0.8:
        a.add(cylinder(between(rng, 0.2, 0.3), 0.95, 9, 1, (0.0, 0.475, 0.0)), tint(rng, np.concatenate([METALS, SIGNS[4:]])) * 0.7)
    else:
        size = (between(rng, 0.3, 0.5), between(rng, 0.9, 1.3), between(rng, 0.6, 1.2))
        a.add(box(size, (0.0, size[1] / 2, 0.0)), tint(rng, np.concatenate([METALS, RENDERS, PANELS])))
    return a.finish(style=_style(rng))


def wire(start: np.ndarray, end: np.ndarray) -> StreetObject:
    """A cable that sags between two world points [3]. Its vertices are world coordinates, too."""
    a = Assembly("post")
    sag = 0.03 * float(np.linalg.norm(end - start))
    places = [start + (end - start) * t - np.array([0.0, 4 * sag * t * (1 - t), 0.0]) for t in np.linspace(0, 1, 5)]
    for p, q in zip(places[:-1], places[1:], strict=True):
        a.add(limb(p, q, 0.012, 0.012, 3), (0.05, 0.05, 0.05))
    return a.finish(grounded=False)


def bonnet(rng: np.random.Generator, high: float) -> StreetObject:
    """The bonnet of the car of a dash-cam, which is `high` metres above the road at x = z = 0 and looks along +z."""
    a = Assembly("post")
    top, reach = high - between(rng, 0.42, 0.6), between(rng, 1.35, 1.75)
    size = (between(rng, 0.75, 0.95), 0.3, reach - 0.3)
    a.add(ellipsoid(size, (between(rng, -0.25, 0.25), top - 0.3, 0.3), 18, 9), tint(rng, COMMON_PAINTS), Surface.PAINT)
    return a.finish(grounded=False, style=_style(rng))


KINDS = {"lamp": lamp_post, "light": traffic_light, "sign": sign_post, "small": small_thing}
"""Makers of what has no class, by name."""


def turned(outward: int) -> float:
    """The heading at which a thing's +x points at the road. outward: the side of the road where it stands, -1 or +1."""
    return math.pi if outward > 0 else 0.0
