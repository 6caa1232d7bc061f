"""Depth, face and corner weights at every pixel: the nearest triangle by one scatter-minimum over packed keys."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from voxcli.geometry.raster import clip, coverage

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
    pixel = (found >= 0).nonzero().ravel()
    face = found.index_select(0, pixel)
    weights = _plane_weights(vertices, faces, face, pixel, K, width)
    # The key of the nearest face holds its depth in float32 alone.
    z = vertices[:, 2].index_select(0, faces.index_select(0, face).t().reshape(-1)).view(3, -1)
    return Seen(pixel, weights[0] * z[0] + weights[1] * z[1] + weights[2] * z[2], face, weights)


def first_faces(vertices: Tensor, faces: Tensor, K: Tensor, width: int, height: int) -> Nearest:
    """The same without weights, and faster: z-depth rounded to float32, and the nearest face, at every pixel centre.

    >>> K = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]], dtype=torch.float64)
    >>> vertices = torch.tensor([[-9.0, -9, 4], [9, -9, 4], [0, 9, 4]], dtype=torch.float64)
    >>> faces = torch.tensor([[0, 1, 2]])
    >>> first_faces(vertices, faces, K, 2, 2).depth.tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    vertices = vertices.double()
    source = _maybe_seen(vertices, faces, K, width, height)
    points, cut_faces = vertices, faces.index_select(0, source)
    if bool((vertices[:, 2] < NEAREST).any()):
        points, cut_faces, part = clip(vertices, cut_faces, 2, NEAREST, True)
        source = source.index_select(0, part)
    if not len(source):
        depth = vertices.new_full((height, width), torch.inf)
        return Nearest(depth, torch.full_like(depth, -1, dtype=torch.int64))
    z = points[:, 2].clamp_min(NEAREST)  # vertices left unused by the cut
    x = K[0, 0] * points[:, 0] / z + K[0, 2]
    y = K[1, 1] * points[:, 1] / z + K[1, 2]
    # A plane stays a plane under (x/z, y/z, 1/z): interpolate 1/z linearly on the image.
    found = nearest(torch.stack([x, y, -1 / z]).t(), cut_faces, width, height)
    nothing = found.face < 0
    face = source.index_select(0, found.face.clamp_min(0).view(-1)).view(height, width)
    return Nearest((-1 / found.depth).masked_fill_(nothing, torch.inf), face.masked_fill_(nothing, -1))


def _maybe_seen(vertices: Tensor, faces: Tensor, K: Tensor, width: int, height: int) -> Tensor:
    """Faces that do not lie wholly behind the camera or beyond one side of the image, by a pixel or more. Indices [F'], ascending."""
    x, y, z = vertices.unbind(1)
    u, v = K[0, 0] * x + K[0, 2] * z, K[1, 1] * y + K[1, 2] * z  # pixel coordinates times z: half spaces for any z
    outside = (z < NEAREST).to(torch.uint8)
    for bit, beyond in enumerate((u < -z, u > (width + 1) * z, v < -z, v > (height + 1) * z)):
        outside |= beyond.to(torch.uint8) << (bit + 1)
    a, b, c = outside.index_select(0, faces.t().reshape(-1)).view(3, len(faces))
    kept: Tensor = (a & b & c == 0).nonzero().ravel()
    return kept


def nearest(points: Tensor, faces: Tensor, width: int, height: int) -> Nearest:
    """The face with the smallest third coordinate at every pixel centre under parallel projection.

    points [V, 3] = (pixel x, pixel y, depth) float64, faces [F, 3]. Equal depths (in float32) go to the earlier face.

    >>> points = torch.tensor([[0.0, 0, 5], [4, 0, 5], [0, 4, 5], [0, 0, 3], [1.8, 0, 3], [0, 1.8, 3]], dtype=torch.float64)
    >>> nearest(points, torch.tensor([[0, 1, 2], [3, 4, 5]]), 2, 1).face.tolist()
    [[1, 0]]
    """
    none = torch.iinfo(torch.int64).max
    best = torch.full((height * width,), none, dtype=torch.int64, device=points.device)
    for found in coverage(points, faces, width, height):
        bits = found.height.float().view(torch.int32).long()
        ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # integers in the order of the floats
        best.scatter_reduce_(0, found.sample, (ordered << 32) | found.face.index_select(0, found.span), "amin")
    nothing = best == none
    face = torch.where(nothing, -1, best & 0xFFFFFFFF)
    ordered = (best >> 32).int()
    depth = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).view(torch.float32).double()
    return Nearest(torch.where(nothing, torch.inf, depth).view(height, width), face.view(height, width))


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
