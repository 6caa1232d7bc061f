"""Trees and buildings."""

from __future__ import annotations

import math

import numpy as np

from voxcli.datasets.synthetic.shapes import Shape, box, cone, extrude, icosphere, lathe, limb, loft
from voxcli.datasets.synthetic.street.pieces import STYLE_SIZE, Assembly, StreetObject, Surface, between, side, tint

LEAVES = np.array([
    [0.16, 0.32, 0.1], [0.22, 0.4, 0.13], [0.12, 0.26, 0.12], [0.3, 0.42, 0.14], [0.36, 0.4, 0.14], [0.2, 0.36, 0.2],
    [0.5, 0.38, 0.1], [0.5, 0.22, 0.1],
    [0.1, 0.22, 0.14], [0.28, 0.45, 0.18],
])  # fmt: skip
BARKS = np.array([[0.25, 0.19, 0.14], [0.34, 0.28, 0.22], [0.18, 0.14, 0.11], [0.5, 0.48, 0.45]])
WALLS = np.array([
    [0.62, 0.34, 0.26], [0.5, 0.26, 0.2], [0.74, 0.66, 0.52], [0.83, 0.8, 0.73], [0.86, 0.84, 0.8],
    [0.72, 0.58, 0.42], [0.6, 0.58, 0.55], [0.48, 0.47, 0.46],
    [0.78, 0.7, 0.58], [0.68, 0.72, 0.7], [0.8, 0.62, 0.52], [0.85, 0.76, 0.5], [0.55, 0.62, 0.68], [0.4, 0.34, 0.3], [0.7, 0.5, 0.45],
])  # fmt: skip
ROOFS = np.array([[0.5, 0.22, 0.15], [0.36, 0.18, 0.14], [0.26, 0.26, 0.28], [0.32, 0.28, 0.25], [0.18, 0.18, 0.2]])
DOORS = np.array([[0.3, 0.17, 0.1], [0.12, 0.16, 0.2], [0.1, 0.25, 0.18], [0.4, 0.08, 0.08], [0.75, 0.74, 0.7], [0.15, 0.25, 0.4]])


def _crown(rng: np.random.Generator, centre: np.ndarray, radii: np.ndarray, level: int, rough: float) -> Shape:
    """A lumpy ellipsoid: an icosphere whose corners are pushed in and out."""
    sphere = icosphere(level)
    push = 1 + rough * rng.standard_normal((len(sphere.vertices), 1)).clip(-1.8, 1.8)
    return Shape(sphere.vertices * push * radii + centre, sphere.faces)


def tree(rng: np.random.Generator, kind: str | None = None) -> StreetObject:
    """A deciduous tree, a young street tree, a conifer, a cypress, a bush or a clipped hedge (drawn unless given)."""
    kind = kind or str(rng.choice(["broad", "young", "conifer", "cypress", "bush", "hedge"], p=[0.34, 0.22, 0.1, 0.08, 0.16, 0.1]))
    leaf = tint(rng, LEAVES, 0.12)
    a = Assembly("tree")
    if kind == "bush":
        _bush(a, rng, leaf)
        return a.finish(style=_leaf_style(rng))
    if kind == "hedge":
        size = (between(rng, 1.2, 3.2), between(rng, 0.7, 1.6), between(rng, 0.45, 0.8))
        hedge = box(size, (0.0, size[1] / 2, 0.0))
        hedge.vertices[:] += 0.03 * rng.standard_normal(hedge.vertices.shape)
        a.add(hedge, leaf, Surface.FOLIAGE)
        return a.finish(style=_leaf_style(rng))
    bark = tint(rng, BARKS)
    if kind == "conifer":
        return _conifer(a, rng, leaf * 0.75, bark)
    if kind == "cypress":
        height, width = between(rng, 3.0, 7.0), between(rng, 0.35, 0.75)
        a.add(limb(np.zeros(3), np.array([0, 0.6, 0]), 0.1, 0.1), bark, Surface.BARK)
        profile = [(0.25, width * 0.5), (0.18 * height, width), (0.5 * height, width * 0.9), (0.8 * height, width * 0.5), (height, 0.04)]
        crown = lathe(profile, 10)
        crown.vertices[:, [0, 2]] *= 1 + 0.08 * rng.standard_normal((len(crown.vertices), 1))
        a.add(crown, leaf * 0.8, Surface.FOLIAGE)
        return a.finish(style=_leaf_style(rng))
    young = kind == "young"
    height = between(rng, 3.0, 4.8) if young else between(rng, 4.6, 9.5)
    clear = between(rng, 1.6, 2.1) if young else between(rng, 1.9, 3.0)
    trunk = between(rng, 0.05, 0.09) if young else between(rng, 0.13, 0.3)
    spread = between(rng, 0.7, 1.15) if young else between(rng, 1.2, 2.4)
    return _leafy(a, rng, (leaf, bark), height, clear, trunk, spread, 1 if young else 2)


def _leaf_style(rng: np.random.Generator) -> np.ndarray:
    style = np.zeros(STYLE_SIZE)
    style[0], style[1] = between(rng, 6.0, 16.0), between(rng, 0.25, 0.55)  # lumps a metre, depth of their shading
    return style


def _leafy(
    a: Assembly, rng: np.random.Generator, colours: tuple[np.ndarray, np.ndarray], height: float, clear: float, trunk: float,
    spread: float, level: int,
) -> StreetObject:  # fmt: skip
    """A broad-leaved tree. colours: of leaves and bark. clear: height of the stem below the crown. spread: radius of the crown."""
    leaf, bark = colours
    lean = 0.12 * rng.standard_normal(2).clip(-2, 2)
    fork = np.array([lean[0], clear + 0.15 * (height - clear), lean[1]])
    a.add(limb(np.array([0.0, -0.02, 0.0]), fork, trunk * 1.25, trunk * 0.8, 8), bark, Surface.BARK)
    blobs = int(rng.integers(4, 8)) if level == 2 else int(rng.integers(2, 5))
    rise = (height - clear) / 2
    for k in range(blobs):
        angle = 2.4 * k + rng.random()
        out = spread * between(rng, 0.3, 0.55) * (k > 0)
        radius = spread * between(rng, 0.5, 0.7)
        tall = min(radius * between(rng, 0.75, 1.05), rise * 0.95)
        y = between(rng, clear + tall * 1.1, max(height - tall, clear + tall * 1.2))
        centre = np.array([lean[0] + out * math.cos(angle), y, lean[1] + out * math.sin(angle)])
        a.add(limb(fork - np.array([0.0, 0.2, 0.0]), centre, trunk * 0.55, trunk * 0.2, 5), bark, Surface.BARK)
        a.add(_crown(rng, centre, np.array([radius, tall, radius]), level, 0.07), leaf * between(rng, 0.85, 1.15), Surface.FOLIAGE)
    vertices = a.vertices
    low, high = vertices.min(0), vertices.max(0)
    crown = vertices[vertices[:, 1] > clear * 0.9, 1].min()
    stem = np.abs(vertices[vertices[:, 1] < crown][:, [0, 2]]).max() + 0.02
    top = (low[0], high[0], crown + 0.02, high[1] + 0.1, low[2], high[2])
    return a.finish([(-stem, stem, 0.0, crown + 0.05, -stem, stem), top], style=_leaf_style(rng))


def _conifer(a: Assembly, rng: np.random.Generator, leaf: np.ndarray, bark: np.ndarray) -> StreetObject:
    height, width = between(rng, 3.2, 8.0), between(rng, 0.9, 1.7)
    clear = between(rng, 0.3, 1.0)
    a.add(limb(np.zeros(3), np.array([0, clear + 0.5, 0]), 0.14, 0.1, 7), bark, Surface.BARK)
    tiers = int(rng.integers(3, 6))
    for k in range(tiers):
        low = clear + (height - clear) * k / (tiers + 0.6)
        radius = width * (1 - k / (tiers + 0.5))
        tier = cone(radius, (height - clear) / tiers * 1.7 if k < tiers - 1 else height - low, 9, (0.0, low, 0.0))
        tier.vertices[:9] *= 1 + 0.08 * rng.standard_normal((9, 1)) * np.array([1.0, 0.0, 1.0])
        a.add(tier, leaf * between(rng, 0.9, 1.1), Surface.FOLIAGE)
    return a.finish(style=_leaf_style(rng))


def _bush(a: Assembly, rng: np.random.Generator, leaf: np.ndarray) -> None:
    width, height = between(rng, 0.35, 0.8), between(rng, 0.6, 1.5)
    for _ in range(int(rng.integers(2, 5))):
        r = width * between(rng, 0.6, 1.0)
        centre = np.array([between(rng, -0.5, 0.5) * width, 0.0, between(rng, -0.5, 0.5) * width])
        tall = height / 2 * between(rng, 0.7, 1.0)
        centre[1] = tall * 0.92
        a.add(_crown(rng, centre, np.array([r, tall, r]), 1, 0.09), leaf * between(rng, 0.85, 1.15), Surface.FOLIAGE)


def _facade_style(rng: np.random.Generator, storey: float, ground: float, width: float) -> np.ndarray:
    """Numbers of the facade texture, in the order that textures.facade reads."""
    columns = max(1, round(width / between(rng, 1.5, 2.9)))
    wood = between(rng, 0.0, 1.0)
    frame = np.array([0.88, 0.87, 0.84]) if wood < 0.6 else np.array([0.3, 0.2, 0.14]) if wood < 0.8 else np.array([0.15, 0.16, 0.17])
    pattern = rng.choice(4, p=[0.38, 0.34, 0.16, 0.12])  # plaster, brick, stone courses, cladding
    glass = between(rng, 0.05, 0.3)
    wide, tall, seed = between(rng, 0.36, 0.62), between(rng, 0.42, 0.68), rng.integers(1, 1000)
    style = np.zeros(STYLE_SIZE)
    style[:12] = storey, ground, width / columns, wide, tall, pattern, glass, *frame, seed, columns
    return style


def _street_level(
    a: Assembly, rng: np.random.Generator, front: np.ndarray, width: float, ground: float, height: float, shop: bool
) -> float:
    """Doors or shop windows, awning and sign on the front wall (a quad). -> how far they reach out above 2.3 m"""
    if not shop:
        x, w = between(rng, 0.15, 0.75), between(rng, 0.95, 1.3) / width
        a.panel(front, (x, x + w), (0.0, min(2.2, ground - 0.3) / height), tint(rng, DOORS), Surface.PAINT)
        a.panel(front, (x + w * 0.1, x + 0.9 * w), (2.22 / height, min(2.5, ground - 0.05) / height), (0.1, 0.12, 0.14))
        return 0.0
    bays = max(1, int(width // between(rng, 2.4, 4.0)))
    door = int(rng.integers(bays))
    frame = tint(rng, DOORS)
    a.panel(front, (0.02, 0.98), (0.0, (ground - 0.12) / height), frame, Surface.PAINT)
    for k in range(bays):
        lift = 0.1 if k == door else between(rng, 0.35, 0.6)
        quad = front + 0.012 * _normal(front)
        a.panel(
            quad,
            ((k + 0.07) / bays * 0.96 + 0.02, (k + 0.93) / bays * 0.96 + 0.02),
            (lift / height, (ground - 0.75) / height),
            (0.13, 0.15, 0.17),
        )
    sign = tint(rng, np.concatenate([DOORS, WALLS]), 0.2)
    a.panel(front + 0.03 * _normal(front), (0.05, 0.95), ((ground - 0.6) / height, (ground - 0.2) / height), sign, Surface.PLAIN)
    if rng.random() < 0.5:
        reach, low = between(rng, 0.6, 1.2), ground - 0.75
        z, x0 = front[0, 2], width * 0.44
        drop = np.array([(z, low + 0.15), (z, low + 0.5), (z + reach, low + 0.12), (z + reach, low)])
        a.add(extrude(drop, x0), tint(rng, np.concatenate([DOORS[1:4], WALLS[2:6], [[0.7, 0.15, 0.12], [0.85, 0.65, 0.2]]])))
        return reach
    return 0.0


def _normal(quad: np.ndarray) -> np.ndarray:
    (ax, ay, az), (bx, by, bz) = (quad[1] - quad[0]).tolist(), (quad[3] - quad[0]).tolist()
    n = np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
    return n / math.sqrt(float(n @ n))


def building(rng: np.random.Generator, width: float | None = None, kind: str | None = None) -> StreetObject:
    """A house or a block; its front looks along +z. kind: `house`, `terrace` or `block` (drawn unless given)."""
    kind = kind or str(rng.choice(["house", "terrace", "block"], p=[0.28, 0.36, 0.36]))
    width = width or (between(rng, 6.0, 10.0) if kind == "house" else between(rng, 5.0, 13.0))
    depth = between(rng, 5.5, 9.0)
    storeys = {"house": rng.integers(1, 3), "terrace": rng.integers(2, 4), "block": rng.integers(3, 7)}[kind]
    storey, shop = between(rng, 2.65, 3.3), kind != "house" and rng.random() < 0.5
    ground = between(rng, 3.2, 3.8) if shop else storey
    height = ground + storey * (int(storeys) - 1) + between(rng, 0.1, 0.5)
    wall, style = tint(rng, WALLS, 0.08), _facade_style(rng, storey, ground, width)
    a = Assembly("building")
    body = a.add(box((width, height, depth), (0.0, height / 2, 0.0)), wall, Surface.FACADE)
    front = side(body, 0)
    reach = _street_level(a, rng, front, width, ground, height, shop)
    if rng.random() < 0.7:  # plinth and cornice
        a.add(box((width + 0.05, between(rng, 0.3, 0.6), depth + 0.05), (0.0, 0.2, 0.0)), wall * 0.62)
        reach = max(reach, 0.0)
    top = height
    if kind == "block" or rng.random() < 0.15:
        a.add(box((width + 0.2, 0.35, depth + 0.2), (0.0, height, 0.0)), wall * between(rng, 0.6, 1.15))
        top = height + 0.2
    else:
        top = roof(a, rng, width, depth, height, wall, along=kind == "terrace" or rng.random() < 0.5)
    balcony = 0.0
    if kind == "block" and rng.random() < 0.45:
        balcony = _balconies(a, rng, style, ground, storey, int(storeys), depth, wall)
    blocks = [(-width / 2 - 0.03, width / 2 + 0.03, 0.0, 2.3, -depth / 2 - 0.03, depth / 2 + 0.05)]
    eaves = 0.45 if top > height + 0.3 else 0.11
    sides = 0.03 if kind == "terrace" else eaves
    blocks.append(
        (
            -width / 2 - max(sides, 0.11),
            width / 2 + max(sides, 0.11),
            2.29,
            top + 0.1,
            -depth / 2 - eaves,
            depth / 2 + max(eaves, reach + 0.02, balcony + 0.02),
        )
    )
    return a.finish(blocks, style=style)


def roof(a: Assembly, rng: np.random.Generator, width: float, depth: float, height: float, wall: np.ndarray, along: bool) -> float:
    """A gable or hip roof, ridge along the street or across it. -> its top"""
    tiles, pitch = tint(rng, ROOFS, 0.1), between(rng, 0.45, 0.95)
    if along:
        rise, over = depth / 2 * pitch, 0.35
        outline = np.array(
            [
                (-depth / 2 - over, height - 0.1),
                (-depth / 2 - over, height + 0.05),
                (0.0, height + rise),
                (depth / 2 + over, height + 0.05),
                (depth / 2 + over, height - 0.1),
            ]
        )
        a.add(extrude(outline, width / 2 + 0.02), tiles, Surface.ROOF)
    else:
        rise, over = width / 2 * pitch, 0.35
        hip = rng.random() < 0.35
        base = np.array([(-1.0, 1.0), (1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)])
        rings = np.zeros((3, 4, 3))
        rings[0] = np.stack([base[:, 0] * (width / 2 + 0.09), np.full(4, height - 0.1), base[:, 1] * (depth / 2 + over)], 1)
        rings[1] = rings[0] + np.array([0.0, 0.15, 0.0])
        rings[2] = np.stack([base[:, 0] * 0.03, np.full(4, height + rise), base[:, 1] * (depth / 2 + over) * (0.45 if hip else 1.0)], 1)
        a.add(loft(rings), tiles, Surface.ROOF)
        if not hip:
            gable = np.array(
                [
                    [-width / 2 + 0.1, height, depth / 2 + over],
                    [width / 2 - 0.1, height, depth / 2 + over],
                    [0.02, height + rise * 0.93, depth / 2 + over],
                    [-0.02, height + rise * 0.93, depth / 2 + over],
                ]
            )
            a.panel(gable, (0.0, 1.0), (0.05, 0.97), wall, Surface.PLAIN)
    top = height + rise
    if rng.random() < 0.5:
        x = between(rng, -0.3, 0.3) * width
        a.add(box((0.5, rise * 0.6 + 0.6, 0.5), (x * (1.0 if along else 0.3), height + rise * 0.6 + 0.3, -0.2 * depth)), wall * 0.7)
        top += 0.3 + 0.3
    return top


def _balconies(
    a: Assembly, rng: np.random.Generator, style: np.ndarray, ground: float, storey: float, storeys: int, depth: float, wall: np.ndarray
) -> float:
    """Slabs with railings in front of some window columns. -> how far they reach out"""
    columns, spacing = int(style[11]), style[2]
    chosen = [k for k in range(columns) if rng.random() < 0.45]
    reach, rail = between(rng, 0.6, 1.1), tint(rng, DOORS) * 0.8
    solid = rng.random() < 0.5
    for k in chosen:
        x = (k + 0.5 - columns / 2) * spacing
        for level in range(1, storeys):
            y = ground + (level - 1) * storey + 0.1
            a.add(box((spacing * 0.86, 0.14, reach), (x, y, depth / 2 + reach / 2 - 0.02)), wall * 0.8)
            front = (spacing * 0.86, 0.9 if solid else 0.06, 0.04)
            a.add(box(front, (x, y + (0.5 if solid else 0.95), depth / 2 + reach - 0.05)), rail)
            if not solid:
                for b in np.linspace(-0.41, 0.41, 5):
                    a.add(box((0.03, 0.9, 0.03), (x + b * spacing, y + 0.5, depth / 2 + reach - 0.05)), rail)
    return reach if chosen else 0.0
