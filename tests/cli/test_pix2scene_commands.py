import json

import numpy as np
import pytest
from example_files import FILES

from voxcli import files
from voxcli.geometry.cameras import look_at
from voxcli.scene import Camera, Surfels


@pytest.fixture
def folder(tmp_path):
    for name in ("rooms.safetensors", "a.png", "b.png"):
        FILES[name](tmp_path / name)
    for name, eye in (("here", [0.4, 0.5, 0.6]), ("there", [0.7, 0.4, 0.3])):
        K = np.array([[14.4, 0, 8], [0, 14.4, 8], [0, 0, 1]])
        files.write(tmp_path / f"{name}.yaml", Camera(K, 16, 16, look_at(eye, [0, -0.25, 0])))
    return tmp_path


def test_a_latent_code_is_decoded_for_the_camera_that_is_asked_for(folder, voxcli):
    predict = ["predict", "b.png", "--weights", "rooms.safetensors", "--camera"]
    assert voxcli(*predict, "here.yaml", "-o", "here.npz")[0] == 0
    here = files.read(folder / "here.npz")
    assert isinstance(here, Surfels) and len(here.meta["prediction"]["latent"]) == 8 and here.meta["units"] == "sides of the room"
    render = ["render-surfels", "here.npz", "--weights", "rooms.safetensors", "--camera"]
    assert voxcli(*render, "here.yaml", "-o", "again.npz")[0] == 0
    np.testing.assert_allclose(files.read(folder / "again.npz").depth, here.depth, rtol=1e-6)
    assert voxcli(*render, "there.yaml", "-o", "there.npz")[0] == 0
    there = files.read(folder / "there.npz")
    assert np.isfinite(there.depth).all()  # decoded, not carried over: nothing is missing
    assert voxcli(*predict, "here.yaml", "-o", "points.ply")[0] == 0 and voxcli(*predict, "here.yaml", "-o", "seen.png")[0] == 0
    assert files.read(folder / "seen.png").rgb.shape == (16, 16, 3)


def test_codes_and_weights_must_belong_together(folder, voxcli):
    assert voxcli("predict", "b.png", "--weights", "rooms.safetensors", "-o", "one.npz")[0] == 0
    changed = files.read(folder / "one.npz")
    changed.meta["weights"] = "0" * 64
    files.write(folder / "other.npz", changed)
    code, _, errors = voxcli("render-surfels", "other.npz", "--weights", "rooms.safetensors", "--camera", "there.yaml", "-o", "x.png")
    assert code in (1, 2) and "not of the weights" in errors and "predicted with others" in errors
    FILES["car.obj"](folder / "car.obj")
    code, _, errors = voxcli("render-surfels", "car.obj", "--weights", "rooms.safetensors", "-o", "x.png")
    assert code in (1, 2) and "holds none" in errors and not (folder / "x.png").exists()


@pytest.mark.parametrize("value", ["abc", float("nan"), 1e30, True, None, [1]])
def test_a_code_that_cannot_be_decoded_is_refused_with_the_number(folder, refused, voxcli, value):
    assert voxcli("predict", "b.png", "--weights", "rooms.safetensors", "--camera", "here.yaml", "-o", "one.npz")[0] == 0
    changed = files.read(folder / "one.npz")
    changed.meta["prediction"]["latent"][3] = value
    files.write(folder / "odd.npz", changed)
    refused(
        "render-surfels",
        "odd.npz",
        "--weights",
        "rooms.safetensors",
        "--camera",
        "there.yaml",
        "-o",
        "x.png",
        named=("odd.npz", "8 numbers", "in place 3") if value == value else ("odd.npz", "'meta' is not JSON"),
    )


def test_what_is_assumed_of_pictures_without_a_camera_is_said_once(folder, voxcli):
    code, _, errors = voxcli("predict", "a.png", "b.png", "--weights", "rooms.safetensors", "-o", "both/")
    assert code == 0 and errors.count("no --camera") == 1


def test_the_same_samples_twice_and_others_of_another_seed(folder, voxcli):
    make = ["sample", "--weights", "rooms.safetensors", "-n", "3"]
    for name, seed in (("one", "1"), ("two", "1"), ("three", "2")):
        assert voxcli(*make, "--seed", seed, "-o", f"{name}.png")[0] == 0
    one, two, three = ((folder / f"{name}.png").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three
    for shown in ("depth", "normals"):
        assert voxcli(*make, "--as", shown, "--camera", "here.yaml", "-o", f"{shown}.png")[0] == 0


def test_a_turntable_decodes_the_code_for_each_view(folder, voxcli):
    assert voxcli("predict", "b.png", "--weights", "rooms.safetensors", "--camera", "here.yaml", "-o", "here.npz")[0] == 0
    line = ["render-surfels", "here.npz", "--weights", "rooms.safetensors"]
    assert voxcli(*line, "--views", "3", "-o", "turning.png", "-q") == (0, "", "")  # the training stood there: no caution
    sheet = files.read(folder / "turning.png").rgb  # two views a row, of the picture's size
    first, second = (sheet[:16, k * 16 : (k + 1) * 16] for k in (0, 1))
    assert sheet.shape == (32, 32, 3) and (first != second).any()
    assert voxcli(*line, "--views", "4", "-o", "turning.gif", "-q") == (0, "", "")
    code, _, errors = voxcli(*line, "--views", "4", "--camera", "here.yaml", "-o", "around.gif")
    assert code == 0 and errors.count("warning:") == 1 and "3 of 4 views" in errors
    K = np.array([[14.4, 0, 8], [0, 14.4, 8], [0, 0, 1]])
    files.write(folder / "away.yaml", Camera(K, 16, 16, look_at([0.4, 0.5, 4], [0, -0.25, 0])))
    code, _, errors = voxcli(*line, "--camera", "away.yaml", "-o", "away.png")
    assert code == 0 and errors.count("warning:") == 1 and "in training" in errors
    assert voxcli("render-surfels", "here.npz", "-o", "plain.png")[0] == 0  # its own view needs no weights


def test_scenes_of_a_class_are_made_by_its_name(folder, refused, voxcli):
    import torch

    from voxcli import config
    from voxcli.models.pix2scene.network import Pix2SceneConfig, build
    from voxcli.models.weights import Weights, load_weights, save_weights

    torch.manual_seed(0)
    settings = Pix2SceneConfig(size=16, latent=8, encoder=4, decoder=4, critic=4, classes=("box", "sphere"))
    state = build(settings).state_dict()
    state |= {key: torch.randn_like(t) * 0.3 for key, t in state.items() if t.ndim >= 2}  # conditions start neutral
    facts = load_weights(folder / "rooms.safetensors").facts | {"shapes": ["box", "sphere"]}
    save_weights(folder / "classes.safetensors", Weights(state, "pix2scene", config.to_mapping(settings), facts))
    for kind in ("box", "sphere"):
        line = ["sample", "--weights", "classes.safetensors", "-n", "2", "--class", kind, "--as", "depth", "-o", f"{kind}.png"]
        assert voxcli(*line)[0] == 0
    assert (files.read(folder / "box.png").rgb != files.read(folder / "sphere.png").rgb).any()
    assert voxcli("predict", "b.png", "--weights", "classes.safetensors", "-o", "guess.npz")[0] == 0
    assert files.read(folder / "guess.npz").meta["prediction"]["class"] in ("box", "sphere")
    refused("sample", "--weights", "classes.safetensors", "--class", "spere", "-o", "x.png", named="Did you mean 'sphere'")


def test_what_sample_refuses(folder, refused, voxcli):
    for arguments, words in (
        (["-m", "ssz", "-o", "x.png"], "no scenes of its own"),
        (["-o", "x.npz"], "as a picture"),
        (["--interpolate", "a.png", "b.png", "--class", "box", "-o", "x.png"], "contradict"),
        (["--weights", "rooms.safetensors", "--class", "box", "-o", "x.png"], "box"),
        (["--weights", "rooms.safetensors", "-o", "a.png"], "a.png"),
    ):  # fmt: skip
        refused("sample", *arguments, named=words)
    code, text, _ = voxcli("sample", "-o", "x.png", "--dry-run")
    assert code == 0 and json.loads(text)["write"] == [{"path": "x.png", "exists": False}]
