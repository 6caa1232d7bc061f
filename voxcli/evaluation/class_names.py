"""Names of classes: those of a prediction as the truth has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from voxcli.scene import FruxelGrid, Labels, VoxelGrid


def renamed(grid: FruxelGrid | VoxelGrid, names: Mapping[str, str]) -> FruxelGrid | VoxelGrid:
    """A labelled grid with other names of classes; classes of one name become one.

    >>> grid = VoxelGrid(labels=np.array([[[1, 2]]], np.uint8), classes=Labels(("air", "van", "bus")))
    >>> other = renamed(grid, {"van": "vehicle", "bus": "vehicle"})
    >>> other.classes.names, other.labels.tolist()
    (('air', 'vehicle'), [[[1, 1]]])
    """
    classes = grid.classes
    if classes is None or grid.labels is None:
        return grid
    every = [names.get(name, name) for name in classes.names]
    unique = tuple(dict.fromkeys(every))
    table = np.arange(np.iinfo(grid.labels.dtype).max + 1).astype(grid.labels.dtype)
    table[: len(every)] = [unique.index(name) for name in every]
    empty = None if classes.empty is None else unique.index(every[classes.empty])
    changed = {"labels": table[grid.labels], "classes": Labels(unique, empty, classes.ignore), "probabilities": None}
    return dataclasses.replace(grid, **changed)
