"""`predict` with UCLID-Net: points and closed surfaces, with and without a known camera and depth, views added up, wrong cameras."""

import numpy as np
import pytest
from example_files import FILES
from PIL import Image

from voxcli import files
from voxcli.geometry.cameras import intrinsics, look_at, to_opengl
from voxcli.models.weights import load_weights, save_weights
from voxcli.scene import Camera, DepthMap, Mesh, PointCloud, VoxelGrid

WEIGHTS = ("--weights", "uclid.safetensors")


@pytest.fixture(autouse=True)
def folder(tmp_path):
    FILES["uclid.safetensors"](tmp_path / "uclid.safetensors")
    for k in range(2):
        rgba = np.random.default_rng(k).integers(0, 256, (96, 128, 4), dtype=np.uint8)
        rgba[..., 3] = 255 * (np.hypot(*np.mgrid[-48:48, -64:64]) < 40)
        Image.fromarray(rgba).save(tmp_path / f"view{k}.png")
        camera = Camera(intrinsics(45.0, 128, 96), 128, 96, look_at((1.0 - 2 * k, 1, 3), (0, 0, 0)))
        files.write(tmp_path / f"camera{k}.yaml", camera)
    files.write(tmp_path / "transforms.json", [(f"view{k}.png", files.read_as(tmp_path / f"camera{k}.yaml", Camera)) for k in range(2)])
    depth = np.full((48, 64), np.nan, np.float32)
    depth[14:34, 20:44] = 3.2
    (tmp_path / "depths").mkdir()
    for name in ("depth", "depths/view0", "depths/view1"):
        files.write(tmp_path / f"{name}.npy", DepthMap(depth))
    return tmp_path


def ran(voxcli, *line):
    code, text, errors = voxcli(*line)
    assert (code, text) == (0, ""), errors
    return errors


def test_a_picture_becomes_points_within_the_cube_and_the_same_ones_again(voxcli, folder):
    errors = ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", "a.npz", "--points", "5", "-v")
    cloud = files.read_as(folder / "a.npz", PointCloud)
    assert "made square by [0, 16] pixels on each side, 64x64, white on 5" in errors
    assert "camera regressed, depth regressed" in errors
    assert len(cloud.points) == 5 * cloud.meta["prediction"]["cells"] > 0 and np.abs(cloud.points).max() <= 1
    assert cloud.meta["frame"] == "object, +y up" and "longest side" in cloud.meta["units"]
    ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", "b.npz", "--points", "5")
    assert (folder / "a.npz").read_bytes() == (folder / "b.npz").read_bytes()


@pytest.mark.parametrize(("camera", "depth"), [(False, False), (True, False), (False, True), (True, True)])
def test_camera_and_depth_are_given_or_regressed_and_each_way_is_recorded(voxcli, folder, camera, depth):
    given = (("--camera", "camera0.yaml") if camera else ()) + (("--depth", "depth.npy") if depth else ())
    ran(voxcli, "predict", "view0.png", *WEIGHTS, *given, "-o", "a.ply", "--points", "2")
    meta = files.read_as(folder / "a.ply", PointCloud).meta
    assert meta["prediction"]["camera"] == ("given" if camera else "regressed")
    assert meta["prediction"]["depth"] == ("given" if depth else "regressed")
    assert set(meta["inputs"]) == {"view0.png"} | set(given[1::2])


def test_the_surface_is_closed_and_where_the_points_are(voxcli, folder):
    ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", "a.npz")
    ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", "a.obj", "--resolution", "32")
    ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", "a.ply", "--as", "mesh", "--resolution", "32")
    cloud = files.read_as(folder / "a.npz", PointCloud)
    for name in ("a.obj", "a.ply"):
        mesh = files.read_as(folder / name, Mesh)
        cell = np.ptp(cloud.points, axis=0).max() / 32
        assert np.abs(mesh.vertices.min(0) - cloud.points.min(0)).max() < cell
        assert np.abs(mesh.vertices.max(0) - cloud.points.max(0)).max() < cell


def test_views_are_added_up_in_any_order_and_fuse_views_of_their_grids_gives_the_same(voxcli, folder):
    known = ("--camera", "transforms.json", "--depth", "depths")
    ran(voxcli, "predict", "view0.png", "view1.png", "--views", *WEIGHTS, *known, "-o", "one.npz")
    ran(voxcli, "predict", "view1.png", "view0.png", "--views", *WEIGHTS, *known, "-o", "two.npz")
    ran(voxcli, "predict", "view0.png", "view1.png", "--coarse", *WEIGHTS, *known, "-o", "coarse/")
    ran(voxcli, "fuse-views", "coarse/view0.npz", "coarse/view1.npz", *WEIGHTS, "-o", "fused.npz")
    ran(voxcli, "predict", "view0.png", *WEIGHTS, *known, "-o", "alone.npz")
    one, two, fused, alone = (files.read_as(folder / f"{name}.npz", PointCloud).points for name in ("one", "two", "fused", "alone"))
    assert one.shape == two.shape == fused.shape
    assert np.abs(one - two).max() < 1e-4 and np.abs(one - fused).max() < 1e-4
    assert one.shape != alone.shape or np.abs(one - alone).max() > 1e-3
    assert files.read_as(folder / "coarse/view0.npz", VoxelGrid).values.shape == (28, 28, 28)


def test_an_empty_prediction_is_an_empty_cloud_with_a_warning(voxcli, folder):
    weights = load_weights(folder / "uclid.safetensors")
    weights.tensors["reconstruction.occ.bias"] -= 1e4
    save_weights(folder / "uclid.safetensors", weights)
    for name in ("a.ply", "a.npz", "a.xyz"):
        errors = ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", name)
        assert "No cell is occupied" in errors and "empty" in errors
    assert "element vertex 0" in (folder / "a.ply").read_text(errors="replace")
    assert np.load(folder / "a.npz")["points"].shape == (0, 3)


def opengl(folder):
    camera = files.read_as(folder / "camera0.yaml", Camera)
    files.write(folder / "wrong.yaml", Camera(camera.K, 128, 96, np.linalg.inv(to_opengl(camera.world_to_cam))))


def far(folder):
    camera = files.read_as(folder / "camera0.yaml", Camera)
    aside = camera.world_to_cam.copy()
    aside[0, 3] += 20
    files.write(folder / "wrong.yaml", Camera(camera.K, 128, 96, aside))


def far_away(folder):
    camera = files.read_as(folder / "camera0.yaml", Camera)
    away = camera.world_to_cam.copy()
    away[:3, 3] *= 1000
    files.write(folder / "wrong.yaml", Camera(camera.K, 128, 96, away))


def edited(before, after):
    def change(folder):
        text = (folder / "camera0.yaml").read_text()
        assert before in text
        (folder / "wrong.yaml").write_text(text.replace(before, after, 1))

    return change


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (opengl, "behind the camera"),
        (far, "outside the picture"),
        (far_away, "camera stood in millimetres"),
        (edited("width: 128", "width: 200"), "other proportions"),
    ],
)
def test_wrong_cameras_say_what_is_wrong(refused, folder, wrong, message):
    wrong(folder)
    refused("predict", "view0.png", *WEIGHTS, "--camera", "wrong.yaml", "-o", "a.ply", named=(message, "view0.png"))


@pytest.mark.parametrize(("rows", "message"), [(np.diag([-1.0, 1, 1, 1]), "mirrored"), (np.diag([0.0, 1, 1, 1]), "rigid motion")])
def test_mirrored_and_singular_cameras_say_what_is_wrong(refused, folder, rows, message):
    camera = files.read_as(folder / "camera0.yaml", Camera)
    matrix = (rows @ camera.world_to_cam).tolist()
    (folder / "wrong.yaml").write_text(f"camera: {{K: {camera.K.tolist()}, width: 128, height: 96, world_to_cam: {matrix}}}\nobjects: []\n")
    refused("predict", "view0.png", *WEIGHTS, "--camera", "wrong.yaml", "-o", "a.ply", named=message)


@pytest.mark.parametrize(("factor", "message"), [(1000, "millimetres"), (0.001, "kilometres"), (7, "another unit")])
def test_depth_in_another_unit_says_so(voxcli, folder, factor, message):
    depth = files.read_as(folder / "depth.npy", DepthMap)
    files.write(folder / "scaled.npy", DepthMap(depth.depth * np.float32(factor)))
    code, text, errors = voxcli("predict", "view0.png", *WEIGHTS, "--camera", "camera0.yaml", "--depth", "scaled.npy", "-o", "a.ply")
    assert code == 2 and message in errors and "scale" in errors or "units" in errors or "halves" in errors


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("predict view0.png view1.png --views --depth depth.npy", "one depth map, and there are 2 pictures"),
        ("predict view0.png --depth coarse.npy", "coarse.npy"),
        ("predict view0.png --fov 40", "--fov means nothing to uclid"),
        ("predict view0.png --threshold 1.5", "--threshold is out of range"),
        ("predict view0.png --dtype bfloat16", "float32"),
    ],
)
def test_refusals(refused, folder, line, message):
    refused(*line.split(), *WEIGHTS, "-o", "a.ply", named=message)


def test_no_model_s_weights_are_another_s(refused, folder):
    FILES["object.safetensors"](folder / "object.safetensors")
    refused("predict", "view0.png", "-m", "uclid", "--weights", "object.safetensors", "-o", "b.npz", named=("object.safetensors", "uclid"))


def test_a_camera_in_millimetres_is_told_what_the_cube_must_cover(refused, folder):
    far_away(folder)
    refused(
        "predict",
        "view0.png",
        *WEIGHTS,
        "--camera",
        "wrong.yaml",
        "-o",
        "a.ply",
        named=("at least 4.57 of 128 pixels", "at a distance of 3317", "by 0.001"),
    )


def test_what_is_wrong_with_a_camera_or_a_depth_is_said_before_weights_are_loaded(refused, folder):
    (folder / "broken.safetensors").write_bytes((folder / "uclid.safetensors").read_bytes()[:-64])
    (folder / "bad.yaml").write_text("camera: [")
    (folder / "bad.npy").write_bytes(b"none")
    for flag, name in (("--camera", "bad.yaml"), ("--depth", "bad.npy")):
        refused(
            "predict",
            "view0.png",
            "-m",
            "uclid",
            "--weights",
            "broken.safetensors",
            flag,
            name,
            "-o",
            "a.ply",
            named=name,
            unnamed="broken",
        )


def test_options_are_recorded_as_they_took_effect(voxcli, folder):
    ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", "a.npz")
    ran(voxcli, "predict", "view0.png", *WEIGHTS, "-o", "a.obj.glb", "--resolution", "20", "--points", "3")
    cloud, mesh = files.read_as(folder / "a.npz", PointCloud), files.read_as(folder / "a.obj.glb", Mesh)
    assert cloud.meta["options"] == {"coarse": False, "dtype": "float32", "model": "uclid", "points": 50, "threshold": 0.35}
    assert mesh.meta["options"] == cloud.meta["options"] | {"points": 3, "resolution": 20}


def test_fused_views_have_as_many_points_as_asked_for(refused, voxcli, folder):
    ran(voxcli, "predict", "view0.png", "view1.png", "--coarse", *WEIGHTS, "-o", "coarse/")
    ran(voxcli, "fuse-views", "coarse/view0.npz", "coarse/view1.npz", *WEIGHTS, "--points", "7", "-o", "fused.npz")
    fused = files.read_as(folder / "fused.npz", PointCloud)
    assert len(fused.points) == 7 * fused.meta["prediction"]["cells"] if "prediction" in fused.meta else len(fused.points) % 7 == 0
    assert fused.meta["options"]["points"] == 7
    refused("fuse-views", "coarse/view0.npz", "coarse/view0.npz", *WEIGHTS, "-o", "twice.npz", named="is given twice")
    refused("fuse-views", "coarse/view0.npz", "coarse/view1.npz", "--method", "mean", "--points", "7", "-o", "b.npz", named="--points")


def test_a_surface_of_nothing_is_an_error_that_names_the_threshold(refused, folder):
    weights = load_weights(folder / "uclid.safetensors")
    weights.tensors["reconstruction.occ.bias"] -= 1e4
    save_weights(folder / "uclid.safetensors", weights)
    refused("predict", "view0.png", *WEIGHTS, "-o", "a.glb", named=("0.35", "highest", "--threshold", "view0.png"), unnamed="warning")
