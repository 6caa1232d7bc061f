"""The shapes that stand in rooms (pix2scene, section 4.1): box, sphere, cone, torus, cylinder, a teapot of four parts; or read from files.

Each fills a box about 0 whose longest side is 1, +y up, finely faceted, with the normals of the smooth surface that its facets stand for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from voxcli.datasets.synthetic import shapes as clay
from voxcli.datasets.synthetic.assets import AssetShelf, asset_paths, load_assets
from voxcli.datasets.synthetic.objects.render import corner_normals
from voxcli.errors import DataError
from voxcli.scene import Mesh

SHAPES = ("box", "sphere", "cone", "torus", "cylinder", "teapot")
"""Shapes that need no file."""

STRETCHED = ("box", "cone", "cylinder")
"""Shapes whose proportions are drawn: a stretched sphere would be none."""

MAX_FACES = 20_000
"""Heavier meshes from files are left out: a scene has to be made in a few hundredths of a second."""

_AROUND = 64


@dataclass(frozen=True)
class RoomShape:
    """vertices [V, 3], faces [F, 3], unit normals of the faces' corners [F, 3, 3]; its category, and the name of its mesh file."""

    category: str
    name: str
    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray

    @property
    def mesh(self) -> Mesh:
        """The shape as a mesh."""
        return Mesh(self.vertices, self.faces)


def room_shape(category: str, name: str, vertices: np.ndarray, faces: np.ndarray) -> RoomShape:
    """A mesh set about 0, its longest side 1, with smooth normals between creases."""
    low, high = vertices[faces.ravel()].min(0), vertices[faces.ravel()].max(0)
    vertices = (vertices - (low + high) / 2) / max(float((high - low).max()), 1e-12)
    return RoomShape(category, name, vertices, faces.astype(np.int64), corner_normals(vertices, faces).astype(np.float64))


@cache
def known_shape(name: str) -> RoomShape:
    """One of SHAPES. Shared: do not write into it."""
    solids = {"box": _box, "sphere": _sphere, "cone": _cone, "torus": _torus, "cylinder": _cylinder, "teapot": _teapot}[name]()
    offsets = np.cumsum([0] + [len(solid.vertices) for solid in solids])
    faces = np.concatenate([solid.faces + offset for solid, offset in zip(solids, offsets, strict=False)])
    return room_shape(name, name, np.concatenate([solid.vertices for solid in solids]), faces)


def _box() -> list[clay.Shape]:
    return [clay.box((1.0, 1.0, 1.0))]


def _sphere() -> list[clay.Shape]:
    return [clay.icosphere(4)]


def _cone() -> list[clay.Shape]:
    profile = [(0.95 * t, 0.45 * (1 - 0.95 * t)) for t in np.linspace(0, 1, 12)]
    cone = clay.lathe(profile, _AROUND)
    cone.vertices[-1] = 0.0, 1.0, 0.0  # the cap of the last ring becomes the tip
    return [cone]


def _cylinder() -> list[clay.Shape]:
    return [clay.cylinder(0.35, 1.0, _AROUND)]


def _torus() -> list[clay.Shape]:
    upright = clay.torus(0.35, 0.15, _AROUND, 32)
    return [clay.Shape(upright.vertices[:, [2, 0, 1]], upright.faces)]  # lying: its axis along y


def _teapot() -> list[clay.Shape]:
    def dome(start: float, end: float, radius: float, half: float, base: float) -> clay.Shape:
        angles = np.radians(np.linspace(start, end, 24))
        return clay.lathe([(base + half * math.sin(a), radius * math.cos(a)) for a in angles], _AROUND)

    body = dome(-34.0, 35.0, 0.5, 0.36, 0.0)
    lid = dome(0.0, 88.0, 0.4, 0.11, 0.2)
    knob = clay.ellipsoid((0.07, 0.06, 0.07), (0.0, 0.35, 0.0), 24, 11)
    t = np.linspace(0, 1, 16)[:, None]
    spout = _bend((0.36, -0.1), (0.68, -0.1), (0.78, 0.26), t)
    upper, lower = _bend((-0.4, 0.17), (-0.72, 0.22), (-0.74, 0.02), t[:-1]), _bend((-0.74, 0.02), (-0.76, -0.2), (-0.42, -0.15), t)
    handle = np.concatenate([upper, lower])
    return [body, lid, knob, _tube(spout, np.linspace(0.11, 0.055, len(spout))), _tube(handle, np.full(len(handle), 0.042))]


def _bend(start: tuple[float, float], by: tuple[float, float], end: tuple[float, float], t: np.ndarray) -> np.ndarray:
    """A quadratic Bezier curve at t [N, 1]: points (x, y) [N, 2]."""
    a, b, c = (np.array(p) for p in (start, by, end))
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c


def _tube(path: np.ndarray, radius: np.ndarray, points: int = 24) -> clay.Shape:
    """A tube around a path (x, y) [N, 2] in the plane z = 0 of the given radii [N]."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    ring = clay.circle(points) * radius[:, None, None]  # [N, points, 2]
    rings = np.zeros((len(path), points, 3))
    # Across the path in its plane, then z: a right-handed pair about the direction of the path.
    rings[:, :, 0] = path[:, :1] + ring[:, :, 0] * along[:, 1:]
    rings[:, :, 1] = path[:, 1:] - ring[:, :, 0] * along[:, :1]
    rings[:, :, 2] = -ring[:, :, 1]
    return clay.loft(rings)


# -- shapes from files ----------------------------------------------------------------------------------------------------------------


def asset_categories(folder: str | Path) -> tuple[str, ...]:
    """The names of all folders with meshes, sorted. Raises DataError where there is none, or where one cannot be a category."""
    names = tuple(asset_paths(folder))
    for name in names:
        if name in (*SHAPES, "room", "air") or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise DataError(f"'{Path(folder) / name}' cannot be the name of a category.",
                            expected=f"letters, digits, - and _, and none of {', '.join((*SHAPES, 'room', 'air'))}")  # fmt: skip
    return names


def load_shelf(folder: str | Path | None, names: Collection[str]) -> AssetShelf[RoomShape]:
    """The shapes of the categories among `names` from files. Raises DataError for a category of the folder that is left empty."""
    meshes = load_assets(folder, lambda category, mesh: mesh if 0 < len(mesh.faces) <= MAX_FACES else None)
    for category, own in meshes.things.items():
        if not own:
            raise DataError(f"'{Path(folder or '') / category}' holds no usable mesh.", expected=f"1 to {MAX_FACES} faces")
    things = {
        category: [room_shape(category, f"{category}-{number}", mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64))
                   for number, mesh in enumerate(own)]
        for category, own in meshes.things.items() if category in names
    }  # fmt: skip
    return AssetShelf(things, {name: digest for name, digest in meshes.digests.items() if name.partition("/")[0] in names})
