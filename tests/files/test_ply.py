"""PLY files built by hand in all three encodings, and the meshes that they may hold."""

import struct

import numpy as np
import pytest
from refusals import refused

from voxcli.errors import DataError, FileFormatError
from voxcli.files import read, read_as, write
from voxcli.files.ply_codec import parse_ply
from voxcli.scene import Labels, Mesh, PointCloud, class_colour

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


def test_labelled_points_are_written_in_the_colours_of_their_classes(tmp_path):
    cloud = PointCloud(np.eye(3), labels=np.array([1, 0, 7], np.uint8), classes=Labels(("car", "tree")))
    write(tmp_path / "a.ply", cloud)
    columns = parse_ply((tmp_path / "a.ply").read_bytes(), "a.ply").elements["vertex"].columns
    written = np.stack([columns[name] for name in ("red", "green", "blue")], 1).tolist()
    assert written == [list(class_colour("tree")), list(class_colour("car")), [178, 178, 178]]
    assert read(tmp_path / "a.ply").colors is None, "they say nothing that the labels do not"
    write(tmp_path / "b.ply", PointCloud(cloud.points, colors=np.eye(3, dtype=np.uint8), labels=cloud.labels, classes=cloud.classes))
    assert read(tmp_path / "b.ply").colors.tolist() == np.eye(3).tolist()


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


# ---- what other programs write

CUBE = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
SIDES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def cube(encoding):
    rows = [(3, *half) for a, b, c, d in SIDES for half in ((a, b, c), (a, c, d))]
    if encoding == "ascii":
        body = "\n".join(" ".join(map(str, row)) for row in (*CUBE, *rows)).encode() + b"\n"
    else:
        body = b"".join(struct.pack("<3f", *v) for v in CUBE) + b"".join(struct.pack("<B3i", *row) for row in rows)
    return VERTEX.format(n=8) + FACES.format(n=12), body


def volume(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return (np.cross(a, b) * c).sum() / 6


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("comment", ["by hand", "stop at end_header", "end_header of v2", " end_headers"])
def test_a_cube_is_read_whatever_ends_its_lines_and_whatever_its_comments_say(tmp_path, encoding, line_end, comment):
    header, body = cube(encoding)
    text = f"ply\nformat {encoding} 1.0\ncomment {comment}\nobj_info {comment}\n{header}end_header\n".replace("\n", line_end).encode()
    mesh = read(stored(tmp_path, text + (body.replace(b"\n", line_end.encode()) if encoding == "ascii" else body)))
    assert mesh.vertices.shape == (8, 3) and mesh.faces.shape == (12, 3) and volume(mesh) == pytest.approx(1)


def test_binary_data_that_begin_with_a_line_feed_are_kept_behind_a_header_of_cr_lines(tmp_path):
    data = ply(VERTEX.format(n=1), b"", "binary_little_endian").replace(b"\n", b"\r") + b"\n\0\0\0" + struct.pack("<2f", 2, 3)
    assert read(stored(tmp_path, data)).points[0].tolist() == [np.frombuffer(b"\n\0\0\0", "<f4")[0], 2, 3]


def test_gaussian_splats_have_the_colour_of_their_harmonic_of_degree_0(tmp_path):
    """3D Gaussian splatting (Kerbl et al. 2023), SH2RGB of its code: 0.5 + 0.28209479177387814 f_dc, clipped to 0..1."""
    names = ["nx", "ny", "nz", *(f"f_dc_{i}" for i in range(3)), *(f"f_rest_{i}" for i in range(45)), "opacity", "scale_0", "rot_0"]
    header = VERTEX.format(n=2) + "".join(f"property float {name}\n" for name in names)
    rows = [[1, 2, 3, 0, 0, 0, *base, *[0.1] * 48] for base in ((0.0, 1.0, -1.0), (9.0, -9.0, 1.7724539))]
    with pytest.warns(UserWarning, match="a.ply") as said:
        cloud = read(stored(tmp_path, ply(header, "\n".join(" ".join(map(str, row)) for row in rows).encode())))
    assert cloud.colors.tolist() == [[128, 199, 56], [255, 0, 255]] and cloud.normals is None
    assert len(said) == 1 and all(name in str(said[0].message) for name in ("f_rest_*", "opacity", "scale_*", "rot_*"))
    assert "f_dc" not in str(said[0].message)


def test_normals_are_kept_where_one_point_has_one(tmp_path):
    header = VERTEX.format(n=2) + "property float nx\nproperty float ny\nproperty float nz\n"
    assert read(stored(tmp_path, ply(header, b"0 0 0 0 0 0\n1 1 1 0 0 1"))).normals.tolist() == [[0, 0, 0], [0, 0, 1]]


def test_columns_that_nothing_is_made_of_are_named_once(tmp_path):
    extra = "property uchar alpha\nproperty float s\nproperty float t\n"
    header = VERTEX.format(n=4) + extra + FACES.format(n=1) + "property int flags\nelement edge 1\nproperty int vertex1\n"
    rows = [" ".join(map(str, (*v, 255, 0.5, 0.5))) for v in SQUARE]
    with pytest.warns(UserWarning, match=r"s, t, flags, element 'edge'") as said:
        read(stored(tmp_path, ply(header, "\n".join([*rows, "3 0 1 2 1", "0"]).encode())))
    assert len(said) == 1 and "alpha" not in str(said[0].message)  # opaque: nothing is lost


def test_colours_of_faces_are_written_to_the_vertices_too_and_read_back_as_those_of_faces(tmp_path):
    import trimesh

    colours = np.array([[200, 0, 0], [0, 100, 0]], np.uint8)
    square = Mesh(np.array(SQUARE, np.float64), np.array([[0, 1, 2], [0, 2, 3]]), face_colors=colours)
    write(tmp_path / "a.ply", square)
    of_vertices = parse_ply((tmp_path / "a.ply").read_bytes(), "a.ply").elements["vertex"].columns
    assert [of_vertices[c].tolist() for c in ("red", "green", "blue")] == [[100, 200, 100, 0], [50, 0, 50, 100], [0] * 4]
    mesh = read(tmp_path / "a.ply")
    assert mesh.face_colors.tolist() == square.face_colors.tolist() and mesh.vertex_colors is None
    assert trimesh.load(tmp_path / "a.ply", process=False).visual.kind is not None


# ---- columns that nothing names

NPY = np.arange(60.0, dtype=np.float32).reshape(20, 3)


def npy(tmp_path, *columns):
    np.save(tmp_path / "a.npy", np.concatenate([NPY, *columns], axis=1))
    return tmp_path / "a.npy"


def test_a_fourth_column_of_an_array_of_points_is_left_out_and_said_to_be(tmp_path):
    path = npy(tmp_path, np.linspace(0, 1, 20, dtype=np.float32)[:, None])
    with pytest.warns(UserWarning, match="a.npy: 1 column"):
        cloud = read(path)
    assert isinstance(cloud, PointCloud) and np.array_equal(cloud.points, NPY) and cloud.normals is None
    assert read(path, kind="depth").depth.shape == (20, 4)


def test_six_columns_of_an_array_are_normals_of_unit_length_or_colours(tmp_path):
    generator = np.random.default_rng(0)
    unit = generator.normal(size=(20, 3)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    unit[3] = 0  # a point without a normal
    assert np.array_equal(read(npy(tmp_path, unit)).normals, unit)
    whole = generator.integers(0, 256, (20, 3))
    for columns in (whole.astype(np.float32), (whole / 255).astype(np.float32)):
        cloud = read(npy(tmp_path, columns))
        assert cloud.normals is None and cloud.colors.dtype == np.uint8 and np.array_equal(cloud.colors, whole)
    with refused(FileFormatError, "a.npy", "neither colours nor unit"):
        read(npy(tmp_path, 300 + unit))


@pytest.mark.parametrize("kind,values", [("float", "255 0 128"), ("float", "1.0 0 0.50196"), ("ushort", "65535 0 32896")])
def test_colours_of_other_types_are_read_by_their_range(tmp_path, kind, values):
    header = f"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nproperty {kind} red\n"
    (tmp_path / "a.ply").write_text(header + f"property {kind} green\nproperty {kind} blue\nend_header\n0 0 0 {values}\n")
    assert read(tmp_path / "a.ply").colors.tolist() == [[255, 0, 128]]
