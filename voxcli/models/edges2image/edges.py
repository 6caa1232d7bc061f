"""Contours E of an image by Canny's operator (SSZ, section 3.4, Fig. 6): what real and rendered images have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxcli.errors import UsageError

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""


@dataclass(frozen=True)
class EdgeSettings:
    """How contours are found; the paper states nothing, so these are ours. sigma: blur in pixels. low, high: thresholds of hysteresis on
    the gradient of a brightness in 0..1."""

    sigma: float = 1.0
    low: float = 0.08
    high: float = 0.2

    def __post_init__(self) -> None:
        if not (self.sigma > 0 and 0 <= self.low <= self.high):
            raise UsageError("Edges need a blur above 0 and thresholds 0 <= low <= high.",
                             actual=f"sigma {self.sigma}, low {self.low}, high {self.high}")  # fmt: skip


def find_edges(image: np.ndarray, how: EdgeSettings | None = None) -> np.ndarray:
    """Contours of an image uint8 [H, W, 3]: bool [H, W], True on thin lines (two pixels wide where a step lies exactly between them)."""
    from skimage.feature import canny

    how = how or EdgeSettings()
    brightness = image.astype(np.float32) @ LUMA / 255
    return canny(brightness, sigma=how.sigma, low_threshold=how.low, high_threshold=how.high, mode="nearest")
