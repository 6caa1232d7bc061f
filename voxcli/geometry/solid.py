"""Solid rasterisation: closed meshes and open shells to labelled fruxels or voxels.

Along the ray of every column of the grid all crossings with the surface are found with their depths; the cells between entry and exit
are filled. Filling is done on intervals, which are few, not on cells: crossings are sorted along their rays, made into disjoint
intervals, and only those touch the grid.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from voxcli.backend import stable_order, where_true
from voxcli.errors import unknown_name
from voxcli.geometry.closedness import CLOSED, OPEN, SUPERFLUOUS
from voxcli.geometry.crossings import Crossings, Part, crossings_along, join
from voxcli.geometry.lattice import FruxelLattice, Lattice, VoxelLattice
from voxcli.geometry.outside import is_cut, reached_cells
from voxcli.geometry.painting import Intervals, painted, painted_solid
from voxcli.geometry.shells import Shell, fill_shells
from voxcli.geometry.winding import wound_parts
from voxcli.scene import Frustum
from voxcli.shapes import FILLS

RULES = ("slab", "centre")
_TOUCH = 1e-6  # a solid that enters a slice by less than this share of it does not count as meeting it


class Filled(NamedTuple):
    """owner: int16, the grid's shape; 0 = empty, else 1 + index of the last part there. leaky: share of rays with unpaired crossings.

    voted: 1 + indices of the parts whose inside is a vote, as they are not closed.
    """

    owner: Tensor
    leaky: float
    voted: tuple[int, ...] = ()


def fruxelize_parts(parts: list[Part], frustum: Frustum, rule: str = "slab", fill: str = "auto") -> Filled:
    """Parts in the camera frame (x right, y down, z forward) to the fruxels that they fill. owner [D, H, W].

    rule: `slab` sets a fruxel where its pixel's ray meets the solid anywhere within the slice (SSZ section 3.1: a slice is the
    intersection of the object with a thin box); `centre` where the fruxel's centre lies inside.
    fill: `winding` (non-zero rule), `parity`, `surface`, `outside` (all that the outside does not reach, see outside.py), or `auto`
    (faces wound alike, then winding for closed components, else a vote of three axes).

    >>> from voxcli.geometry.surfaces import cell_faces
    >>> from voxcli.scene import VoxelGrid
    >>> cube = cell_faces(VoxelGrid(occupancy=torch.ones(1, 1, 1).numpy()))           # from 0 to 1
    >>> vertices, faces = torch.from_numpy(cube.vertices), torch.from_numpy(cube.faces)
    >>> part = vertices + torch.tensor([-0.5, -0.5, 1.5]), faces
    >>> fruxelize_parts([part], Frustum(1, 1, 4, 1.0, 3.0, 30.0)).owner.ravel().tolist()
    [0, 1, 1, 0]
    """
    return fill_parts(parts, FruxelLattice(frustum), rule, fill)


def voxelize_parts(
    parts: list[Part], shape: tuple[int, int, int], origin: tuple[float, float, float], voxel_size: tuple[float, float, float],
    rule: str = "centre", fill: str = "auto",
) -> Filled:  # fmt: skip
    """Parts in the grid's frame to the voxels that they fill. owner [X, Y, Z]; rules and fills as in fruxelize_parts.

    >>> from voxcli.geometry.surfaces import cell_faces
    >>> from voxcli.scene import VoxelGrid
    >>> cube = cell_faces(VoxelGrid(occupancy=torch.ones(1, 1, 1).numpy()))           # from 0 to 1
    >>> vertices, faces = torch.from_numpy(cube.vertices), torch.from_numpy(cube.faces)
    >>> filled = voxelize_parts([(vertices, faces)], (4, 4, 4), (-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    >>> int(filled.owner.sum()), filled.leaky                                         # 1 / 0.5^3 cells
    (8, 0.0)
    """
    return fill_parts(parts, VoxelLattice(shape, origin, voxel_size), rule, fill)


class SortedFaces(NamedTuple):
    """Faces of one part by how they are filled: closed [F1, 3], between crossings; shell [F2, 3], by vote, with is_open [F2] int64.

    A part that is not closed as a whole has all its faces in its shell, its closed components too; else the shell is empty.
    """

    closed: Tensor
    shell: Tensor
    is_open: Tensor


def fill_parts(parts: list[Part], lattice: Lattice, rule: str, fill: str) -> Filled:
    """Fill a lattice with parts; later parts overwrite earlier ones.

    >>> from voxcli.geometry.surfaces import cell_faces
    >>> from voxcli.scene import VoxelGrid
    >>> cube = cell_faces(VoxelGrid(occupancy=torch.ones(1, 1, 1).numpy()))           # from 0 to 1
    >>> vertices, faces = torch.from_numpy(cube.vertices), torch.from_numpy(cube.faces)
    >>> lattice = VoxelLattice((4, 4, 4), (-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    >>> moved = vertices + torch.tensor([0.5, 0, 0]), faces
    >>> fill_parts([(vertices, faces), moved], lattice, "centre", "winding").owner[:, 1, 1].tolist()
    [0, 1, 2, 2]
    """
    if fill not in FILLS:
        raise unknown_name("fill", fill, FILLS)
    if fill == "outside":
        return _fill_unreached(parts, lattice, rule)
    return fill_sorted(list(zip((v for v, _ in parts), _faces_sorted(parts, fill), strict=True)), lattice, rule, fill)


def fill_sorted(parts: list[tuple[Tensor, SortedFaces]], lattice: Lattice, rule: str, fill: str = "auto") -> Filled:
    """The same where it is known already which faces of a part are closed: (vertices [V, 3], sorted faces) of each.

    >>> from voxcli.geometry.surfaces import cell_faces
    >>> from voxcli.scene import VoxelGrid
    >>> cube = cell_faces(VoxelGrid(occupancy=torch.ones(1, 1, 1).numpy()))           # from 0 to 1
    >>> vertices, faces = torch.from_numpy(cube.vertices), torch.from_numpy(cube.faces)
    >>> lattice = VoxelLattice((4, 4, 4), (-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    >>> closed = SortedFaces(faces, faces[:0], faces[:0, 0])
    >>> int(fill_sorted([(vertices, closed)], lattice, "centre").owner.sum())
    8
    """
    if rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    near = [(i, v, f) for i, (v, f) in enumerate(parts) if not lattice.misses(v)]
    if not near:
        device = parts[0][0].device if parts else None
        return Filled(torch.zeros(lattice.shape, dtype=torch.int16, device=device), 0.0)
    with torch.inference_mode():  # a call of torch costs less where it keeps no books for gradients
        owner, leaky, voted = _filled(near, lattice, rule, fill, len(parts))
    return Filled(owner.to(torch.int16, copy=True), leaky, voted)


def _filled(
    near: list[tuple[int, Tensor, SortedFaces]], lattice: Lattice, rule: str, fill: str, parts: int
) -> tuple[Tensor, float, tuple[int, ...]]:
    """What Filled holds, of those of so many parts that touch the lattice: index, vertices and faces."""
    tags = [torch.full_like(f.closed[:, 0], i) for i, _, f in near]
    crossings = crossings_along(join([(v, f.closed) for _, v, f in near], lattice, tags), lattice, 2)
    runs, leaky_rays = _intervals(crossings, lattice, rule, "parity" if fill == "parity" else "winding")
    on_other_ray = (runs.part[1:] != runs.part[:-1]) | (runs.ray[1:] != runs.ray[:-1])
    rays_hit = min(len(runs.ray), 1) + int(on_other_ray.sum())
    owner = painted(runs, lattice, parts)
    shells = [Shell(i + 1, v, f.shell, f.is_open) for i, v, f in near if len(f.shell)]
    if shells:
        leaky_there, rays_there = fill_shells(shells, lattice, rule, owner, vote=fill == "auto")
        leaky_rays, rays_hit = leaky_rays + leaky_there, rays_hit + rays_there
    return owner, leaky_rays / max(rays_hit, 1), tuple(each.number for each in shells) if fill == "auto" else ()


def _fill_unreached(parts: list[Part], lattice: Lattice, rule: str) -> Filled:
    owner = torch.zeros(lattice.shape, dtype=torch.int16, device=parts[0][0].device if parts else None)
    for number, part in enumerate(parts, 1):
        reached = _reached(part, lattice, rule)
        if reached is not None:
            _by_lattice_axes(owner, lattice).masked_fill_(~reached, number)
    return Filled(owner, 0.0)


def _reached(part: Part, lattice: Lattice, rule: str) -> Tensor | None:
    """The cells [w, v, u] that the outside of a part reaches; None where all of the part lies beyond the lattice."""
    if not len(part[1]) or lattice.misses(part[0]):
        return None
    soup = join([part], lattice)
    solid = _by_lattice_axes(fill_parts([part], lattice, rule, "auto").owner > 0, lattice) if is_cut(soup, lattice) else None
    return reached_cells(soup, lattice, solid)


def share_behind_openings(parts: list[Part], lattice: Lattice, rule: str, filled: Filled) -> float:
    """The share of the filled cells that lie in parts which are not closed, and that the outside reaches through their openings.

    filled: of these parts and this lattice, by `auto`.

    >>> from voxcli.geometry.surfaces import cell_faces
    >>> from voxcli.scene import VoxelGrid
    >>> cube = cell_faces(VoxelGrid(occupancy=torch.ones(1, 1, 1).numpy()))           # a unit cube
    >>> vertices, faces = 2.8 * torch.from_numpy(cube.vertices) + 0.1, torch.from_numpy(cube.faces)
    >>> open_box = vertices, faces[(vertices[faces][..., 1] < 2.8).any(1)]            # without its top
    >>> lattice = VoxelLattice((3, 3, 3), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    >>> filled = fill_parts([open_box], lattice, "centre", "auto")
    >>> round(share_behind_openings([open_box], lattice, "centre", filled) * 27)      # of 27 cells
    2
    """
    owner, behind = _by_lattice_axes(filled.owner, lattice), 0
    for number in filled.voted:
        reached = _reached(parts[number - 1], lattice, rule)
        behind += 0 if reached is None else int((reached & (owner == number)).sum())
    return behind / max(int((owner > 0).sum()), 1)


def _by_lattice_axes(grid: Tensor, lattice: Lattice) -> Tensor:
    """An array of the lattice's shape, seen as [w, v, u]."""
    return grid.permute(0, 2, 1) if isinstance(lattice, VoxelLattice) else grid


def _faces_sorted(parts: list[Part], fill: str) -> list[SortedFaces]:
    """What is filled between crossings, and what is not closed, of each part."""
    if fill in ("winding", "parity"):
        return [SortedFaces(faces, faces[:0], faces[:0, 0]) for _, faces in parts]
    if fill == "surface":
        return [SortedFaces(faces[:0], faces, torch.ones_like(faces[:, 0])) for _, faces in parts]
    wound = wound_parts([(vertices.double().cpu().numpy(), faces.cpu().numpy()) for vertices, faces in parts])
    return [
        sorted_faces(torch.from_numpy(each.faces).to(faces.device), torch.from_numpy(each.kinds).to(faces.device))
        for each, (_, faces) in zip(wound, parts, strict=True)
    ]


def sorted_faces(faces: Tensor, kind: Tensor) -> SortedFaces:
    """Faces [F, 3] sorted by their kinds [F], see winding.wound_faces.

    >>> found = sorted_faces(torch.tensor([[0, 1, 2], [3, 4, 5]]), torch.tensor([CLOSED, OPEN]))
    >>> found.closed.tolist(), found.shell.tolist(), found.is_open.tolist()
    ([[0, 1, 2]], [[0, 1, 2], [3, 4, 5]], [0, 1])
    """
    closed = where_true(kind == CLOSED)
    if len(closed) == len(faces):
        return SortedFaces(faces, faces[:0], faces[:0, 0])
    kept = where_true(kind != SUPERFLUOUS)
    if len(kept) == len(closed):
        kept = kept[:0]
    is_open = (kind.index_select(0, kept) == OPEN).long()
    return SortedFaces(faces.index_select(0, closed), faces.index_select(0, kept), is_open)


def solid_mask(vertices: Tensor, faces: Tensor, lattice: Lattice, rule: str, fill: str = "winding") -> Tensor:
    """The cells that one closed mesh fills, as bool of the lattice's shape: the fast path for a single solid.

    >>> from voxcli.geometry.surfaces import cell_faces
    >>> from voxcli.scene import VoxelGrid
    >>> cube = cell_faces(VoxelGrid(occupancy=torch.ones(1, 1, 1).numpy()))           # from 0 to 1
    >>> vertices, faces = torch.from_numpy(cube.vertices), torch.from_numpy(cube.faces)
    >>> lattice = VoxelLattice((4, 4, 4), (-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    >>> int(solid_mask(vertices, faces, lattice, "centre").sum())
    8
    """
    with torch.inference_mode():
        crossings = crossings_along(join([(vertices, faces)], lattice), lattice, 2)
        intervals, _ = _intervals(crossings, lattice, rule, fill)
    return painted_solid(intervals, lattice)


def _rays(lattice: Lattice) -> int:
    return lattice.sizes[0] * lattice.sizes[1]


def _order_along_rays(group: Tensor, t: Tensor, cells: int) -> Tensor:
    """The order of crossings by group (one part on one ray), then t."""
    # One sort of integers: positions at 2^-18 of a cell.
    fixed = ((t.clamp(-2, cells + 2) + 2) * 2.0**18).long()
    return stable_order((group << ((cells + 4) << 18).bit_length()).bitwise_or_(fixed))


def _intervals(crossings: Crossings, lattice: Lattice, rule: str, fill: str) -> tuple[Intervals, int]:
    """Crossings to disjoint runs of filled cells, and the number of rays on which entries and exits do not pair up."""
    cells, rays = lattice.sizes[2], _rays(lattice)
    if not len(crossings.t):
        none = crossings.ray
        return Intervals(none, none, none, none), 0
    group = crossings.part * rays + crossings.ray
    order = _order_along_rays(group, crossings.t, cells)
    group = group.index_select(0, order)
    step = crossings.sign.index_select(0, order) if fill == "winding" else torch.ones_like(order)
    running = step.cumsum(0)
    if _in_pairs(group, running if fill == "winding" else running & 1):
        leaky, group, ends = 0, group[::2], [crossings.t.index_select(0, order[k::2]) for k in range(2)]
    else:
        start, stop, from_start = _ends(group, step, running, fill)
        leaky = len(from_start) if isinstance(lattice, VoxelLattice) else 0
        group, ends = group.index_select(0, stop), [crossings.t.index_select(0, order.index_select(0, v)) for v in (start, stop)]
        if len(from_start):
            merged = torch.cat([start * 2 + 1, from_start * 2]).argsort()
            ends[0] = torch.cat([ends[0], ends[0].new_full((len(from_start),), -torch.inf)]).index_select(0, merged)
    first, last = _cells_between(ends[0], ends[1], rule, cells)
    some = where_true(last >= first)
    group, first, last = (v.index_select(0, some) for v in (group, first, last))
    return _touching_joined(group, first, last, rays), leaky


def _in_pairs(group: Tensor, running: Tensor) -> bool:
    """Whether sorted crossings enter and leave in turn, as those of a plain solid do. running: sums of their signs."""
    even = len(group) % 2 == 0 and torch.equal(group[::2], group[1::2])
    return even and not bool(running[1::2].any()) and bool(running[::2].all())


def _ends(group: Tensor, step: Tensor, running: Tensor, fill: str) -> tuple[Tensor, Tensor, Tensor]:
    """Which of sorted crossings begin and end what is inside, and at which first ones of rays it has begun already."""
    first_of_group = torch.ones_like(group, dtype=torch.bool)
    torch.ne(group[1:], group[:-1], out=first_of_group[1:])
    begins = where_true(first_of_group)
    ends = torch.cat([begins[1:] - 1, begins.new_full((1,), len(group) - 1)])
    # The winding number behind a crossing is the sum of all signs beyond it: a ray's far end is always outside, its near end is
    # not where the camera stands inside a building.
    whole = running.index_select(0, ends)
    if bool(whole.any()):
        beyond = torch.repeat_interleave(whole, ends - begins + 1, output_size=len(group)).sub_(running)
    else:
        beyond = -running
    before = beyond + step
    if fill == "parity":
        beyond, before = beyond & 1, before & 1
    outside_before, outside_beyond = before == 0, beyond == 0
    start, stop = where_true(outside_before & ~outside_beyond), where_true(outside_beyond & ~outside_before)
    return start, stop, where_true(first_of_group & ~outside_before)


def _cells_between(start: Tensor, stop: Tensor, rule: str, cells: int) -> tuple[Tensor, Tensor]:
    """First and last cell that a solid between two positions of a ray fills; last < first where none."""
    if rule == "centre":
        first, last = (start - 0.5).ceil(), (stop - 0.5).ceil() - 1
    else:
        first = (start + _TOUCH).floor()
        last = torch.maximum((stop - _TOUCH).ceil() - 1, first)  # a thin sheet fills the slice that it lies in
        last = torch.where(stop < 0, -1, last)
    return first.clamp(0, cells).long(), last.clamp(-1, cells - 1).long()


def _touching_joined(group: Tensor, first: Tensor, last: Tensor, rays: int) -> Intervals:
    """Sorted runs -> the same cells with runs that overlap or touch made one. Ends never decrease along a ray."""
    if len(group) > 1:
        apart = torch.ones_like(group, dtype=torch.bool)
        torch.gt(first[1:], last[:-1] + 1, out=apart[:-1]).logical_or_(group[1:] != group[:-1])
        closes = where_true(apart)
        if len(closes) < len(group):
            opens = torch.cat([closes.new_zeros(1), closes[:-1] + 1])
            group, first, last = group.index_select(0, opens), first.index_select(0, opens), last.index_select(0, closes)
    part = torch.div(group, rays, rounding_mode="floor")
    return Intervals(part, group - part * rays, first, last)
