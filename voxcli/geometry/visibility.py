"""What a camera sees of a fruxel grid: the first surface along each ray, and how much of a ray is left behind it."""

from __future__ import annotations

import numpy as np

from voxcli.scene import Labels


def first_labels(labels: np.ndarray, classes: Labels) -> np.ndarray:
    """The first solid label along each ray, near to far. labels [D, H, W] -> [H, W] of the same type.

    A ray that meets nothing solid has the empty label (0 where the classes name none). Ignored cells and ids without a name are
    looked through; a ray of nothing but ignored cells has the ignore label.

    >>> first_labels(np.array([[[0]], [[2]], [[1]]], np.uint8), Labels(("air", "car", "tree"))).tolist()
    [[2]]
    """
    solid = np.isin(labels, classes.solid_ids)
    first = solid.argmax(0)
    seen = np.take_along_axis(labels, first[None], 0)[0]
    nothing = np.full(seen.shape, classes.empty or 0, labels.dtype)
    if classes.ignore is not None:
        nothing[(labels == classes.ignore).all(0)] = classes.ignore
    return np.where(solid.any(0), seen, nothing)


def transmittance(occupancy: np.ndarray) -> np.ndarray:
    """The share of each ray that reaches a fruxel: T_k = prod over k' < k of (1 - occupancy_k'). [D, H, W] -> float32 [D, H, W].

    Of hard occupancies (0 or 1) it is 1 up to and including the first surface, and 0 behind it.

    >>> transmittance(np.array([0.0, 0.5, 1.0, 0.0]).reshape(4, 1, 1)).ravel().tolist()
    [1.0, 1.0, 0.5, 0.0]
    """
    through = np.cumprod(1 - occupancy.astype(np.float32), axis=0, dtype=np.float32)
    return np.concatenate([np.ones_like(through[:1]), through[:-1]])
