"""What street objects are made of: coloured closed pieces with a surface kind, and the boxes that they keep free of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

from voxcli.datasets.synthetic.shapes import Shape, box, plate


class Surface(IntEnum):
    """How the renderer colours a face beyond its own colour."""

    PLAIN = 0
    FOLIAGE = 1
    BARK = 2
    FACADE = 3
    ROOF = 4
    GLASS = 5
    PAINT = 6
    GROUND = 7
    LEAVES = 8
    TWIGS = 9
    FRONT = 10
    MASONRY = 11
    RAILING = 12
    POSTER = 13
    LAMP = 14


STYLE_SIZE = 16
"""Numbers that one object hands to the procedural textures of its faces: see textures.py."""


@dataclass(frozen=True)
class StreetObject:
    """One object in its own frame: metres, +y up, front along +z, standing on y = 0 about the origin.

    vertices [V, 3], faces [F, 3], colours [F, 3] float32 in 0..1 (linear enough for our sun), surfaces [F] uint8.
    blocks [B, 6]: boxes (x0, x1, y0, y1, z0, z1) that hold the object and that nothing else may enter.
    style [STYLE_SIZE]: numbers for the textures. closed: every piece is closed and wound outward, as all parametric ones are.
    kinds [F] uint8: what each face is (see geometry.winding.wound_faces) where not all are closed.
    """

    class_name: str
    vertices: np.ndarray
    faces: np.ndarray
    colours: np.ndarray
    surfaces: np.ndarray
    blocks: np.ndarray
    style: np.ndarray = field(default_factory=lambda: np.zeros(STYLE_SIZE))
    closed: bool = True
    kinds: np.ndarray | None = None

    @property
    def size(self) -> np.ndarray:
        """Extents along x, y, z in metres. [3]"""
        return np.ptp(self.vertices, axis=0)


Colour = np.ndarray | tuple[float, float, float]
"""Of a face, in 0..1. [3]"""


class Assembly:
    """Collects closed pieces and makes one StreetObject of them."""

    def __init__(self, class_name: str):
        self.class_name = class_name
        self._vertices: list[np.ndarray] = []
        self._faces: list[np.ndarray] = []
        self._sizes: list[int] = []
        self._colours: list[Colour] = []
        self._surfaces: list[Surface] = []
        self._count = 0

    def add(self, shape: Shape, colour: Colour, surface: Surface = Surface.PLAIN) -> Shape:
        """Add a piece in one colour."""
        number = len(shape.faces)
        self._vertices.append(shape.vertices)
        self._faces.append(shape.faces + self._count)
        self._count += len(shape.vertices)
        self._sizes.append(number)
        self._colours.append(colour)
        self._surfaces.append(surface)
        return shape

    def band(
        self, width: float, z: tuple[float, float], y: tuple[float, float], colour: Colour, surface: Surface = Surface.GLASS,
        proud: float = 0.012,
    ) -> None:  # fmt: skip
        """A box through the whole width of a body: it shows as one panel on either side."""
        self.add(box((width + 2 * proud, y[1] - y[0], z[1] - z[0]), (0.0, (y[0] + y[1]) / 2, (z[0] + z[1]) / 2)), colour, surface)

    def panel(
        self, quad: np.ndarray, across: tuple[float, float], up: tuple[float, float], colour: Colour, surface: Surface = Surface.GLASS
    ) -> None:
        """A thin plate on a quad, see shapes.plate."""
        self.add(plate(quad, across, up), colour, surface)

    @property
    def vertices(self) -> np.ndarray:
        """All vertices so far. [V, 3]"""
        return np.concatenate(self._vertices)

    def finish(self, blocks: Sequence[tuple[float, ...]] | None = None, turn: np.ndarray | None = None, style: np.ndarray | None = None,
               grounded: bool = True) -> StreetObject:  # fmt: skip
        """The object, turned by a rotation about its origin and, if grounded, set onto y = 0. Its bounding box is its block by default."""
        vertices = self.vertices
        if turn is not None:
            vertices = vertices @ turn.T
        low = vertices.min(0)
        if grounded:
            vertices[:, 1] -= low[1]
            low[1] = 0.0
        high = vertices.max(0)
        bounds = (low[0], high[0], low[1], high[1], low[2], high[2])
        return StreetObject(
            self.class_name,
            vertices,
            np.concatenate(self._faces),
            np.repeat(np.array(self._colours, dtype=np.float32), self._sizes, 0),
            np.repeat(np.array(self._surfaces, dtype=np.uint8), self._sizes),
            np.array(blocks if blocks is not None else [bounds], dtype=np.float64),
            np.zeros(STYLE_SIZE) if style is None else style,
        )


def side(shape: Shape, k: int) -> np.ndarray:
    """Side k of a box or tapered box as a quad for Assembly.panel: 0 front (+z), 1 right (+x), 2 back, 3 left."""
    n = (k + 1) % 4
    return shape.vertices[[k, n, 4 + n, 4 + k]]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A uniform number."""
    return low + (high - low) * rng.random()


def tint(rng: np.random.Generator, palette: np.ndarray, spread: float = 0.05) -> np.ndarray:
    """A colour of a palette [N, 3], made a little lighter or darker and shifted, in 0..1."""
    colour = palette[rng.integers(len(palette))]
    return np.clip(colour * (1 + spread * rng.standard_normal()) + 0.4 * spread * rng.standard_normal(3), 0.01, 0.97)


def darker(thing: StreetObject, rng: np.random.Generator) -> StreetObject:
    """The same in darker and greyer colours, as most people dress, three times in four."""
    if rng.random() < 0.25:
        return thing
    grey = thing.colours.mean(1, keepdims=True)
    colours = (grey + (thing.colours - grey) * between(rng, 0.4, 1.0)) * between(rng, 0.3, 1.0)
    return replace(thing, colours=colours.astype(np.float32))


def yaw_matrix(heading: float) -> np.ndarray:
    """Rotation about +y that turns the front (+z) by `heading` towards +x. [3, 3]"""
    c, s = np.cos(heading), np.sin(heading)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
