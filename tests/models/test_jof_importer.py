"""Official JOF checkpoints: a file a part, folders of them, cameras beside them; files of the right names and shapes stand in for them."""

import numpy as np
import pytest
import torch
from predicting import load_predictor, predict
from refusals import refused
from torch.testing import assert_close

from voxcli.errors import FileFormatError
from voxcli.models.jof.importer import import_weights
from voxcli.models.jof.network import JOF, JOFConfig
from voxcli.models.weights import load_weights, save_weights
from voxcli.scene import Picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The decoders and the image encoder, at full size, with the names of the public code."""
    torch.manual_seed(0)
    where = tmp_path_factory.mktemp("official")
    network = JOF(JOFConfig())
    for key, part in (("ShapeDecoder", "shape"), ("AlbedoDecoder", "albedo"), ("ImgEncoder", "image")):
        torch.save({f"{key}_state_dict": getattr(network, part).state_dict()}, where / f"{key}.pth")
    return where, network


def test_names_are_those_that_the_public_code_saves(folder):
    where, _ = folder
    names = set(torch.load(where / "ShapeDecoder.pth", weights_only=True)["ShapeDecoder_state_dict"])
    assert names == {f"sd_fc{k}.{kind}" for k in (1, 2, 3) for kind in ("weight", "bias")}
    names = set(torch.load(where / "AlbedoDecoder.pth", weights_only=True)["AlbedoDecoder_state_dict"])
    assert names == {f"ad_fc{k}.{kind}" for k in range(1, 8) for kind in ("weight", "bias")}
    names = set(torch.load(where / "ImgEncoder.pth", weights_only=True)["ImgEncoder_state_dict"])
    assert {"features.conv1.weight", "features.layer2.0.downsample.1.bias", "fc_class1.weight", "fc_light2.bias"} <= names


def test_a_folder_of_parts_becomes_one_file(folder, tmp_path):
    from scipy.io import savemat

    where, network = folder
    fates = {"used": [], "left": []}
    savemat(where / "normal_cam.mat", {"mean_cam": np.arange(12.0)[None], "std_cam": np.arange(1.0, 13)[None]})
    weights = import_weights(where, "jof", lambda fate, name: fates[fate].append(name))
    assert weights.config["parts"] == ["shape", "albedo", "image"] and not fates["left"]
    assert weights.config["camera_mean"] == list(range(12)) and weights.facts["cameras_known"]
    assert len(fates["used"]) == len(network.state_dict()) - len(network.encoder.state_dict())
    save_weights(tmp_path / "jof.safetensors", weights)
    predictor = load_predictor(tmp_path / "jof.safetensors", "cpu")
    assert_close(predictor.network.shape.sd_fc2.weight, network.shape.sd_fc2.weight, rtol=0, atol=1e-4)
    (where / "normal_cam.mat").unlink()
    blind = load_predictor(import_weights(where), "cpu")
    assert not blind.cameras_known
    from voxcli.errors import UsageError

    with refused(UsageError, "cameras", hint="--fit"):
        list(predict(blind, [Picture(np.zeros((8, 8, 3), np.uint8))], picture=True))


def test_one_file_is_a_network_of_one_part_and_says_what_it_lacks(folder, tmp_path):
    from voxcli.errors import UsageError

    where, _ = folder
    weights = import_weights(where / "ShapeDecoder.pth")
    assert weights.config["parts"] == ["shape"]
    with refused(UsageError, "albedo", actual="parts shape"):
        list(predict(load_predictor(weights, "cpu"), [Picture(np.zeros((8, 8, 3), np.uint8))]))


def test_free_codes_are_told_from_the_encoder(tmp_path):
    state = {"c_latent": torch.zeros(7, 3), "a_latent": torch.zeros(7, 256), "s_latent": torch.zeros(7, 256),
             "linear.weight": torch.zeros(14, 3), "linear.bias": torch.zeros(14)}  # fmt: skip
    torch.save({"Encoder_state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "latents.pth")
    weights = import_weights(tmp_path / "latents.pth")
    assert weights.config["parts"] == ["latents"] and weights.config["shapes"] == 7 and weights.config["normalised"] is False
    network = JOF(JOFConfig(parts=("encoder",)))
    torch.save({"Encoder_state_dict": network.encoder.state_dict(), "epoch": 3}, tmp_path / "encoder.pth")
    left = []
    assert import_weights(tmp_path / "encoder.pth", report=lambda f, n: left.append((f, n)))
    assert ("left", "epoch") in left
    with refused(FileFormatError, "free codes"):
        import_weights(tmp_path)


def test_what_does_not_fit_is_named(folder, tmp_path):
    where, _ = folder
    state = torch.load(where / "ShapeDecoder.pth", weights_only=True)["ShapeDecoder_state_dict"]
    torch.save({"ShapeDecoder_state_dict": {**state, "sd_fc2.bias": torch.zeros(5)}}, tmp_path / "bad.pth")
    with refused(FileFormatError, "bad.pth", "'shape.sd_fc2.bias'", expected=[384], actual=[5]):
        import_weights(tmp_path / "bad.pth")
    torch.save({"state_dict": state}, tmp_path / "other.pth")
    with refused(FileFormatError, "other.pth", "JOF"):
        import_weights(tmp_path / "other.pth")


def test_the_command_imports_a_folder(folder, tmp_path, monkeypatch, capsys):
    from voxcli.cli import app

    where, _ = folder
    assert app.run(["weights", "import", str(where), "-m", "jof", "-o", str(tmp_path / "w.safetensors"), "-q"], app.COMMANDS) == 0
    assert load_weights(tmp_path / "w.safetensors").model == "jof"
