"""What of a prediction can be compared: classes by a protocol's names, its one class alone, and solids."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from voxcli.metrics.volumes import IoUOptions
from voxcli.scene import FruxelGrid, Labels, PointCloud, VoxelGrid

if TYPE_CHECKING:
    from voxcli.evaluation.samples import Scored
    from voxcli.metrics.base import MetricOptions

_GRIDS = (FruxelGrid, VoxelGrid)


def renamed(grid: Scored, names: Mapping[str, str]) -> Scored:
    """A labelled grid with other names of classes; classes of one name become one. Other shapes stay as they are.

    >>> grid = VoxelGrid(labels=np.array([[[1, 2]]], np.uint8), classes=Labels(("air", "van", "bus")))
    >>> other = renamed(grid, {"van": "vehicle", "bus": "vehicle"})
    >>> other.classes.names, other.labels.tolist()
    (('air', 'vehicle'), [[[1, 1]]])
    """
    if not isinstance(grid, _GRIDS) or grid.classes is None or grid.labels is None or not {*grid.classes.names} & {*names}:
        return grid
    classes = grid.classes
    every = [names.get(name, name) for name in classes.names]
    unique = tuple(dict.fromkeys(every))
    table = np.arange(np.iinfo(grid.labels.dtype).max + 1).astype(grid.labels.dtype)
    table[: len(every)] = [unique.index(name) for name in every]
    empty = None if classes.empty is None else unique.index(every[classes.empty])
    changed = {"labels": table[grid.labels], "classes": Labels(unique, empty, classes.ignore), "probabilities": None}
    return dataclasses.replace(grid, **changed)


def only_class(pred: Scored, gt: Scored, options: MetricOptions) -> MetricOptions | None:
    """The options of a comparison. Where labels are compared, the truth has several classes and the prediction knows one, as Z-GAN's does,
    they ask for the IoU of that class alone; None where the truth has no class of that name. Other options stay as they are.

    >>> truth = VoxelGrid(labels=np.array([[[1, 2]]], np.uint8), classes=Labels(("air", "van", "bus")))
    >>> of = [VoxelGrid(labels=np.array([[[1, 1]]], np.uint8), classes=Labels(("air", name))) for name in ("bus", "object")]
    >>> only_class(of[0], truth, IoUOptions(of="labels")).classes, only_class(of[1], truth, IoUOptions(of="labels"))
    (('bus',), None)
    """
    if not (isinstance(options, IoUOptions) and options.of == "labels" and isinstance(pred, _GRIDS) and isinstance(gt, _GRIDS)):
        return options
    own, right = pred.classes, gt.classes
    if own is None or right is None or own.empty is None or len(own.solid_ids) != 1 or len(right.solid_ids) < 2:
        return options
    name = own.names[own.solid_ids[0]]
    return dataclasses.replace(options, classes=(name,)) if name in right.names else None


def solidless(pred: Scored, options: MetricOptions) -> bool:
    """Whether a measure is the IoU of solids, and the prediction is points, which fill nothing.

    >>> solidless(PointCloud(np.eye(3)), IoUOptions(of="occupancy")), solidless(PointCloud(np.eye(3)), IoUOptions(of="shell"))
    (True, False)
    """
    return isinstance(options, IoUOptions) and options.of == "occupancy" and isinstance(pred, PointCloud) and len(pred.points) > 0
