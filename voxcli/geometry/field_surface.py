"""Occupancy fields on fine grids for marching cubes, evaluated from coarse to fine: only where the surface may pass.

Each level halves the cells of the one before; where a level has an odd number of cells, the last ones of the coarser one reach beyond its
far sides by half. A cell is evaluated again where it or one around it differs in sign from another, or is not
clearly empty; elsewhere its children take its value. After each level, the evaluated region grows wherever the sign changes at its
border, cell by cell, so that whatever is known in part is followed to its ends: a chair's leg thinner than the coarsest cells, from the
seat down. A piece that no cell of the coarsest level sees, and that touches none that one sees, is not found.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.errors import UsageError

PointField = Callable[[Tensor], Tensor]
"""Points [N, 3] -> occupancy [N]."""


class FieldGrid(NamedTuple):
    """values [R, R, R] float32 at the centres of cells of [-reach, reach]^3, indexed [x, y, z]; how often the field was evaluated, in all
    and at each level (resolution, evaluations)."""

    values: Tensor
    queries: int
    levels: tuple[tuple[int, int], ...]


def cell_centres(cells: Tensor, resolution: int, reach: float = 1.0, width: float | None = None) -> Tensor:
    """Centres [N, 3] of cells given by their flat index [N]. width: of a cell, by default such that resolution cells fill the cube.

    >>> cell_centres(torch.tensor([0, 7]), 2).tolist()
    [[-0.5, -0.5, -0.5], [0.5, 0.5, 0.5]]
    """
    index = torch.stack([cells // (resolution * resolution), cells // resolution % resolution, cells % resolution], -1)
    return (index.to(torch.float32) + 0.5) * (2 * reach / resolution if width is None else width) - reach


@torch.no_grad()
def sample_field(
    field: PointField, resolution: int, *, threshold: float = 0.5, faint: float = 0.1, coarsest: int = 64, reach: float = 1.0,
    batch: int | None = None, device: torch.device | str = "cpu",
) -> FieldGrid:  # fmt: skip
    """The field on resolution^3 cells; the same sign everywhere as evaluating every cell, but for what the module's text says.

    faint: occupancy from which on an empty cell is looked into; networks leave a haze below a tenth in empty space. coarsest: the first
    level has at most so many cells a side (twice as many where they are odd); 0 evaluates every cell. batch: points evaluated
    at once; by default as many as leave a network's layers in a processor's cache (a third of the time of 2^16), or fill a GPU.

    >>> grid = sample_field(lambda points: (points.norm(dim=-1) < 0.5).float(), 32, coarsest=8)
    >>> round(float((grid.values > 0.5).sum()) * (2 / 32) ** 3, 1)                    # 4/3 pi 0.5^3
    0.5
    """
    if resolution < 1:
        raise UsageError("A grid needs at least one cell.", actual=resolution)
    batch = batch or (1 << 12 if torch.device(device).type == "cpu" else 1 << 18)
    sizes = [resolution]
    while coarsest and sizes[0] > (2 * coarsest if sizes[0] % 2 else coarsest):  # odd ones cost an overhang: only where it saves much
        sizes.insert(0, (sizes[0] + 1) // 2)
    widths = [2 * reach / resolution * 2**halvings for halvings in reversed(range(len(sizes)))]
    levels = []
    grid = _Level(field, sizes[0], widths[0], threshold, reach, batch)
    grid.start(torch.zeros(sizes[0] ** 3, device=device), torch.ones(sizes[0] ** 3, dtype=torch.bool, device=device))
    levels.append((sizes[0], grid.queries))
    for size, width in zip(sizes[1:], widths[1:], strict=True):
        coarse = grid.values.view((grid.size,) * 3)
        open_cells = _doubled(cells_to_refine(coarse, threshold, faint), size)
        grid = _Level(field, size, width, threshold, reach, batch)
        grid.start(_doubled(coarse, size).reshape(-1), open_cells.reshape(-1))
        grid.follow()
        levels.append((size, grid.queries))
    return FieldGrid(grid.values.view((resolution,) * 3), sum(queries for _, queries in levels), tuple(levels))


def cells_to_refine(values: Tensor, threshold: float, faint: float) -> Tensor:
    """Cells [R, R, R] whose children may differ from them: beside a change of sign, or beside a cell that is empty but not clearly.

    >>> values = torch.zeros(8, 8, 8)
    >>> values[4, 4, 4] = 1
    >>> int(cells_to_refine(values, 0.5, 0.1).sum())
    27
    """
    inside = (values >= threshold).to(torch.float32)[None, None]
    some = F.max_pool3d(inside, 3, 1, 1)
    all_of_them = -F.max_pool3d(-inside, 3, 1, 1)
    doubtful = ((values >= faint) & (values < threshold)).to(torch.float32)[None, None]
    return ((some != all_of_them) | (F.max_pool3d(doubtful, 3, 1, 1) > 0))[0, 0]


def _doubled(values: Tensor, size: int) -> Tensor:
    """Each cell as the eight that it is made of, as far as the finer grid of `size` cells a side has them."""
    for axis in range(3):
        values = values.repeat_interleave(2, axis).narrow(axis, 0, size)
    return values.contiguous()


class _Level:
    """One resolution: values and which of them were evaluated, by flat index."""

    def __init__(self, field: PointField, size: int, width: float, threshold: float, reach: float, batch: int):
        self.field, self.size, self.width, self.threshold, self.reach, self.batch = field, size, width, threshold, reach, batch
        self.queries = 0

    def start(self, values: Tensor, chosen: Tensor) -> None:
        """Take over values and evaluate the chosen cells."""
        self.values, self.known = values, torch.zeros_like(chosen)
        self.fresh = torch.nonzero(chosen)[:, 0]
        self._evaluate(self.fresh)

    def _evaluate(self, cells: Tensor) -> None:
        for some in cells.split(self.batch):
            places = cell_centres(some, self.size, self.reach, self.width).to(self.values.device)
            self.values[some] = self.field(places).to(self.values.dtype)
        self.known[cells] = True
        self.queries += len(cells)

    def follow(self) -> None:
        """Evaluate cells that were not, beside cells that were and lie on the other side of the surface, until there is none."""
        n = self.size
        while len(self.fresh):
            x, y, z = self.fresh // (n * n), self.fresh // n % n, self.fresh % n
            inside = self.values[self.fresh] >= self.threshold
            found = []
            for i, j, k in product((-1, 0, 1), repeat=3):
                near = ((x + i).clamp(0, n - 1) * n + (y + j).clamp(0, n - 1)) * n + (z + k).clamp(0, n - 1)
                found.append(near[~self.known[near] & ((self.values[near] >= self.threshold) != inside)])
            self.fresh = torch.cat(found).unique()
            self._evaluate(self.fresh)
