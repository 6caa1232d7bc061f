"""nuScenes folders: axes by closed forms, a folder written by hand, and what the public devkit makes of ours (marked peers)."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from voxcli.datasets.nuscenes import CATEGORY_OF, TABLES, NuScenesFolder, export_nuscenes, street_class
from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.street.config import StreetConfig
from voxcli.datasets.synthetic.street.dataset import StreetGenerator
from voxcli.errors import DataError, FileFormatError, UsageError, VoxcliError
from voxcli.geometry import cameras

SMALL = StreetConfig(replace(StreetConfig().frustum, width=48, height=40, depth=16))


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nu") / "street"
    write_dataset(folder, 2, StreetGenerator(3, SMALL))
    return folder


@pytest.fixture(scope="module")
def exported(street):
    assert export_nuscenes(street, street.parent / "nu") == 2
    return street.parent / "nu"


def random_rigid(seed):
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = cameras.quaternion_to_rotation(rng.normal(size=4))
    matrix[:3, 3] = rng.normal(size=3)
    return matrix


@pytest.mark.parametrize("seed", range(3))
def test_nuscenes_axes_come_back(seed):
    motion = random_rigid(seed)
    np.testing.assert_allclose(cameras.from_nuscenes(cameras.to_nuscenes(motion)), motion, atol=1e-12)
    back, size = cameras.from_nuscenes_box(*cameras.to_nuscenes_box(motion, (1, 2, 3)))
    np.testing.assert_allclose(back, motion, atol=1e-12)
    assert size.tolist() == [1, 2, 3]
    points = np.random.default_rng(seed).normal(size=(5, 3))  # in the camera
    world = cameras.inverse_rigid(motion)
    in_global = points @ cameras.to_nuscenes(motion)[:3, :3].T + cameras.to_nuscenes(motion)[:3, 3]
    np.testing.assert_allclose(in_global, cameras.y_up_to_z_up(points @ world[:3, :3].T + world[:3, 3]), atol=1e-12)


def test_a_box_is_centred_half_its_height_up_and_looks_along_its_x():
    box, wlh = cameras.to_nuscenes_box(np.eye(4), (2, 1.5, 4))
    assert wlh.tolist() == [2, 4, 1.5] and box[:3, 3].tolist() == [0, 0.75, 0]
    np.testing.assert_array_equal(box[:3, :3] @ [1, 0, 0], [0, 0, 1])
    np.testing.assert_array_equal(box[:3, :3] @ [0, 0, 1], [0, 1, 0])
    assert np.linalg.det(box[:3, :3]) == pytest.approx(1)


def write_by_hand(root):
    """A camera 1 m above a car's front-left: ego at (10, 20, 0) looking along global x, car 8 m ahead, heading along global y."""
    half = 0.5
    tables = {name: [] for name in TABLES} | {
        "sensor": [
            {"token": "s", "channel": "CAM_FRONT", "modality": "camera"},
            {"token": "l", "channel": "LIDAR_TOP", "modality": "lidar"},
        ],
        # camera x = -ego y, camera y = -ego z, camera z = ego x: the quaternion of a forward camera
        "calibrated_sensor": [
            {"token": "c", "sensor_token": "s", "translation": [0, 0, 1], "rotation": [half, -half, half, -half],
             "camera_intrinsic": [[30, 0, 16], [0, 30, 12], [0, 0, 1]]},
            {"token": "cl", "sensor_token": "l", "translation": [0, 0, 2], "rotation": [1, 0, 0, 0], "camera_intrinsic": []},
        ],
        "ego_pose": [{"token": "e", "timestamp": 0, "translation": [10, 20, 0], "rotation": [1, 0, 0, 0]}],
        "sample": [{"token": "a", "timestamp": 0, "scene_token": "x", "prev": "", "next": ""}],
        "category": [{"token": "k", "name": "vehicle.car", "description": ""}],
        "instance": [{"token": "i", "category_token": "k"}],
        "sample_data": [
            {"token": "d", "sample_token": "a", "ego_pose_token": "e", "calibrated_sensor_token": "c",
             "filename": "samples/CAM_FRONT/a.jpg", "is_key_frame": True},
            {"token": "d2", "sample_token": "a", "ego_pose_token": "e", "calibrated_sensor_token": "cl", "filename": "l.bin",
             "is_key_frame": True},
            {"token": "d3", "sample_token": "a", "ego_pose_token": "e", "calibrated_sensor_token": "c", "filename": "sweep.jpg",
             "is_key_frame": False},
        ],
        "sample_annotation": [{"token": "b", "sample_token": "a", "instance_token": "i", "translation": [18, 20, 0.75],
                               "size": [1.8, 4.2, 1.5], "rotation": [2**-0.5, 0, 0, 2**-0.5]}],
    }  # fmt: skip
    (root / "v1.0-mini").mkdir(parents=True)
    for name, rows in tables.items():
        (root / "v1.0-mini" / f"{name}.json").write_text(json.dumps(rows))
    (root / "samples/CAM_FRONT").mkdir(parents=True)
    Image.new("RGB", (32, 24), (9, 9, 9)).save(root / "samples/CAM_FRONT/a.jpg")


def test_a_folder_written_by_hand_gives_the_camera_and_the_car(tmp_path):
    write_by_hand(tmp_path)
    folder = NuScenesFolder(tmp_path)
    assert len(folder) == 1
    sample = folder[0]
    assert sample.image.shape == (24, 32, 3) and set(sample.files) == {"CAM_FRONT", "LIDAR_TOP"}
    (pose,) = sample.poses
    assert pose["class"] == "car" and pose["size"] == [1.8, 1.5, 4.2]
    np.testing.assert_allclose(pose["translation"], [0, 1, 8], atol=1e-12)  # on the ground, a metre below the lens
    rotation = cameras.quaternion_to_rotation(pose["rotation_wxyz"])
    np.testing.assert_allclose(rotation @ [0, 0, 1], [-1, 0, 0], atol=1e-12)  # heading left
    np.testing.assert_allclose(rotation @ [0, 1, 0], [0, -1, 0], atol=1e-12)  # standing upright
    centre = cameras.inverse_rigid(sample.camera.world_to_cam)[:3, 3]
    np.testing.assert_allclose(cameras.y_up_to_z_up(centre), [10, 20, 1], atol=1e-12)


def test_what_we_write_we_read(street, exported):
    folder = NuScenesFolder(exported)
    for index, name in enumerate(("000000", "000001")):
        said, sample = json.loads((street / "poses" / f"{name}.json").read_text()), folder[index]
        np.testing.assert_allclose(sample.camera.world_to_cam, said["camera"]["world_to_cam"], atol=1e-9)
        assert [p["class"] for p in sample.poses] == [p["class"] for p in said["objects"]]
        assert [p["instance"] for p in sample.poses] == [p["instance"] for p in said["objects"]]
        for read, wrote in zip(sample.poses, said["objects"], strict=True):
            np.testing.assert_allclose(read["translation"], wrote["translation"], atol=1e-7)
            np.testing.assert_allclose(read["size"], wrote["size"])
        for channel, kind in (("CAM_FRONT", "images"), ("DEPTH_FRONT", "depth"), ("FRUXELS_FRONT", "fruxels")):
            assert sample.files[channel].read_bytes() == (street / kind / sample.files[channel].name).read_bytes()


def test_the_same_folder_gives_the_same_bytes_and_is_not_overwritten(street, exported, tmp_path):
    export_nuscenes(street, tmp_path / "again")
    for path in exported.rglob("*"):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(exported)).read_bytes() == path.read_bytes()
    with refused(UsageError, "exists"):
        export_nuscenes(street, exported)


def test_categories_map_to_street_classes():
    assert street_class("human.pedestrian.child") == "person" and street_class("vehicle.bus.bendy") == "bus"
    assert street_class("movable_object.barrier") is None
    for name, category in CATEGORY_OF.items():
        assert street_class(category, name) == name
    for real in ("", "Vehicle designed primarily for personal use, e.g. sedans, wagons, vans, SUVs and jeeps.", "person"):
        assert street_class("vehicle.car", real) == "car"


PUBLISHED = [
    "animal",
    "human.pedestrian.adult",
    "human.pedestrian.child",
    "human.pedestrian.construction_worker",
    "human.pedestrian.personal_mobility",
    "human.pedestrian.police_officer",
    "human.pedestrian.stroller",
    "human.pedestrian.wheelchair",
    "movable_object.barrier",
    "movable_object.debris",
    "movable_object.pushable_pullable",
    "movable_object.trafficcone",
    "static_object.bicycle_rack",
    "vehicle.bicycle",
    "vehicle.bus.bendy",
    "vehicle.bus.rigid",
    "vehicle.car",
    "vehicle.construction",
    "vehicle.emergency.ambulance",
    "vehicle.emergency.police",
    "vehicle.motorcycle",
    "vehicle.trailer",
    "vehicle.truck",
    "noise",
    "flat.driveable_surface",
    "flat.other",
    "flat.sidewalk",
    "flat.terrain",
    "static.manmade",
    "static.other",
    "static.vegetation",
    "vehicle.ego",
]
"""The 23 classes of boxes and the 9 others of nuScenes-lidarseg, from their published list."""


def test_every_category_that_is_written_is_one_of_nuscenes(exported):
    assert len(PUBLISHED) == 32
    written = json.loads((exported / "v1.0-semanticvoxels/category.json").read_text())
    assert {row["name"] for row in written} <= {*PUBLISHED} and {row["description"] for row in written} == {*CATEGORY_OF}


def test_folders_of_earlier_names_have_the_same_classes(exported, tmp_path):
    """Before, vans, buildings and trees had names of their own, and the description was the class, too."""
    shutil.copytree(exported, tmp_path / "nu")
    path = tmp_path / "nu/v1.0-semanticvoxels/category.json"
    earlier = {"van": "vehicle.van", "building": "static.building", "tree": "static.tree"}
    rows = [row | {"name": earlier.get(row["description"], row["name"])} for row in json.loads(path.read_text())]
    path.write_text(json.dumps(rows))
    for own, old in zip(NuScenesFolder(exported), NuScenesFolder(tmp_path / "nu"), strict=True):
        assert [pose["class"] for pose in own.poses] == [pose["class"] for pose in old.poses]
    assert {*earlier.values()} == {row["name"] for row in rows} - {*PUBLISHED}


def test_broken_folders_are_named(tmp_path):
    with refused(DataError, "no samples"):
        export_nuscenes(tmp_path, tmp_path / "o")
    with refused(DataError, "version", actual="none"):
        NuScenesFolder(tmp_path)
    write_by_hand(tmp_path)
    with refused(DataError, "'CAM_BACK'"):
        NuScenesFolder(tmp_path, channel="CAM_BACK")
    with refused(DataError, "'v1.0-min'", hint="'v1.0-mini'"):
        NuScenesFolder(tmp_path, version="v1.0-min")
    (tmp_path / "v1.0-mini/ego_pose.json").write_text("[1]")
    with refused(FileFormatError, "ego_pose.json"):
        NuScenesFolder(tmp_path)


DEVKIT_SCRIPT = """
import json, sys
from nuscenes.nuscenes import NuScenes
from nuscenes.utils.geometry_utils import BoxVisibility, view_points
nusc = NuScenes(version="v1.0-semanticvoxels", dataroot=sys.argv[1], verbose=False)
out = {}
for sample in nusc.sample:
    token = sample["data"]["CAM_FRONT"]
    path, boxes, K = nusc.get_sample_data(token, box_vis_level=BoxVisibility.NONE)
    for box in boxes:
        corners = box.corners()
        instance = nusc.get("instance", nusc.get("sample_annotation", box.token)["instance_token"])["mask_id"]
        if corners[2].min() > 0.1:
            pixels = view_points(corners, K, normalize=True)[:2]
            out[path[-10:-4] + "/" + str(instance)] = [*pixels.min(1), *pixels.max(1), corners[2].mean()]
print(json.dumps(out))
"""


@pytest.mark.peers
def test_the_devkit_projects_our_boxes_onto_the_instance_masks(street, exported):
    """VOXCLI_NUSCENES_PYTHON: the interpreter of an environment that has nuscenes-devkit 1.2.0, which pins other versions than ours."""
    interpreter = os.environ.get("VOXCLI_NUSCENES_PYTHON", sys.executable)
    ran = subprocess.run([interpreter, "-c", DEVKIT_SCRIPT, str(exported)], capture_output=True, text=True)
    if "No module named 'nuscenes'" in ran.stderr:
        pytest.skip("nuscenes-devkit is not installed")
    assert ran.returncode == 0, ran.stderr
    boxes, seen = json.loads(ran.stdout), 0
    for name, (left, top, right, bottom, _) in boxes.items():
        sample, instance = name.split("/")
        rows, columns = np.nonzero(np.asarray(Image.open(street / "instances" / f"{sample}.png")).astype(int) == int(instance))
        if len(rows) < 4:
            continue
        seen += 1
        # To a pixel the mask lies in the box; occlusion and round shapes leave it smaller, so that tightness is not asked.
        assert columns.min() >= left - 1 and columns.max() + 1 <= right + 1 and rows.min() >= top - 1 and rows.max() + 1 <= bottom + 1, name
    assert seen >= 3


ODD = [None, 7, -1.5, "x", [], {}, [["a"]], True, 10**400]


def test_values_of_any_type_in_a_table_are_read_or_refused(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "nu")
    (version,) = {path.parent for path in (tmp_path / "nu").glob("*/sample.json")}
    kinds = set()
    for table in ("sample", "sensor", "calibrated_sensor", "ego_pose", "instance", "category", "sample_data", "sample_annotation"):
        path = version / f"{table}.json"
        whole = path.read_bytes()
        for key in json.loads(whole)[0]:
            for odd in ODD:
                rows = json.loads(whole)
                rows[0][key] = odd
                path.write_text(json.dumps(rows))
                try:
                    folder = NuScenesFolder(tmp_path / "nu")
                    for index in range(len(folder)):
                        folder.camera_of(index), folder[index]
                except VoxcliError as error:
                    kinds.add(type(error))
        path.write_bytes(whole)
    assert FileFormatError in kinds
