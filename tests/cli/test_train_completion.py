"""`train --data` on the roots of scene completion, without a conversion before it."""

import json
import pickle
import shutil

import numpy as np
import pytest
from evaluation_scenes import nyu_volume, occ3d, semantic_kitti
from PIL import Image

from voxcli import files
from voxcli.datasets.street import StreetFolder, pool_labels
from voxcli.files.completion import KITTI_CLASSES, NYU_CLASSES
from voxcli.files.keyed import OCC3D_CLASSES
from voxcli.models.frustum.completion import CompletionOptions, CompletionSamples
from voxcli.models.weights import load_weights
from voxcli.scene import VoxelGrid

RAYS = """
model: rays
network: {preset: far, width: 16, height: 16, depth: 16, pyramid: 8, volume: 4, fine: [8, 8], pretrained: false}
validation: {every: 2, samples: 2, pictures: 0}
stages: [{name: full, step: rays, steps: 2, batch: 2, scales: {full: 1, quarter: 0.3}, losses: {likelihood: 1, dice: 1}}]
"""


@pytest.fixture
def kitti(tmp_path):
    """Two frames of sequence 08 and the same of 00."""
    semantic_kitti(tmp_path / "kitti", tmp_path / "none", ("000000", "000005"))
    shutil.copytree(tmp_path / "kitti/sequences/08", tmp_path / "kitti/sequences/00")
    (tmp_path / "rays.yaml").write_text(RAYS)
    return tmp_path / "kitti"


def train(voxcli, data, *more):
    code, text, errors = voxcli("train", "-m", "rays", "--recipe", "rays.yaml", "--data", data, "-o", "run", *more)
    assert code == 0, errors
    return text


def log(folder):
    return [json.loads(line) for line in (folder / "run/log.jsonl").read_text().splitlines()]


def test_kitti_trains_on_its_training_sequences_and_is_validated_on_08(voxcli, kitti, tmp_path):
    (kitti / "sequences/08/voxels/000005.label").unlink()
    train(voxcli, "kitti")
    start = next(record for record in log(tmp_path) if record["event"] == "start")
    assert start["validation"] == 1  # 08 has one frame left, 00 two
    facts = load_weights(tmp_path / "run/weights.safetensors").facts
    assert tuple(facts["label_names"]) == KITTI_CLASSES.names and facts["frustum"] == {"z_near": 2.0, "z_far": 50.0, "fov_x_deg": 70.0}


def test_a_sample_is_the_picture_and_what_its_camera_has_before_it(kitti):
    samples = CompletionSamples(kitti, CompletionOptions(size=(16, 16, 32), z_near=2, z_far=10, fov_x_deg=40))
    assert samples.names == ["00/000000", "00/000005"]
    image, labels = samples.read(0)
    assert image.shape == (32, 32, 3) and labels.shape == (32, 16, 16)
    # The camera looks along the lidar's x: a road of x 2 to 4 m, y -5.6 to -3.6, z -2.2 to -2 lies right below; half of it is .invalid.
    k, j, i = np.meshgrid(*(np.arange(n) + 0.5 for n in (32, 16, 16)), indexing="ij")
    z, focal = 2 + k * 0.25, 8 / np.tan(np.radians(20))
    x, y = (i - 8) * z / focal, (j - 8) * z / focal
    road = (z > 2) & (z < 4) & (x > 3.6) & (x < 5.6) & (y > 2) & (y < 2.2)
    known = ~(road & (z > 3))
    assert ((labels == KITTI_CLASSES.names.index("road")) == (road & known)).all()
    data = StreetFolder([samples])
    assert len(data) == 2 and data.classes == KITTI_CLASSES and data[0].name == "00/000000" and data.frustum.shape == (32, 16, 16)


def test_what_nobody_knows_is_left_out(kitti):
    voxels = kitti / "sequences/00/voxels"
    unknown = np.zeros((256, 256, 32), bool)
    unknown[20:] = True  # beyond 4 m
    place = {"origin": np.array([0, -25.6, -2.2]), "voxel_size": np.full(3, 0.2)}
    files.write(voxels / "000000.invalid", VoxelGrid(unknown, **place), overwrite=True)
    samples = CompletionSamples(kitti, CompletionOptions(size=(16, 16, 32), z_near=2, z_far=10, fov_x_deg=20))
    labels = samples.read(0)[1]
    assert (labels[8:] == 255).all() and (labels[:8] != 255).all()


def test_ssz_and_shipped_recipes_fit_without_a_setting(voxcli, kitti):
    for call in (("-m", "rays"), ("-m", "ssz", "--recipe", "street-small")):
        more = () if "ssz" in call else ("--set", "training.network.pretrained=false")
        code, text, errors = voxcli("train", *call, "--data", "kitti", "-o", "run", "--dry-run", *more)
        assert code == 0 and json.loads(text)["samples"] == 2, errors


def test_nyu_and_occ3d_train_alike(voxcli, tmp_path):
    (tmp_path / "rays.yaml").write_text(RAYS)
    for split in ("train", "test"):
        nyu_volume(tmp_path / f"nyu/NYU{split}/NYU0001_0000.bin", [(4, 200)])
        Image.new("RGB", (640, 480)).save(tmp_path / f"nyu/NYU{split}/NYU0001_0000_color.jpg")
    train(voxcli, "nyu", "--dry-run")
    labels = CompletionSamples(tmp_path / "nyu", CompletionOptions(size=(16, 16, 16)))
    assert labels.classes == NYU_CLASSES and labels.names == ["NYU0001_0000"] and labels.read(0)[1].shape == (16, 16, 16)
    occ3d(tmp_path / "occ3d", tmp_path / "none")
    samples = CompletionSamples(tmp_path / "occ3d", CompletionOptions(split="val", size=(16, 16, 16)))
    assert len(samples.names) == 18 and samples.names[0] == "scene-0001/t1/CAM_FRONT" and samples.classes == OCC3D_CLASSES
    elsewhere = pickle.loads(pickle.dumps(samples))
    assert np.array_equal(elsewhere.read(3)[1], samples.read(3)[1]) and "annotations" not in vars(elsewhere.folder)


def test_a_wrong_root_and_wrong_settings_are_refused(refused, kitti, tmp_path):
    (tmp_path / "wrong").mkdir()
    call = ("train", "-m", "rays", "--recipe", "rays.yaml", "-o", "run")
    refused(*call, "--data", "wrong", named=("wrong", "ROOT/sequences/08/voxels/000000.label"))
    refused(*call, "--data", "kitti", "--set", "training.dataset.fov=3", named="fov")
    for path in kitti.glob("sequences/00/image_2/*"):
        path.unlink()
    refused(*call, "--data", "kitti", named=("no picture", "image_2"))
    shutil.rmtree(kitti / "sequences/00")
    refused(*call, "--data", "kitti", named=("SemanticKITTI", "ROOT/sequences"))


def test_more_than_sixteen_classes_are_pooled():
    labels = np.zeros((2, 2, 2), np.uint8)
    labels[0, 0], labels[0, 1, 0], labels[1, 1] = 19, 3, (17, 255)
    assert pool_labels(labels, 2).tolist() == [[[19]]]
    labels[1, 0] = 3
    assert pool_labels(labels, 2).tolist() == [[[3]]]
