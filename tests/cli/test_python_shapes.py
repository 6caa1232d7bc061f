"""`voxcli.read`, `write`, `fruxelize`, `voxelize`, `score`, `fuse`, `segment` and `render` give what the commands write."""

import json
import pathlib

import numpy as np
import pytest
import torch
import trimesh
from example_files import FILES

import voxcli as vx
from voxcli.errors import VoxcliError
from voxcli.scene import Animation

NEEDED = (
    "car.obj", "car.glb", "scene.npz", "pred.npz", "left.npz", "right.npz", "scene.yaml", "camera.yaml", "depth.npy", "bae.safetensors",
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in NEEDED:
        if not (tmp_path / name).exists():
            FILES[name](tmp_path / name)
    return tmp_path


def ran(voxcli, *line):
    code, text, errors = voxcli(*line)
    assert code == 0, errors
    return text


def same_bytes(a, b):
    return pathlib.Path(a).read_bytes() == pathlib.Path(b).read_bytes()


# -- files ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "options"),
    [("scene.npz", "a.glb", {}), ("car.obj", "a.binvox", {"resolution": 16}),
     ("car.obj", "a.ply", {"kind": "points", "points": 100, "seed": 3}), ("scene.npz", "a.h5", {}), ("scene.yaml", "a.obj", {})],
)  # fmt: skip
def test_write_of_a_file_gives_the_bytes_of_convert(voxcli, source, target, options):
    flags = {"kind": "--as"}
    ran(voxcli, "convert", source, "-o", f"command/{target}", *(w for k, v in options.items() for w in (flags.get(k, f"--{k}"), str(v))))
    vx.write(f"python/{target}", source, **options)
    assert same_bytes(f"command/{target}", f"python/{target}")


def test_a_thing_in_memory_is_written_as_what_the_format_holds():
    vx.write("a.glb", vx.read("scene.npz"))
    assert vx.read("a.glb").faces.shape == vx.read("a.glb").faces.shape and len(vx.read("a.glb").faces) > 10
    box = trimesh.creation.box((1, 2, 3))
    vx.write("b.ply", box)
    assert trimesh.load("b.ply").volume == pytest.approx(6)
    vx.write("c.obj", (box.vertices, box.faces))
    assert trimesh.load("c.obj").area == pytest.approx(box.area)
    vx.write("d.ply", np.zeros((4, 3)) + np.arange(4)[:, None])
    assert len(vx.read("d.ply").points) == 4
    vx.write("e.png", np.full((4, 6, 3), 7, np.uint8))
    assert (vx.read("e.png").rgb == 7).all() and vx.read("e.png").size == (6, 4)


def test_write_refuses_what_is_there_and_what_cannot_be(folder):
    vx.write("a.npz", "scene.npz")
    before = (folder / "a.npz").read_bytes()
    with pytest.raises(VoxcliError):
        vx.write("a.npz", "pred.npz")
    assert (folder / "a.npz").read_bytes() == before
    vx.write("a.npz", "pred.npz", overwrite=True)
    for thing, target in ((vx.read("depth.npy"), "a.glb"), (object(), "b.glb"), (np.zeros((2, 2)), "c.ply"), (np.array(["x"]), "d.ply")):
        with pytest.raises(VoxcliError):
            vx.write(target, thing)
        assert not (folder / target).exists()


@pytest.mark.parametrize("path", [None, 3, b"a.npz"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(VoxcliError) as caught:
        vx.read(path)
    assert caught.value.expected and caught.value.actual == type(path).__name__


# -- filling ----------------------------------------------------------------------------------------------------------------------------


def test_fruxelize_fills_as_the_command_does(voxcli):
    ran(voxcli, "fruxelize", "car.obj", "--class", "car", "--size", "16", "16", "--depth", "16", "-o", "a.npz")
    wanted, frustum = vx.read("a.npz"), vx.read("a.npz").frustum
    mesh = trimesh.load("car.obj", process=False)
    for shape in ("car.obj", pathlib.Path("car.obj"), vx.read("car.obj"), mesh, trimesh.Scene(mesh), (mesh.vertices, mesh.faces),
                  (torch.tensor(np.array(mesh.vertices)), torch.tensor(np.array(mesh.faces)))):  # fmt: skip
        made = vx.fruxelize(shape, classes="car", frustum=frustum)
        assert np.array_equal(made.labels, wanted.labels) and (made.labels > 0).any()
        assert np.allclose(made.world_to_cam, wanted.world_to_cam) and made.classes == wanted.classes


def test_fruxelize_takes_scenes_cameras_voxels_and_depth(voxcli):
    ran(voxcli, "fruxelize", "scene.yaml", "-o", "a.npz")
    made = vx.fruxelize("scene.yaml")
    assert np.array_equal(made.labels, vx.read("a.npz").labels)
    ran(voxcli, "fruxelize", "car.obj", "--camera", "camera.yaml", "-o", "b.npz")
    assert np.array_equal(vx.fruxelize("car.obj", camera=vx.read("camera.yaml", "camera")).labels, vx.read("b.npz").labels)
    ran(voxcli, "fruxelize", "depth.npy", "--camera", "camera.yaml", "-o", "c.npz")
    assert np.array_equal(vx.fruxelize("depth.npy", camera="camera.yaml").labels, vx.read("c.npz").labels)


def test_voxelize_fills_as_the_command_does(voxcli):
    ran(voxcli, "fruxelize", "car.obj", "--grid", "voxel", "--resolution", "20", "-o", "a.npz")
    made, wanted = vx.voxelize("car.obj", resolution=20), vx.read("a.npz")
    assert np.array_equal(made.labels, wanted.labels) and np.allclose(made.origin, wanted.origin)
    assert made.labels.astype(bool).sum() * made.voxel_size.prod() == pytest.approx(1.8 * 1.5 * 4.2, rel=0.1)


@pytest.mark.parametrize(
    ("shape", "options"),
    [("car.obj", {"frustum": "shapenett"}), ("car.obj", {"rule": "slabs"}), ("car.obj", {"camera": 3}), ("car.obj", {"around": (0, 99, 1)}),
     ("car.obj", {"classes": "air"}), (np.zeros((5, 3)), {}), (np.ones((2, 2, 2), bool), {}), (7, {}), ("car.obj", {"frustum": 3}),
     ((np.zeros((3, 3)), np.zeros((1, 3))), {}), (([[0, 0, 0]], [[0, 1, 2]]), {})],
)  # fmt: skip
def test_fruxelize_refuses_what_it_cannot_fill(shape, options):
    with pytest.raises(VoxcliError) as caught:
        vx.fruxelize(shape, **options)
    assert caught.value.expected or caught.value.hint


# -- scores -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "flags", "choices"),
    [("chamfer", ["--preset", "onet", "--points", "100000"], {"preset": "onet"}), ("chamfer", ["--points", "500"], {"points": 500}),
     ("fscore", ["--points", "300", "--threshold", "0.1"], {"points": 300, "thresholds": [0.1]}),
     ("hausdorff", ["--points", "300", "--to", "surface"], {"points": 300, "to": "surface"}), ("emd", ["--points", "64"], {"points": 64}),
     ("iou", ["--resolution", "16"], {"resolution": 16})],
)  # fmt: skip
def test_score_of_files_is_the_record_of_the_command(voxcli, metric, flags, choices):
    printed = json.loads(ran(voxcli, "metrics", metric, "car.obj", "car.glb", *flags))
    assert vx.score("car.obj", "car.glb", metric, **choices) == printed


def test_score_takes_whatever_holds_a_shape():
    mesh = trimesh.load("car.obj", process=False)
    wanted = vx.score("car.obj", "car.glb", points=400)["value"]
    for shape in (vx.read("car.obj"), mesh, trimesh.Scene(mesh), (mesh.vertices, mesh.faces)):
        assert vx.score(shape, "car.glb", points=400)["value"] == pytest.approx(wanted, rel=1e-6)
    points = np.random.default_rng(0).normal(size=(50, 3))
    for cloud in (points, torch.tensor(points), vx.PointCloud(points), trimesh.PointCloud(points)):
        assert vx.score(cloud, points + [3, 0, 4], squared=False, combine="max", scale=1.0)["value"] > 0
        assert vx.score(cloud, points)["value"] == 0
    cells = points.reshape(5, 5, 6) > 0
    for grid in (cells, torch.tensor(cells), cells.astype(int), vx.VoxelGrid(cells), cells.astype(np.float32)):
        assert vx.score(grid, cells, "iou")["value"] == 1


def test_labelled_grids_are_scored_as_the_command_does(voxcli):
    printed = json.loads(ran(voxcli, "metrics", "iou", "pred.npz", "scene.npz"))
    assert vx.score("pred.npz", "scene.npz", "iou") == printed
    assert vx.score(vx.read("pred.npz"), vx.read("scene.npz"), "iou")["value"] == printed["value"]


def test_several_distances_give_a_list():
    chamfer, fscore = vx.score("car.obj", "car.glb", ["chamfer", "fscore"], points=200)
    assert chamfer == vx.score("car.obj", "car.glb", "chamfer", points=200) and fscore["metric"] == "fscore"


@pytest.mark.parametrize(
    ("guess", "metric", "choices"),
    [("car.obj", "chamfers", {}), ("car.obj", "chamfer", {"thresholds": [1.0]}), ("car.obj", "chamfer", {"preset": "onet", "points": 7}),
     ("car.obj", "chamfer", {"preset": "on"}), (None, "chamfer", {}), (np.arange(27).reshape(3, 3, 3), "iou", {}),
     (np.zeros((4, 2)), "chamfer", {}), (np.zeros((0, 3)), "chamfer", {}), ("car.obj", ["iou", "emd"], {}),
     ("car.obj", [], {})],
)  # fmt: skip
def test_score_refuses_what_it_cannot_compare(guess, metric, choices):
    with pytest.raises(VoxcliError) as caught:
        vx.score(guess, "car.obj", metric, **choices)
    assert caught.value.expected or caught.value.actual or caught.value.hint


# -- fusing, segmenting, rendering ------------------------------------------------------------------------------------------------------


def test_fuse_of_scenes_gives_what_the_command_writes(voxcli):
    ran(voxcli, "fuse-views", "right.npz", "left.npz", "--resolution", "24", "-o", "a.npz")
    wanted = vx.read("a.npz")
    made = vx.fuse(["right.npz", "left.npz"], resolution=24)
    assert np.array_equal(made.labels, wanted.labels) and made.meta["agreement"] == wanted.meta["agreement"]
    assert np.array_equal(vx.fuse([vx.read("right.npz"), vx.read("left.npz")], resolution=24).labels, wanted.labels)


@pytest.mark.parametrize("views", [[], "left.npz", ["car.obj"], ["left.npz", 3]])
def test_fuse_refuses_what_are_no_views(views):
    with pytest.raises(VoxcliError):
        vx.fuse(views)


def test_fuse_refuses_options_of_the_other_kind():
    with pytest.raises(VoxcliError):
        vx.fuse(["left.npz"], threshold=0.4)
    with pytest.raises(VoxcliError):
        vx.fuse([vx.VoxelGrid(np.ones((32, 32, 32), np.float32))], method="mean", resolution=3)


def test_segment_of_a_scene_lists_what_the_command_lists(voxcli):
    ran(voxcli, "segment", "scene.npz", "-o", "a.json")
    ran(voxcli, "segment", "scene.npz", "-o", "a.npz")
    found = vx.segment("scene.npz")
    with open("a.json") as file:
        assert list(found.pieces) == json.load(file)["instances"]
    assert np.array_equal(found.thing.labels, vx.read("a.npz").labels) and found.image.shape == (16, 16)
    (car,) = vx.segment(vx.read("scene.npz"), only="car").pieces
    assert car["cells"] == 3 * 3 * 5


def test_segment_of_a_shape_lists_parts(voxcli):
    ran(voxcli, "segment", "car.obj", "-m", "bae", "--weights", "bae.safetensors", "-o", "a.json")
    found = vx.segment("car.obj", model="bae", weights="bae.safetensors", device="cpu")
    with open("a.json") as file:
        assert list(found.pieces) == json.load(file)["parts"]
    assert len(found.thing.face_labels) == 12


@pytest.mark.parametrize(("thing", "options"), [("car.obj", {}), ("scene.npz", {"only": ["cat"]}), ("scene.npz", {"gap": -1}), (None, {}),
                                                ("scene.npz", {"model": "jof"}), ("car.obj", {"model": "bae"})])  # fmt: skip
def test_segment_refuses_what_it_cannot_divide(thing, options):
    with pytest.raises(VoxcliError):
        vx.segment(thing, **options)


def test_render_draws_as_the_command_does(voxcli):
    ran(voxcli, "render-surfels", "car.obj", "--size", "48", "-o", "a.png")
    ran(voxcli, "render-surfels", "car.obj", "--size", "48", "-o", "b.npz")
    ran(voxcli, "render-surfels", "car.obj", "--size", "48", "-o", "c.npy")
    mesh = trimesh.load("car.obj", process=False)
    assert np.array_equal(vx.render("car.obj", size=48).rgb, vx.read("a.png").rgb)
    assert np.array_equal(vx.render((mesh.vertices, mesh.faces), "surfels", size=48).normals, vx.read("b.npz").normals)
    assert np.array_equal(vx.render(mesh, "depth", size=48).depth, vx.read("c.npy", "depth").depth, equal_nan=True)
    turned = vx.render(mesh, "turntable", views=4, size=16)
    assert isinstance(turned, Animation) and turned.frames.shape == (4, 16, 16, 3)


@pytest.mark.parametrize(
    ("what", "options"),
    [("shade", {}), ("depth", {"views": 3}), ("turntable", {}), ("depth", {"lights": "x.yaml"}), ("shaded", {"size": 0}),
     ("shaded", {"radius": 1.0}), ("shaded", {"cells": True}), ("shaded", {"weights": "bae.safetensors"})],
)  # fmt: skip
def test_render_refuses_what_means_nothing(what, options):
    with pytest.raises(VoxcliError):
        vx.render("car.obj", what, **options)


def test_errors_name_the_file():
    for work in (vx.read, vx.render, vx.segment, vx.fruxelize):
        with pytest.raises(VoxcliError) as caught:
            work("absent.obj")
        assert "absent.obj" in str(caught.value)
