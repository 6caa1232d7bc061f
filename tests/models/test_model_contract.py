"""All registered models keep one contract: voxcli/models/base.py."""

import contract
import pytest
import torch
from small_networks import SMALL

from voxcli.models.registry import MODELS, model_module, optional_module, predicting, specs
from voxcli.options import make_options

OPTIONS = {
    "jof": {"resolution": 16}, "uclid": {"points": 1}, "ssz": {"probabilities": True, "poses": True}, "rays": {"probabilities": True},
}  # fmt: skip
BY_NAME = {spec.name: spec for spec in specs()}
ALL, ABLE = pytest.mark.parametrize("name", list(MODELS)), pytest.mark.parametrize("name", predicting())


def test_each_has_a_small_network_here():
    assert list(SMALL) == list(MODELS) == list(BY_NAME)


@ALL
def test_its_spec_tells_the_truth(name):
    contract.its_spec_tells_the_truth(BY_NAME[name])
    presets = getattr(model_module(name, "network"), "PRESETS", {})
    assert BY_NAME[name].presets == tuple(presets) and optional_module(name, "stages") is not None


@ABLE
def test_its_options_are_documented(name):
    contract.its_options_are_documented(BY_NAME[name].options)


@ALL
@pytest.mark.filterwarnings("ignore:no --camera")
def test_it_loads_and_predicts_and_a_batch_equals_singles(name):
    spec, small = BY_NAME[name], SMALL[name]
    network = contract.its_weights_load(spec, small.weights(name))
    if spec.options is not None:
        options = make_options(spec.options, OPTIONS.get(name, {}), name)
        contract.a_batch_equals_singles(spec, network, options, 0 if name in ("uclid", "pix2scene") else 1e-5)


@ALL
def test_its_weights_keep_their_record(name, tmp_path):
    contract.its_weights_keep_their_record(SMALL[name].weights(name), tmp_path)


@ALL
def test_the_gradient_reaches_every_parameter(name):
    network = SMALL[name].network(name)
    torch.manual_seed(1)
    sum(each.float().square().mean() for each in SMALL[name].passed(network)).backward()
    assert [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []
