"""What weights files hold in half precision."""

import torch

from voxcli.models.weights import Weights, load_weights, save_weights


def test_a_running_variance_that_half_precision_cannot_hold_stays_as_it_is(tmp_path):
    tensors = {"norm.running_var": torch.tensor([8.25e4, 0.1]), "norm.weight": torch.tensor([0.1, 0.2]), "norm.count": torch.tensor(7)}
    save_weights(tmp_path / "w.safetensors", Weights(tensors, "ours", {}))
    found = load_weights(tmp_path / "w.safetensors").tensors
    assert torch.equal(found["norm.running_var"], tensors["norm.running_var"])
    assert torch.equal(found["norm.weight"], tensors["norm.weight"].half().float())
    assert int(found["norm.count"]) == 7
