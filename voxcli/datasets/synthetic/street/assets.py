"""Objects from files: one folder a class, meshes in metres, +y up, front along +z, standing on y = 0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from voxcli.datasets.synthetic.assets import SUFFIXES, AssetShelf, face_colours, is_closed, is_uncoloured, load_assets
from voxcli.datasets.synthetic.street.pieces import STYLE_SIZE, StreetObject, Surface, between, tint
from voxcli.datasets.synthetic.street.scenery import BARKS, LEAVES, WALLS
from voxcli.datasets.synthetic.street.vehicles import PAINTS
from voxcli.geometry.winding import wound_faces
from voxcli.scene import STREET_CLASSES, Mesh

MAX_FACES = 8000
"""Heavier meshes are left out: a scene has to be made in a tenth of a second."""


def draw(shelf: AssetShelf[StreetObject], class_name: str, rng: np.random.Generator) -> StreetObject:
    """One of the class, a little resized and recoloured."""
    thing = shelf.pick(class_name, rng)
    scale = between(rng, 0.92, 1.08)
    colours, surfaces = _coloured(thing, rng) if is_uncoloured(thing.colours) else (thing.colours, thing.surfaces)
    colours = np.clip(colours * between(rng, 0.8, 1.2) * (1 + 0.06 * rng.standard_normal(3)), 0, 1).astype(np.float32)
    return replace(thing, vertices=thing.vertices * scale, colours=colours, surfaces=surfaces, blocks=thing.blocks * scale)


def _coloured(thing: StreetObject, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Colours [F, 3] and surfaces [F] for a mesh that has none: leaves over bark, or one paint."""
    colours = np.broadcast_to(tint(rng, WALLS if thing.class_name == "building" else PAINTS), (len(thing.faces), 3)).astype(np.float32)
    if thing.class_name != "tree":
        return colours, thing.surfaces
    height = thing.vertices[thing.faces, 1].mean(1)
    crown = (height > thing.blocks[0, 3]) if len(thing.blocks) > 1 else np.ones(len(height), dtype=bool)
    colours = np.where(crown[:, None], tint(rng, LEAVES, 0.12), tint(rng, BARKS)).astype(np.float32)
    return colours, np.where(crown, Surface.FOLIAGE, Surface.BARK).astype(np.uint8)


def load_shelf(folder: str | Path | None) -> AssetShelf[StreetObject]:
    """The meshes of the folders that are named after street classes (all but air and ground). Raises DataError where there is none."""
    return load_assets(folder, _usable, STREET_CLASSES[1:-1], SUFFIXES[:-1])


def _usable(class_name: str, mesh: Mesh) -> StreetObject | None:
    if not 0 < len(mesh.faces) <= MAX_FACES:
        return None
    thing = to_object(class_name, mesh)
    return None if is_rest_pose(thing) else thing


def is_rest_pose(thing: StreetObject) -> bool:
    """Whether a person has outstretched arms, as models are rigged. Nobody in a street stands so."""
    return thing.class_name == "person" and bool(thing.size[0] > 0.6 * thing.size[1])


def to_object(class_name: str, mesh: Mesh) -> StreetObject:
    """A mesh as a street object: centred in plan, set on y = 0; a tree keeps only its stem's room free below the crown."""
    vertices = mesh.vertices.astype(np.float64)
    low, high = vertices.min(0), vertices.max(0)
    vertices = vertices - np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    half, top = (high - low) / 2, high[1] - low[1]
    blocks = [(-half[0], half[0], 0.0, top, -half[2], half[2])]
    near = np.hypot(vertices[:, 0], vertices[:, 2]) < 0.6
    if class_name == "tree" and not near.all():
        clear = vertices[~near, 1].min() - 0.05
        if clear > 1.0:
            blocks = [(-0.6, 0.6, 0.0, clear, -0.6, 0.6), (-half[0], half[0], clear, top, -half[2], half[2])]
    plain = np.full(len(mesh.faces), Surface.PLAIN, dtype=np.uint8)
    style = np.zeros(STYLE_SIZE)
    style[:2] = 10.0, 0.4  # of leaves, for trees that have no colours
    faces, kinds = wound_faces(vertices, mesh.faces.astype(np.int64))
    closed = is_closed(faces)
    return StreetObject(class_name, vertices, faces, face_colours(mesh), plain, np.array(blocks), style, closed, None if closed else kinds)
