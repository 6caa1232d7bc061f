"""Several cameras, and objects, against the truth: known motions come back, errors are those that were put in."""

import json

import numpy as np
import pytest
from refusals import refused

import voxcli
from voxcli import files
from voxcli.errors import DataError
from voxcli.geometry.cameras import look_at
from voxcli.metrics.trajectories import CameraPoses, similarity, trajectory_record
from voxcli.metrics.views import PoseOptions
from voxcli.scene import Camera

PLACES = np.random.default_rng(0).normal(size=(8, 3)) * (4, 1, 4)
TRUTH = np.stack([look_at(place, [0, 0, 20.0]) for place in PLACES])
NAMES = tuple(f"images/{k}.png" for k in range(8))


def turn(degrees, axis=1):
    angle, (i, j) = np.radians(degrees), [(1, 2), (2, 0), (0, 1)][axis]
    out = np.eye(3)
    out[i, i] = out[j, j] = np.cos(angle)
    out[i, j], out[j, i] = -np.sin(angle), np.sin(angle)
    return out


def in_other_world(world_to_cam, scale, R, t):
    """The cameras in a world y = scale R x + t."""
    out = np.linalg.inv(world_to_cam)
    out[:, :3, 3] = scale * out[:, :3, 3] @ R.T + t
    out[:, :3, :3] = R @ out[:, :3, :3]
    return np.linalg.inv(out)


def test_another_world_is_aligned_away_with_its_scale():
    R, t = turn(130) @ turn(20, 0), np.array([3.0, -1, 7])
    pred = in_other_world(TRUTH, 2.5, R, t)
    record = trajectory_record(CameraPoses(NAMES, pred), CameraPoses(NAMES, TRUTH))
    parts = record["parts"]
    assert record["value"] == pytest.approx(0, abs=1e-9) and parts["scale"] == pytest.approx(1 / 2.5)
    assert [parts[name] for name in ("rotation_deg", "rpe_translation", "rpe_rotation_deg")] == pytest.approx([0, 0, 0], abs=1e-5)
    motion = np.array(record["params"]["motion"])
    assert np.allclose(motion[:3, :3] @ R * 2.5, np.eye(3)) and np.allclose(motion[:3, :3] @ t + motion[:3, 3], 0)
    rigid = trajectory_record(CameraPoses(NAMES, pred), CameraPoses(NAMES, TRUTH), PoseOptions(align="se3"))
    spread = PLACES - PLACES.mean(0)  # a world 2.5 times as large is off by 1.5 times each distance from the middle
    assert rigid["value"] == pytest.approx(1.5 * np.sqrt(np.square(spread).sum(1).mean())) and rigid["parts"]["scale"] == 1


def test_errors_without_alignment_are_those_that_were_put_in():
    pred = np.linalg.inv(TRUTH)
    pred[3, :3, 3] += (0, 0.4, 0)
    pred[:, :3, :3] = pred[:, :3, :3] @ turn(5)
    record = trajectory_record(CameraPoses(NAMES, np.linalg.inv(pred)), CameraPoses(NAMES, TRUTH), PoseOptions(align="none"))
    parts = record["parts"]
    assert record["value"] == pytest.approx(0.4 / np.sqrt(8))
    assert (parts["ate_max"], parts["ate_median"]) == pytest.approx((0.4, 0), abs=1e-9)
    assert parts["rotation_deg"] == pytest.approx(5)
    steps = [np.linalg.inv(each[:-1]) @ each[1:] for each in (pred, np.linalg.inv(TRUTH))]
    off = [np.linalg.inv(true) @ found for found, true in zip(*steps, strict=True)]
    assert parts["rpe_translation"] == pytest.approx(np.sqrt(np.mean([np.sum(each[:3, 3] ** 2) for each in off])))
    angles = [np.degrees(np.arccos(np.clip((np.trace(each[:3, :3]) - 1) / 2, -1, 1))) for each in off]
    assert parts["rpe_rotation_deg"] == pytest.approx(np.sqrt(np.mean(np.square(angles))), abs=1e-4)


def test_the_similarity_is_the_least_squares_of_its_kind():
    rng = np.random.default_rng(1)
    target = 0.7 * PLACES @ turn(40).T + rng.normal(0, 0.2, PLACES.shape)
    scale, R, t = similarity(PLACES, target)
    best = np.square(scale * PLACES @ R.T + t - target).sum()
    for other in ((scale * 1.01, R, t), (scale, R @ turn(0.5), t), (scale, R @ turn(-0.5, 0), t), (scale, R, t + 0.01)):
        assert np.square(other[0] * PLACES @ other[1].T + other[2] - target).sum() > best
    with refused(DataError, "line", hint="--align none"):
        similarity(np.outer(np.arange(5.0), [1, 2, 3]), np.outer(np.arange(5.0), [0, 1, 0]))


def test_cameras_of_files_are_matched_by_name(voxcli_run, tmp_path):
    lens = np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])
    cameras = [(name, Camera(lens, 64, 48, matrix)) for name, matrix in zip(NAMES, TRUTH, strict=True)]
    files.write(tmp_path / "gt.json", cameras)
    files.write(tmp_path / "pred.json", [(name.replace("images/", "other/"), camera) for name, camera in cameras[6:1:-1]])
    record = voxcli_run("metrics", "pose", "pred.json", "gt.json")
    assert record["value"] == pytest.approx(0, abs=1e-6)
    assert record["parts"]["matched"] == 5 and record["parts"]["alone"] == {"pred": 0, "gt": 3}
    assert record["params"]["align"] == "sim3" and "within" not in record["params"]
    assert voxcli.score(TRUTH, TRUTH, "pose", align="none")["parts"]["matched"] == 8
    with refused(DataError, "ate"):
        voxcli.score(np.eye(4), np.eye(4), "pose", value="ate")


# ------------------------------------------------------------------------------------------------ objects


def scene(path, *objects):
    """(class, translation, angle about y) of each object, as `synth street` lists them."""
    half = [(name, place, np.radians(angle) / 2) for name, place, angle in objects]
    turned = [(name, place, [np.cos(h), 0, np.sin(h), 0]) for name, place, h in half]
    listed = [{"class": name, "translation": place, "rotation_wxyz": q, "size": [1, 1, 1]} for name, place, q in turned]
    path.write_text(json.dumps({"camera": {}, "frames": {"world": "camera"}, "objects": listed}))


def test_objects_are_matched_by_class_and_distance(voxcli_run, tmp_path):
    scene(tmp_path / "gt.json", ("car", [0, 0, 10], 0), ("car", [1.5, 0, 10], 90), ("car", [20, 0, 30], 0), ("person", [0, 0, 8], 0))
    scene(tmp_path / "pred.json", ("car", [1.0, 0, 10], 80), ("car", [-0.5, 0, 10], -30), ("bus", [0, 0, 10], 0), ("person", [0, 3, 8], 0))
    record = voxcli_run("metrics", "pose", "pred.json", "gt.json")
    parts = record["parts"]
    assert record["value"] == pytest.approx(0.5) and parts["rotation_deg"] == pytest.approx((10 + 30) / 2)
    assert (parts["precision"], parts["recall"]) == (2 / 4, 2 / 4)  # the person is 3 m off, the bus is none, a car is missed
    assert parts["classes"]["car"] == pytest.approx({"translation": 0.5, "rotation_deg": 20, "matched": 2, "predicted": 2, "true": 3})
    assert parts["classes"]["person"]["matched"] == 0 and parts["classes"]["bus"]["true"] == 0
    wide = voxcli_run("metrics", "pose", "pred.json", "gt.json", "--within", 4, "--value", "rotation_deg")
    assert wide["params"]["within"] == 4 and "align" not in wide["params"]
    assert wide["parts"]["classes"]["person"]["translation"] == pytest.approx(3) and wide["value"] == pytest.approx((10 + 30 + 0) / 3)


def test_as_many_objects_as_possible_are_matched(voxcli_run, tmp_path):
    scene(tmp_path / "gt.json", ("car", [0, 0, 10], 0), ("car", [1.9, 0, 10], 0))
    scene(tmp_path / "pred.json", ("car", [1.8, 0, 10], 0), ("car", [3.8, 0, 10], 0))  # the nearest pair would leave the others alone
    record = voxcli_run("metrics", "pose", "pred.json", "gt.json")
    assert record["parts"]["recall"] == 1 and record["value"] == pytest.approx((1.8 + 1.9) / 2)


def test_objects_and_cameras_are_not_compared(tmp_path):
    scene(tmp_path / "gt.json", ("car", [0, 0, 10], 0))
    with refused(DataError, "cameras with cameras"):
        voxcli.score(np.eye(4), tmp_path / "gt.json", "pose")


@pytest.fixture
def voxcli_run(tmp_path, monkeypatch, capsys):
    """Runs a command in the folder of the test, and reads the record that it prints."""
    from voxcli.cli import app

    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = app.run([str(word) for word in words])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return json.loads(printed.out)

    return run
