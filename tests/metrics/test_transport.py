"""EMD: all permutations, SciPy's solvers on the plain problem, bounds that bound, and the soft matching point by point."""

import numpy as np
import pytest
import torch
from references.slow_points import all_distances, best_permutation, soft_matching_total
from refusals import refused
from scipy.optimize import linear_sum_assignment, linprog

from voxcli.errors import DataError, UsageError
from voxcli.metrics import emd
from voxcli.metrics.assignment import assign, assign_by_auction, transport
from voxcli.metrics.augmenting import optimal_matching
from voxcli.metrics.transport import approxmatch, match


def clouds(seed, n, m=None):
    rng = np.random.default_rng(seed)
    return rng.random((n, 3)), rng.random((m or n, 3)) ** 2 + (seed % 3) * 0.5


def plain(a, b):
    d = all_distances(a, b)
    return d[linear_sum_assignment(d)].mean()


def program(a, b):
    """Transport as the textbook's dense linear program."""
    n, m = len(a), len(b)
    rows, columns = np.repeat(np.eye(n), m, axis=1), np.tile(np.eye(m), n)
    found = linprog(all_distances(a, b).ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.r_[np.full(n, 1 / n), np.full(m, 1 / m)])
    return found.fun


def test_shifting_a_cloud_moves_every_point_by_the_shift():
    a, _ = clouds(0, 50)
    shift = np.array([0.3, -0.4, 1.2])
    assert emd(torch.from_numpy(a), torch.from_numpy(a + shift)).item() == pytest.approx(1.3)


@pytest.mark.parametrize("seed", range(100))
def test_exact_equals_the_best_of_all_permutations(seed):
    a, b = clouds(seed, 1 + seed % 6)
    assert assign(a, b).cost == pytest.approx(best_permutation(a, b), abs=1e-9)


@pytest.mark.parametrize(("seed", "n"), [(s, n) for s in range(4) for n in (100, 601, 1100)])
def test_prices_leave_the_optimum_what_it_is(seed, n):
    a, b = clouds(seed, n)
    found = assign(a, b)
    assert found.cost == pytest.approx(plain(a, b), abs=1e-9) and found.exact
    assert sorted(found.columns) == list(range(n))


@pytest.mark.parametrize("seed", range(6))
def test_few_pairs_and_no_prices_still_lead_to_the_optimum(seed):
    a, b = clouds(seed, 150)
    if seed > 3:
        a, b = a[np.arange(150) // 5], np.floor(4 * b)  # many pairs of one length
    every = np.arange(150)
    columns = optimal_matching(a, b, np.zeros(150), every, np.zeros(150, int))  # all rows know of one column
    assert all_distances(a, b)[every, columns].mean() == pytest.approx(plain(a, b), abs=1e-9)
    near = all_distances(a, b).argsort(axis=1)[:, :12]
    columns = optimal_matching(a, b, np.zeros(150), every.repeat(12), near.ravel())
    assert sorted(columns) == list(every)
    assert all_distances(a, b)[every, columns].mean() == pytest.approx(plain(a, b), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_few_pairs_are_enough_for_large_clouds(seed, monkeypatch):
    a, b = clouds(seed, 700)
    monkeypatch.setattr("voxcli.metrics.assignment._SPARSE", 600)
    monkeypatch.setattr("scipy.optimize.linear_sum_assignment", lambda cost: linear_sum_assignment(cost[:300]))  # too few for a fallback
    found = assign(a, b)
    assert found.cost == pytest.approx(plain(a, b), abs=1e-9) and sorted(found.columns) == list(range(700))
    assert (assign(a, b).columns == found.columns).all()


@pytest.mark.parametrize("n", [5, 2000])
def test_a_cloud_in_one_place_is_matched_at_once(n):
    a, b = clouds(0, n)
    for found in (assign(a * 0, b), assign(b, a * 0), assign_by_auction(b, a * 0)):
        assert found.cost == found.lower_bound == pytest.approx(np.linalg.norm(b, axis=1).mean())


@pytest.mark.parametrize("kind", ["duplicates", "almost duplicates", "one place", "line", "two lumps", "same cloud", "far apart"])
def test_degenerate_clouds_are_matched_exactly(kind, monkeypatch):
    a, b = clouds(1, 700)
    if kind == "duplicates":
        a, b = a[np.arange(700) % 7], b[np.arange(700) % 11]
    if kind == "almost duplicates":
        b = b[np.arange(700) % 11] + 1e-8 * b
    if kind == "far apart":
        b = 0.1 * b + 50
    if kind == "one place":
        a, b = a * 0, b * 0 + 1
    if kind == "line":
        a[:, 1:] = b[:, 1:] = 0
    if kind == "two lumps":
        a[:350] += 50
        b[:100] += 50
    if kind == "same cloud":
        b = a[::-1].copy()
    wanted = plain(a, b)
    assert assign(a, b).cost == pytest.approx(wanted, abs=1e-9)
    monkeypatch.setattr("voxcli.metrics.assignment._SPARSE", 600)
    assert assign(a, b).cost == pytest.approx(wanted, abs=1e-9)
    found = assign_by_auction(a, b)
    assert found.lower_bound <= wanted + 1e-9 and found.cost >= wanted - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_the_auction_brackets_the_optimum_within_one_percent(seed):
    a, b = clouds(seed, 900)
    found, wanted = assign_by_auction(a, b), plain(a, b)
    assert found.lower_bound <= wanted <= found.cost + 1e-12 <= 1.01 * wanted + 1e-12
    assert sorted(found.rows) == list(range(900)) and not found.exact
    again = assign_by_auction(a, b)
    assert (again.rows == found.rows).all() and again.lower_bound == found.lower_bound


@pytest.mark.parametrize(("n", "m"), [(1, 5), (2, 3), (7, 5), (12, 18), (20, 33)])
@pytest.mark.parametrize("limit", [10, 4096])
def test_unequal_sizes_are_transported_optimally(n, m, limit):
    a, b = clouds(n, n, m)
    found = transport(a, b, max(limit, m))
    assert found.cost == pytest.approx(program(a, b), abs=1e-7) and found.exact
    assert found.lower_bound == pytest.approx(found.cost, abs=1e-7)
    assert np.bincount(found.rows, found.mass, n) == pytest.approx(np.full(n, 1 / n))
    assert np.bincount(found.columns, found.mass, m) == pytest.approx(np.full(m, 1 / m))


def test_emd_is_symmetric_batched_and_differentiable():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    b = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    value = emd(a, b)
    assert value.shape == (2,)
    torch.testing.assert_close(value, emd(b, a))
    torch.testing.assert_close(value.detach(), emd(a.detach(), b.detach()))
    assert torch.autograd.gradcheck(emd, (a, b))
    assert torch.autograd.gradcheck(lambda p, q: emd(p, q[:, :3]), (a, b))


@pytest.mark.parametrize(("n", "m"), [(6, 6), (8, 4), (3, 9), (5, 3)])
def test_approxmatch_equals_its_loops(n, m):
    a, b = clouds(3, n, m)
    assert approxmatch(torch.from_numpy(a), torch.from_numpy(b)).item() == pytest.approx(soft_matching_total(a, b), rel=1e-9)


def test_approxmatch_is_not_the_emd_but_near_it():
    a, b = clouds(4, 200)
    soft = emd(torch.from_numpy(a), torch.from_numpy(b), method="approxmatch").item()
    assert plain(a, b) * 0.99 < soft < plain(a, b) * 1.5


def test_limits_and_bad_clouds():
    a, b = (torch.from_numpy(v) for v in clouds(0, 40, 41))
    with refused(UsageError, "limit", expected="30 points", actual=40):
        match(a, a, method="exact", exact_up_to=30)
    assert match(a, b[:40], exact_up_to=30).method == "auction" and match(a, b[:40]).method == "exact"
    with refused(UsageError, expected="30 points", actual="40 and 41"):
        match(a, b, exact_up_to=30)
    with refused(UsageError, "'exakt'", hint="'exact'"):
        match(a, a, method="exakt")
    with refused(DataError, "empty"):
        emd(a[:0], b)
    with refused(DataError, "finite"):
        emd(a * torch.inf, a)


def test_numbers_published_with_scipy():
    # The examples in the documentation of scipy.stats.wasserstein_distance and wasserstein_distance_nd: 5 and 3.
    a, b = (torch.tensor([[x, 0.0, 0.0] for x in v], dtype=torch.float64) for v in ((0, 1, 3), (5, 6, 8)))
    assert emd(a, b).item() == pytest.approx(5)
    a, b = torch.tensor([[0.0, 2, 3], [1, 2, 5]]), torch.tensor([[3.0, 2, 3], [4, 2, 5]])
    assert emd(a, b).item() == pytest.approx(3)
