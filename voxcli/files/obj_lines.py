"""The lines of an OBJ file as arrays. What is written alike in all lines is read at once, the rest word by word."""

from __future__ import annotations

import re
import warnings
from array import array
from dataclasses import dataclass, field

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files.source import Source, decoded

MISSING = -np.inf
"""Stands for a number that a line lacks."""
_START = -(2**63) + 1
"""Stands for the word at the beginning of a line of faces."""
_OTHERS = {
    b"l": "line(s)", b"p": "point(s)", b"curv": "curve(s)", b"curv2": "curve(s)", b"surf": "free-form surface(s)", b"vn": "normal(s)",
}  # fmt: skip
_COMMENT = re.compile(rb"#[^\n]*")
_CORNERS = ((rb"-?\d+", 1, False), (rb"-?\d+/-?\d+", 2, True), (rb"-?\d+//-?\d+", 2, False), (rb"-?\d+/-?\d+/-?\d+", 3, True))
"""How corners are written: as an expression, in how many numbers, whether the second one is that of the UV."""


@dataclass
class ObjLines:
    """What an OBJ file states.

    Lines as they stand: vertices, uvs, faces. Of each face: numbers: the line; vertices_seen and uvs_seen: how many of these stand
    before it; owners: an index into `groups`, (object, group, material) as the file calls them. libraries: what stands behind mtllib.
    others: how many of what is left out.
    """

    name: str
    vertices: list[bytes] = field(default_factory=list)
    uvs: list[bytes] = field(default_factory=list)
    faces: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    vertices_seen: list[int] = field(default_factory=list)
    uvs_seen: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    groups: list[tuple[str, ...]] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)

    def corners(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(vertex [K] and UV [K] of the corners of all faces in a row, corners [P] a face). A UV of -1 is none.

        Raises FileFormatError that names the line of a vertex that is not there.
        """
        vertex, uv, lengths = _indices_at_once(self.faces) or self._indices()
        row = np.repeat(np.arange(len(lengths)), lengths)
        # OBJ counts from 1, and from -1 backwards from the place of the face.
        at = np.where(vertex < 0, vertex + np.array(self.vertices_seen, np.int64)[row], vertex - 1)
        wrong = np.flatnonzero((at < 0) | (at >= len(self.vertices)))
        if len(wrong):
            face, index = int(row[wrong[0]]), int(vertex[wrong[0]])
            expected = "1 for the first vertex, as OBJ counts" if index == 0 else f"one of {len(self.vertices)}"
            raise FileFormatError(f"{self.name}, line {self.numbers[face]}: a face names vertex {index}.", expected=expected,
                                  actual=decoded(self.faces[face].strip()[:60]))  # fmt: skip
        uv = np.where(uv < 0, uv + np.array(self.uvs_seen, np.int64)[row], uv - 1)
        return at, np.where((uv < 0) | (uv >= len(self.uvs)), -1, uv), lengths

    def _indices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        vertex, uv, lengths = array("q"), array("q"), array("q")
        for number, line in zip(self.numbers, self.faces, strict=True):
            corners = [word.split(b"/") for word in line.split(b"#")[0].split()[1:]]
            try:
                vertex.extend(int(each[0]) for each in corners)
                uv.extend(int(each[1]) if len(each) > 1 and each[1] else 0 for each in corners)
            except (ValueError, OverflowError) as error:
                raise FileFormatError(f"{self.name}, line {number}: this is no face.", expected="indices of vertices",
                                      actual=decoded(line.strip()[:60])) from error  # fmt: skip
            lengths.append(len(corners))
        return np.array(vertex, np.int64), np.array(uv, np.int64), np.array(lengths, np.int64)

    def table(self, lines: list[bytes], key: bytes, columns: int) -> np.ndarray:
        """The first numbers [N, columns] behind the key of each line, MISSING where it has fewer. FileFormatError for other words."""
        text = _COMMENT.sub(b"", b"\n".join(lines)).replace(key, b" inf ")
        values = _numbers(text, np.float64)
        width = 0 if values is None or not lines else len(values) // len(lines)
        if values is not None and width > 1 and width * len(lines) == len(values) and (values[::width] == np.inf).all():
            rows = values.reshape(-1, width)[:, 1 : 1 + columns]
            return np.pad(rows, ((0, 0), (0, columns - rows.shape[1])), constant_values=MISSING)
        found = []
        for line in lines:
            try:
                numbers = [float(word) for word in line.split(b"#")[0].split()[1 : 1 + columns]]
            except ValueError as error:
                raise FileFormatError(f"{self.name} cannot be read as OBJ.", expected=f"numbers behind {decoded(key)}",
                                      actual=decoded(line.strip()[:60])) from error  # fmt: skip
            found.append(numbers + [MISSING] * (columns - len(numbers)))
        return np.array(found, np.float64).reshape(-1, columns)


def read_lines(source: Source) -> ObjLines:
    """Sort the lines of a file. Names may be of any encoding, words parted by any blanks. Raises FileFormatError for an empty file."""
    data = source.data
    if not data.strip():
        raise FileFormatError(f"{source.name} is empty.")
    if b"\\" in data:
        data = re.sub(rb"\\\r?\n", b" ", data)  # a line that goes on
    found = ObjLines(source.name)
    names = {b"o": 0, b"g": 1, b"usemtl": 2}
    current, known, owner = ["", "", ""], dict[tuple[str, ...], int](), -1
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        key = line[:2]
        if key not in (b"v ", b"f "):
            key = (line.split(None, 1) or [b""])[0]
        if key in (b"v ", b"v"):
            found.vertices.append(line)
        elif key in (b"f ", b"f"):
            if owner < 0:
                owner = known.setdefault(tuple(current), len(known))
            found.faces.append(line)
            found.owners.append(owner)
            found.numbers.append(number)
            found.vertices_seen.append(len(found.vertices))
            found.uvs_seen.append(len(found.uvs))
        elif key == b"vt":
            found.uvs.append(line)
        elif key in names:
            current[names[key]] = decoded(line.strip()[len(key) :].strip())
            owner = -1
        elif key == b"mtllib":
            found.libraries.append(decoded(line.strip()[6:].strip()))
        elif key in _OTHERS:
            found.others[_OTHERS[key]] = found.others.get(_OTHERS[key], 0) + 1
    found.groups = list(known)
    return found


def _indices_at_once(lines: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(vertex [K], UV [K], 0 for none, corners [P] a face) as the file counts; None where not all corners are written alike."""
    text = _COMMENT.sub(b"", b"\n".join(lines))
    for pattern, width, with_uv in _CORNERS:
        if re.search(rb"(?<!\S)(?!(?:f|" + pattern + rb")(?!\S))\S", text):
            continue  # a word of another kind
        values = _numbers(text.replace(b"/", b" ").replace(b"f", b" %d " % _START), np.int64)
        starts = None if values is None else np.flatnonzero(values == _START)
        if values is None or starts is None or len(starts) != len(lines):
            return None
        lengths = np.diff(np.append(starts, len(values))) - 1
        corners = values[values != _START].reshape(-1, width)
        return corners[:, 0], corners[:, 1] if with_uv else np.zeros(len(corners), np.int64), lengths // width
    return None


def _numbers(text: bytes, dtype: type) -> np.ndarray | None:
    """All numbers of a text, [n]; None where it holds something else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy stops at what is no number, and warns
            values: np.ndarray = np.fromstring(text.decode("ascii"), dtype, sep=" ")
            return values
    except (ValueError, DeprecationWarning):
        return None
