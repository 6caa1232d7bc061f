"""The generalised winding number, term by term: the sum of signed solid angles of all triangles (Van Oosterom and Strackee)."""

import math

import torch
from torch import Tensor


def generalised_winding_number(points: Tensor, vertices: Tensor, faces: Tensor) -> Tensor:
    """points [N, 3], vertices [V, 3], faces [F, 3] -> [N]: 1 inside a closed mesh, 0 outside, between for open shells."""
    total = torch.zeros(len(points), dtype=torch.float64)
    for a, b, c in vertices[faces]:  # one triangle at a time
        u, v, w = a - points, b - points, c - points
        lu, lv, lw = u.norm(dim=1), v.norm(dim=1), w.norm(dim=1)
        numerator = (u * torch.linalg.cross(v, w)).sum(1)
        denominator = lu * lv * lw + (u * v).sum(1) * lw + (v * w).sum(1) * lu + (w * u).sum(1) * lv
        total += 2 * torch.atan2(numerator, denominator)
    return total / (4 * math.pi)
