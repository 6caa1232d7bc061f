"""The PLY container: a header that declares elements and properties, then rows, as text or binary in either byte order.

Knows nothing of points or meshes: see voxcli.files.ply. trimesh's reader takes files of triangle strips for points, refuses binary files in
which triangles and quadrilaterals follow each other, and drops the labels and radii of points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from voxcli.errors import FileFormatError

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_NAMES = {"i1": "char", "u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int", "u4": "uint", "f4": "float", "f8": "double"}
_Field = tuple[str, str] | tuple[str, str, tuple[int]]
"""A field of a NumPy record: (name, type), and its length where it is a list."""
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}


@dataclass(frozen=True)
class Property:
    """One column. count_type is set for lists."""

    name: str
    type: str
    count_type: str | None = None


@dataclass
class Element:
    """A table: scalar columns [count], and lists as (lengths [count], all values one after the other)."""

    count: int
    properties: list[Property] = field(default_factory=list)
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    lists: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Ply:
    """Elements by name, and the comment lines."""

    elements: dict[str, Element]
    comments: list[str]


def parse_ply(data: bytes, name: str) -> Ply:
    """Read a whole PLY file. Raises FileFormatError that says what is wrong and where."""
    encoding, elements, comments, start = _parse_header(data, name)
    if encoding == "ascii":
        _read_ascii(data[start:], elements, name)
    else:
        _read_binary(data, start, _BYTE_ORDERS[encoding], elements, name)
    return Ply(elements, comments)


def header_counts(data: bytes, name: str) -> dict[str, int]:
    """How many rows each element has, by the header at the beginning of a file. Raises FileFormatError where it cannot be read."""
    return {key: element.count for key, element in _parse_header(data, name)[1].items()}


def _parse_header(data: bytes, name: str) -> tuple[str, dict[str, Element], list[str], int]:
    if data[:3] != b"ply" or data[3:4] not in (b"\n", b"\r"):
        raise FileFormatError(f"{name} is not a PLY file.", expected="a first line 'ply'", actual=repr(data[:12]))
    encoding, elements, comments = "", {}, []
    current: Element | None = None
    lines = _header_lines(data, name)
    for line in lines[0][1:]:
        words = line.split()
        try:
            match words[:1]:
                case ["format"]:
                    encoding = words[1]
                case ["comment"] | ["obj_info"]:
                    comments.append(line.split(None, 1)[1] if len(words) > 1 else "")
                case ["element"]:
                    current = elements[words[1]] = Element(int(words[2]))
                    if current.count < 0:
                        raise ValueError
                case ["property"]:
                    assert current is not None
                    current.properties.append(_parse_property(words))
                    if len({each.name for each in current.properties}) < len(current.properties):
                        raise ValueError("a property of this name was there before")
        except (IndexError, ValueError, KeyError, AssertionError) as error:
            raise FileFormatError(f"{name}: the PLY header has a line that cannot be read.", actual=repr(line)) from error
    if encoding not in _BYTE_ORDERS:
        raise FileFormatError(f"{name}: unknown PLY format.", expected=" or ".join(_BYTE_ORDERS), actual=encoding or "no format line")
    return encoding, elements, comments, lines[1]


def _header_lines(data: bytes, name: str) -> tuple[list[str], int]:
    """The lines of the header before `end_header`, and where the data begin. A line ends as the first one does: in LF, CR LF or CR."""
    stop = b"\r" if data[3:4] == b"\r" and data[4:5] != b"\n" else b"\n"
    lines: list[str] = []
    position = 0
    while position < len(data):
        end = data.find(stop, position)
        end = len(data) if end < 0 else end
        line = data[position:end].decode("utf-8", "replace").strip()
        position = end + 1
        if line == "end_header":
            return lines, min(position, len(data))
        lines.append(line)
    raise FileFormatError(f"{name}: the PLY header has no 'end_header' line.", hint="The file may be truncated.")


def _parse_property(words: list[str]) -> Property:
    if words[1] == "list":
        return Property(words[4], _TYPES[words[3]], _TYPES[words[2]])
    return Property(words[2], _TYPES[words[1]])


def _too_short(name: str, element: str, count: int) -> FileFormatError:
    return FileFormatError(f"{name} ends before its data.", expected=f"{count} rows of '{element}'", hint="The file may be truncated.")


def _read_binary(data: bytes, position: int, order: str, elements: Mapping[str, Element], name: str) -> None:
    for key, element in elements.items():
        if not element.count or not element.properties:
            continue
        lengths = _first_list_lengths(data, position, order, element)
        kind = np.dtype([f for p, n in zip(element.properties, lengths, strict=True) for f in _fields(p, n, order)])
        rows = None
        if position + kind.itemsize * element.count <= len(data):
            rows = np.frombuffer(data, kind, element.count, position)
            # Nearly all files hold triangles only. Where one list has another length, the columns do not line up: read row by row.
            if not all((rows[f"#{p.name}"] == n).all() for p, n in zip(element.properties, lengths, strict=True) if p.count_type):
                rows = None
        if rows is None:
            if not any(p.count_type for p in element.properties):
                raise _too_short(name, key, element.count)
            position = _read_binary_rows(data, position, order, element, name, key)
            continue
        position += kind.itemsize * element.count
        for p, n in zip(element.properties, lengths, strict=True):
            values = rows[p.name].astype(p.type)
            if p.count_type:
                element.lists[p.name] = (np.full(element.count, n), values.reshape(-1))
            else:
                element.columns[p.name] = values


def _fields(p: Property, length: int, order: str) -> list[_Field]:
    if p.count_type:
        return [(f"#{p.name}", order + p.count_type), (p.name, order + p.type, (length,))]
    return [(p.name, order + p.type)]


def _length(data: bytes, kind: np.dtype, position: int) -> int:
    """That of a list, as the file states it; -1 for one that it cannot have, such as NaN."""
    number = np.frombuffer(data, kind, 1, position)[0]
    return int(number) if 0 <= number <= len(data) else -1


def _first_list_lengths(data: bytes, position: int, order: str, element: Element) -> list[int]:
    """Lengths of the lists in the first row; 0 for scalars."""
    lengths = []
    for p in element.properties:
        length = 0
        if p.count_type:
            count = np.dtype(order + p.count_type)
            length = max(_length(data, count, position), 0) if position + count.itemsize <= len(data) else 0
            position += count.itemsize + length * np.dtype(p.type).itemsize
        else:
            position += np.dtype(p.type).itemsize
        lengths.append(length)
    return lengths


def _read_binary_rows(data: bytes, position: int, order: str, element: Element, name: str, key: str) -> int:
    found: dict[str, list[np.ndarray]] = {p.name: [] for p in element.properties}
    sizes: dict[str, list[int]] = {p.name: [] for p in element.properties if p.count_type}
    try:
        for _ in range(element.count):
            for p in element.properties:
                length = 1
                if p.count_type:
                    count = np.dtype(order + p.count_type)
                    length = _length(data, count, position)
                    position += count.itemsize
                    if length < 0:
                        raise ValueError("a list of no length")
                    sizes[p.name].append(length)
                kind = np.dtype(order + p.type)
                found[p.name].append(np.frombuffer(data, kind, length, position) if length else np.zeros(0, kind))
                position += kind.itemsize * length
    except ValueError as error:
        raise _too_short(name, key, element.count) from error
    _store_rows(element, found, sizes)
    return position


def _store_rows(element: Element, found: dict[str, list[np.ndarray]], sizes: dict[str, list[int]]) -> None:
    for p in element.properties:
        values = np.concatenate(found[p.name]).astype(p.type)
        if p.count_type:
            element.lists[p.name] = (np.array(sizes[p.name]), values)
        else:
            element.columns[p.name] = values


def _read_ascii(body: bytes, elements: Mapping[str, Element], name: str) -> None:
    try:
        tokens = np.array(body.split(), dtype="S").astype(np.float64) if body.strip() else np.zeros(0)
    except ValueError as error:
        raise FileFormatError(f"{name}: the PLY data holds something that is no number.", actual=str(error)) from error
    position = 0
    for key, element in elements.items():
        if element.count and element.properties:
            position = _read_ascii_element(tokens, position, element, name, key)


def _read_ascii_element(tokens: np.ndarray, position: int, element: Element, name: str, key: str) -> int:
    if element.count > len(tokens):
        raise _too_short(name, key, element.count)
    if not any(p.count_type for p in element.properties):
        width = len(element.properties)
        if position + element.count * width > len(tokens):
            raise _too_short(name, key, element.count)
        rows = tokens[position : position + element.count * width].reshape(element.count, width)
        for column, p in enumerate(element.properties):
            element.columns[p.name] = _cast(rows[:, column], p.type)
        return position + element.count * width
    found: dict[str, list[np.ndarray]] = {p.name: [] for p in element.properties}
    sizes: dict[str, list[int]] = {p.name: [] for p in element.properties if p.count_type}
    for _ in range(element.count):
        for p in element.properties:
            length = 1
            if p.count_type:
                if position >= len(tokens):
                    raise _too_short(name, key, element.count)
                length = int(tokens[position]) if 0 <= tokens[position] <= len(tokens) else len(tokens)
                position += 1
                sizes[p.name].append(length)
            if position + length > len(tokens):
                raise _too_short(name, key, element.count)
            found[p.name].append(_cast(tokens[position : position + length], p.type))
            position += length
    _store_rows(element, found, sizes)
    return position


def _cast(values: np.ndarray, kind: str) -> np.ndarray:
    # Some writers put 0.5 under an integer property; an undefined cast of NaN would differ between machines.
    return values.astype(kind) if kind[0] == "f" else np.nan_to_num(values).astype(np.int64).astype(kind)


def ply_bytes(elements: Mapping[str, Mapping[str, np.ndarray]], comments: list[str]) -> bytes:
    """A binary little-endian PLY file. A column [N] is a scalar property, a column [N, k] a list of k values in every row."""
    header = ["ply", "format binary_little_endian 1.0", *(f"comment {c}" for c in comments)]
    bodies = []
    for key, columns in elements.items():
        count = len(next(iter(columns.values())))
        header.append(f"element {key} {count}")
        kind: list[_Field] = []
        for column, values in columns.items():
            code = values.dtype.str[1:]
            if values.ndim == 2:
                header.append(f"property list uchar {_NAMES[code]} {column}")
                kind += [(f"#{column}", "u1"), (column, f"<{code}", (values.shape[1],))]
            else:
                header.append(f"property {_NAMES[code]} {column}")
                kind.append((column, f"<{code}"))
        rows = np.zeros(count, kind)
        for column, values in columns.items():
            rows[column] = values
            if values.ndim == 2:
                rows[f"#{column}"] = values.shape[1]
        bodies.append(rows.tobytes())
    return "\n".join([*header, "end_header\n"]).encode("ascii") + b"".join(bodies)
