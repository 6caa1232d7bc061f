"""Several objects in one picture (SSZ, Figure 7: multi instance inputs): which stand beside an object, and where each stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from voxcli.datasets.synthetic.objects.meshes import MeshPlace
from voxcli.datasets.synthetic.objects.parts import UNKNOWN_PART, ShapeObject
from voxcli.seeds import item_seed

RADIUS = 0.46
"""Of the disc that all objects of a scene stand on, in diagonals of the box of a single one: what is in it is no nearer to a camera."""

_SHARE = 0.8
_TRIES = 200


def with_company(places: Sequence[MeshPlace], count: int, seed: int) -> list[MeshPlace]:
    """Places with those that stand beside each: count - 1 others of its split, or as many as there are, drawn by seed and name alone."""
    of_split: dict[str, list[MeshPlace]] = {}
    for place in places:
        of_split.setdefault(place.split, []).append(place)
    found = []
    for place in places:
        rng = np.random.default_rng(item_seed(seed, f"{place.synset}/{place.name}/beside"))
        others = [other for other in of_split[place.split] if other is not place]
        drawn = rng.permutation(len(others))[: count - 1]
        found.append(replace(place, beside=tuple(others[k] for k in drawn)))
    return found


@dataclass(frozen=True)
class Stand:
    """Where an object stands: its points are scale * turn about +y + shift [3]. turn in radians."""

    scale: float
    turn: float
    shift: np.ndarray

    @property
    def rotation(self) -> np.ndarray:
        """[3, 3]"""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Points [N, 3] where they stand."""
        there: np.ndarray = self.scale * points @ self.rotation.T + self.shift
        return there


def stands(things: Sequence[ShapeObject], rng: np.random.Generator) -> list[Stand]:
    """Where objects stand on one ground, at random, apart from each other by the circles around their boxes. One alone stays as it is."""
    if len(things) == 1:
        return [Stand(1.0, 0.0, np.zeros(3))]
    packed = math.sin(math.pi / len(things)) / (1 + math.sin(math.pi / len(things))) * RADIUS  # of equal circles around one in the disc
    scale, ground = 2 * _SHARE * packed, -_SHARE * packed
    radii = [scale * float(np.linalg.norm(np.ptp(thing.vertices[:, ::2], axis=0))) / 2 for thing in things]
    places = next((found for _ in range(_TRIES) if (found := _drawn(radii, rng)) is not None), None)
    if places is None:  # a ring has room for all
        turns = rng.uniform(0, 2 * math.pi) + 2 * math.pi * np.arange(len(things)) / len(things)
        places = (RADIUS - packed) * np.stack([np.cos(turns), np.sin(turns)], 1)
    return [
        Stand(scale, float(rng.uniform(0, 2 * math.pi)), np.array([x, ground - scale * float(thing.vertices[:, 1].min()), z]))
        for thing, (x, z) in zip(things, places, strict=True)
    ]


def _drawn(radii: Sequence[float], rng: np.random.Generator) -> np.ndarray | None:
    """Middles [N, 2] of circles in the disc; None where two overlap."""
    reach = np.array([max(RADIUS - radius, 0.0) for radius in radii]) * np.sqrt(rng.random(len(radii)))
    turns = rng.uniform(0, 2 * math.pi, len(radii))
    middles = reach[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
    apart = np.linalg.norm(middles[:, None] - middles[None], axis=-1)
    wanted = np.add.outer(radii, radii)
    return middles if bool((apart >= wanted)[~np.eye(len(radii), dtype=bool)].all()) else None


def joined(things: Sequence[ShapeObject], where: Sequence[Stand]) -> ShapeObject:
    """All objects as one thing to be drawn, in the order of `things`."""
    firsts = np.cumsum([0, *(len(thing.vertices) for thing in things)])
    numbers = np.cumsum([0, *(int(thing.pieces.max(initial=-1)) + 1 for thing in things)])
    together = {
        name: np.concatenate([getattr(thing, name) for thing in things]) for name in ("colours", "gloss", "textures", "scales", "grain")
    }
    faces = np.concatenate([thing.faces + first for thing, first in zip(things, firsts, strict=False)])
    return ShapeObject(
        category=things[0].category, part_names=things[0].part_names, faces=faces,
        vertices=np.concatenate([stand.moved(thing.vertices) for thing, stand in zip(things, where, strict=True)]),
        parts=np.full(len(faces), UNKNOWN_PART, np.uint8),
        pieces=np.concatenate([thing.pieces + number for thing, number in zip(things, numbers, strict=False)]).astype(np.int32),
        closed=all(thing.closed for thing in things), **together,
    )  # fmt: skip
