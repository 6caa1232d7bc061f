"""Layers that compute what PyTorch's own do in another way: the same values and the same gradients."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from voxcli.errors import ShapeError
from voxcli.models.blocks.activated import leaky_in_place
from voxcli.models.blocks.adapting import AdaptedPointwise
from voxcli.models.blocks.decoding import doubled, pointwise_joined
from voxcli.models.blocks.dense2d import channel_sums
from voxcli.models.blocks.depthwise2d import depthwise2d
from voxcli.models.blocks.efficientnet import SameConv2d, normalised
from voxcli.models.blocks.residual import LEAK
from voxcli.models.frustum.losses import ray_losses, visible_class_loss, voxel_loss
from voxcli.models.rays.network import _Decode, at_pixels, linear_interpolation


def drawn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def assert_same(wanted, found, inputs, tolerance=1e-10):
    """The same values, and the same gradients for an arbitrary cotangent."""
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)
    cotangent = torch.randn_like(wanted)
    for a, b in zip(torch.autograd.grad(wanted, inputs, cotangent), torch.autograd.grad(found, inputs, cotangent), strict=True):
        torch.testing.assert_close(b, a, rtol=tolerance, atol=tolerance)


def depthwise_by_padding(x, weight, bias, stride, padding, uneven):
    rows, columns = (padding - each for each in uneven)
    return F.conv2d(F.pad(x, (columns, padding, rows, padding)), weight, bias, stride, groups=x.shape[1])


EVEN = (False, False)


@pytest.mark.parametrize(
    ("kernel", "stride", "uneven"),
    [
        (1, 1, EVEN),
        (1, 2, EVEN),
        *((k, s, u) for k in (3, 4, 5, 7) for s, u in ((1, EVEN), (2, EVEN), (2, (True, True)), (2, (True, False)))),
    ],
)
def test_depthwise_is_the_grouped_convolution_of_the_padded_map(kernel, stride, uneven):
    x, w, b = drawn(2, 3, 8, 10), drawn(3, 1, kernel, kernel, seed=1), drawn(3, seed=2)
    wanted = depthwise_by_padding(x, w, b, stride, kernel // 2, uneven)
    assert_same(wanted, depthwise2d(x, w, b, stride, kernel // 2, uneven), (x, w, b))
    with torch.no_grad():
        torch.testing.assert_close(depthwise2d(x, w, b, stride, kernel // 2, uneven), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("stride", "uneven"), [(1, (False, False)), (2, (True, False))])
def test_depthwise_gradients_pass_gradcheck(stride, uneven):
    inputs = drawn(1, 2, 4, 5), drawn(2, 1, 5, 5, seed=1), drawn(2, seed=2)
    assert torch.autograd.gradcheck(lambda x, w, b: depthwise2d(x, w, b, stride, 2, uneven), inputs)


def test_depthwise_in_bfloat16_is_within_its_rounding():
    x, w = drawn(2, 8, 12, 12), drawn(8, 1, 5, 5, seed=1)
    wanted = F.conv2d(x, w, padding=2, groups=8)
    with torch.autocast("cpu", torch.bfloat16):
        found = depthwise2d(x.float(), w.float(), padding=2)
    assert found.dtype == torch.bfloat16
    cotangent = torch.randn_like(wanted)
    for a, b in zip(torch.autograd.grad(wanted, (x, w), cotangent), torch.autograd.grad(found, (x, w), cotangent.bfloat16()), strict=True):
        assert (a - b).abs().max() < 2**-6 * a.abs().max()


@pytest.mark.parametrize(("x", "w"), [((2, 3, 4), (3, 1, 3, 3)), ((2, 3, 4, 4), (2, 1, 3, 3)), ((2, 3, 4, 4), (3, 1, 3, 5))])
def test_depthwise_refuses_shapes_that_do_not_fit(x, w):
    with pytest.raises(ShapeError):
        depthwise2d(torch.zeros(x), torch.zeros(w))


@pytest.mark.parametrize("kind", ["pointwise", "depthwise", "adapted"])
def test_a_normalisation_that_keeps_its_statistics_is_part_of_the_convolution(kind):
    torch.manual_seed(0)
    layer = {"pointwise": lambda: SameConv2d(4, 6, 1), "depthwise": lambda: SameConv2d(6, 6, 5, 2, 6),
             "adapted": lambda: AdaptedPointwise(torch.randn(6, 4, 1, 1), 2)}[kind]().double()  # fmt: skip
    norm = nn.BatchNorm2d(6, 1e-3).double()
    for tensor in (*layer.parameters(), *norm.parameters(), norm.running_mean):
        nn.init.normal_(tensor)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    x = drawn(2, 6 if kind == "depthwise" else 4, 8, 9)
    inputs = (x, *layer.parameters(), *norm.parameters())
    statistics = norm.running_mean.clone()
    norm.eval()
    assert_same(norm(layer(x)), normalised(x, layer, norm), inputs)
    assert torch.equal(norm.running_mean, statistics)
    norm.train()
    normalised(x, layer, norm)
    assert not torch.equal(norm.running_mean, statistics)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3)])
def test_doubled_is_the_bilinear_interpolation(size):
    x = drawn(2, 3, *size)
    assert_same(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), doubled(x), (x,))


def test_a_pointwise_convolution_commutes_with_doubling():
    layer, coarse, fine = nn.Conv2d(7, 5, 1).double(), drawn(2, 4, 3, 5), drawn(2, 3, 6, 10, seed=1)
    wanted = layer(torch.cat([F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False), fine], 1))
    assert_same(wanted, pointwise_joined(layer, coarse, fine), (coarse, fine, *layer.parameters()))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 10, 4, 8), (2, 5, 3, 7)])
def test_channel_sums_are_those_of_the_pixels(shape):
    x = drawn(*shape).detach()
    torch.testing.assert_close(channel_sums(x.contiguous(memory_format=torch.channels_last)), x.sum((0, 2, 3)))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_leaky_relu_and_its_gradient_are_pytorchs(kind):
    x = drawn(3, 50).detach().to(kind).requires_grad_()
    y = x * 1
    found, cotangent = leaky_in_place(y, LEAK), torch.randn(3, 50).to(kind)
    wanted = F.leaky_relu(x, LEAK)
    assert torch.equal(found, wanted)
    assert torch.equal(*(torch.autograd.grad(each, x, cotangent)[0] for each in (found, wanted)))


def test_samples_of_coarse_maps_are_the_same_in_either_way():
    volume = torch.randn(2, 6, 4, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    pixels = torch.tensor([0, 5, 31, 32, 200, 511])
    wanted = F.interpolate(volume.double(), scale_factor=4, mode="bilinear", align_corners=False).flatten(2)[:, :, pixels]
    torch.testing.assert_close(at_pixels(volume.float(), pixels, (16, 32)).double(), wanted, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(at_pixels(volume, pixels, (16, 32)).double(), wanted, rtol=2**-8, atol=1e-6)


def test_weights_of_the_samples_are_exact_in_bfloat16():
    weights = linear_interpolation(8, 32)
    products = weights[:, None, :, None] * weights[None, :, None]
    assert torch.equal(products.bfloat16().float(), products)


def test_rays_are_decoded_as_written_with_their_gradients():
    coarse, own, weight = drawn(2, 3, 2, 5), drawn(2, 5, 4, seed=1), drawn(24, 4, seed=2)
    wanted = torch.einsum("dq,bkqn->bkdn", linear_interpolation(2, 8).double(), coarse)
    wanted = wanted + torch.einsum("kc,bnc->bkn", weight, own).unflatten(1, (3, 8))
    assert_same(wanted, _Decode.apply(coarse, own, weight, 8), (coarse, own, weight))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
def test_both_losses_of_rays_at_once_are_the_two_alone(in_place, ignored):
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 3, (2, 6, 2, 3), generator=generator, dtype=torch.uint8)
    if ignored:
        labels[torch.rand(labels.shape, generator=generator) < 0.2] = 255
    k, visible, scores = torch.tensor([1.0, 2.0, 4.0]).double(), torch.tensor([1.0, 1.5, 2.0]).double(), drawn(2, 3, 6, 2, 3, seed=4)
    both = ray_losses(scores * 1, labels, k, likelihood=0.7, dice=0.4, visible=visible, in_place=in_place)
    alone = voxel_loss(scores, labels, k, likelihood=0.7, dice=0.4), visible_class_loss(scores, labels, visible)
    for a, b in zip(alone, both, strict=True):
        torch.testing.assert_close(b, a)
    (wanted,), (found,) = (torch.autograd.grad(one + 0.3 * two, scores) for one, two in (alone, both))
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_two_processes_share_both_losses_of_rays():
    generator = torch.Generator().manual_seed(7)
    labels = torch.randint(0, 3, (4, 6, 2, 3), generator=generator, dtype=torch.uint8)
    labels[:2] = 0  # one process has rays that meet nothing, which weigh less
    k, scores = torch.tensor([1.0, 2.0, 4.0]).double(), drawn(4, 3, 6, 2, 3, seed=8)
    said = ([], [])

    def losses(part, add):
        return sum(ray_losses(scores[part], labels[part], k, likelihood=0.7, dice=0.4, visible=k, add=add))

    def told(tensor, process):
        said[process].append(tensor)
        return tensor

    halves = slice(0, 2), slice(2, 4)
    for process, part in enumerate(halves):
        losses(part, lambda tensor, process=process: told(tensor, process))
    sums = [a + b for a, b in zip(*said, strict=True)]
    shared = sum(losses(part, lambda _, rest=iter(sums): next(rest)) for part in halves) / 2
    whole = losses(slice(0, 4), None)
    torch.testing.assert_close(shared, whole)
    (found,), (wanted,) = (torch.autograd.grad(loss, scores) for loss in (shared, whole))
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_losses_of_bfloat16_scores_are_those_of_the_same_numbers():
    scores = drawn(1, 4, 8, 3, 3, seed=5).detach().bfloat16()
    labels = torch.randint(0, 4, (1, 8, 3, 3), generator=torch.Generator().manual_seed(6), dtype=torch.uint8)
    k, found = torch.ones(4), {}
    for kind in (torch.bfloat16, torch.float32):
        leaf = scores.to(kind).requires_grad_()
        loss = sum(ray_losses(leaf, labels, k, likelihood=1.0, dice=1.0, visible=k))
        assert loss.dtype == torch.float32
        found[kind] = float(loss), torch.autograd.grad(loss, leaf)[0].float()
    assert found[torch.bfloat16][0] == pytest.approx(found[torch.float32][0], rel=1e-6)
    torch.testing.assert_close(found[torch.bfloat16][1], found[torch.float32][1], rtol=2**-8, atol=1e-9)


def test_a_ray_whose_truth_is_all_but_impossible_has_finite_loss_and_gradient():
    scores = torch.zeros(1, 2, 40, 1, 1)
    scores[:, 0] = 200.0  # air, says the network, everywhere
    scores.requires_grad_()
    labels = torch.zeros(1, 40, 1, 1, dtype=torch.uint8)
    labels[0, 30] = 1
    loss = visible_class_loss(scores, labels, torch.ones(2))
    assert float(loss) == pytest.approx(200 - math.log(40), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, scores)
    # Each slice is as likely the place as any other, and the wall is to become likelier there.
    torch.testing.assert_close(gradient[0, 1].flatten(), torch.full((40,), -1 / 40), rtol=1e-4, atol=1e-6)
