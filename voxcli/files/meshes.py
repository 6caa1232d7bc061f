"""Meshes and scene graphs through trimesh: OBJ, OFF, STL, glTF and GLB in, with every node transform applied.

Each geometry of each scene-graph node is one part, named by its path from the root, "parent/node/material" (the material only where
it has a name); see voxcli.files.mesh_parts for turning parts into classes. Vertices are taken as the file has them: those of STL,
which repeats every corner, are welded where they are exactly equal; other formats keep the seams of their textures.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from voxcli.errors import DataError, EmptyMeshError, FileFormatError, VoxcliError
from voxcli.files import glb, mesh_text
from voxcli.files.keyed import parse_meta
from voxcli.files.mesh_colours import Material, texels_of, to_uint8
from voxcli.files.pieces import Piece, joined, placed
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.provenance import Meta
from voxcli.scene import Labels, Mesh, PointCloud

if TYPE_CHECKING:
    import trimesh


class _Restored(TypedDict, total=False):
    """What our own files state besides."""

    meta: Meta
    classes: Labels


def read_mesh(source: Source, kind: str | None, options: Options) -> Mesh:
    """A Mesh in the file's world frame (glTF: +y up, metres).

    Raises FileFormatError where the bytes are not of the format, DataError for a file without faces and for NaN vertices; for a file
    that states that it is a mesh of nothing, that DataError is an EmptyMeshError.
    """
    scene = _load(source, options.extension)
    linear = options.extension in (".glb", ".gltf")
    pieces = list(_pieces(scene))
    if not pieces:
        other = _other_content(scene)
        # Points, lines or words are something else than a mesh of nothing, which trimesh finds in all of them.
        nothing = EmptyMeshError if not other and mesh_text.states_nothing(source.data, options.extension) else DataError
        raise nothing(f"{source.name} holds no faces.", expected="a mesh of triangles", actual=other)
    try:
        with _quiet():
            return joined([_piece(*each) for each in pieces], source.name, linear=linear, **_restored(scene, source.name))
    except VoxcliError:
        raise
    except Exception as error:  # colours of broken textures raise whatever Pillow or trimesh meet
        raise _unreadable(source.name, options.extension, error) from error


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
        return joined([_piece(*each) for each in pieces], name, linear=linear, **_restored(scene, name))


def _load(source: Source, extension: str) -> trimesh.Scene:
    import trimesh

    if not source.data.strip():
        raise FileFormatError(f"{source.name} is empty.")
    try:
        with _quiet(), source.open() as file:
            resolver = trimesh.resolvers.FilePathResolver(str(source.path)) if source.path is not None else None
            # process=False: merging vertices and dropping faces is for those to decide who know what the mesh is for.
            loaded = trimesh.load(file, file_type=extension.lstrip("."), resolver=resolver, process=False)
            if isinstance(loaded, trimesh.Scene):
                return loaded
            scene = trimesh.Scene()
            scene.add_geometry(loaded, node_name="mesh")  # a format without names: ours is plainer than a made-up one
            return scene
    except MemoryError:
        raise
    except Exception as error:  # trimesh's readers raise whatever the bytes lead them to
        raise _unreadable(source.name, extension, error) from error


def _unreadable(name: str, extension: str, error: Exception) -> FileFormatError:
    """What trimesh and NumPy say of their own functions, arrays and modules tells a user nothing: only what we can put in our own words."""
    reason = None
    if isinstance(error, IndexError):
        reason = "an index beyond what the file holds"
    elif isinstance(error, FileNotFoundError) and error.filename:
        reason = f"the name of a file that is not beside it, {PurePath(error.filename).name}"
    elif "escapes resolver root" in str(error):
        reason = "the name of a file outside its own folder"
    return FileFormatError(
        f"{name} cannot be read as {_PRODUCT.get(extension, extension.lstrip('.').upper())}.", actual=reason,
        hint="The file may be truncated or damaged, or another format.",
    )  # fmt: skip


_PRODUCT = {".gltf": "glTF"}


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
    return Piece(name, vertices, faces, corner, None, seen, uv[faces] if textured else None)


def _shares(colours: np.ndarray | None, count: int) -> np.ndarray | None:
    """Colours [count, 3] from 0 to 1, of trimesh's of any type."""
    return None if colours is None or len(colours) != count else to_uint8(colours)[:, :3] / 255.0


def _restored(scene: trimesh.Scene, name: str) -> _Restored:
    """What voxcli.files.glb left in the scene's extras: meta, and the class names that its nodes carry."""
    left = scene.metadata.get("voxcli") if isinstance(scene.metadata, dict) else None
    if not isinstance(left, dict):
        return {}
    found: _Restored = {}
    if isinstance(left.get("meta"), str):
        found["meta"] = parse_meta(left["meta"], name)
    if isinstance(left.get("label_names"), list):
        found["classes"] = Labels(tuple(map(str, left["label_names"])), left.get("empty_label"), left.get("ignore_label"))
    return found



register(Format("GLB", (".glb",), "scene graph, +y up, metres; one node per class when written", ("mesh",), reader=read_mesh,
                writers={Mesh: glb.write_glb}))  # fmt: skip
register(Format("glTF", (".gltf",), "scene graph with its buffers beside it", ("mesh",), reader=read_mesh))
