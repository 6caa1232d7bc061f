"""`voxcli convert` where the kind stays the same."""

import numpy as np
import pytest
from example_files import box_mesh, fruxel_grid

from voxcli import files
from voxcli.scene import VoxelGrid


def test_another_format_holds_the_same_thing(voxcli, tmp_path):
    grid = fruxel_grid()
    files.write(tmp_path / "scene.npz", grid)
    assert voxcli("convert", "scene.npz", "-o", "deep/scene.h5", "-q") == (0, "", "")
    back = files.read(tmp_path / "deep/scene.h5")
    assert np.array_equal(back.labels, grid.labels) and back.frustum == grid.frustum and back.classes == grid.classes


def test_a_folder_is_mirrored_and_workers_change_no_byte(voxcli_process, tmp_path):
    for name in ("a.obj", "sub/b.obj"):
        files.write(tmp_path / "in" / name, box_mesh())
    assert voxcli_process("convert", "in", "-o", "one", "--to", "ply", "-q") == (0, "", "")
    assert voxcli_process("convert", "in", "-o", "two", "--to", "ply", "--workers", "2", "-q") == (0, "", "")
    for name in ("a.ply", "sub/b.ply"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_pipes_carry_any_format(voxcli_process, tmp_path):
    files.write(tmp_path / "car.obj", box_mesh())
    formats = ("--input-format", "obj", "--format", "off")
    code, text, errors = voxcli_process("convert", "-", "-o", "-", *formats, input=(tmp_path / "car.obj").read_bytes())
    assert (code, errors) == (0, "")
    (tmp_path / "back.off").write_text(text)
    assert len(files.read(tmp_path / "back.off").faces) == 12


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-o", "car.png"), "PNG"),
        (("-o", "car"), "no extension"),
        (("-o", "car.oobj"), "oobj"),
        (("-o", "old.stl"), "Output exists: old.stl."),
        (("-o", "-"), "--format"),
    ],
)
def test_what_cannot_be_written_is_a_usage_error(voxcli, tmp_path, args, said):
    files.write(tmp_path / "car.obj", box_mesh())
    (tmp_path / "old.stl").write_text("old")
    code, text, errors = voxcli("convert", "car.obj", *args)
    assert (code, text) == (2, "") and said in errors and len(errors.splitlines()) <= 3
    assert (tmp_path / "old.stl").read_text() == "old"


def test_up_and_unit_bring_a_mesh_into_the_world_frame_and_are_recorded(voxcli, refused, tmp_path):
    mesh = box_mesh((1.0, 2.0, 3.0))
    files.write(tmp_path / "a.stl", mesh)
    assert voxcli("convert", "a.stl", "-o", "a.ply", "--up", "z", "--unit", "cm")[0] == 0
    found = files.read(tmp_path / "a.ply")
    assert np.allclose(np.ptp(found.vertices, axis=0), np.ptp(mesh.vertices, axis=0)[[0, 2, 1]] / 100)
    assert (found.meta["options"]["up"], found.meta["options"]["unit"]) == ("z", "cm")
    assert voxcli("convert", "a.stl", "-o", "a.binvox", "--up", "z", "--resolution", 6)[0] == 0
    refused("convert", "a.stl", "-o", "shapes", "--to", "jof", "--up", "z", named="--up")
    refused("convert", "street", "-o", "set", "--to", "nuscenes", "--unit", "cm", named="--unit")


def test_a_threshold_meets_the_probabilities_that_a_prediction_holds(voxcli, tmp_path):
    shares = np.linspace(0, 1, 64, dtype=np.float32).reshape(4, 4, 4)
    files.write(tmp_path / "p.npz", VoxelGrid(occupancy=shares >= 0.5, probabilities=shares))
    for words, level in (((), 0.5), (("--threshold", "0.4"), 0.4), (("--threshold", "0.9"), 0.9)):
        assert voxcli("convert", "p.npz", "-o", "q.binvox", "--overwrite", *words, "-q") == (0, "", "")
        assert np.array_equal(files.read(tmp_path / "q.binvox").occupancy, shares >= level)
        assert voxcli("convert", "p.npz", "-o", "q.ply", "--as", "points", "--overwrite", *words, "-q") == (0, "", "")
        assert len(files.read(tmp_path / "q.ply").points) == np.count_nonzero(shares >= level)
