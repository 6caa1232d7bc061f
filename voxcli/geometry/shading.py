"""Shaded pictures of surfels under a sun and a sky, or under lights of one's own: finer than the pixels, then averaged."""

from __future__ import annotations

import numpy as np
import torch

from voxcli.geometry.dithering import dithered
from voxcli.geometry.lighting import Lights
from voxcli.geometry.surfels import SurfelMaps, render_surfels
from voxcli.geometry.visible import mesh_surfels
from voxcli.scene import Camera, Mesh

BACKGROUND = (246, 247, 249)
_SUN = (-0.5, -0.75, -0.45)  # over the viewer's left shoulder
_FAR = 1e6
_BAND = 1 << 20
"""Fine pixels that are drawn at a time: what one takes on the way, a few hundred bytes, bounds the memory of large pictures."""


def sun_and_sky() -> Lights:
    """0.45 of even sky and 0.55 of a sun over the viewer's left shoulder, so far away that its light is parallel; camera frame.

    >>> lights = sun_and_sky()
    >>> (lights.ambient + lights.colours[0]).tolist()
    [1.0, 1.0, 1.0]
    """
    sun = torch.tensor(_SUN, dtype=torch.float64)
    white = torch.ones(3, dtype=torch.float64)
    return Lights(0.45 * white, (sun / sun.norm() * _FAR)[None], 0.55 * white[None], constant=1.0, linear=0.0, quadratic=0.0)


def supersampled_camera(camera: Camera, factor: int) -> Camera:
    """The same camera with factor x factor pixels for each.

    >>> supersampled_camera(Camera(np.diag([2.0, 2.0, 1.0]), 4, 3), 2).K.diagonal().tolist()
    [4.0, 4.0, 1.0]
    """
    K = np.array(camera.K, np.float64)
    K[:2] *= factor
    return Camera(K, camera.width * factor, camera.height * factor, camera.world_to_cam)


def shaded(surfels: SurfelMaps, camera: Camera, lights: Lights, supersample: int = 1) -> np.ndarray:
    """The picture of one view's surfels as uint8 [H / supersample, W / supersample, 3], light above 1 clipped, rounded.

    >>> nothing = SurfelMaps(torch.full((1, 1), torch.nan), torch.zeros(3, 1, 1), torch.zeros(3, 1, 1))
    >>> tuple(shaded(nothing, Camera(np.eye(3), 1, 1), sun_and_sky())[0, 0].tolist()) == BACKGROUND
    True
    """
    return (levels(surfels, camera, lights, supersample) + 0.5).clip(0, 255).astype(np.uint8)


def levels(surfels: SurfelMaps, camera: Camera, lights: Lights, supersample: int = 1) -> np.ndarray:
    """The same as levels from 0 to 255 that are not rounded, float64.

    >>> nothing = SurfelMaps(torch.full((1, 1), torch.nan), torch.zeros(3, 1, 1), torch.zeros(3, 1, 1))
    >>> levels(nothing, Camera(np.eye(3), 1, 1), sun_and_sky())[0, 0].round(6).tolist()
    [246.0, 247.0, 249.0]
    """
    K = torch.from_numpy(np.asarray(camera.K, np.float64)).to(surfels.depth)
    paper = torch.tensor(BACKGROUND, dtype=K.dtype, device=K.device) / 255
    image = render_surfels(surfels, K, lights, paper).clamp(0, 1)  # [3, H, W]
    height, width = camera.height // supersample, camera.width // supersample
    image = image.view(3, height, supersample, width, supersample).mean((2, 4))
    found: np.ndarray = (image.movedim(0, -1) * 255).double().cpu().numpy()
    return found


def shaded_picture(mesh: Mesh, camera: Camera, supersample: int = 2) -> np.ndarray:
    """A mesh under sun and sky, faces in their class or own colours. Returns uint8 [H, W, 3], without bands.

    Both sides of a face are lit alike: open shells have no proper inside.

    >>> wall = Mesh(np.array([[-9.0, -9, 4], [9, -9, 4], [0, 9, 4]]), np.array([[0, 1, 2]]))
    >>> shaded_picture(wall, Camera(np.array([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]]), 2, 2)).shape
    (2, 2, 3)
    """
    rows = max(1, _BAND // (camera.width * supersample**2))
    found = []
    for top in range(0, camera.height, rows):
        band = supersampled_camera(_rows(camera, top, min(rows, camera.height - top)), supersample)
        found.append(dithered(levels(mesh_surfels(mesh, band), band, sun_and_sky(), supersample), top))
    return np.concatenate(found)


def _rows(camera: Camera, top: int, count: int) -> Camera:
    """The camera of some rows of the picture."""
    K = np.array(camera.K, np.float64)
    K[1, 2] -= top
    return Camera(K, camera.width, count, camera.world_to_cam)
