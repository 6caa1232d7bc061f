"""Objects from files: one folder a category, meshes +y up with their front along +z, a little reshaped and recoloured each time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.families import FAMILIES
from voxcli.datasets.synthetic.objects.parts import UNKNOWN_PART, ShapeObject, front_to_x, normalised
from voxcli.datasets.synthetic.street.assets import is_closed
from voxcli.errors import DataError
from voxcli.scene import Mesh

MAX_FACES = 20_000
"""Heavier meshes are left out: an object has to be made in about half a second."""

_KINDS = (".glb", ".gltf", ".obj", ".ply", ".off", ".stl")


@dataclass(frozen=True)
class AssetShelf:
    """Loaded assets by category."""

    things: dict[str, list[ShapeObject]]

    def has(self, category: str) -> bool:
        """Whether there is any of a category."""
        return bool(self.things.get(category))

    def draw(self, category: str, rng: np.random.Generator) -> ShapeObject:
        """One of a category, stretched by up to 12 % along each axis, its colours shifted."""
        thing = self.things[category][rng.integers(len(self.things[category]))]
        colours = thing.colours
        if np.ptp(colours, axis=0).max() < 0.02:  # a file without colours
            colours = np.broadcast_to(materials.hue(rng), colours.shape)
        colours = np.clip(colours * (0.75 + 0.5 * rng.random()) * (1 + 0.08 * rng.standard_normal(3)), 0.01, 1).astype(np.float32)
        stretch = 1 + 0.24 * (rng.random(3) - 0.5)
        return replace(thing, vertices=normalised(thing.vertices * stretch), colours=colours)


def asset_paths(folder: Path) -> dict[str, list[Path]]:
    """The mesh files of every folder that is named after a category, sorted."""
    if not folder.is_dir():
        raise DataError(f"There is no folder '{folder}' with assets.", hint="One folder per category: chair/armchair.glb, car/sedan.glb.")
    return {name: sorted(p for p in (folder / name).glob("*") if p.suffix.lower() in _KINDS) for name in FAMILIES}


def load_shelf(folder: str | Path | None) -> AssetShelf | None:
    """Read every mesh of the folders that are named after categories; other folders are left alone. None for no folder."""
    if folder is None:
        return None
    from voxcli import files

    things = {}
    for category, paths in asset_paths(Path(folder)).items():
        found = [to_object(category, files.read_as(path, Mesh)) for path in paths]
        things[category] = [thing for thing in found if 0 < len(thing.faces) <= MAX_FACES]
    if not any(things.values()):
        raise DataError(f"'{folder}' holds no usable asset.", expected=f"folders named {', '.join(FAMILIES)}", actual="none with meshes")
    return AssetShelf(things)


def to_object(category: str, mesh: Mesh) -> ShapeObject:
    """A mesh as an object of a category; its parts are known only where the file names them as the category does."""
    faces = mesh.faces.astype(np.int64)
    if mesh.face_colors is not None:
        colours = mesh.face_colors[:, :3].astype(np.float32) / 255
    elif mesh.vertex_colors is not None:
        colours = mesh.vertex_colors[faces][:, :, :3].mean(1).astype(np.float32) / 255
    else:
        colours = np.full((len(faces), 3), 0.6, np.float32)
    names = FAMILIES[category].part_names
    parts = np.full(len(faces), UNKNOWN_PART, np.uint8)
    if mesh.face_parts is not None:
        own = np.array(
            [next((k for k, part in enumerate(names) if part in name.lower().split("/")), UNKNOWN_PART) for name in mesh.part_names]
        )
        parts = own[mesh.face_parts].astype(np.uint8)
    zero = np.zeros(len(faces), np.float32)
    vertices = normalised(front_to_x(mesh.vertices.astype(np.float64)))
    return ShapeObject(category, names, vertices, faces, colours, zero, zero.astype(np.uint8), zero + 1, zero.astype(np.uint8), parts,
                       zero.astype(np.int16), bool(len(faces)) and is_closed(faces))  # fmt: skip
