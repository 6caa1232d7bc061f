"""`voxcli synth views` as users call it: what it says, what it refuses, how it goes on, and that training takes what it writes."""

import json

import numpy as np
import pytest
from example_files import box_mesh
from references.silhouettes import lopsided_mesh

from voxcli import files
from voxcli.scene import Mesh

LINE = ("synth", "views", "meshes", "--views", "2")


@pytest.fixture
def meshes(tmp_path):
    """A folder with two classes: five tables and a mug."""
    for k in range(5):
        (tmp_path / "meshes/table").mkdir(parents=True, exist_ok=True)
        files.write(tmp_path / f"meshes/table/t{k}.obj", box_mesh((1 + k, 1, 2)))
    (tmp_path / "meshes/mug").mkdir()
    files.write(tmp_path / "meshes/mug/m.ply", lopsided_mesh())
    return tmp_path / "meshes"


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("layout", ["r2n2", pytest.param("street", marks=pytest.mark.slow)])
def test_any_number_of_workers_gives_the_same_bytes_and_an_unfinished_folder_goes_on(voxcli, voxcli_process, meshes, tmp_path, layout):
    line = (*LINE, "--layout", layout, "--size", "64")
    assert voxcli(*line, "-o", "one") == (0, "", "6 objects made, 0 were there: one\n")
    assert voxcli_process(*line, "-o", "two", "--workers", "2", "-q") == (0, "", "")
    first = tree(tmp_path / "one")
    assert tree(tmp_path / "two") == first
    pictures = sorted(name for name in first if name.endswith(".png"))
    (tmp_path / "two" / pictures[0]).unlink()
    (tmp_path / "two" / pictures[-1]).write_bytes(b"half")
    assert voxcli(*line, "-o", "two") == (0, "", "2 objects made, 4 were there: two\n")
    assert tree(tmp_path / "two") == first
    assert voxcli(*line, "-o", "two", "--skip-existing") == (0, "", "0 objects made, 6 were there: two\n")


def test_of_two_files_that_would_be_one_object_the_others_are_made_with_keep_going(voxcli, refused, meshes, tmp_path):
    files.write(meshes / "mug/m.obj", box_mesh())
    line = ("synth", "views", "meshes", "--views", "1", "-o", "out", "--categories", "mug")
    refused(*line, named=("mug/m", "m.obj", "m.ply"))
    code, _, errors = voxcli(*line, "--keep-going")
    assert code == 1 and "mug/m" in errors and errors.endswith("error: 1 of 2 items failed.\n")
    assert "1 object made" in errors and len([*(tmp_path / "out").rglob("model.binvox")]) == 1


def test_a_mesh_that_changed_is_made_again_and_one_that_came_is_added(voxcli, meshes, tmp_path):
    assert voxcli(*LINE, "-o", "out", "--categories", "mug") == (0, "", "1 object made, 0 were there: out\n")
    files.write(meshes / "mug/m.ply", box_mesh(), overwrite=True)
    assert voxcli(*LINE, "-o", "out", "--categories", "mug")[2] == "1 object made, 0 were there: out\n"
    assert voxcli(*LINE, "-o", "out", "--categories", "table")[2] == "5 objects made, 0 were there: out\n"
    entries = json.loads((tmp_path / "out/ShapeNet.json").read_text())
    assert [(e["taxonomy_id"], len(e["train"]), len(e["val"]), len(e["test"])) for e in entries] == [("mug", 1, 0, 0), ("table", 3, 1, 1)]


def test_an_object_that_another_moves_into_another_split_leaves_the_first(voxcli, meshes, tmp_path):
    line = ("synth", "views", "meshes", "-o", "out", "--layout", "street", "--views", "1", "--size", "16", "--categories", "mug")
    assert voxcli(*line)[0] == 0
    assert [p.name for p in sorted(tmp_path.glob("out/*/*/*.npz"))] == ["mug-m-00.npz"]
    files.write(meshes / "mug/a.ply", lopsided_mesh())
    assert voxcli(*line)[2] == "2 objects made, 0 were there: out\n"
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in tmp_path.glob("out/*/*/*.png"))
    assert [name for name in found if "images" in name] == ["test/images/mug-m-00.png", "train/images/mug-a-00.png"] and len(found) == 6


def test_bad_meshes_are_named_and_the_others_are_finished(voxcli, meshes, tmp_path):
    (meshes / "table/bad.obj").write_text("v 0 0\nf 1 2\n")
    files.write(meshes / "table/empty.ply", Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int64)))
    code, text, errors = voxcli(*LINE, "-o", "out")
    assert (code, text) == (2, "") and "bad.obj" in errors and "--keep-going" in errors
    for workers in ("1", "2"):
        code, text, errors = voxcli(*LINE, "-o", "out", "--keep-going", "--workers", workers)
        assert (code, text) == (1, "") and "bad.obj" in errors and "empty.ply" in errors
    mug, table = json.loads((tmp_path / "out/ShapeNet.json").read_text())
    assert mug["train"] == ["m"] and sorted(table["train"] + table["val"] + table["test"]) == ["t0", "t1", "t2", "t3", "t4"]


def test_what_does_not_go_is_refused(refused, voxcli, meshes, tmp_path):
    (tmp_path / "empty").mkdir()
    refused("synth", "views", "empty", "-o", "out", named="empty")
    refused("synth", "views", "absent", "-o", "out", named="absent")
    refused("synth", "views", "-", "-o", "out", named="-")
    refused("synth", "views", "meshes", "-o", "out", "--cameras", "absent", named="'absent'")
    refused(*LINE, "-o", "out", "--cameras", "empty", named="--views")
    refused("synth", "views", "meshes", "-o", "out", "--layout", "street", "--cameras", "empty", named="--cameras")
    refused(*LINE, "-o", "out", "--categories", "tabel", named="'table'")
    refused(*LINE, "-o", "out", "--overwrite", "--skip-existing", named="contradict")
    files.write(meshes / "table/t0.ply", box_mesh())
    refused(*LINE, "-o", "out", named=("t0.obj", "t0.ply"))
    (meshes / "table/t0.ply").unlink()
    assert voxcli(*LINE, "-o", "out", "--categories", "mug")[0] == 0
    refused(*LINE, "-o", "out", "--seed", "1", named="seed 0, not 1")
    assert voxcli(*LINE, "-o", "out", "--seed", "1", "--categories", "mug", "--layout", "jof", "--overwrite")[0] == 0
    assert not (tmp_path / "out/ShapeNetVox32").exists() and (tmp_path / "out/mug/m.mat").exists()


@pytest.mark.parametrize(
    ("layout", "model", "recipe", "folder"),
    [
        ("r2n2", "pix2vox-f", "objects-small", "out"),
        ("r2n2", "jof", "objects-jof-small", "out"),
        ("jof", "jof", "objects-jof-small", "out"),
        ("disn", "uclid", "objects-uclid-small", "out"),
        ("street --size 64", "ssz", "street-small", "out/train"),
    ],
)
def test_training_opens_what_it_writes(voxcli, meshes, layout, model, recipe, folder):
    assert voxcli("synth", "views", "meshes", "--views", "8", "-o", "out", "--layout", *layout.split())[0] == 0
    code, text, errors = voxcli("train", "-m", model, "--recipe", recipe, "--data", folder, "-o", "run", "--dry-run")
    assert code == 0, errors
    assert json.loads(text)["model"] == model


def test_info_tells_what_the_folder_is(voxcli, meshes):
    assert voxcli(*LINE, "-o", "out", "--categories", "mug")[0] == 0
    code, text, _ = voxcli("info", "out")
    assert code == 0 and '"views-dataset"' in text and '"samples": 1' in text


@pytest.mark.parametrize("more", [(), ("--keep-going",), ("--overwrite",)])
def test_a_first_call_that_fails_leaves_nothing_and_the_corrected_one_works(voxcli, refused, meshes, tmp_path, more):
    (tmp_path / "cut.glb").write_bytes(b"glTF\x02\x00")
    if more:
        assert voxcli("synth", "views", "cut.glb", "-o", "deep/out", *more)[0] == (1 if "--keep-going" in more else 2)
    else:
        refused("synth", "views", "cut.glb", "-o", "deep/out", named="cut.glb")
    assert not (tmp_path / "deep").exists()
    assert voxcli("synth", "views", "meshes/mug/m.ply", "-o", "deep/out", "--views", "1")[0] == 0


def test_a_later_item_that_fails_leaves_the_first_and_what_was_there(voxcli, meshes, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "meshes/mug/z.glb").write_bytes(b"glTF\x02\x00")
    line = ("synth", "views", "meshes", "-o", "out", "--views", "1", "--categories", "mug")
    assert voxcli(*line)[0] == 2
    assert (tmp_path / "out/meta.json").exists() and len([*tmp_path.glob("out/**/model.binvox")]) == 1
    before = tree(tmp_path / "out")
    assert voxcli(*line)[0] == 2 and tree(tmp_path / "out") == before
