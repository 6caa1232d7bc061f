"""`voxcli weights export`: what travels in a file that is handed on."""

import json

import pytest
import torch

from voxcli.models import weights as module
from voxcli.models.weights import Weights, load_weights, save_weights


def test_exported_weights_do_not_tell_where_photographs_and_data_lay(voxcli, tmp_path):
    recipe = {"data": ["/disk/street"], "validation": {"data": [], "photographs": "/home/somebody/photos/", "every": 5}, "seed": 3}
    facts = {"training": {"recipe": recipe, "step": 7}}
    save_weights(tmp_path / "run.safetensors", Weights({"a": torch.ones(2)}, "rays", {}, facts))
    voxcli("weights", "export", tmp_path / "run.safetensors", "-o", tmp_path / "out.safetensors")
    told = load_weights(tmp_path / "out.safetensors").facts["training"]
    assert told["recipe"] == {"data": ["street"], "validation": {"data": [], "photographs": "photos", "every": 5}, "seed": 3}
    assert told["step"] == 7 and "somebody" not in json.dumps(told)


def test_info_tells_facts_in_one_order(voxcli, tmp_path):
    # The library that reads the file gives its metadata in a random order.
    facts = {name: name for name in ("zebra", "frustum", "label_names", "empty_label", "ant")}
    save_weights(tmp_path / "a.safetensors", Weights({"a": torch.ones(2)}, "rays", {}, facts))
    for _ in range(5):
        code, text, _ = voxcli("weights", "info", tmp_path / "a.safetensors")
        known = list(json.loads(text))
        assert code == 0
        assert known == ["file", "sha256", "model", "numbers", "config", *sorted(facts), "version"]


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Shipped weights `whole`, and a run's that hold the same encoder and a head."""
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "shipped")
    encoder = {f"encoder.{k}": torch.linspace(k, k + 1, 500) for k in range(4)} | {"encoder.count": torch.tensor(7)}
    save_weights(tmp_path / "shipped" / "whole.safetensors", Weights(encoder | {"rest": torch.ones(9)}, "rays", {}))
    save_weights(tmp_path / "run.safetensors", Weights(encoder | {"head": torch.arange(5.0)}, "objects", {"side": 64}), half=False)
    return encoder


def test_a_file_that_leaves_its_encoder_to_shipped_weights_is_small_and_reads_as_the_whole(voxcli, tmp_path, shipped):
    assert voxcli("weights", "export", "run.safetensors", "-o", "all.safetensors")[0] == 0
    assert voxcli("weights", "export", "run.safetensors", "-o", "head.safetensors", "--share", "whole")[0] == 0
    sizes = {name: (tmp_path / f"{name}.safetensors").stat().st_size for name in ("all", "head")}
    assert sizes["head"] < sizes["all"] - 3500
    whole, shared = (load_weights(tmp_path / f"{name}.safetensors") for name in ("all", "head"))
    assert whole.tensors.keys() == shared.tensors.keys() and (shared.model, shared.config) == ("objects", {"side": 64})
    assert all(torch.equal(tensor, shared.tensors[name]) for name, tensor in whole.tensors.items())
    assert voxcli("weights", "export", "head.safetensors", "-o", "again.safetensors")[0] == 0
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "all.safetensors").read_bytes()
    told = json.loads(voxcli("weights", "info", "head.safetensors")[1])
    assert told["shared"]["weights"] == "whole" and told["numbers"] == {"encoder": 2001, "head": 5}


def test_an_encoder_that_a_training_changed_is_not_shared(refused, tmp_path, shipped):
    refused("weights", "export", "run.safetensors", "-o", "out.pt", "--share", "whole", named=("--share", "out.pt"))
    refused("weights", "export", "run.safetensors", "-o", "out.safetensors", "--share", "absent", named="absent")
    changed = {name: tensor + 1 for name, tensor in shipped.items()}
    save_weights(tmp_path / "other.safetensors", Weights(changed, "objects", {}))
    refused("weights", "export", "other.safetensors", "-o", "out.safetensors", "--share", "whole", named="others in every tensor")
    save_weights(tmp_path / "none.safetensors", Weights({"head": torch.ones(2)}, "objects", {}))
    refused("weights", "export", "none.safetensors", "-o", "out.safetensors", "--share", "whole", named="encoder.0")


@pytest.mark.parametrize("beginning", ["encoder.published.", "published."])
def test_an_encoder_may_have_another_name_in_the_network_that_shares_it(voxcli, tmp_path, shipped, beginning):
    mine = {name.replace("encoder.", beginning): tensor for name, tensor in shipped.items()}
    mine |= {f"{beginning}2": mine[f"{beginning}2"] + 0.5, "encoder.stem.1": torch.ones(3), "head": torch.arange(5.0)}
    save_weights(tmp_path / "mine.safetensors", Weights(mine, "ssz", {}), half=False)
    code, _, said = voxcli("weights", "export", "mine.safetensors", "-o", "out.safetensors", "--share", "whole")
    assert code == 0 and "4 of 5 tensors of the encoder" in said
    assert (tmp_path / "out.safetensors").stat().st_size < 3500
    back = load_weights(tmp_path / "out.safetensors").tensors
    assert back.keys() == mine.keys() and all(torch.equal(back[name], t.half().float() if t.is_floating_point() else t)
                                              for name, t in mine.items())  # fmt: skip


def test_what_a_training_changed_of_an_encoder_stays_in_the_file(voxcli, tmp_path, shipped):
    changed = shipped | {"encoder.2": shipped["encoder.2"] + 0.5, "head": torch.ones(2)}
    save_weights(tmp_path / "tuned.safetensors", Weights(changed, "objects", {}), half=False)
    code, _, said = voxcli("weights", "export", "tuned.safetensors", "-o", "out.safetensors", "--share", "whole")
    assert code == 0 and "4 of 5 tensors of the encoder" in said
    back = load_weights(tmp_path / "out.safetensors").tensors
    assert back.keys() == changed.keys() and all(torch.equal(back[name], t.half().float() if t.is_floating_point() else t)
                                                 for name, t in changed.items())  # fmt: skip


def test_weights_whose_encoder_is_no_longer_there_are_refused(voxcli, refused, tmp_path, shipped):
    assert voxcli("weights", "export", "run.safetensors", "-o", "head.safetensors", "--share", "whole")[0] == 0
    there = tmp_path / "shipped" / "whole.safetensors"
    save_weights(there, Weights(shipped | {"encoder.0": torch.zeros(500)}, "rays", {}))
    refused("weights", "info", "head.safetensors", named=("head.safetensors", "whole", "other numbers"))
    there.unlink()
    refused("weights", "info", "head.safetensors", named="no such tensors")


def test_zero_and_minus_zero_are_the_same_number_to_share():
    numbers = torch.tensor([0.0, 1.5])
    assert module._equal(numbers, numbers * torch.tensor([-1.0, 1.0])) and not module._equal(numbers, numbers + 1)
