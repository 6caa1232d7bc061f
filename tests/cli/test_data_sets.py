"""Whole data sets between the layouts of synth street and nuScenes, and formats that are told by name, through the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
from example_files import box_mesh, fruxel_grid
from PIL import Image

from voxcli import files
from voxcli.datasets.street import StreetFolder
from voxcli.files.completion import KITTI_CLASSES, KITTI_ORIGIN
from voxcli.scene import VoxelGrid


@pytest.fixture
def street(voxcli, tmp_path):
    assert voxcli("synth", "street", "-o", "street", "--count", 2, "--size", 24, 20, "--depth", 8)[0] == 0
    return tmp_path / "street"


def test_a_street_folder_goes_to_nuscenes_and_back(voxcli, tmp_path, street):
    assert voxcli("convert", "street", "-o", "nu", "--to", "nuscenes")[0] == 0
    assert voxcli("convert", "nu", "-o", "back", "--to", "street")[0] == 0
    for kind in ("images", "depth", "instances", "fruxels"):
        for path in (street / kind).iterdir():
            assert (tmp_path / "back" / kind / path.name).read_bytes() == path.read_bytes()
    for path in (street / "poses").iterdir():
        said, again = (json.loads(p.read_text()) for p in (path, tmp_path / "back" / "poses" / path.name))
        np.testing.assert_allclose(again["camera"]["world_to_cam"], said["camera"]["world_to_cam"], atol=1e-9)
        assert again["camera"]["K"] == said["camera"]["K"]
        for a, b in zip(again["objects"], said["objects"], strict=True):
            assert (a["instance"], a["class"], a["size"]) == (b["instance"], b["class"], pytest.approx(b["size"]))
            np.testing.assert_allclose(a["translation"], b["translation"], atol=1e-6)
    assert len(StreetFolder([tmp_path / "back"])) == 2


def test_the_root_of_trajectories_goes_to_nuscenes_with_all_its_splits(voxcli, tmp_path):
    options = ("--trajectory", 2, "--count", 2, "--size", 16, 16, "--depth", 8)
    assert voxcli("synth", "street", "-o", "walks", *options)[0] == 0
    assert voxcli("convert", "walks", "-o", "nu", "--to", "nuscenes")[2].endswith("nu: 4 samples\n")
    assert json.loads((tmp_path / "nu/v1.0-semanticvoxels/splits.json").read_text()) == {
        "street_train": ["scene-000000"], "street_test": ["scene-000001"],
    }  # fmt: skip
    plan = json.loads(voxcli("convert", "walks", "-o", "other", "--to", "nuscenes", "--dry-run")[1])
    assert plan["write"] == [{"path": "other", "exists": False}]
    assert voxcli("convert", "walks", "-o", "back", "--to", "street")[0] == 2


def test_info_counts_frames_and_boxes_of_a_nuscenes_folder(voxcli, tmp_path, street):
    voxcli("convert", "street", "-o", "nu", "--to", "nuscenes")
    code, stdout, _ = voxcli("info", "nu")
    told = json.loads(stdout)
    assert code == 0 and told["samples"] == 2 and told["channels"]["CAM_FRONT"] == 2
    objects = [json.loads(p.read_text())["objects"] for p in (street / "poses").iterdir()]
    assert sum(told["boxes"].values()) == sum(map(len, objects))
    assert told["camera"]["width"] == 24
    assert json.loads(voxcli("info", "nu/v1.0-semanticvoxels")[1])["boxes"] == told["boxes"]


def real_folder(root):
    """One key frame of two cameras, JPEGs, with a car and a barrier."""
    rows = {
        "sensor": [{"token": c, "channel": c, "modality": "camera"} for c in ("CAM_FRONT", "CAM_BACK")],
        "calibrated_sensor": [
            {"token": f"k{c}", "sensor_token": c, "translation": [0, 0, 1], "rotation": [0.5, -0.5, 0.5, -0.5],
             "camera_intrinsic": [[30, 0, 16], [0, 30, 12], [0, 0, 1]]} for c in ("CAM_FRONT", "CAM_BACK")
        ],
        "ego_pose": [{"token": "e", "timestamp": 0, "translation": [10, 20, 0], "rotation": [1, 0, 0, 0]}],
        "sample": [{"token": "a"}],
        "category": [{"token": "car", "name": "vehicle.car"}, {"token": "barrier", "name": "movable_object.barrier"}],
        "instance": [{"token": "i1", "category_token": "car"}, {"token": "i2", "category_token": "barrier"}],
        "sample_data": [
            {"token": f"d{c}", "sample_token": "a", "ego_pose_token": "e", "calibrated_sensor_token": f"k{c}",
             "filename": f"samples/{c}/{c}.jpg", "is_key_frame": True} for c in ("CAM_FRONT", "CAM_BACK")
        ],
        "sample_annotation": [
            {"token": f"b{i}", "sample_token": "a", "instance_token": i, "translation": [18, 20, 0.75], "size": [2, 4, 1.5],
             "rotation": [1, 0, 0, 0]} for i in ("i1", "i2")
        ],
    }  # fmt: skip
    (root / "v1.0-mini").mkdir(parents=True)
    for name, table in rows.items():
        (root / "v1.0-mini" / f"{name}.json").write_text(json.dumps(table))
    for i, channel in enumerate(("CAM_FRONT", "CAM_BACK")):
        (root / "samples" / channel).mkdir(parents=True)
        Image.new("RGB", (32, 24), (90 * i, 9, 9)).save(root / "samples" / channel / f"{channel}.jpg")


def test_a_real_nuscenes_folder_gives_pictures_camera_and_street_boxes(voxcli, tmp_path):
    real_folder(tmp_path / "real")
    code, _, stderr = voxcli("convert", "real", "-o", "out", "--to", "street")
    assert code == 0 and "movable_object.barrier (1)" in stderr
    said = json.loads((tmp_path / "out/poses/CAM_FRONT.json").read_text())
    assert [each["class"] for each in said["objects"]] == ["car"] and said["camera"]["K"][0][0] == 30
    np.testing.assert_allclose(said["objects"][0]["translation"], [0, 1, 8], atol=1e-9)
    assert files.read(tmp_path / "out/images/CAM_FRONT.png").rgb.shape == (24, 32, 3)
    assert voxcli("convert", "real", "-o", "rear", "--to", "street", "--channel", "CAM_BACK")[0] == 0
    assert files.read(tmp_path / "rear/images/CAM_BACK.png").rgb[0, 0, 0] > 60
    code, _, stderr = voxcli("convert", "real", "-o", "side", "--to", "street", "--channel", "CAM_SIDE")
    assert code == 2 and "CAM_BACK" in stderr and not (tmp_path / "side").exists()


def test_data_sets_are_not_overwritten_unasked_and_wrong_calls_are_named(voxcli, tmp_path, street):
    convert = ("convert", "street", "-o", "nu", "--to", "nuscenes")
    code, text, _ = voxcli(*convert, "--dry-run")
    plan = json.loads(text)
    assert code == 0 and plan["read"][0]["path"] == "street" and plan["write"] == [{"path": "nu", "exists": False}]
    assert not (tmp_path / "nu").exists()
    assert voxcli(*convert)[0] == 0
    code, _, stderr = voxcli(*convert)
    assert code == 2 and "--overwrite" in stderr
    assert voxcli(*convert, "--skip-existing")[0] == 0 and voxcli(*convert, "--overwrite")[0] == 0
    for call in (
        ("convert", "nu", "-o", "x", "--to", "nuscenes"), ("convert", "street", "-o", "x", "--to", "street"),
        ("convert", "street", "-o", "street", "--to", "nuscenes"), ("convert", "street", "-o", "x", "--to", "npz", "--channel", "CAM_BACK"),
    ):  # fmt: skip
        code, stdout, stderr = voxcli(*call)
        assert code == 2 and not stdout and stderr and not (tmp_path / "x").exists(), call


def kitti_grid(seed=0):
    labels = np.random.default_rng(seed).choice(np.array([0, 1, 13, 255], np.uint8), (256, 256, 32))
    return VoxelGrid(labels=labels, classes=KITTI_CLASSES, origin=np.array(KITTI_ORIGIN), voxel_size=np.full(3, 0.2))


def test_kitti_voxels_are_converted_told_and_scored(voxcli, tmp_path):
    grid = kitti_grid()
    files.write(tmp_path / "a.npz", grid)
    assert voxcli("convert", "a.npz", "-o", "voxels/000000.label")[0] == 0
    mask = np.zeros((256, 256, 32), bool)
    mask[:128] = True
    files.write(tmp_path / "voxels/000000.invalid", VoxelGrid(mask, origin=grid.origin, voxel_size=grid.voxel_size))
    files.write(tmp_path / "voxels/000000.bin", VoxelGrid(~mask, origin=grid.origin, voxel_size=grid.voxel_size))
    files.write(tmp_path / "pred/000000.label", replace(grid, labels=np.where(mask, np.uint8(1), grid.labels)))
    told = json.loads(voxcli("info", "voxels/000000.label")[1])
    assert told["labels"]["car"] == int((grid.labels == 1).sum()) and told["origin"] == [0, -25.6, -2.2]
    assert json.loads(voxcli("info", "voxels/000000.bin")[1])["occupied"] == 128 * 256 * 32
    raw = (tmp_path / "voxels/000000.label").read_bytes()
    assert json.loads(voxcli("info", "-", "--input-format", "kitti", input=raw)[1])["labels"] == told["labels"]
    # A folder is searched for labels alone, and --mask-out takes the masks that lie beside them.
    for masked in ((), ("--mask-out", "voxels")):
        code, stdout, stderr = voxcli("metrics", "iou", "pred", "voxels", "--format", "json", *masked)
        assert code == 0, stderr
        assert (json.loads(stdout)["value"] == 1) == bool(masked)
    assert voxcli("convert", "voxels", "-o", "npz", "--to", "npz")[0] == 0
    np.testing.assert_array_equal(files.read(tmp_path / "npz/000000.npz").labels, grid.labels)


def test_zgan_fruxels_go_both_ways(voxcli, tmp_path):
    files.write(tmp_path / "in/one.npz", fruxel_grid())
    assert voxcli("convert", "in", "-o", "out", "--to", "zgan")[0] == 0
    assert np.load(tmp_path / "out/one.npy").shape == (16, 16, 16)
    told = json.loads(voxcli("info", "out/one.npy", "--input-format", "zgan")[1])
    assert told["labels"]["object"] == int((fruxel_grid().labels > 0).sum())
    assert voxcli("view", "out/one.npy", "--input-format", "zgan", "-o", "one.png")[0] == 0
    code, _, stderr = voxcli("info", "out/one.npy")
    assert code == 2 and "--input-format zgan" in stderr


def test_labels_of_another_list_of_classes_in_a_street_folder_are_one_clear_error(voxcli, tmp_path, street):
    files.write(tmp_path / "box.obj", box_mesh())
    shape = ("--size", 24, 20, "--depth", 8, "--preset", "semantic-voxels")
    assert voxcli("fruxelize", "box.obj", "--class", "airplane", *shape, "-o", "street/fruxels/000001.npz", "--overwrite")[0] == 0
    train = ("train", "-m", "ssz", "--recipe", "street-small", "--data", "street", "-o", "run")
    for call in (("convert", "street", "-o", "all.h5"), train):
        code, stdout, stderr = voxcli(*call)
        assert code == 2 and not stdout and "000001.npz" in stderr and "airplane" in stderr and len(stderr.strip().splitlines()) <= 3, call
    assert not (tmp_path / "all.h5").exists()


def test_a_far_street_of_too_few_columns_is_refused_and_leaves_nothing(voxcli, tmp_path):
    code, _, stderr = voxcli("synth", "street", "-o", "far", "--preset", "far", "--size", "2", "2", "--count", "1")
    assert code == 2 and "8 8" in stderr and not (tmp_path / "far").exists()
