"""Where a scene stands that was predicted from a picture alone: before a level camera, in a world of +y up.

The picture does not tell how the camera was held. Level is the best guess, and how high it was held follows from the ground that the
prediction sees: fruxels at which rays meet the ground lie at y = height in the camera's frame. Pitch and roll stay unknown: the ground of
a camera that looked down rises or falls with the distance, and its height is that of the ground in the middle of what is seen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from voxcli.scene.frames import KEY
from voxcli.scene.types import FruxelGrid

GROUND = "ground"
LEAST = 0.01
"""Share of the columns that must see the ground before it tells anything."""


def level_scene(grid: FruxelGrid) -> FruxelGrid:
    """The grid with the camera that is assumed where none is known: level, looking along -z of the world, the ground at y = 0.

    Without ground to be seen the camera stands at the origin. meta[KEY] says what was assumed (see voxcli.scene.frames).

    >>> from voxcli.scene import Frustum
    >>> grid = FruxelGrid(np.zeros((2, 2, 2), np.uint8), Frustum(2, 2, 2, 1.0, 3.0, 90.0))
    >>> level_scene(grid).world_to_cam.diagonal().tolist()                            # +y up, looking along -z
    [1.0, -1.0, -1.0, 1.0]
    """
    height = ground_height(grid)
    world_to_cam = np.diag([1.0, -1.0, -1.0, 1.0])
    world_to_cam[1, 3] = height or 0.0
    return replace(grid, world_to_cam=world_to_cam, meta=grid.meta | {KEY: {"height": height or 0.0, "by": height and GROUND}})


def ground_height(grid: FruxelGrid) -> float | None:
    """How far below a level camera the ground lies, in the units of z_near, to a thousandth; None where too little of it is seen.

    The median of y over the fruxels at which rays first meet the ground. Rays that are in it from the first slice on say only that it
    begins nearer, and ground above the horizon is none of a level camera: both are left out.

    >>> from voxcli.scene import Frustum
    >>> labels = np.zeros((2, 2, 2), np.uint8)
    >>> labels[1, 1] = 9                                                              # the lower row's farther slice, at z = 2.5
    >>> ground_height(FruxelGrid(labels, Frustum(2, 2, 2, 1.0, 3.0, 90.0)))
    1.25
    """
    if GROUND not in grid.classes.names:
        return None
    solid = np.isin(grid.labels, grid.classes.solid_ids)
    first = solid.argmax(0)  # [H, W], 0 where nothing is solid
    met = np.take_along_axis(grid.labels, first[None], 0)[0] == grid.classes.names.index(GROUND)
    frustum = grid.frustum
    z = frustum.z_near + (first + 0.5) * frustum.slice_thickness
    y = z * ((np.arange(frustum.height) + 0.5 - frustum.height / 2) / frustum.focal)[:, None]
    seen = y[met & (first > 0) & (y > 0)]
    return None if len(seen) < LEAST * first.size else round(float(np.median(seen)), 3)
