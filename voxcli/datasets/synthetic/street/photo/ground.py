"""The ground as photographs show it: worn asphalt, patches, cracks, covers, painted lines and signs, paving of many kinds, grass.

All functions take world positions x, z [N] of picture samples, float32. `step` [N] is the size of a sample on the ground in metres.
Patterns that are much finer than a sample fade out. Colours are linear.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxcli.datasets.synthetic.street.plan import Street
from voxcli.datasets.synthetic.street.textures import clouds, grain


def fade(step: np.ndarray, period: float) -> np.ndarray:
    """The share of a pattern that samples still show: near 1 for samples much finer than its period, near 0 for coarse ones. [N]

    step [N], period: metres.
    """
    ratio = step * np.float32(1.6 / period)
    return 1 / (1 + ratio * ratio)


def ground(x: np.ndarray, z: np.ndarray, step: np.ndarray, street: Street) -> tuple[np.ndarray, np.ndarray]:
    """Colour [N, 3] of the ground at world (x, z), and how smooth it is when wet [N], 0..1."""
    draw = np.random.default_rng(street.seed)
    left, right = street.line(0, "cycle"), street.line(1, "cycle")
    out, smooth = np.zeros((len(x), 3), np.float32), np.full(len(x), 0.5, np.float32)
    road = (x > -left) & (x < right)
    for c in street.crossings:
        road |= (np.abs(z - c.z) < c.half) & (((x < 0) & c.sides[0]) | ((x > 0) & c.sides[1]))
    on, beside = np.flatnonzero(road), np.flatnonzero(~road)
    out[on] = _road(x[on], z[on], step[on], street, draw)
    smooth[on] = (0.7 + 0.35 * clouds(x[on] * 1.3 + 60, z[on] * 0.8)).clip(0, 1)
    if len(beside):
        out[beside] = _sides(x[beside], z[beside], step[beside], street, draw)
    return out, smooth


def _tinted(tone: np.ndarray, tint: Sequence[float] | np.ndarray) -> np.ndarray:
    """Brightness [N] times one colour [3]. [N, 3] float32"""
    return (tone[:, None] * np.asarray(tint, np.float32)).astype(np.float32)


def _asphalt(x: np.ndarray, z: np.ndarray, step: np.ndarray, tone: float, rough: float, shift: float) -> np.ndarray:
    """Brightness of asphalt: stones, clouds of three sizes, cracks. [N]"""
    out = 1 + rough * (0.22 * grain(x * 61, z * 61) * fade(step, 0.03) + 0.12 * grain(x * 17 + 3, z * 17) * fade(step, 0.1))
    out += rough * (0.07 * clouds(x * 7, z * 3) * fade(step, 0.4) + 0.09 * clouds(x * 0.9 + shift, z * 0.35))
    out += rough * 0.05 * clouds(x * 3, z * 0.5)
    crack = np.abs(clouds(x * 2.1 + shift, z * 1.7) + 0.3 * grain(x * 9, z * 9))
    out -= 0.4 * np.clip(1 - crack / 0.05, 0, 1) * fade(step, 0.12) * (clouds(x * 0.6 + 7, z * 0.5 + shift) > 0.3)
    return tone * np.maximum(out, 0.25)


def _road(x: np.ndarray, z: np.ndarray, step: np.ndarray, street: Street, draw: np.random.Generator) -> np.ndarray:
    """Asphalt with tracks, repairs, lanes in colour, gutters and paint. [N, 3]"""
    tone, rough, shift = 0.045 + 0.14 * float(draw.random()) ** 1.5, float(draw.uniform(0.5, 1.6)), float(draw.uniform(0, 200))
    asphalt = _asphalt(x, z, step, tone, rough, shift)
    tracks = np.minimum.reduce([np.abs(np.abs(x - lane) - 0.78) for lane, _ in street.lanes])
    asphalt *= 1 + float(draw.uniform(-0.16, 0.12)) * np.clip(1.6 - tracks / 0.3, 0, 1)
    middle = np.minimum.reduce([np.abs(x - lane) for lane, _ in street.lanes])
    asphalt *= 1 - float(draw.uniform(0, 0.2)) * np.clip(1.4 - middle / 0.35, 0, 1) * (0.8 + 0.3 * clouds(x * 3, z * 0.3))
    asphalt = _repairs(x, z, step, asphalt, draw)
    if draw.random() < 0.12:  # a bus or bicycle lane in colour
        hue = np.array([[0.3, 0.1, 0.08], [0.1, 0.2, 0.12], [0.3, 0.16, 0.1]][int(draw.integers(3))]) * draw.uniform(0.5, 1)
        side = 2 * int(draw.integers(2)) - 1
        strip = (side * x > street.road_half - float(draw.uniform(1.2, 3.0))) & (np.abs(x) < street.road_half)
        out = np.where(strip[:, None], _tinted(asphalt / tone, hue), _tinted(asphalt, [1.0, 1.0, 1.02]))
    else:
        out = _tinted(asphalt, 1 + draw.uniform(-0.06, 0.06) * np.array([1.0, 0.2, -1.0]))
    for side in range(2):
        t = (2 * side - 1) * x
        if street.parking[side] and draw.random() < 0.3:
            stone = 0.13 * (1 + 0.22 * grain(x * 9, z * 9) * fade(step, 0.11))
            inside = (t > street.road_half) & (t < street.line(side, "parking"))
            out = np.where(inside[:, None], _tinted(stone, [1.0, 0.97, 0.93]), out)
        if street.cycle[side] and draw.random() < 0.7:
            hue = np.array([0.26, 0.1, 0.08]) if draw.random() < 0.6 else np.array([0.12, 0.12, 0.125])
            inside = (t > street.line(side, "parking")) & (t < street.line(side, "cycle"))
            out = np.where(inside[:, None], _tinted(asphalt / tone, hue), out)
            out = np.where((np.abs(t - street.line(side, "parking") - 0.08) < 0.06)[:, None], np.float32(0.5), out)
        gutter = (t > street.line(side, "cycle") - 0.25) & (t < street.line(side, "cycle"))
        out = np.where(gutter[:, None], out * np.float32(draw.uniform(0.55, 1.1)), out)
    return _painted(x, z, step, street, draw, out)


def _repairs(x: np.ndarray, z: np.ndarray, step: np.ndarray, asphalt: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The brightness of asphalt [N] with patches, their dark seams, a trench, and covers of manholes and drains. [N]"""
    long, wide, share = float(draw.uniform(3, 9)), float(draw.uniform(1.2, 3)), float(draw.uniform(0.4, 2.0))
    seed = float(draw.integers(200))
    i, j = np.floor(z / long), np.floor(x / wide)
    u, v = z / long - i, x / wide - j
    chosen = grain(i * 3 + seed, j * 7 + seed) > share
    inside = chosen & (u > 0.1) & (u < 0.85) & (v > 0.08) & (v < 0.9)
    seam = inside & ((u < 0.1 + 0.06 / long) | (u > 0.85 - 0.06 / long) | (v < 0.08 + 0.05 / wide) | (v > 0.9 - 0.05 / wide))
    asphalt = np.where(inside, asphalt * (1 + 0.25 * grain(i * 5 + seed, j * 3)), asphalt)
    asphalt = np.where(seam, asphalt * (1 - 0.5 * fade(step, 0.2)), asphalt)
    if draw.random() < 0.4:  # a trench along the road
        at, half = float(draw.uniform(-2.5, 2.5)), float(draw.uniform(0.25, 0.6))
        asphalt = np.where(np.abs(x - at + 0.05 * clouds(z * 2, x * 0)) < half, asphalt * np.float32(draw.uniform(0.6, 1.3)), asphalt)
    k = np.floor(z / 7.3)
    cx, cz = 2.2 * grain(k + seed, k * 0 + 2).clip(-1.4, 1.4), (k + 0.5) * 7.3 + 1.8 * grain(k + seed, k * 0 + 6).clip(-1.4, 1.4)
    away = np.hypot(x - cx, z - cz)
    there = (grain(k + seed, k * 0 + 9) > 0.2) & (away < 0.36)
    return np.where(there, asphalt * np.where(away > 0.29, 0.5, 0.75 + 0.2 * grain(x * 14, z * 14) * fade(step, 0.07)), asphalt)


def _painted(x: np.ndarray, z: np.ndarray, step: np.ndarray, street: Street, draw: np.random.Generator, out: np.ndarray) -> np.ndarray:
    """The colours `out` [N, 3] with painted lines, arrows, zebras, stop lines and boxes, more or less worn. [N, 3]"""
    worn = clouds(x * 9 + 50, z * 9) + 0.6 * grain(x * 25, z * 25) * fade(step, 0.04)
    kept = np.clip(float(draw.uniform(0.6, 2.8)) - worn, 0, 1)
    period, share, shift = float(draw.uniform(3, 9)), float(draw.uniform(0.3, 0.65)), float(draw.uniform(0, 9))
    width, dashes = float(draw.uniform(0.05, 0.09)), ((z + shift) / period) % 1 < share
    white, yellow = np.zeros(len(x), bool), np.zeros(len(x), bool)
    solid, edges, boxes, double = draw.random() < 0.2, draw.random() < 0.35, draw.random() < 0.4, draw.random() < 0.28
    for (a, sign), (b, other) in zip(street.lanes[:-1], street.lanes[1:], strict=True):
        middle = np.abs(x - (a + b) / 2)
        if sign != other and double and solid:
            white |= np.abs(middle - 0.12) < width
        else:
            white |= (middle < width) & (dashes | (solid and sign != other))
    if edges:
        white |= np.abs(np.abs(x) - street.road_half + 0.25) < width
    elif double:
        rim = np.where(x > 0, street.line(1, "cycle"), street.line(0, "cycle")) - np.abs(x)
        yellow = (np.abs(rim - 0.3) < 0.05) | (np.abs(rim - 0.48) < 0.05)
    for side in range(2):
        if street.parking[side] and boxes:
            t = (2 * side - 1) * x
            white |= (np.abs(t - street.road_half) < 0.05) | ((t > street.road_half) & (t < street.line(side, "parking"))
                                                              & ((z + shift) % 5.6 < 0.1))  # fmt: skip
    clear = np.ones(len(x), bool)
    for c in street.crossings:
        gap = np.abs(z - c.z)
        clear &= gap > c.half + 0.3
        if draw.random() < 0.5:
            stop = (np.abs(gap - c.half - 1.0) < 0.17) & (np.abs(x) < street.road_half - 0.2)
            white = np.where(stop, (x * np.sign(z - c.z) > 0) == (street.lanes[0][1] * street.lanes[0][0] <= 0), white)
    if draw.random() < 0.3:  # arrows or words on the lanes
        white |= _signs(x, z, street, draw)
    if street.zebra is not None:
        across = (np.abs(z - street.zebra) < 1.6) & (np.abs(x) < street.road_half - 0.15)
        white = np.where(across, (x + 10.25) % 1.0 < 0.5, white)
    tone = float(draw.uniform(0.3, 0.62))
    for mask, colour in ((white, [1.0, 1.0, 0.98]), (yellow, [1.0, 0.72, 0.2])):
        at = np.flatnonzero(mask & clear)
        if len(at):
            share_ = (kept[at] * 0.92)[:, None]
            out[at] = out[at] * (1 - share_) + tone * np.asarray(colour, np.float32) * share_
    return out


def _signs(x: np.ndarray, z: np.ndarray, street: Street, draw: np.random.Generator) -> np.ndarray:
    """Arrows, and letters as bars, on the middles of lanes every 12 to 30 m. [N] bool"""
    every, shift, word = float(draw.uniform(12, 30)), float(draw.uniform(0, 30)), draw.random() < 0.5
    out = np.zeros(len(x), bool)
    for lane, sign in street.lanes:
        u, v = (x - lane) * sign, (((z * sign + shift) % every) - 1.0)
        if word:
            cell = grain(np.floor(u / 0.22) + 9, np.floor(v / 0.7) + shift) > 0.1
            out |= (np.abs(u) < 0.9) & (v > 0) & (v < 2.1) & cell & ((u / 0.22) % 1 < 0.7)
        else:
            out |= (np.abs(u) < 0.08) & (v > 0) & (v < 2.2)
            out |= (v >= 2.2) & (v < 3.2) & (np.abs(u) < 0.4 * (3.2 - v))
    return out


def _sides(x: np.ndarray, z: np.ndarray, step: np.ndarray, street: Street, draw: np.random.Generator) -> np.ndarray:
    """Kerbs, pavements and what lies behind them. [N, 3]"""
    side = (x > 0).astype(np.int64)
    t = np.abs(x)
    lines = {name: np.array([street.line(k, name) for k in range(2)], np.float32)[side] for name in ("cycle", "pavement", "garden")}
    out = _paving(x, z, step, draw)
    kerb = t < lines["cycle"] + 0.15
    stone = float(draw.uniform(0.16, 0.42)) * np.where((z % 0.95) < 0.03, 0.6, 1 + 0.08 * grain(z, x * 0))
    out = np.where(kerb[:, None], _tinted(stone, [1.0, 0.99, 0.96]), out)
    edge = np.clip(1 - (t - lines["cycle"] - 0.15) / 0.1, 0, 1)
    out *= (1 - 0.25 * np.where(kerb, 0, edge))[:, None]
    behind = t > lines["pavement"]
    green = np.array([0.055, 0.085, 0.03]) * draw.uniform(0.6, 1.5) * (1 + 0.2 * draw.standard_normal(3))
    leaves, kinds = float(draw.uniform(0.6, 3.5)), draw.choice(3, 2, p=[0.62, 0.2, 0.18])
    noise = grain(x * 31, z * 31) * fade(step, 0.06)
    turf = (1 + 0.3 * noise + 0.25 * clouds(x * 5, z * 5) * fade(step, 0.5) + 0.25 * clouds(x * 0.7, z * 0.7 + 40)).clip(0.2, 2.2)
    grass = _tinted(turf, green)
    bare = clouds(x * 1.1 + 20, z * 1.1) + 0.2 * noise > 1.1
    grass = np.where(bare[:, None], _tinted(turf, [0.13, 0.1, 0.07]), grass)
    litter = grain(x * 13, z * 13) + 0.5 * clouds(x, z) > leaves
    grass = np.where(litter[:, None], _tinted(turf, [0.2, 0.13, 0.06]), grass)
    gravel = _tinted(0.24 * (1 + 0.2 * noise + 0.12 * clouds(x * 2, z * 2)), [1.0, 0.94, 0.85])
    for k in range(2):
        soil = (grass, gravel, out)[0 if not street.built[k] else int(kinds[k])]
        at = behind & (side == k) & ((t < lines["garden"] + 40) if street.garden[k] > 0.1 or not street.built[k] else False)
        out = np.where(at[:, None], soil, out)
    return out.astype(np.float32)


def _paving(x: np.ndarray, z: np.ndarray, step: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Slabs, bricks, setts, or asphalt, with stains. [N, 3]"""
    kind = draw.choice(["slabs", "bricks", "setts", "asphalt"], p=[0.48, 0.17, 0.07, 0.28])
    tone, shift = float(draw.uniform(0.1, 0.38)), float(draw.uniform(0, 200))
    stains = 1 + 0.1 * clouds(x * 2.3 + shift, z * 2.3) + 0.1 * clouds(x * 0.5, z * 0.5 + shift)
    stains += 0.1 * grain(x * 40, z * 40) * fade(step, 0.04)
    stains -= 0.35 * (grain(x * 16 + 5, z * 16 + shift) > 2.6) * fade(step, 0.08)
    hue = 1 + float(draw.uniform(-0.02, 0.12)) * np.array([1.0, 0.0, -1.0])
    if kind == "asphalt":
        return _tinted(_asphalt(x, z, step, 0.6 * tone, 1.0, shift) * stains, hue)
    long, wide = {"slabs": (draw.uniform(0.4, 0.9), draw.uniform(0.3, 0.6)), "bricks": (0.21, 0.11), "setts": (0.12, 0.12)}[str(kind)]
    if kind == "bricks":
        hue = hue * np.array([1.15, 0.9, 0.8])
    row = z / float(wide)
    column = x / float(long) + np.where(draw.random() < 0.7, 0.5 * (np.floor(row) % 2), 0.0)
    gap = 0.012
    joint = ((row % 1) < gap / wide * 1.5) | ((column % 1) < gap / long * 1.5)
    left = fade(step, float(min(long, wide)))
    units = (1 + float(draw.uniform(0.03, 0.16)) * grain(column, row + shift) * left) * np.where(joint, 1 - 0.4 * fade(step, 0.05), 1.0)
    return _tinted(tone * units * stains, hue)
