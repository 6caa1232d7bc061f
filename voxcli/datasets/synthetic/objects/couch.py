"""Couches: seats and backs of one to four cushions, arms of several kinds, some with a chaise."""

from __future__ import annotations

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.parts import Builder, ShapeObject, rounded_box, turned
from voxcli.datasets.synthetic.shapes import cylinder, limb
from voxcli.datasets.synthetic.street.pieces import between

PARTS = ("seat", "back", "arms", "legs", "pillows")


def couch(rng: np.random.Generator) -> ShapeObject:
    """A couch for two to five; sitters look along the front."""
    b = Builder("couch", PARTS)
    seats = int(rng.integers(2, 5))
    width, depth = seats * between(rng, 0.52, 0.72), between(rng, 0.72, 1.0)
    seat, tall = between(rng, 0.34, 0.46), between(rng, 0.3, 0.52)
    foot = between(rng, 0.03, 0.16)
    cushion, soft = between(rng, 0.1, 0.2), between(rng, 0.02, 0.06)
    cover, frame = materials.fabric(rng), materials.hard(rng)
    second = cover if rng.random() < 0.65 else materials.fabric(rng)
    arm_style = rng.choice(["box", "roll", "slim", "none"], p=[0.42, 0.25, 0.2, 0.13])
    arm = {"box": between(rng, 0.14, 0.26), "roll": between(rng, 0.14, 0.2), "slim": between(rng, 0.05, 0.09), "none": 0.0}[str(arm_style)]
    back = between(rng, 0.12, 0.22)
    full = width + 2 * arm
    b.add(rounded_box((full, seat - cushion - foot, depth), (0.0, (seat - cushion + foot) / 2, 0.0), 0.02), "seat", cover)
    count = seats if rng.random() < 0.75 else 1
    step = width / count
    for k in range(count):
        x = -width / 2 + (k + 0.5) * step
        shape = rounded_box((step * 0.985, cushion + 0.02, depth - back * 0.9), (x, seat - cushion / 2, back * 0.45), soft)
        b.add(shape, "seat", second)
    lean = -between(rng, 0, 10)
    pivot = (0.0, seat, -depth / 2)
    shell = rounded_box((full, tall + seat - foot, back * 0.6), (0.0, (seat + tall + foot) / 2, -depth / 2 + back * 0.3), soft * 0.8)
    b.add(shell if lean > -3 else turned(shell, 0, lean * 0.5, pivot), "back", cover)
    if rng.random() < 0.8:
        puff = between(rng, 0.85, 1.08) * tall
        for k in range(count):
            x = -width / 2 + (k + 0.5) * step
            shape = rounded_box((step * 0.97, puff, back), (x, seat + puff / 2 - 0.01, -depth / 2 + back), soft * 1.4, 2)
            b.add(turned(shape, 0, lean, pivot), "back", second)
    rest = min(between(rng, 0.12, 0.3), tall * 0.95)
    if arm_style in ("box", "slim"):
        shape = rounded_box(
            (arm, seat + rest - foot, depth * between(rng, 0.9, 1.0)), (width / 2 + arm / 2, (seat + rest + foot) / 2, 0.0), soft
        )
        b.mirrored(shape, "arms", cover if rng.random() < 0.85 else frame)
    elif arm_style == "roll":
        block = rounded_box((arm * 0.85, seat + rest - foot, depth * 0.97), (width / 2 + arm * 0.45, (seat + rest + foot) / 2, 0.0), 0.02)
        b.mirrored(block, "arms", cover)
        b.mirrored(cylinder(arm * 0.58, depth * 0.98, 16, 2, (width / 2 + arm * 0.5, seat + rest, 0.0)), "arms", cover)
    if rng.random() < 0.22:  # a chaise at one end
        side, reach = (1 if rng.random() < 0.5 else -1), between(rng, 0.45, 0.75)
        w = width / seats
        x, z = side * (width / 2 - w / 2), depth / 2 + reach / 2 - 0.02
        b.add(rounded_box((w, seat - cushion - foot, reach), (x, (seat - cushion + foot) / 2, z), 0.02), "seat", cover)
        b.add(rounded_box((w * 0.985, cushion + 0.02, reach), (x, seat - cushion / 2, z - 0.01), soft), "seat", second)
        b.add(
            limb(np.array([x, 0.0, depth / 2 + reach - 0.08]), np.array([x, foot + 0.02, depth / 2 + reach - 0.08]), 0.02, 0.03),
            "legs",
            frame,
        )
    for sz in (-1, 1):
        x, z = full / 2 - 0.08, sz * (depth / 2 - 0.08)
        b.mirrored(limb(np.array([x, 0.0, z]), np.array([x, foot + 0.02, z]), 0.018, 0.032, 8), "legs", frame)
    if rng.random() < 0.45:
        for _ in range(int(rng.integers(1, 4))):
            s, x = between(rng, 0.3, 0.42), between(rng, -0.4, 0.4) * width
            shape = rounded_box((s, s, 0.12), (x, seat + s / 2, -depth / 2 + back * 1.9), 0.055, 2)
            b.add(turned(shape, 0, lean - between(rng, 5, 20), (x, seat, -depth / 2 + back * 1.9)), "pillows", materials.fabric(rng))
    return b.finish()
