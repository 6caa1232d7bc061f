"""What is seen of a scene that becomes fruxels: the frustum's numbers, and the camera of a mesh that comes without one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from voxcli.errors import DataError
from voxcli.ops.limits import check_cells

if TYPE_CHECKING:
    import numpy as np

    from voxcli.scene import Camera, Frustum, SceneDescription

AZIMUTH, ELEVATION = 30.0, 20.0
"""Degrees around an object from its front (+z), and above it, where nothing is said."""

_FARTHEST = 1e12
"""Of a vertex: farther out a step of a few units would be lost in the last digits of a camera's place."""


@dataclass(frozen=True)
class Framing:
    """What a caller says of the frustum and of the camera that is placed for it; None where nothing is said.

    preset: of FRUSTUM_PRESETS. size: columns and rows. fov: horizontal, in degrees. azimuth, elevation: degrees around the object from its
    front (+z), and above it. distance: to its centre.
    """

    preset: str | None = None
    size: tuple[int, int] | None = None
    depth: int | None = None
    z_near: float | None = None
    z_far: float | None = None
    fov: float | None = None
    azimuth: float | None = None
    elevation: float | None = None
    distance: float | None = None


def choose_frustum(wanted: Framing, scene_frustum: Frustum | None, view: Camera | None) -> Frustum:
    """The frustum's numbers, stated ones first; then the preset's, the scene's, the camera's size and view, the shapenet preset's."""
    import math

    from voxcli.scene import FRUSTUM_PRESETS

    base = FRUSTUM_PRESETS[wanted.preset] if wanted.preset else scene_frustum
    if base is None:
        base = FRUSTUM_PRESETS["shapenet"]
        if view is not None:
            fov = math.degrees(2 * math.atan(view.width / 2 / view.K[0, 0]))
            base = replace(base, width=view.width, height=view.height, fov_x_deg=fov)
    width, height = wanted.size or (None, None)
    flags: dict[str, Any] = {
        "width": width,
        "height": height,
        "depth": wanted.depth,
        "z_near": wanted.z_near,
        "z_far": wanted.z_far,
        "fov_x_deg": wanted.fov,
    }
    frustum = replace(base, **{k: v for k, v in flags.items() if v is not None})
    check_cells(*frustum.shape)
    return frustum


def default_view(scene: SceneDescription, frustum: Frustum, wanted: Framing) -> np.ndarray:
    """world_to_cam of a camera that looks at the middle of the scene's bounding box from a stated azimuth, elevation and distance."""
    import math

    import numpy as np

    from voxcli.geometry.cameras import look_at

    points = _points(scene)
    if (largest := float(np.abs(points).max(initial=0))) > _FARTHEST:
        raise DataError("The scene lies too far out to place a camera before it.", expected=f"coordinates up to {_FARTHEST:g}",
                        actual=f"{largest:g}", hint="Scale it, or give a --camera.")  # fmt: skip
    centre = (points.min(0) + points.max(0)) / 2
    azimuth = AZIMUTH if wanted.azimuth is None else wanted.azimuth
    elevation = ELEVATION if wanted.elevation is None else wanted.elevation
    a, e = math.radians(azimuth), math.radians(elevation)
    distance = (frustum.z_near + frustum.z_far) / 2 if wanted.distance is None else wanted.distance
    eye = centre + distance * np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
    # At right angles to the view, so that a camera straight above needs no rule of its own.
    up = np.array([-math.sin(a) * math.sin(e), math.cos(e), -math.cos(a) * math.sin(e)])
    return look_at(eye, centre, up)


def cut_off(scene: SceneDescription, frustum: Frustum, world_to_cam: np.ndarray) -> str | None:
    """How much of a scene a frustum leaves out, in words; None where it holds all."""
    import numpy as np

    from voxcli.geometry.regrid import camera_points

    points = _points(scene)
    seen = camera_points(points, world_to_cam)
    x, y = frustum.width / 2 / frustum.focal, frustum.height / 2 / frustum.focal
    z = np.maximum(seen[:, 2], 1e-9)
    outside = (seen[:, 2] < frustum.z_near) | (seen[:, 2] > frustum.z_far) | (abs(seen[:, 0]) > x * z) | (abs(seen[:, 1]) > y * z)
    if not outside.any():
        return None
    extent = "x".join(f"{v:.3g}" for v in np.ptp(points, axis=0))
    return f"{outside.mean():.0%} of the vertices (extent {extent}) lie outside the frustum"


def _points(scene: SceneDescription) -> np.ndarray:
    """The vertices of all faces, in the world frame. [N, 3]"""
    import numpy as np

    from voxcli.geometry.scenes import placed_vertices
    from voxcli.shapes import check_extent

    points = np.concatenate([placed_vertices(o)[np.unique(o.mesh.faces)] for o in scene.objects if len(o.mesh.faces)])
    check_extent(points, "The scene's vertices")
    return points
