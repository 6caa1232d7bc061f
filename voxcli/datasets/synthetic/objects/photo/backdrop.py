"""Places in which photographs of objects are taken: a room, a place outdoors, a studio's paper.

A place is a floor, and up to four walls and a ceiling, with flat things on them (windows, pictures, rugs). Outdoors there is a sky above
low walls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.photo.finishes import FLOORS, GROUNDS, INSIDE, Finish, draw_finish
from voxcli.datasets.synthetic.objects.render import Light
from voxcli.datasets.synthetic.street.pieces import between
from voxcli.datasets.synthetic.street.textures import clouds

PLACES = ("room", "outdoors", "studio")
"""Kinds of places."""

FLOOR, CEILING, SKY = 4, 5, 6
"""Numbers of sides, after the four walls -x, +x, -z, +z of a place's own axes."""

_FAR = 60.0  # where a ground without walls ends


@dataclass(frozen=True)
class Panel:
    """Something flat on a side: a rectangle (u0, u1, v0, v1) with a rim. glow: light of its own."""

    side: int
    box: tuple[float, float, float, float]
    rim: float
    finish: Finish
    frame: np.ndarray
    glow: float


@dataclass(frozen=True)
class Place:
    """A floor with walls around an object, in axes turned about +y by `turn`.

    bounds: positions of the walls -x, +x, -z, +z, of the floor and of the ceiling (y). tops: heights of the walls above the floor; rays
    above them see the sky. finishes: of the six sides. sky: linear colours at the horizon and overhead [2, 3]. lamp [3]: a point around
    which surfaces are brighter, `pool` how much.
    """

    turn: float
    bounds: tuple[float, ...]
    tops: tuple[float, ...]
    finishes: tuple[Finish, ...]
    panels: tuple[Panel, ...]
    sky: np.ndarray
    lamp: np.ndarray
    pool: float

    def _own(self, vectors: np.ndarray) -> np.ndarray:
        c, s = np.float32(math.cos(self.turn)), np.float32(math.sin(self.turn))
        return np.stack([c * vectors[:, 0] + s * vectors[:, 2], vectors[:, 1], c * vectors[:, 2] - s * vectors[:, 0]], 1)

    def meet(self, eye: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which side each ray meets [N], and how far along [N], in lengths of the rays. eye [3] within the walls; rays [N, 3]."""
        start, way = self._own(eye[None].astype(np.float32))[0], self._own(rays.astype(np.float32))
        away = np.full((6, len(rays)), np.inf, np.float32)
        for k, axis in enumerate((0, 0, 2, 2, 1, 1)):
            ahead = way[:, axis] < -1e-6 if k in (0, 2, FLOOR) else way[:, axis] > 1e-6
            away[k, ahead] = (np.float32(self.bounds[k]) - start[axis]) / way[ahead, axis]
        side = away.argmin(0)
        far = away.min(0)
        height = start[1] + far * way[:, 1] - np.float32(self.bounds[FLOOR])
        tops = np.array([*self.tops, np.inf, np.inf], np.float32)
        side = np.where((height > tops[side]) | ~np.isfinite(far), SKY, side)
        return side, far

    def colours(self, eye: np.ndarray, rays: np.ndarray, step: float, light: Light) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(light that is reflected without the key's, what the key adds where it is not hidden, side), of rays of z-depth 1 from an eye.

        Both [N, 3] float32. step: size of a sample at depth 1. The first holds what shines by itself, too.
        """
        side, far = self.meet(eye, rays)
        points = eye.astype(np.float32) + far[:, None].clip(0, _FAR) * rays.astype(np.float32)
        own = self._own(points)
        base, sun = np.zeros_like(own), np.zeros_like(own)
        key = self._own(light.key[None].astype(np.float32))[0] * np.float32(light.key_strength)
        for k in range(6):
            at = np.flatnonzero(side == k)
            if not len(at):
                continue
            p, axis = own[at], (0, 0, 2, 2, 1, 1)[k]
            u, v = (p[:, 2], p[:, 1]) if axis == 0 else (p[:, 0], p[:, 1]) if axis == 2 else (p[:, 0], p[:, 2])
            slope = np.abs(self._own(rays[at])[:, axis]).clip(0.05)
            size = step * far[at] / np.sqrt(slope)
            colour, glow = self._painted(k, u, v, size)
            inward = 1.0 if k in (0, 2, FLOOR) else -1.0
            above = 0.5 + 0.5 * (inward if axis == 1 else 0.0)
            lit = (light.ground + above * (light.sky - light.ground)).astype(np.float32) * self._ambient(k, p)[:, None]
            base[at] = colour * lit + glow
            sun[at] = colour * max(float(inward * key[axis]), 0.0) * light.key_colour.astype(np.float32)
        open_ = np.flatnonzero(side == SKY)
        base[open_] = self._sky(rays[open_])
        return base, sun, side

    def _ambient(self, side: int, p: np.ndarray) -> np.ndarray:
        """Less light near corners, more around the lamp. [N]"""
        out = np.ones(len(p), np.float32)
        for k, axis in enumerate((0, 0, 2, 2, 1)):
            if k != side and (k == FLOOR or self.tops[k] > 0.5):
                out *= 1 - 0.35 * np.exp(-np.abs(p[:, axis] - np.float32(self.bounds[k])) / 0.18)
        apart = np.square(p - self.lamp.astype(np.float32)).sum(1)
        return out * (1 + np.float32(self.pool) / (0.3 + apart))

    def _painted(self, side: int, u: np.ndarray, v: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Colours of a side with what hangs on it or lies on it, and what of it shines. Both [N, 3]"""
        colour, glow = self.finishes[side].at(u, v, size), np.zeros((len(u), 3), np.float32)
        for panel in self.panels:
            left, right, low, high = panel.box
            if panel.side != side:
                continue
            at = np.flatnonzero((u > left) & (u < right) & (v > low) & (v < high))
            if not len(at):
                continue
            rim = np.minimum.reduce([u[at] - left, right - u[at], v[at] - low, high - v[at]]) < panel.rim
            inner = panel.finish.at(u[at], v[at], size[at])
            colour[at] = np.where(rim[:, None], panel.frame.astype(np.float32), inner)
            glow[at] = np.where(rim[:, None], 0, np.float32(panel.glow) * inner)
        return colour, glow

    def _sky(self, rays: np.ndarray) -> np.ndarray:
        unit = rays / np.sqrt(np.einsum("ij,ij->i", rays, rays))[:, None]
        up = np.clip(unit[:, 1], 0, 1)
        cover = clouds(unit[:, 0] / (up + 0.15) * 8 + self.turn * 30, unit[:, 2] / (up + 0.15) * 8)
        out = self.sky[0] + (np.sqrt(up))[:, None] * (self.sky[1] - self.sky[0])
        return (out * (1 + 0.15 * cover.clip(-1, 2))[:, None]).astype(np.float32)


def draw_place(rng: np.random.Generator, kind: str, eye: np.ndarray, bounds: np.ndarray) -> Place:
    """A room, a place outdoors or a studio that holds a camera at `eye` [3] and an object with a box [2, 3] on its floor."""
    turn = 2 * math.pi * rng.random()
    c, s = math.cos(turn), math.sin(turn)
    low, high = bounds
    reach = float(np.hypot(*np.abs(bounds[:, [0, 2]]).max(0)))
    walls = []
    for axis, sign in ((0, -1), (0, 1), (2, -1), (2, 1)):
        at = (c * eye[0] + s * eye[2], c * eye[2] - s * eye[0])[axis // 2]
        gap = 0.05 * 80.0 ** rng.random() if kind == "room" else between(rng, 0.5, 12.0)
        walls.append(sign * (max(reach, sign * at) + gap))
    top = max(float(eye[1]), float(high[1])) + between(rng, 0.3, 2.5)
    places = (*walls, float(low[1]), top)
    lamp = np.array([between(rng, walls[0], walls[1]), between(rng, float(low[1]), top), between(rng, walls[2], walls[3])])
    pool = between(rng, 0.0, 0.5) if rng.random() < 0.6 else 0.0
    bright = between(rng, 0.4, 1.6)
    haze = np.array([1.0, 1.0, 1.0]) + 0.12 * rng.standard_normal(3)
    overhead = (np.array([0.45, 0.65, 1.0]) if rng.random() < 0.6 else np.full(3, 0.8)) * between(rng, 0.5, 1.0)
    sky = bright * np.clip(np.stack([haze, overhead]), 0.05, None)
    if kind == "studio":
        colour = np.clip(materials.hue(rng, 0.6) ** 2.2, 0.02, 0.95)
        paper = Finish("plaster", colour, colour, 1.0, rng.random() * 200, between(rng, 0, 0.3))
        return Place(turn, places, (math.inf,) * 4, (paper,) * 6, (), sky, lamp, pool)
    inside = kind == "room"
    wall = draw_finish(rng, INSIDE)
    sides = tuple(wall if rng.random() < 0.7 else draw_finish(rng, INSIDE) for _ in range(4))
    floor = draw_finish(rng, FLOORS if inside else GROUNDS)
    if inside:
        tops: tuple[float, ...] = (math.inf,) * 4
    else:
        tops = tuple(0.0 if rng.random() < 0.5 else between(rng, 0.2, 2.5) for _ in range(4))
    finishes = (*sides, floor, draw_finish(rng, ("plaster",)))
    panels = tuple(_draw_panel(rng, places, tops, inside) for _ in range(int(rng.integers(0, 9))))
    return Place(turn, places, tops, finishes, panels, sky, lamp, pool if inside else 0.0)


def _draw_panel(rng: np.random.Generator, bounds: tuple[float, ...], tops: tuple[float, ...], inside: bool) -> Panel:
    """A window, a door, a picture or a shelf's back on a wall; now and then a rug or a line on the floor."""
    side = FLOOR if rng.random() < 0.2 else int(rng.integers(4))
    wide, tall = 0.15 + 1.6 * rng.random() ** 2, 0.1 + 1.4 * rng.random() ** 2
    if side == FLOOR:
        u, v = between(rng, -1.5, 1.5), between(rng, -1.5, 1.5)
    else:
        u = between(rng, bounds[2], bounds[3]) if side < 2 else between(rng, bounds[0], bounds[1])
        v = bounds[FLOOR] + between(rng, 0.0, max(min(tops[side], 2.5) - tall / 2, 0.3))
    glow = between(rng, 0.5, 5.0) if side != FLOOR and inside and rng.random() < 0.3 else 0.0
    return Panel(
        side, (u - wide / 2, u + wide / 2, v - tall / 2, v + tall / 2), between(rng, 0, 0.05), draw_finish(rng, (*INSIDE, "asphalt")),
        np.clip(materials.hue(rng), 0.02, 0.97) ** 2.2, glow,
    )  # fmt: skip
