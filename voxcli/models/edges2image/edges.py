"""Contours E of an image by Canny's operator (SSZ, section 3.4, Fig. 6): what real and rendered images have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxcli.errors import UsageError

LUMA = np.array([299, 587, 114])
"""Weights of red, green and blue in brightness (ITU-R BT.601), in thousandths."""

_WHITE = 255 * 1000  # brightness of white in these units: 18 bits
_KERNEL_SUM = 2**15  # 18 bits of brightness, twice 15 of blur and 3 of Sobel's operator are whole numbers within a float64's 53


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
    """Contours of an image uint8 [H, W, 3]: bool [H, W], True on thin lines (two pixels wide where a step lies exactly between them).

    Brightness, blur and gradients are whole numbers, so equal gradients are equal on every processor and ties are kept on both sides.
    """
    from scipy.ndimage import correlate1d
    from skimage.feature import canny

    how = how or EdgeSettings()
    kernel = _gaussian(how.sigma)
    smooth = (image.astype(np.int64) * LUMA).sum(-1).astype(np.float64)
    for axis in (0, 1):
        smooth = correlate1d(smooth, kernel, axis, mode="nearest")
    unit = _WHITE * kernel.sum() ** 2
    return canny(smooth, sigma=0, low_threshold=how.low * unit, high_threshold=how.high * unit, mode="nearest")


def _gaussian(sigma: float) -> np.ndarray:
    """A Gaussian kernel of four standard deviations each way as whole numbers that sum to about _KERNEL_SUM: float64 [taps]."""
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.rint(weights * (_KERNEL_SUM / weights.sum()))
