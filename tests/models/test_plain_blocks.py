"""The dense blocks of SSZ's ablations against convolutions by definition."""

import itertools

import pytest
import torch
from references.ssz_twins import inflated_by_concatenation, transposed_by_definition

from voxcli.models.blocks.plain import PlainDownscale2d, PlainResidual2d, PlainResidual3d, PlainUpscale3d


def lively(module):
    """Statistics and weights that no layer passes on unchanged, in double precision."""
    generator = torch.Generator().manual_seed(0)
    state = module.double().eval().state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + (0.2 if "running_var" in name else -0.5))
    return module


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def convolved(x, weight, stride=1):
    """Each output cell sums the products of its kernel and what lies under it; one cell of zeros around."""
    dims = x.dim() - 2
    size = weight.shape[-1]
    padded = torch.nn.functional.pad(x, (1, 1) * dims)
    sizes = [(n - size) // stride + 1 for n in padded.shape[2:]]
    out = x.new_zeros(len(x), len(weight), *sizes)
    for place in itertools.product(*map(range, sizes)):
        under = padded[(slice(None), slice(None), *(slice(stride * p, stride * p + size) for p in place))]
        out[(slice(None), slice(None), *place)] = (under[:, None] * weight[None]).flatten(2).sum(2)
    return out


def normalised(x, norm):
    shape = (1, -1) + (1,) * (x.dim() - 2)
    mean, var, weight, bias = (t.reshape(shape) for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias))
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


@pytest.mark.parametrize(("kind", "shape", "slope"), [(PlainResidual2d, (2, 3, 4, 5), 0.0), (PlainResidual3d, (2, 3, 3, 4, 2), 0.2)])
def test_a_residual_is_the_identity_and_two_convolutions(kind, shape, slope):
    block, x = lively(kind(3)), random(*shape)
    first, norm, _, second, last = block.layers
    inner = normalised(convolved(x, first.weight), norm)
    wanted = x + normalised(convolved(torch.where(inner > 0, inner, slope * inner), second.weight), last)
    assert torch.allclose(block(x), wanted, atol=1e-10)


def test_half_the_size_is_a_convolution_of_stride_two():
    block, x = lively(PlainDownscale2d(3, 5)), random(2, 3, 6, 4)
    assert torch.allclose(block(x), normalised(convolved(x, block.conv.weight, 2), block.norm), atol=1e-10)
    assert block(x).shape == (2, 5, 3, 2)


@pytest.mark.parametrize("normalise", [True, False])
def test_twice_the_size_is_a_deconvolution_with_the_pictures_features_in_every_slice(normalise):
    block, x, image = lively(PlainUpscale3d(3, 4, 2, normalise)), random(2, 3, 2, 3, 2), random(2, 4, 6, 4)
    kernels = block.deconv.weight  # [c_in, c_out, 4, 4, 4]
    stamped = [sum(transposed_by_definition(x[:, c : c + 1], kernels[c, o][None, None]) for c in range(3)) for o in range(2)]
    grown = torch.cat(stamped, 1)
    grown = torch.where(grown > 0, grown, 0.2 * grown)
    wanted = inflated_by_concatenation(grown, image, *(p for _, p in sorted(block.pointwise.named_parameters(), key=order)))
    wanted = normalised(wanted, block.norm) if normalise else wanted
    assert block(x, image).shape == (2, 2, 4, 6, 4) and torch.allclose(block(x, image), wanted, atol=1e-10)


def order(named):
    return ["volume.conv.weight", "image.weight", "image.bias"].index(named[0])
