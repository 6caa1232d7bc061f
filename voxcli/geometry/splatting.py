"""Points drawn as balls or as discs: which of them each pixel's ray meets first, exactly, and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from voxcli.backend import where_true
from voxcli.geometry.zbuffer import NEAREST
from voxcli.shapes import check_shape

_CANDIDATES_AT_ONCE = 1 << 20
_TO_PIXEL_CORNER = 0.7072  # half a pixel's diagonal: a disc this large, facing the camera, meets some pixel's centre ray


class Splats(NamedTuple):
    """depth [H, W] float64 (inf = nothing), point [H, W] int64 (-1 = nothing), normals [3, H, W] facing the camera (0 = nothing)."""

    depth: Tensor
    point: Tensor
    normals: Tensor


class _Shapes(NamedTuple):
    """Balls and plates: centre [N, 3], radius [N], normal [N, 3], flat [N] bool, outline [N, 2, 3] of the plates."""

    centre: Tensor
    radius: Tensor
    normal: Tensor
    flat: Tensor
    outline: Tensor


def splat(
    points: Tensor, radius: Tensor, K: Tensor, width: int, height: int, normals: Tensor | None = None, outline: Tensor | None = None
) -> Splats:
    """The nearest splat along the ray of every pixel centre.

    Without normals each point is a ball; with them a disc at right angles to its normal, seen from either side. Points nearer than
    z = 0.001, or whose ball holds the camera, are left out.

    Args:
        points: [N, 3] in the camera frame (x right, y down, z forward).
        radius: [N], in the units of the points; widened where it would fall between the rays of the pixels.
        K: [3, 3] in pixels of the width x height image.
        normals: [N, 3], unit, in the camera frame; points with the normal 0 or NaN are balls.
        outline: [N, 2, 3]: a plate is the ellipse of its points with |outline (x - point)| <= 1, inside of the disc of the radius.

    >>> K = torch.tensor([[9.0, 0, 0.5], [0, 9, 0.5], [0, 0, 1]], dtype=torch.float64)
    >>> ball = splat(torch.tensor([[0.0, 0, 4]], dtype=torch.float64), torch.ones(1, dtype=torch.float64), K, 1, 1)
    >>> ball.depth.item(), ball.normals.abs().ravel().tolist()                        # 4 to the centre, less the radius
    (3.0, [0.0, 0.0, 1.0])
    """
    sizes = check_shape(points, "N 3", "points")
    check_shape(radius, "N", "radius", sizes)
    points, K = points.double(), K.double()
    flat = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    facing = torch.zeros_like(points)
    if normals is not None:
        length = normals.double().norm(dim=1)
        flat = (length > 0.5) & length.isfinite()
        facing = torch.where(flat[:, None], normals.double() / torch.where(flat, length, 1)[:, None], 0)
    z = points[:, 2]
    radius = torch.maximum(radius.double(), _TO_PIXEL_CORNER * z / torch.minimum(K[0, 0], K[1, 1]))
    outline = points.new_zeros(len(points), 2, 3) if outline is None else outline.double()
    shapes = _Shapes(points, radius, facing, flat, outline)
    usable = points.isfinite().all(1) & radius.isfinite() & (z - radius > NEAREST)
    kept = where_true(usable)
    best = torch.full((height * width,), torch.iinfo(torch.int64).max, dtype=torch.int64, device=points.device)
    box = _boxes(points[kept], radius[kept], K, width, height)
    for which, sample in _candidates(kept, box, width):
        depth = _meet(_rays(sample, K, width), shapes, which)
        hit = where_true(depth.isfinite())
        bits = depth[hit].float().view(torch.int32).long()  # positive floats order like their bits
        best.scatter_reduce_(0, sample[hit], (bits << 32) | which[hit], "amin")
    return _resolve(best, shapes, K, width, height)


def _boxes(points: Tensor, radius: Tensor, K: Tensor, width: int, height: int) -> Tensor:
    """First and last + 1 column, first and last + 1 row of the pixels whose rays may meet each ball. [N, 4] int64"""
    ends = []
    for axis, size in ((0, width), (1, height)):
        near, far = points[:, 2] - radius, points[:, 2] + radius
        low, high = points[:, axis] - radius, points[:, axis] + radius
        first = torch.minimum(low / near, low / far) * K[axis, axis] + K[axis, 2]
        last = torch.maximum(high / near, high / far) * K[axis, axis] + K[axis, 2]
        ends += [(first - 0.5).ceil().clamp(0, size), (last + 0.5).floor().clamp(0, size)]
    return torch.stack(ends, 1).long()


def _candidates(kept: Tensor, box: Tensor, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """(point [K], sample [K] = row * width + column), a bounded number at a time; a splat is never parted."""
    columns, rows = (box[:, 1] - box[:, 0]).clamp_min(0), (box[:, 3] - box[:, 2]).clamp_min(0)
    some = where_true(columns * rows > 0)
    kept, box, columns, rows = kept[some], box[some], columns[some], rows[some]
    end = (columns * rows).cumsum(0)
    first = 0
    while first < len(end):
        base = int(end[first - 1]) if first else 0
        last = max(first + 1, int(torch.searchsorted(end, base + _CANDIDATES_AT_ONCE, right=True)))
        count = (columns * rows)[first:last]
        which = torch.repeat_interleave(torch.arange(first, last, device=end.device), count)
        local = torch.arange(len(which), device=end.device) + base - (end - columns * rows)[which]
        row = torch.div(local, columns[which], rounding_mode="floor")
        column = local - row * columns[which]
        yield kept[which], (row + box[which, 2]) * width + column + box[which, 0]
        first = last


def _rays(sample: Tensor, K: Tensor, width: int) -> Tensor:
    """Rays (x, y, 1) of samples. [K, 3]"""
    row = torch.div(sample, width, rounding_mode="floor")
    column = (sample - row * width).to(K.dtype)
    y = (row.to(K.dtype) + 0.5 - K[1, 2]) / K[1, 1]
    x = (column + 0.5 - K[0, 2] - K[0, 1] * y) / K[0, 0]
    return torch.stack([x, y, torch.ones_like(x)], 1)


def _meet(ray: Tensor, shapes: _Shapes, which: Tensor) -> Tensor:
    """z where each ray [K, 3] first meets the shape `which` [K] names, inf where it does not. [K]"""
    centre, radius, normal, flat, outline = (x[which] for x in shapes)
    length = (ray * ray).sum(1)
    along = (ray * centre).sum(1)
    under = along * along - length * ((centre * centre).sum(1) - radius * radius)
    ball = torch.where(under >= 0, (along - under.clamp_min(0).sqrt()) / length, torch.inf)
    slope = (normal * ray).sum(1)
    seen = slope.abs() > 1e-6
    plane = (normal * centre).sum(1) / torch.where(seen, slope, 1)
    away = ray * plane[:, None] - centre
    within = ((away * away).sum(1) <= radius * radius) & ((outline @ away[:, :, None]).square().sum((1, 2)) <= 1)
    depth = torch.where(flat, torch.where(seen & within, plane, torch.inf), ball)
    return torch.where(depth > NEAREST, depth, torch.inf)


def _resolve(best: Tensor, shapes: _Shapes, K: Tensor, width: int, height: int) -> Splats:
    """Depth and normal of the winners, in full precision."""
    empty = best == torch.iinfo(torch.int64).max
    point = torch.where(empty, -1, best & 0xFFFFFFFF)
    depth = torch.full((height * width,), torch.inf, dtype=torch.float64, device=best.device)
    normal = torch.zeros((height * width, 3), dtype=torch.float64, device=best.device)
    sample = where_true(~empty)
    won = point[sample]
    ray = _rays(sample, K, width)
    depth[sample] = _meet(ray, shapes, won)
    outwards = (ray * depth[sample, None] - shapes.centre[won]) / shapes.radius[won, None]
    outwards = torch.where(shapes.flat[won, None], shapes.normal[won], outwards)
    behind = (outwards * ray).sum(1, keepdim=True) > 0
    normal[sample] = torch.where(behind, -outwards, outwards)
    return Splats(depth.view(height, width), point.view(height, width), normal.T.reshape(3, height, width))
