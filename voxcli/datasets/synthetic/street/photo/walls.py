"""Walls as photographs show them: brick, stone, render, panels and glass; windows of many kinds; shops; garden walls and posters.

All functions but `wall_traits` take N picture samples in the house's own frame, float32. `step` [N] is the size of a sample in metres.
Colours are linear. `wall_traits` draws once for each house what all its samples share.
"""

from __future__ import annotations

import numpy as np

from voxcli.datasets.synthetic.street.far.buildings import BOARDS, BRICK, CURTAIN, PANEL, STONE
from voxcli.datasets.synthetic.street.photo.ground import fade
from voxcli.datasets.synthetic.street.pieces import tint
from voxcli.datasets.synthetic.street.textures import clouds, grain

_SIGNS = np.array([
    [0.12, 0.12, 0.13], [0.7, 0.68, 0.64], [0.1, 0.16, 0.12], [0.35, 0.08, 0.08], [0.1, 0.14, 0.28], [0.5, 0.4, 0.2], [0.3, 0.3, 0.3],
    [0.16, 0.1, 0.08],
])  # fmt: skip
TRAITS = 32


def wall_traits(style: np.ndarray) -> np.ndarray:
    """Numbers of one house that its style does not hold, drawn by the style's seed. [TRAITS] float32

    Numbers 0 to 7 and 23 to 31 are drawn evenly from 0..1: chances and strengths that the textures below take up.
    """
    draw = np.random.default_rng(int(style[10]) + 7919 * int(style[11]))
    out = np.zeros(TRAITS, np.float32)
    out[0:8] = draw.uniform(0, 1, 8)
    out[8:11] = tint(draw, _SIGNS, 0.2) ** 2.2  # fascia
    out[11:14] = tint(draw, _SIGNS, 0.2) ** 2.2  # shop frames
    out[14:17] = draw.uniform(0.04, 0.35) * (1 + 0.2 * draw.standard_normal(3)).clip(0.4, 1.6)  # curtains and blinds
    out[17] = draw.uniform(2.0, 5.0)  # bay of a shop, metres
    out[18] = draw.uniform(0.0, 0.8)  # height of its stall riser
    out[19] = draw.uniform(0.4, 0.95)  # height of its fascia
    out[20] = draw.uniform(0.03, 0.11)  # window frames, metres
    out[21] = draw.choice([1, 1, 2, 2, 3])  # panes across
    out[22] = draw.choice([1, 2, 2, 3])  # panes up
    out[23:32] = draw.uniform(0, 1, 9)
    return out


def wall(u: np.ndarray, v: np.ndarray, step: np.ndarray, kind: np.ndarray, trait: np.ndarray) -> np.ndarray:
    """A factor on the wall's colour by its material: units, joints, stains, streaks of rain, dirt at its foot. [N]

    u, v: metres along the wall and up. kind [N]: the material, as in far.buildings. trait [N, TRAITS].
    """
    seed = trait[:, 0] * 200
    out = 1 + (0.04 + 0.1 * trait[:, 1]) * clouds(u * 3 + seed, v * 3) + (0.03 + 0.1 * trait[:, 2]) * clouds(u * 0.5 + seed, v * 0.7)
    out += 0.08 * trait[:, 3] * clouds(u * 14 + seed, v * 0.6) - 0.25 * trait[:, 4] * np.exp(-v / 0.5)
    brick = kind == BRICK
    course, long = np.where(brick, 13.0 + 0 * u, 2.2 + 2 * trait[:, 5]), np.where(brick, 4.3 + 0 * u, 1.0 + 1.4 * trait[:, 6])
    row = v * course
    unit = u * long + 0.5 * (np.floor(row) % 2)
    joint = ((row % 1) < np.where(brick, 0.15, 0.05)) | ((unit % 1) < np.where(brick, 0.06, 0.03))
    fine = fade(step, 0.08)
    mortar = 1 + (0.6 * trait[:, 7] - 0.2) * fine
    vary = np.where(brick, (0.1 + 0.14 * trait[:, 23]) * fine, (0.05 + 0.06 * trait[:, 23]) * fade(step, 0.4))
    units = 1 + vary * grain(unit + seed, row)
    blocks = units * np.where(joint, np.where(brick, mortar, 1 - 0.3 * fade(step, 0.1)), 1.0)
    boards = 1 - 0.25 * ((v * 5.5 % 1) < 0.15) * fade(step, 0.15)
    panels = 1 - 0.45 * (((u + seed) % (1.2 + 2 * trait[:, 5]) < 0.03) | (v % (0.9 + trait[:, 6]) < 0.03)) * fade(step, 0.1)
    rough = 1 + 0.06 * grain(u * 30, v * 30) * fade(step, 0.04)
    return out * np.select([brick | (kind == STONE), kind == BOARDS, (kind == PANEL) | (kind == CURTAIN)], [blocks, boards, panels], rough)


def facade(
    local: np.ndarray, normal: np.ndarray, step: np.ndarray, style: np.ndarray, trait: np.ndarray, colour: np.ndarray, lit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Walls with windows and what is at street level. -> (colour [N, 3], mirror share [N], emitted light [N, 3])

    local, normal [N, 3]: in the house's frame. style, trait [N, *]: of the samples' houses. colour [N, 3]: of the walls.
    lit: share of windows with light behind them.
    """
    storey, floor, spacing, wide, tall, kind, tone = (style[:, k] for k in range(7))
    seed, columns, shop = style[:, 10], style[:, 11], style[:, 12]
    frontal = np.abs(normal[:, 2]) > np.abs(normal[:, 0])
    front = frontal & (normal[:, 2] > 0)
    u, v = np.where(frontal, local[:, 0], local[:, 2] + 31.0), local[:, 1]
    out = colour * wall(u + seed, v, step, kind, trait)[:, None]
    column = u / spacing + np.where(columns % 2 == 1, 0.5, 0.0)
    upper = v > floor
    level = np.where(upper, (v - floor) / storey, v / floor)
    i, j = np.floor(column), np.floor(level) + 10 * upper
    cu, cv = (column - i - 0.5) * spacing, (level - np.floor(level) - 0.52) * storey
    w, h = wide * spacing / 2, np.where(upper | (kind == CURTAIN), tall, np.minimum(tall, 0.6)) * storey / 2
    blank = grain(i * 7 + seed, j * 3 + seed) > np.where(front, 1.9, np.where(frontal, 1.2, 0.35 - 2.0 * (kind == CURTAIN)))
    use = ~blank & (np.abs(normal[:, 1]) < 0.5) & (upper | ((shop < 0.5) | ~front))
    arch = np.where(trait[:, 24] > 0.85, 0.35, 0.0) * (cu / w) ** 2 * h
    inside = use & (np.abs(cu) < w) & (cv < h - arch) & (cv > -h)
    frame = trait[:, 20] * np.where(kind == CURTAIN, 0.6, 1.0)
    pane = inside & (np.abs(cu) < w - frame) & (cv < h - arch - frame) & (cv > frame - h)
    across, up = (cu + w) / (2 * w) * trait[:, 21], (cv + h) / (2 * h) * trait[:, 22]
    bar = np.abs(across - np.round(across)) * 2 * w / trait[:, 21] < frame * 0.4
    bar |= np.abs(up - np.round(up)) * 2 * h / trait[:, 22] < frame * 0.4
    glass = pane & ~(bar & (trait[:, 25] > 0.25))
    out = np.where(inside[:, None], style[:, 7:10] ** 2.2, out)
    rim = use & ~inside & (np.abs(cu) < w + 0.14) & (cv > -h - 0.18) & (cv < h + 0.2)
    edge = np.where(cv < -h, 0.5 + trait[:, 26], np.where(trait[:, 27] > 0.6, 0.6 + 1.2 * trait[:, 28], 1.0))
    out = np.where(rim[:, None], out * edge[:, None], out)
    shade = inside & ((cv > h - arch - 0.16) | (cu < -w + 0.1))  # shadow of the reveal
    shutter = use & ~inside & (trait[:, 29] > 0.86) & (np.abs(cu) < w * 1.9) & (np.abs(cv) < h)
    out = np.where(shutter[:, None], trait[:, 11:14] * (0.8 + 0.3 * ((cv * 14) % 1))[:, None], out)
    chance = grain(i * 5 + seed, j * 9 + seed)
    room = tone * 0.22 * (1 + 0.5 * chance.clip(-1, 1)) * (0.6 + 0.4 * (cv + h) / (2 * h))
    drawn = glass & (chance > 0.5 - 0.9 * trait[:, 30]) & ((cv > h * (1 - 1.2 * np.abs(chance))) | (np.abs(cu) > w * 0.55))
    out = np.where(glass[:, None], room[:, None], out)
    out = np.where(drawn[:, None], trait[:, 14:17] * (0.8 + 0.2 * grain(u * 9, j * 0))[:, None], out)
    out = np.where(shade[:, None], out * 0.55, out)
    mirror = np.where(glass, np.where(drawn, 0.12, 0.2 + 0.35 * trait[:, 31]), 0.0)
    bright = glass & (grain(i * 11 + seed, j * 5 + 3) > 1.3 - 3.2 * lit) if lit > 0.01 else np.zeros(len(u), bool)
    light = np.where(bright[:, None], np.array([0.9, 0.62, 0.3], np.float32) * (0.5 + 0.5 * (cv + h) / (2 * h))[:, None], 0.0)
    street = np.flatnonzero(front & ~upper & (shop > 0.5))
    if len(street):
        out[street], mirror[street], light[street] = _street_level(
            u[street], v[street], style[street], trait.take(street, 0), out.take(street, 0), step[street], lit
        )
    return out.astype(np.float32), mirror.astype(np.float32), light.astype(np.float32)


def _street_level(
    u: np.ndarray, v: np.ndarray, style: np.ndarray, trait: np.ndarray, colour: np.ndarray, step: np.ndarray, lit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shop fronts, or blank walls with doors. -> (colour [N, 3], mirror share [N], emitted light [N, 3])

    A shop front has bays of glass with goods behind it, doors, pillars, and a fascia with letters.
    """
    floor, shop, half = style[:, 1], style[:, 12], style[:, 13]
    seed = trait[:, 0] * 180
    bays = np.maximum(np.round(2 * half / trait[:, 17]), 1)
    at = (u + half) / (2 * half) * bays
    k = np.floor(at)
    width = 2 * half / bays
    cu = (at - k - 0.5) * width
    sign = v > floor - trait[:, 19]
    letter = sign & (np.abs(v - floor + 0.5 * trait[:, 19]) < 0.2 * trait[:, 19]) & (np.abs(u) < half * (0.3 + 0.5 * trait[:, 25]))
    letter &= (grain(np.floor(u / 0.13) + seed, np.floor(v / 0.09)) > -0.3) & ((u / 0.26) % 1 < 0.75)
    fascia = trait[:, 8:11] * np.where(letter, 1 + fade(step, 0.25) * np.where(trait[:, 8] < 0.1, 9.0, -0.8), 1.0)[:, None]
    door = np.abs(k - np.floor(trait[:, 26] * bays)) < 0.5
    rise = np.where(door, 0.06, trait[:, 18])
    pillar = np.abs(cu) > width / 2 - 0.12 - 0.25 * trait[:, 27]
    frame = (np.abs(cu) > width / 2 - 0.2 - 0.25 * trait[:, 27]) | (np.abs(v - np.minimum(2.4, floor - trait[:, 19] - 0.3)) < 0.04)
    frame |= (np.abs(cu) < 0.03) & (trait[:, 28] > 0.5) | (v < rise + 0.06) | (v > floor - trait[:, 19] - 0.06)
    show = 0.05 + 0.09 * trait[:, 29] + 0.06 * grain(np.floor(u / 0.35) + seed, np.floor(v / 0.4) + k).clip(-0.8, 2.5) * (v < 2.0)
    show = np.maximum(show * np.where(v > 1.7, 0.6, 1.0), 0.006)
    hue = 1 + 0.3 * np.stack([grain(np.floor(u / 0.35) + c * 31, np.floor(v / 0.4) + seed) for c in range(3)], 1).clip(-1, 2)
    # Things as tall as people and plants stand behind the glass: blots that are dark, bright or green. They belong to the house.
    slot = np.floor(u / 0.62)
    wide = 0.12 + 0.1 * grain(slot + seed, slot * 0 + 4).clip(-0.6, 1)
    tall = 1.25 + 0.3 * grain(slot + seed, slot * 0 + 8).clip(-2, 2)
    blot = (grain(slot + seed, slot * 0 + 13) > 1.6 - 1.6 * trait[:, 25]) & (v < tall + rise)
    blot &= np.abs(u - (slot + 0.5) * 0.62) < wide * (1.15 - 0.35 * v / tall)
    what = grain(slot + seed, slot * 0 + 21)
    plant = (what > 0.4)[:, None] * np.array([-0.04, 0.05, -0.06], np.float32)
    show = np.where(blot, np.where(what < 0, 0.15, 2.2) * show, show)
    shut = (trait[:, 30] > 0.86) & ~door
    hue = np.where(blot[:, None], 1 + 8 * plant, hue)
    inside = np.where(shut[:, None], (0.2 * (1 - 0.3 * ((v * 11) % 1 < 0.3)))[:, None], show[:, None] * hue)
    out = np.where((v < rise)[:, None], trait[:, 11:14] * 0.8, inside)
    out = np.where(frame[:, None], trait[:, 11:14], out)
    stone = np.where((trait[:, 31] > 0.5)[:, None], colour, trait[:, 11:14] * 0.9)
    out = np.where(pillar[:, None], stone, out)
    glass = ~pillar & ~frame & ~shut & (v > rise) & ~sign
    out = np.where(sign[:, None], fascia, out)
    blank = (shop > 1.5) & ~(door & ~pillar & (v < 2.4))
    out = np.where(blank[:, None], colour, out)
    glass &= ~blank
    mirror = np.where(glass, 0.12 + 0.3 * trait[:, 24], 0.0)
    glow = (0.25 + 1.2 * lit) * (trait[:, 23] > 0.55) * glass * (0.4 + (grain(u * 3, v * 3) > 1.6)) * (0.3 if lit < 0.02 else 1.0)
    return out, mirror, glow[:, None] * np.array([0.5, 0.4, 0.26], np.float32)


def masonry(local: np.ndarray, step: np.ndarray, style: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Garden walls and board fences: bricks, rough stone or plaster by the style's seed. -> colour [N, 3]"""
    seed = style[:, 10]
    kind = seed.astype(np.int64) % 3
    along, v = local[:, 2] + local[:, 0], local[:, 1]
    trait = np.zeros((len(v), TRAITS), np.float32)
    trait[:] = ((seed[:, None] * np.arange(1, TRAITS + 1)) % 97) / 97
    return colour * wall(along, v, step, np.where(kind == 0, BRICK, np.where(kind == 1, STONE, 0)), trait)[:, None]


def poster(local: np.ndarray, step: np.ndarray, style: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Hoardings and hanging signs: panels with blocks of colour and lines of text. -> colour [N, 3]"""
    seed = style[:, 10]
    u, v = local[:, 2] + local[:, 0], local[:, 1]
    panel = np.floor(u / 1.25)
    tone = 1 + 0.5 * grain(panel + seed, seed).clip(-0.9, 1.6) * (seed % 2)
    hue = 1 + 0.25 * np.stack([grain(np.floor(u / 0.6) + 31 * c + seed, np.floor(v / 0.5)) for c in range(3)], 1) * (seed % 3 > 0)[:, None]
    text = (v * 8 % 1 < 0.45) & (grain(np.floor(u * 9) + seed, np.floor(v * 8)) > -0.2) & (np.abs(u - panel * 1.25 - 0.62) < 0.45)
    tone = np.where(text, tone * (1 + fade(step, 0.2) * np.where(seed % 5 > 2, 1.2, -0.6)), tone)
    return (colour * tone[:, None] * hue).clip(0.005, 0.9)
