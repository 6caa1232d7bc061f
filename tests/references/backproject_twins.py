"""Back-projection cell by cell and pixel by pixel: slow, and nothing shared."""

from __future__ import annotations

import math

import numpy as np


def bilinear(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """image [C, H, W] at (x, y) in units of pixels, the centre of the first at (0, 0); zeros outside."""
    total = np.zeros(image.shape[0])
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
                total += image[:, row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def lifted(image: np.ndarray, K: np.ndarray, world_to_cam: np.ndarray, picture: tuple[int, int], size: int, official: bool) -> np.ndarray:
    """Equation (1) for a map [C, H, W] of a camera whose K is in pixels of a picture (width, height): [C, N, N, N]."""
    channels, height, width = image.shape
    grid = np.zeros((channels, size, size, size))
    line = [-1 + 2 * k / (size - 1) for k in range(size)]
    rows = (K @ world_to_cam[:3]).tolist()  # plain numbers: a product a cell is slower by far
    for i, x in enumerate(line):
        for j, y in enumerate(line):
            for k, z in enumerate(line):
                px, py, away = (a * x + b * y + c * z + d for a, b, c, d in rows)
                if away <= 0:
                    continue
                share = px / away / picture[0], py / away / picture[1]  # 0..1 over the picture
                if official:
                    place = share[0] * (width - 1), share[1] * (height - 1)
                else:
                    place = share[0] * width - 0.5, share[1] * height - 0.5
                grid[:, i, j, k] = bilinear(image, *place)
    return grid


def cloud(depth: np.ndarray, K: np.ndarray, world_to_cam: np.ndarray) -> list[np.ndarray]:
    """Points of a depth map of the size that K is for, row by row, in the world."""
    points = []
    for i, row in enumerate(depth):
        for j, z in enumerate(row):
            if z > 0:
                ray = np.linalg.inv(K) @ [j + 0.5, i + 0.5, 1]
                points.append(world_to_cam[:3, :3].T @ (ray * z - world_to_cam[:3, 3]))
    return points


def official_cells(depth: np.ndarray, K: np.ndarray, world_to_cam: np.ndarray, picture: tuple[int, int], size: int) -> set[tuple[int, ...]]:
    """Cells that the published loader fills from a depth map [H, W] of a camera on whose axis the object's centre lies. K is in pixels of
    `picture` (width, height). Pixel j of W stands at -1 + 2 j / (W - 1) of the picture's span, and the homogeneous point in front of the
    camera (X, Y, Z, 1) goes into object space as (X, Y, -Z, -1)."""
    height, width = depth.shape
    back, found = np.linalg.inv(world_to_cam), set()
    for i, row in enumerate(depth):
        for j, z in enumerate(row):
            if not z > 0:
                continue
            share = -1 + 2 * j / (width - 1), -1 + 2 * i / (height - 1)
            pixel = [(share[0] + 1) / 2 * picture[0], (share[1] + 1) / 2 * picture[1], 1]
            x, y, away = np.linalg.inv(K) @ pixel * z
            place = (back @ [x, y, -away, -1.0])[:3]
            if (abs(place) <= 1).all():
                found.add(tuple(min(int((p + 1) * size / 2), size - 1) for p in place))
    return found


def kept(points: list[np.ndarray], count: int, reach: float) -> list[bool]:
    """For each point, whether it is in the cube and its count-th nearest other point in the cube is within reach."""
    inside = [bool((abs(p) <= 1).all()) for p in points]
    result = []
    for k, p in enumerate(points):
        away = sorted(np.linalg.norm(p - q) for n, q in enumerate(points) if inside[n] and n != k)
        result.append(inside[k] and len(away) >= count and away[count - 1] <= reach)
    return result
