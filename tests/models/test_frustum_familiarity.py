"""Strange pictures among familiar ones: Gaussian features, whose distances are known."""

import numpy as np
import pytest
import torch
from refusals import refused

from voxcli.errors import DataError, FileFormatError
from voxcli.models.frustum.familiarity import COMPONENTS, Familiarity, learn, pooled, split
from voxcli.models.weights import Weights, load_weights, save_weights

CHANNELS = 200


def features(count, seed, shift=0.0, strength=3.0):
    """Gaussian features of as many strong directions as there are components, weak noise in all others, about a mean, in channels of very
    different scales. shift: along all strong directions, in standard deviations."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(np.random.default_rng(77).standard_normal((CHANNELS, CHANNELS)))[0][:COMPONENTS]
    scales, mean = np.random.default_rng(78).uniform(0.01, 10, (2, CHANNELS))
    inner = strength * (rng.standard_normal((count, COMPONENTS)) + shift) @ basis + 0.1 * rng.standard_normal((count, CHANNELS))
    return torch.from_numpy(inner * scales + mean)


@pytest.fixture(scope="module")
def known():
    return learn(features(2000, 0), features(1000, 1))


def test_features_of_the_training_have_a_strangeness_of_one(known):
    """The mean of k squared numbers of variance 1."""
    assert float(known.strangeness(features(2000, 0)).mean()) == pytest.approx(1, rel=0.01)
    # A chi square of k degrees of freedom, divided by k: a variance of 2 / k.
    fresh = known.strangeness(features(4000, 2))
    assert float(fresh.mean()) == pytest.approx(1, rel=0.06) and float(fresh.var()) == pytest.approx(2 / COMPONENTS, rel=0.15)


def test_one_in_twenty_familiar_pictures_is_called_strange(known):
    held_out = known.strangeness(features(1000, 1))
    assert 0.04 < float((held_out > known.threshold).float().mean()) <= 0.05
    assert float((known.strangeness(features(4000, 2)) > known.threshold).float().mean()) == pytest.approx(0.05, abs=0.015)
    # The 95th percentile of chi square with 24 degrees of freedom is 36.4.
    assert known.threshold == pytest.approx(36.415 / 24, rel=0.06)


def test_pictures_of_another_kind_are_strange(known):
    moved = known.strangeness(features(500, 3, shift=1.5))
    assert float((moved > known.threshold).float().mean()) > 0.95
    assert float(moved.mean()) == pytest.approx(1 + 1.5**2, rel=0.1)
    wilder = known.strangeness(features(500, 4, strength=6.0))
    assert float(wilder.mean()) == pytest.approx(4, rel=0.1)


def test_what_lies_outside_of_the_components_is_not_looked_at(known):
    familiar = features(200, 5).float()
    random = torch.from_numpy(np.random.default_rng(6).standard_normal(CHANNELS)).float()
    inside = torch.linalg.lstsq(known.axes.T, random[:, None]).solution[:, 0] @ known.axes
    aside = (random - inside) / (random - inside).norm() * 20  # which no axis sees
    assert torch.allclose(known.strangeness(familiar), known.strangeness(familiar + aside), rtol=0.05, atol=0.05)


def test_the_scale_of_a_channel_does_not_matter():
    scaled = torch.logspace(-3, 3, CHANNELS).double()
    plain, other = learn(features(500, 0), features(300, 1)), learn(features(500, 0) * scaled, features(300, 1) * scaled)
    assert torch.allclose(plain.strangeness(features(100, 2)), other.strangeness(features(100, 2) * scaled), rtol=0.05)


def test_weights_keep_it_in_half_precision_and_40_kilobytes(known, tmp_path):
    wide = Familiarity(torch.rand(624), torch.randn(COMPONENTS, 624), 1.5)
    assert sum(2 * t.numel() for t in wide.tensors().values()) < 40_000
    save_weights(tmp_path / "w.safetensors", Weights({"net.weight": torch.ones(2)} | known.tensors(), "rays", {}))
    own, back = split(load_weights(tmp_path / "w.safetensors").tensors)
    assert list(own) == ["net.weight"] and back is not None
    some = features(50, 9, shift=0.5)
    assert torch.equal(back.strangeness(some), known.strangeness(some))  # it was rounded when it was learnt
    assert back.threshold == pytest.approx(known.threshold, rel=1e-3)
    assert float((back.strangeness(features(1000, 1)) > back.threshold).float().mean()) <= 0.051


def test_weights_without_it_and_with_a_part_of_it():
    own, none = split({"net.weight": torch.ones(2)})
    assert none is None and list(own) == ["net.weight"]
    for damage in ({"familiarity.mean": torch.ones(3)}, {"familiarity.mean": torch.ones(3), "familiarity.axes": torch.ones(2, 4),
                                                        "familiarity.threshold": torch.tensor(1.0)}):  # fmt: skip
        with refused(FileFormatError, "strange pictures"):
            split({"net.weight": torch.ones(2)} | damage)


def test_facts_are_plain_numbers(known):
    near, far = known.facts(torch.cat([features(1, 2), features(1, 3, shift=3)]))
    assert near["score"] <= near["threshold"] < far["score"] and near["threshold"] == far["threshold"]
    assert isinstance(near["score"], float)


def test_maps_are_pooled_to_means_and_spreads_of_their_positions():
    fine, coarse = torch.zeros(2, 3, 4, 6), torch.rand(2, 5, 2, 3)
    fine[:, 1], fine[0, 2, :2] = 7, 2
    found = pooled([fine, coarse.bfloat16()])
    assert found.shape == (2, 3 + 3 + 5) and found.dtype == torch.float32
    assert found[0, :6].tolist() == pytest.approx([0, 7, 1, 0, 0, 1])  # means, then spreads: half of the third is 2, half is 0
    assert torch.allclose(found[:, 6:], coarse.mean((2, 3)), atol=0.01)


@pytest.mark.parametrize("count, held_out", [(COMPONENTS, 300), (300, 10)])
def test_too_few_pictures_tell_nothing(count, held_out):
    with refused(DataError, "pictures", expected="24"):
        learn(features(count, 0), features(held_out, 1))


def test_pictures_that_are_all_alike_tell_nothing():
    with refused(DataError, "ways", expected="24 components"):
        learn(torch.ones(100, CHANNELS), torch.ones(100, CHANNELS))
