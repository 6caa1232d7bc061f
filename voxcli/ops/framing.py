"""The frustum of a scene that becomes fruxels, and a camera for a mesh without one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from voxcli.errors import DataError
from voxcli.ops.limits import check_cells

if TYPE_CHECKING:
    import numpy as np

    from voxcli.scene import Camera, Frustum, SceneDescription

AZIMUTH, ELEVATION = 30.0, 20.0
"""Default place of the camera: degrees around the object from its front (+z), and above it."""

_FARTHEST = 1e12
"""Largest coordinate of a vertex. Farther out, a camera's position has no digits left for a few units."""


@dataclass(frozen=True)
class Framing:
    """Options of the frustum and of the camera that is placed for it. None is the default.

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


def choose_frustum(framing: Framing, scene_frustum: Frustum | None, view: Camera | None) -> Frustum:
    """The frustum: numbers of `framing` first, then those of its preset, of the scene, of the camera's image, of the preset shapenet.

    Raises UsageError for too many cells, DataError for numbers that make no frustum.
    """
    import math

    from voxcli.scene import FRUSTUM_PRESETS, Frustum

    base = FRUSTUM_PRESETS[framing.preset] if framing.preset else scene_frustum
    if base is None:
        base = FRUSTUM_PRESETS["shapenet"]
        if view is not None:
            fov = math.degrees(2 * math.atan(view.width / 2 / view.K[0, 0]))
            base = replace(base, width=view.width, height=view.height, fov_x_deg=fov)
    width, height = framing.size or (base.width, base.height)
    depth = base.depth if framing.depth is None else framing.depth
    z_near = base.z_near if framing.z_near is None else framing.z_near
    z_far = base.z_far if framing.z_far is None else framing.z_far
    frustum = Frustum(width, height, depth, z_near, z_far, base.fov_x_deg if framing.fov is None else framing.fov)
    check_cells(*frustum.shape)
    return frustum


def default_view(scene: SceneDescription, frustum: Frustum, framing: Framing) -> np.ndarray:
    """world_to_cam [4, 4] of a camera that looks at the middle of the scene's box from the azimuth, elevation and distance of `framing`.

    Without a distance the middle of the box is in the middle of the frustum. Raises DataError for coordinates that are too large.
    """
    import math

    import numpy as np

    from voxcli.geometry.cameras import look_at

    points = _points(scene)
    if (largest := float(np.abs(points).max(initial=0))) > _FARTHEST:
        raise DataError("The scene lies too far out to place a camera before it.", expected=f"coordinates up to {_FARTHEST:g}",
                        actual=f"{largest:g}", hint="Scale it, or give a --camera.")  # fmt: skip
    centre = (points.min(0) + points.max(0)) / 2
    azimuth = AZIMUTH if framing.azimuth is None else framing.azimuth
    elevation = ELEVATION if framing.elevation is None else framing.elevation
    a, e = math.radians(azimuth), math.radians(elevation)
    distance = (frustum.z_near + frustum.z_far) / 2 if framing.distance is None else framing.distance
    eye = centre + distance * np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
    # Perpendicular to the view, which also holds for a camera straight above.
    up = np.array([-math.sin(a) * math.sin(e), math.cos(e), -math.cos(a) * math.sin(e)])
    return look_at(eye, centre, up)


def cut_off(scene: SceneDescription, frustum: Frustum, world_to_cam: np.ndarray) -> str | None:
    """The share of the vertices outside of a frustum, in words; None where all are inside."""
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
