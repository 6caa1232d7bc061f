"""Fruxels of ScanNet's frames: of the labelled surface, or where there is none of the labelled pixels with their depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from voxcli.datasets.scannet import BENCHMARK, LABELS, NYU40, ScanNetFrame, ScanNetScene, nyu40_of_ids, scenes_of
from voxcli.errors import DataError
from voxcli.geometry.cameras import inverse_rigid, nearest_rigid
from voxcli.geometry.frusta import fruxel_centres
from voxcli.geometry.regrid import camera_points
from voxcli.geometry.solid import fruxelize_parts
from voxcli.models.frustum.fitting import fit
from voxcli.ops.street_folders import SCALE, Sample, write_street
from voxcli.scene import Camera, Frustum, FruxelGrid, Labels, Picture

FRUSTUM = Frustum(128, 128, 128, 0.5, 8.0, 58.0)
"""As many fruxels as SSZ has; as wide as ScanNet's colour camera sees. The paper does not state one."""

IGNORE = 255


def classes_of(ids: tuple[int, ...] = BENCHMARK) -> Labels:
    """Air, and the NYU40 classes of these ids in their order."""
    return Labels(("air", *(NYU40[k - 1] for k in ids)), 0, IGNORE)


def camera_of(frame: ScanNetFrame) -> Camera:
    """The camera of a frame in the scan's world."""
    height, width = frame.image.shape[:2]
    world_to_cam = inverse_rigid(nearest_rigid(frame.camera_to_world))  # poses are written with six digits
    return Camera(frame.K, width, height, world_to_cam)


def fruxels_of(
    scene: ScanNetScene, name: str, camera: Camera, frustum: Frustum, of_raw: np.ndarray | None, ids: tuple[int, ...] = BENCHMARK
) -> FruxelGrid:
    """What a frame's camera has before it. of_raw: NYU40 class of each raw id, where pixels are labelled.

    Of a labelled surface, a fruxel has the class of what its pixel's ray meets within the slice (SSZ, section 3.1), whether seen or
    hidden; the rest is air. Of labelled pixels, what is before the depth is air and what is behind it is left out. Left out, too, are
    surfaces of other classes, and fruxels that the picture does not show. Raises DataError for a scene without labels.
    """
    table = np.full(max(len(NYU40) + 1, 256), IGNORE, np.uint8)
    table[list(ids)] = np.arange(1, len(ids) + 1)
    raw = None if scene.mesh_path.is_file() else scene.pixel_labels(name)
    if scene.mesh_path.is_file():
        labels = _of_surface(scene, camera.world_to_cam, frustum, table)
    elif raw is not None and of_raw is not None:
        labels = _of_pixels(scene, name, table[of_raw[raw]], camera, frustum)
    else:
        raise DataError(f"{scene.folder.name} has no labels of frame {name}.", expected=f"{scene.mesh_path.name} or label-filt/{name}.png")
    labels[:, ~_shown(camera, frustum)] = IGNORE
    return FruxelGrid(labels, frustum, camera.world_to_cam, classes_of(ids))


def _of_surface(scene: ScanNetScene, world_to_cam: np.ndarray, frustum: Frustum, table: np.ndarray) -> np.ndarray:
    mesh, vertex_labels = scene.surface
    vertices = camera_points(np.asarray(mesh.vertices, np.float64), world_to_cam)
    x, y, z = vertices[mesh.faces].transpose(2, 0, 1)
    wide, high = frustum.width / 2 / frustum.focal, frustum.height / 2 / frustum.focal
    near = (z.min(1) > 0.01) & (z.min(1) < frustum.z_far) & (z.max(1) > frustum.z_near)
    near &= ((np.abs(x) - wide * z).min(1) < 0) & ((np.abs(y) - high * z).min(1) < 0) | (np.ptp(x, 1) + np.ptp(y, 1) > 0.5)
    faces = mesh.faces[near]
    corners = table[np.minimum(vertex_labels, len(table) - 1)][faces]
    of_face = np.where(corners[:, 1] == corners[:, 2], corners[:, 1], corners[:, 0])  # the class of most corners, else of the first
    values = [IGNORE, *sorted(set(np.unique(of_face).tolist()) - {IGNORE})]
    points = torch.from_numpy(vertices)
    parts = [(points, torch.from_numpy(np.ascontiguousarray(faces[of_face == value]))) for value in values]
    owner = fruxelize_parts([part for part in parts if len(part[1])], frustum, fill="surface").owner.numpy() if len(faces) else None
    if owner is None:
        return np.zeros(frustum.shape, np.uint8)
    kept = [value for value, part in zip(values, parts, strict=True) if len(part[1])]
    return np.array([0, *kept], np.uint8)[owner]


def _of_pixels(scene: ScanNetScene, name: str, labels: np.ndarray, camera: Camera, frustum: Frustum) -> np.ndarray:
    depth, K = scene.depth(name)
    centres = fruxel_centres(frustum).numpy()
    x, y, z = centres[frustum.depth // 2].transpose(2, 0, 1)  # all slices have the same pixels
    seen, inside = _looked_up(depth, K, x / z, y / z)
    called, there = _looked_up(labels, camera.K * [[labels.shape[1] / camera.width], [labels.shape[0] / camera.height], [1]], x / z, y / z)
    away = centres[:, 0, 0, 2][:, None, None]
    half = frustum.slice_thickness / 2
    known = inside & there & np.isfinite(seen)
    out = np.where(known & (away < seen - half), 0, IGNORE).astype(np.uint8)
    return np.where(known & (np.abs(away - seen) <= half), called, out).astype(np.uint8)


def _looked_up(values: np.ndarray, K: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pixel that each ray (x, y, 1) meets, and whether it meets one."""
    height, width = values.shape
    u, v = (np.floor(K[a, a] * each + K[a, 2]).astype(np.int64) for a, each in ((0, x), (1, y)))
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    return values[v.clip(0, height - 1), u.clip(0, width - 1)], inside


def _shown(camera: Camera, frustum: Frustum) -> np.ndarray:
    """Which columns of fruxels the picture shows, bool [H, W]."""
    x = (np.arange(frustum.width) + 0.5 - frustum.width / 2) / frustum.focal
    y = (np.arange(frustum.height) + 0.5 - frustum.height / 2) / frustum.focal
    shape = np.broadcast_to(False, (camera.height, camera.width))
    return _looked_up(shape, camera.K, *np.meshgrid(x, y))[1]


def is_scannet_folder(path: str | Path) -> bool:
    """True for a root that holds scenes of ScanNet."""
    return bool(scenes_of(path, None))


def scannet_frames(root: str | Path, step: int = 20) -> list[tuple[Path, str]]:
    """(scene, frame) of every so many frames of the training's scenes; of all scenes where nothing says which those are."""
    split = "train" if (Path(root) / "scannetv2_train.txt").is_file() else None
    return [(folder, name) for folder in scenes_of(root, split) for name in ScanNetScene(folder).frames[::step]]


def street_from_scannet(
    root: str | Path, frames: list[tuple[Path, str]], out_dir: str | Path, overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:  # fmt: skip
    """Write frames as the samples of a street folder, called SCENE_FRAME. progress: called with 1 after each."""
    of_raw = nyu40_of_ids(root) if (Path(root) / LABELS).is_file() else None

    def samples() -> Iterator[Sample]:
        for folder, of_scene in groupby(frames, lambda each: each[0]):
            scene = ScanNetScene(folder)
            for _, name in of_scene:
                frame = scene.frame(name)
                camera = camera_of(frame)
                image = fit(Picture(frame.image), FRUSTUM, scale=SCALE, camera=camera).image
                yield f"{folder.name}_{name}", image, fruxels_of(scene, name, camera, FRUSTUM, of_raw)

    write_street(samples(), out_dir, overwrite, progress)
