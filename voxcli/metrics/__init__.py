"""Metrics whose records say what was computed. Each name is entered on first use, so that scoring grids never loads torch.

No file here is called like a function that it holds (`iou` lives in overlap.py): importing the file would hide the function.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "chamfer": "pointsets", "fscore": "pointsets", "hausdorff": "pointsets", "normal_consistency": "pointsets", "emd": "transport",
    "iou": "overlap", "label_iou": "overlap", "grid_iou": "grids",
}  # fmt: skip

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'voxcli.metrics' has no attribute '{name}'")
    return getattr(importlib.import_module(f"voxcli.metrics.{_HOME[name]}"), name)
