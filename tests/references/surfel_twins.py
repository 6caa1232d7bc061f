"""Slow twins of the surfel renderer: one pixel at a time, in the words of the equations."""

import math

import torch

AROUND = [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)]  # (du, dv)


def point_at(depth, K, i, j):
    """The point of pixel (column i, row j) in the camera frame."""
    ray = torch.linalg.solve(K, torch.tensor([i + 0.5, j + 0.5, 1.0], dtype=K.dtype))
    return ray / ray[2] * depth[j, i]


def usable(depth, i, j):
    height, width = depth.shape
    return 0 <= i < width and 0 <= j < height and math.isfinite(depth[j, i]) and depth[j, i] > 0


def steepness(depth, K, i, j, du, dv):
    """About the tangent of the slant along the way to a neighbour, with the sign of the change in 1/z."""
    z0, z1 = float(depth[j, i]), float(depth[j + dv, i + du])
    return (z0 - z1) / z1 * math.sqrt(K[0, 0] * K[1, 1]) / math.hypot(du, dv)


def counts(depth, K, i, j, du, dv):
    """Whether the neighbour at (du, dv) belongs to the surface of pixel (i, j)."""
    if not usable(depth, i + du, j + dv):
        return False
    mine = steepness(depth, K, i, j, du, dv)
    if not usable(depth, i - du, j - dv):
        return abs(mine) <= 20
    other = steepness(depth, K, i, j, -du, -dv)
    ridge = mine * other > 0 and min(abs(mine), abs(other)) > 1
    return abs(mine) <= 2 * abs(other) + 1 and not ridge


def normals(depth, K):
    """Equation (3), pixel by pixel: least squares over the neighbours, N^T P = -1, then |N| = 1. NaN where neighbours lie on a line."""
    height, width = depth.shape
    out = torch.zeros(3, height, width, dtype=torch.float64)
    for j in range(height):
        for i in range(width):
            if not usable(depth, i, j):
                continue
            P = point_at(depth, K, i, j)
            offsets = [(du, dv) for du, dv in AROUND if counts(depth, K, i, j, du, dv)]
            rows = [(point_at(depth, K, i + du, j + dv) - P) / depth[j + dv, i + du] / math.hypot(du, dv) for du, dv in offsets]
            if len(rows) < 2 or torch.linalg.matrix_rank(torch.tensor(offsets, dtype=torch.float64)) < 2:
                out[:, j, i] = torch.nan
                continue
            D = torch.stack(rows)
            start = -P / (P @ P)  # one N with N^T P = -1; the others differ by Q y
            Q = torch.linalg.svd(P[None])[2][1:].T  # [3, 2]
            y = torch.linalg.lstsq(D @ Q, -(D @ start)[:, None]).solution[:, 0]
            N = start + Q @ y
            out[:, j, i] = N / N.norm()
    return out


def shade(points, normals, albedo, lights):
    """Equation (1), one surfel and one light at a time."""
    out = torch.zeros_like(points)
    _, height, width = points.shape
    for j in range(height):
        for i in range(width):
            light = lights.ambient.clone()
            for position, colour in zip(lights.positions, lights.colours, strict=True):
                d = position - points[:, j, i]
                distance = d.norm()
                if distance > 1e-6:
                    attenuation = lights.constant + lights.linear * distance + lights.quadratic * distance**2
                    light = light + colour * max(0.0, float(normals[:, j, i] @ d / distance)) / attenuation
            out[:, j, i] = albedo[:, j, i] * light
    return out


def nearest_ball(points, radius, K, width, height):
    """z-depth of the first ball that each pixel's ray meets, and its index: every ray against every ball."""
    depth = torch.full((height, width), torch.inf, dtype=torch.float64)
    index = torch.full((height, width), -1)
    for j in range(height):
        for i in range(width):
            ray = torch.linalg.solve(K, torch.tensor([i + 0.5, j + 0.5, 1.0], dtype=K.dtype))
            for k, (p, r) in enumerate(zip(points, radius, strict=True)):
                a, b, c = ray @ ray, ray @ p, p @ p - r * r
                if b * b - a * c >= 0:
                    z = (b - (b * b - a * c).sqrt()) / a
                    if 1e-3 < z < depth[j, i]:
                        depth[j, i], index[j, i] = z, k
    return depth, index
