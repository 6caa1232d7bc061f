"""Files of other programs that once went wrong, where they are at hand: each reads as what it is, or is refused by name."""

from pathlib import Path

import pytest
from small_solids import measures

from voxcli.errors import VoxcliError
from voxcli.files import read_as
from voxcli.scene import Mesh

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
CUBE = (12, 6, 1, [0, 0, 0], [1, 1, 1])
SOLIDS = {
    "neg_interleaved.obj": (36, 18, 3, [0, 0, 0], [5, 1, 1]),
    "pos.obj": (36, 18, 3, [0, 0, 0], [5, 1, 1]),
    "u_ngon.obj": (28, 30, 7, [0, 0, 0], [3, 3, 1]),
    "u_tri.obj": (28, 30, 7, [0, 0, 0], [3, 3, 1]),
    "penta.off": (16, 10.633135, 2.377641, [-0.809017, -0.951057, 0], [1, 0.951057, 1]),
    "quant_norm.glb": (12, 10, 2, [0, 0, 0], [2, 1, 1]),
    "sparse.glb": (12, 14, 3, [0, 0, 0], [3, 1, 1]),
    "morph.glb": (12, 14, 3, [0, 0, 0], [3, 1, 1]),
    "instancing.glb": (36, 18, 3, [0, 0, 0], [5, 1, 1]),
    **dict.fromkeys(
        (
            "count0.stl", "latin1.obj", "trailing.stl", "end_loop.stl", "missing_endsolid.stl", "upper.stl", "tabs_exp.obj",
            "quant_int.glb", "noscene.glb", "percent.gltf", "noposition.glb",
        ), CUBE,
    ),
}  # fmt: skip
COLOURS = {"backslash.obj": [255, 0, 0], "opts.obj": [0, 255, 0]}
REFUSED = {"draco.glb": "KHR_draco_mesh_compression", "meshopt.glb": "EXT_meshopt_compression", "unknown_required.glb": "ACME_displacement"}


def case(name):
    found = [*CASES.rglob(name)]
    if not found:
        pytest.skip("local cases are absent")
    return found[0]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SOLIDS)
def test_a_file_of_another_program_is_read_as_what_it_is(name):
    mesh = read_as(case(name), Mesh)
    faces, area, volume, low, high = SOLIDS[name]
    found = measures(mesh)
    assert len(mesh.faces) == faces and found[:2] == (pytest.approx(area), pytest.approx(volume))
    assert found[2] == pytest.approx(low, abs=1e-5) and found[3] == pytest.approx(high, abs=1e-5)


@pytest.mark.parametrize("name", COLOURS)
def test_a_file_of_another_program_keeps_its_colours(name):
    assert (read_as(case(name), Mesh).face_colors == COLOURS[name]).all()


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_needs_an_extension_is_refused_by_its_name(name):
    with pytest.raises(VoxcliError, match=REFUSED[name]):
        read_as(case(name), Mesh)


def test_objects_of_another_program_are_parts():
    mesh = read_as(case("two.obj"), Mesh)
    assert mesh.part_names == ("A", "B") and (mesh.face_parts[:4] == 0).all() and (mesh.face_parts[4:] == 1).all()
