"""JOF and BAE-NET: parameter counts of the originals, the gate of albedo, shares of the first layers, codes."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from refusals import refused
from torch.testing import assert_close

from voxcli.errors import ShapeError, UsageError
from voxcli.models.bae.network import BAEConfig, BAENet
from voxcli.models.bae.network import build as build_bae
from voxcli.models.jof.network import JOF, Codes, JOFConfig, build, projection_of, standardised

SMALL = JOFConfig(
    branches=4, shape=8, albedo=6, shape_widths=(16, 12), albedo_widths=(12, 12), voxel_widths=(4, 4, 8, 8), image_widths=(8, 8, 16, 16),
    groups=4,
)  # fmt: skip


def count(module):
    return sum(p.numel() for p in module.parameters())


def codes(config, batch=2):
    return Codes(*(torch.randn(batch, n) for n in (config.category, config.shape, config.albedo)))


def test_every_part_has_as_many_parameters_as_the_original():
    with torch.device("meta"):
        network = JOF(JOFConfig())
        bae = BAENet(BAEConfig())
    assert count(network.shape) == 1_992_588
    assert count(network.albedo) == 1_597_476
    assert count(network.encoder) == 11_196_987
    assert count(network.image) == 12_773_994
    assert count(network.image) + count(network.shape) + count(network.albedo) == 16_364_058
    assert count(bae) == 5_252_904 and count(bae.generator) == 399_624


def test_the_first_layers_see_codes_and_point_in_the_order_of_the_checkpoints():
    torch.manual_seed(0)
    network = build(SMALL)
    given, points = codes(SMALL), torch.rand(2, 5, 3) * 2 - 1
    each = [code[:, None].expand(-1, 5, -1) for code in given]
    x = torch.cat([each[0], points, each[1]], -1)
    x = F.leaky_relu(network.shape.sd_fc1(x), 0.02)
    expected = torch.sigmoid(network.shape.sd_fc3(F.leaky_relu(network.shape.sd_fc2(x), 0.02)))
    assert_close(network.branches(given, points), expected)
    y = torch.cat([each[0], points, each[1], each[2]], -1)
    y = F.leaky_relu(network.albedo.ad_fc2(F.leaky_relu(network.albedo.ad_fc1(y), 0.02)), 0.02)
    assert_close(network.albedo(given, points), torch.tanh(network.albedo.ad_fc3(y)).reshape(2, 5, 4, 3))


def test_the_winning_branch_gates_the_albedo():
    torch.manual_seed(0)
    network = build(SMALL)
    torch.nn.init.normal_(network.shape.sd_fc3.weight, std=3)  # so that several branches win
    given, points = codes(SMALL), torch.rand(2, 50, 3) * 2 - 1
    winners = network.branches(given, points).argmax(-1)
    every = network.albedo(given, points)
    chosen = network.colours(given, points)
    assert len(winners.unique()) > 1
    for b in range(2):
        for n in range(50):
            assert_close(chosen[b, n], every[b, n, winners[b, n]])
    assert_close(network.occupancy(given, points), network.branches(given, points).max(-1).values)


def test_codes_of_the_volume_encoder_have_length_one_and_those_of_images_need_not():
    torch.manual_seed(0)
    network = build(SMALL)
    found, logits = network.encoder(torch.rand(2, 3, 64, 64, 64))
    for code, length in zip(found, (3, 8, 6), strict=True):
        assert code.shape == (2, length)
        assert_close(code.norm(dim=1), torch.ones(2))
    assert logits.shape == (2, 14)
    guess, maps = network.image(torch.randn(2, 3, 128, 128))
    assert guess.camera.shape == (2, 12) and guess.light.shape == (2, 3, 9) and guess.codes.shape.shape == (2, 8)
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 64, 64), (8, 32, 32), (8, 16, 16)]
    with pytest.raises(ShapeError):
        network.encoder(torch.rand(2, 3, 32, 32, 32))


def test_the_split_of_the_volume_code_is_category_albedo_shape():
    torch.manual_seed(0)
    network = build(SMALL).eval()
    with torch.no_grad():
        network.encoder.conv_5.weight.zero_()
        network.encoder.conv_5.bias.copy_(torch.cat([torch.full((3,), 1.0), torch.full((6,), 2.0), torch.arange(8.0)]))
    found, _ = network.encoder(torch.rand(1, 3, 64, 64, 64))
    assert_close(found.shape, F.normalize(torch.arange(8.0)[None], dim=1))
    assert_close(found.albedo, torch.full((1, 6), 6**-0.5))


def test_projections_survive_standardising():
    config = JOFConfig(camera_mean=tuple(range(12)), camera_std=tuple(range(1, 13)))
    matrix = torch.randn(3, 3, 4)
    assert_close(projection_of(standardised(matrix, config), config), matrix)


def test_without_category_code_and_with_free_codes():
    config = JOFConfig(**{**vars(SMALL), "parts": ("latents", "shape", "albedo"), "shapes": 5, "category": 0})
    network = build(config)
    found, logits = network.latents(torch.tensor([4, 0]))
    assert found.category.shape == (2, 0) and found.shape.shape == (2, 8) and logits.shape == (2, 14)
    assert network.occupancy(found, torch.rand(2, 7, 3)).shape == (2, 7)
    with refused(UsageError, "image"):
        network.need("image", purpose="Predicting from images")


@pytest.mark.parametrize(
    "wrong", [{"parts": ("decoder",)}, {"parts": ("latents", "shape")}, {"groups": 3}, {"camera_std": (0.0,) * 12}, {"shape_widths": (3,)}]
)
def test_configurations_that_mean_nothing_are_refused(wrong):
    with pytest.raises(UsageError):
        JOFConfig(**wrong)


def test_bae_takes_the_largest_of_its_branches():
    torch.manual_seed(0)
    network = build_bae(BAEConfig(branches=3, code=8, encoder=(4, 4, 4, 4), decoder=(16, 8)))
    volumes, points = (torch.rand(2, 1, 64, 64, 64) > 0.5).float(), torch.rand(2, 9, 3) - 0.5
    code = network.encode(volumes)
    assert code.shape == (2, 8) and code.min() >= 0 and code.max() <= 1
    x = torch.cat([code[:, None].expand(-1, 9, -1), points], -1)
    for name in ("linear_1", "linear_2"):
        x = F.leaky_relu(network.generator[name](x), 0.02)
    assert_close(network(volumes, points), torch.sigmoid(network.generator["linear_3"](x)))


def test_a_network_without_a_category_code_is_made_in_silence(recwarn):
    network = build(replace(SMALL, category=0))
    assert network.encoder.linear.weight.shape == (14, 0) and not recwarn.list
