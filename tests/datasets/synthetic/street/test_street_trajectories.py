"""`synth street --trajectory`: frames of one street from a camera that goes along it, and their sequences in the tables of nuScenes."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from refusals import refused

from voxcli import files
from voxcli.datasets.nuscenes import export_nuscenes
from voxcli.datasets.packing import is_street_folder
from voxcli.datasets.street import StreetFolder
from voxcli.datasets.synthetic.folders import write_dataset
from voxcli.datasets.synthetic.street.config import StreetConfig
from voxcli.datasets.synthetic.street.dataset import StreetGenerator
from voxcli.datasets.synthetic.street.layout import lay_out_trajectory
from voxcli.datasets.synthetic.street.sample import ObjectMaker, ground_slab, make_frames, make_sample
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.evaluation.readers.scenes import StreetOptions, StreetReader
from voxcli.geometry.cameras import inverse_rigid
from voxcli.scene import Frustum

SMALL = StreetConfig(Frustum(48, 48, 40, 2.0, 12.0, 40.0), trajectory=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("street") / "data"
    assert write_dataset(out, 2, StreetGenerator(3, SMALL)) == 2
    return out


def test_scenes_are_split_and_each_has_a_folder_of_its_frames(folder):
    assert sorted(str(p.relative_to(folder)) for p in folder.glob("*/*")) == ["test/000001", "train/000000"]
    data = StreetFolder([folder / "train", folder / "test"])
    assert data.names == [f"{scene}/{frame:04d}" for scene in ("000000", "000001") for frame in range(5)]
    sample = data[7]
    assert sample.image.shape == (48, 48, 3) and sample.labels.shape == (40, 48, 48) and len(sample.poses) > 0
    assert is_street_folder(folder / "train") and is_street_folder(folder / "train/000000") and not is_street_folder(folder)


def test_the_camera_goes_a_quarter_of_a_metre_along_the_road_and_the_street_stays(folder):
    cameras, places = [], []
    for frame in range(5):
        poses = json.loads((folder / f"train/000000/poses/{frame:04d}.json").read_text())
        cam_to_world = inverse_rigid(np.array(poses["camera"]["world_to_cam"]))
        cameras.append(cam_to_world)
        places.append([cam_to_world[:3, :3] @ each["translation"] + cam_to_world[:3, 3] for each in poses["objects"]])
        assert [each["instance"] for each in poses["objects"]] == list(range(2, 2 + len(places[0])))
    steps = np.diff([each[:3, 3] for each in cameras], axis=0)
    assert np.allclose(np.abs(steps), [0, 0, 0.25]) and np.ptp(steps[:, 2]) < 1e-9
    assert np.allclose([each[:3, :3] for each in cameras], cameras[0][:3, :3])
    assert np.allclose(places, places[:1], atol=1e-5)


def test_what_one_frame_sees_the_next_one_has_where_it_has_moved_to(folder):
    """Points of the depth of a frame lie in or beside filled fruxels of the same class of another."""
    first, last = (files.read(folder / f"train/000000/fruxels/{frame:04d}.npz") for frame in (0, 4))
    depth = files.read(folder / "train/000000/depth/0000.png", kind="depth").depth
    rows, columns = np.nonzero(np.isfinite(depth) & (depth > 5) & (depth < 11))
    z = depth[rows, columns]
    focal = first.frustum.focal
    cam = np.stack([(columns + 0.5 - 24) / focal * z, (rows + 0.5 - 24) / focal * z, z], 1)
    moved = (inverse_rigid(first.world_to_cam) @ np.c_[cam, np.ones(len(cam))].T).T @ last.world_to_cam.T
    u, v = (np.floor(focal * moved[:, k] / moved[:, 2] + 24).astype(int) for k in (0, 1))
    d = np.floor((moved[:, 2] - 2) / 0.25).astype(int)
    seen = (u > 0) & (u < 47) & (v > 0) & (v < 47) & (d > 0) & (d < 39)
    near = np.stack([last.labels[d[seen] + a, v[seen] + b, u[seen] + c] for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)])
    assert seen.sum() > 200 and (near > 0).any(0).mean() > 0.97


def test_the_first_frame_has_the_camera_of_the_scene_of_one_picture():
    one = make_sample(3, 0, StreetConfig(SMALL.frustum))
    frame = next(make_frames(3, 0, SMALL))
    assert np.array_equal(one.camera.world_to_cam, frame.camera.world_to_cam)


def test_an_unfinished_scene_is_made_again_with_the_same_bytes(folder):
    def contents():
        return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    before = contents()
    (folder / "test/000001/images/0003.png").unlink()
    assert write_dataset(folder, 2, StreetGenerator(3, SMALL)) == 1 and contents() == before
    with refused(UsageError, "other options", actual="trajectory"):
        write_dataset(folder, 2, StreetGenerator(3, StreetConfig(SMALL.frustum)))


def test_frames_follow_one_another_in_the_tables_of_nuscenes(folder, tmp_path):
    assert export_nuscenes(folder / "train", tmp_path) == 5
    (version,) = {path.parent for path in tmp_path.glob("*/sample.json")}
    tables = {path.stem: json.loads(path.read_text()) for path in version.glob("*.json")}
    (scene,) = tables["scene"]
    samples = tables["sample"]
    assert scene["nbr_samples"] == 5 and len(samples) == 5
    for table, first, last, count in (
        ("sample", scene["first_sample_token"], scene["last_sample_token"], 1),
        ("sample_data", None, None, len(tables["sensor"])),
        ("sample_annotation", None, None, len(tables["instance"])),
    ):
        rows = {row["token"]: row for row in tables[table]}
        heads = [row for row in tables[table] if not row["prev"]]
        assert len(rows) == 5 * count and len(heads) == count
        for head in heads:
            chain = [head]
            while chain[-1]["next"]:
                chain.append(rows[chain[-1]["next"]])
                assert chain[-1]["prev"] == chain[-2]["token"]
            assert len(chain) == 5 and (first is None or (chain[0]["token"], chain[-1]["token"]) == (first, last))
            same = "instance_token" if table == "sample_annotation" else "token"
            assert table != "sample_annotation" or len({row[same] for row in chain}) == 1
    boxes = {row["token"]: row for row in tables["sample_annotation"]}
    for instance in tables["instance"]:
        first, last = boxes[instance["first_annotation_token"]], boxes[instance["last_annotation_token"]]
        assert instance["nbr_annotations"] == 5 and not first["prev"] and not last["next"]
        assert np.allclose(first["translation"], last["translation"], atol=1e-4)  # what stands in the street stays there
    assert [row["timestamp"] for row in samples] == [k * 500_000 for k in range(5)]


def test_the_root_is_exported_with_its_splits(folder, tmp_path):
    """Names of splits that the devkit has lists for (train, val, test) would hide ours."""
    assert export_nuscenes(folder, tmp_path) == 10
    version = tmp_path / "v1.0-semanticvoxels"
    assert json.loads((version / "splits.json").read_text()) == {"street_train": ["scene-000000"], "street_test": ["scene-000001"]}
    assert [row["name"] for row in json.loads((version / "scene.json").read_text())] == ["scene-000000", "scene-000001"]
    for split, scene in (("train", "000000"), ("test", "000001")):
        reader = StreetReader(tmp_path, StreetOptions(split=split))
        assert [sample.name for sample in reader.samples] == [f"{scene}-{frame:04d}" for frame in range(5)]
    with refused(DataError, "split val", actual="train, test"):
        StreetReader(tmp_path, StreetOptions(split="val"))
    (version / "splits.json").write_text("[1]")
    with pytest.raises(FileFormatError, match="splits.json"):
        StreetReader(tmp_path, StreetOptions())
    export_nuscenes(folder / "train", tmp_path, overwrite=True)
    assert not (version / "splits.json").exists() and len(StreetReader(tmp_path, StreetOptions()).samples) == 5


def test_scenes_of_one_name_in_two_splits_are_refused(folder, tmp_path):
    for split in ("train", "test"):
        shutil.copytree(folder / "train/000000", tmp_path / "in" / split / "000000")
    with refused(DataError, "one name"):
        export_nuscenes(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options", [{"trajectory": 0}, {"trajectory": 1001}, {"trajectory": 2, "preset": "far"}, {"trajectory": 2, "fov_jitter_deg": 1}]
)
def test_trajectories_that_cannot_be_are_refused(options):
    with pytest.raises(UsageError):
        StreetConfig(**options)


@pytest.mark.parametrize("travelled, along", [(0, 120), (99.75, 120), (249.75, 194.875)])
def test_the_ground_goes_on_for_70_metres_beyond_a_trajectory(travelled, along):
    vertices, _ = ground_slab(np.zeros(3), travelled)
    assert np.array_equal(vertices.max(0), [120, 0, along]) and np.array_equal(vertices.min(0)[[0, 2]], [-120, -along])


@pytest.mark.slow
def test_a_thousand_frames_of_250_metres_have_things_along_all_of_it():
    config = StreetConfig(SMALL.frustum, trajectory=1000)
    street, views, placed = lay_out_trajectory(np.random.default_rng(0), config.frustum, ObjectMaker(), 1000)
    gone = np.abs([view.position[2] for view in views])
    assert len(views) == 1000 and gone[-1] - gone[0] == pytest.approx(249.75)
    assert np.histogram(np.abs([each.z for each in placed]), np.arange(0, 251, 25))[0].min() > 0


DEVKIT_SCRIPT = """
import json, sys
from nuscenes.nuscenes import NuScenes
nusc = NuScenes(version="v1.0-semanticvoxels", dataroot=sys.argv[1], verbose=False)
(scene,) = nusc.scene
token, frames, speeds = scene["first_sample_token"], 0, []
while token:
    sample = nusc.get("sample", token)
    nusc.get_sample_data(sample["data"]["CAM_FRONT"])
    speeds += [abs(nusc.box_velocity(box)).max() for box in sample["anns"]]
    token, frames = sample["next"], frames + 1
import cv2, matplotlib
matplotlib.use("agg")
shown = []
cv2.namedWindow = cv2.moveWindow = cv2.destroyAllWindows = lambda *given: None
cv2.imshow, cv2.waitKey = lambda name, picture: shown.append(picture.shape), lambda wait=0: -1
nusc.render_scene_channel(scene["token"], "CAM_FRONT", out_path=sys.argv[1] + "/scene.avi")
for sample in nusc.sample:
    nusc.render_sample_data(sample["data"]["CAM_FRONT"], out_path=sys.argv[1] + "/sample.png", verbose=False)
print(json.dumps([frames, max(speeds), shown]))
"""


@pytest.mark.peers
def test_the_devkit_plays_the_frames_and_sees_nothing_move(folder, tmp_path):
    """VOXCLI_NUSCENES_PYTHON: see test_nuscenes.py."""
    export_nuscenes(folder / "train", tmp_path)
    interpreter = os.environ.get("VOXCLI_NUSCENES_PYTHON", sys.executable)
    ran = subprocess.run([interpreter, "-c", DEVKIT_SCRIPT, str(tmp_path)], capture_output=True, text=True)
    if "No module named 'nuscenes'" in ran.stderr:
        pytest.skip("nuscenes-devkit is not installed")
    assert ran.returncode == 0, ran.stderr
    frames, fastest, shown = json.loads(ran.stdout.splitlines()[-1])
    assert frames == 5 and fastest < 1e-4
    assert shown == [[360, 640, 3]] * 5 and (tmp_path / "scene.avi").stat().st_size > 0 and (tmp_path / "sample.png").is_file()
