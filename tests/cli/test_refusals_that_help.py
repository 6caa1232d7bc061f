"""Refusals name the true cause and a way that works for the command that was called."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from example_files import FILES, box_mesh, picture

from voxcli import files
from voxcli.cli.framework import failures, inputs
from voxcli.files.registry import searched_extensions
from voxcli.scene import Picture
from voxcli.training import recipe

LINE = "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n"


def test_of_the_texts_in_a_folder_only_a_model_of_colmap_is_read(voxcli, tmp_path):
    files.write(tmp_path / "all/car.obj", box_mesh())
    for name in ("notes.txt", "images.txt", "list/cameras.txt", "model/points3D.txt"):
        (tmp_path / "all" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "all" / name).write_text("a note\n")
    (tmp_path / "all/model/cameras.txt").write_text("1 PINHOLE 4 4 3 3 2 2\n")
    (tmp_path / "all/model/images.txt").write_text("1 1 0 0 0 0 0 0 1 a.png\n\n")
    found, _ = inputs.expand([str(tmp_path / "all")], searched_extensions())
    assert [Path(each.path).relative_to(tmp_path / "all").as_posix() for each in found] == ["car.obj", "model/images.txt"]
    code, text, errors = voxcli("info", "all", "--format", "jsonl")
    assert code == 0 and len(text.splitlines()) == 2, errors
    assert voxcli("view", "all/notes.txt", "-o", "x.png")[0] == 2, "what is named is read, or refused"


FILLING = ["fruxelize flat.obj -o x.npz", "fruxelize flat.obj --grid voxel -o x.npz", "convert flat.obj -o x.binvox"]


@pytest.mark.parametrize("line", FILLING)
def test_a_mesh_without_area_is_not_filled(refused, tmp_path, line):
    (tmp_path / "flat.obj").write_text(LINE)
    refused(*line.split(), named=("flat.obj", "no area"))
    assert not (tmp_path / "x.npz").exists()


def test_what_a_format_cannot_hold_is_not_called_impossible(refused, tmp_path):
    FILES["scene.npz"](tmp_path / "scene.npz")
    line = ("convert", "scene.npz", "-o")
    refused(*line, "x.npz", "--as", "mesh", named=("NPZ cannot hold mesh", ".glb"), unnamed="cannot become")
    refused(*line, "x.glb", "--as", "points", named=("GLB cannot hold points", "--as mesh"), unnamed="cannot become")
    refused(*line, "x.txt", named=(".txt files (COLMAP)", "cannot be written", ".npz", ".glb"))


def test_what_an_option_names_and_is_not_there_does_not_exist(refused, tmp_path):
    for name in ("street.png", "best.safetensors"):
        FILES[name](tmp_path / name)
    (tmp_path / "data").mkdir()
    for flag in ("--camera", "--depth"):
        model = "ssz" if flag == "--camera" else "uclid"
        line = f"predict street.png -m {model} {flag} absent.yaml --weights best.safetensors -o x.npz"
        refused(*line.split(), named="absent.yaml does not exist")
    refused("train", "--data", "absent", "-o", "run", named="absent does not exist")
    refused(*["train", "--data", "data", "-o", "run", "--dry-run", "--resume", "absent.pt"], named="absent.pt does not exist")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no folder that takes no file")
@pytest.mark.parametrize("line", ["street -o /proc/x", "rooms -o /proc/x", "objects -o /proc/x", "iqtt -o /proc/x.h5"])
def test_a_place_that_takes_no_data_set_cannot_be_written(refused, line):
    refused("synth", *line.split(), "--count", "1", named="cannot be written", unnamed="No such file or folder:")


@pytest.mark.parametrize(("line", "named"), [("info a.npz", ()), ("convert a.npz -o b.npz", ("--resolution", "--points", "--workers"))])
def test_lack_of_memory_names_only_options_that_the_command_has(voxcli, monkeypatch, tmp_path, line, named):
    FILES["scene.npz"](tmp_path / "a.npz")

    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(files, "read", full)
    code, _, errors = voxcli(*line.split())
    assert code == 2 and "Out of memory" in errors
    for flag in ("--batch-size", "--resolution", "--points", "--workers", "--size"):
        assert (flag in errors) == (flag in named), errors
    assert failures.explain(MemoryError())[0] == 2


def test_pictures_too_small_are_refused_and_16_bit_grey_is_warned_of(refused, voxcli, tmp_path):
    FILES["best.safetensors"](tmp_path / "best.safetensors")
    for name, shape in {"dot": (1, 1), "thin": (3, 50)}.items():
        files.write(tmp_path / f"{name}.png", Picture(np.zeros((*shape, 3), np.uint8)))
        line = ("predict", f"{name}.png", "--weights", "best.safetensors", "-o", "x.npz")
        refused(*line, named=(f"{name}.png", "smaller than 8 pixels"), warned=True)
    deep = picture().rgb[..., :1].astype(np.uint16).repeat(3, -1) * 100
    files.write(tmp_path / "deep.png", Picture(deep))
    code, _, errors = voxcli("predict", "deep.png", "--weights", "best.safetensors", "-o", "x.npz")
    assert code == 0 and errors.count("deep.png: 16-bit grey") == 1


def test_help_names_every_recipe_the_default_model_and_the_folder_of_jof(voxcli):
    text = re.sub(r"-\s+", "-", voxcli("train", "--help")[1])  # lines break behind hyphens
    words = set(text.replace(",", " ").replace(".", " ").replace(":", " ").split())
    assert [path.stem for path in recipe.SHIPPED.glob("*.yaml") if path.stem not in words] == []
    assert "else ssz" in " ".join(voxcli("predict", "--help")[1].split())
    assert "FOLDER" in (text := voxcli("weights", "import", "--help")[1]) and "jof" in text


def test_a_page_of_a_picture_blames_the_picture_and_tells_of_its_option(refused, tmp_path):
    for name in ("scene.npz", "a.png"):
        FILES[name](tmp_path / name)
    for line in ("view scene.npz a.png -o v.html", "view a.png scene.npz -o v.html"):
        said = refused(*line.split(), named=("a.png is a picture", "--picture a.png"))
        assert said.startswith("error: a.png")


def test_pieces_are_not_written_into_a_folder_that_is_named_like_a_file(refused, voxcli, tmp_path):
    FILES["scene.npz"](tmp_path / "scene.npz")
    refused("segment", "scene.npz", "--split", "glb", "-o", "s.json", named=("s.json", "--split", "-o DIR"))
    assert voxcli("segment", "scene.npz", "--split", "glb", "-o", "s.json/")[0] == 0


def test_an_empty_split_is_called_empty_and_those_that_have_samples_are_named(voxcli, tmp_path):
    (tmp_path / "data/ShapeNetRendering").mkdir(parents=True)
    (tmp_path / "data/ShapeNetVox32").mkdir()
    entry = {"taxonomy_id": "0", "taxonomy_name": "chair", "train": ["a", "b"], "val": [], "test": []}
    (tmp_path / "data/ShapeNet.json").write_text(json.dumps([entry]))
    code, text, errors = voxcli("evaluate", "pix2vox-shapenet", "--data", "data", "-o", "out")
    assert (code, text) == (2, "") and "split test" in errors and "train (2)" in errors and "protocol.read.split=train" in errors
    assert not (tmp_path / "out").exists()
