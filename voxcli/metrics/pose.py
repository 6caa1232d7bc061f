"""Camera or object poses against the truth: the angle between rotations, the error in azimuth, the distance between positions."""

from __future__ import annotations

import numpy as np

from voxcli.errors import DataError, ShapeError, unknown_name
from voxcli.metrics.records import Record, make_record

VALUES = ("rotation_deg", "azimuth_deg", "translation", "translation_relative")
"""The errors that a record can have for its value."""


def pose_record(
    pred: np.ndarray, gt: np.ndarray, /, *, up: tuple[float, float, float] = (0.0, 1.0, 0.0), value: str = "rotation_deg", **names: str
) -> Record:
    """The record of two world_to_cam matrices [4 4]; `value` is one of VALUES.

    parts: rotation_deg, the angle of R R*^T (0..180); azimuth_deg, the difference of the cameras' azimuths about the world's `up` axis
    (0..180; null where a camera stands on that axis through the origin); translation, the distance between the cameras' centres, in world
    units, and translation_relative, the same over the true camera's distance from the origin.
    """
    if value not in VALUES:
        raise unknown_name("value", value, VALUES)
    for name, matrix in (("predicted", pred), ("true", gt)):
        if matrix.shape != (4, 4):
            raise ShapeError(f"The {name} pose has the wrong shape.", expected=[4, 4], actual=list(matrix.shape))
        if not np.isfinite(matrix).all() or np.abs(matrix[:3, :3] @ matrix[:3, :3].T - np.eye(3)).max() > 1e-3:
            raise DataError(f"The {name} pose must be a rigid motion.")
    centres = [-m[:3, :3].T @ m[:3, 3] for m in (pred, gt)]
    distance = float(np.linalg.norm(centres[0] - centres[1]))
    away = float(np.linalg.norm(centres[1]))
    parts = {
        "rotation_deg": rotation_angle(pred[:3, :3], gt[:3, :3]), "azimuth_deg": azimuth_error(centres[0], centres[1], up),
        "translation": distance, "translation_relative": distance / away if away > 0 else None,
    }  # fmt: skip
    return make_record("pose", parts[value], parts=parts, params={"value": value, "up": list(up), "of": "world_to_cam"}, **names)


def rotation_angle(a: np.ndarray, b: np.ndarray) -> float:
    """The angle in degrees between rotations [3 3]: |a - b|_F = 2 sqrt(2) sin(angle / 2), well conditioned near 0, unlike the trace."""
    half = float(np.linalg.norm(a - b)) / (2 * 2**0.5)
    if half < 0.9:
        return float(np.degrees(2 * np.arcsin(half)))
    # Near 180 degrees the sine is flat; the trace, 1 + 2 cos(angle), still tells angles apart.
    return float(np.degrees(2 * np.arccos(np.sqrt(np.clip((np.trace(a @ b.T) + 1) / 4, 0.0, 1.0)))))


def azimuth_error(a: np.ndarray, b: np.ndarray, up: tuple[float, float, float] = (0.0, 1.0, 0.0)) -> float | None:
    """The angle in degrees (0..180) between two positions [3] seen along `up`; None where one lies on the axis."""
    axis = np.asarray(up, np.float64) / np.linalg.norm(up)
    flat = [p - (p @ axis) * axis for p in (np.asarray(a, np.float64), np.asarray(b, np.float64))]
    if min(np.linalg.norm(f) for f in flat) <= 1e-12 * max(1.0, float(np.linalg.norm(a)), float(np.linalg.norm(b))):
        return None
    return float(np.degrees(abs(np.arctan2(np.cross(flat[0], flat[1]) @ axis, flat[0] @ flat[1]))))
