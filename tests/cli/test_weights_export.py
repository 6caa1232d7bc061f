"""`voxcli weights export`: what travels in a file that is handed on."""

import json

import torch

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
