"""Empty predictions: where nothing was predicted, measures get a mesh without faces. Each has its own value for it, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from voxcli.errors import EmptyCloudError, EmptyMeshError
from voxcli.scene import Mesh, PointCloud

T = TypeVar("T")


def or_empty(make: Callable[[], T]) -> T | Mesh:
    """What a model predicts or a file holds; an empty mesh where that is no face or no point.

    >>> len(or_empty(lambda: PointCloud(np.zeros((0, 3)))).faces)
    0
    """
    try:
        made = make()
    except (EmptyMeshError, EmptyCloudError):
        return _nothing()
    return _nothing() if isinstance(made, PointCloud) and not len(made.points) else made


def _nothing() -> Mesh:
    return Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
