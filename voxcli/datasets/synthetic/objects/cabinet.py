"""Cabinets: closed fronts with doors and drawers, open shelves, and both together."""

from __future__ import annotations

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.parts import Builder, Material, ShapeObject
from voxcli.datasets.synthetic.shapes import box, cylinder, limb
from voxcli.datasets.synthetic.street.pieces import between

PARTS = ("body", "doors", "drawers", "shelves", "handles", "legs")


def cabinet(rng: np.random.Generator) -> ShapeObject:
    """A cabinet whose doors face the front: a sideboard, a wardrobe, a bookcase, a chest of drawers or a bedside table."""
    b = Builder("cabinet", PARTS)
    form = rng.choice(["sideboard", "wardrobe", "shelves", "chest", "bedside"], p=[0.27, 0.22, 0.2, 0.2, 0.11])
    sizes = {"sideboard": ((0.9, 1.9), (0.55, 0.95), (0.35, 0.55)), "wardrobe": ((0.7, 1.8), (1.5, 2.2), (0.45, 0.65)),
             "shelves": ((0.5, 1.3), (0.8, 2.1), (0.25, 0.42)), "chest": ((0.6, 1.3), (0.7, 1.3), (0.4, 0.55)),
             "bedside": ((0.35, 0.55), (0.4, 0.65), (0.32, 0.45))}[str(form)]  # fmt: skip
    width, height, depth = (between(rng, *s) for s in sizes)
    body = materials.wood(rng) if rng.random() < 0.6 else materials.paint(rng)
    front = body.dyed(between(rng, 0.82, 1.1)) if rng.random() < 0.6 else (materials.wood if rng.random() < 0.4 else materials.paint)(rng)
    knob = materials.metal(rng) if rng.random() < 0.8 else materials.wood(rng)
    foot = between(rng, 0.04, 0.22) if rng.random() < 0.6 else 0.0
    t = between(rng, 0.016, 0.035)
    columns = max(1, round(width / between(rng, 0.38, 0.6)))
    rows = max(1, round((height - foot) / between(rng, 0.3, 0.42)))
    open_cells = _plan(rng, str(form), columns, rows)
    _carcass(b, body, width, height, depth, foot, t)
    w, h = (width - t) / columns, (height - foot - t) / rows
    for i in range(1, columns):
        b.add(box((t, height - foot - t, depth - 2 * t), (-width / 2 + t / 2 + i * w, (height + foot) / 2, 0.0)), "body", body)
    for j in range(1, rows):
        for i in range(columns):
            if open_cells[i, j] == "door" and open_cells[i, j - 1] == "door":
                continue
            b.add(box((w, t, depth - 2 * t), (-width / 2 + t / 2 + (i + 0.5) * w, foot + t / 2 + j * h, -0.001)), "shelves", body)
    _fronts(b, rng, front, knob, open_cells, (width, depth, foot, t), w, h)
    if foot:
        r, x, z = between(rng, 0.014, 0.03), width / 2 - 0.05, depth / 2 - 0.05
        out = between(rng, 0.0, 0.04)
        for sz in (-1, 1):
            b.mirrored(limb(np.array([x + out, 0.0, sz * (z + out)]), np.array([x, foot + t / 2, sz * z]), r * 0.8, r * 1.3, 6), "legs",
                       knob if rng.random() < 0.3 else body)  # fmt: skip
    if rng.random() < 0.4:
        over = between(rng, 0.01, 0.03)
        b.add(box((width + 2 * over, t * 1.3, depth + 2 * over), (0.0, height + t * 0.5, 0.0)), "body", body.dyed(0.9))
    return b.finish()


def _plan(rng: np.random.Generator, form: str, columns: int, rows: int) -> np.ndarray:
    """What closes each cell [columns, rows from below]: door, drawer or open. Doors that stand on each other are one."""
    cells = np.full((columns, rows), "door  ", dtype="<U6")
    cells[:] = "door"
    if form == "shelves":
        cells[:] = "open"
        if rng.random() < 0.4:
            cells[:, 0] = "door" if rng.random() < 0.6 else "drawer"
    elif form == "chest" or (form == "bedside" and rng.random() < 0.6):
        cells[:] = "drawer"
    elif form == "wardrobe":
        if rng.random() < 0.4:
            cells[:, 0] = "drawer"
        if columns > 1 and rng.random() < 0.25:
            cells[rng.integers(columns)] = "open"
    else:
        for i in range(columns):
            kind = rng.choice(["door", "drawer", "open", "mixed"], p=[0.45, 0.25, 0.15, 0.15])
            cells[i] = "door" if kind == "mixed" else kind
            if kind == "mixed":
                cells[i, -1] = "drawer"
    return cells


def _carcass(b: Builder, body: Material, width: float, height: float, depth: float, foot: float, t: float) -> None:
    middle, inner = (height + foot) / 2, height - foot
    b.mirrored(box((t, inner, depth), (width / 2 - t / 2, middle, 0.0)), "body", body)
    b.add(box((width, t, depth), (0.0, height - t / 2, 0.0)), "body", body)
    b.add(box((width, t, depth), (0.0, foot + t / 2, 0.0)), "body", body)
    b.add(box((width, inner, t), (0.0, middle, -depth / 2 + t / 2)), "body", body.dyed(0.85))


def _fronts(
    b: Builder, rng: np.random.Generator, front: Material, knob: Material, cells: np.ndarray, sizes: tuple, w: float, h: float
) -> None:
    """Doors and drawers with their handles; glass in some doors."""
    width, depth, foot, t = sizes
    handle = rng.choice(["knob", "bar", "upright", "none"], p=[0.38, 0.3, 0.22, 0.1])
    glass = rng.random() < 0.15
    z = depth / 2
    for i in range(cells.shape[0]):
        x = -width / 2 + t / 2 + (i + 0.5) * w
        j = 0
        while j < cells.shape[1]:
            kind, run = cells[i, j], 1
            while kind == "door" and j + run < cells.shape[1] and cells[i, j + run] == "door":
                run += 1
            low, tall = foot + t / 2 + j * h, run * h
            y = low + tall / 2
            j += run
            if kind == "open":
                continue
            part = "doors" if kind == "door" else "drawers"
            b.add(box((w, tall, depth - t), (x, y, 0.0)), "body", front.dyed(0.6))  # solid behind its front, as closed cabinets are filled
            b.add(box((w * 0.96, tall - 0.03 * h, t), (x, y, z)), part, front)
            if kind == "door" and glass:
                b.add(box((w * 0.72, tall * 0.78, t * 1.3), (x, y, z)), part, materials.GLASS)
            hinge = 1 if i % 2 else -1
            hx = x - hinge * w * 0.38 if kind == "door" else x
            if handle == "knob":
                b.add(cylinder(0.017, 0.035, 10, 2, (hx, y, z + t / 2 + 0.012)), "handles", knob)
            elif handle != "none":
                upright = kind == "door"
                size = (0.014, min(0.18, tall * 0.4), 0.024) if upright else (min(0.16, w * 0.4), 0.014, 0.024)
                b.add(box(size, (hx, y, z + t / 2 + 0.01)), "handles", knob)
