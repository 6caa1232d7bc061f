"""NPY: one bare array. [N, 3], [N, 4] and [N, 6] are points, any other [H, W] of floats is a z-depth map in metres.

A fourth column is the intensity of a laser scanner, and is left out. Three more are normals or colours (`point_columns` tells which).
"""

from __future__ import annotations

import io
import math

import numpy as np

from voxcli.errors import DataError, FileFormatError
from voxcli.files.archive import check_array, read_npy_header
from voxcli.files.guard import parsing
from voxcli.files.point_columns import unnamed_columns
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import DepthMap, PointCloud

WIDTHS = (3, 4, 6)
"""Columns of an array of points."""


def read_npy(source: Source, kind: str | None, options: Options) -> PointCloud | DepthMap:
    """Points or depth, by kind or by shape. FileFormatError for pickles, absurd sizes and truncation."""
    array = load_npy(source)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise FileFormatError(
            f"{source.name} holds neither points nor depth.",
            expected="[N, 3], [N, 4], [N, 6] or [H, W] numbers",
            actual=f"{list(array.shape)} {array.dtype}",
            hint="Grids are read from .npz, where keys say what they are; fruxels of Z-GAN with --input-format zgan.",
        )
    if kind == "depth" or (kind is None and array.shape[1] not in WIDTHS):
        if array.dtype.kind != "f":
            raise FileFormatError(f"{source.name}: depth must be floats, in metres.", actual=array.dtype)
        return DepthMap(array.astype(np.float32))
    if array.shape[1] not in WIDTHS:
        raise FileFormatError(f"{source.name}: points have the wrong shape.", expected="[N, 3], [N, 4] or [N, 6]", actual=list(array.shape))
    normals, colours = unnamed_columns(array[:, 3:], source.name) if len(array) else (None, None)
    array = array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
    return PointCloud(array[:, :3], normals, colours)


def load_npy(source: Source) -> np.ndarray:
    """The array of an NPY file. FileFormatError for pickles, absurd sizes and truncation."""
    with source.open() as file:
        with parsing(source.name, "an NPY file", hint=None):
            shape, fortran, dtype = read_npy_header(file)
        check_array(source.name, shape, dtype)
        data = file.read()
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise FileFormatError(
            f"{source.name} does not have the size that its header declares.",
            expected=f"{math.prod(shape) * dtype.itemsize} bytes for {list(shape)} {dtype}",
            actual=f"{len(data)} bytes",
        )
    with parsing(source.name, "an NPY file", hint=None):  # of values of no bytes, too
        return np.frombuffer(bytearray(data), dtype).reshape(shape, order="F" if fortran else "C")


def npy_bytes(array: np.ndarray) -> bytes:
    """A whole NPY file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def write_points(cloud: PointCloud, options: Options) -> bytes:
    """[N, 3], or [N, 6] with normals. Colours and labels have no place here: DataError rather than a silent loss."""
    if cloud.colors is not None or cloud.labels is not None:
        raise DataError("NPY has no place for colours or labels of points.", hint="Write .ply or .npz.")
    return npy_bytes(
        cloud.points if cloud.normals is None else np.concatenate([cloud.points, cloud.normals.astype(cloud.points.dtype)], axis=1)
    )


def write_depth(depth: DepthMap, options: Options) -> bytes:
    """[H, W] float32, NaN where there is no surface. Raises DataError for ray depth, which a bare array could not state."""
    if depth.kind != "z":
        raise DataError("NPY cannot say that depth is along the ray.", hint="Write .npz, or convert to z-depth.")
    return npy_bytes(depth.depth.astype(np.float32))


register(
    Format(
        "NPY",
        (".npy",),
        "one array: points [N, 3] or depth [H, W]",
        reads=("points", "depth"),
        kind_from_content=False,
        reader=read_npy,
        writers={PointCloud: write_points, DepthMap: write_depth},
    )
)
