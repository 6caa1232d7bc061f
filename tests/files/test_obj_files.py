"""OBJ as other programs write it: indices, blanks, names, objects, materials."""

import numpy as np
import pytest
from PIL import Image
from refusals import refused
from small_solids import CUBE, CUBE_QUADS, measures, obj_text

from voxcli.errors import DataError, FileFormatError
from voxcli.files import read_as
from voxcli.scene import Mesh

TETRAHEDRON = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
SIDES = [(1, 3, 2), (1, 2, 4), (1, 4, 3), (2, 3, 4)]
SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3 4/4\n"


def read_text(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return read_as(path, Mesh)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_text_of_two_bytes_a_letter_is_called_so(tmp_path, encoding):
    with refused(FileFormatError, "a.obj", "UTF-16", hint="UTF-8"):
        read_text(tmp_path / "a.obj", SQUARE, encoding)


def is_unit_cube(mesh):
    area, volume, low, high = measures(mesh)
    assert (area, volume, low, high) == (pytest.approx(6), pytest.approx(1), [0, 0, 0], [1, 1, 1]) and len(mesh.faces) == 12


def interleaved(reference):
    """Three cubes, each as vertices followed by its faces; reference: what a corner is called, of the cube's number and the corner's."""
    text = ""
    for cube in range(3):
        text += "".join(f"v {x + 2 * cube} {y} {z}\nvt {x} {y}\n" for x, y, z in CUBE)
        text += "".join(f"f {' '.join(reference(cube, i) for i in quad)}\n" for quad in CUBE_QUADS)
    return text


@pytest.mark.parametrize(
    "reference",
    [
        lambda cube, i: f"{i - 8}",
        lambda cube, i: f"{8 * cube + i + 1}",
        lambda cube, i: f"{i - 8}/{i - 8}",
        lambda cube, i: f"{i - 8}//{i + 1}",
        lambda cube, i: f"{i - 8}/{8 * cube + i + 1}/1",
        lambda cube, i: (f"{i - 8}", f"{8 * cube + i + 1}/{i - 8}", f"{i - 8}//1", f"{i - 8}/{i - 8}/1")[i % 4],
    ],
)
def test_negative_indices_count_from_where_the_face_stands(tmp_path, reference):
    mesh = read_text(tmp_path / "a.obj", interleaved(reference))
    area, volume, low, high = measures(mesh)
    assert (len(mesh.vertices), len(mesh.faces), area, volume) == (24, 36, pytest.approx(18), pytest.approx(3))
    assert (low, high) == ([0, 0, 0], [5, 1, 1])


@pytest.mark.parametrize("face", ["f -9 -1 -2", "f 1 2 9", "f 1 2 99999999999999999999", "f 1 2 b", "f 1 2 3.5", "f 1/1 2/x 3/3"])
def test_a_face_that_cannot_be_is_named_with_its_line(tmp_path, face):
    with refused(FileFormatError, "a.obj", "line 16", actual=face):
        read_text(tmp_path / "a.obj", obj_text(CUBE, CUBE_QUADS) + "\n" + face + "\n")


def test_a_vertex_that_is_no_number_is_shown(tmp_path):
    with refused(FileFormatError, "a.obj", actual="v 0 0,5 1"):
        read_text(tmp_path / "a.obj", "v 0 0,5 1\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with refused(DataError, "a.obj", actual="1 of 3"):
        read_text(tmp_path / "b_a.obj", "v 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace(" ", " \t  "),
        lambda text: text.replace("\n", "  # a corner 1 2 3\n"),
        lambda text: text.replace("\n", "#9\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace(" ", " \\\n ").replace("\n f", "\nf"),
        lambda text: "\ufeff# made by hand\n\n" + text.replace("v ", "  v "),
        lambda text: text.replace("0.0", "0.000e+00").replace("1.0", "+1.E-0"),
        lambda text: text.replace("0.0\n", "0.0 1.0\n").replace("1.0\n", "1.0 1\n"),
        lambda text: "vn 0 0 1\ns off\ng\nvp 1 2\nl 1 2\n" + text,
    ],
    ids=["tabs", "blanks", "comments", "tight", "crlf", "cr", "continued", "bom", "exponents", "weights", "others"],
)
@pytest.mark.filterwarnings("ignore:.*left out")
def test_blanks_comments_and_ends_of_lines_do_not_count(tmp_path, change):
    is_unit_cube(read_text(tmp_path / "a.obj", change(obj_text(CUBE, CUBE_QUADS))))


def test_names_may_be_of_any_encoding(tmp_path):
    text = "o Stuhl_Müller\n" + obj_text(CUBE, CUBE_QUADS).replace("f", "usemtl grün\nf", 1)
    for encoding in ("latin-1", "utf-8", "utf-8-sig"):
        mesh = read_text(tmp_path / "a.obj", text, encoding)
        is_unit_cube(mesh)
        assert mesh.part_names == ("Stuhl_Müller/grün",)


def two(before_a="", before_b=""):
    texts = []
    for name, shift, before in (("A", 0, before_a), ("B", 5, before_b)):
        corners = "".join(f"v {x + shift} {y} {z}\n" for x, y, z in TETRAHEDRON)
        faces = "".join(f"f {' '.join(str(i + (4 if shift else 0)) for i in side)}\n" for side in SIDES)
        texts.append(f"o {name}\n{corners}{before}{faces}")
    return "".join(texts)


def test_objects_are_the_parts(tmp_path):
    mesh = read_text(tmp_path / "a.obj", two())
    assert mesh.part_names == ("A", "B") and np.bincount(mesh.face_parts).tolist() == [4, 4]
    assert mesh.vertices[mesh.faces[mesh.face_parts == 1]][..., 0].min() == 5 and mesh.face_colors is None


def test_objects_are_the_parts_beside_materials_which_colour_them(tmp_path):
    (tmp_path / "a.mtl").write_text("newmtl red\nKd 1 0 0\nnewmtl green\nKd 0 1 0\n")
    text = "mtllib a.mtl\n" + two("usemtl red\n", "usemtl green\n").replace("f 6 7 8", "usemtl red\nf 6 7 8")
    mesh = read_text(tmp_path / "a.obj", text)
    assert mesh.part_names == ("A", "B") and np.bincount(mesh.face_parts).tolist() == [4, 4]
    assert mesh.face_colors.tolist() == [[255, 0, 0]] * 4 + [[0, 255, 0]] * 3 + [[255, 0, 0]]
    assert len(mesh.vertices) == 8  # a vertex between two materials is one


@pytest.mark.parametrize(
    "lines, names",
    [
        ("usemtl a\nf 1 2 3\nusemtl b\nf 1 2 4\n", ("a/a", "b/b")),
        ("o car\nusemtl a\nf 1 2 3\nusemtl b\nf 1 2 4\n", ("car/a", "car/b")),
        ("usemtl a\nf 1 2 3\n", ("mesh/a",)),
        ("g left\nf 1 2 3\ng right side\nf 1 2 4\n", ("left", "right side")),
        ("f 1 2 3\ng right\nf 1 2 4\n", ("mesh", "right")),
        ("o car/1\nf 1 2 3\no a#2\nf 1 2 4\no car/1\nf 1 3 4", ("car_1", "a#2")),
    ],
)
def test_parts_without_objects_are_materials_or_groups(tmp_path, lines, names):
    mesh = read_text(tmp_path / "a.obj", "".join("v {} {} {}\n".format(*p) for p in TETRAHEDRON) + lines)
    assert mesh.part_names == names


def picture(path, colour):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((2, 2, 3), colour, np.uint8)).save(path)


RED, GREEN = [255, 0, 0], [0, 255, 0]


@pytest.mark.parametrize(
    "statement, file, colour",
    [
        (r"map_Kd tex dir\red tex.png", "tex dir/red tex.png", RED),
        (r"map_Kd C:\work\art\red.png", "red.png", RED),
        ("map_Kd /home/someone/red.png", "red.png", RED),
        ("map_kd ./Textures/RED.PNG", "textures/red.png", RED),
        ("map_Kd -s 1 1 1 -o 0 0 0 green.png", "green.png", GREEN),
        ("map_Kd -blendu on -bm 0.5 -mm 0 1 -clamp off -imfchan r -o 0.5 -t 0 0 -texres 256 my green.png", "my green.png", GREEN),
        ("\tmap_Kd\t-S\t2 2\tgreen.png", "green.png", GREEN),
    ],
)
def test_textures_are_found_behind_options_and_backslashes(tmp_path, statement, file, colour):
    picture(tmp_path / file, colour)
    (tmp_path / "a.mtl").write_text(f"newmtl m\nKd 1 1 1\n{statement}\n")
    assert read_text(tmp_path / "a.obj", "mtllib a.mtl\n" + SQUARE).face_colors.tolist() == [colour] * 2


def test_a_texture_is_scaled_and_shifted(tmp_path):
    Image.fromarray(np.array([[RED, GREEN, [0, 0, 255], [9, 9, 9]]], np.uint8)).save(tmp_path / "t.png")
    (tmp_path / "a.mtl").write_text("newmtl m\nmap_Kd -s 0.25 1 1 -o 0.5 0 0 t.png\n")  # u from 0.5 to 0.75: the third texel
    assert read_text(tmp_path / "a.obj", "mtllib a.mtl\n" + SQUARE).face_colors.tolist() == [[0, 0, 255]] * 2


def test_a_texture_outside_the_folder_is_not_read(tmp_path):
    picture(tmp_path / "red.png", RED)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.mtl").write_text("newmtl m\nKd 0 1 0\nmap_Kd ../red.png\n")
    assert read_text(tmp_path / "in/a.obj", "mtllib a.mtl\n" + SQUARE).face_colors.tolist() == [GREEN] * 2


def test_several_libraries_and_names_with_blanks(tmp_path):
    (tmp_path / "my a.mtl").write_text("newmtl m\nKd 1 0 0 # red\n")
    (tmp_path / "b.mtl").write_text("newmtl other\nKd 0 0 1\n")
    (tmp_path / "c.mtl").write_text("newmtl m\nKd 0 1 0\n")
    assert read_text(tmp_path / "a.obj", "mtllib my a.mtl\n" + SQUARE).face_colors[0].tolist() == RED
    assert read_text(tmp_path / "a.obj", "mtllib b.mtl c.mtl\n" + SQUARE).face_colors[0].tolist() == GREEN
    assert read_text(tmp_path / "a.obj", "mtllib none.mtl\n" + SQUARE).face_colors is None


def test_colours_behind_some_vertices_leave_the_others_grey(tmp_path):
    mesh = read_text(tmp_path / "a.obj", "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0\nf 1 2 3\n")
    assert mesh.vertex_colors.tolist() == [RED, GREEN, [178, 178, 178]]
    assert read_text(tmp_path / "a.obj", "v 0 0 0 255 0 0\nv 1 0 0 0 255 0\nv 0 1 0 0 0 0\nf 1 2 3\n").vertex_colors[0].tolist() == RED


def test_what_is_left_out_is_said_once(tmp_path):
    with pytest.warns(UserWarning, match=r"a\.obj: left out: 2 line\(s\), 1 face\(s\) of fewer than three corners") as said:
        read_text(tmp_path / "a.obj", obj_text(CUBE, CUBE_QUADS) + "l 1 2\nl 3 4\nf 1 2\n")
    assert len(said) == 1


def test_normals_maps_and_files_that_are_not_there_are_said_to_be_left_out(tmp_path):
    (tmp_path / "a.mtl").write_text("newmtl m\nKd 1 0 0\nmap_Kd lost.png\nmap_Bump bump.png\n")
    lines = "mtllib a.mtl\nmtllib lost.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvn 0 0 1\nvn 0 1 0\nusemtl m\nf 1//1 2//1 3//2\n"
    (tmp_path / "a.obj").write_text(lines)
    with pytest.warns(UserWarning, match=r"a\.obj: left out: ") as caught:
        mesh = read_as(tmp_path / "a.obj", Mesh)
    (said,) = {str(each.message) for each in caught}
    for words in ("2 normal(s)", "1 MTL file(s)", "1 texture(s)", "1 map(s) of other things than colour"):
        assert words in said
    assert len(mesh.faces) == 1 and mesh.face_colors.tolist() == [[255, 0, 0]]
