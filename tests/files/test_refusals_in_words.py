"""Refused files are refused in our words: the field, the line or the cause by name, and nothing of a library's insides."""

import json
import pickle
import warnings

import numpy as np
import pytest
import torch
from refusals import refused

from voxcli import files
from voxcli.errors import FileFormatError, VoxcliError
from voxcli.files.keyed import fruxel_arrays, missing_key
from voxcli.geometry.scenes import check_area
from voxcli.models.checkpoints import read_checkpoint
from voxcli.models.weights import load_weights, model_of
from voxcli.scene import Frustum, FruxelGrid, Labels, Mesh
from voxcli.training.checkpoints import load_checkpoint, newest_checkpoint

CORNERS = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"
INSIDES = ("local variable", "Resolver", "header too large", "miniz", "KeyError", "weights_only", "SafetensorError", "archive")


def refusal(path, read=files.read):
    with pytest.raises(VoxcliError) as caught:
        read(path)
    text = str(caught.value)
    assert path.name in text and not any(word in text for word in INSIDES), text
    return text


def archive(path, **changes):
    grid = FruxelGrid(np.zeros((3, 4, 5), np.uint8), Frustum(5, 4, 3, 1.0, 2.0, 60.0), classes=Labels(("air", "car")))
    np.savez(path, **{key: value for key, value in (fruxel_arrays(grid) | changes).items() if value is not None})
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16])
def test_a_label_without_a_name_is_refused_unless_it_is_the_ignored_one(tmp_path, dtype):
    labels = np.ones((3, 4, 5), dtype)
    labels[1, 2, 3] = 77
    text = refusal(archive(tmp_path / "a.npz", labels=labels))
    assert "out of range" in text and "0..1" in text and "got 77" in text
    assert (files.read(archive(tmp_path / "b.npz", labels=labels, ignore_label=np.array(77))).labels == labels).all()
    labels[1, 2, 3] = 255
    assert files.read(archive(tmp_path / "c.npz", labels=labels)).labels.max() == 255
    assert "got 255" in refusal(archive(tmp_path / "d.npz", labels=labels, ignore_label=np.array(-1)))


def test_no_known_key_is_taken_for_a_misspelling_of_another(tmp_path):
    assert "meant to be" not in refusal(archive(tmp_path / "a.npz", z_near=None))
    assert "meant to be" not in refusal(archive(tmp_path / "b.npz", labels=None))
    assert "Is 'z_naer' meant to be 'z_near'?" in str(missing_key("x", ["z_naer", "z_far"], ["z_near"]))


def test_a_frustum_names_the_number_that_is_not_finite(tmp_path):
    for key in ("z_near", "z_far", "fov_x_deg"):
        assert f"{key} of a frustum must be a finite number" in refusal(archive(tmp_path / f"{key}.npz", **{key: np.array(np.nan)}))


def test_a_negative_shape_is_an_error_of_its_own(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (-1, 3)})
    text = refusal(path)
    assert "negative size" in text and "[-1, 3]" in text and "GiB" not in text


@pytest.mark.parametrize("face", ["f 0 1 2", "f 1 2 0", "f 1/1 0/2 2/3", "  f\t1 00//1 2", "f 1 2 0\r"])
def test_vertex_0_of_an_obj_is_named_with_its_line(tmp_path, face):
    (tmp_path / "a.obj").write_text(CORNERS + "f 1 2 3\n" + face + "\n")
    text = refusal(tmp_path / "a.obj")
    assert "line 6" in text and "vertex 0" in text
    (tmp_path / "b.obj").write_text(CORNERS + "vt 0 0\n# f 0 1 2\nf 1/1/0 2/1 3/1 # 0\nf -1 -2 -3\nf 2 3 4\n".replace(" # 0", ""))
    assert len(files.read(tmp_path / "b.obj").faces) == 3


def test_faces_of_two_corners_are_told_in_words(tmp_path):
    (tmp_path / "a.obj").write_text(CORNERS + "f 1 2\n")
    text = refusal(tmp_path / "a.obj")
    assert "only vertices" in text and "Trimesh" not in text


def test_broken_gltf_is_told_in_words(tmp_path):
    mesh = {"asset": {"version": "2.0"}, "nodes": [{"mesh": 0}], "scenes": [{"nodes": [0]}]}
    trees = {
        "nothing": mesh | {"meshes": [{"primitives": [{"attributes": {"POSITION": 9}}]}]},
        "outside": mesh | {
            "buffers": [{"uri": "../../../../etc/passwd", "byteLength": 10}], "bufferViews": [{"buffer": 0, "byteLength": 10}],
            "accessors": [{"bufferView": 0, "componentType": 5126, "count": 1, "type": "VEC3"}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        },
    }  # fmt: skip
    for name, tree in trees.items():
        (tmp_path / f"{name}.gltf").write_text(json.dumps(tree))
        text = refusal(tmp_path / f"{name}.gltf")
        assert "cannot be read as glTF" in text and "passwd" not in text


@pytest.mark.parametrize("content", [b"hello I am text, and long enough", b"", b"\x80\x04N."])
def test_what_is_no_weights_or_checkpoint_is_told_in_words(tmp_path, content):
    for name, read in (("a.safetensors", load_weights), ("a.safetensors", model_of), ("a.pt", load_checkpoint), ("a.pth", read_checkpoint)):
        (tmp_path / name).write_bytes(content)
        assert "a damaged file, or another kind of file" in refusal(tmp_path / name, read)


def test_a_pickle_is_refused_without_torchs_advice_to_run_it(tmp_path):
    for number, value in enumerate((pytest.approx, {"step": np.ones(3)})):
        for name, read in ((f"{number}.pt", load_checkpoint), (f"{number}.pth", read_checkpoint)):
            with (tmp_path / name).open("wb") as file:
                pickle.dump(value, file, protocol=2 + number)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                refusal(tmp_path / name, read)


def test_a_damaged_checkpoint_comes_with_a_way_on(tmp_path):
    torch.save({"step": 3, "x": torch.zeros(1000)}, tmp_path / "before.pt")
    (tmp_path / "last.pt").write_bytes((tmp_path / "before.pt").read_bytes()[:900])
    assert f"--resume {tmp_path / 'before.pt'}" in refusal(tmp_path / "last.pt", load_checkpoint)
    (tmp_path / "before.pt").unlink()
    assert "--resume never" in refusal(tmp_path / "last.pt", load_checkpoint)
    with refused(FileFormatError, "last.pt", hint="remove this one"):
        newest_checkpoint(tmp_path)
    assert "does not exist" in refusal(tmp_path / "absent.pt", load_checkpoint)


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_only_faces_that_are_all_points_or_lines_have_no_area(size):
    line, corner = np.array([[0, 0, 0], [1, 0, 0], [2.0, 0, 0]]) * size, np.array([[0, 0, 0], [1, 0, 0], [0, 1.0, 0]]) * size
    face = np.array([[0, 1, 2]])
    check_area([Mesh(line, face), Mesh(corner, face)])
    for vertices in (line, np.ones((3, 3)) * size):
        with refused(VoxcliError, "area", actual="1 face"):
            check_area([Mesh(vertices, face)])
