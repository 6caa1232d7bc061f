"""STL as other programs write it: words, ends, counts, names."""

import struct

import numpy as np
import pytest
from refusals import refused
from small_solids import CUBE, CUBE_QUADS, CUBE_TRIANGLES, measures

from voxcli.errors import DataError, EmptyMeshError, FileFormatError
from voxcli.files import read_as
from voxcli.scene import Mesh


def solid_text(polygons=CUBE_TRIANGLES, name="cube", shift=0.0):
    text = f"solid {name}\n"
    for polygon in polygons:
        text += "  facet normal 0 0 0\n    outer loop\n"
        text += "".join("      vertex {} {} {}\n".format(*(CUBE[i] + shift)) for i in polygon) + "    endloop\n  endfacet\n"
    return text + f"endsolid {name}\n"


def binary(count=12, behind=b"", header=b"made by a program"):
    rows = b"".join(struct.pack("<12fH", 0, 0, 0, *CUBE[t].reshape(-1), 0) for t in CUBE_TRIANGLES)
    return header.ljust(80, b" ") + struct.pack("<I", count) + rows + behind


def read_bytes(path, data):
    path.write_bytes(data)
    return read_as(path, Mesh)


def is_unit_cube(mesh):
    area, volume, low, high = measures(mesh)
    assert (area, volume, low, high) == (pytest.approx(6), pytest.approx(1), [0, 0, 0], [1, 1, 1])
    assert len(mesh.faces) == 12 and len(mesh.vertices) == 8


CHANGES = {
    "as it is": lambda text: text,
    "upper case": str.upper,
    "end loop": lambda text: text.replace("endloop", "end loop"),
    "end facet": lambda text: text.replace("endfacet", "end facet"),
    "end solid": lambda text: text.replace("endsolid", "end solid"),
    "all parted and upper": lambda text: text.replace("end", "end ").upper(),
    "no endsolid": lambda text: text.replace("endsolid cube\n", ""),
    "no name": lambda text: text.replace(" cube", ""),
    "one line": lambda text: " ".join(text.split()),
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "cr": lambda text: text.replace("\n", "\r"),
    "bom": lambda text: "\ufeff" + text,
    "name of keywords": lambda text: text.replace("cube", "outer loop vertex facet endsolid solid"),
    "exponents": lambda text: text.replace("1.0", "+1.000000E+00"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.filterwarnings("ignore:.*without 'endsolid'")
def test_text_is_read_however_its_words_are_written(tmp_path, change):
    is_unit_cube(read_bytes(tmp_path / "a.stl", CHANGES[change](solid_text()).encode()))


def test_a_missing_end_is_said(tmp_path):
    with pytest.warns(UserWarning, match=r"a\.stl ends without 'endsolid'"):
        is_unit_cube(read_bytes(tmp_path / "a.stl", CHANGES["no endsolid"](solid_text()).encode()))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_solids_of_any_name_are_parts(tmp_path, encoding):
    text = solid_text(name="Stuhl Müller") + solid_text(name="a/b", shift=3.0) + solid_text(name="", shift=6.0)
    mesh = read_bytes(tmp_path / "a.stl", text.encode(encoding))
    assert mesh.part_names == ("Stuhl Müller", "a_b", "solid_3") and np.bincount(mesh.face_parts).tolist() == [12] * 3
    assert mesh.vertices[mesh.faces[mesh.face_parts == 1]].min() == 3
    is_unit_cube(read_bytes(tmp_path / "b.stl", solid_text(name="Müller").encode(encoding)))


def test_loops_of_four_corners_are_squares(tmp_path):
    is_unit_cube(read_bytes(tmp_path / "a.stl", solid_text(CUBE_QUADS).encode()))


@pytest.mark.parametrize("header", [b"made by a program", b"solid made by a program"])
def test_binary_with_bytes_behind_its_faces(tmp_path, header):
    is_unit_cube(read_bytes(tmp_path / "a.stl", binary(header=header)))
    for behind in (b"ab", bytes(100)):
        with pytest.warns(UserWarning, match=rf"a\.stl: left out: {len(behind)} byte"):
            is_unit_cube(read_bytes(tmp_path / "a.stl", binary(behind=behind, header=header)))


def test_a_count_that_was_never_filled_in_is_that_of_the_bytes(tmp_path):
    is_unit_cube(read_bytes(tmp_path / "a.stl", binary(0)))
    with refused(FileFormatError, "a.stl", expected="0 faces", actual="bytes for 12"):
        read_bytes(tmp_path / "a.stl", binary(0, b"ab"))
    for count in (13, 0xFFFFFFFF):
        with refused(FileFormatError, "a.stl", expected=f"{count} faces", actual="bytes for 12"):
            read_bytes(tmp_path / "a.stl", binary(count))


@pytest.mark.filterwarnings("ignore:.*without 'endsolid'")
@pytest.mark.parametrize(
    "data",
    [
        solid_text()[:-90], solid_text()[:1200], solid_text().replace("vertex 1.0 1.0 1.0", "vertex 1.0 1.0", 1),
        solid_text().replace("vertex 1.0", "vertex x", 1), solid_text([[0, 1]]), "vertex 1 2 3 endsolid",
    ],
)  # fmt: skip
def test_text_that_ends_within_a_face_or_holds_other_words_is_refused(tmp_path, data):
    with refused(FileFormatError, "a.stl cannot be read as STL"):
        read_bytes(tmp_path / "a.stl", data.encode())


@pytest.mark.parametrize("data", [b"no STL", b"solid nothing else", b"\0\1\2"])
def test_what_is_no_stl_holds_no_faces(tmp_path, data):
    with refused(DataError, "a.stl holds no faces") as caught:
        read_bytes(tmp_path / "a.stl", data)
    assert not isinstance(caught.value, EmptyMeshError)


def test_nothing_is_nothing(tmp_path):
    for data in (b"solid\nendsolid\n", binary(0)[:84]):
        with refused(EmptyMeshError, "a.stl"):
            read_bytes(tmp_path / "a.stl", data)
    with refused(DataError, "a.stl", actual="1 of 3"):
        read_bytes(tmp_path / "a.stl", solid_text([[0, 1, 2]]).replace("vertex 0.0 0.0 0.0", "vertex nan 0 0").encode())
