"""Points on the surface of a mesh, drawn evenly by area."""

from __future__ import annotations

import torch
from torch import Tensor

from voxcli.errors import DataError, UsageError
from voxcli.shapes import check_shape


def triangle_areas(vertices: Tensor, faces: Tensor) -> Tensor:
    """Areas [F] of triangles; vertices [V 3], faces [F 3].

    >>> vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]])
    >>> faces = torch.tensor([[0, 1, 2]])
    >>> triangle_areas(vertices, faces).tolist()
    [6.0]
    """
    areas: Tensor = 0.5 * torch.linalg.cross(*_edges(vertices, faces)).norm(dim=-1)
    return areas


def triangle_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals [F 3], outward where faces are counter-clockwise seen from outside; 0 for triangles without area.

    >>> vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]])
    >>> faces = torch.tensor([[0, 1, 2]])
    >>> triangle_normals(vertices, faces).tolist()
    [[0.0, 0.0, 1.0]]
    """
    cross = torch.linalg.cross(*_edges(vertices, faces))
    length = cross.norm(dim=-1, keepdim=True)
    normals: Tensor = cross / length.where(length > 0, torch.ones_like(length))
    return normals


def sample_surface(vertices: Tensor, faces: Tensor, count: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """`count` points drawn evenly over the surface, with the normals of their faces.

    vertices [V 3] float, faces [F 3] int64 -> points [count 3], normals [count 3] (of the faces), face index [count]. The same generator
    state gives the same points. Points are differentiable in the vertices. Raises DataError for a mesh without faces or without area.

    >>> vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]])
    >>> faces = torch.tensor([[0, 1, 2]])
    >>> points, normals, face = sample_surface(vertices, faces, 100)
    >>> points.shape, bool((points[:, 0] / 3 + points[:, 1] / 4 <= 1.00001).all())    # within the triangle
    (torch.Size([100, 3]), True)
    """
    check_shape(vertices, "V 3", "vertices")
    check_shape(faces, "F 3", "faces")
    if count < 1:
        raise UsageError("A surface is sampled with at least one point.", actual=count)
    if len(faces) == 0:
        raise DataError("The mesh has no faces, so it has no surface to sample.")
    areas = triangle_areas(vertices.detach(), faces).double()
    cumulative = areas.cumsum(0)
    total = float(cumulative[-1])
    if not total > 0 or not torch.isfinite(cumulative[-1]):
        raise DataError("The mesh has no area to sample: its triangles are degenerate, or not finite.", actual=f"total area {total:g}")
    where = vertices.device if generator is None else generator.device
    draws = torch.rand(count, 3, generator=generator, dtype=torch.float64, device=where).to(vertices.device)
    # `right=True` never lands on a triangle without area: its interval of the cumulative sum is empty.
    chosen = torch.searchsorted(cumulative, draws[:, 0] * total, right=True).clamp_max_(int(torch.nonzero(areas)[-1]))
    # Square-root law: even over the triangle (Osada et al. 2002, section 3.1).
    root, second = draws[:, 1].sqrt().to(vertices.dtype), draws[:, 2].to(vertices.dtype)
    a, b, c = vertices[faces[chosen]].unbind(1)
    points = (1 - root)[:, None] * a + (root * (1 - second))[:, None] * b + (root * second)[:, None] * c
    return points, triangle_normals(vertices, faces[chosen]), chosen


def _edges(vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    a, b, c = vertices[faces].unbind(1)
    return b - a, c - a
