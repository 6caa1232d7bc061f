"""Objects from files: one folder a class, meshes in metres, +y up, front along +z, standing on y = 0."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.datasets.synthetic.street.pieces import STYLE_SIZE, StreetObject, Surface, between, tint
from voxcli.datasets.synthetic.street.scenery import BARKS, LEAVES, WALLS
from voxcli.datasets.synthetic.street.vehicles import PAINTS
from voxcli.errors import DataError
from voxcli.geometry.closedness import face_kinds
from voxcli.scene import STREET_CLASSES, Mesh

MAX_FACES = 8000
"""Heavier meshes are left out: a scene has to be made in a tenth of a second."""


@dataclass(frozen=True)
class AssetShelf:
    """Loaded assets by class name."""

    things: dict[str, list[StreetObject]]

    def draw(self, class_name: str, rng: np.random.Generator) -> StreetObject:
        """One of the class, a little resized and recoloured."""
        thing = self.things[class_name][rng.integers(len(self.things[class_name]))]
        scale = between(rng, 0.92, 1.08)
        colours, surfaces = thing.colours, thing.surfaces
        if np.ptp(colours, axis=0).max() < 0.02:  # a file without colours
            colours, surfaces = _coloured(thing, rng)
        colours = np.clip(colours * between(rng, 0.8, 1.2) * (1 + 0.06 * rng.standard_normal(3)), 0, 1).astype(np.float32)
        return StreetObject(
            class_name, thing.vertices * scale, thing.faces, colours, surfaces, thing.blocks * scale, thing.style, thing.closed,
            thing.kinds,
        )


def _coloured(thing: StreetObject, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Colours [F, 3] and surfaces [F] for a mesh that has none: leaves over bark, or one paint."""
    colours = np.broadcast_to(tint(rng, WALLS if thing.class_name == "building" else PAINTS), (len(thing.faces), 3)).astype(np.float32)
    if thing.class_name != "tree":
        return colours, thing.surfaces
    height = thing.vertices[thing.faces, 1].mean(1)
    crown = (height > thing.blocks[0, 3]) if len(thing.blocks) > 1 else np.ones(len(height), dtype=bool)
    colours = np.where(crown[:, None], tint(rng, LEAVES, 0.12), tint(rng, BARKS)).astype(np.float32)
    return colours, np.where(crown, Surface.FOLIAGE, Surface.BARK).astype(np.uint8)


def asset_paths(folder: Path) -> dict[str, list[Path]]:
    """The mesh files of every folder that is named after a street class (all but air and ground), sorted."""
    if not folder.is_dir():
        raise DataError(f"There is no folder '{folder}' with assets.", hint="One folder per class: car/sedan.glb, tree/oak.glb.")
    kinds = (".glb", ".gltf", ".obj", ".ply", ".off")
    return {name: sorted(p for p in (folder / name).glob("*") if p.suffix.lower() in kinds) for name in STREET_CLASSES[1:-1]}


def load_assets(folder: Path) -> AssetShelf:
    """Read every mesh of the folders that are named after street classes; other folders are left alone."""
    from voxcli import files

    things: dict[str, list[StreetObject]] = {}
    for class_name, paths in asset_paths(folder).items():
        found = [to_object(class_name, files.read_as(path, Mesh)) for path in paths]
        kept = [thing for thing in found if len(thing.faces) <= MAX_FACES and not is_rest_pose(thing)]
        if kept:
            things[class_name] = kept
    if not things:
        raise DataError(
            f"'{folder}' holds no usable asset.", expected=f"folders named {', '.join(STREET_CLASSES[1:-1])}", actual="none with meshes"
        )
    return AssetShelf(things)


def load_shelf(assets_dir: str | Path | None) -> AssetShelf | None:
    """The assets of a folder, or None without one."""
    return load_assets(Path(assets_dir)) if assets_dir is not None else None


def is_rest_pose(thing: StreetObject) -> bool:
    """Whether a person has outstretched arms, as models are rigged. Nobody in a street stands so."""
    return thing.class_name == "person" and bool(thing.size[0] > 0.6 * thing.size[1])


def to_object(class_name: str, mesh: Mesh) -> StreetObject:
    """A mesh as a street object: centred in plan, set on y = 0; a tree keeps only its stem's room free below the crown."""
    vertices = mesh.vertices.astype(np.float64)
    low, high = vertices.min(0), vertices.max(0)
    vertices = vertices - np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    half, top = (high - low) / 2, high[1] - low[1]
    if mesh.face_colors is not None:
        colours = mesh.face_colors[:, :3].astype(np.float32) / 255
    elif mesh.vertex_colors is not None:
        colours = mesh.vertex_colors[mesh.faces][:, :, :3].mean(1).astype(np.float32) / 255
    else:
        colours = np.full((len(mesh.faces), 3), 0.6, dtype=np.float32)
    blocks = [(-half[0], half[0], 0.0, top, -half[2], half[2])]
    near = np.hypot(vertices[:, 0], vertices[:, 2]) < 0.6
    if class_name == "tree" and not near.all():
        clear = vertices[~near, 1].min() - 0.05
        if clear > 1.0:
            blocks = [(-0.6, 0.6, 0.0, clear, -0.6, 0.6), (-half[0], half[0], clear, top, -half[2], half[2])]
    plain = np.full(len(mesh.faces), Surface.PLAIN, dtype=np.uint8)
    style = np.zeros(STYLE_SIZE)
    style[:2] = 10.0, 0.4  # of leaves, for trees that have no colours
    faces, closed = mesh.faces.astype(np.int64), is_closed(mesh.faces)
    kinds = None if closed else face_kinds(vertices, faces)
    return StreetObject(class_name, vertices, faces, colours, plain, np.array(blocks), style, closed, kinds)


def is_closed(faces: np.ndarray) -> bool:
    """Whether every edge of faces [F, 3] has its twin that runs the other way, by vertex index: strict, so seams count as open."""
    start, end = faces[:, [0, 1, 2]].ravel().astype(np.int64), faces[:, [1, 2, 0]].ravel().astype(np.int64)
    count = int(faces.max()) + 1
    forth, back = np.unique(start * count + end), np.unique(end * count + start)
    return len(forth) == len(start) and np.array_equal(forth, back)
