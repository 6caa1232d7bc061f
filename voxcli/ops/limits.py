"""Limits of grid sizes, thresholds and probabilities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from voxcli.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np

MOST_CELLS = 1 << 30
"""1024 cubed. Filling takes about 7 bytes a cell, and no file format here holds more than 4 GiB."""


def check_cells(*shape: int) -> None:
    """Raise UsageError for a grid of more cells than MOST_CELLS."""
    if math.prod(max(n, 0) for n in shape) > MOST_CELLS:
        raise UsageError(f"A grid of {' x '.join(map(str, shape))} cells is too large.", expected=f"at most {MOST_CELLS} (1024 cubed)")


def check_threshold(threshold: float | None) -> None:
    """Raise UsageError for a threshold outside of 0 to 1."""
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError("--threshold is a probability, which lies between 0 and 1.", actual=f"{threshold:g}")


def check_probabilities(source: str, values: np.ndarray) -> None:
    """Raise DataError that names the source, for NaN or for numbers outside of 0 to 1. 0.001 of rounding is allowed."""
    low, high = float(values.min(initial=0)), float(values.max(initial=0))  # NaN if any is
    if math.isnan(low) or math.isnan(high):
        raise DataError(f"{source}: probabilities must be numbers from 0 to 1.", actual="NaN")
    if low < -1e-3 or high > 1 + 1e-3:
        raise DataError(f"{source}: probabilities must be numbers from 0 to 1.", actual=f"{low:.3g} to {high:.3g}")
