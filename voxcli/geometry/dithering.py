"""Smooth colours as bytes without bands: rounded up or down by a fixed pattern."""

from __future__ import annotations

import numpy as np

_STEPS = 1024
"""Parts of a level that are told apart: what is nearer to a whole level is that level everywhere."""


def pattern(height: int, width: int, top: int = 0) -> np.ndarray:
    """Thresholds from 0 to below 1, [height, width] float32, the same for every picture.

    Interleaved gradient noise (Jimenez, Next generation post processing in Call of Duty, 2014): any 3 x 3 pixels have thresholds far apart,
    so that a few pixels average to the colour that is meant. top: the row of the picture that the first one is.

    >>> bool((pattern(4, 4, top=2) == pattern(6, 4)[2:]).all())
    True
    """
    row, column = np.arange(top, top + height, dtype=np.float64)[:, None], np.arange(width, dtype=np.float64)
    found: np.ndarray = ((52.9829189 * ((0.06711056 * column + 0.00583715 * row) % 1)) % 1).astype(np.float32)
    return found


def dithered(values: np.ndarray, top: int = 0) -> np.ndarray:
    """Levels 0 to 255, floats [H, W] or [H, W, 3], as uint8. Whole levels stay as they are; top: see `pattern`.

    >>> dithered(np.full((1, 3), 7.0)).tolist(), sorted({*dithered(np.full((8, 8), 7.5)).ravel().tolist()})
    ([[7, 7, 7]], [7, 8])
    """
    levels = np.rint(np.clip(values, 0, 255) * _STEPS) / _STEPS
    thresholds = pattern(levels.shape[0], levels.shape[1], top) * ((_STEPS - 1) / _STEPS)
    found: np.ndarray = np.floor(levels + thresholds.reshape(*thresholds.shape, *(1,) * (levels.ndim - 2))).astype(np.uint8)
    return found
