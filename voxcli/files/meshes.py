"""Meshes and scene graphs through trimesh: OBJ, OFF, STL, glTF and GLB in, with every node transform applied.

Each geometry of each scene-graph node is one part, named by its path from the root, "parent/node/material" (the material only where
it has a name); see voxcli.files.mesh_parts for turning parts into classes. Vertices are taken as the file has them: those of STL,
which repeats every corner, are welded where they are exactly equal; other formats keep the seams of their textures.
"""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from voxcli.errors import DataError, EmptyMeshError, FileFormatError, VoxcliError
from voxcli.files import glb, mesh_colours, mesh_text
from voxcli.files.keyed import parse_meta
from voxcli.files.registry import Format, Options, Writer, register
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
            return _joined(pieces, linear, options.extension == ".stl", _restored(scene, source.name), source.name)
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
        return _joined(pieces, linear, False, _restored(scene, name), name)


def _load(source: Source, extension: str) -> trimesh.Scene:
    import trimesh

    if not source.data.strip():
        raise FileFormatError(f"{source.name} is empty.")
    if extension == ".stl":
        _check_binary_stl(source)
    if extension == ".obj":
        _check_obj_indices(source)
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


def _check_binary_stl(source: Source) -> None:
    """A binary STL says how many faces follow; one that says more than it holds would be taken for a text one."""
    data = bytes(source.data[:84])
    declared = int.from_bytes(data[80:84], "little")
    held = (len(source.data) - 84) // 50
    if len(data) == 84 and not data.lstrip().startswith(b"solid") and declared > held:
        raise FileFormatError(
            f"{source.name} is not a whole STL file.", expected=f"{declared} faces, as its header declares", actual=f"bytes for {held}"
        )


_VERTEX_0 = re.compile(rb"^[ \t]*f[ \t](?:[^\n]*[ \t])?0+(?=[/\s]|\Z)", re.MULTILINE)


def _check_obj_indices(source: Source) -> None:
    """OBJ counts vertices from 1, and from -1 backwards; trimesh would take vertex 0 for the last one."""
    if found := _VERTEX_0.search(source.data):
        line = source.data.count(b"\n", 0, found.start()) + 1
        text = source.data[found.start() :].splitlines()[0]
        raise FileFormatError(f"{source.name}, line {line}: a face names vertex 0.", expected="1 for the first vertex, as OBJ counts",
                              actual=text.strip()[:60].decode(errors="replace"))  # fmt: skip


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


def _joined(pieces: list[tuple[str, np.ndarray, trimesh.Trimesh]], linear: bool, weld: bool, restored: _Restored, name: str) -> Mesh:
    vertices, faces, colours, corner_colours, parts, names = [], [], [], [], [], []
    offset = 0
    for part, transform, geometry in pieces:
        placed = np.asarray(geometry.vertices, np.float64) @ transform[:3, :3].T + transform[:3, 3]
        corners = np.asarray(geometry.faces, np.int64)
        if np.linalg.det(transform[:3, :3]) < 0:
            corners = corners[:, ::-1]  # a mirrored node would turn its faces inside out
        if not np.isfinite(placed).all():
            raise DataError(
                f"{name} has NaN or infinite vertices.",
                actual=f"{int((~np.isfinite(placed)).any(axis=1).sum())} of {len(placed)} in '{part}'",
            )
        vertices.append(placed)
        faces.append(corners + offset)
        offset += len(placed)
        colours.append(mesh_colours.face_colours(geometry, linear))
        corner_colours.append(mesh_colours.vertex_colours(geometry, linear))
        if part not in names:
            names.append(part)
        parts.append(np.full(len(corners), names.index(part), np.int32))
    points, triangles = np.concatenate(vertices), np.concatenate(faces)
    coloured = [c for c in corner_colours if c is not None]
    at_corners = np.concatenate(coloured) if len(coloured) == len(corner_colours) else None
    if weld and at_corners is None:
        points, triangles = _welded(points, triangles)
    face_parts = np.concatenate(parts)
    labels, classes = _restored_labels(face_parts, names, restored)
    return Mesh(
        points,
        triangles,
        face_colors=_filled(colours, [len(f) for f in faces]),
        vertex_colors=at_corners,
        face_labels=labels,
        classes=classes,
        face_parts=face_parts,
        part_names=tuple(names),
        meta=restored.get("meta", {}),
    )


def _filled(colours: list[np.ndarray | None], counts: list[int]) -> np.ndarray | None:
    """Colours of all faces; grey for geometries without any, None where no geometry has any."""
    if all(c is None for c in colours):
        return None
    grey = np.array(mesh_colours.UNCOLOURED, np.uint8)
    return np.concatenate([np.broadcast_to(grey, (n, 3)) if c is None else c for c, n in zip(colours, counts, strict=True)])


def _welded(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exactly equal vertices become one, in the order of their first appearance."""
    # A stable sort by columns leaves equal vertices side by side, the earliest first; np.unique over rows takes ten times as long.
    order = np.lexsort(points.T)
    starts = np.concatenate([[True], (points[order[1:]] != points[order[:-1]]).any(axis=1)])
    group = np.zeros(len(points), np.int64)
    group[order] = np.cumsum(starts) - 1
    first = order[starts]
    appearance = np.argsort(first)
    rank = np.zeros(len(first), np.int64)
    rank[appearance] = np.arange(len(first))
    return points[first[appearance]], rank[group][faces]


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


def _restored_labels(parts: np.ndarray, names: list[str], restored: _Restored) -> tuple[np.ndarray | None, Labels | None]:
    classes: Labels | None = restored.get("classes")
    leaves = [name.split("/")[0] for name in names]
    if classes is None or not set(leaves) <= set(classes.names):
        return None, None
    ids = np.array([classes.names.index(leaf) for leaf in leaves], np.uint8 if len(classes.names) <= 256 else np.uint16)
    return ids[parts], classes


def _register(name: str, extensions: tuple[str, ...], summary: str, writer: Writer | None) -> None:
    register(Format(name, extensions, summary, reads=("mesh",), reader=read_mesh, writers={Mesh: writer} if writer else {}))


_register("OBJ", (".obj",), "mesh, with materials", mesh_text.write_obj)
_register("OFF", (".off",), "mesh; colours of faces are written, and not read", mesh_text.write_off)
_register("STL", (".stl",), "triangles without colour", mesh_text.write_stl)
_register("GLB", (".glb",), "scene graph, +y up, metres; one node per class when written", glb.write_glb)
_register("glTF", (".gltf",), "scene graph with its buffers beside it", None)
