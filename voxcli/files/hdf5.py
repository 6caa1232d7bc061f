"""HDF5: fruxels and voxels, with the keys of NPZ as data sets of the root group; and the shapes of IM-NET, of which the first is read."""

from __future__ import annotations

import io
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from voxcli import log
from voxcli.files import keyed
from voxcli.files.guard import claim, parsing
from voxcli.files.hdf5_reading import MOST_KEYS, find, is_text, opened, texts, values
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import FruxelGrid, Labels, PointCloud, VoxelGrid

if TYPE_CHECKING:
    import h5py


def read_hdf5(source: Source, kind: str | None, options: Options) -> keyed.Keyed:
    """Fruxels or voxels, told by the keys.

    Of IM-NET's files (voxels [n, R, R, R, 1], or points_64 [n, m, 3] with values_64 [n, m, 1]) the first shape, in the cube from -0.5 to
    0.5.
    """
    with source.open() as raw, opened(raw, source.name) as file:
        shape = _first_of_imnet(file, source.name)
        if shape is not None:
            return shape
        with parsing(source.name, "a whole HDF5 file"):
            keys = list(islice(file, MOST_KEYS))
        found = {key: data for key in keys if key in keyed.KNOWN_KEYS and (data := find(file, key, source.name)) is not None}
        if not found:
            raise keyed.missing_key(source.name, keys, ["labels", "occupancy", "z_near"])
        claim(source.name, sum(data.size * data.dtype.itemsize for data in found.values() if not is_text(data)))
        arrays = {key: _array(data, f"{source.name}: '{key}'", raw) for key, data in found.items()}
    return keyed.from_arrays(arrays, {key: array.ndim for key, array in arrays.items()}, source.name)


def _first_of_imnet(file: h5py.File, name: str) -> VoxelGrid | PointCloud | None:
    """The first shape of a file of IM-NET or BAE-NET; None for other files. Points are cells of a grid of 256 a side."""

    def held(key: str, ndim: int, last: int) -> h5py.Dataset | None:
        data = find(file, key, name)
        if data is None or data.ndim != ndim or data.shape[-1] != last or data.shape[0] == 0 or data.dtype.kind not in "fiub":
            return None
        return data

    def first(data: h5py.Dataset, key: str) -> np.ndarray:
        if len(data) > 1:
            log.warn(f"{name} holds {len(data)} shapes; the first is taken.")
        shape: np.ndarray = values(data, f"{name}: '{key}'", slice(0, 1))[0]
        return shape

    voxels = held("voxels", 5, 1)
    if voxels is not None:
        cells = first(voxels, "voxels")[..., 0]
        occupied = cells > 0.5 if cells.dtype.kind == "f" else cells != 0
        return VoxelGrid(occupied, origin=np.full(3, -0.5), voxel_size=1 / np.array(cells.shape))
    for size in (64, 32, 16):
        points, inside = held(f"points_{size}", 3, 3), held(f"values_{size}", 3, 1)
        if points is not None and inside is not None:
            places = first(points, f"points_{size}")
            labels = (values(inside, f"{name}: 'values_{size}'", slice(0, 1))[0, :, 0] > 0.5).astype(np.uint8)
            classes = Labels(("empty", "occupied"), 0, None)
            return PointCloud((places.astype(np.float32) + 0.5) / 256 - 0.5, labels=labels, classes=classes)
    return None


def _array(data: h5py.Dataset, what: str, raw: BinaryIO) -> np.ndarray:
    """All values; texts as NumPy has them."""
    if not is_text(data):
        return values(data, what)
    found = texts(data, what, raw)
    claim(what, 4 * max(map(len, found), default=0) * len(found))  # every one takes as much as the longest
    result: np.ndarray = np.array(found, np.str_).reshape(data.shape)
    return result


def hdf5_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """A whole HDF5 file, without the modification times that HDF5 keeps by default, so that equal arrays give equal bytes."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("earliest", "v110"), track_order=False) as file:
        for key, array in arrays.items():
            array = np.asarray(array)
            if array.dtype.kind == "U":
                array = np.char.encode(array, "utf-8")
                kind = h5py.string_dtype("utf-8", max(array.dtype.itemsize, 1))
                file.create_dataset(key, data=array.astype(kind), dtype=kind, track_times=False)
            elif array.ndim >= 3:
                file.create_dataset(key, data=array, compression="gzip", compression_opts=1 if array.dtype.kind == "f" else 4,
                                    shuffle=array.dtype.itemsize > 1, track_times=False)  # fmt: skip
            else:
                file.create_dataset(key, data=array, track_times=False)
    return buffer.getvalue()


register(
    Format(
        "HDF5",
        (".h5", ".hdf5"),
        "HDF5: fruxels or voxels, with the keys of NPZ; read IM-NET's",
        reads=("fruxels", "voxels", "points"),
        kind_from_content=True,
        complete=True,
        reader=read_hdf5,
        writers={
            FruxelGrid: lambda thing, options: hdf5_bytes(keyed.fruxel_arrays(thing)),
            VoxelGrid: lambda thing, options: hdf5_bytes(keyed.voxel_arrays(thing)),
        },
    )
)
