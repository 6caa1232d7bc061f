"""What a CUDA device computes is what the processor computes: `pytest -m gpu`.

GPU_TESTS_DEVICE=cpu runs the same lines where there is no such device, which tries the tests themselves.
"""

import os

import contract
import numpy as np
import pytest
import torch
from references.shapes import sphere, torus
from small_networks import SMALL

from voxcli.geometry.backproject import backproject, depth_grids, unit_projection
from voxcli.geometry.lattice import VoxelLattice
from voxcli.geometry.lighting import Lights
from voxcli.geometry.nearest import nearest_both
from voxcli.geometry.solid import fruxelize_parts, solid_mask
from voxcli.geometry.surfels import render
from voxcli.metrics.distances import Sample, SamplePair, distance_record
from voxcli.metrics.surfaces import ChamferOptions, FScoreOptions, HausdorffOptions
from voxcli.models.base import Inputs
from voxcli.models.frustum.losses import visible_class_loss, voxel_loss
from voxcli.models.registry import class_of, predicting, spec_of
from voxcli.options import make_options
from voxcli.scene import Frustum

pytestmark = pytest.mark.gpu
DEVICE = os.environ.get("GPU_TESTS_DEVICE", "cuda")
OPTIONS = {"jof": {"resolution": 16}, "uclid": {"points": 64}, "ssz": {"probabilities": True}, "rays": {"probabilities": True}}
CLOSE = {"uclid": 1e-3, "pix2scene": 1e-3, "iqtt-pix2scene": 1e-3, "jof": 1e-3}
"""Where a result is a point or a depth, a float32 of another order of sums moves it by more than a probability."""


@pytest.mark.parametrize("name", predicting())
@pytest.mark.filterwarnings("ignore:no --camera")
def test_each_model_predicts_the_same(name):
    weights, inputs = SMALL[name].weights(name), [Inputs.of(picture) for picture in contract.pictures(2)]
    options = make_options(spec_of(name).options, OPTIONS.get(name, {}), name)
    here, there = (list(class_of(name).from_weights(weights, d, "float32").predict(inputs, options, 2)) for d in ("cpu", DEVICE))
    for one, other in zip(here, there, strict=True):
        exact = [each for each in contract.ARRAYS if each not in ("labels", "occupancy", "faces")]
        if name != "jof":  # a vertex that comes or goes by a rounding would shift all that follow
            contract.same(one, other, exact, CLOSE.get(name, 1e-4))
        for cells in ("labels", "occupancy"):
            a, b = getattr(one, cells, None), getattr(other, cells, None)
            assert a is None or (a == b).mean() > 0.999, cells


@pytest.mark.parametrize("loss", ["voxel", "visible"])
def test_losses_of_fruxels_and_their_gradients(loss):
    generator = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(2, 5, 8, 6, 6, generator=generator), torch.randint(0, 5, (2, 8, 6, 6), generator=generator).to(torch.uint8)
    labels[0, 0] = 255
    found = []
    for device in ("cpu", DEVICE):
        z, weights = scores.to(device, copy=True).requires_grad_(), torch.linspace(1, 2, 5, device=device)
        value = (voxel_loss(z, labels.to(device), weights, likelihood=1, dice=1) if loss == "voxel"
                 else visible_class_loss(z, labels.to(device), weights))  # fmt: skip
        found.append((value.detach().cpu(), torch.autograd.grad(value, z)[0].cpu()))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("fill", ["auto", "winding", "outside"])
def test_filling(fill):
    parts = [tuple(x for x in torus()), tuple(x for x in sphere(0.4))]
    there = [tuple(x.to(DEVICE) for x in part) for part in parts]
    frustum = Frustum(48, 40, 32, 2.0, 6.0, 50.0)
    apart = [(v + torch.tensor([0.0, 0.0, 4.0], dtype=v.dtype), f) for v, f in parts]
    moved = [(v + torch.tensor([0.0, 0.0, 4.0], dtype=v.dtype, device=DEVICE), f) for v, f in there]
    assert torch.equal(fruxelize_parts(apart, frustum, fill=fill).owner, fruxelize_parts(moved, frustum, fill=fill).owner.cpu())
    lattice = VoxelLattice((32, 32, 32), (-1.5, -1.5, -1.5), (3 / 32,) * 3)
    for rule in ("centre", "slab"):
        assert torch.equal(solid_mask(*parts[0], lattice, rule, fill), solid_mask(*there[0], lattice, rule, fill).cpu())


def test_the_surfel_renderer_and_its_gradient():
    K = torch.tensor([[40.0, 0, 16], [0, 40, 16], [0, 0, 1]])
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    depth, found = 3 + 0.2 * torch.sin(3 * x) * torch.cos(2 * y), []
    for device in ("cpu", DEVICE):
        leaf = depth.to(device, copy=True).requires_grad_()
        lights = Lights(*(torch.tensor(v, device=device) for v in ([0.2] * 3, [[1.0, -1.0, -1.0]], [[1.0] * 3])), linear=0.1, quadratic=0.2)
        picture = render(leaf, torch.full((3, 1, 1), 0.7, device=device), K.to(device), lights)
        found.append((picture.detach().cpu(), torch.autograd.grad(picture.square().sum(), leaf)[0].cpu()))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_distances_between_points():
    rng = np.random.default_rng(0)
    a, b = torch.from_numpy(rng.random((3_000, 3))), torch.from_numpy(rng.random((2_000, 3)))
    for here, there in zip(nearest_both(a, b), nearest_both(a.to(DEVICE), b.to(DEVICE)), strict=True):
        torch.testing.assert_close(here[0], there[0].cpu(), atol=1e-12, rtol=0)
    for options in (ChamferOptions(), FScoreOptions(thresholds=(0.05,)), HausdorffOptions()):
        here, there = (distance_record(options, SamplePair(Sample(a.to(d)), Sample(b.to(d))))["value"] for d in ("cpu", DEVICE))
        assert here == pytest.approx(there, rel=1e-10)


@pytest.mark.parametrize("compat", ["none", "official"])
def test_back_projection(compat):
    generator = torch.Generator().manual_seed(0)
    place = torch.eye(4, dtype=torch.float64)
    place[2, 3] = 3
    projection = unit_projection(torch.tensor([[64.0, 0, 32], [0, 64, 32], [0, 0, 1]]).double(), place, 64, 64).float().expand(2, 3, 4)
    maps, depth = torch.randn(2, 4, 7, 9, generator=generator), 2.5 + torch.rand(2, 64, 64, generator=generator)
    taken, grids = [], []
    for device in ("cpu", DEVICE):
        taken.append(backproject(maps.to(device), projection.to(device), 5, compat).cpu())
        grids.append(depth_grids(depth.to(device), projection.to(device), (8,))[0].cpu())
    torch.testing.assert_close(taken[0], taken[1], rtol=1e-4, atol=1e-5)
    assert (grids[0] != grids[1]).float().mean() < 0.01  # a point on the face of a cell may fall to either side
