"""Metrics whose records say what was computed. Each name is entered on first use, so that scoring grids never loads torch.

`registry.py` has the table of metrics, `base.py` their contract. No file here is called like a function that it holds (`iou` lives in
overlap.py): importing the file would hide the function.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FunctionType

    from voxcli.metrics.grids import grid_iou
    from voxcli.metrics.overlap import iou, label_iou
    from voxcli.metrics.pointsets import chamfer, fscore, hausdorff, normal_consistency
    from voxcli.metrics.transport import emd

__all__ = ["chamfer", "emd", "fscore", "grid_iou", "hausdorff", "iou", "label_iou", "normal_consistency"]

_HOME = {"emd": "transport", "iou": "overlap", "label_iou": "overlap", "grid_iou": "grids"}
"""The files of the functions that are not in pointsets.py."""


def __getattr__(name: str) -> FunctionType:
    if name not in __all__:
        raise AttributeError(f"module 'voxcli.metrics' has no attribute '{name}'")
    found: FunctionType = getattr(importlib.import_module(f"voxcli.metrics.{_HOME.get(name, 'pointsets')}"), name)
    return found
