from functools import partial

import pytest
import torch
import torch.nn.functional as F
from references.ssz_twins import inflated_by_concatenation, transposed_by_definition
from refusals import refused

from voxcli.errors import ShapeError, UsageError
from voxcli.models.blocks.dense2d import dense2d
from voxcli.models.blocks.depthwise import as_slices, as_volume, depthwise3d, depthwise_transposed3d
from voxcli.models.blocks.residual import LEAK, InflatedPointwise, Pointwise3d

METHODS = ("native", "slices", "dense")


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (2, 3, 4, 5, 6), (3, 2, 1, 2, 3)])
@pytest.mark.parametrize("method", METHODS)
def test_transposed_methods_agree_with_the_definition_in_values_and_gradients(shape, method):
    x, w = random(*shape), random(shape[1], 1, 4, 4, 4, seed=1)
    wanted, got = transposed_by_definition(x, w), depthwise_transposed3d(x, w, method)
    assert torch.allclose(wanted, got, atol=1e-12)
    cotangent = torch.randn_like(wanted)
    for a, b in zip(torch.autograd.grad(wanted, (x, w), cotangent), torch.autograd.grad(got, (x, w), cotangent), strict=True):
        assert torch.allclose(a, b, atol=1e-11)


def test_the_default_method_agrees_with_pytorch_in_float32():
    x = torch.randn(2, 16, 8, 8, 8).contiguous(memory_format=torch.channels_last_3d)
    w = torch.randn(16, 1, 4, 4, 4)
    wanted = F.conv_transpose3d(x, w, stride=2, padding=1, groups=16)
    assert torch.allclose(depthwise_transposed3d(x, w), wanted, atol=1e-4)


def test_transposed_gradients_pass_gradcheck():
    x, w = random(1, 2, 1, 2, 1), random(2, 1, 4, 4, 4, seed=1)
    assert torch.autograd.gradcheck(lambda a, b: depthwise_transposed3d(a, b, "slices"), (x, w))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (2, 3, 4, 5, 6), (3, 2, 1, 2, 3)])
def test_depthwise_agrees_with_pytorch_in_values_and_gradients(shape):
    x, w = random(*shape), random(shape[1], 1, 3, 3, 3, seed=1)
    wanted, got = F.conv3d(x, w, padding=1, groups=shape[1]), depthwise3d(x, w)
    assert torch.allclose(wanted, got, atol=1e-12)
    cotangent = torch.randn_like(wanted)
    for a, b in zip(torch.autograd.grad(wanted, (x, w), cotangent), torch.autograd.grad(got, (x, w), cotangent), strict=True):
        assert torch.allclose(a, b, atol=1e-11)


LEAKY = {
    "depthwise": ((2, 32, 4, 6, 6), (32, 1, 3, 3, 3), lambda x, w: F.conv3d(x, w, padding=1, groups=32), depthwise3d),
    "transposed": ((2, 32, 3, 4, 4), (32, 1, 4, 4, 4), transposed_by_definition, partial(depthwise_transposed3d, method="dense")),
    "slices": ((2, 6, 3, 4, 4), (6, 1, 4, 4, 4), transposed_by_definition, partial(depthwise_transposed3d, method="slices")),
    "pointwise": ((3, 6, 4, 5), (7, 6, 1, 1), F.conv2d, dense2d),
    "dense": ((3, 6, 7, 5), (4, 6, 3, 3), lambda x, w: F.conv2d(x, w, stride=2, padding=1), partial(dense2d, stride=2, padding=1)),
}


@pytest.mark.parametrize("kind", LEAKY)
@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5), (torch.bfloat16, 2**-5)])
def test_a_convolution_with_its_leaky_relu_is_the_two_one_after_the_other(kind, precision, tolerance):
    shape, kernel, plain, function = LEAKY[kind]
    x, w = random(*shape), random(*kernel, seed=1)
    wanted = F.leaky_relu(plain(x, w), LEAK)
    layout = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    given = [x.detach().to(precision).contiguous(memory_format=layout).requires_grad_(), w.detach().to(precision).requires_grad_()]
    found = function(*given, slope=LEAK)
    assert found.dtype == precision
    assert torch.allclose(found.double(), wanted, rtol=tolerance, atol=tolerance * wanted.abs().max().item())
    # Where the sign of a result is a matter of rounding, so is its gradient.
    cotangent = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * (wanted.abs() > 0.05)
    for a, b in zip(
        torch.autograd.grad(wanted, (x, w), cotangent), torch.autograd.grad(found, given, cotangent.to(precision)), strict=True
    ):
        assert torch.allclose(b.double(), a, rtol=tolerance, atol=tolerance * a.abs().max().item())


@pytest.mark.parametrize("kind", LEAKY)
def test_the_leaky_relu_of_a_convolution_hides_no_nan(kind):
    shape, kernel, _, function = LEAKY[kind]
    x = random(*shape).detach().float()
    x[0, 0, 0, 0] = torch.nan
    assert function(x, random(*kernel, seed=1).detach().float(), slope=LEAK).isnan().any()


@pytest.mark.parametrize("sizes", [(2, 32, 4, 6, 6), (2, 16, 2, 32, 32), (1, 5, 3, 4, 4)])
def test_gradients_of_depthwise_kernels_in_bfloat16_are_those_of_float64(sizes):
    x, cotangent, w = random(*sizes), random(*sizes, seed=2), random(sizes[1], 1, 3, 3, 3, seed=1)
    (wanted,) = torch.autograd.grad(F.conv3d(x, w, padding=1, groups=sizes[1]), w, cotangent)
    given = w.detach().bfloat16().requires_grad_()
    (found,) = torch.autograd.grad(depthwise3d(x.detach().bfloat16(), given), given, cotangent.bfloat16())
    assert (found.double() - wanted).abs().max() < 2**-6 * wanted.abs().max()


def test_dense_gradients_pass_gradcheck():
    inputs = random(2, 3, 4, 5), random(4, 3, 3, 3, seed=1), random(4, seed=2)
    assert torch.autograd.gradcheck(lambda x, w, b: dense2d(x, w, b, 2, 1, LEAK), inputs)
    assert torch.autograd.gradcheck(lambda x, w, b: dense2d(x, w[:, :, :1, :1], b), inputs)


@pytest.mark.parametrize("batch", [1, 2])
def test_copy_inflate_equals_the_explicit_concatenation_in_values_and_gradients(batch):
    block = InflatedPointwise(3, 5, 4).double()
    volume, image = random(batch, 3, 6, 4, 7), random(batch, 5, 4, 7, seed=1)
    parameters = [block.volume.conv.weight, block.image.weight, block.image.bias]
    wanted, got = inflated_by_concatenation(volume, image, *parameters), block(volume, image)
    assert torch.allclose(wanted, got, atol=1e-12)
    cotangent = torch.randn_like(wanted)
    inputs = [volume, image, *parameters]
    for a, b in zip(torch.autograd.grad(wanted, inputs, cotangent), torch.autograd.grad(got, inputs, cotangent), strict=True):
        assert torch.allclose(a, b, atol=1e-11)


def test_pointwise_equals_a_1x1x1_convolution_with_its_gradients():
    block = Pointwise3d(3, 5).double()
    x = random(2, 3, 4, 5, 6)
    parameters = [x, block.conv.weight, block.conv.bias]
    wanted, got = F.conv3d(x, block.conv.weight[..., None], block.conv.bias), block(x)
    assert torch.allclose(wanted, got, atol=1e-12)
    cotangent = torch.randn_like(wanted)
    for a, b in zip(torch.autograd.grad(wanted, parameters, cotangent), torch.autograd.grad(got, parameters, cotangent), strict=True):
        assert torch.allclose(a, b, atol=1e-11)


def test_slices_and_volume_are_inverse_and_share_memory():
    x = torch.randn(2, 3, 4, 5, 6).contiguous(memory_format=torch.channels_last_3d)
    assert as_slices(x).data_ptr() == x.data_ptr()
    assert torch.equal(as_volume(as_slices(x), 2), x)


def test_wrong_shapes_and_methods_are_named():
    with pytest.raises(ShapeError):
        depthwise_transposed3d(torch.zeros(1, 2, 3, 3, 3), torch.zeros(3, 1, 4, 4, 4))
    with refused(UsageError, "'slice'", hint="'slices'"):
        depthwise_transposed3d(torch.zeros(1, 2, 3, 3, 3), torch.zeros(2, 1, 4, 4, 4), "slice")
