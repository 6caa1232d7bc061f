"""`voxcli.load(...).predict(...)` gives what `voxcli predict` writes, for every model and every kind of picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from example_files import FILES
from PIL import Image
from small_networks import SMALL

import voxcli as vx
from voxcli import config
from voxcli.errors import VoxcliError
from voxcli.models.registry import predicting
from voxcli.models.weights import Weights, save_weights

FACTS = {
    "frustum": {"z_near": 2.0, "z_far": 12.0, "fov_x_deg": 60.0}, "label_names": ["air", "car", "ground"], "empty_label": 0,
    "ignore_label": 255,
}  # fmt: skip


def _rays_weights(path):
    from voxcli.models.rays.network import Rays, RaysConfig

    torch.manual_seed(0)
    tiny = RaysConfig(width=32, height=16, depth=8, classes=3, pretrained=False, pyramid=8, volume=4, fine=(8, 8))
    save_weights(path, Weights(Rays(tiny).eval().state_dict(), "rays", config.to_mapping(tiny), FACTS))


def _zgan_weights(path):
    from voxcli.models.zgan.network import Generator, ZGANConfig

    torch.manual_seed(0)
    small = ZGANConfig(width=2)
    facts = FACTS | {"label_names": ["air", "car"]}
    save_weights(path, Weights(Generator(small).eval().state_dict(), "z-gan", config.to_mapping(small), facts))


def _iqtt_weights(path):
    save_weights(path, SMALL["iqtt-pix2scene"].weights("iqtt-pix2scene"))


MAKERS = {
    "ssz": FILES["best.safetensors"], "rays": _rays_weights, "z-gan": _zgan_weights, "pix2vox-f": FILES["object.safetensors"],
    "uclid": FILES["uclid.safetensors"], "jof": FILES["jof.safetensors"], "pix2scene": FILES["rooms.safetensors"],
    "iqtt-pix2scene": _iqtt_weights,
}  # fmt: skip
ARRAYS = ("labels", "occupancy", "probabilities", "points", "vertices", "faces", "vertex_colors", "depth", "normals", "world_to_cam")
OPTIONS = {"jof": {"resolution": 16}, "uclid": {"points": 1}}


@pytest.fixture(params=list(MAKERS))
def model(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for k in range(3):
        rgba = np.random.default_rng(k).integers(0, 256, (64, 64, 4), dtype=np.uint8)
        rgba[..., 3] = 255 * (np.hypot(*np.mgrid[-32:32, -32:32]) < 25)
        Image.fromarray(rgba).save(tmp_path / f"{k}.png")
    return loaded(request.param)


def loaded(name):
    MAKERS[name](Path(f"{name}.safetensors"))
    return vx.load(name, weights=f"{name}.safetensors", device="cpu", dtype="float32")


def options_of(model):
    return OPTIONS.get(model.name, {})


def same(a, b):
    assert type(a) is type(b)
    for name in ARRAYS:
        one, other = getattr(a, name, None), getattr(b, name, None)
        assert (one is None) == (other is None), name
        if one is not None:
            np.testing.assert_allclose(np.asarray(one, np.float64), np.asarray(other, np.float64), atol=1e-6, err_msg=name)


def test_every_model_that_predicts_3d_is_tested_here():
    assert {*predicting()} == {*MAKERS, "pix2vox-a"}


@pytest.mark.filterwarnings("ignore:no --camera")
def test_a_picture_gives_what_the_command_writes(voxcli, model):
    target = "a.ply" if model.name == "jof" else "a.npz"
    flags = [word for name, value in options_of(model).items() for word in (f"--{name}", str(value))]
    line = ["predict", "0.png", "-m", model.name, "--weights", f"{model.name}.safetensors", "--dtype", "float32", "-o", target]
    code, _, errors = voxcli(*line, *flags)
    assert code == 0, errors
    made, wanted = model.predict("0.png", **options_of(model)), vx.read(target)
    same(made, wanted)
    for key in ("frame", "units", "weights", "inputs", "schema"):
        assert made.meta[key] == wanted.meta[key], key


@pytest.mark.filterwarnings("ignore:no --camera")
def test_every_kind_of_picture_gives_the_same(model, tmp_path):
    image = Image.open("0.png")
    wanted = model.predict("0.png", **options_of(model))
    for picture in (tmp_path / "0.png", image, np.asarray(image), vx.read("0.png")):
        same(model.predict(picture, **options_of(model)), wanted)


@pytest.mark.filterwarnings("ignore:no --camera")
def test_one_gives_one_and_a_list_gives_a_list(model):
    paths = ["0.png", "1.png", "2.png"]
    found = model.predict(paths, batch_size=2, **options_of(model))
    assert isinstance(found, list) and len(found) == 3 and model.predict([]) == []
    assert isinstance(model.predict(paths[:1], **options_of(model)), list)
    for each, path in zip(found, paths, strict=True):
        single = model.predict(path, **options_of(model))
        assert type(each) is type(single) and each.meta["inputs"] == single.meta["inputs"]


@pytest.mark.parametrize("name", ["pix2vox-f", "uclid"])
def test_views_of_an_object_give_one_thing(voxcli, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = loaded(name)
    for k in range(2):
        Image.fromarray(np.random.default_rng(k).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(f"{k}.png")
    options = options_of(model)
    flags = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    line = ["predict", "0.png", "1.png", "--views", "--weights", f"{name}.safetensors", "--dtype", "float32", "-o", "a.npz", *flags]
    code, _, errors = voxcli(*line)
    assert code == 0, errors
    both = model.predict(["0.png", "1.png"], views=True, **options)
    same(both, vx.read("a.npz"))
    (first, last) = model.predict([["0.png", "1.png"], ["0.png"]], **options)
    same(first, both)
    same(last, model.predict("0.png", **options))
    coarse = model.predict(["0.png", "1.png"], coarse=True)
    fused = vx.fuse(coarse, model=model, **options)
    assert type(fused) is type(both) and fused.meta["frame"] == "object, +y up"


def test_a_camera_places_the_scene(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILES["camera.yaml"](tmp_path / "camera.yaml")
    FILES["street.png"](tmp_path / "street.png")
    model, camera = loaded("ssz"), vx.read("camera.yaml", "camera")
    camera.world_to_cam[:3, 3] = 1, 2, 3
    for one in (model.predict("street.png", camera=camera), *model.predict(["street.png"] * 2, camera=[camera, camera])):
        assert np.array_equal(one.world_to_cam, camera.world_to_cam)
    assert np.array_equal(model.predict("street.png", camera="camera.yaml").world_to_cam, np.eye(4))
    with pytest.raises(VoxcliError):
        model.predict(["street.png"] * 2, camera=[camera])


def test_a_smooth_surface_is_the_one_of_the_command(voxcli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILES["chair.png"](tmp_path / "chair.png")
    model = loaded("pix2vox-f")
    code, _, errors = voxcli("predict", "chair.png", "--weights", "pix2vox-f.safetensors", "--dtype", "float32", "-o", "a.ply")
    assert code == 0, errors
    vx.write("b.ply", model.predict("chair.png"), smooth=True, threshold=0.4)
    assert np.allclose(vx.read("a.ply").vertices, vx.read("b.ply").vertices, atol=1e-6)


def test_segment_of_a_picture_is_that_of_the_command(voxcli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILES["street.png"](tmp_path / "street.png")
    model = loaded("ssz")
    line = ["segment", "street.png", "--weights", "ssz.safetensors", "--dtype", "float32", "--indices", "-o", "a.png"]
    code, _, errors = voxcli(*line)
    assert code == 0, errors
    found = vx.segment("street.png", model=model)
    assert np.array_equal(found.image, vx.read("a.png").rgb[..., 0])
    same(vx.segment(Image.open("street.png"), model=model).thing, found.thing)


def test_a_weights_file_says_what_it_is_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert loaded("uclid").name == vx.load("uclid.safetensors", device="cpu").name == "uclid"
    with pytest.raises(VoxcliError):
        vx.load("ssz", weights="uclid.safetensors")


@pytest.mark.parametrize("name", ["sz", "bae", "iqtt-cnn", "z-gan", "absent.safetensors"])
def test_models_that_cannot_be_loaded_are_refused(name):
    with pytest.raises(VoxcliError) as caught:
        vx.load(name)
    assert caught.value.expected or caught.value.hint


@pytest.mark.parametrize(
    ("picture", "options"),
    [(None, {}), (3, {}), (torch.zeros(3, 8, 8), {}), (np.zeros((3, 8, 8), np.uint8), {}), (np.zeros((8, 8, 3)), {}), ("no.png", {}),
     (np.zeros((8, 8, 3), np.uint8), {"threshold": 0.5}), (np.zeros((8, 8, 3), np.uint8), {"views": True}), ([["a.png"]], {}),
     (np.zeros((8, 8, 3), np.uint8), {"camera": 3}), (np.zeros((8, 8, 3), np.uint8), {"batch_size": 0}), ("", {}),
     (np.zeros((0, 8, 3), np.uint8), {})],
)  # fmt: skip
def test_what_is_no_picture_is_refused(picture, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VoxcliError) as caught:
        loaded("ssz").predict(picture, **options)
    assert caught.value.expected or caught.value.hint or "no.png" in caught.value.message
