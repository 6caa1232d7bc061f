"""Small closed meshes with volumes known in closed form, and broken ones, as float64 vertices and int64 faces."""

import math

import torch
from torch import Tensor


def box(low=(0.0, 0.0, 0.0), high=(1.0, 1.0, 1.0)) -> tuple[Tensor, Tensor]:
    low, high = torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)
    corners = torch.tensor([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=torch.float64)
    sides = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = [half for a, b, c, d in sides for half in ([a, b, c], [a, c, d])]
    return low + corners * (high - low), torch.tensor(faces)


def sphere(radius=1.0, centre=(0.0, 0.0, 0.0), subdivisions=4) -> tuple[Tensor, Tensor]:
    """An icosphere whose corners lie on the sphere: its volume is a little below 4/3 pi r^3."""
    import trimesh

    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return torch.tensor(mesh.vertices.copy()) + torch.tensor(centre, dtype=torch.float64), torch.tensor(mesh.faces.copy()).long()


def torus(major=1.0, minor=0.35, n=96, m=48) -> tuple[Tensor, Tensor]:
    u = torch.arange(n, dtype=torch.float64) * 2 * math.pi / n
    v = torch.arange(m, dtype=torch.float64) * 2 * math.pi / m
    u, v = torch.meshgrid(u, v, indexing="ij")
    points = torch.stack([(major + minor * v.cos()) * u.cos(), (major + minor * v.cos()) * u.sin(), minor * v.sin()], -1).reshape(-1, 3)
    i, j = torch.meshgrid(torch.arange(n), torch.arange(m), indexing="ij")
    a, b = i * m + j, ((i + 1) % n) * m + j
    c, d = ((i + 1) % n) * m + (j + 1) % m, i * m + (j + 1) % m
    return points, torch.cat([torch.stack([a, b, c], -1).reshape(-1, 3), torch.stack([a, c, d], -1).reshape(-1, 3)])


def random_tetrahedra(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """n closed tetrahedra, each wound outwards, overlapping at random in [-1, 1]^3."""
    g = torch.Generator().manual_seed(seed)
    corners = torch.rand(n, 4, 3, generator=g, dtype=torch.float64) * 2 - 1
    a, b, c, d = corners.unbind(1)
    flip = ((b - a) * torch.linalg.cross(c - a, d - a)).sum(1) > 0
    corners[flip] = corners[flip][:, [1, 0, 2, 3]]
    local = torch.tensor([[0, 1, 2], [0, 3, 1], [1, 3, 2], [0, 2, 3]])
    return corners.reshape(-1, 3), (torch.arange(n)[:, None, None] * 4 + local).reshape(-1, 3)


def volume(vertices: Tensor, faces: Tensor) -> float:
    a, b, c = vertices[faces].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)
