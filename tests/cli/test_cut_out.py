"""Objects cut out of photographs: `predict --cut`, `segment -m objects`, and the same from Python."""

import numpy as np
import pytest
from example_files import FILES
from PIL import Image

import voxcli as vx
from voxcli import files
from voxcli.models.base import CutsOut
from voxcli.scene import Picture

WEIGHTS = ("--weights", "object.safetensors", "--dtype", "float32")
HEAD = ("-m", "objects", "--weights", "objects.safetensors")


class Redness(CutsOut):
    """Finds what is red."""

    def mask(self, rgb):
        return (rgb[..., 0] > 200).astype(np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    from voxcli.ops import cutting

    monkeypatch.setattr(cutting, "mask_head", lambda device, weights=None: cutting.MaskHead(Redness(), "2" * 64))
    monkeypatch.setattr(cutting, "has_mask_head", lambda: True)
    monkeypatch.chdir(tmp_path)
    FILES["object.safetensors"](tmp_path / "object.safetensors")
    (tmp_path / "objects.safetensors").write_bytes(b"")  # it is not loaded: the head above stands for it
    rgb = np.random.default_rng(0).integers(0, 190, (300, 260, 3), dtype=np.uint8)
    rgb[80:200, 60:220, 0] = 255
    mask = 255 * (rgb[..., 0] > 200).astype(np.uint8)
    Image.fromarray(rgb).save("photo.png")
    Image.fromarray(np.dstack([rgb, mask])).save("cut.png")
    Image.fromarray(mask).save("mask.png")
    white = np.full((300, 260, 3), 252, np.uint8)
    white[mask > 0] = rgb[mask > 0]
    Image.fromarray(white).save("white.png")
    return tmp_path


def ran(voxcli, *line):
    code, text, errors = voxcli(*line)
    assert (code, text) == (0, ""), errors
    return errors


def told(name):
    """What a prediction says of how its picture was cut out, and its probabilities."""
    grid = files.read(name)
    return grid.meta["prediction"]["pictures"][0].get("cut"), grid.probabilities


# -- predict ----------------------------------------------------------------------------------------------------------------------------


def test_a_photograph_is_predicted_from_as_if_it_came_cut_out(voxcli, folder):
    errors = ran(voxcli, "predict", "photo.png", *WEIGHTS, "-o", "a.npz", "-v")
    assert "photo.png: cut out by the mask head, 24.6% of it" in errors and "crop box" in errors
    ran(voxcli, "predict", "cut.png", *WEIGHTS, "-o", "b.npz")
    ran(voxcli, "predict", "photo.png", *WEIGHTS, "-o", "c.npz", "--cut", "none")
    (how, found), (alpha, expected), (whole, other) = told("a.npz"), told("b.npz"), told("c.npz")
    assert how == {"by": "objects", "weights": "2" * 64, "share": 0.2462, "doubts": []} and alpha is whole is None
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(found, other)
    assert "cut" not in files.read("a.npz").meta["options"] and files.read("c.npz").meta["options"]["cut"] == "none"


def test_a_plain_background_is_known_by_its_colour(voxcli, folder):
    assert "cut out by its plain background, 24.6% of it" in ran(voxcli, "predict", "white.png", *WEIGHTS, "-o", "a.npz", "-v")
    assert told("a.npz")[0]["by"] == "background"


def test_a_mask_that_is_given_is_the_pictures_alpha(voxcli, folder):
    ran(voxcli, "predict", "photo.png", *WEIGHTS, "-o", "a.npz", "--cut", "mask.png")
    ran(voxcli, "predict", "cut.png", *WEIGHTS, "-o", "b.npz")
    np.testing.assert_array_equal(told("a.npz")[1], told("b.npz")[1])
    made = files.read("a.npz").meta
    assert made["options"]["cut"] == "mask.png" and made["inputs"].keys() == {"photo.png", "mask.png"}
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    for k in range(2):
        Image.open("photo.png").save(f"photos/{k}.png")
        Image.open("mask.png").save(f"masks/{k}.png")
    ran(voxcli, "predict", "photos/", *WEIGHTS, "-o", "out/", "--cut", "masks/")
    np.testing.assert_array_equal(told("out/1.npz")[1], told("b.npz")[1])
    ran(voxcli, "predict", "photos/", "--views", *WEIGHTS, "-o", "both.npz", "--cut", "masks/")


def test_wrong_masks_are_refused(refused, folder):
    Image.fromarray(np.zeros((300, 260), np.uint8)).save("black.png")
    Image.fromarray(np.full((30, 26), 255, np.uint8)).save("small.png")
    line = ("predict", "photo.png", *WEIGHTS, "-o", "a.npz", "--cut")
    refused(*line, "absent.png", named="absent.png")
    refused(*line, "black.png", named=("black.png", "photo.png"))
    refused(*line, "small.png", named=("260x300", "26x30"))
    refused("predict", "photo.png", "cut.png", "--views", *WEIGHTS, "-o", "a.npz", "--cut", "mask.png", named=("one mask", "2 pictures"))
    refused("predict", "photo.png", "-m", "ssz", "-o", "a.npz", "--cut", "none", named="--cut means nothing to ssz")


def test_a_mask_that_looks_wrong_is_warned_of(voxcli, folder):
    rgb = np.asarray(Image.open("photo.png")).copy()
    rgb[:, :, 0] = 255
    Image.fromarray(rgb).save("all.png")
    rgb[:, :, 0] = 9
    Image.fromarray(rgb).save("nothing.png")
    said = ran(voxcli, "predict", "all.png", *WEIGHTS, "-o", "a.npz")
    assert "all.png: the mask that it was cut out by looks wrong: it touches 4 borders of the picture. --cut takes a mask" in said
    said = ran(voxcli, "predict", "nothing.png", *WEIGHTS, "-o", "b.npz")
    assert "nothing.png: no object was found to cut out: the whole picture is taken." in said
    said = ran(voxcli, "segment", "all.png", *HEAD, "-o", "all-cut.png")
    assert "touches 4 borders of the picture." in said and "--cut" not in said, "segment has no --cut"
    ran(voxcli, "predict", "nothing.png", *WEIGHTS, "-o", "c.npz", "--cut", "none")
    np.testing.assert_array_equal(told("b.npz")[1], told("c.npz")[1])


def test_without_weights_of_the_mask_head_photographs_are_taken_whole(voxcli, folder, monkeypatch):
    from voxcli.ops import cutting

    monkeypatch.setattr(cutting, "has_mask_head", lambda: False)
    errors = ran(voxcli, "predict", "photo.png", *WEIGHTS, "-o", "a.npz")
    assert [line for line in errors.splitlines() if line.startswith("warning: ")] == errors.splitlines()[:1] and "taken whole" in errors
    ran(voxcli, "predict", "photo.png", *WEIGHTS, "-o", "b.npz", "--cut", "none")
    np.testing.assert_array_equal(told("a.npz")[1], told("b.npz")[1])


@pytest.mark.parametrize("name, weights", [("jof", "jof.safetensors"), ("uclid", "uclid.safetensors")])
def test_models_that_take_pictures_whole_get_the_square_about_the_object(voxcli, folder, name, weights):
    FILES[weights](folder / weights)
    ran(voxcli, "predict", "photo.png", "-m", name, "--weights", weights, "-o", "a.npz", *(("--resolution", "16") if name == "jof" else ()))
    meta = files.read("a.npz").meta["prediction"]
    left, top, right, bottom = (meta["pictures"][0] if "pictures" in meta else meta)["cut"]["part"]
    assert (left, right) == (44, 236) and bottom - top == 192  # 1.2 times 160 pixels about columns 60 to 220


# -- segment ----------------------------------------------------------------------------------------------------------------------------


def test_segment_writes_the_picture_with_alpha(voxcli, folder):
    assert "photo.png: cut out by the mask head" in ran(voxcli, "segment", "photo.png", *HEAD, "-o", "out.png", "-v")
    made, expected = files.read_as("out.png", Picture), files.read_as("cut.png", Picture)
    np.testing.assert_array_equal(made.rgb, expected.rgb)
    np.testing.assert_array_equal(made.alpha, expected.alpha)
    assert made.meta["cut"]["by"] == "objects" and made.meta["weights"] == "2" * 64
    first = (folder / "out.png").read_bytes()
    ran(voxcli, "segment", "photo.png", *HEAD, "-o", "out.png", "--overwrite")
    assert (folder / "out.png").read_bytes() == first
    ran(voxcli, "segment", "out.png", *HEAD, "-o", "again.png")
    again = files.read_as("again.png", Picture)
    np.testing.assert_array_equal(again.alpha, made.alpha)
    (folder / "photos").mkdir()
    Image.open("photo.png").save("photos/a.png")
    Image.open("white.png").save("photos/b.png")
    ran(voxcli, "segment", "photos/", *HEAD, "-o", "cut/")
    assert [p.name for p in sorted((folder / "cut").iterdir())] == ["a.png", "b.png"]


def test_segment_refuses_what_cutting_out_has_no_use_for(refused, folder, monkeypatch):
    line = ("segment", "photo.png", *HEAD)
    refused(*line, "-o", "out.glb", named=(".glb", ".png"))
    refused(*line, "-o", "out.png", "--gap", "1", named="--gap means nothing to objects")
    refused(*line, "-o", "-", named="--format png")


# -- Python -----------------------------------------------------------------------------------------------------------------------------


def test_python_cuts_objects_out_as_the_command_does(folder):
    model = vx.load("pix2vox-f", weights="object.safetensors", device="cpu", dtype="float32")
    assert "cut" in model.options
    expected = model.predict("cut.png").probabilities
    rgb = np.asarray(Image.open("photo.png"))
    for picture, how in (("photo.png", "auto"), (rgb, None), ("photo.png", "mask.png"), (rgb, folder / "mask.png")):
        np.testing.assert_array_equal(model.predict(picture, cut=how).probabilities, expected)
    assert not np.array_equal(model.predict("photo.png", cut="none").probabilities, expected)
    assert model.predict("photo.png", cut="mask.png").meta["inputs"].keys() == {"photo.png", "mask.png"}
    with pytest.raises(vx.VoxcliError, match="cut an object out"):
        model.predict("photo.png", cut=3)


def test_python_segments_a_picture_into_its_object(folder):
    found = vx.segment("photo.png", model="objects", weights="objects.safetensors")
    expected = files.read_as("cut.png", Picture)
    assert isinstance(found.thing, Picture) and found.pieces == () and found.thing.meta["cut"]["by"] == "objects"
    np.testing.assert_array_equal(found.thing.alpha, expected.alpha)
    np.testing.assert_array_equal(found.image, expected.alpha > 127)
    with pytest.raises(vx.VoxcliError, match="no picture"):
        vx.segment(np.ones((3, 3, 3), bool), model="objects", weights="objects.safetensors")
