"""Depth maps against depth maps: squared and relative errors, and the share of pixels within a ratio."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxcli.errors import DataError, ShapeError
from voxcli.metrics.counting import as_array
from voxcli.metrics.records import Record, make_record

RATIOS = (1.25, 1.25**2, 1.25**3)


def depth_record(pred: Any, gt: Any, /, *, mask: Any = None, ratios: tuple[float, ...] = RATIOS, **names: str) -> Record:
    """The record of two depth maps [H W] in the same units and of the same kind (z or ray); `value` is the RMSE.

    Pixels count where the truth is known (finite and above 0), `mask` (if given) is True, and the prediction is known;
    `parts.covered` is the share of the true pixels that the prediction knows. parts: mse, rmse, abs_rel = mean |d - d*| / d*, and
    `within`, the share with max(d / d*, d* / d) < ratio (Eigen et al. 2014). All null where no pixel counts.
    """
    guess, truth = as_array(pred).astype(np.float64), as_array(gt).astype(np.float64)
    if guess.shape != truth.shape or truth.ndim != 2:
        raise ShapeError("Depth maps have different shapes.", expected=list(truth.shape), actual=list(guess.shape))
    if np.isinf(guess).any() or np.isinf(truth).any():
        raise DataError("Depths must not be infinite.", hint="Mark pixels without a surface by NaN (or 0 in an integer PNG).")
    known = truth > 0
    if mask is not None:
        chosen = as_array(mask).astype(bool)
        if chosen.shape != truth.shape:
            raise ShapeError("The mask has a different shape from the depth map.", expected=list(truth.shape), actual=list(chosen.shape))
        known &= chosen
    both = known & (guess > 0)
    d, t = guess[both], truth[both]
    params = {"pixels": int(both.sum()), "masked": mask is not None, "ratios": list(ratios), "strict": True}
    covered = float(both.sum() / known.sum()) if known.any() else None
    if not both.any():
        empty: Record = {"mse": None, "rmse": None, "abs_rel": None, "within": {f"<{r:g}": None for r in ratios}, "covered": covered}
        return make_record("depth", None, parts=empty, params=params, **names)
    mse = float(np.square(d - t).mean())
    ratio = np.maximum(d / t, t / d)
    parts = {
        "mse": mse, "rmse": mse**0.5, "abs_rel": float((np.abs(d - t) / t).mean()),
        "within": {f"<{r:g}": float((ratio < r).mean()) for r in ratios}, "covered": covered,
    }  # fmt: skip
    return make_record("depth", parts["rmse"], parts=parts, params=params, **names)
