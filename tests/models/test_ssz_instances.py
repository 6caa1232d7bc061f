import json
import math

import numpy as np
import pytest
import torch
from predicting import load_predictor, predict
from refusals import refused

from voxcli import config
from voxcli.datasets.poses import parse_poses
from voxcli.errors import FileFormatError, UsageError
from voxcli.geometry.surfaces import surface_mesh
from voxcli.models.ssz.instances import find_instances, poses_record, with_boxes
from voxcli.models.ssz.network import SSZConfig, build
from voxcli.models.ssz.poses import Certificate, cell_centres
from voxcli.models.weights import Weights, load_weights, save_weights
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum, FruxelGrid, Picture

FRUSTUM = Frustum(32, 16, 8, 2.0, 10.0, 2 * math.degrees(math.atan(0.5)))
CLASSES = Labels(("air", "car", "ground"))
CELLS = (2, 4, 8)


def scene():
    """Two cars apart, on the ground."""
    labels = np.zeros(FRUSTUM.shape, np.uint8)
    labels[:, 14:] = 2
    labels[1:3, 8:14, 2:8] = 1
    labels[5:7, 10:14, 20:26] = 1
    return labels


def certificate():
    t = cell_centres(FRUSTUM, CELLS)[None]
    q = torch.zeros(1, *CELLS, 4, dtype=torch.float64)
    q[..., 0] = -1
    r = torch.zeros(1, *CELLS, dtype=torch.float64)
    r[0, 0] = 2
    return Certificate(t, q, r)


def test_parts_of_a_class_are_instances_near_to_far_with_the_pose_of_their_cell():
    near, far = find_instances(scene(), certificate(), FRUSTUM, CLASSES)
    assert (near["instance"], far["instance"], near["class"]) == (2, 3, "car")
    assert near["score"] == pytest.approx(1 / (1 + math.exp(-2)), abs=1e-5) and far["score"] == 0.5
    assert near["rotation_wxyz"] == [1, 0, 0, 0]  # of q and -q the one with w >= 0
    for each in (near, far):
        low, high = (np.array(corner) + each["translation"] for corner in each["box"])
        assert np.allclose(high - low, each["size"], atol=1e-4)
    # The near car: slices 1 and 2 are centred at 3.5 and 4.5 m, columns 2..7 of 32 at x = z / 2 * (2 (k + 1/2) / 32 - 1).
    low, high = (np.array(corner) + near["translation"] for corner in near["box"])
    assert low[2] == pytest.approx(3.5, abs=1e-4) and high[2] == pytest.approx(4.5, abs=1e-4)
    assert low[0] == pytest.approx(4.5 / 2 * (5 / 32 - 1), abs=1e-4) and high[0] == pytest.approx(3.5 / 2 * (15 / 32 - 1), abs=1e-4)


def test_a_poses_file_reads_back_as_ground_truth_does():
    grid = FruxelGrid(scene(), FRUSTUM, np.eye(4), CLASSES)
    found = find_instances(scene(), certificate(), FRUSTUM, CLASSES)
    text = json.dumps(poses_record(grid, found))
    poses = parse_poses(text, "poses.json", CLASSES)
    assert poses.classes.tolist() == [1, 1] and np.allclose(poses.translations[0], found[0]["translation"])
    for damage in ("[]", '{"objects": [{"class": "cat"}]}', text.replace('"rotation_wxyz": [1', '"rotation_wxyz": [7')):
        with refused(FileFormatError, "poses.json"):
            parse_poses(damage, "poses.json", CLASSES)


def test_boxes_enclose_their_instances_in_the_world_and_are_classes_of_their_own():
    place = np.eye(4)
    place[:3, 3] = (1, 2, 3)
    grid = FruxelGrid(scene(), FRUSTUM, place, CLASSES)
    mesh = surface_mesh(grid)
    boxed = with_boxes(mesh, find_instances(scene(), certificate(), FRUSTUM, CLASSES), place)
    assert boxed.classes.names == ("air", "car", "ground", "car box")
    assert (boxed.face_labels == 3).sum() == 2 * 12 * 12
    assert np.array_equal(boxed.vertices[: len(mesh.vertices)], mesh.vertices)
    frame = boxed.vertices[np.unique(boxed.faces[boxed.face_labels == 3])]
    assert frame[:, 2].min() == pytest.approx(3.5 - 3, abs=0.05) and frame[:, 2].max() == pytest.approx(8.5 - 3, abs=0.05)
    assert with_boxes(mesh, [], place) is mesh


def test_weights_carry_the_discriminator_and_poses_need_it(tmp_path):
    torch.manual_seed(0)
    small = {
        "width": 32, "height": 16, "depth": 8, "classes": 3, "encoder": [8, 8, 16], "encoder_blocks": [1, 1, 1], "decoder": [8, 8, 8],
        "decoder_blocks": [1, 0, 0], "discriminator": {"widths": [4, 4], "blocks": [0, 0]},
    }  # fmt: skip
    settings = config.from_mapping(SSZConfig, small, "small")
    facts = {
        "frustum": {"z_near": 2.0, "z_far": 10.0, "fov_x_deg": 40.0}, "label_names": ["air", "car", "ground"], "empty_label": 0,
        "ignore_label": 255,
    }  # fmt: skip
    save_weights(tmp_path / "w.safetensors", Weights(build(settings).state_dict(), "ssz", config.to_mapping(settings), facts))
    picture = Picture(np.random.default_rng(0).integers(0, 255, (16, 32, 3), dtype=np.uint8))
    predictor = load_predictor(tmp_path / "w.safetensors", "cpu", "float32")
    with_poses, without = (next(predict(predictor, [picture], poses=each)) for each in (True, False))
    assert np.array_equal(with_poses.labels, without.labels)
    assert "instances" in with_poses.meta and "instances" not in without.meta
    assert all(each["class"] == "car" and 0 <= each["score"] <= 1 for each in with_poses.meta["instances"])
    weights = load_weights(tmp_path / "w.safetensors")
    alone = {k: t for k, t in weights.tensors.items() if not k.startswith("discriminator.")}
    bare = load_predictor(Weights(alone, "ssz", {**weights.config, "discriminator": None}, weights.facts), "cpu", "float32")
    assert np.array_equal(next(predict(bare, [picture])).labels, without.labels)
    with refused(UsageError, "discriminator"):
        next(predict(bare, [picture], poses=True))
