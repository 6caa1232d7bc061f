"""Light and air as photographs show them: sun, clouds, haze, dusk, the sky, and what a mirror sees in a street.

All colours are linear. The sky is the unit: a white surface under the whole of a clear sky has about 0.6 times its colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxcli.datasets.synthetic.street.pieces import between
from voxcli.datasets.synthetic.street.plan import Placed, Street
from voxcli.datasets.synthetic.street.textures import clouds, grain

KINDS = ("clear", "broken", "overcast", "haze", "dusk")
SHARES = (0.4, 0.14, 0.24, 0.06, 0.16)
"""Kinds of light, and the share of pictures that each has."""


@dataclass(frozen=True)
class PhotoLight:
    """The light and the air of one picture. Colours are linear, float32 [3].

    sun [3]: direction towards it, world frame. sun_colour: what it adds to a white surface that faces it.
    zenith, horizon: colours of the sky. lift: exponent of the change from one to the other. glow: brightness around the sun.
    ambient: what the whole sky adds to a white surface. cloud: cover, 0..1. phase: shifts the pattern of the clouds.
    visibility: metres. haze: its colour. wet: share of the ground that is wet. lit: share of windows that are lit.
    bias: stops that are added to a camera's exposure.
    """

    sun: np.ndarray
    sun_colour: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    lift: float
    glow: float
    ambient: np.ndarray
    cloud: float
    visibility: float
    haze: np.ndarray
    wet: float
    lit: float
    phase: float
    bias: float


def draw_photo_light(rng: np.random.Generator) -> PhotoLight:
    """A light of one of KINDS. Its numbers are drawn at random."""
    kind = str(rng.choice(KINDS, p=SHARES))
    height = math.radians(between(rng, 1, 7) if kind == "dusk" else 5 + 60 * rng.random() ** 1.3)
    turn = rng.random() * 2 * math.pi
    sun = np.array([math.cos(height) * math.cos(turn), math.sin(height), math.cos(height) * math.sin(turn)])
    low = math.exp(-math.degrees(height) / 14)
    warm = np.array([1.0, 0.97 - 0.22 * low, 0.9 - 0.5 * low])
    strong = 1 - math.exp(-math.degrees(height) / between(rng, 8, 16))
    strength = strong * {"clear": between(rng, 2.2, 4.5), "broken": between(rng, 0.6, 3.0), "haze": between(rng, 0.3, 1.5),
                         "overcast": between(rng, 0.0, 0.12), "dusk": between(rng, 0.0, 0.4)}[kind]  # fmt: skip
    blue = np.array([0.34, 0.52, 0.85]) * between(rng, 0.5, 1.1)
    grey = np.array([1.0, 1.0, 1.02]) * between(rng, 0.7, 1.15)
    cover = {"clear": 0.0, "broken": between(rng, 0.2, 0.6), "overcast": between(rng, 0.9, 1.0), "haze": between(rng, 0.5, 0.9),
             "dusk": between(rng, 0.0, 0.9)}[kind]  # fmt: skip
    zenith = blue * (1 - cover) + grey * between(rng, 0.6, 1.0) * cover
    rim = np.array([0.86, 0.93, 1.0]) * between(rng, 0.8, 1.3) * (1 - 0.25 * low * np.array([0.0, 0.35, 1.0]))
    horizon = rim * (1 - cover) + grey * cover
    if kind == "dusk":
        hue = np.array([0.85, 0.95, 1.1]) + rng.random() * np.array([0.25, -0.05, -0.35])
        zenith, horizon = zenith * between(rng, 0.2, 0.5), horizon * hue * between(rng, 0.3, 0.8)
    ambient = (0.55 * zenith + 0.45 * horizon) * between(rng, 0.8, 1.1)
    cloud = {"clear": 0.7 * (rng.random() < 0.4), "broken": 1.0, "overcast": 0.25, "haze": 0.2, "dusk": 0.6}[kind] * between(rng, 0.4, 1.0)
    mist = rng.random() < (0.4 if kind == "haze" else 0.02)
    visibility = 10 ** (between(rng, 1.7, 2.3) if mist else between(rng, 2.5, 3.7))
    wet = between(rng, 0.3, 1.0) if rng.random() < {"overcast": 0.25, "dusk": 0.25, "broken": 0.1}.get(kind, 0.02) else 0.0
    lit = between(rng, 0.1, 0.6) if kind == "dusk" else between(rng, 0.0, 0.12) if kind == "overcast" else 0.0
    colours = [np.asarray(v, dtype=np.float32) for v in (sun, strength * warm, zenith, horizon, ambient, 0.9 * horizon)]
    return PhotoLight(colours[0], colours[1], colours[2], colours[3], between(rng, 0.35, 0.8), between(rng, 0.2, 2.0) * strong, colours[4],
                      cloud, visibility, colours[5], wet, lit, rng.random() * 200,
                      -between(rng, 0.0, 2.2) if kind == "dusk" else 0.0)  # fmt: skip


def sky(rays: np.ndarray, light: PhotoLight) -> np.ndarray:
    """Sky colour along unit world directions [N, 3]: a gradient, brighter around the sun, clouds on a plane. [N, 3] float32"""
    up = np.clip(rays[:, 1], 0, 1)
    lift = (up ** np.float32(light.lift))[:, None]
    out = light.horizon * (1 - lift) + light.zenith * lift
    if light.sun_colour[0] > 0.2:
        near = rays @ light.sun
        out += (np.float32(light.glow) * (0.5 * np.exp((near - 1) * 40) + 0.25 * np.exp((near - 1) * 6)))[:, None] * light.sun_colour / 3
    if light.cloud > 0.02:
        height = np.maximum(rays[:, 1], 0.04) + np.float32(0.12)
        u, v = rays[:, 0] / height, rays[:, 2] / height
        cover = clouds(u * 9 + light.phase, v * 9) + 0.4 * clouds(u * 27, v * 27 + light.phase) + 0.15 * clouds(u * 70, v * 70)
        share = (np.float32(light.cloud) * np.clip((cover - 0.1) * 0.6, 0, 1))[:, None]
        shade = (0.75 + 0.3 * np.clip(1 - cover * 0.4, 0, 1))[:, None]
        white = light.horizon.mean() * np.array([1.05, 1.05, 1.07], np.float32) + 0.15 * light.sun_colour
        out += share * (white * shade - out)
    return out


def skyline(rays: np.ndarray, light: PhotoLight) -> np.ndarray:
    """Where far roofs and woods hide the sky: below a rugged line. rays [N, 3]: unit world directions. [N] bool"""
    turn = np.arctan2(rays[:, 0], rays[:, 2]) * 40
    roofs = 0.016 * grain(turn * 0.8 + light.phase, turn * 0 + 5) + 0.004 * grain(turn * 5 + light.phase, turn * 0 + 9)
    woods = 0.006 * clouds(turn * 8, turn * 0 + light.phase) + 0.004 * clouds(turn * 30, turn * 0)
    line = 0.025 + 0.015 * clouds(turn + light.phase, turn * 0) + np.where(clouds(turn * 0.4 + light.phase, turn * 0 + 3) > 0, roofs, woods)
    return rays[:, 1] < np.maximum(line, 0.004)


@dataclass(frozen=True)
class Canyon:
    """The street as two walls: their distances from the road's middle, heights, and colours (sides -x, +x)."""

    reach: tuple[float, float]
    height: tuple[float, float]
    colour: np.ndarray

    @staticmethod
    def of(street: Street, placed: list[Placed]) -> Canyon:
        """Walls at the outer edges of the gardens, as high and as bright as the houses of the side on average."""
        reach, height, colour = [], [], []
        for side in range(2):
            houses = [p for p in placed if p.thing.class_name == "building" and (p.x > 0) == (side == 1) and p.thing.size[1] > 2.6]
            tops = [p.thing.size[1] for p in houses] or [2.5]
            far = 0.0 if street.built[side] else 8.0
            reach.append(street.line(side, "garden") + far)
            height.append(float(np.mean(tops)) * (1.0 if street.built[side] else 0.6))
            tones = [p.thing.colours[0] ** 2.2 for p in houses] or [np.array([0.1, 0.12, 0.06])]
            colour.append(0.6 * np.mean(tones, 0))
        return Canyon((reach[0], reach[1]), (height[0], height[1]), np.array(colour, np.float32))

    def glow(self, light: PhotoLight) -> np.ndarray:
        """The light that each of the two walls sends back to a surface in the street, on average. [2, 3]"""
        facing = np.clip(np.array([light.sun[0], -light.sun[0]]), 0, None)  # the wall at -x faces +x
        high = np.clip(np.array(self.height) / 16, 0, 1)
        return (self.colour * (0.5 * light.ambient + (0.45 * facing * (1 - 0.4 * high))[:, None] * light.sun_colour)).astype(np.float32)

    def sky_share(self, x: np.ndarray, y: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """The share of the sky's light that reaches surfaces at (x, y) with these normals between the walls. [N] float32"""
        gaps = [np.maximum(x + self.reach[0], 0.3), np.maximum(self.reach[1] - x, 0.3)]
        tops = [np.maximum(h - y, 0.0) for h in self.height]
        lean = [t / np.sqrt(t * t + g * g) for t, g in zip(tops, gaps, strict=True)]  # sine of the wall's elevation
        open_up = 0.5 * (np.sqrt(1 - lean[0] ** 2) + np.sqrt(1 - lean[1] ** 2))
        aside = np.where(normal[:, 0] > 0, 0.5 * (1 - lean[1]), 0.5 * (1 - lean[0]))
        along = 0.5 * open_up
        level = np.clip(normal[:, 1], 0, 1)
        flat = np.abs(normal[:, 0])
        return level * open_up + (1 - level) * (flat * aside + (1 - flat) * along)


def environment(world: np.ndarray, rays: np.ndarray, light: PhotoLight, canyon: Canyon) -> np.ndarray:
    """The light that reaches points world [N, 3] from directions rays [N, 3]: of the sky, of a wall or of the ground. [N, 3] float32"""
    out = sky(rays, light)
    side = (rays[:, 0] > 0).astype(np.int64)
    reach, height = np.array(canyon.reach, np.float32)[side], np.array(canyon.height, np.float32)[side]
    gap = np.where(side == 1, reach - world[:, 0], reach + world[:, 0])
    way = np.maximum(gap, 0.2) / np.maximum(np.abs(rays[:, 0]), 1e-3)
    rise, along = world[:, 1] + way * rays[:, 1], world[:, 2] + way * rays[:, 2]
    top = height * (1 + 0.3 * grain(along * 0.12, height))
    wall = (rise < top) & (way < 140)
    tone = canyon.glow(light)[side] * (1 + 0.35 * grain(along * 0.4, rise * 0.35))[:, None].clip(0.3, 2)
    out = np.where(wall[:, None], tone, out)
    low = rays[:, 1] < 0
    ground = 0.1 * (0.5 * light.ambient + 0.2 * light.sun_colour * max(float(light.sun[1]), 0))
    return np.where(low[:, None], ground, out).astype(np.float32)
