"""Metrics of files in the layout of a data set, and of poses of objects."""

import json

import numpy as np
import pytest
from example_files import FILES


def test_semantic_kitti_is_scored_from_its_own_files(refused, voxcli, tmp_path):
    shape, rng = (256, 256, 32), np.random.default_rng(0)
    raw = np.array([0, 10, 40, 48, 252, 52], np.uint16)  # air, car, road, sidewalk, moving car, one that is ignored
    names = np.array([0, 1, 9, 11, 1, 255])
    drawn = rng.integers(0, 5, (2, *shape)), rng.random(shape) < 0.05
    (guess, truth), odd = drawn
    truth = np.where(odd, 5, truth)
    invalid = rng.random(shape) < 0.3
    for folder, labels in (("pred", guess), ("gt", truth)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "000000.label").write_bytes(raw[labels].astype("<u2").tobytes())
    (tmp_path / "gt/000000.invalid").write_bytes(np.packbits(invalid).tobytes())
    kept = ~invalid & (truth != 5)
    p, g = names[guess][kept], names[truth][kept]
    wanted = sum(((p == k) & (g == k)).sum() / ((p == k) | (g == k)).sum() for k in (1, 9, 11)) / 19
    for masks in ("gt", "gt/000000.invalid"):
        code, text, _ = voxcli("metrics", "iou", "pred", "gt", "--preset", "kitti-ssc", "--mask-out", masks)
        record = json.loads(text)
        assert code == 0 and record["value"] == pytest.approx(wanted) and record["params"]["preset"] == "kitti-ssc"
    completion = ((p > 0) & (g > 0)).sum() / ((p > 0) | (g > 0)).sum()
    assert record["parts"]["completion"] == pytest.approx(completion)
    (tmp_path / "gt/000000.invalid").write_bytes(b"short")
    refused("metrics", "iou", "pred", "gt", "--preset", "kitti-ssc", "--mask-out", "gt", named="000000.invalid")


@pytest.mark.parametrize("pred,gt,ids", [
    ("raw", "raw", "raw"), ("raw", "learn", "raw"), ("learn", "raw", "training"), ("learn", "learn", "training"),
])  # fmt: skip
def test_ids_are_the_predictions_and_the_truths_are_told_from_its_file(voxcli, tmp_path, pred, gt, ids):
    learnt = np.zeros((256, 256, 32), np.uint16)
    learnt[:4, :5, :6], learnt[10:20, :9, :3] = 1, 9
    raw = np.zeros(20, np.uint16)
    raw[[1, 9]] = 10, 40
    learnt.tofile(tmp_path / "learn.label")
    raw[learnt].tofile(tmp_path / "raw.label")
    code, text, errors = voxcli("metrics", "iou", f"{pred}.label", f"{gt}.label", "--preset", "kitti-ssc", "--ids", ids)
    assert code == 0, errors
    assert json.loads(text)["parts"]["classes"]["car"] == 1 and json.loads(text)["parts"]["classes"]["road"] == 1


@pytest.mark.parametrize(
    ("inputs", "flags"),
    [
        ("poses.json poses.json", ("--align", "se3")), ("camera.yaml camera.yaml", ("--within", "1")),
        ("camera.yaml camera.yaml", ("--align", "none")),
    ],
)  # fmt: skip
def test_options_of_other_poses_are_refused(voxcli, refused, tmp_path, inputs, flags):
    FILES["camera.yaml"](tmp_path / "camera.yaml")
    one = '{"class": "car", "translation": [0, 0, 9], "rotation_wxyz": [1, 0, 0, 0], "size": [2, 1, 4]}'
    (tmp_path / "poses.json").write_text(f'{{"objects": [{one}]}}')
    refused("metrics", "pose", *inputs.split(), *flags, named=flags[0])
    assert voxcli("metrics", "pose", *inputs.split())[0] == 0
