"""Mesh writers for formats of a few lines: OBJ, OFF, STL; and how such a file states a mesh of nothing."""

from __future__ import annotations

import struct

import numpy as np

from voxcli.files.keyed import meta_text
from voxcli.files.mesh_colours import label_colours
from voxcli.files.registry import Options
from voxcli.scene import Mesh

_OBJ_WORDS = {"o", "g", "s", "mtllib", "usemtl"}
"""Statements of an OBJ file that add no geometry."""


def is_faceless(data: bytes, extension: str) -> bool:
    """Whether a file in which no face was found says so itself: an OBJ of names and comments alone, an OFF or binary STL whose header
    counts no faces, a text STL that begins and ends. glTF has no way to say it, as an accessor holds one element or more.
    """
    if extension == ".stl" and len(data) == 84:
        return data[80:] == bytes(4)
    words = [line.split(b"#")[0].split() for line in data.splitlines()]
    words = [line for line in words if line]
    if extension == ".obj":
        return all(line[0].decode(errors="replace") in _OBJ_WORDS for line in words)
    if extension == ".off":
        numbers = [word for line in words for word in line][1:]
        return len(numbers) >= 2 and numbers[:2] == [b"0", b"0"]
    return extension == ".stl" and [line[0] for line in words] == [b"solid", b"endsolid"]


def shown_face_colours(mesh: Mesh) -> np.ndarray | None:
    """Class colours where faces are labelled, else the face colours, [F, 3] uint8."""
    if mesh.face_labels is not None and mesh.classes is not None:
        return label_colours(mesh.face_labels, mesh.classes)
    return mesh.face_colors


def groups(mesh: Mesh) -> list[tuple[str, np.ndarray]]:
    """(name, face indices): one group a class where faces are labelled, one a part where they have parts, else one in all."""
    if mesh.face_labels is not None and mesh.classes is not None:
        ids, names = mesh.face_labels, mesh.classes.names
    elif mesh.face_parts is not None and mesh.part_names:
        ids, names = mesh.face_parts, mesh.part_names
    else:
        return [("mesh", np.arange(len(mesh.faces)))]
    return [(names[i] if i < len(names) else f"class_{i}", np.flatnonzero(ids == i)) for i in np.unique(ids)]


def write_obj(mesh: Mesh, options: Options) -> bytes:
    """OBJ with one object per class or part. Colours stand behind the vertices ("v x y z r g b"), as no second file is written;
    vertices that several colours share are repeated. The first line is a comment with `meta`."""
    lines = [f"# voxcli meta {meta_text(mesh.meta)}"] if mesh.meta else []
    offset = 1
    for name, chosen in groups(mesh):
        vertices, faces, colours = _coloured_vertices(mesh, chosen)
        lines.append("o " + "_".join(name.split()))
        if colours is None:
            lines += [f"v {x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()]
        else:
            lines += [f"v {x!r} {y!r} {z!r} {r:.4f} {g:.4f} {b:.4f}" for (x, y, z), (r, g, b) in
                      zip(vertices.tolist(), (colours / 255.0).tolist(), strict=True)]  # fmt: skip
        lines += [f"f {a} {b} {c}" for a, b, c in (faces + offset).tolist()]
        offset += len(vertices)
    return ("\n".join(lines) + "\n").encode()


def _coloured_vertices(mesh: Mesh, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """(vertices, faces, vertex colours) of the chosen faces, split where one vertex would need two colours."""
    corners = mesh.faces[chosen].reshape(-1)
    by_face = shown_face_colours(mesh)
    labelled = mesh.face_labels is not None and mesh.classes is not None
    if by_face is None or (mesh.vertex_colors is not None and not labelled):
        used, faces = np.unique(corners, return_inverse=True)
        colours = mesh.vertex_colors[used] if mesh.vertex_colors is not None else None
        return mesh.vertices[used], faces.reshape(-1, 3), colours
    colour_of = np.repeat(by_face[chosen].astype(np.int64) @ np.array([65536, 256, 1]), 3)
    pairs, faces = np.unique(corners * (1 << 24) + colour_of, return_inverse=True)
    packed = pairs % (1 << 24)
    return (
        mesh.vertices[pairs >> 24],
        faces.reshape(-1, 3),
        np.stack([packed >> 16, (packed >> 8) & 255, packed & 255], axis=-1).astype(np.uint8),
    )


def write_off(mesh: Mesh, options: Options) -> bytes:
    """OFF with face colours where there are any (labels, then face colours)."""
    colours = shown_face_colours(mesh)
    lines = ["OFF", f"{len(mesh.vertices)} {len(mesh.faces)} 0"]
    lines += [f"{x!r} {y!r} {z!r}" for x, y, z in mesh.vertices.astype(np.float64).tolist()]
    if colours is None:
        lines += [f"3 {a} {b} {c}" for a, b, c in mesh.faces.tolist()]
    else:
        lines += [
            f"3 {a} {b} {c} {red} {green} {blue}"
            for (a, b, c), (red, green, blue) in zip(mesh.faces.tolist(), colours.tolist(), strict=True)
        ]
    return ("\n".join(lines) + "\n").encode()


def write_stl(mesh: Mesh, options: Options) -> bytes:
    """Binary STL, float32; the normals follow from the corners."""
    corners = mesh.vertices[mesh.faces]  # [F, 3, 3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    rows = np.zeros(len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    rows["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    rows["corners"] = corners
    return b"voxcli".ljust(80, b"\0") + struct.pack("<I", len(rows)) + rows.tobytes()
