"""Tables: dining, coffee, bar and writing tables."""

from __future__ import annotations

import math

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.parts import Builder, Material, ShapeObject, plan, slab, tube
from voxcli.datasets.synthetic.shapes import box, cylinder, lathe, limb
from voxcli.datasets.synthetic.street.pieces import between

PARTS = ("top", "legs", "shelf", "drawers")


def table(rng: np.random.Generator) -> ShapeObject:
    """A table; its long side faces the front."""
    b = Builder("table", PARTS)
    kind = rng.choice(["rectangle", "rounded", "ellipse", "hexagon"], p=[0.5, 0.22, 0.23, 0.05])
    use = rng.choice(["dining", "coffee", "bar", "desk"], p=[0.42, 0.33, 0.08, 0.17])
    height = {"dining": (0.68, 0.8), "coffee": (0.3, 0.5), "bar": (0.95, 1.15), "desk": (0.7, 0.8)}[use]
    h = between(rng, *height)
    width = between(rng, 0.5, 0.75) if use == "bar" else between(rng, 0.75, 2.0)
    depth = width if kind == "hexagon" or rng.random() < 0.25 else width * between(rng, 0.4, 0.8)
    if use == "desk":
        kind, depth = "rectangle", between(rng, 0.5, 0.8)
        width = max(width, 1.0)
    frame = materials.hard(rng)
    top = frame if rng.random() < 0.45 else (materials.stone if rng.random() < 0.25 else materials.hard)(rng)
    thick = between(rng, 0.018, 0.07)
    b.add(slab(plan(kind, width, depth, 32, between(rng, 0.08, 0.4)), h - thick, h), "top", top)
    under = h - thick
    if use == "desk" and rng.random() < 0.7:
        _desk(b, rng, frame, width, depth, under)
        return b.finish()
    styles = ["square", "round", "turned", "splayed", "pedestal", "panels", "crossed", "hoops"]
    weights = np.array([0.3, 0.12, 0.1, 0.13, 0.13, 0.08, 0.08, 0.06])
    if kind in ("ellipse", "hexagon"):
        weights = np.array([0.14, 0.14, 0.08, 0.2, 0.4, 0.0, 0.04, 0.0])
    _support(b, rng, frame, str(rng.choice(styles, p=weights / weights.sum())), kind, width, depth, under)
    return b.finish()


def _support(b: Builder, rng: np.random.Generator, frame: Material, style: str, kind: str, width: float, depth: float, top: float) -> None:
    inset = 0.7 if kind in ("ellipse", "hexagon") else between(rng, 0.86, 0.97)
    x, z, r = width / 2 * inset - 0.02, depth / 2 * inset - 0.02, between(rng, 0.018, 0.045)
    if style in ("square", "round", "turned", "splayed"):
        lower = between(rng, 0.4, 1.0)
        out = between(rng, 0.05, 0.15) if style == "splayed" else 0.0
        for sz in (-1, 1):
            head, foot = np.array([x - out, top, sz * (z - out)]), np.array([x, 0.0, sz * z])
            if style == "turned":
                p = [
                    (0.0, r * 0.5),
                    (0.08 * top, r * 0.9),
                    (0.12 * top, r * 0.5),
                    (0.5 * top, r * 0.8),
                    (0.7 * top, r * 1.3),
                    (0.78 * top, r * 0.7),
                    (0.82 * top, r * 1.3),
                    (top, r * 1.3),
                ]
                leg = lathe(p, 10)
                b.mirrored(leg._replace(vertices=leg.vertices + (x, 0.0, sz * z)), "legs", frame)
            else:
                b.mirrored(
                    limb(foot, head, r * lower, r * (1.4 if style == "square" else 1.0), 4 if style == "square" else 10), "legs", frame
                )
        if style != "splayed" and rng.random() < 0.55:
            apron = between(rng, 0.05, 0.12)
            b.mirrored(box((0.02, apron, 2 * z), (x, top - apron / 2, 0.0)), "legs", frame.dyed(0.95))
            for sz in (-1, 1):
                b.add(box((2 * x, apron, 0.02), (0.0, top - apron / 2, sz * z)), "legs", frame.dyed(0.95))
        if rng.random() < 0.3:
            y = between(rng, 0.15, 0.35) * top
            b.add(box((2 * x, 0.022, 2 * z), (0.0, y, 0.0)), "shelf", frame)
    elif style == "pedestal":
        n, w = int(rng.integers(1, 3)) if width > 1.2 else 1, between(rng, 0.03, 0.09)
        for k in range(n):
            cx = (k - (n - 1) / 2) * width * 0.5
            pole = lathe([(0.0, w * 1.1), (0.3 * top, w * between(rng, 0.6, 1.6)), (0.6 * top, w * 0.7), (top, w * 1.4)], 16)
            b.add(pole._replace(vertices=pole.vertices + (cx, 0.0, 0.0)), "legs", frame)
            reach = min(width / n, depth) * between(rng, 0.28, 0.42)
            if rng.random() < 0.5:
                b.add(cylinder(reach, 0.03, 28, 1, (cx, 0.015, 0.0)), "legs", frame)
            else:
                feet = int(rng.integers(3, 5))
                for j in range(feet):
                    a = 2 * math.pi * (j + 0.5) / feet
                    tip = np.array([cx + reach * math.cos(a), 0.02, reach * math.sin(a)])
                    b.add(limb(np.array([cx, 0.12 * top + 0.03, 0.0]), tip, 0.035, 0.022, 6), "legs", frame)
    elif style == "panels":
        t = between(rng, 0.025, 0.06)
        b.mirrored(box((t, top, 2 * z), (x, top / 2, 0.0)), "legs", frame)
        if rng.random() < 0.6:
            b.add(box((2 * x, 0.2 * top, 0.025), (0.0, top * 0.6, 0.0)), "legs", frame)
        else:
            b.add(box((2 * x, 0.025, 2 * z), (0.0, top * between(rng, 0.2, 0.5), 0.0)), "shelf", frame)
    elif style == "crossed":
        for sx in (-1, 1):
            for sz in (-1, 1):
                b.add(limb(np.array([sx * x, 0.0, sz * z]), np.array([sx * x, top, -sz * z]), r, r, 4), "legs", frame)
        b.add(limb(np.array([-x, top / 2, 0.0]), np.array([x, top / 2, 0.0]), r * 0.8, r * 0.8, 6), "legs", frame)
    else:
        path = np.array([[x, top, z], [x, 0.04, z], [x, 0.02, z - 0.03], [x, 0.02, -z + 0.03], [x, 0.04, -z], [x, top, -z]])
        b.mirrored(tube(path, r * 0.7), "legs", frame)


def _desk(b: Builder, rng: np.random.Generator, frame: Material, width: float, depth: float, top: float) -> None:
    """One or two blocks of drawers, legs or a panel at the other side, a back panel."""
    block, d, front = between(rng, 0.3, 0.45), depth * 0.94, materials.hard(rng) if rng.random() < 0.5 else frame.dyed(0.85)
    knob = materials.metal(rng)
    sides = (-1, 1) if rng.random() < 0.45 else ((1,) if rng.random() < 0.5 else (-1,))
    foot = between(rng, 0.0, 0.12)
    for sx in (-1, 1):
        x = sx * (width / 2 - block / 2 - 0.01)
        if sx not in sides:
            for sz in (-1, 1):
                px = sx * (width / 2 - 0.04)
                b.add(limb(np.array([px, 0.0, sz * d * 0.45]), np.array([px, top, sz * d * 0.45]), 0.025, 0.03, 4), "legs", frame)
            continue
        b.add(box((block, top - foot, d), (x, (top + foot) / 2, 0.0)), "drawers", frame)
        count = int(rng.integers(2, 5))
        step = (top - foot) / count
        for k in range(count):
            y = foot + (k + 0.5) * step
            b.add(box((block * 0.92, step * 0.86, 0.03), (x, y, d / 2)), "drawers", front)
            b.add(box((block * 0.3, 0.015, 0.03), (x, y, d / 2 + 0.02)), "drawers", knob)
        for dx in (-1, 1):
            for sz in (-1, 1):
                b.add(box((0.04, foot + 0.02, 0.04), (x + dx * (block / 2 - 0.03), (foot + 0.02) / 2, sz * (d / 2 - 0.04))), "legs", frame)
    if rng.random() < 0.5:
        b.add(box((width * 0.94, top * 0.45, 0.02), (0.0, top * 0.75, -d * 0.4)), "legs", frame)
