"""JOF's fields drawn, and what of their surfaces the losses look at: glue between the network and geometry.field_rendering."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.geometry.field_rendering import Field, FieldPicture, Search, pixel_lattice, project_points, render_field
from voxcli.geometry.field_surface import cell_centres
from voxcli.models.branched.preparation import IMAGE
from voxcli.models.jof.losses import main_variation
from voxcli.models.jof.network import JOF, Codes

if TYPE_CHECKING:
    from typing_extensions import Unpack


def fields_of(network: JOF, codes: Codes) -> tuple[Field, Field]:
    """(occupancy, albedo in 0..1) of B shapes as functions of points [B, N, 3]."""
    return lambda x: network.occupancy(codes, x), lambda x: (network.colours(codes, x) + 1) / 2


def usable(projection: Tensor) -> Tensor:
    """Which of the projections [B, 3, 4] a camera could have that sees the middle of the cube: bool [B].

    A camera that is still being learnt may flatten space, or stand the wrong way round: nothing can be drawn through it.
    """
    M = projection[..., :3].detach()
    volume = torch.linalg.det(M).abs() / M.norm(dim=-1).prod(-1).clamp_min(1e-20)
    return (volume > 0.02) & (projection[:, 2, 3].detach() > 0) & projection.detach().isfinite().flatten(1).all(1)


def draw(
    network: JOF, codes: Codes, projection: Tensor, light: Tensor, side: int, *, differentiable: bool = True, **search: Unpack[Search]
) -> FieldPicture:
    """The shapes on side x side pixels of the picture. projection [B, 3, 4] (all usable), light [B, 3, 9]."""
    pixels = pixel_lattice(IMAGE, side, projection.device)
    return render_field(*fields_of(network, codes), projection, light, pixels, differentiable=differentiable, **search)


def on_lattice(images: Tensor, side: int) -> Tensor:
    """Pictures [B, C, 128, 128] averaged over the squares of a lattice, row by row: [B, side * side, C]."""
    return F.adaptive_avg_pool2d(images, side).flatten(2).transpose(1, 2)


@torch.no_grad()
def boundary_points(network: JOF, codes: Codes, count: int, resolution: int = 32) -> tuple[Tensor, Tensor]:
    """q points [B, q, 3] on the surface where another branch wins beside them, drawn at random, and which shapes have any, bool [B].

    Looked for between neighbouring cells of a grid: both occupied, won by different branches, one of them with an empty neighbour.
    """
    size = len(codes.shape)
    where = codes.shape.device
    centres = cell_centres(torch.arange(resolution**3, device=where), resolution)
    branches = network.branches(codes, centres.expand(size, -1, -1))
    best, winner = (x.view(size, resolution, resolution, resolution) for x in branches.max(-1))
    solid = best > 0.5
    outer = solid & (F.max_pool3d((~solid).float()[:, None], 3, 1, 1)[:, 0] > 0)
    grid = centres.view(resolution, resolution, resolution, 3)
    found = torch.zeros(size, count, 3, device=where)
    there = torch.zeros(size, dtype=torch.bool, device=where)
    for b in range(size):
        between = []
        for axis in range(3):
            n = resolution - 1

            def pair(x: Tensor, axis: int = axis, n: int = n) -> tuple[Tensor, Tensor]:
                return x.narrow(axis, 0, n), x.narrow(axis, 1, n)

            (s, t), (v, w), (p, q), (x, y) = pair(solid[b]), pair(winner[b]), pair(outer[b]), pair(grid)
            between.append(((x + y) / 2)[s & t & (v != w) & (p | q)])
        points = torch.cat(between)
        if len(points):
            found[b] = points[torch.randint(len(points), (count,), device=where)]
            there[b] = True
    return found, there


def local_variations(maps: list[Tensor], projection: Tensor, points: Tensor) -> Tensor:
    """v of each picture (equation (7)): features of the first maps where boundary points [B, q, 3] are seen. [B, C]"""
    pixels, _ = project_points(projection, points)
    places = (pixels / IMAGE * 2 - 1)[:, None]  # [B, 1, q, 2]
    features = torch.cat([F.grid_sample(m, places, align_corners=False)[:, :, 0] for m in maps], 1)  # [B, C, q]
    return torch.stack([main_variation(f.T) for f in features])
