"""OFF and COFF: polygons with colours of vertices or faces.

trimesh's reader leaves out all colours, and fails at polygons of more than four corners.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field

import numpy as np

from voxcli.errors import DataError, EmptyMeshError, FileFormatError
from voxcli.files import mesh_text
from voxcli.files.mesh_colours import UNCOLOURED
from voxcli.files.pieces import Piece, joined, warn_left_out
from voxcli.files.polygons import triangles_of
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source, decoded
from voxcli.scene import Mesh

# ModelNet's files have the counts behind the word, without a blank.
_HEADER = re.compile(rb"\s*(ST)?(C)?(N)?(4)?(n)?OFF(?![A-Za-z])\s*(BINARY)?")


def read_off(source: Source, kind: str | None, options: Options) -> Mesh:
    """A Mesh in the file's frame, of one part.

    Raises FileFormatError for damage and for OFF of another dimension, DataError for a file without faces and for NaN vertices; for a
    file that states that it is a mesh of nothing, that DataError is an EmptyMeshError.
    """
    data = source.data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise FileFormatError(f"{source.name} is empty.")
    source.refuse_utf16()
    lines = [line for line in (each.split(b"#")[0].strip() for each in data.splitlines()) if line]
    header = _HEADER.match(lines[0]) if lines else None
    if header is None:
        raise _unreadable(source.name, expected="the word OFF at its beginning")
    textured, coloured, normals, four, dimension, binary = (bool(each) for each in header.groups())
    if four or dimension or binary:
        raise _unreadable(source.name, expected="vertices of three numbers, as text", actual=header[0].decode().strip())
    rest = lines[0][header.end() :].strip()
    lines = [rest, *lines[1:]] if rest else lines[1:]
    stated = decoded((lines or [b"nothing"])[0][:60])
    if not re.match(r"\d+\s+\d+(?!\S)", stated):
        raise _unreadable(source.name, expected="the numbers of vertices and faces", actual=stated)
    vertex_count, face_count = (int(each) for each in stated.split()[:2])
    if len(lines) - 1 < vertex_count + face_count:
        raise _unreadable(source.name, expected=f"{vertex_count} vertices and {face_count} faces, as its header declares",
                          actual=f"{len(lines) - 1} lines")  # fmt: skip
    rows = _numbers(lines[1 : 1 + vertex_count], source.name, "vertex")
    if any(len(row) < 3 for row in rows):
        raise _unreadable(source.name, expected="three numbers a vertex", actual=f"{min(map(len, rows))}")
    faces = _faces(lines[1 + vertex_count : 1 + vertex_count + face_count], source.name)
    colours_at = 3 + 3 * normals
    at_vertices = _colours([row[colours_at : len(row) - 2 * textured] for row in rows]) if coloured else None
    more = sum(len(row) >= colours_at + 3 for row in rows) if not coloured and not textured else 0
    warn_left_out(source.name, {"normal(s)": vertex_count * normals, "colour(s) of vertices, as the header names none": more})
    return _mesh(source, np.array([row[:3] for row in rows], np.float64).reshape(-1, 3), at_vertices, faces)


@dataclass
class _Faces:
    """lengths: corners a face. corners: indices of all in a row. behind: the numbers behind each, its colour."""

    lengths: array[int] = field(default_factory=lambda: array("q"))
    corners: array[int] = field(default_factory=lambda: array("q"))
    behind: list[list[float]] = field(default_factory=list)


def _faces(lines: list[bytes], name: str) -> _Faces:
    found = _Faces()
    for line in lines:
        words = line.split()
        try:
            count = int(words[0])
            indices = array("q", map(int, words[1 : 1 + max(count, 0)]))
            behind = [*map(float, words[1 + max(count, 0) :])]
        except (ValueError, OverflowError) as error:
            raise _unreadable(name, expected="whole numbers of a face", actual=decoded(line[:60])) from error
        if len(indices) != count:
            raise _unreadable(name, expected="as many corners as the face declares", actual=decoded(line[:60]))
        found.lengths.append(count)
        found.corners += indices
        found.behind.append(behind)
    return found


def _mesh(source: Source, vertices: np.ndarray, at_vertices: np.ndarray | None, found: _Faces) -> Mesh:
    corners, lengths = np.array(found.corners, np.int64), np.array(found.lengths, np.int64)
    places, of = triangles_of(vertices, corners, lengths)
    if not len(places):
        other = "only vertices, and no face of three corners or more" if len(vertices) else None
        nothing = EmptyMeshError if not other and mesh_text.is_faceless(source.data, ".off") else DataError
        raise nothing(f"{source.name} holds no faces.", expected="a mesh of triangles", actual=other)
    warn_left_out(source.name, {"face(s) of fewer than three corners": int((lengths < 3).sum()),
                               "face colour(s) given by a number of a colour map": sum(len(row) == 1 for row in found.behind)})  # fmt: skip
    at_faces = _colours(found.behind)
    face_colors = None if at_faces is None else at_faces[of]
    return joined([Piece("mesh", vertices, corners[places], at_vertices, face_colors)], source.name)


def _colours(rows: list[list[float]]) -> np.ndarray | None:
    """Colours [N, 3] from 0 to 1 of rows of three or four numbers, grey for others; None where there are none.

    The format tells whole numbers up to 255 from shares of 1 by how they are written; a file of noughts and ones alone is one of shares.
    """
    stated = {i: row[:3] for i, row in enumerate(rows) if len(row) in (3, 4)}
    if not stated:
        return None
    colours = np.tile(np.array(UNCOLOURED) / 255.0, (len(rows), 1))
    values = np.nan_to_num(np.array([*stated.values()]))
    colours[[*stated]] = values / (255.0 if values.max() > 1 else 1.0)
    return colours


def _numbers(lines: list[bytes], name: str, what: str) -> list[list[float]]:
    rows = []
    for line in lines:
        try:
            rows.append([*map(float, line.split())])
        except ValueError as error:
            raise _unreadable(name, expected=f"numbers of a {what}", actual=decoded(line[:60])) from error
    return rows


def _unreadable(name: str, expected: str, actual: str | None = None) -> FileFormatError:
    return FileFormatError(f"{name} cannot be read as OFF.", expected=expected, actual=actual,
                           hint="The file may be truncated or damaged, or another format.")  # fmt: skip


register(Format("OFF", (".off",), "mesh of polygons, with colours of vertices or faces", reads=("mesh",), reader=read_off,
                writers={Mesh: mesh_text.write_off}))  # fmt: skip
