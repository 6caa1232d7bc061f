"""HDF5: fruxels and voxels, with the keys of NPZ as data sets of the root group; and the shapes of IM-NET, of which the first is read."""

from __future__ import annotations

import io
import math
import warnings
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files import keyed
from voxcli.files.guard import claim, parsing
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import FruxelGrid, Labels, PointCloud, VoxelGrid

if TYPE_CHECKING:
    import h5py

MOST_KEYS = 1000
"""Keys of the root group that are looked at."""

MOST_TEXTS = 65_536
"""Names of classes: labels have 16 bits at most."""


def read_hdf5(source: Source, kind: str | None, options: Options) -> keyed.Keyed:
    """Fruxels or voxels, told by the keys. Links to other files and virtual data sets are not followed.

    Of IM-NET's files (voxels [n, R, R, R, 1], or points_64 [n, m, 3] with values_64 [n, m, 1]) the first shape, in the cube from -0.5 to
    0.5.
    """
    import h5py

    with parsing(source.name, "a whole HDF5 file"), source.open() as raw, h5py.File(raw, "r") as file:
        shape = _first_of_imnet(file, source.name)
        if shape is not None:
            return shape
        keys = [key for key in islice(file, MOST_KEYS) if isinstance(file.get(key, getlink=True), h5py.HardLink)]
        found = {key: _read(file, key, source.name) for key in keys if key in keyed.KNOWN_KEYS}
        if not found:
            raise keyed.missing_key(source.name, keys, ["labels", "occupancy", "z_near"])
    arrays = {key: array for key, array in found.items() if array is not None}
    return keyed.from_arrays(arrays, {key: array.ndim for key, array in arrays.items()}, source.name)


def _first_of_imnet(file: h5py.File, name: str) -> VoxelGrid | PointCloud | None:
    """The first shape of a file of IM-NET or BAE-NET; None for other files. Points are cells of a grid of 256 a side."""
    import h5py

    def held(key: str, ndim: int, last: int) -> h5py.Dataset | None:
        data = file.get(key)
        fits = isinstance(data, h5py.Dataset) and data.ndim == ndim and data.shape[-1] == last and data.shape[0] > 0 and not data.external
        return data if fits and not data.is_virtual and data.dtype.kind in "fiub" else None

    voxels = held("voxels", 5, 1)
    sizes = [size for size in (64, 32, 16) if held(f"points_{size}", 3, 3) is not None and held(f"values_{size}", 3, 1) is not None]
    if voxels is None and not sizes:
        return None
    every = voxels if voxels is not None else file[f"points_{sizes[0]}"]
    claim(f"{name}: a shape", math.prod(every.shape[1:]) * every.dtype.itemsize)
    if len(every) > 1:
        warnings.warn(f"{name} holds {len(every)} shapes; the first is taken.", stacklevel=3)
    if voxels is not None:
        cells = np.asarray(voxels[0])[..., 0]
        occupied = cells > 0.5 if cells.dtype.kind == "f" else cells != 0
        return VoxelGrid(occupied, origin=np.full(3, -0.5), voxel_size=1 / np.array(cells.shape))
    points, values = (np.asarray(file[f"{key}_{sizes[0]}"][0]) for key in ("points", "values"))
    inside = (values[:, 0] > 0.5).astype(np.uint8)
    return PointCloud((points.astype(np.float32) + 0.5) / 256 - 0.5, labels=inside, classes=Labels(("empty", "occupied"), 0, None))


def _read(file: h5py.File, key: str, name: str) -> np.ndarray | None:
    import h5py

    dataset = file[key]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        return None
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return _texts(dataset, f"{name}: '{key}'")
    if dataset.dtype.kind not in "fiub":
        raise FileFormatError(f"{name}: '{key}' must hold numbers or text.", actual=dataset.dtype)
    claim(f"{name}: '{key}'", math.prod(dataset.shape) * dataset.dtype.itemsize)
    return np.asarray(dataset[()])


def _texts(dataset: h5py.Dataset, what: str) -> np.ndarray:
    """A text, or a list of texts. Each is read by itself: many of a list may lie at one place of a small file."""
    count = math.prod(dataset.shape)
    if count > MOST_TEXTS or len(dataset.shape) > 1:
        raise FileFormatError(f"{what} must be a text, or a list of at most {MOST_TEXTS}.", actual=list(dataset.shape))
    claim(what, count * dataset.dtype.itemsize)
    texts, total = [], 0
    for place in np.ndindex(dataset.shape):
        text = dataset[place]
        text = text.decode("utf-8") if isinstance(text, bytes) else str(text)
        texts.append(text)
        total = max(total, len(text))
        claim(what, 4 * total * count)                                            # an array of texts has the longest one's size everywhere
    result: np.ndarray = np.array(texts, dtype=np.str_).reshape(dataset.shape)
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
