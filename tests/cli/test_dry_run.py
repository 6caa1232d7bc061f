"""--dry-run: a JSON line for each item says what would be read, by headers alone, and what would be written. Nothing is written."""

import json

import numpy as np
import pytest
from conftest import contents
from example_files import FILES, box_mesh, fruxel_grid, picture

from voxcli import files
from voxcli.cli import app
from voxcli.files.headers import header
from voxcli.models.weights import SHIPPED
from voxcli.scene import PointCloud, VoxelGrid

NAMES = ("scene.npz", "pred.npz", "scene.yaml", "camera.yaml", "best.safetensors", "street.png", "depth.npy", "shapes/box.obj",
         "mine/chair/a.obj", "left.npz", "right.npz", "street/images/000000.png", "street/fruxels/000000.npz")  # fmt: skip
ROOMS = pytest.mark.skipif(not (SHIPPED / "pix2scene.safetensors").is_file(), reason="no weights are shipped")

PLANS = {
    "fruxelize scene.yaml --camera camera.yaml -o x.npz": (["scene.yaml", "camera.yaml"], ["x.npz"]),
    "convert scene.npz -o x.ply": (["scene.npz"], ["x.ply"]),
    "convert street -o x.h5": (["street"], ["x.h5"]),
    "convert street --to nuscenes -o x": (["street"], ["x"]),
    "convert shapes --to jof -o x": (["shapes/box.obj"], ["x/box.mat"]),
    "predict street.png --weights best.safetensors -o x.npz": (["street.png", "best.safetensors"], ["x.npz"]),
    "segment street.png --weights best.safetensors -o x.png --legend y.json": (["street.png", "best.safetensors"], ["x.png", "y.json"]),
    "segment scene.npz -o x/ --split ply": (["scene.npz"], ["x"]),
    "render-surfels scene.npz -o x.png": (["scene.npz"], ["x.png"]),
    "view pred.npz scene.npz -o x.html": (["pred.npz", "scene.npz"], ["x.html"]),
    "fuse-views left.npz right.npz -o x.npz": (["left.npz", "right.npz"], ["x.npz"]),
    "sample -o x.png": ([str(SHIPPED / "pix2scene.safetensors")], ["x.png"]),
    "metrics iou pred.npz scene.npz": (["pred.npz", "scene.npz"], []),
    "metrics all shapes shapes --preset meshrcnn": (["shapes/box.obj", "shapes/box.obj"], []),
    "info scene.npz": (["scene.npz"], []),
    "synth street -o x --count 1": ([], [f"x/{each}" for each in ("images/000000.png", "depth/000000.png", "instances/000000.png",
                                                                  "poses/000000.json", "fruxels/000000.npz")]),
    "synth views mine -o x --layout jof --views 1": (["mine/chair/a.obj"], None),
    "synth objects -o x --count 1 --views 1": ([], None),
    "synth rooms -o x --count 1": ([], None),
    "synth iqtt -o x.h5": ([], ["x.h5"]),
}  # fmt: skip
"""Command line -> paths that are read and written; None: some."""


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        FILES[name](tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("line", [pytest.param(each, marks=ROOMS if each.startswith("sample") else ()) for each in PLANS])
def test_what_is_read_and_written_is_told_and_nothing_done(voxcli, folder, line):
    before = contents(folder)
    code, text, errors = voxcli(*line.split(), "--dry-run")
    assert code == 0 and errors == "" and contents(folder) == before
    (plan,) = map(json.loads, text.splitlines())
    read, written = PLANS[line]
    assert [each["path"] for each in plan["read"]] == read
    assert all({"kind", "format", "bytes"} <= {*each} for each in plan["read"])
    assert [each["path"] for each in plan["write"]] == written if written is not None else len(plan["write"]) > 1
    assert not any(each["exists"] for each in plan["write"])


def test_every_command_that_writes_or_reads_several_has_it():
    without = {entry.words for entry in app.COMMANDS if "dry_run" not in {each.name for each in app.build_command(entry).params}}
    assert without == {
        "metrics merge", "metrics presets", "weights list", "weights info", "weights export", "weights import", "doctor", "guide",
        "completion",
    }  # fmt: skip


def test_headers_tell_sizes(tmp_path):
    files.write(tmp_path / "a.npz", fruxel_grid())
    files.write(tmp_path / "a.h5", fruxel_grid())
    files.write(tmp_path / "a.png", picture())
    files.write(tmp_path / "mesh.ply", box_mesh())
    files.write(tmp_path / "points.ply", PointCloud(np.zeros((5, 3))))
    files.write(tmp_path / "points.npy", PointCloud(np.zeros((5, 3))))
    files.write(tmp_path / "a.binvox", VoxelGrid(np.ones((2, 2, 2), bool)))
    found = {path.name: header(path) for path in sorted(tmp_path.iterdir())}
    assert all(facts["bytes"] == (tmp_path / name).stat().st_size for name, facts in found.items())
    for name in ("a.npz", "a.h5"):
        assert (found[name]["kind"], found[name]["shape"]) == ("fruxels", [16, 16, 16])
    assert [found["a.png"][key] for key in ("kind", "width", "height")] == ["image", 32, 32]
    assert [found["mesh.ply"][key] for key in ("kind", "vertices", "faces")] == ["mesh", 8, 12]
    assert [found["points.ply"][key] for key in ("kind", "vertices")] == ["points", 5]
    assert [found["points.npy"][key] for key in ("kind", "shape")] == ["points", [5, 3]]
    assert [found["a.binvox"][key] for key in ("kind", "shape")] == ["voxels", [2, 2, 2]]


def test_only_headers_are_read(voxcli, refused, tmp_path):
    files.write(tmp_path / "mesh.ply", box_mesh())
    data = (tmp_path / "mesh.ply").read_bytes()
    (tmp_path / "mesh.ply").write_bytes(data[:-40])  # of its rows, some are missing
    line = ("convert", "mesh.ply", "-o", "x.glb")
    code, text, _ = voxcli(*line, "--dry-run")
    assert code == 0 and json.loads(text)["read"][0]["faces"] == 12
    refused(*line, named="mesh.ply")
    (tmp_path / "mesh.ply").write_bytes(data[:20])
    refused(*line, "--dry-run", named="mesh.ply")


def test_what_the_command_would_refuse_the_plan_refuses(refused, voxcli, folder):
    refused("fruxelize", "scene.yaml", "-o", "x.ply", "--dry-run", named="x.ply")
    refused("convert", "scene.npz", "-o", "scene.npz", "--dry-run", named="exists")
    assert json.loads(voxcli("convert", "scene.npz", "-o", "scene.npz", "--dry-run", "--overwrite")[1])["write"][0]["exists"] is True
    code, text, errors = voxcli("info", "@list", "--keep-going", "--dry-run")
    assert code == 2
    (folder / "list").write_text("scene.npz\nabsent.npz\n")
    code, text, errors = voxcli("info", "@list", "--keep-going", "--dry-run")
    assert code == 1 and len(text.splitlines()) == 1 and "absent.npz" in errors


def test_samples_that_are_there_are_told(voxcli, tmp_path):
    line = ("synth", "rooms", "-o", "x", "--size", "16")
    assert voxcli(*line, "--count", "1")[0] == 0
    first, second = map(json.loads, voxcli(*line, "--count", "2", "--dry-run")[1].splitlines())
    assert {each["exists"] for each in first["write"]} == {True} and {each["exists"] for each in second["write"]} == {False}
    assert voxcli("synth", "rooms", "-o", "x", "--size", "32", "--count", "2", "--dry-run")[0] == 2
