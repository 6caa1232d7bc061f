"""MATLAB .mat volumes, read only: the ground truth of several published data sets.

The grid is the one 3D array under `Volume`, `voxel`, `voxels` or `instance`. Axes are kept as they are in the file, the grid is placed
as unit cells at the origin: these files state neither frame nor size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files.archive import MAX_ARRAY_BYTES
from voxcli.files.keyed import missing_key
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import VoxelGrid

VOLUME_KEYS = ("Volume", "voxel", "voxels", "instance")


def read_mat(source: Source, kind: str | None, options: Options) -> VoxelGrid:
    """Occupancy [x, y, z]: bool from integers (anything but 0), float kept as it is."""
    if source.data.startswith(b"MATLAB 7.3"):
        array = _read_hdf5_mat(source)
    else:
        array = _read_classic_mat(source)
    if array.ndim != 3 or array.dtype.kind not in "fiub":
        raise FileFormatError(f"{source.name}: the volume must be a 3D array of numbers.", actual=f"{list(array.shape)} {array.dtype}")
    binary = array.dtype.kind != "f" or bool(np.isin(array, (0, 1)).all())
    return VoxelGrid(occupancy=array != 0 if binary else array)


def _pick(sizes: dict[str, int], name: str) -> str:
    """The key of the volume; sizes are bytes by key."""
    key = next((k for k in VOLUME_KEYS if k in sizes), None)
    if key is None:
        raise missing_key(name, sizes, list(VOLUME_KEYS))
    if sizes[key] > MAX_ARRAY_BYTES:
        raise FileFormatError(f"{name}: '{key}' declares {sizes[key] / 2**30:.3g} GiB.", expected=f"at most {MAX_ARRAY_BYTES >> 30} GiB")
    return key


def _read_classic_mat(source: Source) -> Any:
    import scipy.io

    try:
        with source.open() as file:
            sizes = {key: math.prod(shape) * 8 for key, shape, _ in scipy.io.whosmat(file)}
        key = _pick(sizes, source.name)
        with source.open() as file:
            return scipy.io.loadmat(file, variable_names=[key])[key]
    except FileFormatError:
        raise
    except Exception as error:  # scipy's reader raises whatever the bytes lead it to
        raise FileFormatError(f"{source.name} is not a whole MATLAB file.", actual=str(error) or type(error).__name__) from error


def _read_hdf5_mat(source: Source) -> Any:
    import h5py

    try:
        with source.open() as raw, h5py.File(raw, "r") as file:
            sizes = {k: math.prod(d.shape) * d.dtype.itemsize for k, d in file.items() if isinstance(d, h5py.Dataset)}
            # MATLAB stores column-major: h5py sees the axes reversed.
            return np.asarray(file[_pick(sizes, source.name)][()]).T
    except FileFormatError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise FileFormatError(f"{source.name} is not a whole MATLAB file.", actual=str(error)) from error


register(Format("MATLAB", (".mat",), "a volume under Volume, voxel, voxels or instance", reads=("voxels",), reader=read_mat))
