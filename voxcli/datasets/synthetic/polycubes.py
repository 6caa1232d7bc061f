"""Polycubes of Shepard and Metzler (1971): cubes face to face in straight arms that meet at right angles; and which of them are the same.

A polycube is an int array [N, 3] of cells, its least coordinate along each axis 0, its rows in lexicographic order: two are equal as
arrays where they are the same cells. All of them here are chiral: no rotation turns them into their mirror image.
"""

from __future__ import annotations

from functools import cache

import numpy as np

LARGEST, SMALLEST = 10, 7
"""Cubes of one: the objects of 1971 have ten, in four arms."""

_ARMS = (3, 5)


@cache
def rotations() -> np.ndarray:
    """The 24 rotations of the cube, int64 [24, 3, 3]: signed permutation matrices of determinant 1, the identity first."""
    found = []
    for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)):
        even = order in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
        for signs in np.ndindex(2, 2, 2):
            sign = 1 - 2 * np.array(signs)
            if (sign.prod() > 0) == even:
                found.append(np.eye(3, dtype=np.int64)[list(order)] * sign[:, None])
    return np.stack(found)


def normalised(cells: np.ndarray) -> np.ndarray:
    """The polycube of cells [N, 3] in any place and order."""
    cells = cells - cells.min(0)
    return cells[np.lexsort(cells.T[::-1])]


def mirrored(cells: np.ndarray) -> np.ndarray:
    """The mirror image."""
    return normalised(cells * (-1, 1, 1))


def canonical(cells: np.ndarray) -> bytes:
    """A name that all 24 rotations of a polycube share, and no other polycube has: the least of their sorted cell numbers."""
    turned = np.einsum("rij,nj->rni", rotations(), cells)
    turned -= turned.min(1, keepdims=True)
    numbers = np.sort((turned[..., 0] * 64 + turned[..., 1]) * 64 + turned[..., 2], axis=1)
    return numbers[np.lexsort(numbers.T[::-1])[0]].astype(">i4").tobytes()


def same_up_to_rotation(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether one of the 24 rotations turns a into b."""
    return len(a) == len(b) and canonical(a) == canonical(b)


def is_chiral(cells: np.ndarray) -> bool:
    """Whether no rotation turns it into its mirror image."""
    return canonical(cells) != canonical(mirrored(cells))


class Chain:
    """Arms in turn: steps [A] of each, and its direction, directions [A, 3], each at a right angle to the one before."""

    def __init__(self, steps: np.ndarray, directions: np.ndarray):
        self.steps, self.directions = steps, directions

    def cells(self) -> np.ndarray | None:
        """The polycube; None where cubes touch or meet that do not follow each other."""
        path = np.cumsum(np.concatenate([np.zeros((1, 3), np.int64), self.directions.repeat(self.steps, 0)]), 0)
        apart = np.abs(path[:, None] - path).sum(-1)
        number = np.arange(len(path))
        if (apart[np.abs(number[:, None] - number) > 1] <= 1).any():
            return None
        return normalised(path)

    def bent(self, rng: np.random.Generator) -> Chain:
        """The same with one arm turned another way, as a distractor that looks alike."""
        directions = self.directions.copy()
        arm = int(rng.integers(1, len(directions)))
        directions[arm] = _across(rng, directions[arm - 1])
        for k in range(arm + 1, len(directions)):  # what follows keeps to right angles
            if directions[k] @ directions[k - 1]:
                directions[k] = _across(rng, directions[k - 1])
        return Chain(self.steps, directions)


def draw_chain(rng: np.random.Generator, count: int | None = None) -> tuple[Chain, np.ndarray]:
    """A chiral polycube of `count` cubes (drawn where not given) and the chain that made it."""
    while True:
        cubes = int(rng.integers(SMALLEST, LARGEST + 1)) if count is None else count
        arms = int(rng.integers(_ARMS[0], _ARMS[1] + 1))
        steps = 1 + rng.multinomial(cubes - 1 - arms, np.full(arms, 1 / arms))
        directions = np.zeros((arms, 3), np.int64)
        directions[0, 0] = 1
        for k in range(1, arms):
            directions[k] = _across(rng, directions[k - 1])
        chain = Chain(steps, directions)
        cells = chain.cells()
        if steps.max() <= 4 and cells is not None and is_chiral(cells):
            return chain, cells


def _across(rng: np.random.Generator, direction: np.ndarray) -> np.ndarray:
    """One of the four directions at a right angle."""
    axis = (int(np.abs(direction).argmax()) + int(rng.integers(1, 3))) % 3
    return np.eye(3, dtype=np.int64)[axis] * (1 - 2 * int(rng.integers(2)))


def surface(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The squares that bound a polycube of unit cubes: corners [Q, 4, 3], counter-clockwise from outside, and normals [Q, 3]."""
    taken = {tuple(cell) for cell in cells.tolist()}
    corners, normals = [], []
    for axis in range(3):
        for side in (-1, 1):
            out = np.eye(3, dtype=np.int64)[axis] * side
            bare = np.array([cell for cell in cells.tolist() if tuple(np.add(cell, out).tolist()) not in taken])
            u, v = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            square = np.stack([np.zeros(3), u, u + v, v][::side]) + (side > 0) * np.eye(3)[axis]
            corners.append(bare[:, None] + square)
            normals.append(np.broadcast_to(out, (len(bare), 3)))
    return np.concatenate(corners).astype(np.float64), np.concatenate(normals).astype(np.float64)
