"""Lamps: table and floor lamps, desk lamps with joints, arcs, pendants and chandeliers."""

from __future__ import annotations

import math

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.parts import Builder, Material, ShapeObject, plan, slab, tube, turned
from voxcli.datasets.synthetic.shapes import Shape, cylinder, ellipsoid, lathe, limb, moved
from voxcli.datasets.synthetic.street.pieces import between

PARTS = ("base", "pole", "shade", "bulb")


def lamp(rng: np.random.Generator) -> ShapeObject:
    """A lamp; what leans, leans to the front."""
    b = Builder("lamp", PARTS)
    frame = materials.metal(rng) if rng.random() < 0.6 else materials.hard(rng)
    cloth = Material(np.clip(materials.hue(rng, 0.5) * 0.5 + 0.5, 0, 1)) if rng.random() < 0.65 else materials.paint(rng)
    form = rng.choice(["table", "floor", "desk", "arc", "pendant", "chandelier"], p=[0.32, 0.25, 0.14, 0.08, 0.14, 0.07])
    if form == "table":
        _table(b, rng, frame, cloth)
    elif form == "floor":
        _floor(b, rng, frame, cloth)
    elif form == "desk":
        _desk(b, rng, frame, cloth)
    elif form == "arc":
        _arc(b, rng, frame, cloth)
    else:
        _hanging(b, rng, frame, cloth, int(rng.integers(3, 7)) if form == "chandelier" else 1)
    return b.finish()


def shade(rng: np.random.Generator, radius: float, height: float) -> Shape:
    """A shade open at neither end, standing on y = 0: cone, drum, bell, globe or many-sided."""
    kind = rng.choice(["cone", "drum", "bell", "globe", "dome"], p=[0.38, 0.22, 0.16, 0.12, 0.12])
    points = 22 if rng.random() < 0.8 else int(rng.integers(4, 8))
    top = radius * between(rng, 0.3, 0.75)
    if kind == "cone":
        return lathe([(0.0, radius), (height, top)], points)
    if kind == "drum":
        return lathe([(0.0, radius), (height, radius * between(rng, 0.92, 1.0))], points)
    if kind == "bell":
        steps = np.linspace(0, 1, 7)
        return lathe([(height * s, radius * 0.35 + radius * 0.65 * (1 - s) ** 1.8) for s in steps], points)
    if kind == "globe":
        r = min(radius, height)
        return ellipsoid((r, r * between(rng, 0.8, 1.1), r), (0.0, r, 0.0), 18, 9)
    steps = np.linspace(0, math.pi / 2 * 0.92, 7)
    return lathe([(height * math.sin(s), radius * math.cos(s)) for s in steps], points)


def _foot(b: Builder, rng: np.random.Generator, frame: Material, radius: float) -> float:
    """A disc, a block, a dome or three feet. -> height at which the pole starts"""
    kind = rng.choice(["disc", "block", "dome", "tripod"], p=[0.45, 0.2, 0.2, 0.15])
    t = between(rng, 0.015, 0.04)
    if kind == "disc":
        b.add(lathe([(0.0, radius), (t * 0.7, radius), (t, radius * 0.93)], 26), "base", frame)
    elif kind == "block":
        b.add(slab(plan("rounded", radius * 1.7, radius * 1.7), 0.0, t), "base", frame)
    elif kind == "dome":
        b.add(lathe([(0.0, radius), (t * 0.6, radius * 0.95), (t * 1.6, radius * 0.5), (t * 2, radius * 0.12)], 24), "base", frame)
        t *= 1.8
    else:
        t = radius * between(rng, 0.5, 1.0)
        for k in range(3):
            a = 2 * math.pi * k / 3 + 0.4
            b.add(
                limb(np.array([0.0, t, 0.0]), np.array([radius * 1.1 * math.cos(a), 0.0, radius * 1.1 * math.sin(a)]), 0.014, 0.01),
                "base",
                frame,
            )
    return t


def _table(b: Builder, rng: np.random.Generator, frame: Material, cloth: Material) -> None:
    height, radius = between(rng, 0.18, 0.38), between(rng, 0.07, 0.13)
    if rng.random() < 0.6:  # a turned vase
        steps = np.linspace(0, 1, 12)
        bulge, where, waves = between(rng, 0.6, 1.3), between(rng, 0.25, 0.6), between(rng, 0.0, 0.25)
        widths = radius * (
            0.25 + bulge * np.exp(-(((steps - where) / between(rng, 0.18, 0.35)) ** 2)) * 0.7 + waves * 0.2 * np.sin(12 * steps) ** 2
        )
        body = materials.paint(rng) if rng.random() < 0.7 else materials.stone(rng)
        b.add(lathe([(height * s, float(w)) for s, w in zip(steps, widths, strict=True)], 20), "base", body)
        b.add(cylinder(radius * 0.85, 0.02, 22, 1, (0.0, 0.01, 0.0)), "base", frame)
    else:
        t = _foot(b, rng, frame, radius * 1.2)
        b.add(lathe([(t * 0.9, 0.012), (height, 0.012)], 10), "pole", frame)
    b.add(cylinder(0.009, 0.1, 8, 1, (0.0, height + 0.04, 0.0)), "pole", frame)
    top = shade(rng, between(rng, 0.11, 0.22), between(rng, 0.12, 0.25))
    b.add(moved(top, np.array([0.0, height + 0.04, 0.0])), "shade", cloth)


def _floor(b: Builder, rng: np.random.Generator, frame: Material, cloth: Material) -> None:
    height, radius = between(rng, 1.1, 1.55), between(rng, 0.12, 0.2)
    r = between(rng, 0.012, 0.028)
    if rng.random() < 0.3:  # three long legs
        reach, top = between(rng, 0.22, 0.36), height * between(rng, 0.75, 0.95)
        for k in range(3):
            a = 2 * math.pi * k / 3 + 0.5
            b.add(limb(np.array([reach * math.cos(a), 0.0, reach * math.sin(a)]), np.array([0.0, top, 0.0]), r * 0.7, r, 8), "pole", frame)
        b.add(cylinder(r * 1.2, height - top + 0.06, 10, 1, (0.0, (height + top) / 2, 0.0)), "pole", frame)
    else:
        t = _foot(b, rng, frame, radius)
        b.add(lathe([(t * 0.8, r), (height, r * between(rng, 0.6, 1.0))], 12), "pole", frame)
    count = 1 if rng.random() < 0.8 else int(rng.integers(2, 4))
    for k in range(count):
        a = 2 * math.pi * k / count
        reach = 0.0 if count == 1 else between(rng, 0.15, 0.25)
        at = np.array([reach * math.sin(a), height - 0.02, reach * math.cos(a)])
        if reach:
            b.add(limb(np.array([0.0, height - 0.12, 0.0]), at, 0.01, 0.01), "pole", frame)
        screen = shade(rng, between(rng, 0.14, 0.25) / math.sqrt(count), between(rng, 0.15, 0.3) / math.sqrt(count))
        b.add(moved(screen, at - (0.0, 0.04, 0.0)), "shade", cloth)


def _head(b: Builder, rng: np.random.Generator, at: np.ndarray, tilt: float, cloth: Material) -> None:
    """A reflector about `at` that shines down, tilted to the front."""
    radius, height = between(rng, 0.06, 0.1), between(rng, 0.09, 0.15)
    cone = lathe([(-height, radius), (-0.02, radius * 0.4), (0.02, radius * 0.35)], 18)
    b.add(moved(turned(cone, 0, tilt), at), "shade", cloth)
    bulb = ellipsoid((radius * 0.5, radius * 0.5, radius * 0.5), (0.0, -height, 0.0), 10, 5)
    b.add(moved(turned(bulb, 0, tilt), at), "bulb", materials.BULB)


def _desk(b: Builder, rng: np.random.Generator, frame: Material, cloth: Material) -> None:
    t = _foot(b, rng, frame, between(rng, 0.08, 0.12))
    first, second = between(rng, 0.22, 0.38), between(rng, 0.2, 0.36)
    a, c = math.radians(between(rng, 5, 40)), math.radians(between(rng, 20, 75))
    root = np.array([0.0, t, -0.02])
    elbow = root + first * np.array([0.0, math.cos(a), -math.sin(a)])
    tip = elbow + second * np.array([0.0, math.cos(c), math.sin(c)])
    r = between(rng, 0.007, 0.013)
    for start, end in ((root, elbow), (elbow, tip)):
        if rng.random() < 0.4:
            for dx in (-0.018, 0.018):
                b.add(limb(start + (dx, 0, 0), end + (dx, 0, 0), r * 0.7, r * 0.7), "pole", frame)
        else:
            b.add(limb(start, end, r, r, 8), "pole", frame)
    b.add(cylinder(r * 2, 0.05, 12, 0, tuple(elbow)), "pole", frame)
    _head(b, rng, tip, -between(rng, 5, 45), cloth)


def _arc(b: Builder, rng: np.random.Generator, frame: Material, cloth: Material) -> None:
    t = _foot(b, rng, frame, between(rng, 0.14, 0.2))
    height, reach = between(rng, 1.3, 1.7), between(rng, 0.6, 1.0)
    s = np.linspace(0, between(rng, 2.2, 2.8), 18)
    path = np.stack([np.zeros(18), t * 0.5 + height * np.sin(s * 0.56), reach * (1 - np.cos(s)) / 2 * 1.1], 1)
    b.add(tube(path, between(rng, 0.012, 0.02)), "pole", frame)
    top = shade(rng, between(rng, 0.16, 0.24), between(rng, 0.14, 0.2))
    b.add(moved(top, path[-1] - (0.0, float(np.ptp(top.vertices[:, 1])) - 0.02, 0.0)), "shade", cloth)


def _hanging(b: Builder, rng: np.random.Generator, frame: Material, cloth: Material, count: int) -> None:
    """A pendant (count 1) or a chandelier: a rose at the ceiling, a cord, shades."""
    drop = between(rng, 0.3, 0.9) if count == 1 else between(rng, 0.25, 0.5)
    b.add(lathe([(-0.03, 0.055), (0.0, 0.06)], 18), "base", frame)
    b.add(cylinder(between(rng, 0.006, 0.012), drop, 8, 1, (0.0, -drop / 2, 0.0)), "pole", frame)
    if count == 1:
        radius, height = between(rng, 0.14, 0.28), between(rng, 0.14, 0.3)
        top = shade(rng, radius, height)
        size = float(np.ptp(top.vertices[:, 1]))
        b.add(moved(top, np.array([0.0, -drop - size + 0.02, 0.0])), "shade", cloth)
        b.add(ellipsoid((0.035, 0.045, 0.035), (0.0, -drop - size, 0.0), 10, 5), "bulb", materials.BULB)
        return
    b.add(ellipsoid((0.05, 0.08, 0.05), (0.0, -drop, 0.0), 12, 7), "pole", frame)
    reach, s = between(rng, 0.24, 0.4), np.linspace(0, 1, 8)
    cup, up = between(rng, 0.05, 0.085), rng.random() < 0.7
    form = shade(rng, cup, cup * between(rng, 1.0, 1.8))
    for k in range(count):
        a = 2 * math.pi * k / count
        out, sag = reach * s, -drop - 0.1 * np.sin(s * math.pi)
        b.add(tube(np.stack([out * math.sin(a), sag, out * math.cos(a)], 1), 0.011), "pole", frame)
        top = form if up else Shape(form.vertices * (1, -1, 1), form.faces[:, ::-1])
        b.add(moved(top, np.array([reach * math.sin(a), -drop, reach * math.cos(a)])), "shade", cloth)
