"""Whether a file was finished, found out cheaply: by its first bytes, its size, and checksums where the format has them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from voxcli.errors import VoxcliError


def is_whole(path: str | Path) -> bool:
    """False for a file that is empty, cut off, damaged or no file of its extension. Files of unknown formats have to hold something."""
    path = Path(path)
    try:
        data = path.read_bytes()
        # A machine that lost its power leaves zeros.
        return data.count(0) < len(data) and _CHECKS.get(path.suffix.lower(), _unknown)(data)
    except (OSError, ValueError, struct.error, zlib.error, zipfile.BadZipFile, NotImplementedError, EOFError, VoxcliError):
        return False


def _unknown(data: bytes) -> bool:
    return True


def _png(data: bytes) -> bool:
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return False
    place, kind = 8, b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", data, place)
        (checksum,) = struct.unpack_from(">I", data, place + 8 + size)
        if zlib.crc32(data[place + 4 : place + 8 + size]) != checksum:
            return False
        place += 12 + size
    return True


def _zip(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return bool(archive.namelist()) and archive.testzip() is None


def _glb(data: bytes) -> bool:
    magic, _, size = struct.unpack_from("<4sII", data)
    return bool(magic == b"glTF" and size == len(data))


def _hdf5(data: bytes) -> bool:
    from voxcli.files.hdf5_reading import opened

    with opened(io.BytesIO(data), "file"):  # it compares the size that the file states
        return True


def _gif(data: bytes) -> bool:
    return data[:6] in (b"GIF87a", b"GIF89a") and data.endswith(b";")


def _vox(data: bytes) -> bool:
    magic, _, main, content, children = struct.unpack_from("<4sI4sII", data)
    return bool(magic == b"VOX " and main == b"MAIN" and len(data) == 20 + content + children)


def _safetensors(data: bytes) -> bool:
    (size,) = struct.unpack_from("<Q", data)
    entries = json.loads(data[8 : 8 + size])
    ends = [int(each["data_offsets"][1]) for key, each in entries.items() if key != "__metadata__"]
    return len(data) == 8 + int(size) + max(ends, default=0)


def _json(data: bytes) -> bool:
    json.loads(data)
    return True


def _yaml(data: bytes) -> bool:
    """Reading it would take longer than it takes to make most of the files that are made."""
    return b":" in data and data.endswith(b"\n") and bool(data.decode())


def _read(extension: str) -> Callable[[bytes], bool]:
    """Formats that have to be read to know."""

    def check(data: bytes) -> bool:
        from voxcli.files.registry import Options, find_format
        from voxcli.files.source import Source

        found, _ = find_format(f"file{extension}")
        assert found.reader is not None
        found.reader(Source("file", None, data), found.reads[0], Options(extension=extension))
        return True

    return check


_CHECKS: dict[str, Callable[[bytes], bool]] = {
    ".png": _png, ".apng": _png, ".npz": _zip, ".glb": _glb, ".h5": _hdf5, ".hdf5": _hdf5, ".gif": _gif, ".vox": _vox, ".json": _json,
    ".safetensors": _safetensors, ".yaml": _yaml, **{each: _read(each) for each in (".ply", ".stl", ".off", ".obj", ".binvox", ".npy")},
}  # fmt: skip
