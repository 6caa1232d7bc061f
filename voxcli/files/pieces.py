"""What the readers of mesh formats find, and how it becomes one Mesh.

A piece has one material. Pieces of one name are one part of the mesh; see voxcli.files.mesh_parts for turning parts into classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voxcli import log
from voxcli.errors import DataError
from voxcli.files.mesh_colours import UNCOLOURED, Material, mean_over_corners, shown, surface_colours
from voxcli.provenance import Meta
from voxcli.scene import Labels, Mesh


@dataclass(frozen=True)
class Piece:
    """Faces of one material, in the world.

    name: of the part. vertices [V, 3] float64; pieces that share their vertices hold the very same array. faces [F, 3] int64. What
    colours there are, as numbers from 0 to 1: vertex_colors [V, 3], face_colors [F, 3], and the material with uv [F, 2] of the
    faces' centroids, v up.
    """

    name: str
    vertices: np.ndarray
    faces: np.ndarray
    vertex_colors: np.ndarray | None = None
    face_colors: np.ndarray | None = None
    material: Material | None = None
    uv: np.ndarray | None = None


def placed(vertices: np.ndarray, faces: np.ndarray, transform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] and faces [F, 3] after a transform [4, 4]. A mirrored one would turn the faces inside out: they are turned back."""
    moved = np.asarray(vertices, np.float64) @ transform[:3, :3].T + transform[:3, 3]
    return moved, faces[:, ::-1] if np.linalg.det(transform[:3, :3]) < 0 else faces


def used_only(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the vertices [n] that faces name, faces [F, 3] counted among these)."""
    named = np.zeros(len(vertices), bool)
    named[faces] = True
    if named.all():
        return np.arange(len(vertices)), faces
    number = np.cumsum(named) - 1
    return np.flatnonzero(named), number[faces]


def joined(pieces: Sequence[Piece], name: str, *, linear: bool = False, meta: Meta | None = None, classes: Labels | None = None) -> Mesh:
    """One mesh of all pieces, one part a name, in the order in which they come.

    linear: colours are linear light (glTF), else as shown. classes: the labels of the faces, where each part is named by one of them.
    name: what errors call the file. Raises DataError for NaN vertices.
    """
    vertices, faces, colours, corner_colours = [], [], [], []
    offset = total = 0
    last = Piece("", np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    for piece in pieces:
        if piece.vertices is not last.vertices:
            if bad := int((~np.isfinite(piece.vertices)).any(axis=1).sum()):
                raise DataError(f"{name} has NaN or infinite vertices.", actual=f"{bad} of {len(piece.vertices)} in '{piece.name}'")
            vertices.append(piece.vertices)
            corner_colours.append(None if piece.vertex_colors is None else shown(piece.vertex_colors, linear))
            offset, total = total, total + len(piece.vertices)
        elif piece.vertex_colors is not last.vertex_colors:
            corner_colours[-1] = None  # a vertex that is coloured by a material elsewhere
        last = piece
        faces.append(piece.faces + offset)
        colours.append(_face_colours(piece, corner_colours[-1], linear))
    names = list(dict.fromkeys(piece.name for piece in pieces))
    number = {part: i for i, part in enumerate(names)}
    face_parts = np.repeat(np.array([number[p.name] for p in pieces], np.int32), [len(p.faces) for p in pieces])
    coloured = [c for c in corner_colours if c is not None]
    labels, known = _labelled(face_parts, names, classes)
    return Mesh(
        np.concatenate(vertices),
        np.concatenate(faces),
        face_colors=_filled(colours, [len(f) for f in faces]),
        vertex_colors=np.concatenate(coloured) if len(coloured) == len(corner_colours) else None,
        face_labels=labels,
        classes=known,
        face_parts=face_parts,
        part_names=tuple(names),
        meta={} if meta is None else meta,
    )


def _face_colours(piece: Piece, at_vertices: np.ndarray | None, linear: bool) -> np.ndarray | None:
    """Colours [F, 3] uint8, None where the file states none. at_vertices: the vertices' own, [V, 3] uint8, as shown."""
    if piece.material is not None:
        corner = None if piece.vertex_colors is None else piece.vertex_colors[piece.faces].mean(axis=1)
        return surface_colours(piece.material, piece.uv, corner, len(piece.faces), linear)
    if piece.face_colors is not None:
        return shown(piece.face_colors, linear)
    return None if at_vertices is None else mean_over_corners(at_vertices, piece.faces)


def _filled(colours: list[np.ndarray | None], counts: list[int]) -> np.ndarray | None:
    """Colours of all faces; grey for pieces without any, None where no piece has any."""
    if all(c is None for c in colours):
        return None
    grey = np.array(UNCOLOURED, np.uint8)
    return np.concatenate([np.broadcast_to(grey, (n, 3)) if c is None else c for c, n in zip(colours, counts, strict=True)])


def _labelled(parts: np.ndarray, names: list[str], classes: Labels | None) -> tuple[np.ndarray | None, Labels | None]:
    leaves = [name.split("/")[0] for name in names]
    if classes is None or not set(leaves) <= set(classes.names):
        return None, None
    ids = np.array([classes.names.index(leaf) for leaf in leaves], np.uint8 if len(classes.names) <= 256 else np.uint16)
    return ids[parts], classes


def warn_left_out(name: str, counts: Mapping[str, int]) -> None:
    """One warning for all that a reader leaves out of a file. counts: how many of what, "face(s) of two corners"; none of 0."""
    if left := [f"{count} {what}" for what, count in counts.items() if count]:
        log.warn(f"{name}: left out: {', '.join(left)}.")
