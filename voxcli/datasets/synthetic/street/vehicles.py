"""Cars, vans, trucks and buses: bodies from side profiles and tapered boxes, glass and lights as plates, wheels as cylinders."""

from __future__ import annotations

import numpy as np

from voxcli.datasets.synthetic.shapes import box, cylinder, extrude, tapered_box
from voxcli.datasets.synthetic.street.pieces import Assembly, StreetObject, Surface, between, side, tint

PAINTS = np.array([
    [0.82, 0.83, 0.84], [0.55, 0.57, 0.6], [0.08, 0.08, 0.09], [0.25, 0.26, 0.29], [0.6, 0.06, 0.06], [0.08, 0.16, 0.45],
    [0.12, 0.3, 0.55], [0.1, 0.28, 0.16], [0.75, 0.66, 0.45], [0.8, 0.55, 0.08], [0.35, 0.12, 0.1], [0.4, 0.6, 0.72], [0.9, 0.88, 0.8],
])  # fmt: skip
COMMON_PAINTS = np.concatenate([PAINTS[[0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 5, 6, 7]] * 0.9, PAINTS])
"""Paints as often as streets show them: most cars are white, silver, grey or black."""
LIVERIES = np.array([
    [0.85, 0.85, 0.84], [0.9, 0.9, 0.9], [0.75, 0.1, 0.1], [0.9, 0.7, 0.1], [0.15, 0.3, 0.6], [0.2, 0.45, 0.3], [0.9, 0.45, 0.1],
    [0.4, 0.42, 0.45],
])  # fmt: skip
GLASS_TONE = (0.09, 0.11, 0.13)
TYRE, HUB, DARK = (0.035, 0.035, 0.04), (0.5, 0.5, 0.52), (0.05, 0.05, 0.055)
WHITE_LIGHT, RED_LIGHT, AMBER = (0.9, 0.9, 0.82), (0.55, 0.03, 0.03), (0.85, 0.45, 0.05)


def _wheels(a: Assembly, rng: np.random.Generator, width: float, radius: float, axles: list[float], tyre: float = 0.2) -> None:
    hub = np.array(HUB) * between(rng, 0.5, 1.4)
    inner = between(rng, 0.5, 0.68) * radius
    for z in axles:
        a.add(cylinder(radius * 1.14, width + 0.006, 14, 0, (0.0, radius * 1.02, z)), DARK)
        for sign in (-1, 1):
            x = sign * (width / 2 + 0.008 - tyre / 2)
            a.add(cylinder(radius, tyre, 14, 0, (x, radius, z)), TYRE)
            a.add(cylinder(inner, tyre + 0.02, 10, 0, (x, radius, z)), hub)


def _ends(a: Assembly, rng: np.random.Generator, length: float, width: float, front_y: float, back_y: float) -> None:
    """Lights and number plates at the front and the back."""
    w, h = between(rng, 0.2, 0.36), between(rng, 0.1, 0.17)
    for sign in (-1, 1):
        a.add(box((w, h, 0.2), (sign * (width / 2 - w / 2 - 0.05), front_y, length / 2 - 0.085)), WHITE_LIGHT, Surface.PAINT)
        a.add(box((w * 0.8, h * 1.2, 0.2), (sign * (width / 2 - w * 0.4 - 0.04), back_y, -length / 2 + 0.085)), RED_LIGHT, Surface.PAINT)
    a.add(box((0.5, 0.11, 0.2), (0.0, front_y - 0.22, length / 2 - 0.085)), (0.85, 0.85, 0.8))
    a.add(box((0.5, 0.11, 0.2), (0.0, back_y - 0.2, -length / 2 + 0.085)), (0.85, 0.82, 0.6) if rng.random() < 0.3 else (0.85, 0.85, 0.8))
    a.add(box((width * 0.5, 0.13, 0.2), (0.0, front_y, length / 2 - 0.088)), DARK)


CAR_FORMS = {
    # length, width, height ranges; cabin rear base, rear top, front top, windscreen base as shares of the length from the rear;
    # height of the belt line as a share
    "sedan": ((4.3, 4.95), (1.72, 1.9), (1.38, 1.5), (0.13, 0.24, 0.56, 0.72), 0.64),
    "hatchback": ((3.5, 4.3), (1.62, 1.82), (1.42, 1.56), (0.03, 0.1, 0.56, 0.74), 0.62),
    "estate": ((4.4, 4.9), (1.74, 1.88), (1.42, 1.54), (0.02, 0.08, 0.57, 0.72), 0.62),
    "suv": ((4.2, 4.85), (1.8, 1.98), (1.6, 1.85), (0.02, 0.07, 0.58, 0.72), 0.6),
    "coupe": ((4.1, 4.6), (1.76, 1.9), (1.25, 1.36), (0.08, 0.3, 0.5, 0.68), 0.64),
}


def car(rng: np.random.Generator, paints: np.ndarray = PAINTS) -> StreetObject:
    """A passenger car of one of five forms, in one of the paints [N, 3]."""
    form = list(CAR_FORMS)[rng.choice(5, p=[0.26, 0.28, 0.16, 0.22, 0.08])]
    lengths, widths, heights, stations, belt_share = CAR_FORMS[form]
    length, width, height = between(rng, *lengths), between(rng, *widths), between(rng, *heights)
    paint = tint(rng, paints)
    a = Assembly("car")
    clearance = between(rng, 0.16, 0.22) + (0.08 if form == "suv" else 0.0)
    belt = (belt_share + between(rng, -0.02, 0.03)) * height
    hood = belt - between(rng, 0.05, 0.14)
    back = belt - (between(rng, 0.0, 0.07) if form in ("sedan", "coupe") else 0.0)
    zs = [(s + 0.015 * rng.standard_normal() * (k in (1, 2))) * length - length / 2 for k, s in enumerate(stations)]
    h = length / 2
    outline = [(-h + 0.12, clearance), (-h, clearance + 0.12), (-h, back - 0.15), (-h + 0.04, back), (zs[0], belt), (zs[3], belt),
               (h - 0.25, hood - 0.06), (h - 0.04, hood - 0.2), (h, clearance + 0.2), (h - 0.1, clearance)]  # fmt: skip
    half = width / 2 * np.array([0.97, 0.98, 0.97, 0.95, 0.99, 0.99, 0.93, 0.92, 0.93, 0.94])
    a.add(extrude(outline, half), paint, Surface.PAINT)
    a.add(box((width * 0.9, 0.1, length * 0.97), (0.0, clearance + 0.02, 0.0)), DARK)
    a.add(
        box((width * 0.999, 0.13, length * 0.985), (0.0, clearance + 0.13, 0.0)),
        DARK if form == "suv" and rng.random() < 0.6 else paint * 0.8,
        Surface.PAINT,
    )
    base, top = zs[3] - zs[0], zs[2] - zs[1]
    lean = (zs[1] + zs[2] - zs[0] - zs[3]) / 2
    foot = (0.0, belt - 0.04, (zs[0] + zs[3]) / 2)
    cabin = tapered_box((width * 0.96, base), (width * between(rng, 0.74, 0.82), top), height - belt + 0.04, foot, lean)
    roof = paint if rng.random() < 0.85 else np.array(DARK)
    a.add(cabin, roof, Surface.PAINT)
    split = between(rng, 0.44, 0.54)
    a.panel(side(cabin, 0), (0.06, 0.94), (0.1, 0.92), GLASS_TONE)
    a.panel(side(cabin, 2), (0.08, 0.92), (0.2, 0.88), GLASS_TONE)
    for k in (1, 3):
        a.panel(side(cabin, k), (0.05, split - 0.02), (0.14, 0.87), GLASS_TONE)
        a.panel(side(cabin, k), (split + 0.02, 0.93), (0.14, 0.87), GLASS_TONE)
    radius = between(rng, 0.29, 0.34) + (0.04 if form == "suv" else 0.0)
    _wheels(a, rng, width, radius, [-h + between(rng, 0.7, 0.85), h - between(rng, 0.78, 0.9)])
    _ends(a, rng, length, width, hood - 0.22, back - 0.14)
    for sign in (-1, 1):
        a.add(box((0.16, 0.12, 0.1), (sign * (width / 2 + 0.04), belt + 0.06, zs[3] - 0.28)), paint * 0.9, Surface.PAINT)
    if rng.random() < 0.12:
        a.add(box((0.5, 0.14, 0.2), (0.0, height + 0.06, (zs[1] + zs[2]) / 2)), (0.9, 0.8, 0.2))
    elif rng.random() < 0.15:
        for x in (-0.5, 0.5):
            a.add(box((0.05, 0.06, top * 0.9), (x, height + 0.03, (zs[1] + zs[2]) / 2)), DARK)
    return a.finish()


def van(rng: np.random.Generator) -> StreetObject:
    """A panel van, a minibus with windows along its sides, or a small delivery van: one box with a short sloping nose."""
    small = rng.random() < 0.3
    length, width = (between(rng, 4.3, 4.8), between(rng, 1.78, 1.88)) if small else (between(rng, 4.9, 6.2), between(rng, 1.92, 2.08))
    height = between(rng, 1.8, 1.95) if small else between(rng, 1.95, 2.7)
    paint = tint(rng, LIVERIES if rng.random() < 0.75 else PAINTS)
    h, clearance, belt = length / 2, between(rng, 0.2, 0.27), between(rng, 1.05, 1.15)
    nose, screen = between(rng, 0.5, 0.9), between(rng, 0.5, 0.75)
    top = h - nose - screen - 0.2 * (height - 1.9)
    outline = [(-h + 0.04, clearance), (-h, clearance + 0.2), (-h + 0.03, height - 0.1), (-h + 0.14, height), (top - 0.15, height),
               (top, height - 0.05), (h - nose, belt), (h - 0.12, belt - 0.14), (h, clearance + 0.35), (h - 0.05, clearance)]  # fmt: skip
    half = width / 2 * np.array([0.98, 1, 0.95, 0.9, 0.9, 0.93, 0.98, 0.94, 0.96, 0.96])
    a = Assembly("van")
    body = a.add(extrude(outline, half), paint, Surface.PAINT)
    ring = body.vertices[:20].reshape(2, 10, 3)
    screen_quad = np.stack([ring[0, 6], ring[1, 6], ring[1, 5], ring[0, 5]])
    a.panel(screen_quad, (0.06, 0.94), (0.06, 0.93), GLASS_TONE)
    a.add(box((width, 0.2, length * 0.985), (0.0, clearance + 0.12, 0.0)), DARK if rng.random() < 0.5 else paint * 0.75)
    low, high = belt + 0.03, min(height - 0.22, belt + 0.62)
    a.band(width * 0.975, (top - 0.75, top - 0.02), (low, high), GLASS_TONE)
    if rng.random() < 0.4:  # minibus
        step = (top - 0.85 + h - 0.25) / 3
        for k in range(3):
            a.band(width * 0.972, (-h + 0.2 + k * step, -h + 0.12 + (k + 1) * step), (low, high), GLASS_TONE)
    elif rng.random() < 0.6:  # a coloured band or a sign on the panels
        a.band(
            width * 0.985,
            (-h + 0.5, top - 1.0),
            (belt - between(rng, 0.1, 0.4), belt + between(rng, 0.1, 0.5)),
            tint(rng, PAINTS),
            Surface.PAINT,
        )
    if rng.random() < 0.6:
        for sign in (-1, 1):
            a.add(box((width * 0.36, high - low, 0.08), (sign * width * 0.21, (low + high) / 2, -h + 0.045)), GLASS_TONE, Surface.GLASS)
    radius = between(rng, 0.31, 0.36)
    _wheels(a, rng, width, radius, [-h + between(rng, 0.85, 1.05), h - between(rng, 0.8, 0.95)])
    _ends(a, rng, length, width, belt - 0.32, belt - 0.1)
    for sign in (-1, 1):
        a.add(box((0.14, 0.28, 0.12), (sign * (width / 2 + 0.05), belt + 0.18, top + 0.1)), DARK)
    return a.finish()


def _lorry_load(
    a: Assembly, rng: np.random.Generator, width: float, z: tuple[float, float], bed: float, height: float, paint: np.ndarray
) -> None:
    """What the truck carries behind its cab: a box, a flatbed with a load, a tank, or a tipper."""
    kind = rng.choice(["box", "flatbed", "tank", "tipper"], p=[0.5, 0.18, 0.14, 0.18])
    length, middle = z[1] - z[0], (z[0] + z[1]) / 2
    if kind == "box":
        cover = tint(rng, LIVERIES)
        a.add(box((width, height - bed, length), (0.0, (height + bed) / 2, middle)), cover)
        a.add(box((width + 0.02, 0.1, length + 0.02), (0.0, bed + 0.05, middle)), cover * 0.6)
        if rng.random() < 0.7:
            y = between(rng, bed + 0.5, height - 0.9)
            a.band(
                width,
                (z[0] + 0.15 * length, z[0] + between(rng, 0.5, 0.9) * length),
                (y, y + between(rng, 0.3, 0.7)),
                tint(rng, PAINTS),
                Surface.PLAIN,
            )
        for sign in (-1, 1):
            a.add(box((width * 0.46, height - bed - 0.2, 0.06), (sign * width * 0.24, (height + bed) / 2, z[0])), cover * 0.85)
        return
    a.add(box((width, 0.18, length), (0.0, bed, middle)), DARK if kind == "tank" else paint * 0.6)
    if kind == "tank":
        radius = min(width / 2 - 0.05, (height - bed) / 2)
        a.add(cylinder(radius, length * 0.96, 16, 2, (0.0, bed + radius, middle)), tint(rng, LIVERIES), Surface.PAINT)
        a.add(box((0.5, 0.15, length * 0.5), (0.0, bed + 2 * radius, middle)), DARK)
    elif kind == "flatbed":
        wall = between(rng, 0.3, 0.5)
        for sign in (-1, 1):
            a.add(box((0.06, wall, length), (sign * (width / 2 - 0.03), bed + wall / 2, middle)), paint * 0.8)
        a.add(box((width, wall, 0.06), (0.0, bed + wall / 2, z[0] + 0.03)), paint * 0.8)
        for _ in range(rng.integers(1, 5)):
            s = [between(rng, 0.5, 0.8 * width), between(rng, 0.4, 1.1), between(rng, 0.5, 1.4)]
            x, zz = between(rng, -1, 1) * (width - s[0] - 0.2) / 2, between(rng, z[0] + s[2] / 2 + 0.1, z[1] - s[2] / 2 - 0.1)
            a.add(box((s[0], s[1], s[2]), (x, bed + 0.08 + s[1] / 2, zz)), np.array([0.45, 0.33, 0.2]) * between(rng, 0.6, 1.5))
    else:
        tub = tint(rng, LIVERIES)
        a.add(tapered_box((width * 0.9, length * 0.9), (width, length), (height - bed) * 0.75, (0.0, bed, middle)), tub)
        for k in range(4):
            a.band(
                width,
                (z[0] + (k + 0.4) * length / 4, z[0] + (k + 0.52) * length / 4),
                (bed + 0.1, bed + (height - bed) * 0.74),
                tub * 0.75,
                Surface.PLAIN,
            )


def truck(rng: np.random.Generator) -> StreetObject:
    """A lorry: chassis, cab, and a box, flatbed, tank or tipper."""
    length, width, height = between(rng, 5.6, 8.8), between(rng, 2.15, 2.5), between(rng, 2.7, 3.6)
    h, bed, cab = length / 2, between(rng, 0.85, 1.1), between(rng, 1.6, 2.1)
    paint = tint(rng, PAINTS if rng.random() < 0.6 else LIVERIES)
    cab_top = between(rng, 2.25, 2.75)
    a = Assembly("truck")
    a.add(box((width * 0.5, 0.3, length * 0.96), (0.0, bed - 0.25, -0.02)), DARK)
    front = tapered_box(
        (width * 0.97, cab),
        (width * 0.92, cab * between(rng, 0.8, 0.93)),
        cab_top - 0.4,
        (0.0, 0.4, h - cab / 2),
        -between(rng, 0.03, 0.09),
    )
    a.add(front, paint, Surface.PAINT)
    a.panel(side(front, 0), (0.06, 0.94), (0.5, 0.9), GLASS_TONE)
    a.panel(side(front, 1), (0.12, 0.62), (0.52, 0.88), GLASS_TONE)
    a.panel(side(front, 3), (0.38, 0.88), (0.52, 0.88), GLASS_TONE)
    a.panel(side(front, 0), (0.2, 0.8), (0.2, 0.42), DARK, Surface.PLAIN)
    a.add(box((width, 0.3, 0.3), (0.0, 0.5, h - 0.14)), DARK if rng.random() < 0.5 else paint * 0.8)
    for sign in (-1, 1):
        a.add(box((0.32, 0.15, 0.3), (sign * (width / 2 - 0.3), 0.52, h - 0.12)), WHITE_LIGHT, Surface.PAINT)
        a.add(box((0.3, 0.12, 0.1), (sign * (width / 2 - 0.25), bed - 0.25, -h + 0.06)), RED_LIGHT)
        a.add(box((0.12, 0.4, 0.14), (sign * (width / 2 + 0.08), cab_top - 0.7, h - 0.25)), DARK)
    _lorry_load(a, rng, width, (-h + 0.05, h - cab - between(rng, 0.08, 0.3)), bed, height, paint)
    radius = between(rng, 0.42, 0.5)
    axles = [h - between(rng, 0.9, 1.1), -h + between(rng, 1.2, 1.6)]
    if length > 7.2:
        axles.append(axles[1] + 2 * radius + 0.15)
    _wheels(a, rng, width - 0.03, radius, axles, 0.28)
    a.add(box((width * 0.9, 0.3, 0.9), (0.0, 0.65, (axles[0] + axles[1]) / 2)), DARK)
    return a.finish()


def bus(rng: np.random.Generator) -> StreetObject:
    """A city bus or a coach: a long box with a row of windows and doors on its right side."""
    length, width, height = between(rng, 7.5, 12.0), between(rng, 2.35, 2.55), between(rng, 2.8, 3.3)
    coach = rng.random() < 0.3
    h, clearance = length / 2, between(rng, 0.26, 0.34)
    paint = tint(rng, np.concatenate([LIVERIES[2:], PAINTS[[0, 4, 6]]]))
    low, high = (1.55 if coach else between(rng, 1.05, 1.3)), height - between(rng, 0.35, 0.5)
    a = Assembly("bus")
    outline = [
        (-h, clearance),
        (-h, height - 0.15),
        (-h + 0.12, height),
        (h - 0.25, height),
        (h - 0.1, height - 0.2),
        (h, 1.1),
        (h - 0.03, clearance),
    ]
    a.add(extrude(outline, width / 2 * np.array([1, 1, 0.95, 0.95, 0.98, 1, 1])), paint, Surface.PAINT)
    second = tint(rng, LIVERIES) if rng.random() < 0.6 else paint * 0.6
    a.band(width, (-h + 0.005, h - 0.1), (clearance + 0.02, clearance + between(rng, 0.15, 0.5)), second, Surface.PAINT, 0.004)
    if rng.random() < 0.5:
        a.band(width, (-h + 0.005, h - 0.2), (high + 0.04, height - 0.16), second, Surface.PAINT, 0.004)
    count = int(length / between(rng, 1.2, 1.7))
    step = (length - 0.5) / count
    gap = 0.03 if coach else between(rng, 0.06, 0.14)
    for k in range(count):
        a.band(width, (-h + 0.2 + k * step + gap / 2, -h + 0.2 + (k + 1) * step - gap / 2), (low, high), GLASS_TONE)
    for z in [h - 1.15] if coach else [h - 1.2, between(rng, -0.6, 0.6)]:
        a.add(box((0.06, high - clearance - 0.05, 1.05), (-width / 2 + 0.003, (high + clearance) / 2, z)), GLASS_TONE, Surface.GLASS)
        a.add(box((0.07, high - clearance - 0.05, 0.06), (-width / 2 + 0.003, (high + clearance) / 2, z)), second * 0.7)
    a.add(box((width * 0.93, height - 1.55, 0.25), (0.0, (height + 0.95) / 2, h - 0.14)), GLASS_TONE, Surface.GLASS)
    a.add(box((width * 0.7, 0.24, 0.22), (0.0, height - 0.28, h - 0.09)), (0.05, 0.05, 0.05) if rng.random() < 0.3 else (0.75, 0.45, 0.08))
    a.add(box((width * 0.86, 0.9, 0.1), (0.0, (low + high) / 2, -h + 0.04)), GLASS_TONE, Surface.GLASS)
    _ends(a, rng, length, width, 0.72, 0.9)
    _wheels(a, rng, width, between(rng, 0.44, 0.5), [-h + length * between(rng, 0.2, 0.28), h - between(rng, 2.3, 2.8)], 0.28)
    for sign in (-1, 1):
        a.add(box((0.14, 0.4, 0.1), (sign * (width / 2 + 0.12), height - 0.75, h + 0.02)), DARK)
        a.add(box((0.2, 0.06, 0.06), (sign * (width / 2 + 0.04), height - 0.5, h - 0.06)), DARK)
    if rng.random() < 0.5:
        a.add(box((width * 0.6, 0.2, length * 0.25), (0.0, height + 0.08, between(rng, -0.2, 0.2) * length)), paint * 0.9, Surface.PAINT)
    return a.finish()
