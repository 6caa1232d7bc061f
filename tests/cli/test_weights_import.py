"""`weights import`: numbers as the checkpoint has them, halved only where that is asked for, and files that hold no usable ones."""

import pytest
import torch
from example_files import FILES

from voxcli.models.pix2vox.network import PRESETS, Pix2VoxConfig, build
from voxcli.models.weights import load_weights

SMALL = Pix2VoxConfig(trunk=(2,) * 8, encoder=(4, 4, 2), decoder=(4, 2, 2, 2, 2))


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """The tensors of a checkpoint of a narrow Pix2Vox-F, which lies in official.pth; a function that writes them again."""
    monkeypatch.setitem(PRESETS, "pix2vox-f", SMALL)
    torch.manual_seed(0)
    state = build(SMALL).state_dict()

    def write():
        parts = ("encoder", "decoder", "merger")
        found = {f"{p}_state_dict": {k.partition(".")[2]: t for k, t in state.items() if k.startswith(f"{p}.")} for p in parts}
        torch.save(found, tmp_path / "official.pth")
        return state

    write()
    return state, write


def test_numbers_keep_the_precision_of_their_checkpoint(voxcli, tmp_path, saved):
    state, write = saved
    state["decoder.layer2.0.weight"] = state["decoder.layer2.0.weight"].half()
    write()
    code, text, errors = voxcli("weights", "import", "pix2vox-f", "official.pth", "-o", "own.safetensors")
    assert (code, text) == (0, "") and "half precision" not in errors
    from safetensors.torch import load_file

    tensors = load_file(tmp_path / "own.safetensors")
    assert tensors.keys() == state.keys()
    for key, tensor in state.items():
        assert tensors[key].dtype == tensor.dtype and torch.equal(tensors[key], tensor), key


def test_half_precision_is_asked_for_and_said(refused, voxcli, tmp_path, saved):
    state, _ = saved
    code, _, errors = voxcli("weights", "import", "pix2vox-f", "official.pth", "-o", "half.safetensors", "--half")
    worst = max(float((t.half().double() - t.double()).abs().max()) for t in state.values() if t.is_floating_point())
    assert code == 0 and f"rounded to half precision: numbers differ from the checkpoint's by up to {worst:.2g}" in errors
    for key, tensor in load_weights(tmp_path / "half.safetensors").tensors.items():
        assert torch.equal(tensor, state[key].half().float() if tensor.is_floating_point() else state[key]), key
    state["decoder.layer2.0.weight"][0, 0, 0, 0, 0] = 1e5
    torch.save({f"{p}_state_dict": {k.partition(".")[2]: t for k, t in state.items() if k.startswith(f"{p}.")}
                for p in ("encoder", "decoder", "merger")}, tmp_path / "official.pth")  # fmt: skip
    refused(
        "weights",
        "import",
        "pix2vox-f",
        "official.pth",
        "-o",
        "large.safetensors",
        "--half",
        named=("'decoder.layer2.0.weight' does not fit into half precision", "1e+05"),
    )
    assert voxcli("weights", "import", "pix2vox-f", "official.pth", "-o", "large.safetensors")[0] == 0


def test_other_importers_keep_it_too(voxcli, tmp_path):
    FILES["latest_net_G.pth"](tmp_path / "latest_net_G.pth")
    state = torch.load(tmp_path / "latest_net_G.pth", weights_only=True)
    assert voxcli("weights", "import", "z-gan", "latest_net_G.pth", "-o", "z.safetensors")[0] == 0
    own = [t for t in load_weights(tmp_path / "z.safetensors").tensors.values() if t.is_floating_point()]
    given = [t for t in state.values() if t.is_floating_point()]
    assert sorted(float(t.double().sum()) for t in own) == sorted(float(t.double().sum()) for t in given)


def test_numbers_that_are_none_are_named(refused, tmp_path, saved):
    state, write = saved
    state["encoder.layer2.0.bias"][1] = float("nan")
    write()
    refused(
        "weights",
        "import",
        "official.pth",
        "-o",
        "a.safetensors",
        named=("official.pth: 'encoder.layer2.0.bias' holds NaN or infinite values.", "1 of 4"),
        unnamed="rain",
        warned=True,
    )


def test_a_checkpoint_that_is_not_there_is_said_to_be_absent(voxcli, saved):
    for words in (["nope.pth"], ["pix2vox-f", "nope.pth"], ["nope.pth", "-m", "uclid"]):
        code, _, errors = voxcli("weights", "import", *words, "-o", "a.safetensors")
        assert code == 2 and errors.startswith("error: nope.pth does not exist."), errors
