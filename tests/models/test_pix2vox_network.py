"""Pix2Vox against the published facts of its checkpoints and a plain recomputation from the same tensors."""

from dataclasses import replace

import pytest
import torch
from references.pix2vox_twin import reconstructed
from refusals import refused
from torch.testing import assert_close

from voxcli.errors import ShapeError, UsageError
from voxcli.models.pix2vox.folded import Folded, double
from voxcli.models.pix2vox.network import PRESETS, Pix2Vox, Pix2VoxConfig, build, fuse, score_maps
from voxcli.models.pix2vox.winograd import convolve, transformed_weights

NARROW = {
    "pix2vox-f": Pix2VoxConfig(trunk=(4, 4, 8, 8, 8, 8, 8, 16), encoder=(16, 8, 4), decoder=(8, 8, 4, 4, 8)),
    "pix2vox-a": replace(
        PRESETS["pix2vox-a"], trunk=(4, 4, 8, 8, 8, 8, 8, 16), encoder=(8, 8, 2), decoder=(16, 8, 4, 4, 8), refiner=(4, 4, 8), hidden=32
    ),
}
"""The same layers with few channels."""


def count(module):
    return sum(p.numel() for p in module.parameters())


def living(config, seed=0):
    """A network whose normalisation has seen something, so that nothing in it is neutral."""
    torch.manual_seed(seed)
    network = build(config)
    network.decoder.layer5[0].weight.data.normal_()
    network.decoder.layer4[1].bias.data.zero_()
    for key, buffer in network.named_buffers():
        if key.endswith("running_mean"):
            buffer.normal_(0, 0.3)
        if key.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.2 * torch.randn_like(parameter)
    return network.eval().requires_grad_(False)


def test_every_cell_can_learn_at_the_start():
    torch.manual_seed(0)
    network = build(PRESETS["pix2vox-f"])
    with torch.no_grad():
        inner, logits = network.decoder(torch.randn(4, 2048).view(4, 128, 4, 4))
    # With the usual offset of 0, one cell in 256 would have all of its eight channels cut off, if they were independent.
    assert float((inner.amax(1) <= 0).float().mean()) < 1e-3
    assert 0.05 < float(torch.sigmoid(logits).mean()) < 0.25 and float((logits > 0).float().mean()) < 0.02  # most cells are empty


def test_parameter_counts_of_each_part_are_the_published_ones():
    with torch.device("meta"):
        f, a = (Pix2Vox(PRESETS[name]) for name in ("pix2vox-f", "pix2vox-a"))
    assert (count(f), count(f.encoder), count(f.decoder), count(f.merger)) == (7_436_307, 4_658_368, 2_769_368, 8_571)
    assert (count(a), count(a.encoder), count(a.decoder), count(a.merger)) == (114_244_467, 7_772_480, 71_583_064, 8_571)
    assert count(a.refiner) == 34_880_352 and not hasattr(f, "refiner")
    assert count(a.encoder.vgg) == count(f.encoder.vgg) == 2_918_976


def test_features_have_the_published_sizes_and_volumes_32_cells_a_side():
    assert {name: config.features for name, config in PRESETS.items()} == {"pix2vox-f": 2048, "pix2vox-a": 16384, "lite": 2048}
    for name, side in (("pix2vox-f", 4), ("pix2vox-a", 8), ("lite", 4)):
        with torch.device("meta"):
            network = Pix2Vox(PRESETS[name]).eval()
            features = network.encoder(torch.zeros(1, 3, 224, 224))
            context, volumes = network.volumes(features, (1, 1))
        assert features.shape[1:] == (PRESETS[name].features // side**2, side, side)
        assert context.shape == (1, 1, 9, 32, 32, 32) and volumes.shape == (1, 1, 32, 32, 32)


def test_tensors_have_the_published_names():
    with torch.device("meta"):
        names = set(Pix2Vox(PRESETS["pix2vox-a"]).state_dict())
    assert {int(name.split(".")[2]) for name in names if name.startswith("encoder.vgg.")} == {
        0, 1, 3, 4, 7, 8, 10, 11, 14, 15, 17, 18, 20, 21, 24, 25,
    }  # fmt: skip
    assert {"encoder.layer3.0.bias", "decoder.layer4.1.running_var", "decoder.layer5.0.weight", "merger.layer5.1.weight",
            "refiner.layer4.0.bias", "refiner.layer6.1.weight", "refiner.layer8.0.weight"} <= names  # fmt: skip
    assert "decoder.layer1.0.bias" not in names and "refiner.layer8.1.weight" not in names


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("views", [1, 3])
def test_the_output_is_that_of_a_plain_recomputation(name, views):
    network = living(NARROW[name])
    images = torch.rand(2, views, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    wanted = torch.stack([reconstructed(network.state_dict(), each, network.config.pool) for each in images])
    assert wanted.std() > 0.01
    with torch.inference_mode():
        assert_close(network(images), wanted, rtol=0, atol=1e-6)
    assert_close(Folded(network)(images), wanted, rtol=0, atol=5e-6)


@pytest.mark.slow
def test_the_whole_of_f_is_that_of_a_plain_recomputation():
    network = living(PRESETS["pix2vox-f"])
    images = torch.rand(1, 2, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        wanted = reconstructed(network.state_dict(), images[0], 4)[None]
        assert_close(network(images), wanted, rtol=0, atol=2e-6)
    assert_close(Folded(network)(images), wanted, rtol=0, atol=5e-6)


def test_lite_is_f_behind_the_maps_of_the_published_encoder():
    network = living(replace(PRESETS["lite"], encoder=(16, 8, 4), decoder=(8, 8, 4, 4, 8)))
    images = torch.rand(2, 2, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        maps = network.encoder.published.encoder((images.flatten(0, 1)[:, [2, 1, 0]] + 1) / 2)  # red, green, blue in 0..1
        assert [tuple(each.shape[1:]) for each in maps[2:]] == [(40, 28, 28), (112, 14, 14), (320, 7, 7)]
        wide = [torch.nn.functional.interpolate(each, (28, 28), mode="bilinear") for each in maps[2:]]
        features = network.encoder.embed(torch.cat(wide, 1))
        assert_close(network.encoder(images.flatten(0, 1)), features, rtol=0, atol=1e-5)
        context, volumes = network.volumes(features, (2, 2))
        wanted = network.fused(context, volumes)
        assert wanted.std() > 0.01
        assert_close(network(images), wanted, rtol=0, atol=1e-5)
    assert_close(Folded(network)(images), wanted, rtol=0, atol=2e-5)


def test_pictures_of_half_the_size_go_through_lite_too():
    network = living(replace(PRESETS["lite"], encoder=(16, 8, 4), decoder=(8, 8, 4, 4, 8)))
    assert network.encoder(torch.zeros(1, 3, 112, 112)).shape == (1, 4, 4, 4)


def test_backbones_that_there_are_not_are_refused():
    with refused(UsageError, "resnet", hint="vgg16"):
        Pix2VoxConfig(backbone="resnet")
    with refused(UsageError, "imagenet", hint="pretrained", actual="vgg16_bn.pth"):
        Pix2VoxConfig(backbone="efficientnet-lite0", imagenet="vgg16_bn.pth")


@pytest.mark.parametrize("side", [2, 3, 5])
def test_doubling_as_a_product_is_the_transposed_convolution(side):
    torch.manual_seed(0)
    volume, weight, bias = torch.randn(2, 5, side, side, side), torch.randn(5, 3, 4, 4, 4), torch.randn(3)
    wanted = torch.nn.functional.conv_transpose3d(volume, weight, bias, stride=2, padding=1)
    assert_close(double(volume, weight, bias), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("height", "width", "padding"), [(6, 8, 1), (6, 8, 0), (4, 4, 0), (2, 2, 1)])
def test_winograd_s_filtering_is_the_convolution(height, width, padding):
    torch.manual_seed(0)
    image, weight, bias = torch.randn(2, 5, height, width), torch.randn(3, 5, 3, 3), torch.randn(3)
    image = image.double().contiguous(memory_format=torch.channels_last)
    wanted = torch.nn.functional.conv2d(image, weight.double(), bias.double(), padding=padding)
    assert_close(convolve(image, transformed_weights(weight.double()), bias.double(), padding), wanted)


@pytest.mark.parametrize("method", ["context", "mean", "max"])
def test_fusing_views_ignores_their_order(method):
    network = living(NARROW["pix2vox-a"])
    images = torch.rand(1, 5, 3, 224, 224, generator=torch.Generator().manual_seed(2)) * 2 - 1
    for model in (network, Folded(network)):
        with torch.inference_mode():
            there, back = (model(images[:, order], method) for order in ([0, 1, 2, 3, 4], [3, 0, 4, 2, 1]))
        assert_close(there, back, rtol=0, atol=1e-6)


def test_fusion_is_the_paper_s_sums():
    torch.manual_seed(0)
    volumes, scores = torch.rand(2, 4, 3, 3, 3), torch.randn(2, 4, 3, 3, 3)
    shares = score_maps(scores)
    assert_close(shares.sum(1), torch.ones(2, 3, 3, 3))
    assert_close(fuse(volumes, shares), (torch.exp(scores) * volumes).sum(1) / torch.exp(scores).sum(1))
    assert_close(fuse(volumes, score_maps(torch.zeros_like(scores))), fuse(volumes, None, "mean"))
    assert torch.equal(fuse(volumes, None, "max"), volumes.max(1).values)
    for method in ("context", "mean", "max"):
        assert torch.equal(fuse(volumes[:, :1], None, method), volumes[:, 0])


def test_what_does_not_fit_is_refused():
    with refused(UsageError, "volume", expected="4608 numbers", actual="256 channels"):
        replace(PRESETS["pix2vox-f"], pool=3)
    with refused(UsageError, "'trunk'", "8", actual=[64]):
        replace(PRESETS["pix2vox-f"], trunk=(64,))
    with refused(UsageError, "'meen'", hint="'mean'"):
        fuse(torch.zeros(1, 2, 3, 3, 3), None, "meen")
    with refused(ShapeError, expected="3 224 224", actual=[1, 3, 224, 224]):
        build(NARROW["pix2vox-f"]).coarse(torch.zeros(1, 3, 224, 224))
