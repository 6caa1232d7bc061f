"""Between a picture and the cube that an object fills: back-projection of feature maps and of depth (UCLID-Net, section 3.1).

Object space is the cube [-1, 1]^3; grids are indexed [x, y, z]. A projection P [3, 4] takes homogeneous points of that space to
w (u, v, 1), where u and v span [-1, 1] over the picture (right and down) and w is the z-depth in units of object space. It fits a picture
of any resolution, so the same one serves for every feature map and for the depth map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.errors import DataError
from voxcli.shapes import check_shape

Compat = Literal["none", "official"]
"""`official`: what the published weights were trained with. Corners of a feature map, and of a depth map, are the centres of its outermost
pixels, and clouds of depth are mirrored front to back."""

NEIGHBOURS, REACH = 5, 2 / 28
"""A point of a depth map is kept where its fifth neighbour is no farther than one cell of the grid of 28."""


def unit_projection(K: Tensor, world_to_cam: Tensor, width: int, height: int) -> Tensor:
    """P [* 3 4] of cameras: K [* 3 3] in pixels of a width x height picture (it spans [0, W] x [0, H]), world_to_cam [* 4 4].

    The world is object space. Raises DataError for matrices that are not finite, singular or mirrored.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]])
    >>> world_to_cam = torch.eye(4)
    >>> world_to_cam[2, 3] = 4
    >>> P = unit_projection(K, world_to_cam, width=2, height=2)
    >>> P.tolist()                                                                   # u and v from -1 to 1
    [[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 4.0]]
    """
    check_shape(K, "* 3 3", "K")
    check_shape(world_to_cam, "* 4 4", "world_to_cam")
    unit = K.new_tensor([[2 / width, 0, -1], [0, 2 / height, -1], [0, 0, 1]])
    projection = unit @ K @ world_to_cam[..., :3, :]
    check_projection(projection)
    return projection


def check_projection(projection: Tensor) -> None:
    """Raise DataError for projections [* 3 4] that no pinhole camera has: not finite, singular, or mirrored.

    >>> check_projection(torch.eye(3, 4))
    >>> check_projection(-torch.eye(3, 4))
    Traceback (most recent call last):
    voxcli.errors.DataError: ...
    """
    check_shape(projection, "* 3 4", "projection")
    if not bool(torch.isfinite(projection).all()):
        raise DataError("The camera's matrix must be finite.", actual="NaN or infinite values")
    square = projection.detach()[..., :3].double()
    size = square.norm(dim=-1).prod(-1)  # of rows: the determinant's largest possible value
    turn = torch.linalg.det(square) / size.clamp_min(1e-300)
    if bool((turn.abs() < 1e-9).any()):
        raise DataError("The camera's matrix is singular: it sees a plane, or nothing.", hint="Look at its focal lengths and rotation.")
    if bool((turn < 0).any()):
        raise DataError(
            "The camera is mirrored, or its axes are left-handed.", expected="x right, y down, z forward", actual="a negative determinant",
            hint="See voxcli.geometry.cameras for other conventions.",
        )  # fmt: skip


def check_sight(projection: Tensor) -> None:
    """Raise DataError where no corner of the cube lies before the camera, or the whole cube lies beside the picture. [* 3 4]

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]])
    >>> world_to_cam = torch.eye(4)
    >>> world_to_cam[2, 3] = 4
    >>> P = unit_projection(K, world_to_cam, width=2, height=2)
    >>> check_sight(P)
    >>> P[2, 3] = -4
    >>> check_sight(P)
    Traceback (most recent call last):
    voxcli.errors.DataError: ...
    """
    u, v, w = _projected(projection.detach().reshape(-1, 3, 4), cube_points(2, projection).reshape(8, 3)).unbind(-1)
    if not bool((w > 0).any(-1).all()):
        raise DataError(
            "The object's cube lies behind the camera.", expected="z forward, the object around the origin",
            actual=f"depths {float(w.min()):.3g} to {float(w.max()):.3g}",
            hint="OpenGL's and Blender's cameras look along -z: see voxcli.geometry.cameras.",
        )  # fmt: skip
    beside = torch.stack([u / w, v / w], -1)
    outside = ((beside > 1).all(1) | (beside < -1).all(1)).any(-1) & (w > 0).all(-1)
    if bool(outside.any()):
        raise DataError("The object's cube lies outside the picture.", expected="an object around the origin, its longest side 2",
                        hint="A camera's world must be the object's own frame.")  # fmt: skip


def cube_points(size: int, like: Tensor) -> Tensor:
    """Where the cells of a grid [N, N, N, 3] sample: evenly from -1 to 1, ends included. Dtype and device of `like`.

    >>> cube_points(3, torch.zeros(()))[0, 1, 2].tolist()
    [-1.0, 0.0, 1.0]
    """
    line = torch.linspace(-1, 1, size, dtype=like.dtype, device=like.device)
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1)


def backproject(features: Tensor, projection: Tensor, size: int, compat: Compat = "none") -> Tensor:
    """Equation (1): each cell of a grid takes the feature that its point projects to, bilinearly.

    It is 0 outside the picture and behind the camera. features [* C H W], projection [* 3 4] -> [* C N N N]. Differentiable in both.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]])
    >>> world_to_cam = torch.eye(4)
    >>> world_to_cam[2, 3] = 4
    >>> P = unit_projection(K, world_to_cam, width=2, height=2)
    >>> features = torch.tensor([[[1.0, 1.0], [3.0, 3.0]]])
    >>> backproject(features, P, 3)[0, 1, 1, 1].item()                               # the middle of the picture
    2.0
    """
    channels, height, width = features.shape[-3:]
    check_shape(features, "* C H W", "features")
    check_shape(projection, "* 3 4", "projection")
    leading = features.shape[:-3]
    places = _projected(projection.reshape(-1, 3, 4).to(features.dtype), cube_points(size, features).reshape(-1, 3))  # [B, N^3, 3]
    before = places[..., 2:] > 0
    where = places[..., :2] / places[..., 2:].where(before, torch.ones_like(places[..., 2:]))
    where = where.where(before, torch.full_like(where, 3.0))  # far outside, which reads as 0
    taken = F.grid_sample(features.reshape(-1, channels, height, width), where[:, None], align_corners=compat == "official")
    return taken.reshape(*leading, channels, size, size, size)


def _projected(projection: Tensor, points: Tensor) -> Tensor:
    """w (u, v, 1) of points [M 3] by projections [B 3 4] -> [B M 3]."""
    return points @ projection[..., :3].mT + projection[:, None, :, 3]


# ------------------------------------------------------------------------------------------------ depth


def depth_cloud(depth: Tensor, projection: Tensor, compat: Compat = "none") -> tuple[Tensor, Tensor]:
    """The points [* H*W 3] that a z-depth [* H W] shows, in object space, and which of them there are [* H*W] bool.

    Depth is in units of object space, NaN (or not positive) where nothing is seen; the centre of pixel (i, j) is at ((j + 1/2), (i + 1/2)).
    compat `official` does as the published loader: the centres of the outermost pixels lie on the picture's border (pixel (i, j) at
    (linspace(-1, 1, W)[j], linspace(-1, 1, H)[i])), and the cloud is mirrored at the plane through the object's centre across the line of
    sight.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]])
    >>> world_to_cam = torch.eye(4)
    >>> world_to_cam[2, 3] = 4
    >>> P = unit_projection(K, world_to_cam, width=2, height=2)
    >>> points, there = depth_cloud(torch.tensor([[4.0, torch.nan], [torch.nan, torch.nan]]), P)
    >>> points[0].tolist(), there.tolist()
    ([-1.0, -1.0, 0.0], [True, False, False, False])
    """
    check_shape(depth, "* H W", "depth")
    check_projection(projection)
    height, width = depth.shape[-2:]
    there = torch.isfinite(depth) & (depth > 0)
    w = depth.where(there, torch.ones_like(depth)).unsqueeze(-1)  # [*, H, W, 1]
    u, v = (_pixel_places(count, depth, compat) for count in (width, height))
    rays = torch.stack([u.expand(height, width), v[:, None].expand(height, width), torch.ones_like(u).expand(height, width)], -1)
    projection = projection.to(depth.dtype)
    scaled = (rays * w).flatten(-3, -2) - projection[..., None, :, 3]  # [*, H*W, 3]
    points = torch.linalg.solve(projection[..., :3], scaled.mT).mT
    if compat == "official":
        axis = projection[..., 2:3, :3] / projection[..., 2:3, :3].norm(dim=-1, keepdim=True)  # [*, 1, 3]: the line of sight
        points = points - 2 * (points * axis).sum(-1, keepdim=True) * axis
    return points, there.flatten(-2)


def _pixel_places(count: int, like: Tensor, compat: Compat) -> Tensor:
    """Where the pixels along one side of a picture, which spans -1 to 1, lie."""
    if compat == "official":
        return torch.linspace(-1, 1, count, dtype=like.dtype, device=like.device)
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) * (2 / count) - 1


def clean_cloud(points: Tensor, there: Tensor, neighbours: int = NEIGHBOURS, reach: float = REACH) -> Tensor:
    """Which points to keep [* M] bool: those within the cube whose n-th nearest other point is not farther than `reach`.

    points [* M 3], there [* M] bool. Removes what smears between an object and its background in regressed depth maps.

    >>> points = torch.tensor([[0.0, 0, 0], [0.01, 0, 0], [0, 0.01, 0], [0.9, 0, 0]])
    >>> clean_cloud(points, torch.ones(4, dtype=torch.bool), neighbours=2, reach=0.1).tolist()
    [True, True, True, False]
    """
    from scipy.spatial import cKDTree

    kept = there & (points.abs() <= 1).all(-1)
    flat = kept.reshape(-1, kept.shape[-1]).cpu().numpy().copy()
    for row, cloud in zip(flat, points.detach().reshape(len(flat), -1, 3).cpu().numpy(), strict=True):
        inside = cloud[row]
        if len(inside) > neighbours:
            # One more than asked for: each point is its own nearest. A bound makes the search stop early; beyond it the tree says infinity.
            away = cKDTree(inside).query(inside, [neighbours + 1], distance_upper_bound=reach * (1 + 1e-6))[0][:, 0]
            row[row] = away <= reach
        else:
            row[:] = False
    return torch.from_numpy(flat).reshape(kept.shape).to(points.device)


def occupied_cells(points: Tensor, there: Tensor, size: int) -> Tensor:
    """Binary grid [* N N N], in the points' dtype: the cells of [-1, 1]^3 that hold a point. points [* M 3], there [* M] bool.

    A point on the cube's far faces belongs to the last cell; points outside count for none.

    >>> occupied_cells(torch.tensor([[-0.5, -0.5, 0.5]]), torch.ones(1, dtype=torch.bool), 2).nonzero().tolist()
    [[0, 0, 1]]
    """
    check_shape(points, "* M 3", "points")
    there = there & (points.abs() <= 1).all(-1)
    flat = points.reshape(-1, points.shape[-2], 3)
    cell = ((flat + 1) * (size / 2)).where(there.reshape(len(flat), -1, 1), torch.zeros_like(flat)).long().clamp_(0, size - 1)
    index = (cell[..., 0] * size + cell[..., 1]) * size + cell[..., 2]
    grid = torch.zeros(len(flat), size**3, dtype=points.dtype, device=points.device)
    grid.scatter_reduce_(1, index, there.reshape(len(flat), -1).to(points.dtype), "amax")
    return grid.reshape(*points.shape[:-2], size, size, size)


def depth_grids(depth: Tensor, projection: Tensor, sizes: Sequence[int], compat: Compat = "none") -> list[Tensor]:
    """The binary grids [* N N N] of a z-depth [* H W], one for each size, from its cleaned cloud. See depth_cloud and clean_cloud.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]])
    >>> world_to_cam = torch.eye(4)
    >>> world_to_cam[2, 3] = 4
    >>> P = unit_projection(K, world_to_cam, width=2, height=2)
    >>> grid, = depth_grids(torch.full((2, 2), torch.nan), P, [4])
    >>> grid.shape, int(grid.sum())
    (torch.Size([4, 4, 4]), 0)
    """
    points, there = depth_cloud(depth, projection, compat)
    there = clean_cloud(points, there)
    made = {size: occupied_cells(points, there, size) for size in set(sizes)}
    return [made[size] for size in sizes]
