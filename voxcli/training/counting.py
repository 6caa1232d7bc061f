"""Agreement of predicted and true cells, as tensors that validation adds up. The counting itself is voxcli.metrics.counting."""

from __future__ import annotations

import torch
from torch import Tensor

from voxcli.metrics import counting


def confusion(predicted: Tensor, truth: Tensor, classes: int, ignore: int | None) -> Tensor:
    """Counts [classes, classes] int64: row = true class, column = predicted class. Cells whose truth is `ignore` are left out."""
    table = counting.confusion(counting.as_array(predicted), counting.as_array(truth), classes, ignore)
    return torch.from_numpy(table).to(predicted.device)


def sample_ious(predicted: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union of each sample, from boolean cells [B, *] twice: [B] float64. Two empty samples give 1."""
    packed = [counting.pack(counting.as_array(cells.flatten(1))) for cells in (predicted, truth)]
    return torch.from_numpy(counting.count_bits(*packed).iou()).to(predicted.device)
