"""What else stands around an object in a photograph: other objects on the same floor, and simple things."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.families import FAMILIES
from voxcli.datasets.synthetic.objects.parts import Builder, ShapeObject, rounded_box
from voxcli.datasets.synthetic.objects.render import Renderer
from voxcli.datasets.synthetic.shapes import cone, cylinder, ellipsoid, lathe
from voxcli.datasets.synthetic.street.pieces import between

_THING = ("thing",)
NEAREST = 0.1
"""z-depth within which nothing of a thing may lie for it to be drawn."""


LARGE = 0.35
"""A thing's box in the picture is large from this share of the object's on."""


@dataclass(frozen=True)
class Clutter:
    """Things around an object, as one object that is drawn at once. spans: first and past-the-last face and vertex of each [n, 4]."""

    renderer: Renderer
    spans: np.ndarray

    def ahead(self, world_to_cam: np.ndarray) -> np.ndarray:
        """The things that lie wholly before a camera. Faces [F']."""
        depth = self.renderer.thing.vertices @ world_to_cam[2, :3] + world_to_cam[2, 3]
        kept = [np.arange(first, last) for first, last, start, end in self.spans.tolist() if depth[start:end].min() >= NEAREST]
        return np.concatenate(kept) if kept else np.zeros(0, np.int64)

    def beside(self, world_to_cam: np.ndarray, focal: float, front: np.ndarray, depth: float) -> np.ndarray:
        """Which things a view may show: those whose pictures are clear of the object's, and those behind it. Faces [F'].

        What stands whole beside the object is left out where it is as large: one could not tell which of them the photograph is of.
        focal: as a share of the picture's side; front [2, 2]: the object's box in the picture, least and largest (x, y), from -1/2 to 1/2;
        depth: of the object's middle.
        """
        vertices = self.renderer.thing.vertices
        cam = vertices @ world_to_cam[:3, :3].T + world_to_cam[:3, 3]
        kept = []
        for first, last, start, end in self.spans.tolist():
            own = cam[start:end]
            if own[:, 2].min() < NEAREST:
                continue
            seen = focal * own[:, :2] / own[:, 2:]
            low, high = seen.min(0), seen.max(0)
            apart = bool((low > front[1]).any() or (high < front[0]).any())
            whole, large = np.abs(seen).max() < 0.5, (high - low).prod() > LARGE * (front[1] - front[0]).prod()
            if (own[:, 2].mean() > depth + 0.05 or apart) and not (apart and whole and large):
                kept.append(np.arange(first, last))
        return np.concatenate(kept) if kept else np.zeros(0, np.int64)


def draw_clutter(rng: np.random.Generator, thing: ShapeObject) -> Clutter:
    """Two other objects and four to seven simple things around one, on its floor."""
    floor = float(thing.vertices[:, 1].min())
    radius = float(np.hypot(thing.vertices[:, 0], thing.vertices[:, 2]).max())
    others = [FAMILIES[str(name)].make(rng) for name in rng.choice([*FAMILIES], 2)]
    others = [_placed(rng, each, floor, radius, between(rng, 0.5, 1.5)) for each in others]
    simple = [_placed(rng, _simple(rng), floor, radius, 0.1 * 8.0 ** rng.random()) for _ in range(int(rng.integers(4, 8)))]
    all_ = others + simple
    corners = np.cumsum([0] + [len(each.vertices) for each in all_])
    ends = np.cumsum([0] + [len(each.faces) for each in all_])
    faces = np.concatenate([each.faces + start for each, start in zip(all_, corners, strict=False)])

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(each, name) for each in all_])

    zero = np.zeros(len(faces), np.uint8)
    whole = ShapeObject("clutter", _THING, joined("vertices"), faces, joined("colours"), joined("gloss"), joined("textures"),
                        joined("scales"), joined("grain"), zero, zero.astype(np.int16))  # fmt: skip
    return Clutter(Renderer(whole), np.stack([ends[:-1], ends[1:], corners[:-1], corners[1:]], 1))


def _placed(rng: np.random.Generator, thing: ShapeObject, floor: float, radius: float, size: float) -> ShapeObject:
    """A thing of a size (its box's diagonal), turned about +y, on the floor, clear of a circle of a radius about the origin."""
    angle, turn = 2 * math.pi * rng.random(), 2 * math.pi * rng.random()
    c, s = math.cos(turn), math.sin(turn)
    x, y, z = (size * thing.vertices).T
    away = radius + float(np.hypot(x, z).max()) + 0.02 * 90.0 ** rng.random()
    points = np.stack([c * x + s * z + away * math.cos(angle), y - y.min() + floor, c * z - s * x + away * math.sin(angle)], 1)
    return replace(thing, vertices=points)


def _simple(rng: np.random.Generator) -> ShapeObject:
    """A box, a pile of boxes, a can, a vase, a ball, a cone, or a plant in its pot."""
    builder = Builder("thing", _THING)

    def dress() -> materials.Material:
        return (materials.paint, materials.hard, materials.fabric, materials.stone)[int(rng.integers(4))](rng)

    kind = int(rng.integers(6))
    if kind == 0:
        builder.add(rounded_box((between(rng, 0.2, 1), between(rng, 0.1, 1.5), between(rng, 0.2, 1)), (0, 0, 0), 0.02), "thing", dress())
    elif kind == 1:
        height = 0.0
        for _ in range(int(rng.integers(2, 6))):
            size = (between(rng, 0.5, 0.8), between(rng, 0.08, 0.2), between(rng, 0.35, 0.6))
            middle = (between(rng, -0.05, 0.05), height + size[1] / 2, between(rng, -0.05, 0.05))
            builder.add(rounded_box(size, middle, 0.01), "thing", dress())
            height += size[1]
    elif kind == 2:
        builder.add(cylinder(between(rng, 0.15, 0.4), between(rng, 0.3, 1.2), 24), "thing", dress())
    elif kind == 3:
        heights = np.linspace(0, 1, 9)
        widths = 0.12 + 0.25 * rng.random() * np.abs(np.sin(heights * between(rng, 2, 6) + 3 * rng.random())) + 0.1 * rng.random()
        builder.add(lathe([(float(h), float(w)) for h, w in zip(heights, widths, strict=True)], 24), "thing", dress())
    elif kind == 4:
        builder.add(ellipsoid((0.5, between(rng, 0.2, 0.6), between(rng, 0.3, 0.5)), points=24, rings=11), "thing", dress())
    else:
        builder.add(lathe([(0.0, 0.12), (0.3, 0.18), (0.32, 0.16)], 16), "thing", dress())
        green = materials.Material(np.clip(np.array([0.2, 0.38, 0.14]) * between(rng, 0.6, 1.4), 0, 1), 0.1)
        for _ in range(int(rng.integers(6, 18))):
            x, z = 0.3 * rng.standard_normal(2)
            leaf = cone(between(rng, 0.02, 0.06), between(rng, 0.3, 0.9), 6)
            bent = leaf.vertices + np.outer(leaf.vertices[:, 1] ** 1.5, [x, 0, z]) + (0.0, 0.3, 0.0)
            builder.add(leaf._replace(vertices=bent), "thing", green.dyed(between(rng, 0.7, 1.3)))
    return builder.finish()
