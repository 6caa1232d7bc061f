"""Depth maps against depth maps: squared and relative errors, and the share of pixels within a ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError, ShapeError, unknown_name
from voxcli.metrics.counting import Array, as_array
from voxcli.metrics.records import Names, Record, Tree, make_record
from voxcli.metrics.views import DEPTH_VALUES
from voxcli.scene import DepthMap

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.scene import Surfels

RATIOS = (1.25, 1.25**2, 1.25**3)


def along(depth: np.ndarray, kind: str, target: str, K: np.ndarray | None) -> np.ndarray:
    """A depth map [H W] of one kind ("z" or "ray") as the other, float64: a ray through pixel p is |K^-1 p| longer than its z.

    Raises UsageError for a kind that is neither, DataError where intrinsics K [3 3] are needed and None.

    >>> along(np.full((1, 1), 2.0), "z", "ray", np.array([[1.0, 0, -0.5], [0, 1, 0.5], [0, 0, 1]])).round(3).tolist()
    [[2.828]]
    """
    for name in (kind, target):
        if name not in ("z", "ray"):
            raise unknown_name("kind of depth", name, ("z", "ray"))
    if kind == target:
        return np.asarray(depth, np.float64)
    if K is None:
        raise DataError(f"The depth map is along {kind}, and without a camera it cannot be given along {target}.",
                        hint="Bring both maps to one kind, or give files that carry their camera (.npz).")  # fmt: skip
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]] + 0.5
    length = np.linalg.norm(np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(K).T, axis=-1)
    return np.asarray(depth * length if target == "ray" else depth / length)


def kind_of(depth: DepthMap | Surfels) -> str:
    """What the numbers of a map are along: "z", or "ray".

    >>> kind_of(DepthMap(np.ones((1, 1)), "ray"))
    'ray'
    """
    return depth.kind if isinstance(depth, DepthMap) else "z"


def lengths_of(depth: DepthMap | Surfels, kind: str) -> np.ndarray:
    """A depth map, or that of surfels, along z or the ray [H W], float64. Raises DataError where that needs a camera and there is none.

    >>> lengths_of(DepthMap(np.full((1, 2), 2.0)), "z").tolist()
    [[2.0, 2.0]]
    """
    return along(depth.depth, kind_of(depth), kind, None if depth.camera is None else depth.camera.K)


def depth_record(
    pred: Array, gt: Array, /, *, mask: Array | None = None, ratios: tuple[float, ...] = RATIOS, value: str = "rmse", kind: str = "z",
    **names: Unpack[Names],
) -> Record:  # fmt: skip
    """The record of two depth maps [H W] in the same units and of the same `kind` (z or ray); `value` is one of views.DEPTH_VALUES.

    Pixels count where the truth is known (finite and above 0), `mask` (if given) is True, and the prediction is known;
    `parts.covered` is the share of the true pixels that the prediction knows. parts: mse, rmse, abs_rel = mean |d - d*| / d*, and
    `within`, the share with max(d / d*, d* / d) < ratio (Eigen et al. 2014). All null where no pixel counts.

    >>> depth_record(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]), value="mse")["value"]
    2.0
    """
    if value not in DEPTH_VALUES:
        raise unknown_name("value", value, DEPTH_VALUES)
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
        empty: Tree = {"mse": None, "rmse": None, "abs_rel": None, "within": {f"<{r:g}": None for r in ratios}, "covered": covered}
        return make_record("depth", None, parts=empty, params=params, **names)
    mse = float(np.square(d - t).mean())
    ratio = np.maximum(d / t, t / d)
    parts: Tree = {
        "mse": mse, "rmse": mse**0.5, "abs_rel": float((np.abs(d - t) / t).mean()),
        "within": {f"<{r:g}": float((ratio < r).mean()) for r in ratios}, "covered": covered,
    }  # fmt: skip
    return make_record("depth", parts[value], parts=parts, params=params, **names)
