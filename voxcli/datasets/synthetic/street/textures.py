"""Procedural colours by position: facades, roofs, leaves, bark, and the ground with its markings.

All functions take float32 arrays over N picture samples and return factors or colours in linear light. Noise comes from fixed tables,
so that a texture is a function of position alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from voxcli.datasets.synthetic.street.plan import Street

_SIZE = 256


@lru_cache(maxsize=1)
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Normal noise, float32: white [256 * 256], and smooth [257 * 257] whose last row and column repeat the first."""
    rng = np.random.default_rng(20240501)
    white = rng.standard_normal((_SIZE, _SIZE))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(_SIZE), np.fft.fftfreq(_SIZE), indexing="ij"))
    spectrum = np.fft.fft2(rng.standard_normal((_SIZE, _SIZE))) / np.maximum(frequency, 3.0 / _SIZE) ** 1.25
    smooth = np.fft.ifft2(np.where(frequency < 2.0 / _SIZE, 0, spectrum)).real
    smooth = np.pad((smooth - smooth.mean()) / smooth.std(), (0, 1), mode="wrap")
    return white.astype(np.float32).ravel(), smooth.astype(np.float32).ravel()


def grain(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """White noise, constant over unit cells of (u, v)."""
    white, _ = _tables()
    i, j = np.floor(u).astype(np.int32) & 255, np.floor(v).astype(np.int32) & 255
    return white.take(i * _SIZE + j)


def clouds(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Smooth noise with a period of 256, bilinear."""
    _, smooth = _tables()
    low_u, low_v = np.floor(u), np.floor(v)
    a, b = u - low_u, v - low_v
    at = (low_u.astype(np.int32) & 255) * (_SIZE + 1) + (low_v.astype(np.int32) & 255)
    first = smooth.take(at)
    near = first + a * (smooth.take(at + (_SIZE + 1)) - first)
    second = smooth.take(at + 1)
    far = second + a * (smooth.take(at + (_SIZE + 2)) - second)
    return near + b * (far - near)


def lit_by(light: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """A colour [3] under the light of N samples. [N, 3], stored channel by channel: loops then run over samples, and not over channels."""
    return (colour[:, None] * light).T


def foliage(local: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Leaf clumps: a brightness factor from two scales of noise. local [N, 3], style [N, STYLE_SIZE] -> [N]"""
    x, y, z = local.T
    fine = style[:, 0] * 1.6
    leaf = grain(x * fine + 7 * z, y * fine + 3 * z) + 0.7 * grain(z * fine - 5 * x, y * fine + 11)
    clump = clouds(x * 14 + 40 * z, y * 14 + 31 * z)
    return np.clip(1 + style[:, 1] * (0.75 * leaf + 0.45 * clump), 0.25, 2.2)


def bark(local: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Vertical streaks; `style` is not used. local [N, 3] -> factor [N]"""
    return 1 + 0.25 * clouds((local[:, 0] + local[:, 2]) * 120, local[:, 1] * 9)


def roof(local: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Courses of tiles; `style` is not used. local [N, 3] -> factor [N]"""
    row = local[:, 1] * 5.5
    tile = (local[:, 0] + local[:, 2]) * 3.3 + 0.5 * np.floor(row)
    return (1 - 0.28 * ((row % 1) < 0.25)) * (1 + 0.09 * grain(tile, row))


def _wall(u: np.ndarray, v: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Plaster with stains, bricks, stone courses or cladding, by pattern 0..3. -> factor [N]"""
    stains = 1 + 0.06 * clouds(u * 12, v * 7)
    course = np.where(pattern == 1, v * 13.0, v * 2.8)
    unit = np.where(pattern == 1, u * 4.2, u * 1.4) + 0.5 * (np.floor(course) % 2)
    joint = ((course % 1) < np.where(pattern == 1, 0.16, 0.06)) | ((unit % 1) < np.where(pattern == 1, 0.07, 0.03))
    blocks = (1 + np.where(pattern == 1, 0.11, 0.06) * grain(unit, course)) * np.where(joint, np.where(pattern == 1, 1.12, 0.72), 1.0)
    boards = (1 - 0.22 * ((v * 5.5 % 1) < 0.14)) * (1 + 0.03 * grain(u * 0, v * 5.5))
    return stains * np.select([pattern == 0, pattern == 3], [1 + 0.03 * grain(u * 25, v * 25), boards], blocks)


def facade(local: np.ndarray, normal: np.ndarray, style: np.ndarray, colour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walls with windows. local, normal [N, 3] in the house's frame, colour [N, 3]. -> (colour [N, 3], glass [N] bool)

    style: storey height, ground floor height, window spacing, window width and height as shares, pattern, glass tone, frame colour (3),
    seed, columns.
    """
    storey, ground, spacing, wide, tall, pattern, tone, seed, columns = (style[:, k] for k in (0, 1, 2, 3, 4, 5, 6, 10, 11))
    frontal = np.abs(normal[:, 2]) > np.abs(normal[:, 0])
    u, v = np.where(frontal, local[:, 0], local[:, 2] + 31.0), local[:, 1]
    out = colour * _wall(u + seed, v, pattern)[:, None]
    column = u / spacing + np.where(columns % 2 == 1, 0.5, 0.0)
    level = np.where(v > ground, (v - ground) / storey, v / ground)
    cu, cv = column - np.floor(column) - 0.5, level - np.floor(level) - 0.52
    upper = (v > ground) | (frontal & (local[:, 2] > 0) & (ground < 3.19))
    blank = grain(np.floor(column) * 7 + seed, np.floor(level) * 3 + np.where(v > ground, 10, 0) + seed) > np.where(frontal, 1.7, 0.0)
    inside = upper & (np.abs(cu) < wide / 2) & (np.abs(cv) < tall / 2) & ~blank & (np.abs(normal[:, 1]) < 0.5)
    border = 0.055 / spacing
    pane = inside & (np.abs(cu) < wide / 2 - border) & (np.abs(cv) < tall / 2 - 0.055 / storey)
    bars = (np.abs(cu) < border * 0.45) | ((seed % 2 == 0) & (np.abs(cv - 0.1) < 0.025 / storey))
    framed = np.flatnonzero(inside)
    out[framed] = style.take(framed, 0)[:, 7:10] ** 2.2
    sill = np.flatnonzero(upper & ~inside & ~blank & (np.abs(cu) < wide / 2 + 0.05) & (cv < -tall / 2) & (cv > -tall / 2 - 0.12 / storey))
    out[sill] = out[sill] * 0.6 + 0.15
    glass = pane & ~bars
    room = tone * (1 + 0.6 * grain(np.floor(column) * 5 + seed, np.floor(level) * 9 + seed).clip(-1, 1))
    curtain = glass & (grain(np.floor(column) * 3 + seed, np.floor(level) * 5 + 1 + seed) > 0.7) & (np.abs(cu) > wide * 0.2)
    panes = np.flatnonzero(glass)
    out[panes] = (room[panes] * 0.25)[:, None]
    out[np.flatnonzero(curtain)] = 0.45
    return out, glass & ~curtain


def ground(x: np.ndarray, z: np.ndarray, street: Street) -> np.ndarray:
    """Asphalt, markings, kerbs, cycle paths, paving and grass at world (x, z). -> linear colour [N, 3]"""
    draw = np.random.default_rng(street.seed)
    tone = float(draw.uniform(0.055, 0.16))
    asphalt = tone * (1 + 0.10 * clouds(x * 7, z * 3) + 0.13 * grain(x * 45, z * 45) + 0.08 * clouds(x * 1.1 + 90, z * 0.4))
    tracks = np.minimum.reduce([np.abs(np.abs(x - lane) - 0.78) for lane, _ in street.lanes])
    asphalt = asphalt * np.where(tracks < 0.3, 0.9, 1.0)
    patch = clouds(x * 2.2 + float(draw.uniform(0, 200)), z * 1.3) > 1.55
    asphalt = np.where(patch, asphalt * np.float32(0.72), asphalt)
    asphalt_colour = np.array([1.0, 1.0, 1.03], np.float32)
    out = lit_by(asphalt, asphalt_colour)
    painted = np.flatnonzero(_markings(x, z, street, draw))
    out[painted] = (0.62 * (1 + 0.14 * grain(x[painted] * 30, z[painted] * 30)))[:, None]
    paving = np.float32(draw.uniform(0.2, 0.42) * np.array([1.0, draw.uniform(0.93, 1.0), draw.uniform(0.84, 0.98)]))
    red_path, green = draw.random() < 0.6, np.float32(np.array([0.07, 0.13, 0.035]) * draw.uniform(0.7, 1.5))
    size, bond = float(draw.choice([0.2, 0.3, 0.4, 0.6])), draw.random() < 0.5
    cobbles = draw.random() < 0.2
    for side in range(2):
        t = (2 * side - 1) * x
        lines = [street.line(side, name) for name in ("parking", "cycle", "pavement", "garden")]
        if street.parking[side] and cobbles:
            setts = np.flatnonzero((t > street.road_half) & (t < lines[0]))
            out[setts] = lit_by(0.16 * (1 + 0.22 * grain(x[setts] * 9, z[setts] * 9)), np.array([1.0, 0.97, 0.93], np.float32))
        if street.cycle[side]:
            path = np.flatnonzero((t > lines[0]) & (t < lines[1]))
            path_colour = np.array([0.32, 0.1, 0.075] if red_path else [0.17, 0.17, 0.18], np.float32)
            out[path] = lit_by(1 + 0.1 * grain(x[path] * 35, z[path] * 35), path_colour)
            out[np.flatnonzero(np.abs(t - lines[0] - 0.08) < 0.06)] = 0.6
        paved = np.flatnonzero(t > lines[1])
        px, pz = x[paved], z[paved]
        row = pz / size
        column = px / size + (0.5 * (np.floor(row) % 2) if bond else 0.0)
        joint = ((row % 1) < 0.05 / (size / 0.3)) | ((column % 1) < 0.05 / (size / 0.3))
        slabs = (1 + 0.1 * grain(column, row) + 0.06 * clouds(px * 6, pz * 6)) * np.where(joint, 0.66, 1.0)
        out[paved] = lit_by(slabs, paving)
        kerb = np.flatnonzero((t > lines[1] - 0.02) & (t < lines[1] + 0.14))
        kz = z[kerb]
        out[kerb] = (0.36 * np.where((kz % 1.0) < 0.025, 0.55, 1 + 0.07 * grain(kz, kz * 0)))[:, None]
        if not street.cycle[side]:
            out[np.flatnonzero((t > lines[0] - 0.14) & (t < lines[0]))] *= 0.72
        if street.garden[side] or not street.built[side]:
            grown = np.flatnonzero(t > lines[2])
            gx, gz = x[grown], z[grown]
            out[grown] = lit_by((1 + 0.3 * grain(gx * 22, gz * 22) + 0.28 * clouds(gx * 10, gz * 10)).clip(0.25, 2), green)
    for c in street.crossings:
        road = np.abs(z - c.z) < c.half
        road &= ((x < 0) & (x < -street.road_half) & c.sides[0]) | ((x > 0) & (x > street.road_half) & c.sides[1])
        across = np.flatnonzero(road)
        out[across] = lit_by(asphalt[across], asphalt_colour)
    return out.astype(np.float32, copy=False)


def _markings(x: np.ndarray, z: np.ndarray, street: Street, draw: np.random.Generator) -> np.ndarray:
    """Where the road is painted. [N] bool"""
    worn = clouds(x * 9 + 50, z * 9) + 0.6 * grain(x * 25, z * 25) < draw.uniform(1.2, 2.6)
    period, share, shift = draw.uniform(3.0, 8.0), draw.uniform(0.35, 0.6), draw.uniform(0, 8)
    solid, edges, boxes = draw.random() < 0.2, draw.random() < 0.4, draw.random() < 0.5
    paint = np.zeros(len(x), dtype=bool)
    if len(street.lanes) == 2:
        paint |= (np.abs(x) < 0.065) & (solid | (((z + shift) / period) % 1 < share))
    if edges:
        paint |= np.abs(np.abs(x) - street.road_half + 0.2) < 0.055
    for side in range(2):
        if street.parking[side] and boxes:
            t = (2 * side - 1) * x
            paint |= (np.abs(t - street.road_half) < 0.05) | (
                (t > street.road_half) & (t < street.line(side, "parking")) & ((z + shift) % 5.6 < 0.1)
            )
    for c in street.crossings:
        paint &= np.abs(z - c.z) > c.half
    if street.zebra is not None:
        across = (z > street.zebra - 1.5) & (z < street.zebra + 1.5) & (np.abs(x) < street.road_half - 0.15)
        paint = np.where(across, (x + 10.25) % 1.0 < 0.5, paint)
    return paint & worn & (np.abs(x) < np.maximum(street.line(0, "parking"), street.line(1, "parking")))
