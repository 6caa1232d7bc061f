"""A prediction and its truth in one picture, seen from the same sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from voxcli.errors import DataError
from voxcli.metrics.grids import check_same_grid, grid_iou
from voxcli.metrics.volumes import IoUOptions
from voxcli.ops.picture import Framing, classes_present, framed_points, own_camera, sheet, views_of
from voxcli.ops.viewer.differences import main_scores
from voxcli.scene import DepthMap, FruxelGrid, Picture, SceneType, Surfels, VoxelGrid


def comparison_of(
    pred: SceneType, truth: SceneType, size: int = 512, threshold: float = 0.5, names: Sequence[str] = (),
    titles: Sequence[str] = ("", ""),
) -> tuple[np.ndarray, str | None]:  # fmt: skip
    """(a sheet as uint8 [H, W, 3], why no score stands in it or None): the prediction left, the truth right, a row a view.

    Two grids of the same cells have their IoU above. Things that lie in one place are drawn to one scale. threshold: of occupancy. names:
    of views, as of `views_of`. titles: what the two are called. Raises DataError for what has no picture, UsageError for a view that one of
    the two does not have.
    """
    words, reason = "", "Only grids are compared cell by cell."
    if isinstance(pred, (FruxelGrid, VoxelGrid)) and isinstance(truth, (FruxelGrid, VoxelGrid)):
        try:
            check_same_grid(pred, truth)
            record, reason = grid_iou(pred, truth, IoUOptions(thresholds=(threshold,))), ""
        except DataError as error:
            reason = str(error)
        else:
            words = ", ".join(f"{name} {value:.3f}" for name, value in main_scores(record) if value is not None)
            if isinstance(pred, FruxelGrid) and isinstance(truth, FruxelGrid):  # compared in the frame of the camera
                pred = replace(pred, world_to_cam=truth.world_to_cam)
    both = (pred, truth)
    if not names and not all(map(own_camera, both)):
        names = ("oblique", "left", "top")
    framing = _common(pred, truth, threshold)
    columns = [views_of(thing, size, threshold, names, framing=framing) for thing in both]
    heads = [f"{kind} {title}".rstrip() for kind, title in zip(("prediction", "truth"), titles, strict=True)]
    rows = [
        [view and (f"{head}: {view[0]}", view[1]) for view, head in zip(row, heads, strict=True)] for row in zip_longest(*columns)
    ]  # fmt: skip
    classes = dict.fromkeys(name for thing in both for name in classes_present(thing))
    return sheet(rows, list(classes), words), reason or None


def _common(pred: SceneType, truth: SceneType, threshold: float) -> Framing | None:
    """One frame for two shapes whose boxes meet; None for others, and for images and maps, which have their own."""
    if any(isinstance(thing, (Picture, DepthMap, Surfels)) for thing in (pred, truth)):
        return None
    places = [framed_points(thing, threshold) for thing in (pred, truth)]
    if not all(map(len, places)) or np.any(np.minimum(*(p.max(0) for p in places)) < np.maximum(*(p.min(0) for p in places))):
        return None
    return Framing(np.concatenate(places), own_camera(truth))
