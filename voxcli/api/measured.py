"""What may be scored, as the metrics take it: of files, and of what is in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from voxcli.api.things import ShapeLike, as_array, as_shape, is_path, path_of
from voxcli.errors import DataError, UsageError
from voxcli.scene import Camera, DepthMap, Surfels

if TYPE_CHECKING:
    from voxcli.metrics.base import MetricOptions, Shape
    from voxcli.metrics.iqtt import Answers
    from voxcli.metrics.object_poses import ObjectPoses
    from voxcli.metrics.registry import AnyMetric
    from voxcli.metrics.trajectories import CameraPoses

    Input = Shape | np.ndarray | Answers | CameraPoses | ObjectPoses

Measured = ShapeLike | Camera
"""A shape, a depth map, a camera or answers: as a file, as one of our types, or as arrays."""


def as_measured(thing: Measured, metric: AnyMetric, options: MetricOptions, what: str) -> Input:
    """The input of a metric. what: "prediction" or "ground truth". Raises UsageError and DataError for what the metric cannot compare.

    >>> from voxcli.metrics.registry import METRICS
    >>> as_measured(np.eye(4), METRICS["pose"], METRICS["pose"].options(), "prediction").shape
    (4, 4)
    """
    if is_path(thing):
        read = metric.read_truth if what == "ground truth" else metric.read
        found: Input = read(path_of(thing), options)
        return found
    if metric.compares not in IN_MEMORY:
        raise UsageError(f"{metric.name} compares files.", expected="a path", actual=type(thing).__name__)
    return IN_MEMORY[metric.compares](thing, what)


def _depth(thing: Measured, what: str) -> DepthMap | Surfels:
    if isinstance(thing, (DepthMap, Surfels)):
        return thing
    array = as_array(thing, what)
    if array.ndim != 2:
        raise DataError(f"The {what} is no depth map.", expected="z [H, W], or a DepthMap", actual=list(array.shape))
    return DepthMap(array)


def _pose(thing: Measured, what: str) -> np.ndarray | CameraPoses:
    """A pose [4, 4], or several: an array [n, 4, 4], whose cameras are called by their numbers."""
    from voxcli.metrics.trajectories import CameraPoses

    array = thing.world_to_cam if isinstance(thing, Camera) else as_array(thing, what)
    return CameraPoses(tuple(map(str, range(len(array)))), array) if array.ndim == 3 else array


def _answers(thing: Measured, what: str) -> Answers:
    from voxcli.datasets.iqtt import checked_answers
    from voxcli.metrics.iqtt import Answers

    return Answers(checked_answers(as_array(thing, what), f"the {what}", None))


def _shape(thing: Measured, what: str) -> Shape:
    if isinstance(thing, Camera):
        raise UsageError(f"The {what} is nothing that has a surface.", expected="a path, trimesh, arrays, or a shape", actual="Camera")
    return as_shape(thing, what, empty_clouds=True)


IN_MEMORY: dict[str, Callable[[Measured, str], Input]] = {"shapes": _shape, "depth maps": _depth, "cameras": _pose, "answers": _answers}
"""How what is in memory becomes the input of a metric, by what the metric compares."""
