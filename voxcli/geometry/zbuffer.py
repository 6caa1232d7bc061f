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


def zbuffer(vertices: Tensor, faces: Tensor, K: Tensor, width: int, height: int) -> ZBuffer:
    """The nearest surface along the ray of every pixel centre.

    vertices [V, 3] float64 in the camera frame (x right, y down, z forward), faces [F, 3], K [3, 3] in pixels of the
    width x height image. depth is z-depth; weights are perspective-correct: the point is sum_k weights[k] * corner k. Triangles
    across the camera's plane are cut at z = 0.001 in the units of the vertices, and their weights still refer to the whole triangle.
    """
    if not len(faces):
        return _blank(width, height, vertices.device)
    vertices = vertices.double()
    behind = vertices[:, 2] < NEAREST
    cut = bool(behind.any())
    points, cut_faces, source = clip(vertices, faces, 2, NEAREST, True) if cut else (vertices, faces, None)
    z = points[:, 2].clamp_min(NEAREST)                                           # vertices left unused by the cut
    x = K[0, 0] * points[:, 0] / z + K[0, 2]
    y = K[1, 1] * points[:, 1] / z + K[1, 2]
    # A plane stays a plane under (x/z, y/z, 1/z): interpolate 1/z linearly on the image.
    _, face = _nearest(torch.stack([x, y, -1 / z], 1), cut_faces, width, height)
    if source is not None:
        face = torch.where(face < 0, face, torch.cat([source, source.new_zeros(1)])[face.clamp_min(0)])
    weights = _plane_weights(vertices, faces, face, K, width, height)
    exact = (weights * vertices[:, 2][faces[face.clamp_min(0)]]).sum(-1)          # the key holds depth in float32 alone
    return ZBuffer(torch.where(face < 0, torch.inf, exact), face, weights)


def zbuffer_lattice(points: Tensor, faces: Tensor, width: int, height: int) -> ZBuffer:
    """The same for parallel projection. points [V, 3] = (pixel x, pixel y, depth), the smallest depth wins."""
    if not len(faces):
        return _blank(width, height, points.device)
    points = points.double()
    depth, face = _nearest(points, faces, width, height)
    shown = face >= 0
    corners = points[faces[face.clamp_min(0)]]                                    # [H, W, 3, 3]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    weights = _barycentric(corners[..., :2], torch.stack([x, y], -1).to(points))
    return ZBuffer(torch.where(shown, depth, torch.inf), face, torch.where(shown[..., None], weights, 0.0))


def _blank(width: int, height: int, device: torch.device) -> ZBuffer:
    depth = torch.full((height, width), torch.inf, dtype=torch.float64, device=device)
    return ZBuffer(depth, torch.full((height, width), -1, device=device), depth.new_zeros(height, width, 3))


def _nearest(points: Tensor, faces: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Smallest third coordinate at every sample and its face. Equal depths (in float32) go to the earlier face."""
    none = torch.iinfo(torch.int64).max
    best = torch.full((height * width,), none, dtype=torch.int64, device=points.device)
    for found, moved, cut_faces, source in coverage(points, faces, width, height):
        depth = found.interpolate(moved[:, 2], cut_faces).float()
        bits = depth.view(torch.int32).long()
        ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)                  # integers in the order of the floats
        face = found.face if source is None else source[found.face]
        best.scatter_reduce_(0, found.sample, (ordered << 32) | face, "amin")
    nothing = best == none
    face = torch.where(nothing, -1, best & 0xFFFFFFFF)
    ordered = (best >> 32).int()
    depth = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).view(torch.float32).double()
    return torch.where(nothing, torch.inf, depth).view(height, width), face.view(height, width)


def _plane_weights(vertices: Tensor, faces: Tensor, face: Tensor, K: Tensor, width: int, height: int) -> Tensor:
    """Corner weights where each pixel's ray meets the plane of its face, in the camera frame. [H, W, 3]"""
    shown = face >= 0
    a, b, c = vertices[faces[face.clamp_min(0)]].unbind(-2)                       # [H, W, 3] each
    x = (torch.arange(width, dtype=torch.float64, device=vertices.device) + 0.5 - K[0, 2]) / K[0, 0]
    y = (torch.arange(height, dtype=torch.float64, device=vertices.device) + 0.5 - K[1, 2]) / K[1, 1]
    # Along the ray (x, y, 1) the weights are proportional to its triple products with the opposite edge's corners.
    normals = (torch.linalg.cross(p, q) for p, q in ((b, c), (c, a), (a, b)))
    w = torch.stack([x * n[..., 0] + y[:, None] * n[..., 1] + n[..., 2] for n in normals], -1)
    total = w.sum(-1, keepdim=True)
    w = torch.where(total != 0, w / torch.where(total != 0, total, 1), 1 / 3)
    # A pixel within the snapping distance of an edge may see weights a hair below 0.
    w = w.clamp_min(0)
    w = w / w.sum(-1, keepdim=True).clamp_min(1e-300)
    return torch.where(shown[..., None], w, 0.0)


def _barycentric(corners: Tensor, p: Tensor) -> Tensor:
    """corners [*, 3, 2], p [*, 2] -> weights [*, 3]; a third each for a degenerate triangle."""
    a, b, c = corners.unbind(-2)

    def twice_area(u: Tensor, v: Tensor, w: Tensor) -> Tensor:
        return (v[..., 0] - u[..., 0]) * (w[..., 1] - u[..., 1]) - (v[..., 1] - u[..., 1]) * (w[..., 0] - u[..., 0])

    area = twice_area(a, b, c)
    safe = torch.where(area == 0, 1.0, area)
    w1, w2 = twice_area(a, p, c) / safe, twice_area(a, b, p) / safe
    w = torch.stack([1 - w1 - w2, w1, w2], -1).clamp_min(0)
    w = w / w.sum(-1, keepdim=True).clamp_min(1e-300)
    return torch.where((area == 0)[..., None], 1 / 3, w)
