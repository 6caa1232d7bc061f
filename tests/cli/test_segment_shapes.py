"""`voxcli segment -m jof` and `-m bae`: meshes, points and voxels into parts, the same numbers over a folder; what it refuses."""

import json

import numpy as np
import pytest
from example_files import FILES, box_mesh
from PIL import Image

from voxcli import files
from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid


@pytest.fixture
def folder(tmp_path):
    for name in ("jof.safetensors", "bae.safetensors"):
        FILES[name](tmp_path / name)
    files.write(tmp_path / "shapes/box.obj", box_mesh())
    grid = np.zeros((20, 10, 12), bool)
    grid[2:18, 3:8, 1:11] = True
    files.write(tmp_path / "shapes/grid.binvox", VoxelGrid(grid[:12, :10, :12].repeat(1, 0)[:10, :10, :10]))
    points = np.random.default_rng(0).random((500, 3)).astype(np.float32) * [2, 1, 1]
    files.write(tmp_path / "shapes/cloud.ply", PointCloud(points, colors=np.full((500, 3), 200, np.uint8)))
    return tmp_path


@pytest.mark.parametrize("model", ["jof", "bae"])
def test_every_kind_of_shape_gets_the_same_names_of_parts(voxcli, folder, model):
    kinds = (("box.obj", "box.glb", Mesh), ("cloud.ply", "cloud.npz", PointCloud), ("grid.binvox", "grid.npz", VoxelGrid))
    for name, target, kind in kinds:
        code, text, errors = voxcli("segment", f"shapes/{name}", "--weights", f"{model}.safetensors", "-o", target, "-q")
        assert (code, text, errors) == (0, "", "")
        made, given = files.read_as(folder / target, kind), files.read(folder / "shapes" / name)
        assert made.classes.names[:3] == ("air", "part-1", "part-2")
        if kind is Mesh:
            assert len(made.faces) == len(given.faces) and made.face_labels.min() >= 1
        elif kind is PointCloud:
            assert made.labels.min() >= 1
            np.testing.assert_allclose(made.points, given.points)
        else:
            assert np.array_equal(made.labels > 0, given.occupancy)
        assert made.meta["command"] == "segment" and len(made.meta["weights"]) > 10


def test_a_folder_is_divided_whole_and_lists_its_parts(voxcli, folder):
    assert voxcli("segment", "shapes/", "-m", "jof", "--weights", "jof.safetensors", "-o", "parts", "--format", "json")[0] == 0
    assert sorted(p.name for p in (folder / "parts").iterdir()) == ["box.json", "cloud.json", "grid.json"]
    rows = json.loads((folder / "parts/box.json").read_text())["parts"]
    assert sum(row["area"] for row in rows) == pytest.approx(2 * (1.8 * 1.5 + 1.8 * 4.2 + 1.5 * 4.2), rel=1e-5)
    assert sum(row["share"] for row in rows) == pytest.approx(1, abs=1e-5)
    assert all(row["part"] == f"part-{row['label']}" for row in rows)


def test_where_a_shape_lies_and_how_large_it_is_changes_nothing(voxcli, folder):
    box = box_mesh()
    files.write(folder / "moved.obj", Mesh(box.vertices * 3.7 + [5, -2, 9], box.faces))
    for source, target in (("shapes/box.obj", "a.glb"), ("moved.obj", "b.glb")):
        assert voxcli("segment", source, "--weights", "jof.safetensors", "-o", target)[0] == 0
    assert np.array_equal(*(files.read_as(folder / name, Mesh).face_labels for name in ("a.glb", "b.glb")))


def test_small_and_empty_shapes(refused, voxcli, folder):
    one = np.zeros((4, 4, 4), np.uint8)
    one[1, 2, 3] = 1
    files.write(folder / "one.npz", VoxelGrid(labels=one, classes=Labels(("air", "thing"), 0, None)))
    assert voxcli("segment", "one.npz", "--weights", "bae.safetensors", "-o", "one-parts.npz")[0] == 0
    assert int((files.read(folder / "one-parts.npz").labels > 0).sum()) == 1
    files.write(folder / "none.npz", VoxelGrid(np.zeros((4, 4, 4), bool)))
    refused("segment", "none.npz", "--weights", "bae.safetensors", "-o", "out.npz", named="no filled cell")


def test_refusals_say_what_to_give(refused, voxcli, folder):
    refused("segment", "shapes/box.obj", "-m", "bae", "-o", "out.glb", named=("No weights of bae come with voxcli", "train -m bae"))
    refused(
        "segment", "shapes/box.obj", "--weights", "jof.safetensors", "-o", "out.glb", "--gap", "0.1", named="--gap means nothing to jof"
    )
    refused("segment", "shapes/box.obj", "--weights", "jof.safetensors", "-o", "out.png", named="no label image")
    refused("segment", "shapes/box.obj", "-m", "bae", "--weights", "jof.safetensors", "-o", "out.glb", named="weights of another model")
    Image.new("RGB", (40, 40)).save(folder / "photo.png")
    refused("segment", "photo.png", "--weights", "jof.safetensors", "-o", "out.glb", named="image", unnamed="Picture")
    refused("segment", "shapes/box.obj", "--weights", "jof.safetensors", "-o", "-", named="glb", unnamed="png")
