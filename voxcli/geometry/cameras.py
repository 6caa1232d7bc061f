"""All changes of camera axes and of pixel conventions, and nothing else. NumPy only: file readers use this too.

Ours: camera frame x right, y down, z forward (OpenCV); `world_to_cam` [4, 4] acts on column vectors; the centre of the top-left pixel
is (0.5, 0.5). Every function is exact in both directions; each has a round-trip test.

| convention | camera axes | what it stores | pixels |
|---|---|---|---|
| OpenCV, COLMAP | x right, y down, z forward | world_to_cam | OpenCV calibration: top-left centre (0, 0); COLMAP: (0.5, 0.5), as ours |
| OpenGL, Blender, NeRF | x right, y up, z backward | cam_to_world | |
| PyTorch3D | x left, y up, z forward | R, T for row vectors: x_cam = x_world R + T | NDC: the short side spans [-1, 1], x left, y up |
| ShapeNet renderings | | azimuth, elevation, distance ratio | 137 x 137, f = 149.84375, c = 68.5 |
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from voxcli.errors import DataError

_OPENGL_AXES = np.diag([1.0, -1.0, -1.0, 1.0])
_PYTORCH3D_AXES = np.diag([-1.0, -1.0, 1.0])


def inverse_rigid(matrix: np.ndarray) -> np.ndarray:
    """The inverse of a rigid motion [4, 4]: world_to_cam to cam_to_world, and back.

    >>> moved = np.eye(4)
    >>> moved[:3, 3] = 1, 2, 3
    >>> inverse_rigid(moved)[:3, 3].tolist()
    [-1.0, -2.0, -3.0]
    """
    rotation, translation = np.asarray(matrix, np.float64)[:3, :3], np.asarray(matrix, np.float64)[:3, 3]
    inverse = np.eye(4)
    inverse[:3, :3] = rotation.T
    inverse[:3, 3] = -rotation.T @ translation
    return inverse


def nearest_rigid(matrix: np.ndarray) -> np.ndarray:
    """The rigid motion [4, 4] nearest to one whose numbers are rounded: its rotation becomes the nearest that is one.

    >>> nearest_rigid(np.diag([1.001, 0.999, 1.0, 1.0])).tolist() == np.eye(4).tolist()
    True
    """
    u, _, v = np.linalg.svd(np.asarray(matrix, np.float64)[:3, :3])
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = u @ v, matrix[:3, 3]
    return found


def look_at(eye: ArrayLike, target: ArrayLike, up: ArrayLike = (0.0, 1.0, 0.0)) -> np.ndarray:
    """world_to_cam [4, 4] of a camera at eye that looks at target, its image's top towards `up`.

    Raises DataError where eye and target coincide, or the view is along `up`.

    >>> world_to_cam = look_at([0, 0, 5], [0, 0, 0])
    >>> (world_to_cam @ [0, 1, 0, 1]).tolist()                                       # 1 m up is 1 m against y, 5 m ahead
    [0.0, -1.0, 5.0, 1.0]
    """
    start, end, top = (np.asarray(v, np.float64).reshape(3) for v in (eye, target, up))
    forward = end - start
    right = np.cross(forward, top)
    if not (np.linalg.norm(right) > 1e-9 * max(np.linalg.norm(forward) * np.linalg.norm(top), 1e-300)):
        raise DataError(
            "A camera needs a direction that is not along its up vector.",
            actual=f"from {start.tolist()} to {end.tolist()}, up {top.tolist()}",
            hint="State another 'up'.",
        )
    z = forward / np.linalg.norm(forward)
    x = right / np.linalg.norm(right)
    world_to_cam = np.eye(4)
    world_to_cam[:3, :3] = np.stack([x, np.cross(z, x), z])
    world_to_cam[:3, 3] = -world_to_cam[:3, :3] @ start
    return world_to_cam


# --- intrinsics ------------------------------------------------------------------------------------------------------------------


def intrinsics(fov_x_deg: float, width: int, height: int) -> np.ndarray:
    """K [3, 3] of square pixels with the principal point in the middle. Raises DataError outside 0 < fov < 180.

    >>> intrinsics(90, 64, 48).round(9).tolist()
    [[32.0, 0.0, 32.0], [0.0, 32.0, 24.0], [0.0, 0.0, 1.0]]
    """
    if not 0 < fov_x_deg < 180:
        raise DataError("A field of view must lie between 0 and 180 degrees.", actual=f"{fov_x_deg:g}")
    focal = width / 2 / math.tan(math.radians(fov_x_deg) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def from_integer_centres(K: np.ndarray) -> np.ndarray:
    """K where the top-left pixel's centre is (0, 0) (OpenCV calibration, many data sets) to ours, (0.5, 0.5).

    >>> from_integer_centres(np.array([[9.0, 0, 3], [0, 9, 3], [0, 0, 1]]))[:2, 2].tolist()
    [3.5, 3.5]
    """
    moved = np.array(K, np.float64)
    moved[:2, 2] += 0.5
    return moved


def to_integer_centres(K: np.ndarray) -> np.ndarray:
    """Our K to the convention in which the top-left pixel's centre is (0, 0).

    >>> to_integer_centres(np.array([[9.0, 0, 3.5], [0, 9, 3.5], [0, 0, 1]]))[:2, 2].tolist()
    [3.0, 3.0]
    """
    moved = np.array(K, np.float64)
    moved[:2, 2] -= 0.5
    return moved


# --- OpenGL, Blender, NeRF -------------------------------------------------------------------------------------------------------


def from_opengl(cam_to_world: np.ndarray) -> np.ndarray:
    """cam_to_world [4, 4] of a camera with y up and z backward (OpenGL, Blender, NeRF) to our world_to_cam. The world stays as it is.

    >>> from_opengl(np.eye(4)).diagonal().tolist()
    [1.0, -1.0, -1.0, 1.0]
    """
    return inverse_rigid(np.asarray(cam_to_world, np.float64) @ _OPENGL_AXES)


def to_opengl(world_to_cam: np.ndarray) -> np.ndarray:
    """Our world_to_cam to the cam_to_world of an OpenGL camera.

    >>> to_opengl(np.diag([1.0, -1, -1, 1])).diagonal().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    return inverse_rigid(world_to_cam) @ _OPENGL_AXES


def z_up_to_y_up(points: np.ndarray) -> np.ndarray:
    """Points [..., 3] of a z-up world (Blender, most robotics data) in a y-up one: (x, y, z) becomes (x, z, -y).

    >>> z_up_to_y_up(np.array([1.0, 2, 3])).tolist()
    [1.0, 3.0, -2.0]
    """
    points = np.asarray(points)
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def y_up_to_z_up(points: np.ndarray) -> np.ndarray:
    """The inverse of z_up_to_y_up.

    >>> y_up_to_z_up(np.array([1.0, 3, -2])).tolist()
    [1.0, 2.0, 3.0]
    """
    points = np.asarray(points)
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


# --- nuScenes --------------------------------------------------------------------------------------------------------------------

_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
_BOX_AXES = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])  # a box looks along its x, y to its left, z up; our objects: z, x, y


def to_nuscenes(world_to_cam: np.ndarray) -> np.ndarray:
    """Our world_to_cam to cam_to_global [4, 4] of nuScenes: the camera's axes are ours, the global frame is z up (y_up_to_z_up).

    >>> (to_nuscenes(np.eye(4)) @ [1, 2, 3, 1]).tolist()                           # (x, y, z) becomes (x, -z, y)
    [1.0, -3.0, 2.0, 1.0]
    """
    cam_to_global: np.ndarray = _Z_UP @ inverse_rigid(world_to_cam)
    return cam_to_global


def from_nuscenes(cam_to_global: np.ndarray) -> np.ndarray:
    """The inverse of to_nuscenes.

    >>> from_nuscenes(to_nuscenes(np.eye(4))).tolist() == np.eye(4).tolist()
    True
    """
    return inverse_rigid(_Z_UP.T @ np.asarray(cam_to_global, np.float64))


def to_nuscenes_box(object_to_cam: np.ndarray, size: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An object in the camera frame as nuScenes' box: (box_to_cam [4, 4] about the box's centre, its size w, l, h [3]).

    Our objects stand on their y = 0, look along +z, and are `size` wide, high and long along x, y and z.

    >>> box, wlh = to_nuscenes_box(np.eye(4), [2, 1.5, 4])
    >>> box[:3, 3].tolist(), wlh.tolist()
    ([0.0, 0.75, 0.0], [2.0, 4.0, 1.5])
    """
    object_to_cam, (width, height, length) = np.asarray(object_to_cam, np.float64), (float(v) for v in size)
    box_to_cam = object_to_cam.copy()
    box_to_cam[:3, :3] = object_to_cam[:3, :3] @ _BOX_AXES
    box_to_cam[:3, 3] += object_to_cam[:3, :3] @ [0, height / 2, 0]
    return box_to_cam, np.array([width, length, height])


def from_nuscenes_box(box_to_cam: np.ndarray, wlh: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of to_nuscenes_box: (object_to_cam [4, 4], size along x, y, z [3]).

    >>> pose, size = from_nuscenes_box(*to_nuscenes_box(np.eye(4), [2, 1.5, 4]))
    >>> pose[:3, 3].tolist(), size.tolist()
    ([0.0, 0.0, 0.0], [2.0, 1.5, 4.0])
    """
    box_to_cam, (width, length, height) = np.asarray(box_to_cam, np.float64), (float(v) for v in wlh)
    object_to_cam = box_to_cam.copy()
    object_to_cam[:3, :3] = box_to_cam[:3, :3] @ _BOX_AXES.T
    object_to_cam[:3, 3] -= object_to_cam[:3, :3] @ [0, height / 2, 0]
    return object_to_cam, np.array([width, height, length])


# --- PyTorch3D -------------------------------------------------------------------------------------------------------------------


def from_pytorch3d(R: np.ndarray, T: np.ndarray) -> np.ndarray:
    """R [3, 3] and T [3] for row vectors (x_cam = x_world R + T, x left, y up) to our world_to_cam [4, 4].

    >>> from_pytorch3d(np.eye(3), np.array([1.0, 2, 3]))[:3, 3].tolist()
    [-1.0, -2.0, 3.0]
    """
    world_to_cam = np.eye(4)
    world_to_cam[:3, :3] = _PYTORCH3D_AXES @ np.asarray(R, np.float64).T
    world_to_cam[:3, 3] = _PYTORCH3D_AXES @ np.asarray(T, np.float64)
    return world_to_cam


def to_pytorch3d(world_to_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Our world_to_cam to PyTorch3D's (R [3, 3], T [3]).

    >>> R, T = to_pytorch3d(from_pytorch3d(np.eye(3), np.array([1.0, 2, 3])))
    >>> T.tolist()
    [1.0, 2.0, 3.0]
    """
    world_to_cam = np.asarray(world_to_cam, np.float64)
    return (_PYTORCH3D_AXES @ world_to_cam[:3, :3]).T, _PYTORCH3D_AXES @ world_to_cam[:3, 3]


def from_pytorch3d_ndc(focal: np.ndarray, principal: np.ndarray, width: int, height: int) -> np.ndarray:
    """NDC focal lengths [2] and principal point [2] to K in pixels. NDC: half the short side is 1, x left, y up, 0 in the middle.

    >>> from_pytorch3d_ndc(np.array([2.0, 2]), np.zeros(2), 64, 48)[:2].tolist()   # half the short side is 24 pixels
    [[48.0, 0.0, 32.0], [0.0, 48.0, 24.0]]
    """
    half = min(width, height) / 2
    fx, fy = np.asarray(focal, np.float64) * half
    cx, cy = np.array([width, height]) / 2 - np.asarray(principal, np.float64) * half
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def to_pytorch3d_ndc(K: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Our K to NDC (focal [2], principal [2]).

    >>> focal, principal = to_pytorch3d_ndc(np.array([[48.0, 0, 32], [0, 48, 24], [0, 0, 1]]), 64, 48)
    >>> focal.tolist(), principal.tolist()
    ([2.0, 2.0], [0.0, 0.0])
    """
    half = min(width, height) / 2
    return np.array([K[0, 0], K[1, 1]]) / half, (np.array([width, height]) / 2 - np.array([K[0, 2], K[1, 2]])) / half


# --- COLMAP ----------------------------------------------------------------------------------------------------------------------


def quaternion_to_rotation(wxyz: ArrayLike) -> np.ndarray:
    """Rotation [3, 3] of a quaternion (w, x, y, z) of any length but 0. Raises DataError for 0 and NaN.

    >>> (quaternion_to_rotation([1, 0, 1, 0]) @ [0, 0, 1]).round(9).tolist()        # a quarter turn about y
    [1.0, 0.0, 0.0]
    """
    quaternion = np.asarray(wxyz, np.float64).reshape(4)
    length = np.linalg.norm(quaternion)
    if not (np.isfinite(length) and length > 0):
        raise DataError("A rotation quaternion (w, x, y, z) must not be zero.", actual=quaternion.tolist())
    w, x, y, z = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def rotation_to_quaternion(rotation: np.ndarray) -> np.ndarray:
    """The unit quaternion (w, x, y, z) of a rotation [3, 3], w >= 0.

    The eigenvector of the largest eigenvalue of a symmetric 4 x 4 matrix (Bar-Itzhack 2000): no branches, stable at half turns.

    >>> abs(rotation_to_quaternion(np.diag([-1.0, 1, -1]))).round(9).tolist()       # a half turn about y
    [0.0, 0.0, 1.0, 0.0]
    """
    R = np.asarray(rotation, np.float64)
    K = np.array(
        [
            [R[0, 0] + R[1, 1] + R[2, 2], R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]],
            [0, R[0, 0] - R[1, 1] - R[2, 2], R[0, 1] + R[1, 0], R[0, 2] + R[2, 0]],
            [0, 0, R[1, 1] - R[0, 0] - R[2, 2], R[1, 2] + R[2, 1]],
            [0, 0, 0, R[2, 2] - R[0, 0] - R[1, 1]],
        ]
    )
    wxyz = np.linalg.eigh(K, UPLO="U")[1][:, -1]
    return wxyz if wxyz[0] >= 0 else -wxyz


def from_colmap(wxyz: ArrayLike, translation: ArrayLike) -> np.ndarray:
    """A line of COLMAP's images.txt (QW QX QY QZ TX TY TZ) as world_to_cam [4, 4]: the same axes, and the same half pixel, as ours.

    >>> from_colmap([1, 0, 0, 0], [1, 2, 3])[:3, 3].tolist()
    [1.0, 2.0, 3.0]
    """
    world_to_cam = np.eye(4)
    world_to_cam[:3, :3] = quaternion_to_rotation(wxyz)
    world_to_cam[:3, 3] = np.asarray(translation, np.float64)
    return world_to_cam


def to_colmap(world_to_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Our world_to_cam as COLMAP's (quaternion wxyz [4], translation [3]).

    >>> wxyz, translation = to_colmap(np.eye(4))
    >>> wxyz.tolist(), translation.tolist()
    ([1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0])
    """
    return rotation_to_quaternion(np.asarray(world_to_cam)[:3, :3]), np.asarray(world_to_cam, np.float64)[:3, 3].copy()


# --- ShapeNet renderings of 3D-R2N2 ----------------------------------------------------------------------------------------------

SHAPENET_MAX_DISTANCE = 1.75
"""Camera distance at ratio 1, in the units of the (unit-cube) ShapeNet models."""


def from_shapenet(azimuth_deg: float, elevation_deg: float, distance_ratio: float) -> np.ndarray:
    """world_to_cam [4, 4] of one line of rendering_metadata.txt (3D-R2N2's renderings; the world is the y-up ShapeNet model's frame).

    The camera stands at d (cos a cos e, sin e, sin a cos e), d = 1.75 * distance_ratio, and looks at the origin. The line's third and
    fifth numbers (in-plane rotation 0, field of view 25) are constants that the renderer did not use.

    >>> world_to_cam = from_shapenet(30, 20, 1.0)
    >>> round(float(np.linalg.norm(inverse_rigid(world_to_cam)[:3, 3])), 9)
    1.75
    """
    a, e, d = math.radians(azimuth_deg), math.radians(elevation_deg), SHAPENET_MAX_DISTANCE * distance_ratio
    return look_at([d * math.cos(a) * math.cos(e), d * math.sin(e), d * math.sin(a) * math.cos(e)], [0, 0, 0])


def to_shapenet(world_to_cam: np.ndarray) -> tuple[float, float, float]:
    """(azimuth in 0..360, elevation, distance ratio) of a camera that looks at the origin.

    >>> [round(v, 9) for v in to_shapenet(from_shapenet(30, 20, 0.8))]
    [30.0, 20.0, 0.8]
    """
    x, y, z = inverse_rigid(world_to_cam)[:3, 3]
    distance = math.sqrt(x * x + y * y + z * z)
    return math.degrees(math.atan2(z, x)) % 360, math.degrees(math.asin(y / distance)), distance / SHAPENET_MAX_DISTANCE


def shapenet_intrinsics(size: int = 137) -> np.ndarray:
    """K of these renderings: a 35 mm lens before a 32 mm sensor, so f = 35/32 * size (149.84375 at 137 pixels), c = size/2.

    >>> shapenet_intrinsics()[0].tolist()
    [149.84375, 0.0, 68.5]
    """
    focal = 35.0 / 32.0 * size
    return np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]])
