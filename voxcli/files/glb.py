"""GLB writer (glTF 2.0): +y up, one node per class or part, colours as linear light.

A labelled mesh gets one node and one material per class, both named by the class and coloured as voxcli shows it. Otherwise colours
stand at the vertices (COLOR_0); faces with colours of their own then get corners of their own. Class names and meta travel in the
scene's extras, under `voxcli`, so that a written file reads back labelled. trimesh's writer leaves a vertex colour of 128 at 128 / 255,
where glTF wants linear light, 0.216.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import numpy as np

from voxcli.errors import DataError
from voxcli.files.keyed import meta_text, parse_meta
from voxcli.files.mesh_colours import srgb_to_linear
from voxcli.files.mesh_text import groups
from voxcli.files.registry import Options
from voxcli.provenance import Json, Meta
from voxcli.scene import Labels, Mesh, class_colour

_TYPES = {np.dtype(np.float32): 5126, np.dtype(np.uint32): 5125, np.dtype(np.uint16): 5123}
_ARRAY, _INDICES = 34962, 34963


class _Binary:
    """The one buffer of the file, and the tables that say what lies where."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.views: list[dict[str, Json]] = []
        self.accessors: list[dict[str, Json]] = []

    def add(self, values: np.ndarray, shape: str, *, bounds: bool = False) -> int:
        """Append values (float32, or uint32 or uint16 of indices), return the index of their accessor."""
        index_list = values.dtype != np.float32
        self.views.append(
            {"buffer": 0, "byteOffset": len(self.bytes), "byteLength": values.nbytes, "target": _INDICES if index_list else _ARRAY}
        )
        self.bytes += values.tobytes() + bytes(-values.nbytes % 4)  # every view begins at a multiple of four
        accessor: dict[str, Json] = {
            "bufferView": len(self.views) - 1,
            "componentType": _TYPES[values.dtype],
            "count": len(values),
            "type": shape,
        }
        if bounds:
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def write_glb(mesh: Mesh, options: Options) -> bytes:
    """A whole GLB file. Raises DataError for a mesh without faces: the format knows no empty node."""
    if not len(mesh.faces):
        raise DataError("A GLB file needs at least one face.", hint="There is nothing to show.")
    binary = _Binary()
    labelled = mesh.face_labels is not None and mesh.classes is not None
    meshes, materials, nodes = [], [], []
    for index, (name, chosen) in enumerate(groups(mesh)):
        vertices, faces, colours = _corners(mesh, chosen, labelled)
        attributes = {"POSITION": binary.add(vertices.astype(np.float32), "VEC3", bounds=True)}
        if colours is not None:
            attributes["COLOR_0"] = binary.add(srgb_to_linear(colours / 255.0).astype(np.float32), "VEC3")
        # TRIANGLES is the default mode; indices into the node's own vertices.
        kind = np.uint16 if len(vertices) < 65535 else np.uint32  # 65535 itself is reserved
        indices = binary.add(np.ascontiguousarray(faces.reshape(-1).astype(kind)), "SCALAR")
        meshes.append({"name": name, "primitives": [{"attributes": attributes, "indices": indices, "material": index}]})
        by_name = labelled or (colours is None and mesh.face_parts is not None and bool(mesh.part_names))
        shown = class_colour(name.split("/")[-1]) if by_name else (255, 255, 255) if colours is not None else None
        base = [0.4] * 3 if shown is None else srgb_to_linear(np.array(shown) / 255.0).tolist()
        materials.append(
            {
                "name": name.split("/")[-1],
                "doubleSided": True,
                "pbrMetallicRoughness": {"baseColorFactor": [*base, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.9},
            }
        )
        nodes.append({"name": name, "mesh": index})
    tree = {
        "asset": {"version": "2.0", "generator": "voxcli"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(nodes))), "extras": {"voxcli": _extras(mesh, labelled)}}],
        "nodes": nodes,
        "meshes": meshes,
        "materials": materials,
        "accessors": binary.accessors,
        "bufferViews": binary.views,
        "buffers": [{"byteLength": len(binary.bytes)}],
    }
    return _container(json.dumps(tree, separators=(",", ":"), ensure_ascii=True).encode(), bytes(binary.bytes))


def _corners(mesh: Mesh, chosen: np.ndarray, labelled: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """(vertices, faces, vertex colours or None) of the chosen faces."""
    by_face = mesh.face_colors is not None and mesh.vertex_colors is None and not labelled
    if by_face:
        assert mesh.face_colors is not None
        corners = mesh.faces[chosen].reshape(-1)
        return mesh.vertices[corners], np.arange(len(corners)).reshape(-1, 3), np.repeat(mesh.face_colors[chosen], 3, axis=0)
    used, faces = np.unique(mesh.faces[chosen], return_inverse=True)
    colours = mesh.vertex_colors[used] if mesh.vertex_colors is not None and not labelled else None
    return mesh.vertices[used], faces.reshape(-1, 3), colours


def _extras(mesh: Mesh, labelled: bool) -> dict[str, Json]:
    extras: dict[str, Json] = {"meta": meta_text(mesh.meta)}
    if labelled and mesh.classes is not None:
        extras |= {"label_names": list(mesh.classes.names), "empty_label": mesh.classes.empty, "ignore_label": mesh.classes.ignore}
    return extras


def read_extras(left: Json, name: str) -> tuple[Meta, Labels | None]:
    """(meta, classes) of what the writer left in a scene's extras; {} and None for other programs' files. name: what errors call it."""
    if not isinstance(left, Mapping):
        return {}, None
    meta, names = left.get("meta"), left.get("label_names")
    empty, ignore = left.get("empty_label"), left.get("ignore_label")
    stated = parse_meta(meta, name) if isinstance(meta, str) else {}
    if not isinstance(names, list) or not isinstance(empty, int | None) or not isinstance(ignore, int | None):
        return stated, None
    return stated, Labels(tuple(map(str, names)), empty, ignore)


def _container(text: bytes, binary: bytes) -> bytes:
    """The two chunks of a GLB, each padded to four bytes."""
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    total = 12 + 8 + len(text) + 8 + len(binary)
    return (
        struct.pack("<4sII", b"glTF", 2, total)
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(binary), b"BIN\0")
        + binary
    )
