"""Airplanes: airliners, jets, propeller planes, gliders and biplanes."""

from __future__ import annotations

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.parts import Builder, Material, ShapeObject, swept
from voxcli.datasets.synthetic.shapes import Shape, box, cylinder, ellipsoid, limb
from voxcli.datasets.synthetic.street.pieces import between

PARTS = ("body", "wings", "tail", "engines", "windows", "wheels")

_SECTION = np.array(
    [[0.0, 0.0], [0.06, 0.55], [0.3, 1.0], [0.65, 0.62], [1.0, 0.05], [1.0, -0.05], [0.6, -0.35], [0.25, -0.5], [0.06, -0.35]]
)
"""A wing's section: (share of the chord from its front, share of the half thickness)."""


def airplane(rng: np.random.Generator) -> ShapeObject:
    """An airplane whose nose points to the front; lengths in shares of its fuselage."""
    b = Builder("airplane", PARTS)
    form = str(rng.choice(["airliner", "fighter", "propeller", "glider", "biplane", "business"], p=[0.36, 0.2, 0.2, 0.05, 0.06, 0.13]))
    skin = materials.Material(np.clip(materials.hue(rng, 0.35) * 0.35 + 0.62, 0, 1), 0.45) if rng.random() < 0.65 else materials.paint(rng)
    if form == "fighter":
        skin = materials.Material(np.clip(materials.hue(rng, 0.35) * 0.6 + 0.1, 0, 1), 0.15)
    accent = materials.car_paint(rng)
    {"airliner": _airliner, "business": _airliner, "fighter": _fighter}.get(form, _light)(b, rng, skin, accent, form)
    return b.finish()


def fuselage(stations: list[tuple[float, float, float, float]]) -> Shape:
    """A body through ellipses: (z, half width, half height, y of the middle), from the tail to the nose."""
    angle = np.arange(18) * (2 * np.pi / 18)
    rings = [np.stack([w * np.cos(angle), y + h * np.sin(angle), np.full(18, z)], 1) for z, w, h, y in stations]
    return swept(np.stack(rings))


def wing(sections: list[tuple[float, float, float, float, float]]) -> Shape:
    """A wing towards +x through sections (x, z of the leading edge, y, chord, thickness)."""
    rings = []
    for x, lead, y, chord, thick in sections:
        rings.append(np.stack([np.full(9, x), y + _SECTION[:, 1] * thick / 2, lead - _SECTION[:, 0] * chord], 1))
    return swept(np.stack(rings))


def fin(sections: list[tuple[float, float, float, float]]) -> Shape:
    """A fin upward in the plane of symmetry through sections (y, z of the leading edge, chord, thickness)."""
    rings = [
        np.stack([_SECTION[:, 1] * thick / 2 * 0.8, np.full(9, y), lead - _SECTION[:, 0] * chord], 1) for y, lead, chord, thick in sections
    ]
    return swept(np.stack(rings))


def _propeller(b: Builder, rng: np.random.Generator, at: tuple[float, float, float], radius: float, hub: float, colour: Material) -> None:
    x, y, z = at
    b.add(ellipsoid((hub, hub, hub * 1.6), (x, y, z), 10, 5), "engines", colour)
    blades, phase = int(rng.integers(2, 5)), rng.random() * 6
    for k in range(blades):
        a = phase + 2 * np.pi * k / blades
        tip = np.array([x + radius * np.cos(a), y + radius * np.sin(a), z])
        b.add(limb(np.array([x, y, z]), tip, 0.007, 0.005, 4), "engines", materials.DARK)


def _airliner(b: Builder, rng: np.random.Generator, skin: Material, accent: Material, form: str) -> None:
    business = form == "business"
    r = between(rng, 0.05, 0.07) if not business else between(rng, 0.055, 0.075)
    tall = r * between(rng, 1.0, 1.12)
    n, t = 0.5, -0.5
    profile = [
        (t, 0.012, 0.014, r * 0.55),
        (t + 0.08, r * 0.45, tall * 0.5, r * 0.42),
        (t + 0.2, r * 0.86, tall * 0.88, r * 0.12),
        (t + 0.3, r, tall, 0.0),
        (n - 0.16, r, tall, 0.0),
        (n - 0.08, r * 0.9, tall * 0.9, -r * 0.05),
        (n - 0.03, r * 0.62, tall * 0.6, -r * 0.15),
        (n - 0.008, r * 0.3, tall * 0.28, -r * 0.22),
        (n, r * 0.08, tall * 0.08, -r * 0.25),
    ]
    b.add(fuselage(profile), "body", skin)
    span, sweep, root, rise = between(rng, 0.4, 0.55), between(rng, 0.18, 0.34), between(rng, 0.14, 0.2), between(rng, 0.0, 0.05)
    z, y = between(rng, 0.06, 0.14), -tall * 0.6
    metal = skin if rng.random() < 0.5 else materials.Material(np.array([0.68, 0.69, 0.71]) * between(rng, 0.7, 1.2), 0.5)
    sections = [
        (0.0, z, y, root, 0.024),
        (span * 0.36, z - sweep * 0.36, y + rise * 0.36, root * 0.66, 0.018),
        (span, z - sweep, y + rise, root * 0.25, 0.006),
    ]
    b.mirrored(wing(sections), "wings", metal)
    if rng.random() < 0.45:
        tip = fin([(y + rise - 0.002, z - sweep, root * 0.24, 0.006), (y + rise + 0.05, z - sweep - 0.05, root * 0.1, 0.004)])
        b.mirrored(tip._replace(vertices=tip.vertices + (span, 0.0, 0.0)), "wings", accent)
    _tail(b, rng, skin, accent, tall, high=business or rng.random() < 0.15)
    er, el = r * between(rng, 0.35, 0.5), between(rng, 0.08, 0.12)
    engine = accent if rng.random() < 0.4 else metal
    if business or rng.random() < 0.15:
        _pod(b, (r + er * 1.25, r * 0.35, -0.24), er, el, engine)
        b.mirrored(box((er * 1.6, 0.008, el * 0.7), (r + er * 0.3, r * 0.35, -0.24)), "engines", engine)
    else:
        for share in (0.36,) if rng.random() < 0.7 else (0.3, 0.62):
            x, ez, ey = span * share, z - sweep * share + el * 0.25, y + rise * share - er * 1.15
            _pod(b, (x, ey, ez), er, el, engine)
            b.mirrored(box((0.008, er * 1.2, el * 0.8), (x, ey + er * 0.9, ez - el * 0.3)), "engines", engine)
    b.mirrored(box((0.004, tall * 0.16, 0.66), (r * 0.985, tall * 0.2, 0.03)), "windows", materials.GLASS)
    b.add(box((r * 1.2, tall * 0.2, 0.03), (0.0, tall * 0.32, n - 0.062)), "windows", materials.GLASS)
    if rng.random() < 0.5:
        b.mirrored(box((0.004, tall * 0.12, 0.68), (r * 0.985, -tall * 0.08, 0.0)), "body", accent)
    if rng.random() < 0.35:
        _gear(b, tall, 0.016)


def _pod(b: Builder, at: tuple[float, float, float], radius: float, length: float, colour: Material) -> None:
    x, y, z = at
    shape = fuselage(
        [
            (-length / 2, radius * 0.5, radius * 0.5, 0.0),
            (-length * 0.1, radius * 0.95, radius * 0.95, 0.0),
            (length * 0.4, radius, radius, 0.0),
            (length / 2, radius * 0.9, radius * 0.9, 0.0),
        ]
    )
    b.mirrored(shape._replace(vertices=shape.vertices + (x, y, z)), "engines", colour)
    b.mirrored(cylinder(radius * 0.78, 0.006, 14, 2, (x, y, z + length / 2)), "engines", materials.DARK)


def _gear(b: Builder, low: float, radius: float) -> None:
    for x, z in ((0.05, -0.02), (0.0, 0.36)):
        add = b.mirrored if x else b.add
        add(limb(np.array([x, -low * 0.7, z]), np.array([x, -low - 0.03, z]), 0.004, 0.004), "wheels", materials.RIM)
        add(cylinder(radius, 0.014, 12, 0, (x, -low - 0.035, z)), "wheels", materials.TYRE)


def _tail(b: Builder, rng: np.random.Generator, skin: Material, accent: Material, tall: float, high: bool) -> None:
    h, c = between(rng, 0.13, 0.19), between(rng, 0.11, 0.16)
    back = -0.38
    top = (tall * 0.35 + h, back - 0.09, c * 0.5, 0.007)
    b.add(fin([(tall * 0.35, back + 0.03, c * 1.15, 0.016), top]), "tail", accent)
    y, z = (top[0] - 0.008, top[1] - 0.01) if high else (tall * 0.5, back - 0.01)
    span, chord = between(rng, 0.13, 0.2), c * between(rng, 0.55, 0.75)
    b.mirrored(wing([(0.0, z, y, chord, 0.012), (span, z - 0.08, y + 0.015, chord * 0.45, 0.005)]), "tail", skin)


def _fighter(b: Builder, rng: np.random.Generator, skin: Material, accent: Material, form: str) -> None:
    r = between(rng, 0.045, 0.065)
    b.add(
        fuselage(
            [
                (-0.42, r * 0.8, r * 0.7, 0.0),
                (-0.2, r * 1.2, r * 0.95, 0.0),
                (0.05, r * 1.15, r, 0.0),
                (0.25, r * 0.8, r * 0.85, 0.0),
                (0.4, r * 0.4, r * 0.45, -0.003),
                (0.5, r * 0.03, r * 0.03, -0.006),
            ]
        ),
        "body",
        skin,
    )
    b.add(ellipsoid((r * 0.5, r * 0.62, 0.09), (0.0, r * 0.8, between(rng, 0.14, 0.22)), 12, 7), "windows", materials.GLASS)
    delta, span = rng.random() < 0.45, between(rng, 0.24, 0.36)
    root = between(rng, 0.42, 0.5) if delta else between(rng, 0.24, 0.32)
    z = between(rng, 0.08, 0.16) if delta else between(rng, 0.0, 0.08)
    sweep = root * between(rng, 0.7, 0.95) if delta else between(rng, 0.12, 0.24)
    b.mirrored(wing([(0.0, z, 0.0, root, 0.026), (span, z - sweep, -0.004, root * between(rng, 0.06, 0.25), 0.005)]), "wings", skin)
    twin = rng.random() < 0.5
    h, lean = between(rng, 0.12, 0.17), between(rng, 0.0, 0.05)
    f = fin([(r * 0.4, -0.22, 0.18, 0.014), (r * 0.4 + h, -0.35, 0.07, 0.005)])
    if twin:
        vertices = f.vertices.copy()
        vertices[:, 0] += r * 0.9 + (vertices[:, 1] - r * 0.4) / h * lean
        b.mirrored(Shape(vertices, f.faces), "tail", skin)
    else:
        b.add(f, "tail", accent if rng.random() < 0.5 else skin)
    if not delta or rng.random() < 0.3:
        zt, lead = (-0.32, 0.12) if not delta else (0.27, 0.07)
        b.mirrored(wing([(0.0, zt, 0.002, 0.13, 0.012), (lead + 0.08, zt - 0.1, 0.0, 0.05, 0.004)]), "tail" if not delta else "wings", skin)
    for x in (r * 0.55,) if rng.random() < 0.5 else (0.0,):
        shape = cylinder(r * (0.45 if x else 0.65), 0.07, 16, 2, (x, 0.0, -0.43))
        (b.mirrored if x else b.add)(shape, "engines", materials.DARK)
    b.mirrored(box((r * 0.5, r * 1.1, 0.26), (r * 1.15, -r * 0.15, 0.03)), "engines", skin.dyed(0.85))
    if rng.random() < 0.5:  # what hangs under the wings
        for share in (0.45, 0.75)[: int(rng.integers(1, 3))]:
            pod = fuselage([(-0.07, 0.003, 0.003, 0.0), (-0.05, 0.01, 0.01, 0.0), (0.05, 0.01, 0.01, 0.0), (0.08, 0.002, 0.002, 0.0)])
            b.mirrored(pod._replace(vertices=pod.vertices + (span * share, -0.025, z - sweep * share - root * 0.15)), "wings", accent)


def _light(b: Builder, rng: np.random.Generator, skin: Material, accent: Material, form: str) -> None:
    """Propeller planes, gliders and biplanes."""
    glider, biplane = form == "glider", form == "biplane"
    r = between(rng, 0.045, 0.06) if glider else between(rng, 0.065, 0.09)
    b.add(
        fuselage(
            [
                (-0.5, 0.01, 0.014, r * 0.4),
                (-0.3, r * 0.35, r * 0.45, r * 0.25),
                (-0.05, r * 0.8, r, 0.0),
                (0.15, r * 0.95, r * 1.05, 0.0),
                (0.36, r * 0.8, r * 0.8, -r * 0.1),
                (0.46, r * 0.5, r * 0.5, -r * 0.12),
                (0.48, r * 0.3, r * 0.3, -r * 0.12),
            ]
        ),
        "body",
        skin,
    )
    span = between(rng, 0.8, 1.05) if glider else between(rng, 0.5, 0.7)
    chord = between(rng, 0.08, 0.1) if glider else between(rng, 0.15, 0.2)
    high = biplane or rng.random() < 0.5
    y, z = (r * 1.05 if high else -r * 0.6), between(rng, 0.18, 0.26)
    rise, taper = between(rng, 0.0, 0.05), between(rng, 0.45, 1.0)
    paint = accent if rng.random() < 0.35 else skin
    b.mirrored(
        wing(
            [
                (0.0, z, y, chord, 0.026),
                (span * 0.6, z - 0.01, y + rise * 0.6, chord * (1 + taper) / 2, 0.02),
                (span, z - 0.03, y + rise, chord * taper * 0.8, 0.01),
            ]
        ),
        "wings",
        paint,
    )
    if biplane:
        y = r * 1.05 + 0.1
        b.mirrored(wing([(0.0, z + 0.02, y, chord, 0.02), (span, z + 0.01, y + rise, chord * 0.9, 0.012)]), "wings", paint)
        lower = wing([(0.0, z - 0.02, -r * 0.8, chord, 0.02), (span * 0.9, z - 0.03, -r * 0.8 + rise, chord * 0.85, 0.012)])
        b.mirrored(lower, "wings", paint)
        for share in (0.25, 0.75):
            for dz in (-0.03, -0.12):
                x = span * share
                b.mirrored(
                    limb(np.array([x, -r * 0.8 + rise * share, z + dz]), np.array([x, y + rise * share, z + dz]), 0.005, 0.005, 5),
                    "wings",
                    materials.RIM,
                )
    elif high and not glider:
        foot, head = np.array([r * 0.7, -r * 0.6, z - 0.05]), np.array([span * 0.5, y + rise * 0.5, z - 0.05])
        b.mirrored(limb(foot, head, 0.006, 0.006), "wings", skin)
    _tail(b, rng, skin, accent, r * 0.8, high=glider and rng.random() < 0.7)
    b.add(ellipsoid((r * 0.7, r * 0.8, 0.11), (0.0, r * 0.75, between(rng, 0.1, 0.16)), 14, 7), "windows", materials.GLASS)
    if glider:
        return
    twin = not biplane and rng.random() < 0.3
    if twin:
        _pod(b, (span * 0.34, y, z + 0.0), 0.032, 0.17, accent)
        for sx in (-1, 1):
            _propeller(b, rng, (sx * span * 0.34, y, z + 0.1), 0.09, 0.014, accent)
    else:
        _propeller(b, rng, (0.0, -r * 0.12, 0.49), between(rng, 0.1, 0.15), 0.024, accent)
    if rng.random() < 0.75:
        for x, gz in ((0.09, 0.16), (0.0, 0.38 if rng.random() < 0.5 else -0.44)):
            add = b.mirrored if x else b.add
            low = -r - (0.07 if gz > 0 else -0.01)
            add(
                limb(np.array([x * 0.5, -r * 0.3 if gz > 0 else r * 0.2, gz]), np.array([x, low, gz]), 0.006, 0.005),
                "wheels",
                materials.RIM,
            )
            add(cylinder(0.028 if gz > 0 else 0.014, 0.018, 14, 0, (x, low, gz)), "wheels", materials.TYRE)
