"""The 6-DoF poses of a scene's objects, as `voxcli synth street` writes them in poses/NAME.json."""

from __future__ import annotations

import json

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.scene.labels import Labels
from voxcli.scene.poses import Poses


def parse_poses(text: str, where: str, classes: Labels) -> Poses:
    """The objects of the text of a poses file; `where` names its origin in errors."""
    try:
        objects = json.loads(text)["objects"]
        ids = [classes.names.index(each["class"]) for each in objects]
        translations, rotations, sizes = (
            np.array([each[key] for each in objects], np.float32).reshape(len(objects), size)
            for key, size in (("translation", 3), ("rotation_wxyz", 4), ("size", 3))
        )
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"'{where}' cannot be read as poses.", actual=f"{type(error).__name__}: {error}") from error
    lengths = np.linalg.norm(rotations, axis=1, keepdims=True)
    if not all(np.isfinite(c).all() for c in (translations, rotations, sizes)) or bool((np.abs(lengths - 1) > 1e-2).any()):
        raise FileFormatError(f"'{where}' holds numbers that are no poses.", expected="finite numbers and unit quaternions wxyz")
    return Poses(np.array(ids, np.int64), translations, rotations / lengths, sizes)
