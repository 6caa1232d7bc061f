"""Houses, blocks, halls and offices of streets that are seen to 50 m. Doors, shops and windows are textures: see photo.walls."""

from __future__ import annotations

import numpy as np

from voxcli.datasets.synthetic.shapes import box, cylinder, extrude
from voxcli.datasets.synthetic.street.pieces import STYLE_SIZE, Assembly, StreetObject, Surface, between, tint
from voxcli.datasets.synthetic.street.scenery import WALLS, roof

BRICKS = np.array([[0.42, 0.27, 0.21], [0.5, 0.36, 0.27], [0.36, 0.28, 0.24], [0.56, 0.48, 0.36], [0.47, 0.31, 0.25], [0.38, 0.33, 0.29]])
STONES = np.array([[0.6, 0.56, 0.48], [0.52, 0.5, 0.45], [0.66, 0.62, 0.54], [0.56, 0.5, 0.4], [0.45, 0.44, 0.42]])
RENDERS = np.array([
    [0.8, 0.79, 0.76], [0.72, 0.68, 0.58], [0.7, 0.7, 0.69], [0.76, 0.72, 0.64], [0.6, 0.59, 0.57], [0.68, 0.6, 0.5], [0.62, 0.64, 0.63],
    [0.74, 0.66, 0.56], [0.5, 0.49, 0.48], [0.32, 0.31, 0.31],
])  # fmt: skip
PANELS = np.array([[0.5, 0.5, 0.5], [0.36, 0.38, 0.4], [0.68, 0.68, 0.67], [0.22, 0.23, 0.25], [0.44, 0.42, 0.39], [0.4, 0.45, 0.5]])
FRAMES = np.array([[0.85, 0.84, 0.82], [0.85, 0.84, 0.82], [0.16, 0.16, 0.17], [0.3, 0.22, 0.16], [0.12, 0.2, 0.17], [0.5, 0.5, 0.5]])
AWNINGS = np.array([[0.45, 0.1, 0.1], [0.1, 0.2, 0.13], [0.12, 0.14, 0.25], [0.7, 0.66, 0.58], [0.2, 0.2, 0.2], [0.6, 0.45, 0.2]])
PLASTER, BRICK, STONE, BOARDS, PANEL, CURTAIN = range(6)
"""What a wall is made of: number 5 of the style."""

FORMS = ("house", "terrace", "block", "hall", "office")
_STOREYS = {"house": (1, 3), "terrace": (2, 5), "block": (3, 8), "hall": (1, 4), "office": (2, 9)}


def _material(rng: np.random.Generator, form: str) -> tuple[int, np.ndarray]:
    """A wall's pattern and colour."""
    shares = {"office": (0.1, 0.12, 0.1, 0.03, 0.4, 0.25), "hall": (0.15, 0.3, 0.3, 0.05, 0.15, 0.05)}
    kind = int(rng.choice(6, p=shares.get(form, (0.37, 0.38, 0.13, 0.06, 0.06, 0.0))))
    palette = (RENDERS, BRICKS, STONES, RENDERS, PANELS, PANELS)[kind]
    if rng.random() < 0.05:
        palette = WALLS
    return kind, tint(rng, palette, 0.1)


def far_building(rng: np.random.Generator, width: float, form: str) -> StreetObject:
    """A building of one of FORMS, `width` metres along the street. Its front looks along +z.

    style: heights of a storey and of the ground floor, window spacing, window width and height as shares, material, glass tone, frame
    colour (3), seed, columns of windows, kind of the ground floor (0 as above, 1 shops, 2 blank), half the width. Lengths in metres.
    """
    depth = between(rng, 6.0, 10.0) + (4.0 if form in ("hall", "office") else 0.0)
    low, high = _STOREYS[form]
    storeys = int(rng.integers(low, high))
    storey = between(rng, 3.6, 5.2) if form == "hall" else between(rng, 2.6, 3.5)
    shop = 1 if form != "house" and rng.random() < 0.52 else 2 if form in ("hall", "office", "block") and rng.random() < 0.3 else 0
    ground = between(rng, 3.1, 4.3) if shop else storey
    height = ground + storey * (storeys - 1) + between(rng, 0.1, 0.7)
    kind, wall = _material(rng, form)
    columns = max(1, round(width / between(rng, 1.5, 3.4)))
    style = np.zeros(STYLE_SIZE)
    wide, tall = (0.9, 0.86) if kind == CURTAIN else (between(rng, 0.32, 0.75), between(rng, 0.4, 0.75))
    style[:14] = (storey, ground, width / columns, wide, tall, kind, between(rng, 0.03, 0.2), *tint(rng, FRAMES), rng.integers(1, 1000),
                  columns, shop, width / 2)  # fmt: skip
    a = Assembly("building")
    a.add(box((width, height, depth), (0.0, height / 2, 0.0)), wall, Surface.FRONT)
    flat = form in ("hall", "office") or (form == "block" and rng.random() < 0.7) or rng.random() < 0.12
    if flat:
        trim = wall * between(rng, 0.6, 1.15)
        a.add(box((width + 0.16, between(rng, 0.2, 0.6), depth + 0.16), (0.0, height, 0.0)), trim)
        top = height + 0.3
        if rng.random() < 0.4:
            size = (between(rng, 1.5, 0.5 * width + 1), between(rng, 0.8, 2.4), between(rng, 1.5, 0.5 * depth))
            a.add(box(size, (between(rng, -0.2, 0.2) * width, height + size[1] / 2, -0.1 * depth)), tint(rng, PANELS))
            top = height + size[1] + 0.1
    else:
        top = roof(a, rng, width, depth, height, wall, along=form == "terrace" or rng.random() < 0.5)
    if rng.random() < (0.55 if form in ("house", "terrace") else 0.12):
        top = max(top, _chimneys(a, rng, width, depth, height))
    reach = _front(a, rng, form, depth, height, storeys, wall, style)
    eaves = 0.45 if not flat else 0.11
    sides = 0.11 if form == "terrace" or flat else eaves
    half = depth / 2
    blocks = [(-width / 2 - 0.03, width / 2 + 0.03, 0.0, 2.3, -half - 0.03, half + 0.05),
              (-width / 2 - sides, width / 2 + sides, 2.29, top + 0.1, -half - eaves, half + max(eaves, reach + 0.02))]  # fmt: skip
    return a.finish(blocks, style=style)


def _chimneys(a: Assembly, rng: np.random.Generator, width: float, depth: float, height: float) -> float:
    """One or two stacks with pots at the party walls. -> height of their top"""
    brick, top = tint(rng, BRICKS), height + between(rng, 1.8, 3.6)
    for sign in ((-1,), (1,), (-1, 1))[rng.integers(3)]:
        x, z = sign * (width / 2 - 0.4), between(rng, -0.15, 0.15) * depth
        a.add(box((0.55, top - height + 0.5, 1.0), (x, (top + height - 0.5) / 2, z)), brick)
        for k in (-0.25, 0.25):
            a.add(cylinder(0.12, 0.5, 6, 1, (x, top + 0.2, z + k)), (0.5, 0.3, 0.2))
    return top + 0.45


def _front(
    a: Assembly, rng: np.random.Generator, form: str, depth: float, height: float, storeys: int, wall: np.ndarray, style: np.ndarray
) -> float:
    """What stands out of the front: ledges, oriels, balconies, awnings, hanging signs.

    -> how many metres these reach out above 2.3 m
    """
    half, reach = depth / 2, 0.0
    storey, ground, shop, width = style[0], style[1], style[12], 2 * style[13]
    if rng.random() < 0.5:
        for level in range(storeys if rng.random() < 0.3 else 1):
            y = ground + level * storey
            if y < height:
                a.add(box((width + 0.01, between(rng, 0.1, 0.3), 0.2), (0.0, y, half)), wall * between(rng, 0.75, 1.2))
        reach = 0.1
    if storeys > 1 and form in ("terrace", "block") and rng.random() < 0.25:
        size = (min(style[2] * 1.1, width * 0.7), (storeys - 1) * storey * 0.85, between(rng, 0.5, 0.9))
        x = between(rng, -0.5, 0.5) * (width - size[0]) * 0.9
        a.add(box(size, (x, ground + size[1] / 2, half + size[2] / 2 - 0.05)), wall * between(rng, 0.8, 1.2), Surface.FRONT)
        reach = size[2]
    elif form in ("block", "office") and rng.random() < 0.3:
        rail, deep = tint(rng, PANELS), between(rng, 0.6, 1.2)
        for k in range(int(style[11])):
            if rng.random() < 0.4:
                x = (k + 0.5 - style[11] / 2) * style[2]
                for level in range(1, storeys):
                    y = ground + (level - 1) * storey + 0.1
                    a.add(box((style[2] * 0.84, 0.16, deep), (x, y, half + deep / 2 - 0.02)), wall * 0.8)
                    a.add(box((style[2] * 0.84, 0.85, 0.05), (x, y + 0.45, half + deep - 0.05)), rail)
                reach = deep
    if shop == 1 and rng.random() < 0.3:
        deep, low, tones = between(rng, 0.6, 1.5), max(ground - 0.8, 2.45), tint(rng, AWNINGS)
        drop = np.array([(half, low + 0.15), (half, low + 0.6), (half + deep, low + 0.12), (half + deep, low - 0.05)])
        a.add(extrude(drop, width * 0.45), tones)
        reach = max(reach, deep)
    if shop == 1 and rng.random() < 0.3:
        x = between(rng, -0.4, 0.4) * width
        a.add(box((0.08, between(rng, 0.5, 1.0), 0.7), (x, ground + 0.3, half + 0.42)), tint(rng, np.concatenate([AWNINGS, RENDERS])),
              Surface.POSTER)  # fmt: skip
        reach = max(reach, 0.8)
    return reach
