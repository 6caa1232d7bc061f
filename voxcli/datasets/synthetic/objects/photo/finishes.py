"""What floors, walls and grounds look like: plaster, boards, tiles, bricks, carpets, wallpapers, stone, grass, each drawn at random.

All functions take float32 coordinates u, v [N] on a surface, in the unit of the object's frame (its box has a diagonal of 1). Patterns that
are finer than a sample fade out. Colours are linear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.street.photo.ground import fade
from voxcli.datasets.synthetic.street.pieces import between
from voxcli.datasets.synthetic.street.textures import clouds, grain

INSIDE = ("plaster", "boards", "tiles", "carpet", "stone", "wallpaper", "bricks")
FLOORS = ("boards", "tiles", "carpet", "stone", "plaster")
GROUNDS = ("grass", "stone", "tiles", "bricks", "asphalt")
"""Kinds of walls, of floors, of grounds outdoors."""

_WORN = 0.1
_JOINT = 0.06  # width of a joint as a share of a tile, board or brick


@dataclass(frozen=True)
class Finish:
    """One surface's looks. first, second: linear colours [3]. scale: patterns a unit. place: shifts the noise. strength: of the pattern."""

    kind: str
    first: np.ndarray
    second: np.ndarray
    scale: float
    place: float
    strength: float

    def at(self, u: np.ndarray, v: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Colours [N, 3] float32. step [N]: size of a sample on the surface."""
        mix, tone = _PATTERNS[self.kind](u * np.float32(self.scale), v * np.float32(self.scale), step * np.float32(self.scale), self.place)
        worn = 1 + _WORN * clouds(u * 2.3 + self.place, v * 2.3)
        share = np.clip(self.strength * mix, 0, 1).astype(np.float32)[:, None]
        colour = self.first.astype(np.float32) + share * (self.second - self.first).astype(np.float32)
        return colour * np.clip(1 + self.strength * (tone * worn - 1), 0.05, 2.5).astype(np.float32)[:, None]


def draw_finish(rng: np.random.Generator, kinds: tuple[str, ...]) -> Finish:
    """A finish of one of some kinds."""
    kind = str(rng.choice(kinds))
    if kind == "boards":
        first = materials.wood(rng).colour
        second = first * between(rng, 0.3, 0.7)
    elif kind == "grass":
        first = np.array([0.25, 0.36, 0.12]) * between(rng, 0.6, 1.5) + 0.04 * rng.random(3)
        second = first * np.array([1.4, 1.1, 0.6])
    elif kind == "asphalt":
        first = np.full(3, between(rng, 0.2, 0.5)) + 0.02 * rng.standard_normal(3)
        second = first * between(rng, 0.5, 1.6)
    else:
        first = materials.hue(rng, 0.5) if rng.random() < 0.6 else np.full(3, between(rng, 0.5, 0.95)) + 0.03 * rng.standard_normal(3)
        second = materials.hue(rng, 0.7) if rng.random() < 0.4 else first * between(rng, 0.5, 1.5)
    scale = 2.0 ** between(rng, 0.8, 4.2)
    first, second = (np.clip(colour, 0.02, 0.97) ** 2.2 for colour in (first, second))
    return Finish(kind, first, second, scale, between(rng, 0, 200), between(rng, 0.3, 1.0))


Pattern = tuple[np.ndarray, np.ndarray]
"""(share of the second colour [N], brightness [N])."""


def _plaster(u: np.ndarray, v: np.ndarray, step: np.ndarray, place: float) -> Pattern:
    rough = 0.06 * grain(u * 9 + place, v * 9) * fade(step, 0.15) + 0.06 * clouds(u * 3 + place, v * 3)
    return np.zeros_like(u), 1 + rough + 0.05 * clouds(u * 0.3, v * 0.3 + place)


def _boards(u: np.ndarray, v: np.ndarray, step: np.ndarray, place: float) -> Pattern:
    row = np.floor(v)
    along = u * 0.2 + 0.37 * row + place
    seam = ((v - row) < _JOINT) | ((along - np.floor(along)) < 0.2 * _JOINT)
    lines = clouds(u * 0.8 + place + 7 * row, v * 9)
    tone = 1 + 0.13 * grain(row + place, np.floor(along)) + 0.1 * lines * fade(step, 0.2)
    return seam * fade(step, 0.12), tone


def _tiles(u: np.ndarray, v: np.ndarray, step: np.ndarray, place: float) -> Pattern:
    i, j = np.floor(u), np.floor(v)
    joint = ((u - i) < _JOINT) | ((v - j) < _JOINT)
    other = (np.floor(i + j) % 2 > 0) if int(place) % 3 == 0 else np.zeros(len(u), bool)
    left = fade(step, 0.8)
    tone = 1 + left * (0.05 * grain(i + place, j) + 0.05 * clouds(u * 4 + place, v * 4))
    return other * left + 0.5 * (1 - left) * (int(place) % 3 == 0), tone * (1 - np.float32(0.35) * joint * fade(step, 0.12))


def _bricks(u: np.ndarray, v: np.ndarray, step: np.ndarray, place: float) -> Pattern:
    row = np.floor(v * 2)
    along = u * 0.7 + 0.5 * (row % 2) + place
    joint = ((v * 2 - row) < 2 * _JOINT) | ((along - np.floor(along)) < _JOINT)
    left = fade(step, 0.4)
    return joint * fade(step, 0.12), 1 + 0.16 * left * grain(row + place, np.floor(along)) + 0.08 * clouds(u * 6, v * 6 + place)


def _carpet(u: np.ndarray, v: np.ndarray, step: np.ndarray, place: float) -> Pattern:
    pile = 0.16 * grain(u * 14 + place, v * 14) * fade(step, 0.12) + 0.1 * clouds(u * 4 + place, v * 4)
    motif = clouds(np.abs((u * 0.3) % 2 - 1) * 9 + place, np.abs((v * 0.3) % 2 - 1) * 9) > 0.4
    return motif & (int(place) % 2 == 0), 1 + pile


def _wallpaper(u: np.ndarray, v: np.ndarray, step: np.ndarray, place: float) -> Pattern:
    left = fade(step, 0.8)
    if int(place) % 2:
        motif = (u - np.floor(u)) < 0.2 + 0.6 * (place % 1)
    else:
        motif = np.hypot(u - np.floor(u) - 0.5, (v - np.floor(v) - 0.5)) < 0.15 + 0.25 * (place % 1)
    return motif * left + 0.4 * (1 - left), 1 + 0.03 * clouds(u * 3, v * 3 + place)


def _stone(u: np.ndarray, v: np.ndarray, step: np.ndarray, place: float) -> Pattern:
    large = clouds(u * 2 + place, v * 2) + 0.5 * clouds(u * 7, v * 7 + place) * fade(step, 0.4)
    veins = np.clip(1 - np.abs(clouds(u * 1.3 + place, v * 1.3) + 0.3 * large) / 0.1, 0, 1)
    return np.clip(0.3 + 0.35 * large + 0.5 * veins, 0, 1), 1 + 0.05 * grain(u * 20, v * 20 + place) * fade(step, 0.08)


def _grass(u: np.ndarray, v: np.ndarray, step: np.ndarray, place: float) -> Pattern:
    blades = grain(u * 9 + place, v * 13) * fade(step, 0.12) + 0.8 * clouds(u * 30, v * 30 + place) * fade(step, 0.3)
    return np.clip(0.4 + 0.3 * clouds(u * 1.5 + place, v * 1.5), 0, 1), np.clip(1 + 0.3 * blades + 0.15 * clouds(u * 5, v * 5), 0.2, 2)


def _asphalt(u: np.ndarray, v: np.ndarray, step: np.ndarray, place: float) -> Pattern:
    stones = 0.22 * grain(u * 11 + place, v * 11) * fade(step, 0.12) + 0.1 * clouds(u * 3 + place, v * 3)
    crack = np.clip(1 - np.abs(clouds(u * 0.9 + place, v * 0.8)) / 0.05, 0, 1) * (clouds(u * 0.3, v * 0.3 + place) > 0.5)
    return np.clip(clouds(u * 0.6, v * 0.6 + place) * 0.4, 0, 1), 1 + stones - 0.4 * crack


_PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, float], Pattern]] = {
    "plaster": _plaster, "boards": _boards, "tiles": _tiles, "bricks": _bricks, "carpet": _carpet, "wallpaper": _wallpaper,
    "stone": _stone, "grass": _grass, "asphalt": _asphalt,
}  # fmt: skip
