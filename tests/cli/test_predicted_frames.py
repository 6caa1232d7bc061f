"""Scenes predicted from a picture alone, in every file that they are written to: +y up, before the viewer along -z; and their scores."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from example_files import FILES

from voxcli import files
from voxcli.geometry.cameras import look_at
from voxcli.geometry.sampling import sample_surface
from voxcli.geometry.scenes import fruxelize_scene
from voxcli.scene import Camera, Frustum, Labels, Mesh, PointCloud, SceneDescription, SceneObject, VoxelGrid
from voxcli.scene.frames import VIEWER

FRUSTUM = Frustum(width=48, height=36, depth=40, z_near=2.0, z_far=22.0, fov_x_deg=70.0)
CLASSES = Labels(("air", "car", "ground"))
MODEL = ("-m", "ssz", "--weights", "best.safetensors")
LEVEL = look_at([0, 1.6, 0], [0, 1.6, -1])


def box(low, high):
    corners = np.array([[(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    return Mesh(corners, np.array([[a, b, c] for p, q, r, s in quads for a, b, c in ((p, q, r), (p, r, s))]))


SCENE = SceneDescription(
    (SceneObject(box((-60, -0.3, -60), (60, 0, 1)), "ground"), SceneObject(box((1, 0, -10), (3, 1.4, -6)), "car")), CLASSES
)
"""A road at y = 0, and a car on it: 1 to 3 m to the right, 6 to 10 m ahead, 1.4 m high. The camera is 1.6 m above the road."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a picture, the truth, and a network that sees the truth whole."""
    FILES["best.safetensors"](tmp_path / "best.safetensors")
    FILES["street.png"](tmp_path / "street.png")
    truth = fruxelize_scene(SCENE, FRUSTUM, LEVEL, "slab").grid
    files.write(tmp_path / "truth.npz", truth)
    # The same scene where its city has it: turned, and far away.
    moved = look_at([100, 51.6, 30], [101, 51.6, 30])
    files.write(tmp_path / "city.npz", replace(truth, world_to_cam=moved))

    def predict(predictor, inputs, options, batch_size=1):
        for each in inputs:
            place = np.eye(4) if each.camera is None else each.camera.world_to_cam
            yield replace(truth, world_to_cam=place, meta={"crop": [0, 0, 48, 36]})

    monkeypatch.setattr("voxcli.models.ssz.inference.SSZPredictor.predict", predict)
    return tmp_path


def ran(voxcli, *words):
    code, text, errors = voxcli(*words)
    assert code == 0, errors
    return text


def predicted(voxcli, folder, name, *flags):
    ran(voxcli, "predict", "street.png", *MODEL, "-o", name, *flags)
    return files.read(folder / name) if not name.endswith(".vox") else None


def stands(points, slack=0.35):
    """Whether points [N, 3] of the scene's surfaces or cells are where the scene has them, within a cell."""
    high = points[points[:, 1] > 0.75]
    assert (points[:, 2] < 0).all() and points[:, 2].min() > -22.5 and points[:, 1].min() > -1.2
    assert len(high) and high[:, 1].max() == pytest.approx(1.4, abs=slack)  # nothing but the car is above the road
    assert high[:, 0].min() > 1 - slack and high[:, 0].max() < 3 + slack
    assert high[:, 2].min() > -10 - 2 * slack and high[:, 2].max() < -6 + 2 * slack
    assert abs(np.median(points[(np.abs(points[:, 0]) < 0.5) & (points[:, 2] > -12)][:, 1])) < 2 * slack  # the road ahead


def on_surface(mesh):
    """Points [5000, 3] drawn evenly over a mesh, whose faces may be large."""
    faces = torch.from_numpy(np.ascontiguousarray(mesh.faces))
    return sample_surface(torch.from_numpy(mesh.vertices), faces, 5000, torch.Generator().manual_seed(0))[0].numpy()


@pytest.mark.parametrize("name", ["out.glb", "out.ply", "out.obj", "out.off", "out.stl"])
def test_meshes_stand_on_their_road(voxcli, folder, name):
    mesh = predicted(voxcli, folder, name)
    stands(on_surface(mesh))
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    assert (a * np.cross(b, c)).sum() / 6 > 1  # not turned inside out
    if name in ("out.glb", "out.ply"):
        assert mesh.meta["frame"] == VIEWER and mesh.meta["camera_assumed"]["height"] == pytest.approx(1.6, abs=0.05)


@pytest.mark.parametrize("name", ["out.npz", "out.ply"])
def test_points_stand_on_their_road(voxcli, folder, name):
    cloud = predicted(voxcli, folder, name, "--as", "points")
    stands(cloud.points)
    assert isinstance(cloud, PointCloud) and cloud.meta["frame"] == VIEWER


def cells_of(grid):
    return grid.origin + (np.argwhere(grid.values > 0) + 0.5) * grid.voxel_size


def test_voxels_stand_on_their_road(voxcli, folder):
    for name, flags in (("out.npz", ("--as", "voxels")), ("out.binvox", ()), ("out.h5", ("--as", "voxels"))):
        grid = predicted(voxcli, folder, name, "--resolution", "96", *flags)
        stands(cells_of(grid), slack=0.5)
        if name != "out.binvox":
            assert grid.meta["frame"] == VIEWER
    ran(voxcli, "convert", "out.binvox", "-o", "out.xyz")  # which has no place for labels
    stands(files.read(folder / "out.xyz").points, slack=0.5)


def test_magicavoxel_models_stand_upright(voxcli, folder):
    predicted(voxcli, folder, "out.vox", "--resolution", "96")
    grid = predicted(voxcli, folder, "same.npz", "--as", "voxels", "--resolution", "96")
    data = (folder / "out.vox").read_bytes()
    start = data.index(b"XYZI") + 12
    (count,) = struct.unpack_from("<i", data, start)
    x, y, z, _ = np.frombuffer(data, np.uint8, 4 * count, start + 4).reshape(-1, 4).T.astype(float)  # x right, y away, z up
    stands(grid.origin + (np.stack([x, z, grid.values.shape[2] - 1 - y], 1) + 0.5) * grid.voxel_size, slack=0.5)


def test_instances_and_label_grids_stand_on_their_road(voxcli, folder):
    predicted(voxcli, folder, "out.npz")
    for source, flags in (("street.png", MODEL), ("out.npz", ())):
        ran(voxcli, "segment", source, *flags, "-o", "found.json", "--overwrite", "--only", "car")
        record = json.loads((folder / "found.json").read_text())
        (car,) = record["instances"]
        assert np.allclose(car["low"], [1, 0, -10], atol=0.5) and np.allclose(car["high"], [3, 1.4, -6], atol=0.5)
        assert record["meta"]["frame"] == VIEWER
        ran(voxcli, "segment", source, *flags, "-o", "found.glb", "--overwrite")
        mesh = files.read(folder / "found.glb")
        stands(on_surface(mesh))
        assert mesh.meta["frame"] == VIEWER


def test_fruxels_say_what_was_assumed_and_what_is_made_of_them_says_so_too(voxcli, folder):
    grid = predicted(voxcli, folder, "out.npz")
    assert grid.meta["frame"] == "camera" and grid.meta["camera_assumed"]["by"] == "ground"
    assert np.abs(grid.world_to_cam - LEVEL).max() < 0.05
    assert "camera_assumed" not in grid.meta["prediction"]
    ran(voxcli, "convert", "out.npz", "-o", "made.glb")
    ran(voxcli, "convert", "made.glb", "-o", "made.ply", "--as", "points", "--points", "1000")
    ran(voxcli, "fruxelize", "made.glb", "--grid", "voxel", "--resolution", "32", "-o", "made.npz")
    for name in ("made.glb", "made.ply", "made.npz"):
        assert files.read(folder / name).meta["frame"] == VIEWER
        assert files.read(folder / name).meta["camera_assumed"] == grid.meta["camera_assumed"]
    stands(files.read(folder / "made.ply").points)
    ran(voxcli, "view", "out.npz", "-o", "sheet.png")
    ran(voxcli, "fuse-views", "out.npz", "-o", "fused.npz", "--resolution", "96")
    fused = files.read(folder / "fused.npz")
    assert fused.meta["frame"] == VIEWER
    solid = np.isin(fused.labels, fused.classes.solid_ids)
    stands(fused.origin + (np.argwhere(solid) + 0.5) * fused.voxel_size, slack=0.5)


def test_with_a_camera_nothing_is_assumed(voxcli, folder):
    place = look_at([100, 51.6, 30], [101, 51.6, 30])
    files.write(folder / "camera.yaml", Camera(FRUSTUM.K, 48, 36, place))
    grid = predicted(voxcli, folder, "out.npz", "--camera", "camera.yaml")
    assert "camera_assumed" not in grid.meta and np.allclose(grid.world_to_cam, place)
    mesh = predicted(voxcli, folder, "out.glb", "--camera", "camera.yaml")
    assert mesh.meta["frame"] == "world" and mesh.vertices[:, 0].min() > 100


# ------------------------------------------------------------------------------------------------ scores


def record(text):
    return json.loads(text)


def test_fruxels_of_one_picture_are_compared_in_the_cameras_frame(voxcli, folder):
    predicted(voxcli, folder, "out.npz")
    for truth in ("truth.npz", "city.npz"):
        found = record(ran(voxcli, "metrics", "iou", "out.npz", truth))
        assert found["value"] == 1 and found["params"]["cameras"] == "one without a pose, not compared"
        assert record(ran(voxcli, "metrics", "chamfer", "out.npz", truth, "--points", "2000"))["value"] < 0.5
    predicted(voxcli, folder, "again.npz")
    assert record(ran(voxcli, "metrics", "iou", "out.npz", "again.npz"))["params"]["cameras"] == "no pose stated"


@pytest.mark.parametrize("metric", ["iou", "chamfer", "fscore", "hausdorff", "emd", "all"])
@pytest.mark.parametrize("pair", [("out.glb", "city.glb"), ("city.glb", "out.glb"), ("out.glb", "city.npz"), ("out.npz", "city.glb")])
def test_what_lies_in_different_frames_is_not_compared(refused, voxcli, folder, metric, pair):
    ran(voxcli, "convert", "city.npz", "-o", "city.glb")
    predicted(voxcli, folder, "out.glb")
    predicted(voxcli, folder, "out.npz")
    refused("metrics", metric, *pair, named=("different frames", "--camera FILE", "m above y = 0"))


def test_voxels_and_cameras_of_different_frames_are_not_compared(refused, voxcli, folder):
    predicted(voxcli, folder, "out.npz", "--as", "voxels")
    ran(voxcli, "convert", "city.npz", "-o", "city-voxels.npz", "--as", "voxels")
    refused("metrics", "iou", "out.npz", "city-voxels.npz", named="different frames")
    foreign = files.read(folder / "out.npz")
    files.write(folder / "index.npz", VoxelGrid(labels=foreign.labels, classes=CLASSES))
    assert record(ran(voxcli, "metrics", "iou", "out.npz", "index.npz", "--align", "index"))["value"] == 1
    predicted(voxcli, folder, "scene.npz")
    refused("metrics", "pose", "scene.npz", "city.npz", named=("assumed", "--camera FILE"))


def test_predictions_of_one_frame_are_compared(voxcli, folder):
    predicted(voxcli, folder, "a.glb")
    predicted(voxcli, folder, "b.ply")
    assert record(ran(voxcli, "metrics", "chamfer", "a.glb", "b.ply", "--points", "2000"))["value"] < 0.5


def test_files_that_state_no_frame_are_compared_as_ever(voxcli, folder):
    """Predictions of earlier versions have the camera's frame for the world."""
    truth = files.read(folder / "truth.npz")
    files.write(folder / "old.npz", replace(truth, world_to_cam=np.eye(4)))
    assert record(ran(voxcli, "metrics", "iou", "old.npz", "city.npz"))["value"] == 1
    assert record(ran(voxcli, "metrics", "chamfer", "old.npz", "truth.npz", "--points", "500"))["value"] > 1
    ran(voxcli, "convert", "old.npz", "-o", "old.glb")
    assert files.read(folder / "old.glb").meta["frame"] == "world"


def test_views_of_assumed_cameras_are_warned_of_where_they_are_fused(voxcli, folder):
    predicted(voxcli, folder, "a.npz")
    predicted(voxcli, folder, "b.npz")
    code, _, errors = voxcli("fuse-views", "a.npz", "b.npz", "-o", "fused.npz", "--resolution", "32")
    assert code == 0 and "warning: predicted without a camera" in errors and "all views" in errors and "--cameras FILE" in errors
