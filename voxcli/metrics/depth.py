"""Depth maps against depth maps: squared, relative and logarithmic errors, and the share of pixels within a ratio.

The order is that of the public evaluations: pixels that count, alignment by them, limits, errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from voxcli import log
from voxcli.errors import DataError, ShapeError, unknown_name
from voxcli.metrics.counting import Array, as_array
from voxcli.metrics.records import Names, Record, Tree, make_record
from voxcli.metrics.views import DEPTH_VALUES, DepthOptions
from voxcli.scene import DepthMap

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.scene import Surfels

RATIOS = (1.25, 1.25**2, 1.25**3)

CROP_SHARES = {"garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229), "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229)}
"""First and last row, first and last column of what counts, as shares of the height and the width."""

_ROUNDING = 1e-9
"""Spread of numbers, as a share of them, below which they are equal."""

NYU_CROP, NYU_SIZE = (45, 471, 41, 601), (480, 640)
"""The same in pixels of NYU's pictures, and their height and width."""

FLOOR = 1e-3
"""The least depth that a fitted prediction may have, where the options state none: a line through depths may fall below 0."""


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


def scale_used(pred: DepthMap | Surfels, gt: DepthMap | Surfels, stated: float | None) -> float | None:
    """Metres per unit of the integer images that two maps were read of: what was stated, or what their files and the default say.

    Raises DataError for two images of different scales, which one record cannot state.

    >>> scale_used(DepthMap(np.ones((1, 1))), DepthMap(np.ones((1, 1)), unit=0.001), None)
    0.001
    """
    used = {depth.unit for depth in (pred, gt) if isinstance(depth, DepthMap) and depth.unit is not None}
    if stated is not None or not used:
        return stated
    if len(used) > 1:
        raise DataError("Prediction and truth are integer images of different scales.", actual=" and ".join(f"{u:g}" for u in sorted(used)),
                        hint="Write one of them as .npy or .tiff, in metres.")  # fmt: skip
    return used.pop()


def depth_record(
    pred: Array, gt: Array, options: DepthOptions = DepthOptions(), /, *, mask: Array | None = None, **names: Unpack[Names],
) -> Record:  # fmt: skip
    """The record of two depth maps [H W] in the same units and of the same kind (z or ray, which `options.kind` states).

    Pixels count where the truth is known (finite and above 0) and within the options' limits and crop, `mask` (if given) is True, and the
    prediction is known; `parts.covered` is the share of such true pixels that the prediction knows. Over these, with depths d and truths
    d*: mse, rmse, abs_rel = mean |d - d*| / d*, sq_rel = mean (d - d*)^2 / d*, rmse_log and log10 = mean |log10 d - log10 d*|
    (Eigen et al. 2014), silog = 100 sqrt(mean e^2 - (mean e)^2) with e = log d - log d* (KITTI), irmse of 1/d, and `within`, the share with
    max(d / d*, d* / d) < ratio. median_ratio is that of the truth to the prediction before any alignment; scale and shift are those of the
    alignment. All null where no pixel counts.

    >>> depth_record(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]), DepthOptions(value="mse"))["value"]
    2.0
    """
    guess, truth = as_array(pred).astype(np.float64), as_array(gt).astype(np.float64)
    if guess.shape != truth.shape or truth.ndim != 2:
        raise ShapeError("Depth maps have different shapes.", expected=list(truth.shape), actual=list(guess.shape))
    if np.isinf(guess).any() or np.isinf(truth).any():
        raise DataError("Depths must not be infinite.", hint="Mark pixels without a surface by NaN (or 0 in an integer PNG).")
    known = _counted(truth, options)
    if mask is not None:
        chosen = as_array(mask).astype(bool)
        if chosen.shape != truth.shape:
            raise ShapeError("The mask has a different shape from the depth map.", expected=list(truth.shape), actual=list(chosen.shape))
        known &= chosen
    both = known & (np.isfinite(guess) if options.inverse and options.align == "scale-shift" else guess > 0)
    t = truth[both]
    params = options.params() | {
        "pixels": int(both.sum()), "masked": mask is not None, "kind": options.kind or "z", "ratios": list(RATIOS), "strict": True,
    }  # fmt: skip
    if not len(t):
        log.warn(f"{names.get('pred', 'the prediction')}: no pixel counts, so the depth has no score.")
    d, fit = aligned(guess[both], t, options)
    parts = errors(d, t) | {"covered": float(both.sum() / known.sum()) if known.any() else None} | fit
    return make_record("depth", parts[options.value], parts=parts, params=params, **names)


def errors(d: np.ndarray, t: np.ndarray) -> Tree:
    """The errors of depths d [N] against truths t [N], all above 0; see `depth_record`. All None where there are none.

    >>> errors(np.array([2.0, 2.0]), np.array([1.0, 4.0]))["abs_rel"]
    0.75
    """
    if not len(t):
        return {**dict.fromkeys(DEPTH_VALUES), "within": {f"<{r:g}": None for r in RATIOS}}
    off, e, ratio = d - t, np.log(d) - np.log(t), np.maximum(d / t, t / d)
    mse = float(np.square(off).mean())
    return {
        "mse": mse, "rmse": mse**0.5, "abs_rel": float((np.abs(off) / t).mean()), "sq_rel": float((np.square(off) / t).mean()),
        "rmse_log": float(np.square(e).mean() ** 0.5), "log10": float(np.abs(e).mean() / np.log(10)), "silog": float(100 * e.std()),
        "irmse": float(np.square(1 / d - 1 / t).mean() ** 0.5), "within": {f"<{r:g}": float((ratio < r).mean()) for r in RATIOS},
    }  # fmt: skip


def _counted(truth: np.ndarray, options: DepthOptions) -> np.ndarray:
    """Where the truth [H W] is known, within the limits, and not cropped away: bool."""
    low, high = 0.0 if options.min_depth is None else options.min_depth, np.inf if options.max_depth is None else options.max_depth
    inside = (truth > low) & (truth < high)
    if options.crop == "none":
        return inside
    if options.crop == "nyu":
        if truth.shape != NYU_SIZE:
            raise DataError("The crop of NYU is one of its own pictures.", expected=list(NYU_SIZE), actual=list(truth.shape))
        rows_columns: tuple[int, ...] = NYU_CROP
    else:
        rows_columns = tuple(int(share * side) for share, side in zip(CROP_SHARES[options.crop], np.repeat(truth.shape, 2), strict=True))
    top, bottom, left, right = rows_columns
    kept = np.zeros_like(inside)
    kept[top:bottom, left:right] = inside[top:bottom, left:right]
    return kept


_SPACES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "depth": (lambda d: d, lambda x: x), "log": (np.log, np.exp), "inverse": (np.reciprocal, np.reciprocal),
}  # fmt: skip
"""From depths to the space that an alignment is made in, and back."""


def aligned(guess: np.ndarray, truth: np.ndarray, options: DepthOptions) -> tuple[np.ndarray, Tree]:
    """Predicted depths [N] brought to the truth's [N] as the options say and into their limits; and what a record's parts say of it.

    median: times the ratio of the medians (of logarithms: plus their difference, which is the same). scale-shift: the least squares of
    scale x + shift, x being the depths, their logarithms or their inverses. Raises DataError where a fitted inverse depth is no depth.

    >>> aligned(np.array([1.0, 2.0]), np.array([3.0, 5.0]), DepthOptions(align="scale-shift"))[0].round(9).tolist()
    [3.0, 5.0]
    """
    parts: Tree = {"median_ratio": None, "scale": None, "shift": None, "clipped": None}
    if not len(truth):
        return guess, parts
    to, back = _SPACES[options.align_in]
    as_predicted = options.inverse and options.align_in == "inverse"
    x, y = guess if as_predicted else to(1 / guess if options.inverse else guess), to(truth)
    scale, shift = 1.0, 0.0
    if options.align == "median" and options.align_in == "log":
        shift = float(np.median(y) - np.median(x))
    elif options.align == "median":
        scale = float(np.median(y) / np.median(x))
    elif options.align == "scale-shift":
        scale, shift = fitted_line(x, y)
    x = scale * x + shift
    low = FLOOR if options.min_depth is None and options.align == "scale-shift" else options.min_depth
    high = options.max_depth
    if options.align_in == "inverse" and x.min() <= 0:
        if high is None:
            hint = "Give --max-depth, which then takes its place."
            raise DataError("A fitted inverse depth is 0 or below, which no depth has.", hint=hint)
        x = np.where(x > 0, x, 1 / high)
    d = back(x)
    kept = np.clip(d, low, high) if low is not None or high is not None else d
    median = float(np.median(guess))
    parts["median_ratio"] = float(np.median(truth)) * (median if options.inverse else 1 / median)
    return kept, parts | {"scale": scale, "shift": shift, "clipped": float((kept != d).mean())}


def fitted_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """(scale, shift) with the least squares of scale x + shift - y; a scale of 0 where all of x [N] are equal.

    >>> fitted_line(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    (2.0, 1.0)
    """
    spread = x - x.mean()
    square = float(spread @ spread)
    equal = square <= len(x) * (_ROUNDING * float(np.abs(x).max(initial=0))) ** 2  # what is left then is rounding
    scale = 0.0 if equal else float(spread @ y) / square
    return scale, float(y.mean() - scale * x.mean())
