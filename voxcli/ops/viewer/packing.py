"""Arrays as text in a page: little-endian bytes, deflated, in base64. `unpacked` of data.js is the inverse."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np

from voxcli.provenance import Json

_STEPS = 65535


def packed(values: np.ndarray, kind: str) -> str:
    """The text of an array as elements of a NumPy type such as "<u2".

    >>> packed(np.zeros(1000), "<u2")
    'eNpjYBgFo2AUDHUAAAfQAAE='
    """
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values, np.dtype(kind)).tobytes(), 9)).decode()


@dataclass(frozen=True)
class Places:
    """Points [N, 3] as whole numbers 0..65535 within their box: point = low + step * number."""

    low: np.ndarray
    step: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> Places:
        """Points [N, 3], float64, to 1/65535 of their box along each axis."""
        low, high = (points.min(0), points.max(0)) if len(points) else (np.zeros(3), np.zeros(3))
        step = (high - low) / _STEPS
        return cls(low, step, np.rint((points - low) / np.where(step > 0, step, 1)))

    def json(self) -> Json:
        """What the page reads: one axis after the other, which packs better."""
        return {"low": self.low.tolist(), "step": self.step.tolist(), "numbers": packed(self.numbers.T, "<u2")}
