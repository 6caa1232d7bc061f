"""Which formats a command can write and read here: contradictions, lists of what is possible, pictures of every common format."""

import re

import numpy as np
import pytest
from example_files import FILES, street_picture
from PIL import Image, features

from voxcli import files
from voxcli.scene import DepthMap, Picture, PointCloud


@pytest.fixture
def folder(tmp_path):
    for name in ("scene.npz", "street.png", "best.safetensors", "scene.yaml"):
        FILES[name](tmp_path / name)
    return tmp_path


def listed(errors):
    return set(re.search(r"(?:Known|one of): ([^:]*)\.", errors.replace("\n", " "))[1].split(", "))


@pytest.mark.parametrize(
    "line",
    [
        "convert scene.npz -o x.npz --format glb",
        "predict street.png --weights best.safetensors -o x.npz --format glb",
        "fruxelize scene.yaml -o x.h5 --format npz",
        "render-surfels scene.npz -o x.png --format npz",
        "convert scene.npz -o x.npz --format kitti",
    ],
)
def test_a_format_that_contradicts_the_extension_is_an_error(refused, folder, line):
    assert "contradict each other" in refused(*line.split())
    assert not list(folder.glob("x.*"))


def test_a_format_goes_with_its_own_extensions_and_with_none(voxcli, folder):
    for target, name in (("x.npz", "npz"), ("x.hdf5", "h5"), ("plain", "ply"), ("x.v2", "ply")):
        assert voxcli("convert", "scene.npz", "-o", target, "--format", name)[0] == 0
    (folder / "x.npz").rename(folder / "misnamed.glb")
    assert voxcli("info", "misnamed.glb", "--input-format", "npz")[0] == 0, "a file that is read may be called anything"


def test_errors_list_what_this_command_can_write_or_read(refused, folder):
    assert listed(refused("predict", "street.png", "--weights", "best.safetensors", "-o", "g.foo")) >= {"npz", "glb", "vox"}
    assert not listed(refused("predict", "street.png", "--weights", "best.safetensors", "-o", "g.foo")) & {"jpg", "apng", "mat"}
    fruxels = listed(refused("fruxelize", "scene.yaml", "-o", "-"))
    assert {"npz", "h5"} <= fruxels and not {"glb", "binvox"} & fruxels
    written = listed(refused("convert", "scene.npz", "-o", "-"))
    assert {"vox", "apng", "kitti"} <= written and not {"jpg", "mat", "txt"} & written
    read = listed(refused("info", "-"))
    assert {"jpg", "mat", "txt", "gif", "apng", "heic"} <= read and "vox" not in read
    assert {"nuscenes", "street", "npz"} <= listed(refused("convert", ".", "-o", "out/", "--to", "foo"))


def test_what_cannot_become_something_says_what_would_work(refused, voxcli, folder):
    files.write(folder / "points.npz", PointCloud(np.eye(3)))
    assert "points can be written as .npz" in refused("convert", "points.npz", "-o", "p.tif")
    assert "voxcli predict" in refused("convert", "street.png", "-o", "m.glb")


PICTURES = [".bmp", ".tif", ".tiff", *([".webp"] if features.check("webp") else [])]


@pytest.mark.parametrize("suffix", PICTURES)
def test_pictures_of_other_formats_are_the_same_pictures(folder, suffix):
    rgb = street_picture().rgb
    Image.fromarray(rgb).save(folder / f"p{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    assert (files.read_as(folder / f"p{suffix}", Picture).rgb == rgb).all()
    assert isinstance(files.read(folder / f"p{suffix}"), Picture)


def test_a_tiff_of_numbers_is_depth_unless_it_is_asked_for_as_a_picture(folder):
    Image.fromarray(np.full((4, 4), 2000, np.uint16)).save(folder / "d.tif")
    assert isinstance(files.read(folder / "d.tif"), DepthMap)
    Image.fromarray(np.full((4, 4), 90, np.uint8)).save(folder / "grey.tif")
    assert (files.read_as(folder / "grey.tif", Picture).rgb == 90).all()


def test_a_folder_gives_all_its_pictures_and_says_what_it_left_out(voxcli, folder):
    (folder / "in").mkdir()
    for suffix in (".png", *PICTURES):
        Image.fromarray(street_picture().rgb).save(folder / f"in/p{suffix[1:]}{suffix}")
    Image.fromarray(street_picture().rgb).save(folder / "in/moving.gif")
    (folder / "in/notes.txt").touch()
    line = ("predict", "in", "--weights", "best.safetensors", "-o", "out", "--dry-run")
    code, text, errors = voxcli(*line, "-v")
    assert code == 0 and len(text.splitlines()) == 1 + len(PICTURES)
    assert "2 of other kinds left out (1 .gif, 1 .txt)" in errors
    assert "left out" not in voxcli(*line)[2]


def test_a_gif_is_read_where_it_is_named_and_not_looked_for_in_folders(voxcli, refused, folder):
    (folder / "in").mkdir()
    Image.fromarray(street_picture().rgb).save(folder / "in/one.gif")
    line = ("--weights", "best.safetensors", "-o", "out/", "--dry-run")
    for source in ("in/one.gif", "in/*.gif"):
        assert voxcli("predict", source, *line)[0] == 0
    refused("predict", "in", *line, named="in")
