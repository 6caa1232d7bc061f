"""Counting cells that agree: intersections, unions and confusion matrices, as fast as the memory gives them.

Boolean grids are packed to bits and counted by the word (several times faster than a boolean sum); label grids are counted two cells at a
time, through a 16-bit histogram. Nothing here imports torch: tensors on the CPU are looked at as arrays, those of a GPU copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard, Union

import numpy as np

from voxcli.errors import DataError, ShapeError

if TYPE_CHECKING:
    from torch import Tensor

Array = Union[np.ndarray, "Tensor"]

_CHUNK = 1 << 18
"""Keys in one histogram: few enough that their 64-bit copies stay in the processor's cache (measured)."""


@dataclass(frozen=True)
class Counts:
    """Intersections and unions of any shape (per class, per threshold, per sample), additive over samples. int64."""

    intersection: np.ndarray
    union: np.ndarray

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.intersection + other.intersection, self.union + other.union)

    def iou(self) -> np.ndarray:
        """Intersection over union, float64; where both sets are empty it is 1."""
        return np.where(self.union == 0, 1.0, self.intersection / np.maximum(self.union, 1))


def is_tensor(x: Array) -> TypeGuard[Tensor]:
    """True for a torch tensor, asked without importing torch.

    >>> is_tensor(np.zeros(3))
    False
    """
    return type(x).__module__.split(".")[0] == "torch" and hasattr(x, "detach")


def as_array(x: Array) -> np.ndarray:
    """A NumPy view of an array, or of a tensor (without copying one that lies on the CPU).

    >>> as_array(np.zeros(3)).shape
    (3,)
    """
    return x.detach().cpu().numpy() if is_tensor(x) else np.asarray(x)


if hasattr(np, "bitwise_count"):

    def count_ones(words: np.ndarray) -> np.ndarray:
        """Cells of packed sets [*, words] -> [*] int64.

        >>> int(count_ones(pack(np.array([True, False, True]))))
        2
        """
        counts: np.ndarray = np.bitwise_count(words).sum(axis=-1, dtype=np.int64)
        return counts

else:  # NumPy 1.x has no population count: one table lookup a byte
    _TABLE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1).astype(np.uint8)

    def count_ones(words: np.ndarray) -> np.ndarray:
        """Cells of packed sets [*, words] -> [*] int64.

        >>> int(count_ones(pack(np.array([True, False, True]))))
        2
        """
        counts: np.ndarray = _TABLE[words.view(np.uint8)].sum(axis=-1, dtype=np.int64)
        return counts


def pack(cells: np.ndarray) -> np.ndarray:
    """Boolean cells [*, N] to 64-bit words [*, ceil(N / 64)], zero-padded.

    >>> pack(np.ones((2, 65), bool)).shape
    (2, 2)
    """
    packed = np.packbits(cells, axis=-1)
    short = -packed.shape[-1] % 8
    if short:
        packed = np.concatenate([packed, np.zeros((*packed.shape[:-1], short), np.uint8)], axis=-1)
    return packed.view(np.uint64)


def count_bits(pred: np.ndarray, gt: np.ndarray) -> Counts:
    """Intersection and union of packed sets [*, words].

    >>> count_bits(pack(np.array([True, False])), pack(np.array([True, True]))).iou()
    array(0.5)
    """
    intersection = count_ones(pred & gt)
    return Counts(intersection, count_ones(pred) + count_ones(gt) - intersection)


def confusion(pred: np.ndarray, gt: np.ndarray, classes: int, ignore: int | None = None, mask: np.ndarray | None = None) -> np.ndarray:
    """How many cells of each true class were given each predicted class.

    pred, gt: integer label arrays of one shape; classes: labels are 0..classes-1; cells whose truth is `ignore`, or
    where `mask` (of the same shape) is False, are left out, whatever was predicted there. Returns int64 [classes, classes],
    row = truth, column = prediction. Raises DataError for any other label, ShapeError for shapes that differ.

    >>> confusion(np.array([0, 1, 1]), np.array([0, 1, 0]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    if pred.shape != gt.shape:
        raise ShapeError("Prediction and ground truth have different shapes.", expected=list(gt.shape), actual=list(pred.shape))
    if mask is not None and mask.shape != gt.shape:
        raise ShapeError("The mask has a different shape from the ground truth.", expected=list(gt.shape), actual=list(mask.shape))
    pred, gt = pred.reshape(-1), gt.reshape(-1)
    left_out = np.zeros(0, bool) if mask is None else ~mask.reshape(-1).astype(bool, copy=False)
    if ignore is not None:
        void = gt == ignore
        left_out = left_out | void if left_out.size else void
    rows = classes
    if left_out.any():
        # Cells left out become a row of their own: one pass over bytes, far cheaper than picking out the others.
        rows = classes + 1
        gt = np.where(left_out, gt.dtype.type(0), gt).astype(np.uint8 if rows <= 256 else np.uint16, copy=False)
        pred = np.where(left_out, pred.dtype.type(0), pred)
        _check_labels(gt, classes, "ground truth")
        gt[left_out] = classes
    else:
        _check_labels(gt, classes, "ground truth")
    _check_labels(pred, classes, "prediction")
    return _pairs(pred, gt, rows, classes)[:classes]


def _check_labels(labels: np.ndarray, classes: int, what: str) -> None:
    if labels.dtype.kind not in "iub":
        raise DataError(f"Labels of the {what} must be integers.", actual=labels.dtype)
    if labels.size and (int(labels.max()) >= classes or (labels.dtype.kind == "i" and int(labels.min()) < 0)):
        odd = int(labels.max()) if int(labels.max()) >= classes else int(labels.min())
        hint = "Name the label to leave out with --ignore-label, if that is what it is."
        if what == "prediction":
            hint = "Cells that say nothing have the file's ignore_label, and count as misses; --ignore-label is of the truth."
        raise DataError(f"A label of the {what} is out of range.", expected=f"0..{classes - 1}", actual=odd, hint=hint)


def _pairs(pred: np.ndarray, gt: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The joint histogram [rows, columns] of checked labels."""
    if rows * columns <= 256:
        step = np.uint8(columns)
        total = np.zeros(65536, np.int64)
        even = pred.size - pred.size % 2
        for start in range(0, even, 2 * _CHUNK):
            stop = min(start + 2 * _CHUNK, even)
            keys = gt[start:stop].astype(np.uint8, copy=False) * step + pred[start:stop].astype(np.uint8, copy=False)
            total += np.bincount(keys.view(np.uint16), minlength=65536)
        square = total.reshape(256, 256)
        single: np.ndarray = square.sum(axis=0) + square.sum(axis=1)
        if pred.size != even:
            single[int(gt[-1]) * columns + int(pred[-1])] += 1
        return single[: rows * columns].reshape(rows, columns)
    total = np.zeros(rows * columns, np.int64)
    for start in range(0, pred.size, _CHUNK):
        keys = gt[start : start + _CHUNK].astype(np.int64) * columns + pred[start : start + _CHUNK]
        total += np.bincount(keys, minlength=rows * columns)
    return total.reshape(rows, columns)
