"""Nearest neighbours against a table of all distances, whichever way they are found."""

import numpy as np
import pytest
import torch
from references.slow_points import all_distances
from refusals import refused

from voxcli.errors import DataError, ShapeError
from voxcli.geometry import nearest as module
from voxcli.geometry.nearest import distance_to, distances_both, nearest, nearest_both


def clouds(seed):
    """Pairs of clouds of every awkward kind: few points, duplicates, lines, planes, far apart, huge and tiny."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 60, 2)
    a, b = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    kind = seed % 8
    if kind == 1:
        b = b[rng.integers(0, m, m)]
    if kind == 2:
        a, b = a[:1], b[:1]
    if kind == 3:
        a[:, 1:] = b[:, 1:] = 0.5
    if kind == 4:
        a[:, 2] = b[:, 2] = 0
    if kind == 5:
        b = b + 100
    if kind == 6:
        a, b = a * 1e-4, b * 1e-4
    if kind == 7:
        b = a.copy()
    return a, b


def check(found, a, b):
    distance, index = (t.numpy() for t in found)
    table = all_distances(a, b)
    scale = np.abs(np.concatenate([a, b])).max()
    assert np.abs(distance - table.min(1)).max() <= 1e-9 * scale
    assert np.abs(table[np.arange(len(a)), index] - table.min(1)).max() <= 1e-9 * scale


@pytest.mark.parametrize("seed", range(200))
def test_every_way_equals_the_table_of_all_distances(seed):
    a, b = clouds(seed)
    ta, tb = torch.from_numpy(a), torch.from_numpy(b)
    check(nearest(ta, tb), a, b)
    forward, backward = nearest_both(ta, tb)
    check(forward, a, b)
    check(backward, b, a)
    for found, (wanted, _) in zip(distances_both(ta, tb), (forward, backward), strict=True):
        assert torch.equal(found, wanted)
    check(module._tiled(ta, tb), a, b)


def test_the_fallback_tree_gives_the_same_answer(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pykdtree.kdtree", None)
    for seed in range(16):
        a, b = clouds(seed)
        check(nearest(torch.from_numpy(a), torch.from_numpy(b)), a, b)
    single = torch.from_numpy(a).float(), torch.from_numpy(b).float()
    assert {each.dtype for each in (*distances_both(*single), nearest(*single)[0])} == {torch.float32}


def test_tiles_that_do_not_divide_the_clouds_lose_no_point(monkeypatch):
    monkeypatch.setattr(module, "_TILE", 7 * 4096)
    rng = np.random.default_rng(0)
    a, b = rng.random((23, 3)), rng.random((9001, 3))
    check(module._tiled(torch.from_numpy(a), torch.from_numpy(b)), a, b)


def test_float32_stays_float32_and_batches_are_searched_one_by_one():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 3, 40, 3, generator=generator), torch.rand(2, 3, 50, 3, generator=generator)
    distance, index = nearest(a, b)
    assert distance.dtype == torch.float32 and distance.shape == index.shape == (2, 3, 40)
    torch.testing.assert_close(distance.double(), torch.cdist(a.double(), b.double()).amin(-1), atol=1e-6, rtol=1e-5)


def test_a_batch_of_no_clouds_has_no_distances():
    distance, index = nearest(torch.zeros(0, 4, 3), torch.zeros(0, 5, 3))
    assert distance.shape == index.shape == (0, 4) and index.dtype == torch.int64


def test_the_order_of_points_does_not_matter():
    rng = np.random.default_rng(3)
    a, b = torch.from_numpy(rng.random((500, 3))), torch.from_numpy(rng.random((400, 3)))
    order = torch.from_numpy(rng.permutation(500))
    assert torch.equal(nearest(a[order], b)[0], nearest(a, b)[0][order])


def test_distances_are_differentiable_in_both_clouds():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(6, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    b = torch.rand(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, q: nearest(p, q)[0], (a, b))
    distance_to(a, a, torch.arange(6)).sum().backward()
    assert torch.equal(a.grad, torch.zeros_like(a))  # touching points pull nowhere, and give no NaN


def test_bad_clouds_are_refused():
    good = torch.zeros(2, 3)
    with refused(DataError, "empty"):
        nearest(good[:0], good)
    with refused(DataError, "finite", actual="1 point"):
        nearest(good, torch.tensor([[0.0, 0.0, torch.nan]]))
    with refused(DataError, actual="1 point"):
        nearest(torch.tensor([[torch.inf, 0.0, 0.0], [0.0, 0.0, 0.0]]), good)
    with refused(DataError, "float", actual="int64"):
        nearest(good.long(), good.long())
    with refused(DataError, "second", actual="1 point"):
        distances_both(good, torch.tensor([[0.0, 0.0, torch.nan]]))
    with pytest.raises(ShapeError):
        nearest(good[:, :2], good)
    with pytest.raises(ShapeError):
        distances_both(good, good[:, :2])


@pytest.mark.parametrize(("kind", "least", "most"), [(torch.float32, 1e-45, 1e18), (torch.float64, 5e-324, 1e153)])
def test_clouds_of_any_size_are_searched_or_refused(kind, least, most):
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0]], dtype=kind), torch.tensor([[-1.0, 0, 0], [0, 0, 0], [0, 0, 0.5]], dtype=kind)
    for size in (least, 1e10 * least, 1e-30, 1.0, most):
        there, back = distances_both(*(v * size for v in corners))
        wanted = [torch.tensor(v, dtype=torch.float64) * size for v in ([0, 1], [1, 0, 0.5])]
        for found, distance in zip((there, back), wanted, strict=True):  # squares of the smallest are 0
            torch.testing.assert_close(found.double(), distance, rtol=1e-6, atol=0.0 if size > 1e-20 else 1e-20)
    with refused(DataError, "second", expected="at most"):
        nearest_both(corners[0], corners[1] * (1.1 * most))


@pytest.mark.gpu
def test_cuda_gives_the_same_distances():
    rng = np.random.default_rng(0)
    a, b = torch.from_numpy(rng.random((30_000, 3))), torch.from_numpy(rng.random((20_000, 3)))
    torch.testing.assert_close(nearest(a.cuda(), b.cuda())[0].cpu(), nearest(a, b)[0], atol=1e-12, rtol=0)


def test_points_are_put_in_order_part_by_part(monkeypatch):
    monkeypatch.setattr("voxcli.geometry.nearest._PART", 7)
    a, b = (torch.rand(n, 3, generator=torch.Generator().manual_seed(n), dtype=torch.float64) for n in (50, 61))
    (there, _), (back, place) = nearest_both(a, b)
    every = torch.cdist(a, b)
    torch.testing.assert_close(there, every.amin(1))
    torch.testing.assert_close(back, every.amin(0))
    assert (place == every.argmin(0)).all()
