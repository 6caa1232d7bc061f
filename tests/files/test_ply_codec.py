"""The PLY container: the same table in all three encodings, written by a slow twin, reads as the same columns and lists."""

import struct

import numpy as np
import pytest

from voxcli.errors import FileFormatError
from voxcli.files.ply_codec import parse_ply, ply_bytes

CODES = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d"}
VERTEX = [("float", "x"), ("double", "y"), ("uchar", "red"), ("short", "label")]
ROWS = [(0.5, -1.25, 255, -7), (2.0, 1e10, 0, 32767), (-0.125, 3.0, 17, 0)]
LISTS = [[0, 1, 2], [2, 1, 0, 1], [], [1, 0, 2]]


def written(encoding, lists=LISTS, count="uchar", index="int"):
    """A file of a vertex table and a table of lists with a scalar behind each, value by value."""
    head = ["ply", f"format {encoding} 1.0", "comment made slowly", f"element vertex {len(ROWS)}"]
    head += [f"property {kind} {name}" for kind, name in VERTEX]
    head += [f"element face {len(lists)}", f"property list {count} {index} vertex_indices", "property uchar flag", "end_header\n"]
    text = "\n".join(head).encode()
    if encoding == "ascii":
        lines = [" ".join(map(str, row)) for row in ROWS] + [" ".join(map(str, [len(each), *each, i])) for i, each in enumerate(lists)]
        return text + "\n".join(lines).encode() + b"\n"
    order = "<" if encoding == "binary_little_endian" else ">"
    for row in ROWS:
        text += b"".join(struct.pack(order + CODES[kind], value) for (kind, _), value in zip(VERTEX, row, strict=True))
    for i, each in enumerate(lists):
        text += struct.pack(order + CODES[count], len(each)) + struct.pack(f"{order}{len(each)}{CODES[index]}", *each) + struct.pack("B", i)
    return text


@pytest.mark.parametrize("lists", [LISTS, [[0, 1, 2]] * 4, []], ids=["of any length", "of one length", "none"])
@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_every_encoding_reads_as_the_same_table(encoding, lists):
    ply = parse_ply(written(encoding, lists), "a.ply")
    assert ply.comments == ["made slowly"]
    vertex, face = ply.elements["vertex"], ply.elements["face"]
    for column, (kind, name) in enumerate(VERTEX):
        values = vertex.columns[name]
        assert values.dtype == np.dtype(CODES[kind]) and values.tolist() == [row[column] for row in ROWS]
    if lists:
        lengths, flat = face.lists["vertex_indices"]
        assert lengths.tolist() == [len(each) for each in lists] and flat.tolist() == [v for each in lists for v in each]
        assert face.columns["flag"].tolist() == list(range(len(lists)))


@pytest.mark.parametrize("count", ["uchar", "ushort", "int"])
@pytest.mark.parametrize("index", ["uchar", "ushort", "uint"])
def test_lengths_and_indices_of_any_type(count, index):
    lengths, flat = parse_ply(written("binary_big_endian", LISTS, count, index), "a.ply").elements["face"].lists["vertex_indices"]
    assert lengths.tolist() == [3, 4, 0, 3] and flat.tolist() == [0, 1, 2, 2, 1, 0, 1, 1, 0, 2]


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_a_file_that_was_cut_off_is_refused_at_every_place(encoding):
    whole = written(encoding)
    start = whole.index(b"end_header\n") + 11
    for end in range(start, len(whole) - 2, 3):
        with pytest.raises(FileFormatError):
            parse_ply(whole[:end], "a.ply")


@pytest.mark.parametrize(
    "line", ["element vertex", "element vertex -1", "property quaternion q", "property list uchar", "element face many"]
)
def test_a_header_line_that_cannot_be_read_is_shown(line):
    data = b"ply\nformat ascii 1.0\nelement vertex 0\n" + line.encode() + b"\nend_header\n"
    with pytest.raises(FileFormatError) as raised:
        parse_ply(data, "a.ply")
    assert line in raised.value.actual


def test_a_property_before_any_element_is_refused():
    with pytest.raises(FileFormatError):
        parse_ply(b"ply\nformat ascii 1.0\nproperty float x\nend_header\n", "a.ply")


def test_what_is_written_reads_back():
    columns = {f"c{kind}": np.array([1, 2, 3], kind) for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")}
    faces = np.array([[0, 1, 2, 3], [3, 2, 1, 0]], np.int32)
    ply = parse_ply(ply_bytes({"vertex": columns, "face": {"vertex_indices": faces}}, ["one", "two words"]), "a.ply")
    assert ply.comments == ["one", "two words"]
    for name, values in columns.items():
        assert ply.elements["vertex"].columns[name].dtype == values.dtype and (ply.elements["vertex"].columns[name] == values).all()
    lengths, flat = ply.elements["face"].lists["vertex_indices"]
    assert lengths.tolist() == [4, 4] and (flat.reshape(2, 4) == faces).all()
