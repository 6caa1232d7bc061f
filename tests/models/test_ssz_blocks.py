import pytest
import torch
import torch.nn.functional as F
from references.ssz_twins import inflated_by_concatenation, transposed_by_definition
from refusals import refused

from voxcli.errors import ShapeError, UsageError
from voxcli.models.blocks.depthwise import as_slices, as_volume, depthwise3d, depthwise_transposed3d
from voxcli.models.blocks.residual import InflatedPointwise, Pointwise3d

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
