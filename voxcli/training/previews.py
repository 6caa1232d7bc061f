"""Pictures of volumes for previews."""

from __future__ import annotations

import numpy as np

SIDE = 112
"""Pixels a side of one view of a volume."""

DARKEST, RANGE = 60, 170
"""Grey of the nearest cells, and how much lighter the farthest may be."""


def volume_views(volume: np.ndarray) -> list[np.ndarray]:
    """Occupancy [n, n, n] (x, y, z) seen along z, x and y: three tiles uint8 [112, 112, 3]. Nearer cells are darker, +y is up."""
    return [_view(volume, axis) for axis in (2, 0, 1)]


def _view(volume: np.ndarray, axis: int) -> np.ndarray:
    toward = np.flip(volume, axis)
    depth = np.where(toward.any(axis), toward.argmax(axis), -1)
    shade = np.where(depth < 0, 255, DARKEST + RANGE // len(volume) * depth).astype(np.uint8)
    shade = shade.T[::-1] if axis == 2 else shade[::-1] if axis == 0 else shade.T
    pixels = SIDE // len(volume)
    tile = np.kron(shade, np.ones((pixels, pixels), np.uint8))
    return np.repeat(np.pad(tile, (SIDE - len(tile)) // 2, constant_values=255)[..., None], 3, 2)
