"""Benches: park benches of planks, benches without backs, stone benches."""

from __future__ import annotations

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.parts import Builder, Material, ShapeObject, rounded_box, swept, tube, turned
from voxcli.datasets.synthetic.shapes import Shape, box, limb
from voxcli.datasets.synthetic.street.pieces import between

PARTS = ("seat", "back", "legs", "arms")


def bench(rng: np.random.Generator) -> ShapeObject:
    """A bench for two to four; sitters look along the front."""
    b = Builder("bench", PARTS)
    width, depth, seat = between(rng, 1.0, 2.1), between(rng, 0.32, 0.5), between(rng, 0.38, 0.48)
    boards = materials.wood(rng) if rng.random() < 0.75 else materials.paint(rng)
    frame = (materials.metal, materials.wood, materials.stone)[rng.choice(3, p=[0.45, 0.35, 0.2])](rng)
    thick = between(rng, 0.025, 0.06)
    style = rng.choice(["planks", "board", "stone", "cushion"], p=[0.55, 0.2, 0.12, 0.13])
    if style == "planks":
        count = int(rng.integers(3, 7))
        step = depth / count
        for k in range(count):
            b.add(
                box((width, thick, step * between(rng, 0.74, 0.88)), (0.0, seat - thick / 2, -depth / 2 + (k + 0.5) * step)), "seat", boards
            )
    elif style == "cushion":
        boards = materials.fabric(rng)
        b.add(rounded_box((width, 0.11, depth), (0.0, seat - 0.055, 0.0), 0.04), "seat", boards)
        thick = 0.1
    else:
        if style == "stone":
            frame = boards = materials.stone(rng)
            thick = between(rng, 0.06, 0.12)
        b.add(rounded_box((width, thick, depth), (0.0, seat - thick / 2, 0.0), 0.012), "seat", boards)
    under = seat - thick * 0.9
    at = [width / 2 - between(rng, 0.06, 0.25)]
    at = [-at[0], *([0.0] if width > 1.7 and rng.random() < 0.5 else []), at[0]]
    _legs(b, rng, frame, "blocks" if style == "stone" else None, at, depth, under, width)
    if style != "stone":  # what carries the boards, and the posts of the back
        for x in at:
            b.add(box((0.045, 0.05, depth + 0.03), (x, seat - thick - 0.015, -0.012)), "legs", frame)
    if style != "stone" and rng.random() < 0.62:
        _back(b, rng, boards, frame, width, depth, seat, at)
    return b.finish()


def _legs(
    b: Builder, rng: np.random.Generator, frame: Material, style: str | None, at: list[float], depth: float, top: float, width: float
) -> None:
    style = style or str(rng.choice(["pairs", "frames", "blocks", "crossed", "arches"], p=[0.32, 0.22, 0.14, 0.14, 0.18]))
    z, r = depth / 2 - 0.03, between(rng, 0.016, 0.034)
    for x in at:
        if style == "pairs":
            out = between(rng, 0.0, 0.06)
            for sz in (-1, 1):
                b.add(
                    limb(np.array([x, 0.0, sz * (z + out)]), np.array([x, top, sz * z]), r, r * 1.2, 4 if r > 0.024 else 8), "legs", frame
                )
        elif style == "frames":
            b.add(
                tube(
                    np.array([[x, top, z], [x, 0.03, z], [x, 0.015, z - 0.03], [x, 0.015, 0.03 - z], [x, 0.03, -z], [x, top, -z]]), r * 0.7
                ),
                "legs",
                frame,
            )
        elif style == "blocks":
            w = between(rng, 0.05, 0.18)
            rings = [[[x + sx * w * s / 2, y, sz * z * s] for sx, sz in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
                     for y, s in ((0.0, 1.0), (0.3 * top, 0.8), (top, 0.9))]  # fmt: skip
            b.add(swept(np.array(rings)), "legs", frame)
        elif style == "crossed":
            for sz in (-1, 1):
                b.add(limb(np.array([x, 0.0, sz * (z + 0.05)]), np.array([x, top, -sz * z]), r, r, 4), "legs", frame)
        else:
            s = np.linspace(0, np.pi, 9)
            path = np.stack([np.full(9, x), top * np.sin(s) * 0.98, -(z + 0.04) * np.cos(s)], 1)
            b.add(tube(path, r * 0.8), "legs", frame)
    if style in ("crossed", "arches", "pairs") and rng.random() < 0.5:
        y = top * (0.5 if style == "crossed" else between(rng, 0.3, 0.55))
        b.add(limb(np.array([at[0], y, 0.0]), np.array([at[-1], y, 0.0]), r * 0.7, r * 0.7, 6), "legs", frame)
        for x in at if style != "crossed" else []:
            b.add(limb(np.array([x, y, -z - 0.01]), np.array([x, y, z + 0.01]), r * 0.7, r * 0.7, 6), "legs", frame)


def _back(
    b: Builder, rng: np.random.Generator, boards: Material, frame: Material, width: float, depth: float, seat: float, at: list[float]
) -> None:
    """Boards on posts, leaning; some with arms."""
    tall, z = between(rng, 0.3, 0.5), -depth / 2 + 0.01
    lean, pivot = -between(rng, 4, 16), (0.0, seat, z)

    def put(shape: Shape, material: Material) -> None:
        b.add(turned(shape, 0, lean, pivot), "back", material)

    for x in at:
        put(limb(np.array([x, seat - 0.06, z - 0.02]), np.array([x, seat + tall * 0.96, z - 0.02]), 0.02, 0.018, 4), frame)
    if rng.random() < 0.25:
        put(box((width, 0.06, 0.03), (0.0, seat + tall - 0.03, z)), boards)
        put(box((width, 0.05, 0.03), (0.0, seat + 0.1, z)), boards)
        count = int(width / between(rng, 0.09, 0.16))
        for k in range(count):
            put(
                box((width / count * 0.45, tall - 0.12, 0.018), (-width / 2 + (k + 0.5) * width / count, seat + tall / 2 + 0.04, z)), boards
            )
    else:
        count = int(rng.integers(1, 5))
        gap = between(rng, 0.12, 0.3)
        step = (tall - 0.06) / count
        for k in range(count):
            put(box((width, step * (1 - gap), 0.028), (0.0, seat + 0.06 + (k + 0.5) * step, z)), boards)
    if rng.random() < 0.5:
        rest, x = between(rng, 0.16, 0.24), at[-1]
        b.mirrored(limb(np.array([x, seat - 0.03, depth * 0.4]), np.array([x, seat + rest, depth * 0.42]), 0.018, 0.018, 6), "arms", frame)
        b.mirrored(
            rounded_box((0.055, 0.03, depth * 1.05), (x, seat + rest, -0.02), 0.012), "arms", boards if rng.random() < 0.5 else frame
        )
