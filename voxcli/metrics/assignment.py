"""Optimal matchings of point clouds under the Euclidean distance: exact assignment, auction with a bound, transport of unequal clouds.

The minimal total cost of a matching and the maximal sum of dual prices u_i + v_j <= c_ij are equal (Kantorovich). Good prices make the
exact solvers fast, and any prices bound the optimum from below; both come from an auction (Bertsekas 1988) that starts from the prices of
every fourth point and looks at few candidates a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from voxcli.errors import UsageError
from voxcli.metrics.augmenting import optimal_matching

_CANDIDATES = 64
_PAIRS = 16
"""Candidates of a row that the exact solver begins with at least."""
_SMALL = 600
"""Below this the exact solver alone is the fastest."""
_SPARSE = 1500
"""Above this few pairs are looked at, below it all."""
_COARSEST = 300
"""Points of the coarsest problem, whose prices are exact."""
_TILE = 1 << 17
"""Distances that are worked on at once, but 32 rows at least: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Matching:
    """A transport between clouds of N and M points with uniform weights.

    rows, columns [K] and mass [K] (summing to 1) say what goes where; cost is the mean distance travelled; lower_bound the dual bound: no
    transport costs less. exact: the cost is the optimum (up to rounding), and lower_bound equals it.
    """

    rows: np.ndarray
    columns: np.ndarray
    mass: np.ndarray
    cost: float
    lower_bound: float
    exact: bool
    method: str


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distances [N, M], float64.

    >>> distances(np.zeros((1, 3)), np.array([[3.0, 4, 0]])).tolist()
    [[5.0]]
    """
    from scipy.spatial.distance import cdist

    found: np.ndarray = cdist(x, y)
    return found


def assign(x: np.ndarray, y: np.ndarray) -> Matching:
    """The optimal one-to-one matching of x [N, 3] and y [N, 3], exactly: an auction's prices, then shortest augmenting paths.

    Memory is linear in N for most clouds. Small ones, and those whose prices are too poor, take a dense solver.

    >>> assign(np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[1.0, 0, 0], [0, 0, 0]])).columns.tolist()
    [1, 0]
    """
    from scipy.optimize import linear_sum_assignment

    n, columns, state = len(x), None, None
    if _in_one_place(x) or _in_one_place(y):  # every matching costs the same, and an auction among equals takes very long
        columns = np.arange(n)
    elif n > _SPARSE:
        state = _auction(_Costs(x, y), stop=max(16, n // 80), fine=True)
        held = np.flatnonzero(state.owner >= 0)
        rows, listed = state.lists.cheapest(state.prices, 8 * state.epsilon)
        columns = optimal_matching(x, y, -state.prices, np.append(rows, state.owner[held]), np.append(listed, held))
    elif n > _SMALL:
        state = _auction(_Costs(x, y), stop=16)
    if columns is None:
        cost = distances(x, y)
        if state is not None:  # subtracting prices leaves the optimal matching what it is, and makes the solver's paths short
            cost += state.prices
            cost -= cost.min(axis=1, keepdims=True)
            cost -= cost.min(axis=0, keepdims=True)
        columns = linear_sum_assignment(cost)[1]
    value = float(np.linalg.norm(x - y[columns], axis=1).mean())
    return Matching(np.arange(n), columns, np.full(n, 1 / n), value, value, True, "exact")


def _in_one_place(points: np.ndarray) -> bool:
    return bool((points == points[:1]).all())


def assign_by_auction(x: np.ndarray, y: np.ndarray) -> Matching:
    """A one-to-one matching of x [N, 3] and y [N, 3] by auction with epsilon scaling, and a lower bound from its prices.

    Deterministic; memory is linear in N. The last few points, whose bidding wars take longest, are matched among what is left; the bound
    knows nothing of that and stays a bound.

    >>> found = assign_by_auction(np.eye(3), np.eye(3)[::-1])
    >>> found.cost, found.lower_bound
    (0.0, 0.0)
    """
    from scipy.optimize import linear_sum_assignment

    n = len(x)
    if _in_one_place(x) or _in_one_place(y):
        return replace(assign(x, y), method="auction")
    costs = _Costs(x, y)
    state = _auction(costs, stop=max(1, n // 2000))
    owner = state.owner
    free_rows = np.setdiff1d(np.arange(n), owner[owner >= 0])
    free_columns = np.flatnonzero(owner < 0)
    if len(free_rows):
        r, c = linear_sum_assignment(distances(x[free_rows], y[free_columns]))
        owner[free_columns[c]] = free_rows[r]
    value = float(np.linalg.norm(x[owner] - y, axis=1).mean())
    bound = _dual_bound(costs, -state.prices)
    return Matching(owner, np.arange(n), np.full(n, 1 / n), value, min(max(bound, 0.0), value), False, "auction")


# ------------------------------------------------------------------------------------------------ the auction


class _Costs:
    """Rows of the distance matrix, which is never held."""

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.x, self.y, self.n = x, y, len(x)
        self.step = max(32, _TILE // len(y))

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        return distances(self.x[index], self.y)

    def tiles(self) -> list[slice]:
        return [slice(start, min(start + self.step, self.n)) for start in range(0, self.n, self.step)]


@dataclass
class _State:
    prices: np.ndarray
    """Of columns: a row bids for the least cost + price."""
    owner: np.ndarray
    """The row that holds each column, -1 = none."""
    lists: _Candidates
    epsilon: float
    """Of the last phase: no row holds a column that is dearer by more than its cheapest."""


def _coarse_prices(costs: _Costs) -> np.ndarray:
    """Prices of all columns, carried over from the problem of a quarter of the points by the c-transform."""
    n = costs.n
    if n <= _COARSEST:
        return np.zeros(n)
    # Every fourth point, not the first quarter: files often hold points in the order of their surface.
    part = slice(0, n, 4)
    small = _Costs(costs.x[part], costs.y[part])
    if small.n <= _COARSEST:
        prices = _exact_prices(small.rows(np.arange(small.n)))
    else:
        prices = _auction(small, stop=max(16, small.n // 256)).prices
    v = np.full(n, np.inf)
    for tile in costs.tiles():
        cost = costs.rows(tile)
        u = (cost[:, part] + prices).min(axis=1)
        np.minimum(v, (cost - u[:, None]).min(axis=0), out=v)
    return -v


def _exact_prices(cost: np.ndarray) -> np.ndarray:
    """Optimal prices of a small problem: shortest paths from column to column through the optimal matching."""
    from scipy.optimize import linear_sum_assignment

    n = len(cost)
    rows, columns = linear_sum_assignment(cost)
    holder = np.zeros(n, np.int64)
    holder[columns] = rows
    detour = cost[holder] - cost[holder, np.arange(n)][:, None]  # what column j costs the holder of column k more than k
    potential = np.zeros(n)
    for _ in range(n):
        shorter = np.minimum((potential[:, None] + detour).min(axis=0), potential)
        if (potential - shorter).max() <= 1e-12:
            break
        potential = shorter
    return -potential


def _auction(costs: _Costs, stop: int, fine: bool = False) -> _State:
    """Forward auction with epsilon scaling until at most `stop` rows hold nothing (in every phase), from the coarse problem's prices.

    Rows bid on their cheapest column, raising its price by the lead over the second cheapest plus epsilon. fine: on to an epsilon of a
    hundredth of what neighbours are apart.
    """
    n = costs.n
    prices = _coarse_prices(costs)
    lists = _Candidates(costs, prices)
    scale = float(np.median(lists.cost.min(axis=1)))
    if scale <= 0:
        scale = float(lists.cost.mean())
    owner = np.full(n, -1)
    if scale <= 0:  # clouds on top of one another: nothing to bargain about
        return _State(prices, owner, lists, 0.0)
    *coarser, last = (0.5 * scale, 0.1 * scale, 0.02 * scale, 0.004 * scale)
    spacing = _spacing(costs.y)
    # Bids that lead by more than neighbours are apart would undo what the coarse prices know. Clouds far apart begin with smaller ones.
    for epsilon in (*(each for each in coarser if each <= 2 * spacing or spacing == 0), last):
        owner = _phase(lists, prices, epsilon, stop)
    while fine and epsilon > 0.01 * spacing > 0:
        epsilon = max(epsilon / 5, 0.01 * spacing)
        owner = _phase(lists, prices, epsilon, stop)
    return _State(prices, owner, lists, epsilon)


def _spacing(points: np.ndarray) -> float:
    """The median distance of a point from its nearest neighbour."""
    from scipy.spatial import cKDTree

    return float(np.median(cKDTree(points).query(points, k=2)[0][:, 1]))


class _Candidates:
    """For each row its cheapest columns, in two tiers: a short list to bid on, and a pool that most lists are made anew from.

    Each tier knows the best value (cost + price) that was left out of it when it was made. Prices only rise, so a tier that holds two
    columns below that value holds the two cheapest of all.
    """

    def __init__(self, costs: _Costs, prices: np.ndarray):
        n = costs.n
        self.costs, self.size = costs, min(_CANDIDATES, n - 1)
        pool = min(n - 1, max(256, n // 20))
        self.pool_column, self.pool_cost = np.zeros((n, pool), np.int32), np.zeros((n, pool), np.float32)
        self.pool_limit, self.limit = np.zeros(n), np.zeros(n)
        self.column, self.cost = np.zeros((n, self.size), np.int32), np.zeros((n, self.size), np.float32)
        for tile in costs.tiles():
            self._new_pool(tile, prices)

    def _new_pool(self, rows: np.ndarray | slice, prices: np.ndarray) -> None:
        cost = self.costs.rows(rows).astype(np.float32)
        value = cost + prices.astype(np.float32)
        pool = self.pool_column.shape[1]
        order, here = np.argpartition(value, pool, axis=1), np.arange(len(cost))
        self.pool_limit[rows] = value[here, order[:, pool]]
        self.pool_column[rows] = order[:, :pool]
        self.pool_cost[rows] = cost[here[:, None], order[:, :pool]]
        self._new_list(rows, prices)

    def _new_list(self, rows: np.ndarray | slice, prices: np.ndarray) -> None:
        column, cost = self.pool_column[rows], self.pool_cost[rows]
        value = cost + prices[column]
        last = min(self.size, value.shape[1] - 1)
        order, here = value.argpartition(last, axis=1), np.arange(len(cost))
        left_out = value[here, order[:, last]] if value.shape[1] > self.size else np.inf
        self.limit[rows] = np.minimum(left_out, self.pool_limit[rows])
        chosen = (here[:, None], order[:, : self.size])
        self.column[rows], self.cost[rows] = column[chosen], cost[chosen]

    def cheapest(self, prices: np.ndarray, within: float) -> tuple[np.ndarray, np.ndarray]:
        """Pairs (rows, columns) of the short lists: the cheapest few of each row, and all within so much of its cheapest."""
        value = self.cost + prices[self.column]
        limit = np.maximum(np.partition(value, _PAIRS - 1, axis=1)[:, _PAIRS - 1], value.min(axis=1) + within)
        rows, place = np.nonzero(value <= limit[:, None])
        return rows, self.column[rows, place]

    def best_two(self, rows: np.ndarray, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cheapest column of each row, its value, and the second cheapest value."""
        column, first, second = self._listed_two(rows, prices)
        for renew in (self._new_list, self._new_pool):
            stale = (second > self.limit[rows]).nonzero()[0]
            if not len(stale):
                break
            for start in range(0, len(stale), self.costs.step):
                renew(rows[stale[start : start + self.costs.step]], prices)
            column[stale], first[stale], second[stale] = self._listed_two(rows[stale], prices)
        return column, first, second

    def _listed_two(self, rows: np.ndarray, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        column = self.column[rows]
        value = self.cost[rows] + prices[column]
        here = np.arange(len(rows))
        best = value.argmin(axis=1)
        first = value[here, best]
        value[here, best] = np.inf
        return column[here, best], first, value.min(axis=1)


def _phase(lists: _Candidates, prices: np.ndarray, epsilon: float, stop: int) -> np.ndarray:
    """One phase from an empty assignment; raises `prices` in place and returns the owners of the columns."""
    n = len(prices)
    owner, highest = np.full(n, -1), np.zeros(n, np.int64)
    free = np.arange(n)
    while len(free) > stop:
        column, first, second = lists.best_two(free, prices)
        bid = prices[column] + (second - first) + epsilon
        order = np.argsort(bid, kind="stable")
        highest[column[order]] = free[order]  # of several bidders the last one written, the highest, stays
        won = highest[column] == free
        taken = column[won]
        prices[taken] = bid[won]
        evicted = owner[taken]
        owner[taken] = free[won]
        free = np.concatenate([free[~won], evicted[evicted >= 0]])
    return owner


def _dual_bound(costs: _Costs, v: np.ndarray) -> float:
    """Mean dual value of column prices v, raised: the row prices are the best that go with v, then the column prices with those."""
    rows, raised = 0.0, np.full(costs.n, np.inf)
    for tile in costs.tiles():
        cost = costs.rows(tile)
        u = (cost - v).min(axis=1)
        rows += float(u.sum())
        cost -= u[:, None]
        np.minimum(raised, cost.min(axis=0), out=raised)
    return float((rows + raised.sum()) / costs.n)


# ------------------------------------------------------------------------------------------------ unequal sizes


def transport(x: np.ndarray, y: np.ndarray, limit: int) -> Matching:
    """Optimal transport between clouds of different sizes, every point of a cloud carrying the same mass, exactly.

    Where the least common multiple of both sizes is at most `limit`, points are repeated and matched one to one; else a linear program
    over few candidate pairs is solved, pairs that its prices show to be missing are added, and so on until none is missing.

    >>> transport(np.zeros((1, 3)), np.array([[1.0, 0, 0], [0, 3, 0]]), limit=100).cost
    2.0
    """
    n, m = len(x), len(y)
    common = int(np.lcm(n, m))
    if common <= limit:
        found = assign(np.repeat(x, common // n, axis=0), np.repeat(y, common // m, axis=0))
        pairs, counts = np.unique(np.stack([found.rows // (common // n), found.columns // (common // m)]), axis=1, return_counts=True)
        return Matching(pairs[0], pairs[1], counts / common, found.cost, found.cost, True, "exact")
    if max(n, m) > limit:
        raise UsageError(
            "Transport between clouds of unequal size is exact, and bounded in size.", expected=f"at most {limit} points each",
            actual=f"{n} and {m}", hint="Bring both to one number of points with --points, or raise --exact-up-to.",
        )  # fmt: skip
    return _transport_program(distances(x, y))


def _transport_program(cost: np.ndarray) -> Matching:
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    n, m = cost.shape
    k = min(_CANDIDATES // 2, m - 1, n - 1)
    chosen = np.zeros((n, m), bool)
    chosen[np.arange(n)[:, None], np.argpartition(cost, k, axis=1)[:, : k + 1]] = True
    chosen[np.argpartition(cost, k, axis=0)[: k + 1], np.arange(m)] = True
    # A staircase of pairs carries any masses, so that the program always has a solution.
    steps = np.unique(np.concatenate([np.arange(1, n) * m, np.arange(1, m) * n, [0]]))
    chosen[steps // m, steps // n] = True
    scale = float(cost.max()) or 1.0
    supply = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    for _ in range(100):
        rows, columns = np.nonzero(chosen)
        pairs = np.arange(len(rows))
        constraints = csr_matrix((np.ones(2 * len(rows)), (np.concatenate([rows, n + columns]), np.concatenate([pairs, pairs]))))
        found = linprog(cost[rows, columns] / scale, A_eq=constraints, b_eq=supply, method="highs")
        if found.status != 0:
            raise UsageError("The transport problem could not be solved.", actual=found.message)
        v = found.eqlin.marginals[n:] * scale
        u = (cost - v).min(axis=1)
        value = float(found.fun * scale)
        bound = float(u.mean() + v.mean())
        missing = (cost - v - (found.eqlin.marginals[:n] * scale)[:, None]) < -1e-10 * scale
        missing &= ~chosen
        if value - bound <= 1e-9 * scale or not missing.any():
            break
        chosen |= missing
    mass = found.x
    used = mass > 0
    return Matching(rows[used], columns[used], mass[used], value, bound, value - bound <= 1e-7 * scale, "exact")
