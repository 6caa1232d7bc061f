"""Where the objects of a scene stand and how they are turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Poses:
    """The m objects of one scene: x_camera = R(q) x_object + t, metres; objects stand on y = 0 of their own frame.

    classes [m] int64, translations [m, 3], rotations_wxyz [m, 4] (unit quaternions) and sizes [m, 3] (in the object's frame) float32.
    """

    classes: np.ndarray
    translations: np.ndarray
    rotations_wxyz: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)

    def mirrored(self) -> Poses:
        """The objects of the scene seen in a mirror (x -> -x): each its own mirror image, at M t, turned by M R M, M = diag(-1, 1, 1)."""
        return Poses(
            self.classes,
            self.translations * np.array([-1, 1, 1], np.float32),
            self.rotations_wxyz * np.array([1, 1, -1, -1], np.float32),
            self.sizes,
        )
