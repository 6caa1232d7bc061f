"""STL, binary and text.

trimesh's reader takes a binary file whose length is not just what its header says for a text one, takes four corners of a loop for parts
of triangles, and finds nothing in a text without "endsolid".
"""

from __future__ import annotations

import re

import numpy as np

from voxcli import log
from voxcli.errors import DataError, EmptyMeshError, FileFormatError
from voxcli.files import mesh_text
from voxcli.files.pieces import Piece, joined, warn_left_out
from voxcli.files.polygons import triangles_of
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source, decoded
from voxcli.scene import Mesh

_ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_SOLID = re.compile(rb"^[ \t]*solid\b[ \t]*(.*?)[ \t]*(?=\bfacet\s+normal\b|$)", re.MULTILINE | re.IGNORECASE)
_END = re.compile(rb"\bend[ \t]*solid\b.*$", re.MULTILINE | re.IGNORECASE)


def read_stl(source: Source, kind: str | None, options: Options) -> Mesh:
    """A Mesh in the file's frame, its corners welded where they are exactly equal; the solids of a text file are its parts.

    Raises FileFormatError for damage, DataError for a file without faces and for NaN vertices; for a file that states that it is a mesh
    of nothing, that DataError is an EmptyMeshError.
    """
    if not source.data.strip():
        raise FileFormatError(f"{source.name} is empty.")
    solids = _text_solids(source) if _is_text(source.data) else [("mesh", _binary_corners(source))]
    solids = [(name, corners) for name, corners in solids if len(corners)]
    if not solids:
        nothing = EmptyMeshError if mesh_text.is_faceless(source.data, ".stl") else DataError
        raise nothing(f"{source.name} holds no faces.", expected="a mesh of triangles")
    points = np.concatenate([corners.reshape(-1, 3) for _, corners in solids])
    vertices, number = _welded(points)
    faces = number.reshape(-1, 3)
    ends = np.cumsum([len(corners) for _, corners in solids])
    names = ["mesh"] if len(solids) == 1 else [name or f"solid_{i}" for i, (name, _) in enumerate(solids, 1)]
    return joined([Piece(name, vertices, each) for name, each in zip(names, np.split(faces, ends[:-1]), strict=True)], source.name)


def _is_text(data: bytes) -> bool:
    """Many binary files begin with "solid", too."""
    if len(data) == 84 + 50 * int.from_bytes(data[80:84], "little"):
        return False
    return len(data) < 84 or bool(re.search(rb"\bfacet\b|\bend\s*solid\b", data, re.IGNORECASE))


def _binary_corners(source: Source) -> np.ndarray:
    """[F, 3, 3]. Bytes behind the last face are left out; a count of 0, of a writer that did not come back to it, is that of the bytes."""
    data = source.data
    declared, held = int.from_bytes(data[80:84], "little"), (len(data) - 84) // 50
    rest = len(data) - 84 - 50 * declared
    if declared > held or (declared == 0 and rest % 50):
        raise FileFormatError(
            f"{source.name} is not a whole STL file.", expected=f"{declared} faces, as its header declares", actual=f"bytes for {held}"
        )
    if declared == 0:
        declared, rest = held, 0
    warn_left_out(source.name, {f"byte(s) behind the {declared} faces that its header declares": rest})
    return np.frombuffer(data, _ROW, declared, 84)["corners"].astype(np.float64)


def _text_solids(source: Source) -> list[tuple[str, np.ndarray]]:
    """(name, corners [F, 3, 3]) of each solid. Words may be in upper case, parted ("end loop") or missing at the end ("endsolid")."""
    data, ended = _END.subn(b"", source.data.replace(b"\r", b"\n"))  # a solid may be called "vertex"
    heads = [*_SOLID.finditer(data)]
    if ended < len(heads) and b"facet" in data.lower():
        log.warn(f"{source.name} ends without 'endsolid': it may have been cut off.")
    ends = [each.start() for each in heads[1:]] + [len(data)]
    if not heads:
        return [("", _text_corners(source.name, data))]
    return [
        (decoded(head[1]).strip().replace("/", "_"), _text_corners(source.name, data[head.end() : end]))
        for head, end in zip(heads, ends, strict=True)
    ]


def _text_corners(name: str, text: bytes) -> np.ndarray:
    words = text.lower().split()
    at = [i for i, word in enumerate(words) if word == b"vertex"]
    try:
        points = np.array([[float(word) for word in words[i + 1 : i + 4]] for i in at], np.float64).reshape(len(at), 3)
    except ValueError as error:
        raise _unreadable(name, expected="three numbers behind each 'vertex'") from error
    if at and words[-1] not in (b"endfacet", b"facet", b"endloop", b"loop"):
        raise _unreadable(name, expected="the end of the last face")
    facets = np.array([i for i, word in enumerate(words) if word == b"facet" and words[i - 1] != b"end"], np.int64)
    lengths = np.bincount(np.searchsorted(facets, at), minlength=len(facets) + 1)
    if lengths[0] or ((lengths > 0) & (lengths < 3)).any():
        raise _unreadable(name, expected="three or more corners a facet", actual=f"{lengths[0] or lengths[lengths > 0].min()}")
    places, _ = triangles_of(points, np.arange(len(points)), lengths)
    corners: np.ndarray = points[places]
    return corners


def _welded(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(vertices, which of them each of points [N, 3] is): exactly equal ones are one, in the order of their first appearance."""
    # A stable sort by columns leaves equal vertices side by side, the earliest first; np.unique over rows takes ten times as long.
    order = np.lexsort(points.T)
    starts = np.concatenate([[True], (points[order[1:]] != points[order[:-1]]).any(axis=1)])
    group = np.zeros(len(points), np.int64)
    group[order] = np.cumsum(starts) - 1
    first = order[starts]
    appearance = np.argsort(first)
    rank = np.zeros(len(first), np.int64)
    rank[appearance] = np.arange(len(first))
    return points[first[appearance]], rank[group]


def _unreadable(name: str, expected: str, actual: str | None = None) -> FileFormatError:
    return FileFormatError(f"{name} cannot be read as STL.", expected=expected, actual=actual,
                           hint="The file may be truncated or damaged, or another format.")  # fmt: skip


register(Format("STL", (".stl",), "triangles without colour", reads=("mesh",), reader=read_stl, writers={Mesh: mesh_text.write_stl}))
