"""Optimal matchings from good prices: shortest augmenting paths over few pairs, certified over all pairs.

Prices u of rows and v of columns prove a matching optimal where u_i + v_j <= c_ij for all pairs, and = for matched ones. A pair's slack is
c_ij - u_i - v_j; a pair without slack is tight. Each phase of the primal-dual method (Kuhn 1955; Hopcroft and Karp 1973) finds the shortest
paths from all free rows at once, moves the prices along, and matches what it can of the tight pairs. Pairs that the prices show to be
missing are added until there is none.
"""

from __future__ import annotations

import numpy as np

_TILE = 1 << 17
"""Pairs that are looked at at once: few enough to stay in the processor's cache."""

_WORST = 16
"""Missing pairs of a row that are added at once, those that miss most."""
_BRIDGES = 8
"""Pairs that a column gets which no path reaches."""


def optimal_matching(x: np.ndarray, y: np.ndarray, v: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray | None:
    """For each row its column in the optimal matching of x [N, 3] and y [N, 3] under the Euclidean distance.

    v [N]: column prices to begin with, rows and columns [K]: pairs to begin with, some of each row. Poor ones cost time and nothing else.
    Returns None where that would take longer than the dense problem.

    >>> optimal_matching(np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[1.0, 0, 0], [0, 0, 0]]), np.zeros(2), np.arange(2), np.arange(2))
    array([1, 0])
    """
    n = len(x)
    centre = (x.mean(axis=0) + y.mean(axis=0)) / 2
    x, y = x - centre, y - centre
    rounding = 1e-13 * float(np.sqrt((x * x).sum(axis=1).max()) + np.sqrt((y * y).sum(axis=1).max()))
    key, work = _distinct(rows.astype(np.int64) * n + columns), 0
    while True:
        i, j = np.divmod(key, n)
        length = pair_distances(x, y, i, j)
        first = np.searchsorted(i, np.arange(n + 1))
        u = np.minimum.reduceat(length - v[j], first[:-1])
        lead = np.full(n, np.inf)
        np.minimum.at(lead, j, length - u[i] - v[j])
        v = v + np.where(np.isfinite(lead), lead, 0.0)
        while True:
            work += len(key)
            if work > max(2 * n * n, 1_000_000):
                return None
            slack = length - u[i] - v[j]
            slack[slack <= rounding] = 0
            matched = _match_tight(slack, j, first)
            free = np.flatnonzero(matched < 0)
            if not len(free):
                break
            holder = np.full(n, -1)
            holder[matched[matched >= 0]] = np.flatnonzero(matched >= 0)
            to_row, to_column = _distances_from(free, holder, slack, j, first)
            reached = np.sort(to_column[(holder < 0) & np.isfinite(to_column)])
            if not len(reached):
                added = _bridges(x, y, u, np.flatnonzero(np.isfinite(to_row)), np.flatnonzero(holder < 0))
                break
            # Prices move by the paths to the nearer half of the free columns: the farther they move, the more pairs are missing.
            far = reached[(len(reached) - 1) // 2]
            u = u - np.minimum(to_row, far)
            v = v + np.minimum(to_column, far)
        if not len(free):
            added = _missing(x, y, u, v, 10 * rounding)
            if not len(added):
                return matched
        key = _distinct(np.append(key, added))


def pair_distances(x: np.ndarray, y: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Euclidean distances [K] of the pairs x[rows], y[columns].

    >>> pair_distances(np.zeros((1, 3)), np.array([[3.0, 4, 0]]), np.array([0]), np.array([0])).tolist()
    [5.0]
    """
    step = x[rows] - y[columns]
    found: np.ndarray = np.sqrt(np.einsum("kd,kd->k", step, step))
    return found


def _distinct(key: np.ndarray) -> np.ndarray:
    """Sorted, each once: several times faster than np.unique, which hashes."""
    key = np.sort(key)
    found: np.ndarray = key[np.append(True, key[1:] != key[:-1])]
    return found


def _match_tight(slack: np.ndarray, columns: np.ndarray, first: np.ndarray) -> np.ndarray:
    """A largest matching of tight pairs: for each row its column, -1 = none. The pairs of row i are first[i] to first[i + 1]."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    n, tight = len(first) - 1, slack == 0
    starts = np.concatenate([[0], np.cumsum(tight)])[first]
    graph = csr_matrix((np.ones(starts[-1], np.int8), columns[tight], starts), shape=(n, n))
    matched: np.ndarray = maximum_bipartite_matching(graph, perm_type="column").astype(np.int64)
    return matched


def _distances_from(
    free: np.ndarray, holder: np.ndarray, slack: np.ndarray, columns: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Least sums of slack from any free row to each row and to each column. From a column the way goes on to its holder, at no cost."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import dijkstra

    n, node, ends = len(holder), holder.copy(), np.flatnonzero(holder < 0)
    node[ends] = n + np.arange(len(ends))
    starts = np.concatenate([first, np.full(len(ends), first[-1])])
    graph = csr_matrix((slack, node[columns], starts), shape=(n + len(ends),) * 2)
    found = dijkstra(graph, indices=free, min_only=True)
    return found[:n], found[node]


def _bridges(x: np.ndarray, y: np.ndarray, u: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Pairs, as row * N + column, that bring paths from these rows to these columns: for each column its rows of least slack."""
    from scipy.spatial.distance import cdist

    slack = cdist(y[columns], x[rows]) - u[rows]
    few = min(_BRIDGES, len(rows))
    near = np.argpartition(slack, few - 1, axis=1)[:, :few]
    key: np.ndarray = (rows[near] * len(x) + columns[:, None]).ravel()
    return key


def _missing(x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray, tolerance: float) -> np.ndarray:
    """Pairs, as row * N + column, that are shorter than u_i + v_j by more than the tolerance.

    c < u + v is c^2 - (u + v)^2 < 0 where u + v > 0: one product of matrices for all pairs, without a root. Where that is near 0, the
    distance itself decides.
    """
    n = len(x)
    shift = (u.mean() - v.mean()) / 2
    u, v = u - shift, v + shift
    row_squares, column_squares = (x * x).sum(axis=1), (y * y).sum(axis=1)
    left = np.column_stack([x, u, row_squares - u * u, np.ones(n)])
    right = np.vstack([-2 * y.T, -2 * v, np.ones(n), column_squares - v * v])
    doubt = 1e-14 * float(row_squares.max() + column_squares.max() + (u * u).max() + (v * v).max())
    step, found = max(1, _TILE // n), []
    squares = np.zeros((min(step, n), n))
    for start in range(0, n, step):
        tile = left[start : start + step]
        np.matmul(tile, right, out=squares[: len(tile)])
        key = np.flatnonzero(squares[: len(tile)] < doubt) + start * n
        i, j = np.divmod(key, n)
        slack = pair_distances(x, y, i, j) - u[i] - v[j]
        wrong = slack < -tolerance
        i, key, slack = i[wrong], key[wrong], slack[wrong]
        worst = np.lexsort((slack, i))
        i = i[worst]
        found.append(key[worst[np.arange(len(i)) - np.searchsorted(i, i) < _WORST]])
    return np.concatenate(found)
