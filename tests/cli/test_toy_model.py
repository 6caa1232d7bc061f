"""A model that voxcli does not know: it registers, gets its flags, predicts from the shell, and keeps the contract of all models."""

import os
from dataclasses import dataclass

import contract
import numpy as np
import pytest
import torch
from torch import nn

import voxcli as vx
from voxcli import files
from voxcli.models.base import ModelOptions, ModelSpec, Predictor
from voxcli.models.registry import register, unregister
from voxcli.models.weights import Weights, save_weights
from voxcli.options import option
from voxcli.scene import Picture, VoxelGrid

# -- the model ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ToyOptions(ModelOptions):
    """A cube that is as full as its picture is bright."""

    threshold: float | None = option(None, "Occupied at or above this probability.", within="(0, 1]")
    exposure: float = option(1.0, "Brightness is multiplied by it.", within="(0, 4]")


class Brightness(nn.Module):
    def __init__(self, cells: int):
        super().__init__()
        self.cells, self.gain = cells, nn.Parameter(torch.ones(()))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return (self.gain * image.mean()).expand(self.cells, self.cells, self.cells)


class Toy(Predictor[Brightness, ToyOptions, VoxelGrid]):
    threshold = 0.5

    @classmethod
    def build(cls, config, what):
        return Brightness(**config)

    def predict(self, inputs, options, batch_size=1):
        level = options.threshold or self.threshold
        for each in inputs:
            share = self.network(torch.from_numpy(each.picture.rgb / 255) * options.exposure).clamp(0, 1).numpy()
            yield VoxelGrid(share >= level, None, np.zeros(3), np.ones(3) / len(share), None, {"threshold": level}, share)


SPEC = ModelSpec("toy", f"{__name__}:Toy", "-m toy makes a cube of a picture.", ToyOptions, "VoxelGrid", frame="cube", units="its side")


# -- its tests ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def registered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    register(SPEC)
    save_weights("toy.safetensors", WEIGHTS)
    files.write("grey.png", Picture(np.full((8, 8, 3), 102, np.uint8)))
    yield
    unregister("toy")


WEIGHTS = Weights(Brightness(4).state_dict(), "toy", {"cells": 4})


def test_it_keeps_the_contract(tmp_path):
    contract.its_spec_tells_the_truth(SPEC)
    contract.its_options_are_documented(ToyOptions)
    contract.its_weights_keep_their_record(WEIGHTS, tmp_path)
    contract.a_batch_equals_singles(SPEC, contract.its_weights_load(SPEC, WEIGHTS), ToyOptions(exposure=2.0))


def test_it_gets_its_flags_and_predicts_from_the_shell(voxcli):
    assert "--exposure" in voxcli("predict", "--help")[1] and "-m toy makes a cube" in voxcli("predict", "--help")[1]
    line = ["predict", "grey.png", "--weights", "toy.safetensors"]
    code, _, errors = voxcli(*line, "--exposure", "2", "-o", "bright.npz")
    assert code == 0, errors
    bright = files.read("bright.npz")
    assert bright.occupancy.all() and bright.probabilities == pytest.approx(0.8)
    assert bright.meta["frame"] == "cube" and bright.meta["options"]["exposure"] == 2.0 and bright.meta["options"]["threshold"] == 0.5
    code, _, errors = voxcli(*line, "-o", "dark.npz")
    assert code == 0 and "nothing reaches the threshold 0.5" in errors
    assert voxcli(*line, "--threshold", "0.3", "-o", "surface.ply")[0] == 0


def test_keep_going_finds_the_one_of_a_batch_that_fails(voxcli, monkeypatch):
    def predict(self, inputs, options, batch_size=1):
        for each in inputs:
            full = np.full((2, 2, 2), 1 // int(each.picture.rgb.max()))
            yield VoxelGrid(full, None, np.zeros(3), np.ones(3), None, {"threshold": 0.5})

    monkeypatch.setattr(Toy, "predict", predict)
    for name, value in (("a", 1), ("b", 0), ("c", 1)):
        files.write(f"in/{name}.png", Picture(np.full((8, 8, 3), value, np.uint8)))
    line = ["predict", "in", "--weights", "toy.safetensors", "--batch-size", "3"]
    code, _, errors = voxcli(*line, "-o", "out/", "--keep-going")
    assert code == 1 and "error: in/b.png: internal error" in errors and "1 of 3" in errors
    assert [files.read(f"out/{name}.npz").occupancy.all() for name in "ac"] == [True, True]
    assert voxcli(*line, "-o", "other/")[0] == 2 and not os.path.exists("other")


@pytest.mark.parametrize(("flags", "said"), [(["--exposure", "5"], "--exposure"), (["--fov", "60"], "--fov means nothing to toy"),
                                             (["--views"], "one image"), (["--device", "cpu", "-m", "ssz"], "another model")])  # fmt: skip
def test_wrong_flags_are_refused(voxcli, flags, said):
    code, _, errors = voxcli("predict", "grey.png", "--weights", "toy.safetensors", "-o", "out.npz", *flags)
    assert code == 2 and said in errors


def test_it_predicts_from_python():
    model = vx.load("toy", weights="toy.safetensors", device="cpu", dtype="float32")
    assert model.options == ("exposure", "threshold") and model.predict("grey.png", exposure=2.0).occupancy.all()
    assert [each.occupancy.any() for each in model.predict(["grey.png"] * 2)] == [False, False]
