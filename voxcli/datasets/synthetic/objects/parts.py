"""What the objects are made of: closed pieces with a part name and a material, gathered into one object in the ShapeNet frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from voxcli.datasets.synthetic.shapes import Shape, loft, signed_volume


class Texture(IntEnum):
    """How the albedo of a face varies about its own colour."""

    PLAIN = 0
    WOOD = 1
    FABRIC = 2
    STRIPES = 3
    CHECKS = 4
    STONE = 5


@dataclass(frozen=True)
class Material:
    """colour: sRGB 0..1 [3]. gloss: strength of the highlight. scale: of the texture."""

    colour: np.ndarray
    gloss: float = 0.0
    texture: Texture = Texture.PLAIN
    scale: float = 1.0

    def dyed(self, factor: float) -> Material:
        """The same, lighter or darker."""
        return Material(np.clip(np.asarray(self.colour) * factor, 0.01, 1.0), self.gloss, self.texture, self.scale)


@dataclass(frozen=True)
class ShapeObject:
    """One object in the frame of ShapeNetCore v1: +y up, front along +x, its box about the origin with a diagonal of 1.

    vertices [V, 3] float64, faces [F, 3] int64; colours [F, 3] float32 sRGB 0..1, gloss [F] float32, textures [F] uint8,
    scales [F] float32; grain [F] uint8: the axis along which wood runs.
    parts [F] uint8: index into part_names, 255 where a part is not known. pieces [F] int16: number of the closed piece.
    closed: every piece is closed and wound outward, as all procedural ones are.
    """

    category: str
    part_names: tuple[str, ...]
    vertices: np.ndarray
    faces: np.ndarray
    colours: np.ndarray
    gloss: np.ndarray
    textures: np.ndarray
    scales: np.ndarray
    grain: np.ndarray
    parts: np.ndarray
    pieces: np.ndarray
    closed: bool = True


UNKNOWN_PART = 255


class Builder:
    """Collects closed pieces, in any unit, +y up and front along +z, and makes one ShapeObject of them."""

    def __init__(self, category: str, part_names: tuple[str, ...]):
        self.category, self.part_names = category, part_names
        self._shapes: list[Shape] = []
        self._parts: list[int] = []
        self._materials: list[Material] = []

    def add(self, shape: Shape, part: str, material: Material) -> Shape:
        """Add a piece."""
        self._shapes.append(shape)
        self._parts.append(self.part_names.index(part))
        self._materials.append(material)
        return shape

    def mirrored(self, shape: Shape, part: str, material: Material) -> None:
        """Add a piece and its mirror image at -x."""
        self.add(shape, part, material)
        self.add(Shape(shape.vertices * (-1.0, 1.0, 1.0), shape.faces[:, ::-1]), part, material)

    def stretched(self, factors: np.ndarray) -> None:
        """Scale all pieces so far along x, y, z."""
        self._shapes = [Shape(s.vertices * factors, s.faces) for s in self._shapes]

    def finish(self) -> ShapeObject:
        """The object, turned so that its front is +x, centred, with a box diagonal of 1."""
        offsets = np.cumsum([0] + [len(s.vertices) for s in self._shapes[:-1]])
        vertices = normalised(front_to_x(np.concatenate([s.vertices for s in self._shapes])))
        sizes = [len(s.faces) for s in self._shapes]
        extents = [np.ptp(front_to_x(s.vertices), axis=0) for s in self._shapes]
        each = self._materials

        def spread(values: list, dtype: type) -> np.ndarray:
            return np.repeat(np.array(values, dtype=dtype), sizes, axis=0)

        return ShapeObject(
            self.category,
            self.part_names,
            vertices,
            np.concatenate([s.faces + o for s, o in zip(self._shapes, offsets, strict=True)]),
            spread([m.colour for m in each], np.float32),
            spread([m.gloss for m in each], np.float32),
            spread([m.texture for m in each], np.uint8),
            spread([m.scale for m in each], np.float32),
            spread([int(e.argmax()) for e in extents], np.uint8),
            spread(self._parts, np.uint8),
            spread(list(range(len(each))), np.int16),
        )


def front_to_x(points: np.ndarray) -> np.ndarray:
    """Points [..., 3] of an object whose front is +z, turned about +y so that it is +x."""
    return np.stack([points[..., 2], points[..., 1], -points[..., 0]], -1)


def normalised(vertices: np.ndarray) -> np.ndarray:
    """Vertices [V, 3] with their box about the origin and its diagonal 1, as ShapeNetCore v1 has them."""
    low, high = vertices.min(0), vertices.max(0)
    return (vertices - (low + high) / 2) / np.linalg.norm(high - low)


def turned(shape: Shape, axis: int, degrees: float, about: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Shape:
    """The shape, turned about an axis (0 x, 1 y, 2 z) through a point; positive turns y to z, z to x, x to y."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    p, q = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[p, p], matrix[p, q], matrix[q, p], matrix[q, q] = c, -s, s, c
    return Shape((shape.vertices - about) @ matrix.T + about, shape.faces)


def swept(rings: np.ndarray) -> Shape:
    """A loft through rings [R, N, 3] of any sense of rotation: wound outward either way."""
    shape = loft(rings)
    return shape if signed_volume(shape) > 0 else loft(rings[:, ::-1])


def rounded_box(size: tuple[float, float, float], centre: tuple[float, float, float], radius: float, axis: int = 1) -> Shape:
    """A box with softened edges all round: cushions, covers and blocks. The rings are stacked along `axis`."""
    half = np.asarray(size, dtype=np.float64) / 2
    radius = float(min(radius, 0.999 * half.min()))
    p, q = (axis + 1) % 3, (axis + 2) % 3
    corner = np.linspace(0, math.pi / 2, 3)
    turn = np.concatenate([corner + k * math.pi / 2 for k in range(4)])
    cos, sin = np.cos(turn), np.sin(turn)
    signs = np.repeat([(1, 1), (-1, 1), (-1, -1), (1, -1)], 3, axis=0)
    levels = np.array([1.25, 0.6, 0.0])  # up to 72 degrees: a little of the rim is left for the flat end
    rings = []
    for height, angle in [(-1, a) for a in levels] + [(1, a) for a in levels[::-1]]:
        inset = radius * math.cos(angle)  # how far the ring reaches beyond the straight part
        ring = np.zeros((12, 3))
        ring[:, p] = signs[:, 0] * (half[p] - radius) + inset * cos
        ring[:, q] = signs[:, 1] * (half[q] - radius) + inset * sin
        ring[:, axis] = height * (half[axis] - radius + radius * math.sin(angle) / math.sin(levels[0]))
        rings.append(ring)
    return swept(np.stack(rings) + np.asarray(centre))


def tube(points: np.ndarray, radius: float, around: int = 7) -> Shape:
    """A bent rod through points [N, 3] of a curve that has no cusp."""
    points = np.asarray(points, dtype=np.float64)
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    least = np.eye(3)[np.abs(along.mean(0)).argmin()]
    angle = np.arange(around) * (2 * math.pi / around)
    rings = []
    for point, direction in zip(points, along, strict=True):
        first = np.cross(direction, least)
        first /= np.linalg.norm(first)
        least = np.cross(first, direction)  # carried along, so that the rings do not twist
        rings.append(point + radius * (np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * least))
    return swept(np.stack(rings))


def slab(outline: np.ndarray, low: float, high: float) -> Shape:
    """A flat board: an outline [N, 2] of (x, z), star-shaped about its middle, from y = low to y = high, its rims softened."""
    outline = np.asarray(outline, dtype=np.float64)
    middle = outline.mean(0)
    soft = min(0.25 * (high - low), 0.01)
    small = middle + (outline - middle) * (1 - soft / np.abs(outline - middle).max())

    def ring(points: np.ndarray, y: float) -> np.ndarray:
        return np.stack([points[:, 0], np.full(len(points), y), points[:, 1]], 1)

    return swept(np.stack([ring(small, low), ring(outline, low + soft), ring(outline, high - soft), ring(small, high)]))


def plan(kind: str, width: float, depth: float, points: int = 28, corner: float = 0.15) -> np.ndarray:
    """Outlines [N, 2] of (x, z) for slab: rectangle, rounded, ellipse, hexagon."""
    if kind == "rectangle":
        return np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (width / 2, depth / 2)
    if kind == "ellipse" or kind == "hexagon":
        angle = np.arange(points if kind == "ellipse" else 6) * (2 * math.pi / (points if kind == "ellipse" else 6))
        return np.stack([np.cos(angle) * width / 2, np.sin(angle) * depth / 2], 1)
    radius = corner * min(width, depth)
    arc = np.linspace(0, math.pi / 2, 5)
    turn = np.concatenate([arc + k * math.pi / 2 for k in range(4)])
    signs = np.repeat([(1, 1), (-1, 1), (-1, -1), (1, -1)], 5, axis=0)
    return signs * (width / 2 - radius, depth / 2 - radius) + radius * np.stack([np.cos(turn), np.sin(turn)], 1)
