"""Several cameras against the truth: their places after an alignment of both worlds (ATE), and from each to the next (RPE).

What is compared is what the benchmarks of visual odometry compare (Sturm et al. 2012): the ATE is the root of the mean squared distance of
the centres, the RPE that of the relative motions from each camera to the next, as distance and as angle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError
from voxcli.metrics.pose import check_pose, rotation_angle
from voxcli.metrics.records import Record, Tree, make_record
from voxcli.metrics.views import PoseOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.records import Names


@dataclass(frozen=True)
class CameraPoses:
    """Cameras in their order: what each is called, and world_to_cam [n 4 4]."""

    names: tuple[str, ...]
    world_to_cam: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


def similarity(source: np.ndarray, target: np.ndarray, resize: bool = True) -> tuple[float, np.ndarray, np.ndarray]:
    """(scale, R [3 3], t [3]) with the least squares of scale R x + t - y over pairs of points [n 3] (Umeyama 1991); without `resize` the
    scale is 1. Raises DataError for points on a line, about which any turn is as good.

    >>> scale, R, t = similarity(2 * np.eye(3), np.eye(3) + 1)
    >>> round(scale, 9), t.round(9).tolist()
    (0.5, [1.0, 1.0, 1.0])
    """
    middles = source.mean(axis=0), target.mean(axis=0)
    a, b = source - middles[0], target - middles[1]
    U, lengths, Vt = np.linalg.svd(b.T @ a / len(a))
    if len(a) < 3 or lengths[1] <= 1e-12 * max(lengths[0], 1e-300):
        raise DataError("Cameras on a line do not say how two worlds are turned about it.", expected="three cameras or more, not on a line",
                        hint="Pass --align none where both are of one world.")  # fmt: skip
    flip = np.array([1, 1, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    turn = U * flip @ Vt
    scale = float((lengths * flip).sum() / np.square(a).sum(axis=1).mean()) if resize else 1.0
    return scale, turn, middles[1] - scale * turn @ middles[0]


def trajectory_record(pred: CameraPoses, gt: CameraPoses, options: PoseOptions = PoseOptions(), /, **names: Unpack[Names]) -> Record:
    """The record of several cameras, matched by name (else by the stem of it); `value` is the ATE unless the options say otherwise.

    options.align: sim3 (a scale, too), se3 or none, from the predicted world to the true one, by the centres; `params.motion` states it.
    parts: ate and the mean, median and largest distance; rotation_deg, the mean angle between the cameras after it; rpe_translation and
    rpe_rotation_deg, root mean squares over neighbours in the truth's order; scale; matched, and how many of each file have no partner.

    >>> three = CameraPoses(("a", "b", "c"), np.stack([np.eye(4)] * 3))
    >>> trajectory_record(three, three, PoseOptions(align="none"))["value"]
    0.0
    """
    pairs = _matched(pred.names, gt.names)
    if len(pairs) < 2:
        raise DataError("Fewer than two cameras have a partner of their name.", expected=", ".join(gt.names[:5]),
                        actual=", ".join(pred.names[:5]))  # fmt: skip
    guesses, truths = pred.world_to_cam[[i for i, _ in pairs]], gt.world_to_cam[[j for _, j in pairs]]
    for name, matrices in (("predicted", guesses), ("true", truths)):
        for matrix in matrices:
            check_pose(matrix, name)
    a, b = (_cam_to_world(each) for each in (guesses, truths))
    scale, turn, shift = 1.0, np.eye(3), np.zeros(3)
    align = options.align or "sim3"
    if align != "none":
        scale, turn, shift = similarity(a[:, :3, 3], b[:, :3, 3], align == "sim3")
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = scale * turn, shift
    a = a.copy()
    a[:, :3, 3], a[:, :3, :3] = scale * a[:, :3, 3] @ turn.T + shift, turn @ a[:, :3, :3]
    away = np.linalg.norm(a[:, :3, 3] - b[:, :3, 3], axis=1)
    steps = [np.linalg.inv(each[:-1]) @ each[1:] for each in (a, b)]
    off = np.linalg.inv(steps[1]) @ steps[0]
    angles = np.array([rotation_angle(step, np.eye(3)) for step in off[:, :3, :3]])
    parts: Tree = {
        "ate": _rms(away), "ate_mean": float(away.mean()), "ate_median": float(np.median(away)), "ate_max": float(away.max()),
        "rotation_deg": float(np.mean([rotation_angle(p, q) for p, q in zip(a[:, :3, :3], b[:, :3, :3], strict=True)])),
        "rpe_translation": _rms(np.linalg.norm(off[:, :3, 3], axis=1)), "rpe_rotation_deg": _rms(angles), "scale": scale,
        "matched": len(pairs), "alone": {"pred": len(pred) - len(pairs), "gt": len(gt) - len(pairs)},
    }  # fmt: skip
    value = options.value or "ate"
    if value not in parts:
        raise DataError(f"Several cameras have no '{value}'.", expected="ate, rpe_translation, rpe_rotation_deg or rotation_deg")
    chosen = {key: choice for key, choice in options.params().items() if key != "within"}  # that is of objects
    params = chosen | {"align": align, "value": value, "of": "world_to_cam", "motion": motion.tolist(), "rpe_of": "neighbours"}
    return make_record("pose", parts[value], parts=parts, params=params, **names)


def _matched(pred: Sequence[str], gt: Sequence[str]) -> list[tuple[int, int]]:
    """(place in the prediction, place in the truth) of cameras that are called alike, in the order of the truth."""
    for called in (lambda name: name, lambda name: PurePath(name).stem):
        places = {called(name): i for i, name in enumerate(pred)}
        if len(places) == len(pred) and (found := [(places[called(name)], j) for j, name in enumerate(gt) if called(name) in places]):
            return found
    return []


def _cam_to_world(world_to_cam: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.inv(world_to_cam.astype(np.float64)))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))
