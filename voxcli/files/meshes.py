"""Meshes of trimesh, in memory, as ours."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError
from voxcli.files.glb import read_extras
from voxcli.files.mesh_colours import Material, texels_of, to_uint8
from voxcli.files.pieces import Piece, joined, placed
from voxcli.scene import Mesh, PointCloud

if TYPE_CHECKING:
    import trimesh


def shape_of_trimesh(thing: trimesh.Trimesh | trimesh.Scene | trimesh.PointCloud, name: str) -> Mesh | PointCloud:
    """A trimesh object as ours: meshes and scenes as a Mesh, one part a geometry, every node transform applied; clouds as a PointCloud.

    Colours of glTF materials are linear light, others sRGB. name: what errors call it. Raises DataError for a scene without faces.
    """
    import trimesh

    if isinstance(thing, trimesh.PointCloud):
        return PointCloud(np.asarray(thing.vertices, np.float64))
    scene = thing
    if not isinstance(scene, trimesh.Scene):
        scene = trimesh.Scene()
        scene.add_geometry(thing, node_name="mesh")
    pieces = list(_pieces(scene))
    if not pieces:
        if isinstance(thing, trimesh.Trimesh):
            return Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
        raise DataError(f"The {name} holds no faces.", expected="a mesh of triangles", actual=_other_content(scene))
    linear = any(isinstance(getattr(piece[2].visual, "material", None), trimesh.visual.material.PBRMaterial) for piece in pieces)
    with _quiet():
        meta, classes = read_extras(scene.metadata.get("voxcli") if isinstance(scene.metadata, dict) else None, name)
        return joined([_piece(*each) for each in pieces], name, linear=linear, meta=meta, classes=classes)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Missing textures and odd colours are no news to our users: stderr is for our own words."""
    logger = logging.getLogger("trimesh")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def _pieces(scene: trimesh.Scene) -> Iterator[tuple[str, np.ndarray, trimesh.Trimesh]]:
    """(part name, node-to-world transform [4, 4], geometry) of everything that has faces."""
    import trimesh

    for node in scene.graph.nodes_geometry:
        transform, key = scene.graph[node]
        geometry = scene.geometry[key]
        if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
            yield _part_name(scene, node, geometry), np.asarray(transform, np.float64), geometry


def _part_name(scene: trimesh.Scene, node: str, geometry: trimesh.Trimesh) -> str:
    parents = scene.graph.transforms.parents
    path: list[str] = []
    place: str | None = node
    while place is not None and place != scene.graph.base_frame and len(path) < 64:
        path.append(str(place).replace("/", "_"))
        place = parents.get(place)
    material = getattr(getattr(geometry.visual, "material", None), "name", None)
    return "/".join([*reversed(path), *([str(material).replace("/", "_")] if material else [])])


def _other_content(scene: trimesh.Scene) -> str | None:
    kinds = sorted({type(g).__name__ for g in scene.geometry.values() if len(getattr(g, "vertices", ()))})
    return f"only {' and '.join(_IN_WORDS.get(kind, 'other shapes') for kind in kinds)}" if kinds else None


_IN_WORDS = {
    "Trimesh": "vertices, and no face of three corners or more", "PointCloud": "points", "Path2D": "lines", "Path3D": "lines",
}  # fmt: skip


def _piece(name: str, transform: np.ndarray, geometry: trimesh.Trimesh) -> Piece:
    import trimesh
    from trimesh.visual import TextureVisuals

    vertices, faces = placed(geometry.vertices, np.asarray(geometry.faces, np.int64), transform)
    visual = geometry.visual
    if not isinstance(visual, TextureVisuals):
        assert visual is not None
        kind = visual.kind
        return Piece(
            name, vertices, faces,
            vertex_colors=_shares(visual.vertex_colors, len(vertices)) if kind == "vertex" else None,
            face_colors=_shares(visual.face_colors, len(faces)) if kind == "face" else None,
        )  # fmt: skip
    material, uv = visual.material, visual.uv
    image = getattr(material, "baseColorTexture", None)
    image = getattr(material, "image", None) if image is None else image
    textured = image is not None and uv is not None and len(uv) == len(vertices)
    factor = getattr(material, "baseColorFactor", None)
    if factor is None and not textured and not isinstance(material, trimesh.visual.material.PBRMaterial):
        factor = getattr(material, "diffuse", None)
    seen = Material(None if factor is None else to_uint8(factor)[:3] / 255.0, texels_of(image) if image is not None and textured else None)
    corner = _shares(visual.vertex_attributes.get("color"), len(vertices))
    return Piece(name, vertices, faces, corner, None, seen, uv[faces].mean(axis=1) if textured else None)


def _shares(colours: np.ndarray | None, count: int) -> np.ndarray | None:
    """Colours [count, 3] from 0 to 1, of trimesh's of any type."""
    return None if colours is None or len(colours) != count else to_uint8(colours)[:, :3] / 255.0
