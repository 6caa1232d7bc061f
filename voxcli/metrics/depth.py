"""Depth maps against depth maps: squared and relative errors, and the share of pixels within a ratio."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxcli.errors import DataError, ShapeError, unknown_name
from voxcli.metrics.counting import as_array
from voxcli.metrics.records import Record, make_record

RATIOS = (1.25, 1.25**2, 1.25**3)


VALUES = ("rmse", "mse", "abs_rel")
"""The errors that a record can have for its value."""


def along(depth: np.ndarray, kind: str, wanted: str, K: np.ndarray | None) -> np.ndarray:
    """A depth map [H W] of one kind ("z" or "ray") as the other, float64: a ray through pixel p is |K^-1 p| longer than its z.

    Raises UsageError for a kind that is neither, DataError where intrinsics K [3 3] are needed and None.
    """
    for name in (kind, wanted):
        if name not in ("z", "ray"):
            raise unknown_name("kind of depth", name, ("z", "ray"))
    if kind == wanted:
        return np.asarray(depth, np.float64)
    if K is None:
        raise DataError(f"The depth map is along {kind}, and without a camera it cannot be told along {wanted}.",
                        hint="Bring both maps to one kind, or give files that carry their camera (.npz).")  # fmt: skip
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]] + 0.5
    length = np.linalg.norm(np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(K).T, axis=-1)
    return depth * length if wanted == "ray" else depth / length


def depth_record(
    pred: Any, gt: Any, /, *, mask: Any = None, ratios: tuple[float, ...] = RATIOS, value: str = "rmse", kind: str = "z", **names: str
) -> Record:
    """The record of two depth maps [H W] in the same units and of the same `kind` (z or ray); `value` is one of VALUES.

    Pixels count where the truth is known (finite and above 0), `mask` (if given) is True, and the prediction is known;
    `parts.covered` is the share of the true pixels that the prediction knows. parts: mse, rmse, abs_rel = mean |d - d*| / d*, and
    `within`, the share with max(d / d*, d* / d) < ratio (Eigen et al. 2014). All null where no pixel counts.
    """
    if value not in VALUES:
        raise unknown_name("value", value, VALUES)
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
    params = {"pixels": int(both.sum()), "masked": mask is not None, "value": value, "kind": kind, "ratios": list(ratios), "strict": True}
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
    return make_record("depth", parts[value], parts=parts, params=params, **names)
