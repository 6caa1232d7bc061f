"""Camera or object poses against the truth: the angle between rotations, the error in azimuth, the distance between positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError, ShapeError, unknown_name
from voxcli.metrics.records import Record, make_record
from voxcli.metrics.views import POSE_VALUES

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.records import Names


def pose_record(
    pred: np.ndarray,
    gt: np.ndarray,
    /,
    *,
    up: tuple[float, float, float] = (0.0, 1.0, 0.0),
    value: str = "rotation_deg",
    **names: Unpack[Names],
) -> Record:
    """The record of two world_to_cam matrices [4 4]; `value` is one of views.POSE_VALUES.

    parts: rotation_deg, the angle of R R*^T (0..180); azimuth_deg, the difference of the cameras' azimuths about the world's `up` axis
    (0..180; null where a camera stands on that axis through the origin); translation, the distance between the cameras' centres, in world
    units, and translation_relative, the same over the true camera's distance from the origin.

    >>> pose_record(np.eye(4), np.diag([-1.0, 1, -1, 1]))["value"]
    180.0
    """
    if value not in POSE_VALUES:
        raise unknown_name("value", value, POSE_VALUES)
    check_pose(pred, "predicted")
    check_pose(gt, "true")
    centres = [-m[:3, :3].T @ m[:3, 3] for m in (pred, gt)]
    distance = float(np.linalg.norm(centres[0] - centres[1]))
    away = float(np.linalg.norm(centres[1]))
    parts = {
        "rotation_deg": rotation_angle(pred[:3, :3], gt[:3, :3]), "azimuth_deg": azimuth_error(centres[0], centres[1], up),
        "translation": distance, "translation_relative": distance / away if away > 0 else None,
    }  # fmt: skip
    return make_record("pose", parts[value], parts=parts, params={"value": value, "up": list(up), "of": "world_to_cam"}, **names)


def check_pose(matrix: np.ndarray, which: str) -> None:
    """Raise ShapeError or DataError for what is no rigid motion [4 4]. which: what the message calls it.

    >>> check_pose(np.eye(4), "true")
    """
    if matrix.shape != (4, 4):
        raise ShapeError(f"The {which} pose has the wrong shape.", expected=[4, 4], actual=list(matrix.shape))
    if not np.isfinite(matrix).all() or np.abs(matrix[:3, :3] @ matrix[:3, :3].T - np.eye(3)).max() > 1e-3:
        raise DataError(f"The {which} pose must be a rigid motion.")


def rotation_angle(a: np.ndarray, b: np.ndarray) -> float:
    """The angle in degrees between rotations [3 3]: |a - b|_F = 2 sqrt(2) sin(angle / 2), well conditioned near 0, unlike the trace.

    >>> round(rotation_angle(np.eye(3), np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])), 6)
    90.0
    """
    half = float(np.linalg.norm(a - b)) / (2 * 2**0.5)
    if half < 0.9:
        return float(np.degrees(2 * np.arcsin(half)))
    # Near 180 degrees the sine is flat; the trace, 1 + 2 cos(angle), still tells angles apart.
    return float(np.degrees(2 * np.arccos(np.sqrt(np.clip((np.trace(a @ b.T) + 1) / 4, 0.0, 1.0)))))


def azimuth_error(a: np.ndarray, b: np.ndarray, up: tuple[float, float, float] = (0.0, 1.0, 0.0)) -> float | None:
    """The angle in degrees (0..180) between two positions [3] seen along `up`; None where one lies on the axis.

    >>> azimuth_error(np.array([0.0, 1, 3]), np.array([3.0, 2, 0]))
    90.0
    """
    axis = np.asarray(up, np.float64) / np.linalg.norm(up)
    flat = [p - (p @ axis) * axis for p in (np.asarray(a, np.float64), np.asarray(b, np.float64))]
    if min(np.linalg.norm(f) for f in flat) <= 1e-12 * max(1.0, float(np.linalg.norm(a)), float(np.linalg.norm(b))):
        return None
    return float(np.degrees(abs(np.arctan2(np.cross(flat[0], flat[1]) @ axis, flat[0] @ flat[1]))))


def refuse_assumed(path: str, format: str | None = None) -> None:
    """Raise DataError for the camera of a scene that was predicted without one: where it stands was assumed, not guessed.

    >>> refuse_assumed("examples/street/000002.npz")
    """
    from voxcli import files
    from voxcli.files.registry import find_format
    from voxcli.scene import FruxelGrid
    from voxcli.scene.frames import assumed_camera

    if path == "-" or "fruxels" not in find_format(path, format, "--input-format")[0].reads:
        return
    thing = files.read(path, format=format)
    if isinstance(thing, FruxelGrid) and assumed_camera(thing.meta):
        raise DataError(f"{path} has no camera but one that was assumed.", hint="Predict with --camera FILE.")
