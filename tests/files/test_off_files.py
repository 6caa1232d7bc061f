"""OFF: polygons, colours of vertices and faces, and the headers that programs write."""

import numpy as np
import pytest
from refusals import refused
from small_solids import CUBE, CUBE_TRIANGLES, measures, off_text

from voxcli.errors import EmptyMeshError, FileFormatError
from voxcli.files import read_as
from voxcli.scene import Mesh

RED, GREEN, BLUE = [255, 0, 0], [0, 255, 0], [0, 0, 255]
TRIANGLE = "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"


def read_text(path, text):
    path.write_text(text)
    return read_as(path, Mesh)


@pytest.mark.parametrize(
    "rows",
    [["255 0 0 255", "0 255 0 255", "0 0 255 255"], ["255 0 0", "0 255 0", "0 0 255"], ["1.0 0.0 0.0 1.0", "0 1.0 0 1.0", "0 0 1.0 0.5"]],
)
def test_colours_of_vertices(tmp_path, rows):
    text = "COFF\n3 1 0\n" + "".join(f"{xyz} {row}\n" for xyz, row in zip(("0 0 0", "1 0 0", "0 1 0"), rows, strict=True)) + "3 0 1 2\n"
    mesh = read_text(tmp_path / "a.off", text)
    assert mesh.vertex_colors.tolist() == [RED, GREEN, BLUE] and mesh.face_colors.tolist() == [[85, 85, 85]]


def test_colours_stand_behind_normals_and_before_texture_coordinates(tmp_path):
    row = "0 0 1 255 0 0 255 0.5 0.5\n"
    text = "STCNOFF\n3 1 0\n" + "".join(f"{xyz} {row}" for xyz in ("0 0 0", "1 0 0", "0 1 0")) + "3 0 1 2\n"
    assert read_text(tmp_path / "a.off", text).vertex_colors.tolist() == [RED] * 3


def test_colours_of_faces_reach_all_triangles_of_a_polygon(tmp_path):
    text = "OFF\n5 3 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n0 0 1\n4 0 1 2 3 255 0 0\n3 0 1 4 0 1 0 255\n3 1 2 4\n"
    mesh = read_text(tmp_path / "a.off", text)
    assert mesh.face_colors.tolist() == [RED, RED, [0, 1, 0], [178, 178, 178]] and mesh.vertex_colors is None


def test_own_face_colours_are_read_back(tmp_path):
    from voxcli.files import write

    colours = np.random.default_rng(0).integers(2, 256, (12, 3)).astype(np.uint8)
    write(tmp_path / "a.off", Mesh(CUBE, np.array(CUBE_TRIANGLES), face_colors=colours))
    assert (read_as(tmp_path / "a.off", Mesh).face_colors == colours).all()


@pytest.mark.parametrize(
    "header", ["OFF\n3 1 0\n", "OFF3 1 0\n", "OFF 3 1 0\n", "\n# by hand\nOFF # word\n\n3 1\n", "\ufeffOFF\r\n3 1 3\r\n"]
)
def test_headers_of_other_programs(tmp_path, header):
    assert measures(read_text(tmp_path / "a.off", header + TRIANGLE))[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    "text",
    [
        "4OFF\n3 1 0\n" + TRIANGLE, "nOFF\n3\n3 1 0\n" + TRIANGLE, "OFF BINARY\n3 1 0\n", "ply\n3 1 0\n" + TRIANGLE, "OFF\n",
        "OFF\n9999999999 1 0\n" + TRIANGLE, "OFF\n3 99999999999 0\n" + TRIANGLE, "OFF\n-3 1 0\n" + TRIANGLE, "OFF\nx 1 0\n" + TRIANGLE,
        "OFF\n3 1 0\n0 0 0\n1 0\n0 1 0\n3 0 1 2\n", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n4 0 1 2\n",
        "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\nnan 0 1 2\n",
        "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n-3 0 1 2\n", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 1.5\n", "OFF\ninf nan 0\n" + TRIANGLE,
    ],
)  # fmt: skip
def test_what_is_no_whole_off_is_refused(tmp_path, text):
    with refused(FileFormatError, "a.off cannot be read as OFF"):
        read_text(tmp_path / "a.off", text)


def test_nothing_is_nothing_and_small_faces_are_left_out(tmp_path):
    with refused(EmptyMeshError, "a.off"):
        read_text(tmp_path / "a.off", "OFF\n0 0 0\n")
    with pytest.warns(UserWarning, match=r"1 face\(s\) of fewer"):
        assert len(read_text(tmp_path / "a.off", off_text(CUBE, [*CUBE_TRIANGLES, [0, 1]])).faces) == 12


def test_colours_that_the_header_does_not_name_are_said_to_be_left_out(tmp_path):
    (tmp_path / "a.off").write_text("OFF\n3 1 0\n0 0 0 255 0 0 255\n1 0 0 255 0 0 255\n0 1 0 255 0 0 255\n3 0 1 2\n")
    with pytest.warns(UserWarning, match="left out: 3 colour"):
        read_as(tmp_path / "a.off", Mesh)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_text_of_two_bytes_a_letter_is_told_as_that(tmp_path, encoding):
    (tmp_path / "a.off").write_bytes("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n".encode(encoding))
    with refused(FileFormatError, "UTF-16", expected="UTF-8"):
        read_as(tmp_path / "a.off", Mesh)
