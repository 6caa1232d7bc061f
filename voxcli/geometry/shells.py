"""Parts that enclose no volume by themselves: open shells, torn or inconsistently wound meshes, loose cards.

For each cell the signed crossings are summed along the three lattice lines through its centre, seen from both ends, and averaged: an
estimate of the generalised winding number from six directions. Above one half the cell is inside. Rows and columns of a fruxel slice
are straight lines in space, so the same holds in a frustum. The surface of open components is always kept.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from voxcli.backend import where_true
from voxcli.geometry.crossings import Crossings, TriangleSoup, crossings_along, join
from voxcli.geometry.lattice import Lattice, VoxelLattice

_NO_INSIDE = 0.6  # share of rays that disagree above which a shell is taken for loose leaves


class Shell(NamedTuple):
    """One such part: the number that it writes, vertices [V, 3], faces [F, 3], and 1 for faces of open components [F] int64."""

    number: int
    vertices: Tensor
    faces: Tensor
    is_open: Tensor


class Window(NamedTuple):
    """A box of cells along the lattice axes (u, v, w): the cells low .. low + sizes that a shell can touch."""

    low: tuple[int, int, int]
    sizes: tuple[int, int, int]


def fill_shells(shells: list[Shell], lattice: Lattice, rule: str, owner: Tensor, vote: bool) -> tuple[int, int]:
    """Write the numbers of shells into owner (the lattice's array) where they are larger. -> (rays that disagree, rays that hit)

    vote: fill the inside; else only the surface is written. Under the slab rule the surface is what the pixels' rays meet (SSZ,
    section 3.1); under the centre rule, what any of the three lines through a cell's centre meets within the cell.

    >>> from voxcli.geometry.lattice import VoxelLattice
    >>> from voxcli.geometry.surfaces import cell_faces
    >>> from voxcli.scene import VoxelGrid
    >>> cube = cell_faces(VoxelGrid(occupancy=torch.ones(1, 1, 1).numpy()))           # a unit cube
    >>> vertices, faces = 0.8 * torch.from_numpy(cube.vertices) + 0.1, torch.from_numpy(cube.faces)
    >>> lattice = VoxelLattice((4, 4, 4), (-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    >>> owner = torch.zeros(4, 4, 4, dtype=torch.int16)
    >>> lid_off = Shell(1, vertices, faces[(vertices[faces][..., 1] < 0.9).any(1)], torch.ones(10, dtype=torch.int64))
    >>> fill_shells([lid_off], lattice, "centre", owner, vote=True)[1], int(owner.sum())  # the inside of an open box
    (4, 8)
    """
    soup = join([(s.vertices, s.faces) for s in shells], lattice, [s.is_open + 2 * i for i, s in enumerate(shells)])
    by_axis = {axis: _by_shell(crossings_along(soup, lattice, axis), len(shells)) for axis in (2, 0, 1)}
    leaky = hit = 0
    for index, shell in enumerate(shells):
        window = _window(soup, index, lattice)
        if window is None:
            continue
        mine = {axis: _in_window(found[index], lattice, window, axis) for axis, found in by_axis.items()}
        along = mine[2]
        rays = window.sizes[0] * window.sizes[1]
        balance = torch.zeros(rays, dtype=torch.int64, device=owner.device).index_add_(0, along.ray, along.sign)
        unpaired, met = int(balance.count_nonzero()), int(torch.bincount(along.ray, minlength=rays).count_nonzero())
        inside = _surface(mine, window, axes=(0, 1, 2) if rule == "centre" else (2,))
        # Loose leaves and cards have no inside: where most rays disagree the vote is about nothing, and the surface alone is right.
        if vote and unpaired <= _NO_INSIDE * met:
            votes = _six_way_sum(mine[0], window, 0).add_(_six_way_sum(mine[1], window, 1)).add_(_six_way_sum(mine[2], window, 2))
            inside |= votes.abs_() > 3
        whole = owner.permute(0, 2, 1) if isinstance(lattice, VoxelLattice) else owner  # [w, v, u]
        there = whole[tuple(slice(a, a + n) for a, n in zip(window.low[::-1], window.sizes[::-1], strict=True))]
        torch.maximum(there, inside.to(torch.int16).mul_(shell.number), out=there)
        leaky, hit = leaky + unpaired, hit + met
    return leaky, hit


def _by_shell(c: Crossings, shells: int) -> list[Crossings]:
    """Crossings of each shell; `part` then says whether the face is of an open component. They come in the order of their faces."""
    shell = c.part >> 1
    ends = torch.searchsorted(shell, torch.arange(shells + 1, device=shell.device))
    sizes = (ends[1:] - ends[:-1]).tolist()
    return [Crossings(part & 1, ray, t, sign) for part, ray, t, sign in zip(*(v.split(sizes) for v in c), strict=True)]


def _window(soup: TriangleSoup, index: int, lattice: Lattice) -> Window | None:
    """The cells around a shell; None where it touches none."""
    assert soup.tag is not None
    used = soup.points[soup.faces[(soup.tag >> 1) == index]].reshape(-1, 3)
    if not len(used):
        return None
    ends = torch.stack([used.amin(0), used.amax(0)])
    ends[:, 2] = lattice.depth(ends[:, 2])
    size = torch.tensor(lattice.sizes, dtype=torch.float64, device=used.device)
    low, high = ends[0].floor().clamp_min(0), torch.minimum(ends[1].floor() + 1, size)
    if bool((high <= low).any()):
        return None
    (u, v, w), (nu, nv, nw) = low.long().tolist(), (high - low).long().tolist()
    return Window((u, v, w), (nu, nv, nw))


def _in_window(c: Crossings, lattice: Lattice, window: Window, axis: int) -> Crossings:
    """Rays and positions as the window counts them."""
    across, down = (axis + 1) % 3, (axis + 2) % 3
    n = lattice.sizes[across]
    second = torch.div(c.ray, n, rounding_mode="floor")
    ray = (second - window.low[down]) * window.sizes[across] + (c.ray - second * n - window.low[across])
    return c._replace(ray=ray, t=c.t - window.low[axis])


def _six_way_sum(c: Crossings, window: Window, axis: int) -> Tensor:
    """Signed crossings beyond minus those before each cell centre, on the lines along one axis. int16 [w, v, u]"""
    n = window.sizes[axis]
    nu, nv, nw = window.sizes
    cells, first, step = nu * nv * nw, *_strides(c.ray, window, axis)
    behind = (c.t - 0.5).ceil().clamp(0, n).long()  # first cell whose centre lies behind the crossing
    # A line's sum begins with all its crossings, and loses twice each of them where it passes it.
    steps = torch.zeros(cells + 1, dtype=torch.int16, device=c.t.device)
    sign = c.sign.to(torch.int16)
    steps.index_add_(0, first, sign).index_add_(0, torch.where(behind < n, first + behind * step, cells), sign * -2)
    found = steps[:cells].view(nw, nv, nu)
    if axis == 0 or found.device.type != "cpu":
        return found.cumsum(2 - axis, dtype=torch.int16)
    layers = found.numpy() if axis == 2 else found.numpy().swapaxes(0, 1)
    for k in range(1, n):
        layers[k] += layers[k - 1]
    return found


def _strides(ray: Tensor, window: Window, axis: int) -> tuple[Tensor, int]:
    """The first cell of each of some lines along an axis in an array [w, v, u], and how far apart its cells are."""
    stride, across = (1, window.sizes[0], window.sizes[0] * window.sizes[1]), (axis + 1) % 3
    second = torch.div(ray, window.sizes[across], rounding_mode="floor")
    return second * stride[(axis + 2) % 3] + (ray - second * window.sizes[across]) * stride[across], stride[axis]


def _surface(mine: dict[int, Crossings], window: Window, axes: tuple[int, ...]) -> Tensor:
    """Cells in which a line along one of the axes crosses the surface of an open component. bool [w, v, u]"""
    nu, nv, nw = window.sizes
    found = torch.zeros(nw * nv * nu, dtype=torch.bool, device=mine[2].t.device)
    for axis in axes:
        c = mine[axis]
        cell = c.t.floor().long()
        seen = where_true((cell >= 0) & (cell < window.sizes[axis]) & (c.part == 1))
        first, step = _strides(c.ray.index_select(0, seen), window, axis)
        found.index_fill_(0, first + cell.index_select(0, seen) * step, True)
    return found.view(nw, nv, nu)
