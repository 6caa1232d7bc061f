"""Chamfer, F-score, Hausdorff and normals: by hand, against a table of all distances, and by their invariances."""

import numpy as np
import pytest
import torch
from references.slow_points import directed
from refusals import refused

from voxcli.errors import DataError, ShapeError, UsageError
from voxcli.metrics import chamfer, fscore, hausdorff, normal_consistency
from voxcli.metrics.pointsets import neighbours, normal_agreement

A = torch.tensor([[0.0, 0, 0], [1, 0, 0]], dtype=torch.float64)
B = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]], dtype=torch.float64)
# A to B: 0, 1.  B to A: 0, 2, 4.


def pair(seed, n=None, m=None):
    rng = np.random.default_rng(seed)
    n, m = n or rng.integers(1, 80), m or rng.integers(1, 80)
    a, b = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    if seed % 5 == 1:
        b = b[rng.integers(0, m, m)]
    if seed % 5 == 2:
        a[:, 1:] = b[:, 1:] = 0
    if seed % 5 == 3:
        a = a[:1]
    return a, b


def test_chamfer_by_hand():
    assert chamfer(A, B).item() == pytest.approx(1 / 2 + 20 / 3)
    assert chamfer(A, B, squared=False).item() == pytest.approx(1 / 2 + 2)
    assert chamfer(A, B, squared=False, combine="mean").item() == pytest.approx(1.25)
    assert chamfer(A, B, squared=False, combine="max", scale=10).item() == pytest.approx(20)


def test_fscore_by_hand_and_strictness():
    assert fscore(A, B, 1.5).item() == pytest.approx(2 * 1 * (1 / 3) / (4 / 3))
    assert fscore(A, B, [1.0, 2.5]).tolist() == pytest.approx([2 * 0.5 / 3 / (0.5 + 1 / 3), 2 * 2 / 3 / (5 / 3)])
    assert fscore(A, B, 1.0, strict=False).item() == pytest.approx(2 * (1 / 3) / (4 / 3))
    assert fscore(A, A + 100, 1.0).item() == 0


def test_hausdorff_by_hand():
    assert hausdorff(A, B).item() == 4 and hausdorff(B, A).item() == 4
    assert hausdorff(A, B, percentile=50).item() == 2  # medians: 0.5 and 2
    line = torch.arange(101, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0, 0])
    assert hausdorff(line, line[:1], percentile=90).item() == pytest.approx(90)


def test_normal_consistency_by_hand():
    up, tilted = torch.tensor([[0.0, 0, 1], [0, 0, 2]]), torch.tensor([[0.0, 0, -1], [1, 0, 1], [1, 0, 0]])
    # A to B: |cos| = 1, then the second A's nearest is B's first: 1.  B to A: 1, cos 45, 0.
    wanted = (1 + (1 + 0.5**0.5 + 0) / 3) / 2
    assert normal_consistency(A.float(), B.float(), up, tilted).item() == pytest.approx(wanted)


def test_neighbours_without_indices_have_the_same_distances_and_serve_no_normals():
    bare, whole = neighbours(A, B, indices=False), neighbours(A, B)
    assert torch.equal(bare.pred_distance, whole.pred_distance) and torch.equal(bare.gt_distance, whole.gt_distance)
    assert bare.pred_index is None and whole.pred_index.tolist() == [0, 0] and whole.gt_index.tolist() == [0, 1, 0]
    with refused(UsageError, "indices"):
        normal_agreement(bare, A, B)


@pytest.mark.parametrize("seed", range(200))
def test_all_three_equal_the_table_of_all_distances(seed):
    a, b = pair(seed)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    d, e = directed(a, b), directed(b, a)
    assert chamfer(x, y).item() == pytest.approx((d**2).mean() + (e**2).mean(), abs=1e-6)
    assert chamfer(x, y, squared=False, combine="mean").item() == pytest.approx((d.mean() + e.mean()) / 2, abs=1e-6)
    assert hausdorff(x, y).item() == pytest.approx(max(d.max(), e.max()), abs=1e-6)
    assert hausdorff(x, y, percentile=90).item() == pytest.approx(max(np.percentile(d, 90), np.percentile(e, 90)), abs=1e-6)
    p, r = (d < 0.3).mean(), (e < 0.3).mean()
    assert fscore(x, y, 0.3).item() == pytest.approx(2 * p * r / (p + r) if p + r else 0, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_symmetric_and_invariant_to_order_and_rigid_motion_and_scaling_as_defined(seed):
    a, b = (torch.from_numpy(v) for v in pair(seed + 100, 60, 50))
    generator = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    moved = [p @ turn.T + torch.tensor([3.0, -2, 1], dtype=torch.float64) for p in (a, b)]
    shuffled = [p[torch.randperm(len(p), generator=generator)] for p in (a, b)]
    for f in (chamfer, hausdorff, lambda p, q: fscore(p, q, 0.4)):
        torch.testing.assert_close(f(a, b), f(b, a))
        torch.testing.assert_close(f(*moved), f(a, b))
        torch.testing.assert_close(f(*shuffled), f(a, b))
    torch.testing.assert_close(chamfer(3 * a, 3 * b), 9 * chamfer(a, b))
    torch.testing.assert_close(chamfer(3 * a, 3 * b, squared=False), 3 * chamfer(a, b, squared=False))
    torch.testing.assert_close(hausdorff(3 * a, 3 * b), 3 * hausdorff(a, b))
    torch.testing.assert_close(fscore(3 * a, 3 * b, 1.2), fscore(a, b, 0.4))


def test_a_cloud_against_itself_is_perfect():
    a = torch.from_numpy(pair(0, 40, 1)[0])
    assert chamfer(a, a.flip(0)).item() == 0 and hausdorff(a, a).item() == 0 and fscore(a, a).item() == 1


@pytest.mark.parametrize("batch", [(), (2,), (1, 2)])
def test_batches_are_scored_one_by_one(batch):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(*batch, n, 3, generator=generator, dtype=torch.float64) for n in (30, 20))
    for f in (chamfer, hausdorff, fscore):
        value = f(a, b)
        assert value.shape == batch
        flat = [f(p, q) for p, q in zip(a.reshape(-1, 30, 3), b.reshape(-1, 20, 3), strict=True)]
        torch.testing.assert_close(value.reshape(-1), torch.stack(flat).to(value))
    assert fscore(a, b, [0.1, 0.2]).shape == (*batch, 2)


@pytest.mark.parametrize("choice", [{}, {"squared": False}, {"combine": "max"}, {"squared": False, "combine": "mean", "scale": 10.0}])
def test_chamfer_has_the_gradient_of_its_definition(choice):
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(2, 7, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    b = torch.rand(2, 6, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, q: chamfer(p, q, **choice), (a, b))
    torch.testing.assert_close(chamfer(a, b, **choice), chamfer(a.detach(), b.detach(), **choice))
    assert torch.autograd.gradcheck(lambda p, q: hausdorff(p, q), (a, b))


def test_touching_points_give_finite_gradients():
    a = torch.zeros(2, 3, requires_grad=True)
    chamfer(a, a.detach().clone(), squared=False).backward()
    assert torch.equal(a.grad, torch.zeros(2, 3))


def test_bad_sets_are_refused():
    with refused(DataError, "empty"):
        chamfer(A[:0], B)
    with refused(DataError, "finite", actual="2 point"):
        hausdorff(A * torch.nan, B)
    with refused(UsageError, "'som'", hint="'sum'"):
        chamfer(A, B, combine="som")
    with refused(UsageError, "threshold", actual=0.0):
        fscore(A, B, 0.0)
    with refused(UsageError, "percentile", actual=0):
        hausdorff(A, B, percentile=0)
    with refused(ShapeError, "batch", expected=[], actual=[2]):
        chamfer(A.expand(2, 2, 3), B)


def test_numbers_published_with_scipy():
    # The example in the documentation of scipy.spatial.distance.directed_hausdorff: 2.236 and 3, so 3.
    u = torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)
    v = torch.tensor([[2.0, 0, 0], [0, 2, 0], [-2, 0, 0], [0, -4, 0]], dtype=torch.float64)
    assert hausdorff(u, v).item() == 3 and hausdorff(v, u).item() == 3
    assert neighbours(u, v).pred_distance.amax().item() == pytest.approx(2.23606797749979)


def test_numbers_published_with_open3d():
    # Its unit test of point cloud metrics: corners of a cube of side 1 against side 1.1; its Chamfer sums unsquared means, its F is in %.
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    assert chamfer(corners, 1.1 * corners, squared=False).item() == pytest.approx(0.22436734, rel=1e-6)
    assert hausdorff(corners, 1.1 * corners).item() == pytest.approx(3**0.5 / 10, rel=1e-6)
    assert (100 * fscore(corners, 1.1 * corners, [0.01, 0.11, 0.15, 0.18])).tolist() == pytest.approx([100 / 8, 400 / 8, 700 / 8, 100])


def test_numbers_published_with_kaolin():
    # Its unit tests of point cloud metrics, to four digits: Chamfer as the sum of mean squares and of means, F at 0.2 and 0.12.
    a = torch.tensor([[[8.8977, 4.1709, 1.2839], [8.5640, 7.7767, 9.4214]], [[0.5431, 6.4495, 11.4914], [3.2126, 8.0865, 3.1018]]])
    b = torch.tensor([[[6.9340, 6.1152, 3.4435], [0.1032, 9.8181, 11.3350]], [[11.4006, 2.2154, 7.9589], [4.2586, 1.4133, 7.2606]]])
    assert chamfer(a, b).tolist() == pytest.approx([72.5838, 151.0809], rel=1e-5)
    assert chamfer(a, b, squared=False).tolist() == pytest.approx([11.1704, 17.1130], rel=1e-5)
    near = torch.tensor([
        [[8.8914, 4.1788, 1.2176], [8.5291, 7.5513, 9.5412], [3.7831, 6.0182, 4.1208]],
        [[0.4010, 6.4602, 11.5183], [3.2977, 8.0325, 3.1180], [2.4987, 5.8763, 3.1987]],
    ])  # fmt: skip
    assert fscore(near[:, :2], a, [0.2, 0.12]).tolist() == [pytest.approx(v) for v in ([0.5, 0.5], [1, 0.5])]
    assert fscore(near, a, [0.2, 0.12]).tolist() == [pytest.approx(v) for v in ([0.4, 0.4], [0.8, 0.4])]
