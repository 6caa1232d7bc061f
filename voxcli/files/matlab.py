"""MATLAB .mat volumes, read only: the ground truth of several published data sets.

The grid is the one 3D array under `Volume`, `voxel`, `voxels` or `instance`, or under `occupancy`, as our .npz names it, so that
what `scipy.io.savemat` makes of one is read. Axes are kept as they are in the file, the grid is placed as unit cells at the origin: these
files state neither frame nor size. Level 5 files (MATLAB 5 to 7.2) are parsed here, as the public "MAT-File Format" describes them,
because scipy's reader ends the interpreter on damaged files: what `savemat` of 1.17 makes of numpy.ones((4, 4, 4), "u1") as `voxel`, byte
178 set to 192 and byte 232 to 120, is a segmentation fault. 7.3 files are HDF5.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files.archive import check_array
from voxcli.files.guard import claim, parsing
from voxcli.files.hdf5_reading import MOST_KEYS, find, opened, values
from voxcli.files.keyed import missing_key
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import VoxelGrid

VOLUME_KEYS = ("Volume", "voxel", "voxels", "instance", "occupancy")

_STORED_AS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # data types of elements
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}  # classes of numeric arrays
_MATRIX, _COMPRESSED = 14, 15
_MOST_ELEMENTS = 100_000
"""Of a file: variables, and what is passed over."""


def read_mat(source: Source, kind: str | None, options: Options) -> VoxelGrid:
    """Occupancy [x, y, z]: bool from integers and from floats that are all 0 or 1; other floats are kept as they are."""
    if source.data.startswith(b"MATLAB 7.3"):
        array = _read_hdf5_mat(source)
    else:
        array = _read_level_5(source.data, source.name)
    if array.ndim != 3 or array.dtype.kind not in "fiub":
        raise FileFormatError(f"{source.name}: the volume must be a 3D array of numbers.", actual=f"{list(array.shape)} {array.dtype}")
    binary = array.dtype.kind != "f" or bool(np.isin(array, (0, 1)).all())
    return VoxelGrid(occupancy=array != 0 if binary else array)


def read_mat_arrays(path: str | Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Arrays of numbers by name and of any shape: those of `keys` that the file holds. Raises FileFormatError for no whole MATLAB file."""
    source = Source.from_path(path)
    if source.data.startswith(b"MATLAB 7.3"):
        with source.open() as raw, opened(raw, str(path)) as file:
            found = {key: data for key in keys if (data := find(file, key, str(path))) is not None}
            return {key: values(data, f"{path}: '{key}'").T for key, data in found.items()}
    order = {b"IM": "<", b"MI": ">"}.get(source.data[126:128])
    if order is None:
        raise FileFormatError(f"{path} is not a MATLAB file.", expected="MATLAB 5 or newer", actual=repr(source.data[:20]))
    with parsing(str(path), "a whole MATLAB file"):
        matrices = {key: matrix for key, matrix in _variables(source.data, order) if key in keys and matrix.kind}
        for key, matrix in matrices.items():
            check_array(f"{path}: '{key}'", matrix.shape, np.dtype("f8"))
        return {key: _values(matrix, order) for key, matrix in matrices.items()}


def _pick(sizes: dict[str, int], name: str) -> str:
    """The key of the volume; sizes are bytes by key."""
    key = next((k for k in VOLUME_KEYS if k in sizes), None)
    if key is None:
        raise missing_key(name, sizes, list(VOLUME_KEYS))
    claim(f"{name}: '{key}'", sizes[key])
    return key


class _Matrix(NamedTuple):
    """One variable. body: its bytes, still packed where compressed; shape and kind from its own header."""

    body: bytes
    compressed: bool
    shape: tuple[int, ...]
    kind: str | None


def _read_level_5(data: bytes, name: str) -> np.ndarray:
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise FileFormatError(f"{name} is not a MATLAB file.", expected="MATLAB 5 or newer", actual=repr(data[:20]))
    with parsing(name, "a whole MATLAB file"):
        found = dict(_variables(data, order))
        sizes = {key: math.prod(m.shape) * 8 for key, m in found.items() if m.kind}
        return _values(found[_pick(sizes, name)], order)


def _element(data: bytes, position: int, order: str) -> tuple[int, int, int, int]:
    """(data type, start, size, position of the next element). Small elements keep their size in the upper half of the type word."""
    word, size = struct.unpack_from(order + "2I", data, position)
    if word >> 16:
        return word & 0xFFFF, position + 4, word >> 16, position + 8
    start = position + 8
    if start + size > len(data):
        raise ValueError(f"an element of {size} bytes in {len(data) - start}")
    # Compressed variables follow each other without padding, everything else is padded to eight bytes.
    return word, start, size, start + size + (0 if word == _COMPRESSED else -size % 8)


def _variables(data: bytes, order: str) -> Iterator[tuple[str, _Matrix]]:
    position = 128
    for _ in range(_MOST_ELEMENTS):
        if position + 8 > len(data):
            return
        kind, start, size, position = _element(data, position, order)
        body = data[start : start + size]
        if kind == _COMPRESSED:
            # The first bytes tell name and shape; nothing more is unpacked before those have been judged.
            head = zlib.decompressobj().decompress(body, 1024)
            if struct.unpack_from(order + "I", head)[0] == _MATRIX:
                yield _header(head[8:], body, True, order)
        elif kind == _MATRIX:
            yield _header(body, body, False, order)
    raise ValueError(f"more than {_MOST_ELEMENTS} elements")


def _header(head: bytes, body: bytes, compressed: bool, order: str) -> tuple[str, _Matrix]:
    """Array flags, dimensions and name: the first three elements of a matrix."""
    _, start, _, position = _element(head, 0, order)
    flags = struct.unpack_from(order + "I", head, start)[0]
    _, start, size, position = _element(head, position, order)
    shape = struct.unpack_from(f"{order}{size // 4}i", head, start)
    _, start, size, _ = _element(head, position, order)
    is_complex = bool(flags & 0x0800)
    if min(shape, default=0) < 0:
        raise ValueError(f"dimensions {list(shape)}")
    return head[start : start + size].decode("ascii"), _Matrix(body, compressed, shape, None if is_complex else _CLASSES.get(flags & 0xFF))


def _values(matrix: _Matrix, order: str) -> np.ndarray:
    """The numbers of a matrix, in the type of its class: MATLAB stores whole numbers in fewer bytes where they fit."""
    count = math.prod(matrix.shape)
    body = matrix.body
    if matrix.compressed:
        body = zlib.decompressobj().decompress(body, count * 8 + 4096)[8:]
    position = 0
    for _ in range(3):
        *_, position = _element(body, position, order)
    stored, start, size, _ = _element(body, position, order)
    if stored not in _STORED_AS:
        raise ValueError(f"numbers of unknown type {stored}")
    values = np.frombuffer(body, order + _STORED_AS[stored], offset=start, count=size // np.dtype(_STORED_AS[stored]).itemsize)
    if len(values) != count:
        raise ValueError(f"{len(values)} numbers for {list(matrix.shape)}")
    assert matrix.kind is not None
    return values.reshape(matrix.shape, order="F").astype(matrix.kind)


def _read_hdf5_mat(source: Source) -> np.ndarray:
    with source.open() as raw, opened(raw, source.name) as file:
        for key in VOLUME_KEYS:
            if (data := find(file, key, source.name)) is not None:
                volume: np.ndarray = values(data, f"{source.name}: '{key}'").T  # MATLAB stores column-major: the axes are reversed
                return volume
        with parsing(source.name, "a whole MATLAB file"):
            raise missing_key(source.name, islice(file, MOST_KEYS), list(VOLUME_KEYS))


register(Format("MATLAB", (".mat",), "a volume under Volume, voxel, voxels, instance or occupancy", reads=("voxels",), reader=read_mat))
