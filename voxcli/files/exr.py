"""Depth from OpenEXR files, as Blender writes them: one part of scan lines, stored, RLE or ZIP; other kinds are refused.

Neither Pillow nor scikit-image reads OpenEXR. After "OpenEXR File Layout" (Academy Software Foundation). Blocks of 1 or 16 lines hold, line
by line, all channels in the order of the header, which is alphabetical. Packed blocks are split into even and odd bytes and stored as
differences.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files.guard import memory_budget, parsing
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import DepthMap

_MAGIC = 20000630
_KINDS: dict[int, np.dtype] = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
_LINES = {0: 1, 1: 1, 2: 1, 3: 16}  # lines of a block by compression: none, RLE, ZIPS, ZIP
_FARTHEST = 1e4
"""Blender writes 1e10 where it sees nothing."""


class _Header(NamedTuple):
    """channels: (name, type) in the file's order; first line, width and height of the data window; compression; end of the header."""

    channels: list[tuple[str, np.dtype]]
    top: int
    width: int
    height: int
    compression: int
    end: int


def read_exr_depth(path: Path) -> np.ndarray:
    """Depth [H, W] float32, NaN where there is nothing: channel Z, else V, R or Y. Raises FileFormatError that names the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"'{path}' cannot be read as OpenEXR depth.", actual=str(error)) from error
    return _depth(data, str(path))


def read_exr(source: Source, kind: str | None, options: Options) -> DepthMap:
    """The depth of a file, in its own unit, which is metres in ours."""
    return DepthMap(_depth(source.data, source.name))


def _depth(data: bytes, name: str) -> np.ndarray:
    with parsing(f"'{name}'", "OpenEXR depth", expected="one part of scan lines, stored, RLE or ZIP"):
        header = _header(data)
        names = [name for name, _ in header.channels]
        chosen = next((n for key in ("Z", "V", "R", "Y") for n in names if n.rpartition(".")[2] == key), None)
        if chosen is None:
            raise ValueError(f"channels {', '.join(names)}, and none of Z, V, R, Y")
        values = _channel(data, header, chosen)
    return np.where(np.isfinite(values) & (values > 0) & (values < _FARTHEST), values, np.float32(np.nan)).astype(np.float32)


def _header(data: bytes) -> _Header:
    magic, version = struct.unpack_from("<ii", data)
    if magic != _MAGIC or version & 0xFF != 2:
        raise ValueError("no OpenEXR 2 file")
    if version & 0x1A00:
        raise ValueError("tiles, deep data or several parts")
    position, found = 8, {}
    while data[position]:
        name_end = data.index(b"\0", position)
        type_end = data.index(b"\0", name_end + 1)
        (size,) = struct.unpack_from("<i", data, type_end + 1)
        start = type_end + 5
        if size < 0 or start + size >= len(data):
            raise ValueError("a header that is cut off")
        found[data[position:name_end].decode("ascii")] = data[start : start + size]
        position = start + size
    left, top, right, bottom = struct.unpack("<4i", found["dataWindow"])
    width, height, compression = right - left + 1, bottom - top + 1, found["compression"][0]
    channels = _channels(found["channels"])
    if width < 1 or height < 1 or width * height * 4 * len(channels) > memory_budget():
        raise ValueError(f"{width} x {height} pixels")
    if compression not in _LINES:
        raise ValueError(f"compression {compression}")
    return _Header(channels, top, width, height, compression, position + 1)


def _channels(listed: bytes) -> list[tuple[str, np.dtype]]:
    out: list[tuple[str, np.dtype]] = []
    position = 0
    while listed[position]:
        end = listed.index(b"\0", position)
        kind, x_step, y_step = struct.unpack_from("<i4x2i", listed, end + 1)
        if (x_step, y_step) != (1, 1):
            raise ValueError("a channel of lower resolution")
        out.append((listed[position:end].decode("ascii"), _KINDS[kind]))
        position = end + 17
    return out


def _channel(data: bytes, header: _Header, name: str) -> np.ndarray:
    """One channel [H, W] float32."""
    lines = _LINES[header.compression]
    line = sum(kind.itemsize for _, kind in header.channels) * header.width
    names = [each for each, _ in header.channels]
    at = sum(kind.itemsize for _, kind in header.channels[: names.index(name)]) * header.width
    kind = dict(header.channels)[name]
    out = np.full((header.height, header.width), np.nan, np.float32)
    for offset in struct.unpack_from(f"<{-(-header.height // lines)}Q", data, header.end):
        first, size = struct.unpack_from("<ii", data, offset)
        row = first - header.top
        count = min(lines, header.height - row)
        if row < 0 or count < 1 or size < 0 or offset + 8 + size > len(data):
            raise ValueError(f"a broken block at line {first}")
        block = _unpacked(data[offset + 8 : offset + 8 + size], header.compression, count * line)
        rows = np.frombuffer(block, np.uint8).reshape(count, line)[:, at : at + kind.itemsize * header.width]
        out[row : row + count] = np.ascontiguousarray(rows).view(kind)
    return out


def _unpacked(block: bytes, compression: int, size: int) -> bytes:
    """The bytes of a block; one that packing would not shrink is stored as it is."""
    if compression != 0 and len(block) < size:
        packed = _run_lengths(block, size) if compression == 1 else zlib.decompressobj().decompress(block, size)
        steps = np.frombuffer(packed, np.uint8).astype(np.int64)
        if len(steps) != size:
            raise ValueError(f"{len(steps)} bytes in a block of {size}")
        steps[1:] -= 128
        plain = (np.cumsum(steps) & 255).astype(np.uint8)
        both = np.zeros(size, np.uint8)
        both[::2], both[1::2] = plain[: (size + 1) // 2], plain[(size + 1) // 2 :]
        return both.tobytes()
    if len(block) != size:
        raise ValueError(f"{len(block)} bytes in a block of {size}")
    return block


def _run_lengths(block: bytes, size: int) -> bytes:
    """Runs: a count n >= 0 and a byte that stands n + 1 times, or n < 0 and -n bytes as they are."""
    out, position = bytearray(), 0
    while position < len(block) and len(out) <= size:
        count = block[position] - 256 if block[position] > 127 else block[position]
        if count < 0:
            out += block[position + 1 : position + 1 - count]
            position += 1 - count
        else:
            out += block[position + 1 : position + 2] * (count + 1)
            position += 2
    return bytes(out)


register(Format("OpenEXR", (".exr",), "depth (read)", reads=("depth",), reader=read_exr))
