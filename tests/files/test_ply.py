"""PLY files built by hand in all three encodings, and the meshes that they may hold."""

import struct

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import DataError, FileFormatError
from voxcli.files import read, read_as
from voxcli.scene import Mesh, PointCloud

POINTS = [(0.0, 0.5, -1.0, 255, 0, 7), (1.0, 2.0, 3.0, 1, 2, 3)]
VERTEX = "element vertex {n}\nproperty float x\nproperty float y\nproperty float z\n"
COLOURED = VERTEX + "property uchar red\nproperty uchar green\nproperty uchar blue\n"
SQUARE = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
FACES = "element face {n}\nproperty list uchar int vertex_indices\n"


def ply(header, body, encoding="ascii"):
    return f"ply\nformat {encoding} 1.0\ncomment by hand\n{header}end_header\n".encode() + body


def square(order="<"):
    return b"".join(struct.pack(order + "3f", *v) for v in SQUARE)


def stored(tmp_path, data):
    (tmp_path / "a.ply").write_bytes(data)
    return tmp_path / "a.ply"


@pytest.mark.parametrize("encoding, order", [("ascii", ""), ("binary_little_endian", "<"), ("binary_big_endian", ">")])
def test_points_are_the_same_in_all_encodings(tmp_path, encoding, order):
    if order:
        body = b"".join(struct.pack(order + "3f3B", *p) for p in POINTS)
    else:
        body = "\n".join(" ".join(map(str, p)) for p in POINTS).encode()
    cloud = read(stored(tmp_path, ply(COLOURED.format(n=2), body, encoding)))
    assert np.array_equal(cloud.points, np.array([p[:3] for p in POINTS], np.float32))
    assert np.array_equal(cloud.colors, [p[3:] for p in POINTS])


@pytest.mark.parametrize("encoding, order", [("ascii", ""), ("binary_little_endian", "<"), ("binary_big_endian", ">")])
def test_polygons_of_several_sizes_become_fans(tmp_path, encoding, order):
    polygons = [(0, 1, 2), (0, 1, 2, 3), (2, 3)]
    if order:
        body = square(order) + b"".join(struct.pack(f"{order}B{len(p)}i", len(p), *p) for p in polygons)
    else:
        lines = [" ".join(map(str, v)) for v in SQUARE] + [" ".join(map(str, (len(p), *p))) for p in polygons]
        body = "\n".join(lines).encode()
    mesh = read(stored(tmp_path, ply(VERTEX.format(n=4) + FACES.format(n=3), body, encoding)))
    assert isinstance(mesh, Mesh)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 3]]


def test_colours_of_polygons_follow_their_triangles(tmp_path):
    header = VERTEX.format(n=4) + FACES.format(n=2) + "property uchar red\nproperty uchar green\nproperty uchar blue\n"
    body = square() + struct.pack("<B4i3B", 4, 0, 1, 2, 3, 9, 8, 7) + struct.pack("<B3i3B", 3, 0, 1, 2, 1, 2, 3)
    mesh = read(stored(tmp_path, ply(header, body, "binary_little_endian")))
    assert mesh.face_colors.tolist() == [[9, 8, 7], [9, 8, 7], [1, 2, 3]]


def test_triangle_strips_are_decoded_all_facing_one_way(tmp_path):
    header = VERTEX.format(n=4) + "element tristrips 1\nproperty list int int vertex_indices\n"
    body = square() + struct.pack("<i9i", 9, 0, 1, 3, 2, -1, 0, 1, 1, 2)
    mesh = read(stored(tmp_path, ply(header, body, "binary_little_endian")))
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert len(mesh.faces) == 2 and (normals[:, 2] > 0).all()  # the triangles with a repeated corner are gone


def test_float_colours_are_0_to_1(tmp_path):
    header = VERTEX.format(n=1) + "property float red\nproperty float green\nproperty float blue\n"
    assert read(stored(tmp_path, ply(header, b"0 0 0 1.0 0.5 nan"))).colors.tolist() == [[255, 128, 0]]


def test_labels_and_unknown_properties_are_read_past(tmp_path):
    header = VERTEX.format(n=2) + "property double quality\nproperty int label\nelement odd 1\nproperty list uchar float stuff\n"
    cloud = read(stored(tmp_path, ply(header, b"0 0 0 0.5 3\n1 1 1 0.25 0\n2 0.5 0.5\n")))
    assert cloud.labels.tolist() == [3, 0] and cloud.classes.names[3] == "class_3" and cloud.classes.empty is None


def test_windows_line_ends_are_read(tmp_path):
    data = ply(VERTEX.format(n=1), b"1 2 3\n").replace(b"\n", b"\r\n")
    assert read(stored(tmp_path, data)).points.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    "data",
    [
        ply(COLOURED.format(n=2), struct.pack("<3f3B", *POINTS[0]), "binary_little_endian"),
        ply(COLOURED.format(n=2), b"0 0 0 1 2 3\n1 1"),
        ply(VERTEX.format(n=10**12), b"0 0 0"),
        ply(VERTEX.format(n=10**12), b"\0" * 12, "binary_big_endian"),
        ply(VERTEX.format(n=4) + FACES.format(n=10**12), square() + b"\3", "binary_little_endian"),
        ply(VERTEX.format(n=4) + FACES.format(n=2), square() + struct.pack("<B3iB", 3, 0, 1, 2, 200), "binary_little_endian"),
        ply(VERTEX.format(n=1) + "element face 1\nproperty list char int vertex_indices\n", b"0 0 0 -5 1 2"),
    ],
)
def test_files_that_end_too_soon_are_refused_before_memory_is_taken(tmp_path, data):
    with refused(FileFormatError, "a.ply", expected="rows of"):
        read(stored(tmp_path, data))


@pytest.mark.parametrize(
    "data, message",
    [
        (b"ply\nformat ascii 1.0\nelement vertex 1\n", "no 'end_header'"),
        (ply("element vertex one\n", b""), "cannot be read"),
        (ply("element vertex 1\nproperty half x\n", b""), "cannot be read"),
        (ply("property float x\n", b""), "cannot be read"),
        (ply(VERTEX.format(n=1), b"0 0 0", "zip"), "unknown PLY format"),
        (ply(VERTEX.format(n=1), b"0 zero 0"), "no number"),
        (ply("element vertex 1\nproperty float x\n", b"0"), "lack x, y or z"),
        (ply(VERTEX.format(n=1) + "element face 1\nproperty int a\n", b"0 0 0 1"), "vertex_indices"),
        (b"plywood\n", "not a PLY"),
    ],
)
def test_broken_headers_are_named_for_what_they_are(tmp_path, data, message):
    with refused(FileFormatError, message):
        read(stored(tmp_path, data))


def test_faces_that_name_no_vertex_are_refused(tmp_path):
    data = ply(COLOURED.format(n=1) + FACES.format(n=1), b"0 0 0 1 1 1\n3 0 1 2\n")
    with refused(DataError, "a.ply", expected="indices 0..0", actual="0..2"):
        read(stored(tmp_path, data))


def test_points_where_a_mesh_was_wanted_are_named(tmp_path):
    path = stored(tmp_path, ply(VERTEX.format(n=1), b"0 0 0"))
    with refused(FileFormatError, "a.ply", expected="mesh", actual="points"):
        read_as(path, Mesh)
    assert isinstance(read_as(path, PointCloud), PointCloud)


XYZ = [
    ("1 2 3\n4 5 6\n", None, None),
    ("# made by hand\n1,2,3, 255,0,9\n\n4;5;6;1;2;3\n", [[255, 0, 9], [1, 2, 3]], None),
    ("1 2 3 0 0 1 // up\n4 5 6 0 1 0\n", None, [[0, 0, 1], [0, 1, 0]]),
    ("1 2 3 255 0 9 0 0 1\n4 5 6 1 2 3 0 1 0\n", [[255, 0, 9], [1, 2, 3]], [[0, 0, 1], [0, 1, 0]]),
    ("1 2 3 0.5\n4 5 6 0.25\n", None, None),
]


@pytest.mark.parametrize("text, colours, normals", XYZ)
def test_xyz_columns_are_told_by_what_they_hold(tmp_path, text, colours, normals):
    (tmp_path / "a.xyz").write_text(text)
    cloud = read(tmp_path / "a.xyz")
    assert cloud.points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (cloud.colors is None) == (colours is None) and (colours is None or cloud.colors.tolist() == colours)
    assert (cloud.normals is None) == (normals is None) and (normals is None or cloud.normals.tolist() == normals)


@pytest.mark.parametrize(
    "text, message", [("1 2\n", "too few"), ("1 2 3\n1 2\n", "line 2"), ("1 2 3 9 9 0.5\n", "neither colours nor unit")]
)
def test_xyz_lines_that_do_not_fit_are_named(tmp_path, text, message):
    (tmp_path / "a.xyz").write_text(text)
    with refused(FileFormatError, message):
        read(tmp_path / "a.xyz")
