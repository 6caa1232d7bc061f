"""Whether the coordinates of a prediction and of its ground truth mean the same places."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError
from voxcli.provenance import Meta
from voxcli.scene import FruxelGrid
from voxcli.scene.frames import assumed_camera

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape

_HINT = "Predict with --camera FILE; or compare fruxels with fruxels of the same camera, which is done in the camera's own frame."


def check_frames(pred: Shape, gt: Shape) -> None:
    """Raise DataError where one of two shapes stands before a camera that was assumed, and the other before another one or in the world.

    Only files that say so are known to (see voxcli.scene.frames): formats without a place for it are taken for what they are compared with.

    >>> from voxcli.scene import Mesh
    >>> check_frames(Mesh(np.eye(3), np.array([[0, 1, 2]])), Mesh(np.eye(3), np.array([[0, 1, 2]])))
    """
    of_pred, of_gt = (assumed_camera(shape.meta) for shape in (pred, gt))
    if (of_pred is None) == (of_gt is None) and (of_pred is None or of_gt is None or of_pred.get("height") == of_gt.get("height")):
        return
    raise DataError("Prediction and ground truth lie in different frames.", expected=_described(of_gt), actual=_described(of_pred),
                    hint=_HINT)  # fmt: skip


def in_one_frame(pred: Shape, gt: Shape) -> tuple[Shape, Shape]:
    """Both shapes where their coordinates can be compared: two fruxel grids of one frustum of which a camera was assumed are taken for what
    one camera sees, and moved into its frame. Raises DataError as `check_frames`.

    >>> from voxcli.scene import PointCloud
    >>> [len(shape.points) for shape in in_one_frame(PointCloud(np.eye(3)), PointCloud(np.zeros((1, 3))))]
    [3, 1]
    """
    if isinstance(pred, FruxelGrid) and isinstance(gt, FruxelGrid) and pred.frustum == gt.frustum and (
        assumed_camera(pred.meta) or assumed_camera(gt.meta)
    ):  # fmt: skip
        return replace(pred, world_to_cam=np.eye(4), meta={}), replace(gt, world_to_cam=np.eye(4), meta={})
    check_frames(pred, gt)
    return pred, gt


def _described(assumed: Meta | None) -> str:
    return "the world" if assumed is None else f"that of an assumed level camera {assumed.get('height', 0):g} m above y = 0"
