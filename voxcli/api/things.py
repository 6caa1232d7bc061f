"""What a caller may hand in: paths, arrays, tensors, Pillow images and trimesh objects, as our scene types."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeGuard, Union

import numpy as np

from voxcli import files
from voxcli.errors import DataError, UsageError
from voxcli.scene import Camera, DepthMap, Frustum, FruxelGrid, Mesh, Picture, PointCloud, SceneDescription, Surfels, VoxelGrid

if TYPE_CHECKING:
    import torch
    import trimesh
    from PIL import Image
    from typing_extensions import TypeIs

    from voxcli.provenance import Recordable

Path = str | os.PathLike[str]
Array = Union[np.ndarray, "torch.Tensor"]
Faces = tuple[Array, Array]
"""(vertices [V, 3], faces [F, 3])."""
Trimesh = Union["trimesh.Trimesh", "trimesh.Scene", "trimesh.PointCloud"]
Shape = Mesh | PointCloud | FruxelGrid | VoxelGrid | Surfels | DepthMap
ShapeLike = Path | Shape | Trimesh | Faces | Array
"""A file, one of our types, trimesh, (vertices, faces), points [N, 3], or occupancy [X, Y, Z]."""
PictureLike = Union[Path, Picture, "Image.Image", np.ndarray]
"""A file, a Picture, a Pillow image, or an array [H, W], [H, W, 3] or [H, W, 4] of uint8 or uint16."""

Device = Union[str, "torch.device"]

Thing = Union[Trimesh, "Image.Image", "Recordable"]
"""What a caller may hand in, where anything else is told so."""

_OURS = (Mesh, PointCloud, FruxelGrid, VoxelGrid, Surfels, DepthMap)


def is_path(thing: Thing) -> TypeIs[Path]:
    """Whether something is the path of a file."""
    return isinstance(thing, (str, os.PathLike))


def path_of(thing: Thing) -> str:
    """The path that was handed in; "" for what is no path."""
    return os.fspath(thing) if is_path(thing) else ""


def digests_of(*things: Thing) -> dict[str, str]:
    """SHA-256 of the files among the things, by their paths."""
    from voxcli.provenance import sha256_file

    return {path: sha256_file(path) for path in map(path_of, things) if path}


def as_picture(thing: PictureLike, target_frustum: Frustum | None = None, fov_x_deg: float | None = None) -> Picture:
    """A picture of whatever holds one. target_frustum, fov_x_deg: as for `voxcli.files.read`; they concern files alone.

    Raises UsageError for what is none, DataError for arrays of other numbers than uint8 and uint16.
    """
    if is_path(thing):
        return files.read_as(path_of(thing), Picture, target_frustum=target_frustum, fov_x_deg=fov_x_deg)
    if isinstance(thing, Picture):
        return thing
    if isinstance(thing, np.ndarray):
        return _picture_of_array(thing)
    if _is_pillow(thing):
        from voxcli.files.images import picture_of_pillow

        return picture_of_pillow(thing)
    raise UsageError("This is no picture.", expected="a path, a Pillow image, an array [H, W, 3] of uint8, or a Picture",
                     actual=_kind(thing), hint=_HINTS.get(_origin(thing)))  # fmt: skip


def _picture_of_array(array: np.ndarray) -> Picture:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or not array.size:
        raise DataError("An array of this shape is no picture.", expected="[H, W], [H, W, 3] or [H, W, 4]", actual=list(array.shape),
                        hint="Channels come last: array.transpose(1, 2, 0)." if array.ndim == 3 else None)  # fmt: skip
    if array.dtype not in (np.uint8, np.uint16):
        raise DataError("A picture's numbers are of another type.", expected="uint8 or uint16", actual=array.dtype,
                        hint="Numbers from 0 to 1: (255 * array).round().astype(numpy.uint8).")  # fmt: skip
    channels = array[..., None] if array.ndim == 2 else array
    rgb = channels[..., :3] if channels.shape[2] > 1 else channels.repeat(3, axis=2)
    return Picture(np.ascontiguousarray(rgb), np.ascontiguousarray(channels[..., 3]) if channels.shape[2] == 4 else None)


def is_picture(thing: Thing) -> TypeGuard[PictureLike]:
    """Whether something in memory is a picture: a Picture, a Pillow image, or an array [H, W, 3] or [H, W, 4] of uint8."""
    if isinstance(thing, np.ndarray):
        return thing.ndim == 3 and thing.shape[2] in (3, 4) and thing.dtype == np.uint8
    return isinstance(thing, Picture) or _comes_from(thing, "PIL")


def as_shape(thing: ShapeLike | PictureLike, what: str = "shape", empty_clouds: bool = False) -> Shape:
    """A shape of whatever holds one. Arrays [N, 3] are points; arrays [X, Y, Z] are occupancy (bool, 0 and 1, or probabilities), whose
    cells are unit cubes from the origin on.

    what: what errors call it. empty_clouds: a file of points may hold none. Raises UsageError for what is no shape.
    """
    if is_path(thing):
        from voxcli.metrics.shapes import read_shape

        return read_shape(path_of(thing), empty_clouds)
    if isinstance(thing, _OURS):
        return thing
    if _is_trimesh(thing):
        from voxcli.files.meshes import shape_of_trimesh

        return shape_of_trimesh(thing, what)
    if isinstance(thing, tuple) and len(thing) == 2:
        return _mesh_of_arrays(*thing, what)
    if isinstance(thing, np.ndarray) or _comes_from(thing, "torch"):
        return _shape_of_array(as_array(thing, what), what)
    raise UsageError(f"The {what} is nothing that has a surface.", expected="a path, trimesh, (vertices, faces), points [N, 3], occupancy "
                     "[X, Y, Z], or one of voxcli's types", actual=_kind(thing), hint=_HINTS.get(_origin(thing)))  # fmt: skip


def as_solid(thing: ShapeLike | SceneDescription, what: str = "shape") -> Shape | SceneDescription:
    """A shape, or the placed meshes of a scene; of a file the mesh, scene, voxels, depth or points that it holds."""
    if isinstance(thing, SceneDescription):
        return thing
    if is_path(thing):
        kinds = (SceneDescription, Mesh, VoxelGrid, DepthMap, PointCloud)
        found: Shape | SceneDescription = files.read_as(path_of(thing), kinds)
        return found
    return as_shape(thing, what)


def as_camera(camera: Thing, source: str = "") -> Camera | None:
    """A camera, or that of a file; of several in the file, the one whose image has the stem of `source`."""
    if camera is None or isinstance(camera, Camera):
        return camera
    if is_path(camera):
        from voxcli.ops.cameras import camera_for

        return camera_for(path_of(camera), source)
    raise UsageError("This is no camera.", expected="a Camera, or the path of a scene YAML or transforms.json", actual=_kind(camera))


def as_array(thing: Thing, what: str) -> np.ndarray:
    """An array, a tensor, or nested lists of numbers as an array."""
    if _comes_from(thing, "torch"):
        import torch

        assert isinstance(thing, torch.Tensor)
        detached = thing.detach().cpu()
        return (detached.float() if detached.dtype == torch.bfloat16 else detached).numpy()
    try:
        found = np.asarray(thing)
    except ValueError as error:
        raise UsageError(f"The {what} is no array.", expected="numbers in rows of equal length", actual=_kind(thing)) from error
    if found.dtype.kind not in "biuf":
        raise UsageError(f"The {what} holds no numbers.", expected="an array of numbers", actual=f"{_kind(thing)} of {found.dtype}")
    return found


def _mesh_of_arrays(vertices: Array, faces: Array, what: str) -> Mesh:
    corners, indices = as_array(vertices, f"{what}'s vertices"), as_array(faces, f"{what}'s faces")
    if indices.dtype.kind not in "iu":
        raise UsageError(f"The {what}'s faces are no indices.", expected="integers [F, 3]", actual=f"{indices.dtype} {list(indices.shape)}",
                         hint="Give (vertices, faces), in this order.")  # fmt: skip
    return Mesh(corners.astype(np.float64), indices.astype(np.int64))


def _shape_of_array(array: np.ndarray, what: str) -> PointCloud | VoxelGrid:
    if array.ndim == 2 and array.shape[1] == 3:
        return PointCloud(array.astype(np.float64))
    if array.ndim != 3:
        raise DataError(f"The {what} is an array of another shape.", expected="points [N, 3] or occupancy [X, Y, Z]",
                        actual=list(array.shape))  # fmt: skip
    if array.dtype.kind in "iu":
        if array.size and (array.min() < 0 or array.max() > 1):
            raise DataError(f"The {what} holds labels whose names are not known.", expected="occupancy: bool, or 0 and 1",
                            actual=f"integers {array.min()} to {array.max()}",
                            hint="Give voxcli.VoxelGrid(labels=..., classes=...) or voxcli.FruxelGrid.")  # fmt: skip
        array = array.astype(bool)
    return VoxelGrid(occupancy=array)


def _comes_from(thing: Thing, package: str) -> bool:
    return _origin(thing) == package


def _is_pillow(thing: Thing) -> TypeGuard[Image.Image]:
    return _comes_from(thing, "PIL")


def _is_trimesh(thing: Thing) -> TypeGuard[Trimesh]:
    return _comes_from(thing, "trimesh")


def _origin(thing: Thing) -> str:
    """The package of the type, or of one that it derives from."""
    names = [each.__module__.partition(".")[0] for each in type(thing).__mro__]
    return next((name for name in names if name in ("PIL", "trimesh", "torch")), names[0])


def _kind(thing: Thing) -> str:
    shape = getattr(thing, "shape", None)
    return type(thing).__name__ + (f" {list(shape)}" if isinstance(shape, tuple) else "")


_HINTS = {
    "torch": "Give pictures as arrays: tensor.permute(1, 2, 0).cpu().numpy().",
    "open3d": "Give (numpy.asarray(mesh.vertices), numpy.asarray(mesh.triangles)).",
}
