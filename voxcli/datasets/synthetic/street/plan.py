"""The parts of a plan of a street: its cross section, the camera in it, and oriented boxes that keep objects out of each other.

The road runs along the world's z axis with its middle at x = 0; the world is +y up, metres. A heading h looks along (sin h, 0, cos h).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from voxcli.datasets.synthetic.street.pieces import StreetObject
from voxcli.scene import Frustum


@dataclass(frozen=True)
class Crossing:
    """A road that meets the street at a right angle.

    z: of its middle, metres. half: half its width, metres. sides: whether it leaves on side -x, and on side +x.
    """

    z: float
    half: float
    sides: tuple[bool, bool]


@dataclass(frozen=True)
class Street:
    """The cross section of the road and what is drawn on it. Widths are in metres, pairs are (side -x, side +x).

    road_half: half the width of the roadway. lanes: x of the middle of each, and its direction, +1 along +z or -1. parking, cycle,
    pavement, garden: widths from the lanes outward; 0 where there is none. built: whether houses stand there. row: whether these stand
    close together. zebra: z of a zebra crossing. seed: of the ground's texture.
    """

    road_half: float
    lanes: tuple[tuple[float, int], ...]
    parking: tuple[float, float]
    cycle: tuple[float, float]
    pavement: tuple[float, float]
    garden: tuple[float, float]
    built: tuple[bool, bool]
    row: tuple[bool, bool]
    zebra: float | None
    seed: int
    crossings: tuple[Crossing, ...] = ()

    def line(self, side: int, upto: str) -> float:
        """Distance from the road's middle to the outer edge of `parking`, `cycle`, `pavement` or `garden` on side 0 (-x) or 1 (+x)."""
        total = self.road_half
        for name in ("parking", "cycle", "pavement", "garden"):
            total += getattr(self, name)[side]
            if name == upto:
                break
        return total


@dataclass(frozen=True)
class View:
    """The camera in the street. position [3] in metres; heading, pitch (downwards) and roll in radians; its frustum."""

    position: np.ndarray
    heading: float
    pitch: float
    roll: float
    frustum: Frustum

    @property
    def world_to_cam(self) -> np.ndarray:
        """[4, 4], camera frame x right, y down, z forward."""
        c, s = math.cos(self.heading), math.sin(self.heading)
        ahead = np.array([s * math.cos(self.pitch), -math.sin(self.pitch), c * math.cos(self.pitch)])
        right = np.array([-c, 0.0, s])
        down = np.cross(ahead, right)
        cr, sr = math.cos(self.roll), math.sin(self.roll)
        rotation = np.stack([cr * right + sr * down, cr * down - sr * right, ahead])
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ self.position
        return matrix

    def plan(self, ahead: np.ndarray, aside: np.ndarray) -> np.ndarray:
        """World (x, z) of points, in plan: `ahead` metres in front of the camera and `aside` metres to the right of its axis. [..., 2]"""
        c, s = math.cos(self.heading), math.sin(self.heading)
        return np.stack([self.position[0] + s * ahead - c * aside, self.position[2] + c * ahead + s * aside], -1)

    def from_plan(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(ahead, aside) of world points, the inverse of `plan`."""
        c, s, dx, dz = math.cos(self.heading), math.sin(self.heading), x - self.position[0], z - self.position[2]
        return s * dx + c * dz, -c * dx + s * dz


@dataclass(frozen=True)
class Placed:
    """An object that stands at (x, y, z) with its front along `heading`, in radians."""

    thing: StreetObject
    x: float
    z: float
    heading: float
    y: float = 0.0


@dataclass(frozen=True)
class StreetScene:
    """A street with its camera and its objects. placed: what has a class, none inside another. extras: what is drawn and has no class."""

    street: Street
    view: View
    placed: list[Placed]
    extras: list[Placed] = field(default_factory=list)

    @property
    def drawn(self) -> list[Placed]:
        """All objects, those that have a class first."""
        return self.placed + self.extras


class Makes(Protocol):
    """Makes an object of a class: a parametric shape, or an asset. kind: a form of the class; drawn unless given."""

    def __call__(self, class_name: str, rng: np.random.Generator, kind: str | None = None) -> StreetObject: ...


def ridden_bicycle(make: Makes, rng: np.random.Generator) -> tuple[StreetObject, tuple[StreetObject, StreetObject]]:
    """A bicycle that keeps the room of its rider free, and what stands there then: the bicycle and the rider."""
    bicycle, rider = make("bicycle", rng, "upright"), make("person", rng, "riding")
    return replace(bicycle, blocks=np.concatenate([bicycle.blocks, rider.blocks])), (bicycle, rider)


@dataclass
class Footprints:
    """The places that are taken, as oriented boxes [M, 7]: x and z of the middle, half sizes, heading, y from and to."""

    taken: np.ndarray = field(default_factory=lambda: np.zeros((0, 7)))

    @staticmethod
    def of(thing: StreetObject, x: np.ndarray, z: np.ndarray, heading: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """The blocks of a thing at C places. [C, B, 7]"""
        b = thing.blocks
        mx, mz = (b[:, 0] + b[:, 1]) / 2, (b[:, 4] + b[:, 5]) / 2
        c, s = np.cos(heading)[:, None], np.sin(heading)[:, None]
        out = np.zeros((len(x), len(b), 7))
        out[..., 0], out[..., 1] = x[:, None] + c * mx + s * mz, z[:, None] - s * mx + c * mz
        out[..., 2], out[..., 3] = (b[:, 1] - b[:, 0]) / 2 + margin, (b[:, 5] - b[:, 4]) / 2 + margin
        out[..., 4], out[..., 5], out[..., 6] = heading[:, None], b[:, 2], b[:, 3]
        return out

    def keep_free(self, view: View, ahead: float, half: tuple[float, float], above: float) -> None:
        """Nothing stands right in front of the lens or on the photographer, up to `above` metres over it.

        ahead: of the middle of that box, metres in front of the camera. half: half its sizes, across and along.
        """
        x, z = view.plan(np.array(ahead), np.array(0.0))
        self.take(np.array([[x, z, *half, view.heading, 0.0, view.position[1] + above]]))

    def clear(self, boxes: np.ndarray) -> np.ndarray:
        """Which of C candidates [C, B, 7] touch nothing that is taken, by the separating axes of rectangles. [C] bool"""
        if not len(self.taken):
            return np.ones(len(boxes), dtype=bool)
        return np.logical_not(overlaps(boxes[:, :, None], self.taken[None, None]).any((1, 2)))

    def take(self, boxes: np.ndarray) -> None:
        """Add boxes [B, 7]."""
        self.taken = np.concatenate([self.taken, boxes])


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether oriented boxes [..., 7] of Footprints overlap: in height, and in plan along all four separating axes."""
    dx, dz = b[..., 0] - a[..., 0], b[..., 1] - a[..., 1]
    apart = (a[..., 5] >= b[..., 6]) | (b[..., 5] >= a[..., 6])
    cos, sin = np.abs(np.cos(a[..., 4] - b[..., 4])), np.abs(np.sin(a[..., 4] - b[..., 4]))
    for one, other in ((a, b), (b, a)):
        c, s = np.cos(one[..., 4]), np.sin(one[..., 4])
        apart = apart | (np.abs(c * dx - s * dz) >= one[..., 2] + other[..., 2] * cos + other[..., 3] * sin)
        apart = apart | (np.abs(s * dx + c * dz) >= one[..., 3] + other[..., 3] * cos + other[..., 2] * sin)
    return ~apart
