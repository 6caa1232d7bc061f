"""`voxcli info`: facts as JSON."""

import json
import math

import numpy as np
import pytest
from example_files import box_mesh, fruxel_grid, picture

from voxcli import files
from voxcli.ops.facts import facts
from voxcli.scene import Camera, DepthMap, Labels, Mesh, PointCloud, SceneDescription, SceneObject, Surfels, VoxelGrid

K = np.array([[4.0, 0, 2], [0, 4.0, 1], [0, 0, 1]])


def test_fruxels_tell_frustum_camera_and_counts_by_name(voxcli, tmp_path):
    files.write(tmp_path / "scene.npz", fruxel_grid())
    code, text, errors = voxcli("info", "scene.npz")
    assert (code, errors) == (0, "")
    told = json.loads(text)
    assert told["file"] == "scene.npz" and told["kind"] == "fruxels" and told["shape"] == [16, 16, 16]
    assert told["frustum"] == {"width": 16, "height": 16, "depth": 16, "z_near": 2.0, "z_far": 12.0, "fov_x_deg": 60.0}
    assert told["labels"]["car"] == 3 * 3 * 5 and sum(told["labels"].values()) == 16**3 and "bus" not in told["labels"]
    assert math.isclose(told["camera"]["K"][0][0], 8 / math.tan(math.pi / 6))


def test_a_closed_mesh_tells_box_area_and_volume():
    told = facts(box_mesh((1.0, 2.0, 3.0)))
    assert told["watertight"] and math.isclose(told["volume"], 6.0) and math.isclose(told["area"], 22.0)
    assert told["box"] == [[-0.5, 0.0, -1.5], [0.5, 2.0, 1.5]]


def test_an_open_mesh_has_no_volume():
    whole = box_mesh()
    told = facts(Mesh(whole.vertices, whole.faces[1:]))
    assert told["watertight"] is False and "volume" not in told


def test_voxels_tell_where_they_are_occupied():
    occupancy = np.zeros((4, 4, 4), bool)
    occupancy[1:3, 2, 3] = True
    told = facts(VoxelGrid(occupancy, origin=np.array([1.0, 0, 0]), voxel_size=np.full(3, 0.5)))
    assert told["occupied"] == 2 and told["box"] == [[1, 0, 0], [3, 2, 2]] and told["occupied_box"] == [[1.5, 1, 1.5], [2.5, 1.5, 2]]
    labelled = VoxelGrid(labels=occupancy.astype(np.uint8) * 7, classes=Labels(("air", "thing")))
    assert facts(labelled)["labels"] == {"air": 62, "label 7": 2}


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("empty, ignore", [(0, 255), (None, None), (2, 300)])
@pytest.mark.parametrize("counted", [2, 7, 64, 1 << 18])
def test_labels_that_are_counted_in_pieces_are_those_of_the_whole(monkeypatch, dtype, empty, ignore, counted):
    monkeypatch.setattr("voxcli.ops.facts._COUNTED", counted)
    labels = np.zeros((7, 5, 9), dtype)
    labels[2:6, 1:3, 3:] = np.random.default_rng(2).integers(0, 4, (4, 2, 6))
    labels[3, 4, 8] = 255
    told = facts(VoxelGrid(labels=labels, classes=Labels(("a", "b", "c", "d"), empty, ignore)))
    ids, counts = np.unique(labels, return_counts=True)
    names = ["a", "b", "c", "d", "ignore" if ignore == 255 else "label 255"]
    assert told["labels"] == dict(zip(names, counts.tolist(), strict=True)) and ids[-1] == 255
    filled = np.argwhere((labels != (-1 if empty is None else empty)) & (labels != (-1 if ignore is None else ignore)))
    assert told["occupied"] == len(filled) and told["occupied_box"] == [filled.min(0).tolist(), (filled.max(0) + 1).tolist()]


def test_points_depth_surfels_pictures_cameras_and_scenes_are_told_apart():
    camera = Camera(K, 4, 2)
    depth = np.array([[1.0, 2, np.nan, 4], [np.nan] * 4], np.float32)
    scene = SceneDescription((SceneObject(box_mesh(), "car"),), camera=camera)
    things = {
        "points": PointCloud(np.array([[0.0, 1, 2], [3, 4, 5]])),
        "depth": DepthMap(depth, camera=camera),
        "surfels": Surfels(depth, np.zeros((2, 4, 3)), np.zeros((2, 4, 3)), camera),
        "image": picture(),
        "camera": camera,
        "cameras": [("left", camera)],
        "scene": scene,
    }
    told = {kind: facts(thing) for kind, thing in things.items()}
    assert all(told[kind]["kind"] == kind for kind in things)
    assert told["points"]["box"] == [[0, 1, 2], [3, 4, 5]]
    assert told["depth"]["range"] == [1, 4] and told["depth"]["without_surface"] == 5
    assert told["scene"]["objects"][0]["faces"] == 12
    json.dumps(told, allow_nan=False)


def test_several_files_are_a_list_and_a_pipe_is_read_where_a_dash_stands(voxcli, tmp_path):
    files.write(tmp_path / "d/a.obj", box_mesh())
    files.write(tmp_path / "d/b.npz", fruxel_grid())
    assert [each["kind"] for each in json.loads(voxcli("info", "d")[1])] == ["mesh", "fruxels"]
    assert [json.loads(line)["file"] for line in voxcli("info", "d", "--format", "jsonl")[1].splitlines()] == ["d/a.obj", "d/b.npz"]
    code, text, _ = voxcli("info", "-", "--input-format", "npz", input=(tmp_path / "d/b.npz").read_bytes())
    assert code == 0 and json.loads(text)["kind"] == "fruxels"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.png", b"hello"),
        ("empty.npz", b""),
        ("cut.npz", None),
        ("no_faces.obj", b"v 0 0 0\n"),
        ("nan.obj", b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
        ("absent.npz", ...),
        ("odd.xyzzy", b"1"),
    ],
)
def test_wrong_input_is_one_to_three_lines_and_exit_2(refused, tmp_path, name, content):
    if content is None:
        files.write(tmp_path / "whole.npz", fruxel_grid())
        content = (tmp_path / "whole.npz").read_bytes()[:-40]
    if content is not ...:
        (tmp_path / name).write_bytes(content)
    refused("info", name, named=name.rpartition(".")[2])


def test_keep_going_tells_of_the_readable_files_and_exits_1(voxcli, tmp_path):
    files.write(tmp_path / "d/a.npz", fruxel_grid())
    (tmp_path / "d/b.npz").write_bytes(b"")
    code, text, errors = voxcli("info", "d", "--keep-going")
    assert code == 1 and [each["file"] for each in json.loads(text)] == ["d/a.npz"]
    assert "d/b.npz" in errors and errors.endswith("error: 1 of 2 items failed.\n")


def test_a_folder_of_synth_is_one_data_set(voxcli, tmp_path):
    for words in ("street --size 16 16 --depth 16", "rooms --size 16", "objects --views 1 --categories chair"):
        kind = words.split()[0]
        assert voxcli("synth", *words.split(), "-o", kind, "--count", "2", "--seed", "3")[0] == 0
        code, text, errors = voxcli("info", kind)
        found = json.loads(text)
        assert (code, errors) == (0, "") and found["kind"] == f"{kind}-dataset" and found["samples"] == 2
        assert found["meta"]["command"] == f"synth {kind}" and found["meta"]["seed"] == 3


def test_a_mesh_whose_area_is_no_number_has_none(voxcli, tmp_path):
    (tmp_path / "far.obj").write_text("v 0 0 0\nv 1e200 0 0\nv 0 1e200 0\nv 0 0 1e200\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    code, text, errors = voxcli("info", "far.obj")
    found = json.loads(text)
    assert code == 0 and errors == "" and found["area"] is None and found["volume"] is None and found["watertight"] is True


def test_records_on_stdin_and_weights_by_their_name(voxcli):
    row = {"metric": "iou", "value": 0.5, "pred": "a", "gt": "b", "parts": {}, "params": {}}
    for format, content in (
        ("json", json.dumps([row])),
        ("jsonl", json.dumps(row)),
        ("csv", "name,metric,preset,pred,gt,iou\na,iou,,a,b,0.5\n"),
    ):
        code, text, errors = voxcli("info", "-", "--input-format", format, input=content.encode())
        assert (code, errors) == (0, "") and json.loads(text)["metrics"] == {"iou": {"pairs": 1, "mean": 0.5}}
    code, text, errors = voxcli("info", "-", "--input-format", "json", input=b'{"x": 1}')
    assert code == 2 and "stdin" in errors
    from voxcli.models.weights import SHIPPED

    name = min(SHIPPED.glob("*.safetensors"), key=lambda path: path.stat().st_size, default=None)
    if name is not None:
        assert json.loads(voxcli("info", name.stem)[1])["kind"] == "weights"
        (plan,) = map(json.loads, voxcli("info", name.stem, "--dry-run")[1].splitlines())
        assert plan["read"][0]["bytes"] == name.stat().st_size


def test_legends_and_sums_are_told(voxcli, tmp_path):
    files.write(tmp_path / "a.npz", fruxel_grid())
    assert voxcli("segment", "a.npz", "-o", "a.png", "--legend", "legend.json")[0] == 0
    told = json.loads(voxcli("info", "legend.json")[1])
    assert told["kind"] == "legend" and told["classes"]["0"] == "air" and "car" in told["classes"].values()
    assert voxcli("metrics", "iou", "a.npz", "a.npz", "--partial", "sums.json")[0] == 0
    told = json.loads(voxcli("info", "sums.json")[1])
    assert told["kind"] == "metric-sums" and told["metrics"] == {"iou": {"pairs": 1, "summary": "mean over samples"}}
