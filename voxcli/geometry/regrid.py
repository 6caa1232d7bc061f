"""From one grid to another: fruxels to voxels and back, depth to fruxels, cells to points."""

from __future__ import annotations

import numpy as np
import torch

from voxcli.errors import DataError
from voxcli.geometry.frusta import fruxel_centres, fruxel_index
from voxcli.scene import DepthMap, Frustum, FruxelGrid, Labels, PointCloud, VoxelGrid


def camera_points(points: np.ndarray, world_to_cam: np.ndarray) -> np.ndarray:
    """World points [*, 3] in the camera frame.

    >>> world_to_cam = np.diag([1.0, -1, -1, 1])
    >>> world_to_cam[2, 3] = 5
    >>> camera_points(np.array([[0.0, 1, 2]]), world_to_cam).tolist()
    [[0.0, -1.0, 3.0]]
    """
    moved: np.ndarray = points @ world_to_cam[:3, :3].T + world_to_cam[:3, 3]
    return moved


def world_points(points: np.ndarray, world_to_cam: np.ndarray) -> np.ndarray:
    """Camera-frame points [*, 3] in the world frame (the motion is rigid: its inverse is R^T (x - t)).

    >>> world_to_cam = np.diag([1.0, -1, -1, 1])
    >>> world_to_cam[2, 3] = 5
    >>> world_points(np.array([[0.0, -1, 3]]), world_to_cam).tolist()
    [[0.0, 1.0, 2.0]]
    """
    moved: np.ndarray = (points - world_to_cam[:3, 3]) @ world_to_cam[:3, :3]
    return moved


def fruxel_box(frustum: Frustum, world_to_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World-frame bounding box (low [3], high [3]) of a frustum.

    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> low, high = fruxel_box(frustum, np.eye(4))
    >>> low.round(9).tolist(), high.round(9).tolist()
    ([-3.0, -3.0, 1.0], [3.0, 3.0, 3.0])
    """
    x, y = frustum.width / 2 / frustum.focal, frustum.height / 2 / frustum.focal
    corners = np.array([[sx * x * z, sy * y * z, z] for z in (frustum.z_near, frustum.z_far) for sx in (-1, 1) for sy in (-1, 1)])
    corners = world_points(corners, world_to_cam)
    return corners.min(0), corners.max(0)


def voxel_centres(shape: tuple[int, int, int], origin: np.ndarray, voxel_size: np.ndarray) -> np.ndarray:
    """Cell centres origin + (i + 1/2) voxel_size. [X, Y, Z, 3]

    >>> voxel_centres((1, 1, 2), np.zeros(3), np.full(3, 0.5)).tolist()
    [[[[0.25, 0.25, 0.25], [0.25, 0.25, 0.75]]]]
    """
    axes = [origin[k] + (np.arange(shape[k]) + 0.5) * voxel_size[k] for k in range(3)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


def fruxels_to_voxels(grid: FruxelGrid, shape: tuple[int, int, int], origin: np.ndarray, voxel_size: np.ndarray) -> VoxelGrid:
    """Resample into a box of the world frame: each voxel takes the label of the fruxel that holds its centre; outside is empty.

    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> labels = np.array([[[1, 1], [1, 1]], [[2, 2], [2, 2]]], np.uint8)
    >>> fruxels_to_voxels(FruxelGrid(labels, frustum), (1, 1, 2), np.array([-0.5, -0.5, 1]), np.ones(3)).labels.tolist()
    [[[1, 2]]]
    """
    labels = np.full(shape, 0 if grid.classes.empty is None else grid.classes.empty, dtype=grid.labels.dtype)
    for x in range(shape[0]):  # a plane at a time bounds the memory
        centres = voxel_centres((1, *shape[1:]), origin + np.array([x, 0, 0]) * voxel_size, voxel_size)[0]
        index, inside = fruxel_index(torch.from_numpy(camera_points(centres, grid.world_to_cam)), grid.frustum)
        k, j, i = index.numpy().reshape(-1, 3).T
        labels[x] = np.where(inside.numpy(), grid.labels[k, j, i].reshape(shape[1:]), labels[x])
    return VoxelGrid(labels=labels, origin=origin, voxel_size=voxel_size, classes=grid.classes)


def fruxels_to_fruxels(grid: FruxelGrid, frustum: Frustum) -> FruxelGrid:
    """Resample into another frustum of the same camera: each fruxel takes the label of the one that holds its centre; outside is empty.

    >>> labels = np.array([[[1]], [[2]]], np.uint8)
    >>> grid = FruxelGrid(labels, Frustum(width=1, height=1, depth=2, z_near=1, z_far=3, fov_x_deg=90))
    >>> fruxels_to_fruxels(grid, Frustum(width=1, height=1, depth=3, z_near=1, z_far=4, fov_x_deg=90)).labels.ravel().tolist()
    [1, 2, 0]
    """
    labels = np.full(frustum.shape, 0 if grid.classes.empty is None else grid.classes.empty, dtype=grid.labels.dtype)
    index, inside = fruxel_index(fruxel_centres(frustum), grid.frustum)
    kept = inside.numpy()
    k, j, i = index.numpy()[kept].T
    labels[kept] = grid.labels[k, j, i]
    return FruxelGrid(labels, frustum, grid.world_to_cam, grid.classes)


def fruxels_to_box(grid: FruxelGrid, resolution: int) -> VoxelGrid:
    """Resample into the frustum's bounding box: cubic voxels, `resolution` of them along its longest side.

    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> fruxels_to_box(FruxelGrid(np.zeros((2, 2, 2), np.uint8), frustum), 6).labels.shape  # 6 x 6 x 2 m
    (6, 6, 2)
    """
    low, high = fruxel_box(grid.frustum, grid.world_to_cam)
    size = float((high - low).max()) / resolution
    x, y, z = (max(1, int(np.ceil(s / size - 1e-9))) for s in high - low)
    return fruxels_to_voxels(grid, (x, y, z), low, np.full(3, size))


def cells_of_fruxels(
    frustum: Frustum, world_to_cam: np.ndarray, shape: tuple[int, ...], origin: np.ndarray, voxel_size: np.ndarray
) -> np.ndarray:
    """Which voxel holds the centre of each fruxel: its place in a flat array of `shape` [X, Y, Z], -1 beyond the box. int64 [D, H, W]

    >>> frustum = Frustum(width=1, height=1, depth=3, z_near=1, z_far=4, fov_x_deg=90)
    >>> cells_of_fruxels(frustum, np.eye(4), (1, 1, 2), np.array([-0.5, -0.5, 2.0]), np.ones(3)).ravel().tolist()
    [-1, 0, 1]
    """
    points = world_points(fruxel_centres(frustum).numpy(), world_to_cam)
    index = np.floor((points - origin) / voxel_size).astype(np.int64)
    inside = ((index >= 0) & (index < shape)).all(-1)
    x, y, z = np.where(inside[..., None], index, 0).reshape(-1, 3).T
    flat: np.ndarray = np.ravel_multi_index((x, y, z), shape).reshape(frustum.shape)
    return np.where(inside, flat, -1)


def voxels_to_fruxels(grid: VoxelGrid, frustum: Frustum, world_to_cam: np.ndarray, class_name: str, threshold: float = 0.5) -> FruxelGrid:
    """Sample voxels at the centres of fruxels. An occupancy grid becomes one class: filled where its value is at least threshold.

    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> voxels = VoxelGrid(occupancy=np.ones((8, 8, 1), bool), origin=np.array([-4.0, -4, 1]))     # from z = 1 to 2
    >>> voxels_to_fruxels(voxels, frustum, np.eye(4), "car").labels.any((1, 2)).tolist()
    [True, False]
    """
    cells = cells_of_fruxels(frustum, world_to_cam, grid.values.shape, grid.origin, grid.voxel_size)
    inside, found = cells >= 0, grid.values.reshape(-1)[np.maximum(cells, 0)]
    if grid.labels is not None:
        assert grid.classes is not None
        empty = 0 if grid.classes.empty is None else grid.classes.empty
        return FruxelGrid(np.where(inside, found, empty).astype(grid.labels.dtype), frustum, world_to_cam, grid.classes)
    classes = _classes_with(class_name)
    labels = (inside & (found >= threshold)).astype(np.uint8) * np.uint8(classes.names.index(class_name))
    return FruxelGrid(labels, frustum, world_to_cam, classes)


def depth_to_fruxels(depth: DepthMap, frustum: Frustum, class_name: str) -> FruxelGrid:
    """The visible surface alone: each depth pixel sets the fruxel that it falls into.

    The map's camera must be known, its intrinsics may differ from the frustum's: pixels are lifted and projected anew.

    >>> frustum = Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> from voxcli.scene import Camera
    >>> depth = DepthMap(np.full((2, 2), 2.5, np.float32), camera=Camera(frustum.K, 2, 2))
    >>> depth_to_fruxels(depth, frustum, "car").labels.any((1, 2)).tolist()
    [False, True]
    """
    if depth.camera is None:
        raise DataError("The depth map has no camera.", hint="Give one with --camera FILE.")
    K = depth.camera.K
    v, u = np.mgrid[: depth.depth.shape[0], : depth.depth.shape[1]] + 0.5
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], -1)
    z = depth.depth.astype(np.float64)
    if depth.kind == "ray":
        z = z / np.linalg.norm(rays, axis=-1)
    seen = np.isfinite(z) & (z > 0)
    index, inside = fruxel_index(torch.from_numpy((rays * z[..., None])[seen]), frustum)
    k, j, i = index.numpy()[inside.numpy()].T
    classes = _classes_with(class_name)
    labels = np.zeros(frustum.shape, np.uint8)
    labels[k, j, i] = classes.names.index(class_name)
    return FruxelGrid(labels, frustum, depth.camera.world_to_cam, classes)


def filled_cells(grid: FruxelGrid | VoxelGrid, threshold: float = 0.5) -> PointCloud:
    """Centres of all filled cells in the world frame, with their labels where the grid has labels.

    >>> occupancy = np.zeros((2, 2, 2), bool)
    >>> occupancy[0, 0, 1] = True
    >>> filled_cells(VoxelGrid(occupancy=occupancy)).points.tolist()
    [[0.5, 0.5, 1.5]]
    """
    if isinstance(grid, FruxelGrid):
        filled = np.isin(grid.labels, grid.classes.solid_ids)
        points = world_points(fruxel_centres(grid.frustum).numpy()[filled], grid.world_to_cam)
        return PointCloud(points, labels=grid.labels[filled], classes=grid.classes)
    if grid.labels is not None:
        assert grid.classes is not None
        filled = np.isin(grid.labels, grid.classes.solid_ids)
        labels = grid.labels[filled]
    else:
        filled, labels = grid.values >= threshold, None
    points = grid.origin + (np.argwhere(filled) + 0.5) * grid.voxel_size
    return PointCloud(points, labels=labels, classes=grid.classes)


def _classes_with(name: str) -> Labels:
    """The street classes where they hold the name, else air and that one class."""
    street = Labels()
    return street if name in street.names else Labels(("air", name))
