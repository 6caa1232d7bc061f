from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from voxcli.errors import UsageError
from voxcli.models.ssz.network import PRESETS, Generator, add_repeated


def test_adding_a_repeated_volume_is_adding_its_nearest_upsampling():
    g = torch.Generator().manual_seed(0)
    fine = torch.randn(2, 3, 4, 6, 8, generator=g, dtype=torch.float64)
    coarse = torch.randn(2, 3, 2, 3, 4, generator=g, dtype=torch.float64)
    assert_close(add_repeated(fine, coarse), fine + F.interpolate(coarse, scale_factor=2, mode="nearest"))
    assert torch.autograd.gradcheck(add_repeated, (fine.requires_grad_(), coarse.requires_grad_()))


def test_a_refining_network_whose_last_head_is_silent_says_what_its_half_resolution_says():
    torch.manual_seed(0)
    network = Generator(PRESETS["small"]).eval()
    assert network.config.refines
    torch.nn.init.zeros_(network.decoder.head.conv.weight)
    torch.nn.init.zeros_(network.decoder.head.conv.bias)
    with torch.inference_mode():
        scores = network(torch.rand(1, 3, 64, 64), (1, 2))
    assert_close(scores[1], F.interpolate(scores[2], scale_factor=2, mode="nearest"))


def test_a_network_of_larger_pictures_refines_at_both_finer_scales():
    torch.manual_seed(0)
    config = replace(PRESETS["street-256"], width=32, height=32, depth=32, decoder=(16, 16, 8, 8, 8))
    network = Generator(config).eval()
    for head in (network.decoder.head, network.decoder.coarse_heads["2"]):
        torch.nn.init.zeros_(head.conv.weight)
        torch.nn.init.zeros_(head.conv.bias)
    with torch.inference_mode():
        scores = network(torch.rand(1, 3, 64, 64), (1, 4))
    assert scores.keys() == {1, 4}
    assert_close(scores[1], F.interpolate(scores[4], scale_factor=4, mode="nearest"))


def test_the_level_before_a_published_encoder_is_computed_where_the_full_resolution_is_asked_for():
    torch.manual_seed(0)
    config = replace(PRESETS["street"], width=32, height=32, depth=32, decoder=(16, 16, 8, 8, 8, 8))
    network, image, calls = Generator(config).eval(), torch.rand(1, 3, 32, 32), []
    network.encoder.stem.register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        coarse = network(image, (4, 2))
        assert not calls
        scores = network(image, (1, 2, 4))
    assert calls == [1]
    for scale in (2, 4):
        assert torch.equal(scores[scale], coarse[scale])


def test_pictures_of_two_pixels_a_column_need_a_published_encoder():
    with pytest.raises(UsageError) as error:
        replace(PRESETS["scratch"], picture_scale=2)
    assert error.value.actual == 2
