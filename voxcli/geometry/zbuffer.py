"""Depth, face and corner weights at every pixel: the nearest triangle by one scatter-minimum over packed keys."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from voxcli.backend import where_true
from voxcli.geometry.raster import clip, covered, placed_on, triangles_of
from voxcli.geometry.tiny import others_than_tiny, tiny_hits
from voxcli.geometry.triangles import Boxes, Placed, SampleLattice, Triangles, gathered, transposed

_NONE = (1 << 63) - 1  # the key of nothing: beyond all depths, and its lower half is -1
_MANY = 1 << 16  # with fewer samples in their boxes, triangles are drawn faster than asked whether something hides them
_LEVEL_OF = (0, 0, 1, 2, 2, 3, 3, 3, 3)  # of windows of 1, 2, 4, 8 pixels a side, the smallest one that holds so many
_ROUNDING = 2.0**-20
NEAREST = 1e-3  # triangles are cut at this z: nothing behind or on the camera's plane is ever projected


class ZBuffer(NamedTuple):
    """depth [H, W] float64 (inf = nothing), face [H, W] int64 (-1 = nothing), weights [H, W, 3] of the face's corners."""

    depth: Tensor
    face: Tensor
    weights: Tensor


class Seen(NamedTuple):
    """N pixels that see a face: pixel [N] = row * width + column, depth [N] float64, face [N] int64, weights [3, N] of its corners."""

    pixel: Tensor
    depth: Tensor
    face: Tensor
    weights: Tensor


class SeenPlanes(NamedTuple):
    """N pixels that see one of U faces.

    pixel [N] = row * width + column, depth [N] float64, normal [3, N] float64 (of unit length and towards the camera; 0 for a face without
    area), face [U] int64, and which of them each pixel sees: place [N] int64, or None where U is N and each sees its own.
    """

    pixel: Tensor
    depth: Tensor
    normal: Tensor
    face: Tensor
    place: Tensor | None


class Nearest(NamedTuple):
    """depth [H, W] float64, rounded to float32 (inf = nothing), face [H, W] int64 (-1 = nothing)."""

    depth: Tensor
    face: Tensor


def zbuffer(vertices: Tensor, faces: Tensor, K: Tensor, width: int, height: int) -> ZBuffer:
    """The nearest surface along the ray of every pixel centre.

    vertices [V, 3] float64 in the camera frame (x right, y down, z forward), faces [F, 3], K [3, 3] in pixels of the
    width x height image. depth is z-depth; weights are perspective-correct: the point is sum_k weights[k] * corner k. Triangles
    across the camera's plane are cut at z = 0.001 in the units of the vertices, and their weights still refer to the whole triangle.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> vertices = torch.tensor([[-9.0, -9, 4], [9, -9, 4], [0, 9, 4]], dtype=torch.float64)
    >>> faces = torch.tensor([[0, 1, 2]])
    >>> seen = zbuffer(vertices, faces, K, 2, 2)
    >>> seen.depth.round(decimals=9).tolist(), seen.face.tolist()
    ([[4.0, 4.0], [4.0, 4.0]], [[0, 0], [0, 0]])
    """
    found = seen_faces(vertices, faces, K, width, height)
    depth = torch.full((height * width,), torch.inf, dtype=torch.float64, device=vertices.device)
    depth.index_copy_(0, found.pixel, found.depth)
    face = torch.full_like(depth, -1, dtype=torch.int64).index_copy_(0, found.pixel, found.face)
    weights = depth.new_zeros(3, height * width).index_copy_(1, found.pixel, found.weights)
    return ZBuffer(depth.view(height, width), face.view(height, width), weights.view(3, height, width).permute(1, 2, 0))


def seen_faces(vertices: Tensor, faces: Tensor, K: Tensor, width: int, height: int) -> Seen:
    """The same for the pixels that see a face alone, in their order.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> vertices = torch.tensor([[-9.0, -9, 4], [9, -9, 4], [-9, 9, 4]], dtype=torch.float64)
    >>> seen_faces(vertices, torch.tensor([[0, 1, 2]]), K, 2, 2).pixel.tolist()
    [0, 1, 2]
    """
    vertices = vertices.double()
    found = first_faces(vertices, faces, K, width, height).face.view(-1)
    pixel = where_true(found >= 0)
    face = found.index_select(0, pixel)
    weights = _plane_weights(vertices, faces, face, pixel, K, width)
    # The key of the nearest face holds its depth in float32 alone.
    z = vertices[:, 2].index_select(0, faces.index_select(0, face).t().reshape(-1)).view(3, -1)
    return Seen(pixel, weights[0] * z[0] + weights[1] * z[1] + weights[2] * z[2], face, weights)


def seen_planes(vertices: Tensor, faces: Tensor, K: Tensor, width: int, height: int) -> SeenPlanes:
    """The same where no weights are needed, and faster: each pixel's ray meets the plane of its face.

    A pixel within the snapping distance of an edge may meet it beside the face: its depth is kept between those of the corners.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> vertices = torch.tensor([[-9.0, -9, 4], [9, -9, 4], [-9, 9, 4]], dtype=torch.float64)
    >>> seen = seen_planes(vertices, torch.tensor([[0, 1, 2]]), K, 2, 2)
    >>> seen.pixel.tolist(), seen.depth.tolist(), seen.normal[2].tolist()
    ([0, 1, 2], [4.0, 4.0, 4.0], [-1.0, -1.0, -1.0])
    """
    vertices = vertices.double()
    found = _first(vertices, faces, K, width, height)[1]
    pixel = where_true(found >= 0)
    found = found.index_select(0, pixel)
    face, place = _told_apart(found, len(faces))
    a, b, c = (gathered(vertices.t(), corner) for corner in transposed(faces.index_select(0, face)).unbind())
    z = a[2], b[2], c[2]
    low, high = torch.minimum(torch.minimum(*z[:2]), z[2]).clamp_min_(NEAREST), torch.maximum(torch.maximum(*z[:2]), z[2])
    across = torch.linalg.cross(b.sub_(a), c.sub_(a), dim=0)
    side = torch.where(_dot(across, a) > 0, -1.0, 1.0)
    across.mul_(side / _dot(across, across).sqrt_().clamp_min_(1e-300))
    normal, offset = across, _dot(across, a)
    if place is not None:
        normal, (offset, low, high) = gathered(across, place), (v.index_select(0, place) for v in (offset, low, high))
    row = torch.div(pixel, width, rounding_mode="floor")
    x, y = (
        ((torch.arange(n, dtype=torch.float64, device=K.device) + 0.5 - K[k, 2]) / K[k, k]).index_select(0, v)
        for k, n, v in ((0, width, pixel - row * width), (1, height, row))
    )
    along = x.mul_(normal[0]).add_(y.mul_(normal[1])).add_(normal[2])  # 0 for a face that is seen from its edge
    depth = offset.div_(along.masked_fill_(along == 0, torch.inf))
    return SeenPlanes(pixel, torch.minimum(torch.maximum(depth, low), high), normal, face, place)


def _told_apart(found: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
    """Which [U] of so many faces are found [N], and where each is among these [N]; as they come, and None, where most are found once."""
    if len(found) < count // 2:
        return found, None
    face = where_true(torch.zeros(count, dtype=torch.bool, device=found.device).index_fill_(0, found, True))
    places = torch.empty(count, dtype=torch.int64, device=found.device).index_copy_(0, face, torch.arange(len(face), device=found.device))
    return face, places.index_select(0, found)


def first_faces(vertices: Tensor, faces: Tensor, K: Tensor, width: int, height: int) -> Nearest:
    """The same without weights, and faster: z-depth rounded to float32, and the nearest face, at every pixel centre.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> vertices = torch.tensor([[-9.0, -9, 4], [9, -9, 4], [0, 9, 4]], dtype=torch.float64)
    >>> faces = torch.tensor([[0, 1, 2]])
    >>> first_faces(vertices, faces, K, 2, 2).depth.tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    best, face = _first(vertices.double(), faces, K, width, height)
    depth = (-1 / _depth(best)).masked_fill_(face < 0, torch.inf)
    return Nearest(depth.view(height, width), face.view(height, width))


def _first(vertices: Tensor, faces: Tensor, K: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Keys of the nearest, by depths -1/z, and their faces, -1 for nothing, at every pixel centre [H * W]."""
    vertices = vertices.detach()  # keys have no gradients
    points, cut_faces, source = vertices, faces, None
    seen = _on_image(points, K)
    if not _all_within(seen, width, height):
        source = _maybe_seen(vertices, faces, K, width, height)
        cut_faces = faces.index_select(0, source)
        if bool((vertices[:, 2] < NEAREST).any()):
            points, cut_faces, part = clip(vertices, cut_faces, 2, NEAREST, True)
            source = source.index_select(0, part)
            seen = _on_image(points, K)
    best = _nearest_keys(seen.t(), cut_faces, width, height)
    if source is None:
        return best, _face(best)
    return best, torch.cat([source.new_full((1,), -1), source]).index_select(0, _face(best) + 1)


def _on_image(points: Tensor, K: Tensor) -> Tensor:
    """Points [V, 3] as (pixel x, pixel y, -1/z) [3, V]: a plane stays a plane, so that 1/z is linear on the image."""
    z = points[:, 2].clamp_min(NEAREST)  # vertices left unused by the cut
    seen = points.new_empty(3, len(points))
    for k in range(2):
        torch.mul(points[:, k], K[k, k], out=seen[k]).div_(z).add_(K[k, 2])
    torch.reciprocal(z, out=seen[2]).neg_()
    return seen


def _all_within(seen: Tensor, width: int, height: int) -> bool:
    """Whether points on the image lie on it, or less than a pixel beside it, and in front of the camera. False for NaN."""
    if not seen.shape[1]:
        return False
    (left, right), (top, bottom), (near, _) = ([float(end) for end in row.aminmax()] for row in seen.unbind())
    return left > -1 and right < width + 1 and top > -1 and bottom < height + 1 and near > -1 / NEAREST


def _maybe_seen(vertices: Tensor, faces: Tensor, K: Tensor, width: int, height: int) -> Tensor:
    """Faces that do not lie wholly behind the camera or beyond one side of the image, by a pixel or more. Indices [F'], ascending."""
    x, y, z = vertices.unbind(1)
    u, v = K[0, 0] * x + K[0, 2] * z, K[1, 1] * y + K[1, 2] * z  # pixel coordinates times z: half spaces for any z
    outside = (z < NEAREST).to(torch.uint8)
    for bit, beyond in enumerate((u < -z, u > (width + 1) * z, v < -z, v > (height + 1) * z)):
        outside |= beyond.to(torch.uint8) << (bit + 1)
    a, b, c = outside.index_select(0, faces.t().reshape(-1)).view(3, len(faces))
    return where_true(a & b & c == 0)


def nearest(points: Tensor, faces: Tensor, width: int, height: int) -> Nearest:
    """The face with the smallest third coordinate at every pixel centre under parallel projection.

    points [V, 3] = (pixel x, pixel y, depth) float64, faces [F, 3]. Equal depths (in float32) go to the earlier face.

    >>> points = torch.tensor([[0.0, 0, 5], [4, 0, 5], [0, 4, 5], [0, 0, 3], [1.8, 0, 3], [0, 1.8, 3]], dtype=torch.float64)
    >>> nearest(points, torch.tensor([[0, 1, 2], [3, 4, 5]]), 2, 1).face.tolist()
    [[1, 0]]
    """
    best = _nearest_keys(points, faces, width, height)
    face = _face(best)
    return Nearest(_depth(best).masked_fill_(face < 0, torch.inf).view(height, width), face.view(height, width))


def _nearest_keys(points: Tensor, faces: Tensor, width: int, height: int) -> Tensor:
    """Of the nearest at each pixel centre [H * W] int64: its depth's order in the upper half, its face in the lower; _NONE for nothing."""
    with torch.inference_mode():  # a call of torch costs less where it keeps no books for gradients
        best = torch.full((height * width,), _NONE, dtype=torch.int64, device=points.device)
        found = placed_on(points, faces, width, height)
        return best if found is None else _drawn(*found, best, width, height)


def _drawn(placed: Placed, lattice: SampleLattice, best: Tensor, width: int, height: int) -> Tensor:
    """The keys with those of faces, hidden ones left out where that pays."""
    boxes = placed.boxes(where_true(placed.holds)) if int(placed.holds.sum()) < _MANY else None  # each holds a sample at least
    if boxes is not None and int((boxes.columns * boxes.rows).sum()) < _MANY:
        left = _draw_most(triangles_of(placed, boxes, lattice), lattice, best)
        return best if left is None else _draw(left, lattice, best)
    away = placed.counter_clockwise().logical_and_(placed.holds)  # of a closed surface these are behind the others, as y runs down
    masks = away ^ placed.holds, away
    if boxes is None:
        near, far = (placed.boxes(where_true(mask)) for mask in masks)
    else:
        near, far = (boxes.take(where_true(mask.index_select(0, boxes.face))) for mask in masks)
    left = _draw_most(triangles_of(placed, near, lattice), lattice, best)
    shown = where_true(~_hidden(placed, far, best.view(height, width)))
    others = triangles_of(placed, far.take(shown), lattice)
    return _draw(others if left is None else left.joined(others), lattice, best)


def _draw_most(triangles: Triangles, lattice: SampleLattice, best: Tensor) -> Triangles | None:
    """Draw all triangles but the wide ones among many tiny ones: drawing these few takes long, so they are best drawn with others."""
    others = others_than_tiny(triangles, lattice)
    if others is None:
        _draw(triangles, lattice, best)
        return None
    for hits in tiny_hits(triangles, lattice):
        _take_in(hits.sample, hits.height, hits.face, best)
    return triangles.take(others)


def _draw(triangles: Triangles, lattice: SampleLattice, best: Tensor) -> Tensor:
    """Take the keys of triangles into those of the nearest so far, in place."""
    for found in covered(triangles, lattice):
        _take_in(found.sample, found.height, found.face.index_select(0, found.span), best)
    return best


def _take_in(sample: Tensor, height: Tensor, face: Tensor, best: Tensor) -> None:
    """Take the keys of samples that triangles cover into those of the nearest so far, in place."""
    key = (_ordered(height.float()).long() << 32).bitwise_or_(face)
    best.scatter_reduce_(0, sample, key, "amin")


def _hidden(placed: Placed, boxes: Boxes, best: Tensor) -> Tensor:
    """Which of some faces [N] have something nearer before all their samples already. [N] bool; false for wide ones, which are few."""
    z = placed.points[:, 2].float().index_select(0, boxes.corners.view(-1)).view(3, -1)
    low, high = z.amin(0), z.amax(0)
    # Heights inside a triangle are those of its corners at least, but for rounding.
    order = _ordered(low - (high - low) * _ROUNDING).sub_(4)
    windows = _deepest(best)
    size = torch.maximum(boxes.columns, boxes.rows)
    level = (
        torch.tensor(_LEVEL_OF, dtype=size.dtype, device=best.device)
        .index_select(0, size.clamp_max(len(_LEVEL_OF) - 1))
        .clamp_max_(len(windows) - 1)
    )
    side = torch.bitwise_left_shift(1, level)
    j, i = (torch.minimum(v, n - side) for v, n in zip((boxes.j0, boxes.i0), best.shape, strict=True))
    there = windows.view(-1).index_select(0, level.mul_(best.shape[0]).add_(j).mul_(best.shape[1]).add_(i))
    return (there < order).logical_and_(size <= side)


def _deepest(best: Tensor) -> Tensor:
    """The last of the depths' orders in windows of 1, 2, 4, 8 pixels a side, those that fit, which begin at each pixel. [L, H, W] int32"""
    levels = min(max(_LEVEL_OF), min(best.shape).bit_length() - 1) + 1
    windows = torch.empty((levels, *best.shape), dtype=torch.int32, device=best.device)
    whole = windows[0].copy_(best >> 32)
    for level in range(1, levels):
        half = 1 << level - 1
        down = torch.maximum(whole[:-half], whole[half:])
        whole = windows[level, : len(down), : whole.shape[1] - half]
        torch.maximum(down[:, :-half], down[:, half:], out=whole)
    return windows


def _dot(u: Tensor, v: Tensor) -> Tensor:
    """Dot products [N] of vectors [3, N]."""
    return (u[0] * v[0]).add_(u[1] * v[1]).add_(u[2] * v[2])


def _ordered(values: Tensor) -> Tensor:
    """float32 as int32 in the same order, minus infinity first."""
    bits = values.view(torch.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _depth(keys: Tensor) -> Tensor:
    """The depths of keys, as float64; those of _NONE mean nothing."""
    order = (keys >> 32).int()
    return (order ^ ((order >> 31) & 0x7FFFFFFF)).view(torch.float32).double()


def _face(keys: Tensor) -> Tensor:
    """The faces of keys; -1 for _NONE."""
    return (keys << 32) >> 32


def _plane_weights(vertices: Tensor, faces: Tensor, face: Tensor, pixel: Tensor, K: Tensor, width: int) -> Tensor:
    """Corner weights where the rays of pixels [N] meet the planes of their faces [N], in the camera frame. [3, N]"""
    used = torch.zeros(len(faces), dtype=torch.bool, device=face.device)
    used[face] = True
    place = used.cumsum(0).sub_(1)
    a, b, c = vertices[faces[used]].unbind(1)
    # Along the ray (x, y, 1) the weights are proportional to its triple products with the opposite edge's corners.
    normals = torch.stack([torch.linalg.cross(p, q) for p, q in ((b, c), (c, a), (a, b))]).permute(2, 0, 1).reshape(9, -1)
    n = normals.index_select(1, place.index_select(0, face)).view(3, 3, -1)  # [component, corner, N]
    row = torch.div(pixel, width, rounding_mode="floor")
    x, y = (((v.double() + 0.5 - K[k, 2]) / K[k, k]) for k, v in enumerate((pixel - row * width, row)))
    w = n[0].mul_(x).add_(n[1].mul_(y)).add_(n[2])
    total = w[0] + w[1] + w[2]
    edge_on = total == 0
    w = w.div_(total.masked_fill_(edge_on, 1)).masked_fill_(edge_on, 1 / 3)
    # A pixel within the snapping distance of an edge may see weights a hair below 0.
    w = w.clamp_min_(0)
    return w.div_((w[0] + w[1] + w[2]).clamp_min_(1e-300))
