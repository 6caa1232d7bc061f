"""Chairs: dining, office, armchairs, stools with backs, by legs, seat, back and arms that are drawn one by one."""

from __future__ import annotations

import math

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.parts import Builder, Material, ShapeObject, plan, rounded_box, slab, swept, tube, turned
from voxcli.datasets.synthetic.shapes import Shape, box, cylinder, limb
from voxcli.datasets.synthetic.street.pieces import between

PARTS = ("seat", "back", "legs", "arms")


def chair(rng: np.random.Generator) -> ShapeObject:
    """A chair; its sitter looks along the front."""
    b = Builder("chair", PARTS)
    frame = materials.hard(rng)
    soft = rng.random() < 0.5
    cover = materials.fabric(rng) if soft else (frame if rng.random() < 0.6 else materials.hard(rng))
    if rng.random() < 0.16:
        _armchair(b, rng, materials.fabric(rng), frame)
        return b.finish()
    width, depth, height = between(rng, 0.38, 0.56), between(rng, 0.38, 0.54), between(rng, 0.4, 0.5)
    thick = between(rng, 0.06, 0.12) if soft else between(rng, 0.02, 0.045)
    if rng.random() < 0.12:
        height *= between(rng, 1.3, 1.7)  # a bar chair
    kind = rng.choice(["rectangle", "rounded", "ellipse"], p=[0.45, 0.35, 0.2])
    if soft and kind != "ellipse":
        b.add(rounded_box((width, thick, depth), (0.0, height - thick / 2, 0.0), thick * 0.45), "seat", cover)
    else:
        b.add(slab(plan(kind, width, depth, 20), height - thick, height), "seat", cover)
    under = height - thick * 0.8
    share = 0.76 if kind == "ellipse" and not soft else 1.0  # legs stay under a round seat
    _legs(b, rng, frame, width * share, depth * share, under)
    tall = between(rng, 0.35, 0.62) * (0.7 if rng.random() < 0.15 else 1.0)
    _back(b, rng, frame, cover, soft, (width, depth, tall), height - 0.02)
    if rng.random() < 0.38:
        _arms(b, rng, frame, cover, width, depth, height)
    return b.finish()


def _armchair(b: Builder, rng: np.random.Generator, cover: Material, frame: Material) -> None:
    width, depth, seat = between(rng, 0.66, 0.9), between(rng, 0.6, 0.8), between(rng, 0.34, 0.44)
    arm, back = between(rng, 0.1, 0.18), between(rng, 0.12, 0.2)
    foot, tall, rest = between(rng, 0.04, 0.14), between(rng, 0.4, 0.65), between(rng, 0.14, 0.28)
    soft = between(rng, 0.02, 0.07)
    b.add(rounded_box((width - arm, seat - foot, depth - 0.02), (0.0, (seat + foot) / 2, 0.01), soft), "seat", cover)
    lean = rounded_box((width - 0.6 * arm, tall + 0.1, back), (0.0, seat + tall / 2 - 0.05, -depth / 2 + back / 2), soft * 1.2)
    b.add(turned(lean, 0, -between(rng, 2, 12), (0.0, seat, -depth / 2)), "back", cover)
    arm_cover = cover if rng.random() < 0.7 else frame
    pad = rounded_box(
        (arm, seat + rest - foot, depth * between(rng, 0.85, 1.0)), (width / 2 - arm / 2, (seat + rest + foot) / 2, 0.02), soft
    )
    b.mirrored(pad, "arms", arm_cover)
    x, z, r = width / 2 - 0.07, depth / 2 - 0.07, between(rng, 0.018, 0.03)
    for sz in (-1, 1):
        b.mirrored(limb(np.array([x, 0, sz * z]), np.array([x, foot + 0.03, sz * z]), r, r * 1.3), "legs", frame)


def _legs(b: Builder, rng: np.random.Generator, frame: Material, width: float, depth: float, top: float) -> None:
    """Four legs, sled runners, a pedestal, a star with castors, or two side panels, under y = top."""
    style = rng.choice(["square", "round", "splayed", "sled", "star", "pedestal", "panels"], p=[0.28, 0.15, 0.2, 0.1, 0.14, 0.07, 0.06])
    x, z = width / 2 - 0.03, depth / 2 - 0.03
    r = between(rng, 0.012, 0.026)
    if style in ("square", "round", "splayed"):
        out = between(rng, 0.03, 0.1) if style == "splayed" else between(rng, 0.0, 0.02)
        inner = 0.75 if style == "splayed" else 1.0
        for sz in (-1, 1):
            foot, head = np.array([x + out * 0.6, 0.0, sz * (z + out)]), np.array([x * inner, top, sz * z * inner])
            if style == "square":
                b.mirrored(limb(foot, head, r * 1.2, r * 1.6, 4), "legs", frame)
            else:
                b.mirrored(limb(foot, head, r * between(rng, 0.6, 1.0), r * 1.3, 9), "legs", frame)
        if rng.random() < 0.35:
            y = between(rng, 0.25, 0.6) * top
            b.mirrored(limb(np.array([x, y, -z]), np.array([x, y, z]), r * 0.7, r * 0.7, 6), "legs", frame)
            b.add(limb(np.array([-x, y, 0.0]), np.array([x, y, 0.0]), r * 0.7, r * 0.7, 6), "legs", frame)
    elif style == "sled":
        r = min(r, 0.016)
        path = [[x, top, z * 0.9], [x, 0.05, z], [x, r, z - 0.05], [x, r, -z + 0.05], [x, 0.05, -z], [x, top, -z * 0.9]]
        b.mirrored(tube(np.array(path), r), "legs", frame)
        b.add(limb(np.array([-x, top - r, z * 0.9]), np.array([x, top - r, z * 0.9]), r, r, 6), "legs", frame)
    elif style == "star":
        arms, reach = int(rng.integers(4, 6)), between(rng, 0.24, 0.32)
        b.add(cylinder(between(rng, 0.02, 0.035), top - 0.06, 12, 1, (0.0, top / 2 + 0.03, 0.0)), "legs", frame)
        for k in range(arms):
            angle = 2 * math.pi * (k + 0.25) / arms
            tip = np.array([reach * math.cos(angle), 0.06, reach * math.sin(angle)])
            b.add(limb(np.array([0.0, 0.1, 0.0]), tip, 0.03, 0.016, 6), "legs", frame)
            b.add(cylinder(0.028, 0.035, 10, 0, (tip[0], 0.028, tip[2])), "legs", materials.DARK)
    elif style == "pedestal":
        b.add(cylinder(between(rng, 0.2, 0.26), 0.03, 24, 1, (0.0, 0.015, 0.0)), "legs", frame)
        b.add(cylinder(between(rng, 0.02, 0.05), top, 14, 1, (0.0, top / 2, 0.0)), "legs", frame)
    else:
        t = between(rng, 0.02, 0.04)
        b.mirrored(box((t, top, depth * 0.96), (width / 2 - t / 2, top / 2, 0.0)), "legs", frame)
        b.add(box((width, top * 0.25, t), (0.0, top * 0.8, -depth / 4)), "legs", frame)


def _back(
    b: Builder, rng: np.random.Generator, frame: Material, cover: Material, soft: bool, size: tuple[float, float, float], low: float
) -> None:
    """A panel, slats, rungs, spindles or a curved shell, leaning back. size: the seat's width and depth, and the back's height."""
    width, depth, tall = size
    style = rng.choice(["panel", "slats", "rungs", "shell", "window"], p=[0.32, 0.18, 0.18, 0.18, 0.14])
    lean, w = -between(rng, 3, 16), width * between(rng, 0.85, 1.0)
    z = -depth / 2 + 0.02
    pivot = (0.0, low, z)

    def put(shape: Shape, material: Material) -> None:
        b.add(turned(shape, 0, lean, pivot), "back", material)

    if style == "panel":
        t = between(rng, 0.05, 0.1) if soft else between(rng, 0.018, 0.035)
        gap = 0.0 if rng.random() < 0.5 else between(rng, 0.06, 0.16)
        put(rounded_box((w, tall - gap, t), (0.0, low + gap + (tall - gap) / 2, z), t * 0.45, 2), cover)
        if gap:
            for sx in (-1, 1):
                put(limb(np.array([sx * w * 0.35, low - 0.03, z]), np.array([sx * w * 0.35, low + gap + 0.05, z]), 0.014, 0.014), frame)
    elif style == "shell":
        t, bend, segments = between(rng, 0.02, 0.05), between(rng, 0.06, 0.16), 9
        u = np.linspace(-1, 1, segments)
        rings = []
        top = tall * (1 - between(rng, 0.0, 0.25) * u**2)
        for k in range(segments):
            px, pz = u[k] * w / 2, z + bend * u[k] ** 2
            rings.append([[px, low - 0.02, pz], [px, low + top[k], pz], [px, low + top[k], pz + t], [px, low - 0.02, pz + t]])
        put(swept(np.array(rings)), cover)
    else:
        r = between(rng, 0.012, 0.022)
        for sx in (-1, 1):
            x = sx * (w / 2 - r)
            put(limb(np.array([x, low - 0.04, z]), np.array([x, low + tall, z]), r, r * 0.9, 8 if rng.random() < 0.5 else 4), frame)
        rail = between(rng, 0.04, 0.1)
        put(rounded_box((w, rail, r * 1.6), (0.0, low + tall - rail / 2, z), r * 0.6, 2), frame)
        if style == "slats":
            count, share = int(rng.integers(3, 8)), between(rng, 0.25, 0.6)
            step = (w - 4 * r) / count
            for k in range(count):
                x = -w / 2 + 2 * r + (k + 0.5) * step
                put(box((step * share, tall - rail, 0.014), (x, low + (tall - rail) / 2, z)), frame)
        elif style == "rungs":
            count = int(rng.integers(2, 5))
            h = between(rng, 0.25, 0.6) * tall / (count + 1)
            for k in range(count):
                put(box((w - r, h, 0.016), (0.0, low + tall * (k + 0.7) / (count + 0.6), z)), frame)
        else:
            t = between(rng, 0.03, 0.06) if soft else 0.016
            put(rounded_box((w - 4 * r, tall * 0.6, t), (0.0, low + tall * 0.52, z), t * 0.45, 2), cover)


def _arms(b: Builder, rng: np.random.Generator, frame: Material, cover: Material, width: float, depth: float, seat: float) -> None:
    rest, r, x = between(rng, 0.16, 0.26), between(rng, 0.013, 0.022), width / 2 + 0.01
    style = rng.choice(["posts", "loop", "panel"], p=[0.5, 0.3, 0.2])
    if style == "posts":
        b.mirrored(limb(np.array([x, seat - 0.04, depth * 0.3]), np.array([x, seat + rest, depth * 0.34]), r, r, 6), "arms", frame)
        pad = rounded_box((between(rng, 0.035, 0.07), 0.03, depth * 0.95), (x, seat + rest, -0.01), 0.012)
        b.mirrored(pad, "arms", cover if rng.random() < 0.4 else frame)
    elif style == "loop":
        path = [[x, seat - 0.03, depth * 0.25], [x, seat + rest * 0.8, depth * 0.4], [x, seat + rest, depth * 0.3],
                [x, seat + rest, -depth * 0.35], [x, seat + rest * 0.95, -depth * 0.52]]  # fmt: skip
        b.mirrored(tube(np.array(path), r), "arms", frame)
    else:
        b.mirrored(box((0.03, rest + 0.04, depth * 0.9), (x, seat + rest / 2 - 0.02, 0.0)), "arms", frame)
