"""Poses of objects against the truth: matched by class and distance, then compared in metres and degrees."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from voxcli.datasets.poses import parse_poses
from voxcli.errors import DataError
from voxcli.geometry.cameras import quaternion_to_rotation
from voxcli.metrics.pose import rotation_angle
from voxcli.metrics.records import COUNTS, Record, Tree, make_record, mean
from voxcli.metrics.views import PoseOptions
from voxcli.scene import Labels
from voxcli.scene.poses import Poses

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.records import Names


@dataclass(frozen=True)
class ObjectPoses:
    """The objects of a scene in the frame of its camera, and the names of their classes."""

    poses: Poses
    names: tuple[str, ...]


def read_objects(text: str, where: str) -> ObjectPoses | None:
    """The objects of a file of poses, as `synth street` and `predict --poses` write it; None for JSON that lists none.

    >>> read_objects('{"frames": []}', "transforms.json") is None
    True
    """
    try:
        listed = json.loads(text)["objects"]
        names = tuple(dict.fromkeys(str(each["class"]) for each in listed))
    except (ValueError, KeyError, TypeError):
        return None
    return ObjectPoses(parse_poses(text, where, Labels(names, None, None)), names)


def objects_record(pred: ObjectPoses, gt: ObjectPoses, options: PoseOptions = PoseOptions(), /, **names: Unpack[Names]) -> Record:
    """The record of the objects of two scenes seen by one camera; `value` is the mean distance of matched ones in metres, unless the
    options say otherwise.

    Of each class, as many as possible are matched within `options.within` metres (2), with the least sum of distances. parts: translation
    and rotation_deg, means of the matched; precision and recall, the shares of predicted and of true objects that are matched; classes, the
    same by class, with numbers. Null where nothing is matched.

    >>> nothing = ObjectPoses(Poses(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 4)), np.zeros((0, 3))), ())
    >>> objects_record(nothing, nothing)["parts"]["recall"] is None
    True
    """
    within = 2.0 if options.within is None else options.within
    of_class: Tree = {}
    distances: list[float] = []
    angles: list[float] = []
    for name in dict.fromkeys((*gt.names, *pred.names)):
        found, true = (_of(each, name) for each in (pred, gt))
        matched = _matched(found[0], true[0], within)
        far = [float(np.linalg.norm(found[0][i] - true[0][j])) for i, j in matched]
        turned = [rotation_angle(quaternion_to_rotation(found[1][i]), quaternion_to_rotation(true[1][j])) for i, j in matched]
        of_class[name] = {
            "translation": mean(far), "rotation_deg": mean(turned), "matched": len(matched), "predicted": len(found[0]),
            "true": len(true[0]),
        }  # fmt: skip
        distances, angles = distances + far, angles + turned
    predicted, true_count = len(pred.poses), len(gt.poses)
    parts: Tree = {
        "translation": mean(distances), "rotation_deg": mean(angles),
        "precision": len(distances) / predicted if predicted else None, "recall": len(distances) / true_count if true_count else None,
        "classes": of_class, COUNTS: {"precision": [len(distances), predicted], "recall": [len(distances), true_count]},
    }  # fmt: skip
    value = options.value or "translation"
    if value not in ("translation", "rotation_deg"):
        raise DataError(f"Poses of objects have no '{value}'.", expected="translation or rotation_deg")
    chosen = {key: choice for key, choice in options.params().items() if key != "align"}  # that is of several cameras
    params = chosen | {"within": within, "value": value, "of": "objects", "frame": "camera", "matched_by": "class and distance"}
    return make_record("pose", parts[value], parts=parts, params=params, **names)


def _of(each: ObjectPoses, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Translations [m 3] and quaternions [m 4] of a class, float64."""
    mine = each.poses.classes == (each.names.index(name) if name in each.names else -1)
    return each.poses.translations[mine].astype(np.float64), each.poses.rotations_wxyz[mine].astype(np.float64)


def _matched(pred: np.ndarray, gt: np.ndarray, within: float) -> list[tuple[int, int]]:
    """Pairs of places [m 3] and [n 3] no farther apart than `within`: as many as can be, nearest first of all."""
    from scipy.optimize import linear_sum_assignment

    away = np.linalg.norm(pred[:, None] - gt[None], axis=-1)
    # A pair beyond the limit costs more than all pairs within it together, so that none of these is given up for a nearer one.
    costs = np.where(away <= within, away, (within + 1.0) * (len(pred) + len(gt) + 1))
    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(costs), strict=True) if away[i, j] <= within]
