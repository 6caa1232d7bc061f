"""Cars: saloons, hatchbacks, estates, off-roaders, coupes, pick-ups, vans, open sports cars."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.parts import Builder, Material, ShapeObject, swept
from voxcli.datasets.synthetic.shapes import Shape, box, cylinder, plate, torus
from voxcli.datasets.synthetic.street.pieces import between

PARTS = ("body", "cabin", "windows", "wheels", "lights")

# length, width, height; cabin rear base, rear top, front top, windscreen base as shares of the length from the rear; belt line's share
# of the height; hood's drop below the belt as a share of the height
FORMS = {
    "saloon": ((4.3, 5.0), (1.7, 1.9), (1.36, 1.5), (0.13, 0.25, 0.55, 0.71), 0.64, 0.07),
    "hatchback": ((3.4, 4.3), (1.6, 1.82), (1.4, 1.58), (0.02, 0.1, 0.56, 0.74), 0.62, 0.07),
    "estate": ((4.4, 4.95), (1.72, 1.88), (1.4, 1.54), (0.015, 0.07, 0.57, 0.72), 0.62, 0.07),
    "off-roader": ((4.1, 4.9), (1.78, 2.0), (1.62, 1.95), (0.015, 0.05, 0.6, 0.7), 0.6, 0.08),
    "coupe": ((4.0, 4.6), (1.74, 1.92), (1.15, 1.34), (0.06, 0.3, 0.48, 0.68), 0.66, 0.12),
    "pickup": ((4.8, 5.5), (1.8, 2.0), (1.65, 1.9), (0.36, 0.38, 0.6, 0.7), 0.6, 0.06),
    "van": ((4.2, 5.6), (1.75, 2.05), (1.8, 2.3), (0.01, 0.025, 0.74, 0.88), 0.52, 0.08),
    "roadster": ((3.7, 4.4), (1.68, 1.85), (1.08, 1.2), (0.3, 0.4, 0.5, 0.6), 0.72, 0.1),
}


class _Plan(NamedTuple):
    """Metres. low: the clearance. belt, hood: heights of the belt line and the hood. z: where FORMS' four shares of the length are."""

    form: str
    paint: Material
    length: float
    width: float
    height: float
    low: float
    belt: float
    hood: float
    z: list[float]


def car(rng: np.random.Generator) -> ShapeObject:
    """A car that drives to the front."""
    b = Builder("car", PARTS)
    form = str(rng.choice(list(FORMS), p=[0.24, 0.19, 0.1, 0.16, 0.12, 0.07, 0.06, 0.06]))
    lengths, widths, heights, stations, share, drop = FORMS[form]
    length, width, height = between(rng, *lengths), between(rng, *widths), between(rng, *heights)
    rough = form in ("off-roader", "pickup")
    clearance = between(rng, 0.14, 0.2) + (0.1 if rough else 0.0)
    belt = (share + between(rng, -0.02, 0.03)) * height
    hood = belt - (drop + between(rng, -0.02, 0.03)) * height
    z = [(s + 0.012 * rng.standard_normal() * (0 < k < 3)) * length - length / 2 for k, s in enumerate(stations)]
    paint = materials.car_paint(rng)
    radius = between(rng, 0.29, 0.34) + (0.05 if rough else 0.0)
    axles = (-length / 2 + between(rng, 0.16, 0.2) * length, length / 2 - between(rng, 0.16, 0.19) * length)
    plan = _Plan(form, paint, length, width, height, clearance, belt, hood, z)
    _body(b, rng, plan)
    _cabin(b, rng, plan)
    _wheels(b, rng, width, radius, axles, -length / 2, rough)
    _trim(b, rng, plan)
    return b.finish()


def _body(b: Builder, rng: np.random.Generator, plan: _Plan) -> None:
    """The lower body: cross-sections along z, rounder towards the ends."""
    form, paint, length, width, _, low, belt, hood, z = plan
    h, w = length / 2, width / 2
    tail = belt - (0.02 if form in ("hatchback", "estate", "van", "off-roader") else between(rng, 0.02, 0.07))
    nose = hood - between(rng, 0.06, 0.16)
    stations = [
        (-h, 0.86, low + 0.16, tail - 0.14),
        (-h + 0.07, 0.94, low + 0.04, tail - 0.04),
        (-h + 0.3, 0.985, low, tail),
        (z[0] + 0.05, 1.0, low, belt),
        (z[3] - 0.05, 1.0, low, belt),
        (z[3] + 0.12, 0.99, low, hood + 0.02),
        (h - 0.3, 0.965, low, hood - 0.05),
        (h - 0.07, 0.9, low + 0.04, nose),
        (h, 0.8, low + 0.14, nose - 0.12),
    ]
    stations = sorted(stations)
    rings = []
    for at, wide, bottom, top in stations:
        x, rise = w * wide, top - bottom
        side = np.array([[0.86, 0.0], [0.97, 0.14], [1.0, 0.45], [0.985, 0.7], [0.93, 0.9], [0.8, 1.0]])
        half = np.stack([x * side[:, 0], bottom + rise * side[:, 1]], 1)
        outline = np.concatenate([half, half[::-1] * (-1, 1)])
        rings.append(np.concatenate([outline, np.full((12, 1), at)], 1))
    b.add(swept(np.stack(rings)), "body", paint)
    b.add(box((width * 0.86, 0.1, length * 0.94), (0.0, low + 0.04, 0.0)), "body", materials.DARK)
    if form == "pickup":
        bed = z[0] + h - 0.12
        b.add(box((width * 0.8, 0.02, bed), (0.0, belt + 0.004, -h + bed / 2 + 0.06)), "body", materials.DARK)
        b.mirrored(box((0.07, 0.16, bed + 0.1), (w - 0.07, belt + 0.06, -h + bed / 2 + 0.08)), "body", paint)
        b.add(box((width * 0.93, 0.16, 0.06), (0.0, belt + 0.06, -h + 0.07)), "body", paint)


def _cabin(b: Builder, rng: np.random.Generator, plan: _Plan) -> None:
    """The cabin with its windows; a roadster has a windscreen and seats."""
    form, paint, _, width, height, _, belt, _, z = plan
    low, base = belt - 0.05, width * 0.95
    if form == "roadster":
        screen = np.array([[-base / 2, belt, z[3]], [base / 2, belt, z[3]], [base * 0.42, height, z[2]], [-base * 0.42, height, z[2]]])
        b.add(plate(screen, (0.02, 0.98), (0.0, 1.0), 0.03), "windows", materials.GLASS)
        seat = materials.fabric(rng)
        b.add(box((base * 0.8, 0.03, z[3] - z[0] - 0.15), (0.0, belt + 0.01, (z[0] + z[3]) / 2)), "cabin", materials.DARK)
        b.mirrored(box((base * 0.3, 0.24, 0.14), (base * 0.22, belt + 0.1, z[0] + 0.25)), "cabin", seat)
        return
    roof_width = width * between(rng, 0.7, 0.8) if form != "van" else width * 0.86
    crown = height - 0.05
    rows = [
        (low, base, z[0], z[3]),
        (crown, roof_width + 0.03, z[1] - 0.02, z[2] + 0.03),
        (height, roof_width * 0.86, z[1] + 0.12, z[2] - 0.12),
    ]
    rings = [np.array([[w / 2, y, front], [-w / 2, y, front], [-w / 2, y, rear], [w / 2, y, rear]]) for y, w, rear, front in rows]
    roof = paint if rng.random() < 0.85 else materials.DARK
    b.add(swept(np.stack(rings)), "cabin", roof)
    (r0, f0), (r1, f1) = (z[0], z[3]), (z[1] - 0.02, z[2] + 0.03)
    w0, w1 = base / 2, (roof_width + 0.03) / 2

    def quad(*corners: tuple[float, float, float]) -> np.ndarray:
        return np.array(corners)

    front = quad((-w0, low, f0), (w0, low, f0), (w1, crown, f1), (-w1, crown, f1))
    rear = quad((w0, low, r0), (-w0, low, r0), (-w1, crown, r1), (w1, crown, r1))
    right = quad((w0, low, f0), (w0, low, r0), (w1, crown, r1), (w1, crown, f1))
    b.add(plate(front, (0.06, 0.94), (0.14, 0.95), 0.024), "windows", materials.GLASS)
    if form != "van" or rng.random() < 0.5:
        b.add(plate(rear, (0.08, 0.92), (0.2, 0.92), 0.024), "windows", materials.GLASS)
    panel = form == "van" and rng.random() < 0.5
    doors = 1 if panel else int(rng.integers(2, 4)) if form != "coupe" else 1 + int(rng.random() < 0.4)
    edges = np.linspace(0.05, 0.3 if panel else 0.95, doors + 1)
    for start, end in zip(edges[:-1], edges[1:], strict=True):
        b.mirrored(plate(right, (start + 0.012, end - 0.012), (0.16, 0.93), 0.024), "windows", materials.GLASS)


def _wheels(b: Builder, rng: np.random.Generator, width: float, radius: float, axles: tuple[float, ...], rear: float, rough: bool) -> None:
    thick, inner = between(rng, 0.19, 0.25), between(rng, 0.55, 0.7) * radius
    rim = materials.RIM.dyed(between(rng, 0.4, 1.3))
    spokes = int(rng.integers(4, 8))
    for at in axles:
        b.mirrored(cylinder(radius * 1.13, 0.02, 20, 0, (width / 2 - 0.012, radius * 1.03, at)), "wheels", materials.DARK)
        x = width / 2 - thick / 2 + (0.03 if rough else 0.012)
        b.mirrored(cylinder(radius, thick, 22, 0, (x, radius, at)), "wheels", materials.TYRE)
        b.mirrored(cylinder(inner, thick + 0.012, 18, 0, (x, radius, at)), "wheels", rim)
        for k in range(spokes):
            a = 2 * np.pi * k / spokes
            hole = (x, radius + inner * 0.62 * np.sin(a), at + inner * 0.62 * np.cos(a))
            b.mirrored(cylinder(inner * 0.2, thick + 0.018, 7, 0, hole), "wheels", materials.DARK)
    if rough and rng.random() < 0.4:
        ring = torus(radius * 0.72, radius * 0.28, 16, 5)
        vertices = np.stack([ring.vertices[:, 2], ring.vertices[:, 1], ring.vertices[:, 0]], 1)
        back = rear - 0.06
        b.add(Shape(vertices + (0.0, radius * 2.6, back), ring.faces[:, ::-1]), "wheels", materials.TYRE)


def _trim(b: Builder, rng: np.random.Generator, plan: _Plan) -> None:
    """Lights, bumpers, grille, plates, mirrors, spoiler, rails."""
    form, paint, length, width, height, low, belt, hood, z = plan
    h, w = length / 2, width / 2
    lw, lh = between(rng, 0.22, 0.36), between(rng, 0.09, 0.16)
    y = hood - between(rng, 0.14, 0.2)
    if rng.random() < 0.25:
        b.mirrored(cylinder(lh * 0.75, 0.14, 14, 2, (w * 0.68, y, h - 0.06)), "lights", materials.HEADLIGHT)
    else:
        b.mirrored(box((lw, lh, 0.14), (w * 0.88 - lw / 2, y, h - 0.085)), "lights", materials.HEADLIGHT)
    b.mirrored(
        box((lw * 0.8, lh * between(rng, 0.9, 1.8), 0.1), (w * 0.9 - lw * 0.4, belt - 0.2, -h + 0.055)), "lights", materials.TAILLIGHT
    )
    trim = materials.DARK if rng.random() < 0.5 else (materials.RIM if rng.random() < 0.3 else paint.dyed(0.85))
    b.add(box((width * 0.84, 0.13, 0.16), (0.0, low + 0.18, h - 0.03)), "body", trim)
    b.add(box((width * 0.88, 0.13, 0.16), (0.0, low + 0.18, -h + 0.04)), "body", trim)
    b.add(box((width * between(rng, 0.3, 0.5), between(rng, 0.08, 0.18), 0.08), (0.0, y - 0.03, h - 0.03)), "body", materials.DARK)
    b.mirrored(box((0.16, 0.11, 0.1), (w + 0.03, belt + 0.04, z[3] - 0.3)), "body", paint)
    if form in ("coupe", "saloon", "hatchback") and rng.random() < 0.22:
        y = belt + 0.14 if form != "hatchback" else height
        b.add(box((width * 0.84, 0.03, 0.2), (0.0, y, -h + 0.16)), "body", paint)
        if form != "hatchback":
            b.mirrored(box((0.04, 0.16, 0.12), (w * 0.6, belt + 0.06, -h + 0.17)), "body", paint)
    if form in ("estate", "off-roader") and rng.random() < 0.5:
        b.mirrored(box((0.04, 0.05, (z[2] - z[1]) * 0.85), (w * 0.62, height + 0.015, (z[1] + z[2]) / 2)), "cabin", materials.RIM)
    if form in ("saloon", "estate") and rng.random() < 0.06:
        b.add(box((0.5, 0.13, 0.2), (0.0, height + 0.05, (z[1] + z[2]) / 2)), "lights", materials.BULB)
    if form in ("coupe", "roadster") and rng.random() < 0.2:
        stripe = materials.car_paint(rng)
        b.mirrored(box((0.16, 0.012, h - z[3] - 0.4), (0.17, hood + 0.005, (h + z[3]) / 2 - 0.1)), "body", stripe)
