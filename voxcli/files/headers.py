"""What the header of a file tells, for plans: the kind of thing, the format and its sizes. No content is read or unpacked."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from voxcli.errors import FileFormatError
from voxcli.files.registry import find_format

if TYPE_CHECKING:
    from voxcli.provenance import Json

Facts = dict[str, "Json"]

HEAD = 1 << 16
"""Bytes of a file's beginning that are looked at, where a header has no length of its own."""


def header(path: str | Path, format: str | None = None, kind: str | None = None) -> Facts:
    """`kind`, `format` and `bytes` of a file, and its sizes where its format states them first: pixels, shape, vertices, faces.

    format, kind: as of `voxcli.files.read`. stdin and pipes are not read: their bytes are None. Raises VoxcliErrors of `read` for headers
    that are damaged.
    """
    found, extension = find_format(path, format, "--input-format")
    facts: Facts = {"kind": kind or (found.reads[0] if found.reads else None), "format": extension.lstrip("."), "bytes": None}
    if str(path) == "-" or not os.path.isfile(path):
        return facts
    facts["bytes"] = os.path.getsize(path)
    look = _LOOKS.get(found.name)
    if look is None:
        return facts
    with open(path, "rb") as file:
        stated = look(file, str(path))
    return facts | (stated if kind is None else {key: value for key, value in stated.items() if key != "kind"})


def _picture(file: BinaryIO, name: str) -> Facts:
    from voxcli.files.images import picture_size

    if name.lower().endswith((".heic", ".heif")):
        from voxcli.files.heic import enable

        enable(name)
    size = picture_size(name)
    if size is None:
        raise FileFormatError(f"{name} is not an image.", expected="a picture with a readable header")
    return {"width": size[0], "height": size[1]}


def _npz(file: BinaryIO, name: str) -> Facts:
    from voxcli.files.archive import NpzArchive

    archive = NpzArchive(file, name)
    return _arrays({key: archive.shape_of(key) for key in archive}, name)


def _hdf5(file: BinaryIO, name: str) -> Facts:
    from itertools import islice

    import h5py

    from voxcli.files.guard import parsing
    from voxcli.files.hdf5_reading import MOST_KEYS, find, opened

    with opened(file, name) as archive, parsing(name, "a whole HDF5 file"):
        found = {key: find(archive, key, name) for key in islice(archive, MOST_KEYS)}
        shapes = {key: each.shape for key, each in found.items() if isinstance(each, h5py.Dataset)}
    with suppress(FileFormatError):  # many data sets are HDF5, too
        return _arrays(shapes, name)
    return {"kind": None, "keys": sorted(found)[:20]}


def _arrays(shapes: dict[str, tuple[int, ...]], name: str) -> Facts:
    """The kind that the keys tell, and the shape of its main array."""
    from voxcli.files.keyed import kind_of, main_key, missing_key

    kind = kind_of({key: len(shape) for key, shape in shapes.items()}, name)
    if (main := main_key(kind, shapes)) not in shapes:
        raise missing_key(name, shapes, [main])
    return {"kind": kind, "shape": list(shapes[main])}


def _npy(file: BinaryIO, name: str) -> Facts:
    from voxcli.files.archive import read_npy_header
    from voxcli.files.guard import parsing
    from voxcli.files.npy import WIDTHS

    with parsing(name, "an NPY file", hint=None):
        shape, _, _ = read_npy_header(file)
    return {"kind": "points" if len(shape) == 2 and shape[1] in WIDTHS else "depth", "shape": list(shape)}


def _ply(file: BinaryIO, name: str) -> Facts:
    from voxcli.files.ply_codec import header_counts

    counts = header_counts(file.read(HEAD), name)
    faces = sum(counts.get(key, 0) for key in ("face", "tristrips"))
    return {"kind": "mesh" if faces else "points", "vertices": counts.get("vertex", 0), **({"faces": faces} if faces else {})}


def _binvox(file: BinaryIO, name: str) -> Facts:
    from voxcli.files.binvox import header_sizes

    x, z, y = header_sizes(file.read(HEAD), name)
    return {"shape": [x, y, z]}


_LOOKS: dict[str, Callable[[BinaryIO, str], Facts]] = {
    **dict.fromkeys(("PNG", "JPEG", "WebP", "BMP", "GIF", "APNG", "HEIC", "TIFF"), _picture),
    "NPZ": _npz, "HDF5": _hdf5, "NPY": _npy, "PLY": _ply, "binvox": _binvox,
}  # fmt: skip
"""Name of a format -> what looks at its header."""
