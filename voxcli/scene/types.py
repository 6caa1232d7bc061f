"""The things that travel: small frozen dataclasses over NumPy arrays, as they lie in files. No logic but validation.

Readers make them, writers take them; models, metrics and geometry take their arrays as tensors. Frames and units: camera frame
x right, y down, z forward; world frame +y up, metres where units are known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from voxcli.errors import DataError, Detail, ShapeError
from voxcli.provenance import Meta
from voxcli.scene.labels import Labels


def _need(ok: bool, message: str, *, expected: Detail = None, actual: Detail = None, hint: str | None = None) -> None:
    if not ok:
        raise DataError(message, expected=expected, actual=actual, hint=hint)


def _need_shape(name: str, array: np.ndarray, pattern: tuple[int | None, ...]) -> None:
    if array.ndim != len(pattern) or any(p is not None and p != s for p, s in zip(pattern, array.shape, strict=True)):
        wanted = "[" + ", ".join("*" if p is None else str(p) for p in pattern) + "]"
        raise ShapeError(f"{name} has the wrong shape.", expected=wanted, actual=list(array.shape))


def _need_finite(name: str, array: np.ndarray) -> None:
    bad = int(np.size(array) - np.count_nonzero(np.isfinite(array)))
    _need(bad == 0, f"{name} must be finite.", actual=f"{bad} NaN or infinite value(s)")


def _need_rigid(name: str, matrix: np.ndarray) -> None:
    _need_shape(name, matrix, (4, 4))
    _need_finite(name, matrix)
    rotation = matrix[:3, :3]
    square = np.abs(rotation @ rotation.T - np.eye(3)).max()
    turn = np.linalg.det(rotation)
    _need(
        square < 1e-3 and turn > 0 and np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-6),
        f"{name} must be a rigid motion: a rotation and a translation.",
        actual=f"R R^T off the identity by {square:.2g}, det R = {turn:.3g}",
        hint="A mirrored camera often comes from OpenGL or left-handed axes: see voxcli.geometry.cameras." if turn < 0 else None,
    )


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. K [3, 3] in pixels of a width x height image, world_to_cam [4, 4] acting on column vectors."""

    K: np.ndarray
    width: int
    height: int
    world_to_cam: np.ndarray = field(default_factory=lambda: np.eye(4))

    def __post_init__(self) -> None:
        _need_shape("K", self.K, (3, 3))
        _need_finite("K", self.K)
        _need(self.width > 0 and self.height > 0, "An image needs a positive size.", actual=f"{self.width}x{self.height}")
        _need(self.K[0, 0] > 0 and self.K[1, 1] > 0, "Focal lengths must be positive.", actual=f"{self.K[0, 0]}, {self.K[1, 1]}")
        _need_rigid("world_to_cam", self.world_to_cam)


@dataclass(frozen=True)
class Frustum:
    """The grid of a fruxel model: {z_near, z_far, depth, fov_x_deg} of SSZ section 3.1, and its image size in pixels.

    Slice k is centred at z_near + (k + 1/2)(z_far - z_near)/depth; f_x = f_y = (width/2)/tan(fov_x/2), c = (width/2, height/2).

    >>> frustum = Frustum(width=128, height=96, depth=64, z_near=2, z_far=34, fov_x_deg=90)
    >>> round(frustum.focal, 9), frustum.slice_thickness, frustum.shape
    (64.0, 0.5, (64, 96, 128))
    """

    width: int
    height: int
    depth: int
    z_near: float
    z_far: float
    fov_x_deg: float

    def __post_init__(self) -> None:
        for name in ("z_near", "z_far", "fov_x_deg"):
            _need(math.isfinite(getattr(self, name)), f"{name} of a frustum must be a finite number.", actual=getattr(self, name))
        _need(min(self.width, self.height, self.depth) >= 1, "A frustum needs at least one fruxel along each axis.",
              actual=f"width {self.width}, height {self.height}, depth {self.depth}")  # fmt: skip
        _need(self.z_near > 0, "z_near must be positive: the frustum starts in front of the camera.", actual=f"z_near = {self.z_near:g}")
        _need(self.z_far > self.z_near, "z_far must lie behind z_near.", actual=f"z_near = {self.z_near:g}, z_far = {self.z_far:g}")
        _need(0 < self.fov_x_deg < 180, "fov_x_deg must lie between 0 and 180 degrees.", actual=f"{self.fov_x_deg:g}")

    @property
    def focal(self) -> float:
        """Focal length in pixels, the same in x and y."""
        return self.width / 2 / math.tan(math.radians(self.fov_x_deg) / 2)

    @property
    def slice_thickness(self) -> float:
        """Thickness of one slice along z."""
        return (self.z_far - self.z_near) / self.depth

    @property
    def shape(self) -> tuple[int, int, int]:
        """(D, H, W), the shape of a label array."""
        return self.depth, self.height, self.width

    @property
    def K(self) -> np.ndarray:
        """Intrinsics of the image that the frustum stands behind, [3, 3]."""
        return np.array([[self.focal, 0, self.width / 2], [0, self.focal, self.height / 2], [0, 0, 1.0]])


FRUSTUM_PRESETS = {
    "shapenet": Frustum(width=128, height=128, depth=128, z_near=3.0, z_far=10.0, fov_x_deg=60.0),
    "semantic-voxels": Frustum(width=128, height=128, depth=128, z_near=2.0, z_far=12.0, fov_x_deg=40.0),
    "far": Frustum(width=128, height=96, depth=96, z_near=2.0, z_far=50.0, fov_x_deg=70.0),
}
"""The two frusta of SSZ section 4.2, and one of ours for what people photograph: a street to 50 m, in the 4:3 of a camera."""


@dataclass(frozen=True)
class FruxelGrid:
    """A labelled frustum voxel model. labels [D, H, W] (slice near to far, row top to bottom, column left to right).

    probabilities: optional float16 [n, D, H, W], n classes in the order of labels.names.
    """

    labels: np.ndarray
    frustum: Frustum
    world_to_cam: np.ndarray = field(default_factory=lambda: np.eye(4))
    classes: Labels = field(default_factory=Labels)
    probabilities: np.ndarray | None = None
    meta: Meta = field(default_factory=dict)

    def __post_init__(self) -> None:
        _need_shape("labels", self.labels, self.frustum.shape)
        _need(self.labels.dtype in (np.uint8, np.uint16), "labels must be uint8 or uint16.", actual=self.labels.dtype)
        _need_rigid("world_to_cam", self.world_to_cam)
        if self.probabilities is not None:
            _need_shape("probabilities", self.probabilities, (len(self.classes.names), *self.frustum.shape))

    @property
    def camera(self) -> Camera:
        """The camera whose pixels the columns of the grid stand behind."""
        return Camera(self.frustum.K, self.frustum.width, self.frustum.height, self.world_to_cam)


@dataclass(frozen=True)
class VoxelGrid:
    """A box grid, indexed [x, y, z]: `occupancy` (bool, or float probabilities) or `labels`, one of the two.

    origin [3] is the minimum corner, voxel_size [3] the edge lengths; cell centre = origin + (i + 0.5) * voxel_size.
    masks: bool [X, Y, Z] by name, cells that a camera or a lidar sees, where the file says it. probabilities: optional floats [X, Y, Z] of
    being occupied, beside an occupancy that a threshold has decided. context: optional
    floats [C, X, Y, Z], what fusing the volumes of several views reads besides (Pix2Vox, section 3.2.3).
    """

    occupancy: np.ndarray | None = None
    labels: np.ndarray | None = None
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3))
    voxel_size: np.ndarray = field(default_factory=lambda: np.ones(3))
    classes: Labels | None = None
    meta: Meta = field(default_factory=dict)
    probabilities: np.ndarray | None = None
    context: np.ndarray | None = None
    masks: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        _need((self.occupancy is None) != (self.labels is None), "A voxel grid holds either occupancy or labels.")
        _need_shape("voxels", self.values, (None, None, None))
        if self.labels is not None:
            _need(self.labels.dtype in (np.uint8, np.uint16), "labels must be uint8 or uint16.", actual=self.labels.dtype)
            _need(self.classes is not None, "A labelled voxel grid needs its class names.")
        if self.probabilities is not None:
            _need_shape("probabilities", self.probabilities, self.values.shape)
        if self.context is not None:
            _need_shape("context", self.context, (None, *self.values.shape))
        _need_shape("origin", self.origin, (3,))
        _need_shape("voxel_size", self.voxel_size, (3,))
        _need_finite("origin", self.origin)
        _need(bool(np.all(self.voxel_size > 0)), "voxel_size must be positive.", actual=self.voxel_size.tolist())
        with np.errstate(over="ignore"):
            _need_finite("the far corner", self.origin + np.array(self.values.shape) * self.voxel_size)

    @property
    def values(self) -> np.ndarray:
        """The array that the grid holds, whichever it is."""
        array = self.occupancy if self.occupancy is not None else self.labels
        assert array is not None
        return array


@dataclass(frozen=True)
class Mesh:
    """Triangles. vertices [V, 3] float64, faces [F, 3] int64; counter-clockwise seen from outside.

    face_colors [F, 3] uint8; face_labels [F] uint8 with `classes`; face_parts [F] int32 into part_names (scene-graph nodes or
    materials, whichever the file names); vertex_colors [V, 3] uint8.
    """

    vertices: np.ndarray
    faces: np.ndarray
    face_colors: np.ndarray | None = None
    vertex_colors: np.ndarray | None = None
    face_labels: np.ndarray | None = None
    classes: Labels | None = None
    face_parts: np.ndarray | None = None
    part_names: tuple[str, ...] = ()
    meta: Meta = field(default_factory=dict)

    def __post_init__(self) -> None:
        _need_shape("vertices", self.vertices, (None, 3))
        _need_shape("faces", self.faces, (None, 3))
        _need_finite("vertices", self.vertices)
        if len(self.faces):
            low, high = int(self.faces.min()), int(self.faces.max())
            _need(low >= 0 and high < len(self.vertices), "A face names a vertex that is not there.",
                  expected=f"indices 0..{len(self.vertices) - 1}", actual=f"{low}..{high}")  # fmt: skip


@dataclass(frozen=True)
class PointCloud:
    """points [N, 3], optional normals [N, 3], colors [N, 3] uint8, labels [N] with `classes`, radius [N]."""

    points: np.ndarray
    normals: np.ndarray | None = None
    colors: np.ndarray | None = None
    labels: np.ndarray | None = None
    classes: Labels | None = None
    radius: np.ndarray | None = None
    meta: Meta = field(default_factory=dict)

    def __post_init__(self) -> None:
        _need_shape("points", self.points, (None, 3))
        for name in ("normals", "colors", "labels", "radius"):
            array = getattr(self, name)
            if array is not None:
                rows = array.shape[:1]
                _need(rows == (len(self.points),), f"{name} must have one row a point.", expected=len(self.points), actual=list(rows))


@dataclass(frozen=True)
class DepthMap:
    """depth [H, W] float32, NaN where there is no surface; kind `z` (along the optical axis) or `ray`; the camera if known.

    unit: metres per unit of the integer image that it was read of, where it was.
    """

    depth: np.ndarray
    kind: str = "z"
    camera: Camera | None = None
    meta: Meta = field(default_factory=dict)
    unit: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _need_shape("depth", self.depth, (None, None))
        _need(self.depth.size > 0, "A depth map needs at least one pixel.", actual=list(self.depth.shape))
        _need(self.kind in ("z", "ray"), "depth_kind must be z or ray.", actual=self.kind)


@dataclass(frozen=True)
class Surfels:
    """One surfel a pixel: depth [H, W] (z, NaN = none), normals [H, W, 3] (camera frame, n_z < 0), albedo [H, W, 3] in 0..1."""

    depth: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    camera: Camera
    meta: Meta = field(default_factory=dict)

    def __post_init__(self) -> None:
        _need_shape("depth", self.depth, (self.camera.height, self.camera.width))
        _need_shape("normals", self.normals, (*self.depth.shape, 3))
        _need_shape("albedo", self.albedo, (*self.depth.shape, 3))


@dataclass(frozen=True)
class Picture:
    """rgb [H, W, 3] uint8 or uint16, and alpha [H, W] of the same type where the file has one (object mask).

    fov_x_deg: horizontal field of view of the upright picture in degrees, where its file tells (EXIF). stored: (width, height) of the
    upright picture in its file, where it was read at a reduced size.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    meta: Meta = field(default_factory=dict)
    fov_x_deg: float | None = None
    stored: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _need_shape("rgb", self.rgb, (None, None, 3))
        if self.alpha is not None:
            _need_shape("alpha", self.alpha, self.rgb.shape[:2])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the upright picture as its file holds it."""
        return self.stored or (self.rgb.shape[1], self.rgb.shape[0])


@dataclass(frozen=True)
class Animation:
    """Pictures in turn, without end: frames [T, H, W, 3] uint8."""

    frames: np.ndarray
    frames_per_second: float = 12.0
    meta: Meta = field(default_factory=dict)

    def __post_init__(self) -> None:
        _need_shape("frames", self.frames, (None, None, None, 3))
        _need(self.frames.dtype == np.uint8 and len(self.frames) > 0, "An animation needs frames of uint8.", actual=self.frames.dtype)
        _need(self.frames_per_second > 0, "Frames must follow each other.", actual=self.frames_per_second)


@dataclass(frozen=True)
class SceneObject:
    """One placed mesh: x_world = R(rotation_wxyz) (scale * x) + position. file: its path, relative to that of its scene YAML."""

    mesh: Mesh
    class_name: str
    position: np.ndarray = field(default_factory=lambda: np.zeros(3))
    rotation_wxyz: np.ndarray = field(default_factory=lambda: np.array([1.0, 0, 0, 0]))
    scale: np.ndarray = field(default_factory=lambda: np.ones(3))
    name: str = ""
    file: str = ""


@dataclass(frozen=True)
class SceneDescription:
    """Placed, classed meshes, with camera, frustum and class names where they are stated. Later objects overwrite earlier ones."""

    objects: tuple[SceneObject, ...]
    classes: Labels = field(default_factory=Labels)
    camera: Camera | None = None
    frustum: Frustum | None = None
    meta: Meta = field(default_factory=dict)

    def __post_init__(self) -> None:
        for o in self.objects:
            _need(o.class_name in self.classes.names, f"Object '{o.name or o.class_name}' has a class that the scene does not list.",
                  expected=f"one of {', '.join(self.classes.names)}", actual=o.class_name)  # fmt: skip


Described = FruxelGrid | VoxelGrid | Surfels | DepthMap | PointCloud | Mesh | Picture | Animation | SceneDescription
"""Scene types that carry a meta dictionary."""

SceneType = Described | Animation | Camera | list[tuple[str, Camera]]
"""All that a file can hold. A list is of (name, Camera)."""
