"""Objects from files: one folder a category, meshes +y up with their front along +z, a little reshaped and recoloured each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from voxcli.datasets.synthetic.assets import AssetShelf, face_colours, is_closed, is_uncoloured, load_assets
from voxcli.datasets.synthetic.objects import materials
from voxcli.datasets.synthetic.objects.families import FAMILIES
from voxcli.datasets.synthetic.objects.parts import UNKNOWN_PART, ShapeObject, front_to_x, normalised
from voxcli.geometry.winding import wound_faces
from voxcli.scene import Mesh

MAX_FACES = 20_000
"""Heavier meshes are left out: an object has to be made in about half a second."""


def draw(shelf: AssetShelf[ShapeObject], category: str, rng: np.random.Generator) -> ShapeObject:
    """One of a category, stretched by up to 12 % along each axis, its colours shifted."""
    thing = shelf.pick(category, rng)
    colours = np.broadcast_to(materials.hue(rng), thing.colours.shape) if is_uncoloured(thing.colours) else thing.colours
    colours = np.clip(colours * (0.75 + 0.5 * rng.random()) * (1 + 0.08 * rng.standard_normal(3)), 0.01, 1).astype(np.float32)
    stretch = 1 + 0.24 * (rng.random(3) - 0.5)
    return replace(thing, vertices=normalised(thing.vertices * stretch), colours=colours)


def load_shelf(folder: str | Path | None) -> AssetShelf[ShapeObject]:
    """The meshes of the folders that are named after categories. Raises DataError where there is none."""
    return load_assets(folder, lambda category, mesh: to_object(category, mesh) if 0 < len(mesh.faces) <= MAX_FACES else None, FAMILIES)


def to_object(category: str, mesh: Mesh) -> ShapeObject:
    """A mesh, +y up and its front along +z, as an object of a category."""
    placed = replace(mesh, vertices=normalised(front_to_x(mesh.vertices.astype(np.float64))))
    return as_object(category, FAMILIES[category].part_names, placed)


def as_object(category: str, part_names: tuple[str, ...], mesh: Mesh) -> ShapeObject:
    """A mesh that stands as objects do; its parts are known only where the file names them so. Where there is one part, all is of it."""
    faces = wound_faces(mesh.vertices, mesh.faces.astype(np.int64)).faces
    parts = np.full(len(faces), UNKNOWN_PART if len(part_names) != 1 else 0, np.uint8)
    if mesh.face_parts is not None and len(part_names) != 1:
        own = np.array(
            [next((k for k, part in enumerate(part_names) if part in name.lower().split("/")), UNKNOWN_PART) for name in mesh.part_names]
        )
        parts = own[mesh.face_parts].astype(np.uint8)
    zero = np.zeros(len(faces), np.float32)
    return ShapeObject(category, part_names, mesh.vertices, faces, face_colours(mesh), zero, zero.astype(np.uint8), zero + 1,
                       zero.astype(np.uint8), parts, zero.astype(np.int16), is_closed(faces))  # fmt: skip
