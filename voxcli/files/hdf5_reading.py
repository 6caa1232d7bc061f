"""HDF5 files of strangers: opened, looked into and read without trust.

The library reads a file through an object of ours, which refuses what would keep it busy for ever: heaps of texts whose entries do not
move on, and structures that are read again and again. Data lie in the file itself: links, virtual data sets and data in other files are
refused. Chunks are unpacked here, because the library unpacks a chunk whatever it grows to.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files.guard import claim, parsing

if TYPE_CHECKING:
    import h5py

MOST_KEYS = 1000
"""Keys of the root group that are looked at."""

MOST_CHUNKS = 1 << 15
"""Chunks of one data set: a grid of 1024 cubed has them where a chunk is 32 cubed."""

MOST_LISTED = 1 << 20
"""Chunks of a data set of which a part is read."""

_LARGEST_HEAP = 8 << 20
"""Bytes of one heap of texts: what is longer has one of its own."""

_FEW_TEXTS, _AT_ONCE = 4096, 32
"""Texts of a list whose sizes are not known before, and how many of these are read at a time."""

_AGAIN, _FREE = 8, 16 << 20
"""How often the bytes of a file may be read, and what may be read of a small file besides."""

_GZIP, _SHUFFLE, _FLETCHER, _LZF = 1, 2, 3, 32000


class _Watched:
    """A file as HDF5 reads it. Raises FileFormatError, which HDF5 passes on, where reading would not end."""

    def __init__(self, raw: BinaryIO, name: str):
        self._raw, self._name = raw, name
        self._size = raw.seek(0, io.SEEK_END)
        self._left = _AGAIN * self._size + _FREE
        self.tell, self.seek, self.read = raw.tell, raw.seek, raw.read

    def readinto(self, buffer: memoryview) -> int:
        start = self._raw.tell()
        data = self._raw.read(len(buffer))
        count = len(data)
        buffer[:count] = data
        self._left -= max(count, 512)
        if self._left < 0:
            raise FileFormatError(f"{self._name} is damaged, or made to harm.", actual="structures that are read again and again")
        if bytes(buffer[:4]) == b"GCOL":
            self._check_heap(start)
        return count

    def _check_heap(self, start: int) -> None:
        """A heap of texts ("global heap collection"): entries of a number, a count, four bytes, a size and that many bytes. Space that is
        free has the number 0 and counts its head."""
        self._raw.seek(start)
        (size,) = struct.unpack("<8xQ", self._raw.read(16).ljust(16, b"\0"))
        if size > min(_LARGEST_HEAP, self._size - start):
            raise FileFormatError(f"{self._name}: a text is too long, or damaged.", expected=f"at most {_LARGEST_HEAP} bytes", actual=size)
        heap, at, entry = self._raw.read(size - 16), 0, struct.Struct("<H6xQ").unpack_from
        while at + 16 <= len(heap):
            number, length = entry(heap, at)
            at += 16 + length + -length % 8 if number else length
            if at > len(heap) or (not number and length < 16):
                raise FileFormatError(f"{self._name} is damaged, or made to harm.", actual="texts without an end")


@contextmanager
def opened(raw: BinaryIO, name: str) -> Iterator[h5py.File]:
    """The HDF5 file whose bytes `raw` has, for reading. Raises FileFormatError where it is none; what else the block raises passes."""
    import h5py

    with parsing(name, "a whole HDF5 file"):
        file = h5py.File(_Watched(raw, name), "r")
    try:
        if file.id.get_create_plist().get_sizes() != (8, 8):
            raise FileFormatError(f"{name} is an unusual HDF5 file.", expected="addresses and sizes of 8 bytes")
        yield file
    finally:
        with suppress(RuntimeError, OSError, ValueError):  # a damaged file may not even close
            file.close()


def find(file: h5py.File, path: str, name: str) -> h5py.Dataset | None:
    """A data set of the file by its path; None where there is none. Raises FileFormatError where it would be read from elsewhere."""
    import h5py

    found: h5py.Group | h5py.Dataset = file
    with parsing(f"{name}: '{path}'", "readable"):
        for part in path.split("/"):
            link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise FileFormatError(f"{name}: '{path}' is a link.", expected="data in the file itself")
            found = found[part]
        if not isinstance(found, h5py.Dataset):
            return None
        if found.is_virtual or found.external:
            raise FileFormatError(f"{name}: '{path}' lies in other files.", expected="data in the file itself")
        if found.shape is None or found.dtype.itemsize == 0:
            raise FileFormatError(f"{name}: '{path}' holds nothing.", expected="numbers or text")
    return found


def need(file: h5py.File, path: str, name: str, hint: str | None = None) -> h5py.Dataset:
    """`find`, of what must be there. Raises FileFormatError where it is not."""
    if (found := find(file, path, name)) is None:
        raise FileFormatError(f"{name} lacks '{path}'.", hint=hint)
    return found


def is_text(dataset: h5py.Dataset) -> bool:
    """Whether it holds text, of fixed or of any length."""
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def chunk_sizes(dataset: h5py.Dataset) -> dict[tuple[int, ...], int]:
    """Bytes of each chunk that is stored, by its corner. Raises ValueError for more than MOST_LISTED, or than the data set has."""
    found: dict[tuple[int, ...], int] = {}
    most = min(MOST_LISTED, math.prod(-(-all_ // each) for all_, each in zip(dataset.shape, dataset.chunks, strict=True)))
    seen = 0

    def enter(info: h5py.h5d.StoreInfo) -> bool | None:
        nonlocal seen
        found[info.chunk_offset], seen = info.size, seen + 1
        return None if seen <= most else False  # False ends it

    dataset.id.chunk_iter(enter)
    if seen > most:
        raise ValueError(f"more than {most} chunks")
    return found


def values(dataset: h5py.Dataset, what: str, rows: slice | None = None, sizes: dict[tuple[int, ...], int] | None = None) -> np.ndarray:
    """Numbers, or texts of fixed length as bytes, of a data set that `find` found. what: as errors call it. rows: from where to where along
    the first axis, as whole numbers from 0 on; None for all. sizes: `chunk_sizes`, where they are known: the library looks through all.

    Raises FileFormatError for other types, for what exceeds the budget of memory, and for damage.
    """
    import h5py

    with parsing(what, "readable", hint="The file is damaged."):
        dtype, shape = dataset.dtype, dataset.shape
        stored_as = dataset.id.get_type()
        plain = dtype.kind == "S" or (dtype.kind in "fiub" and stored_as.equal(h5py.h5t.py_create(dtype, logical=True)))
        if not plain:
            raise FileFormatError(f"{what} must hold numbers.", actual=dtype)
        if rows is not None:
            shape = (rows.stop - rows.start, *shape[1:])
        claim(what, math.prod(shape) * dtype.itemsize)
        if dataset.chunks is None:
            return np.asarray(dataset[() if rows is None else rows])
        stored = chunk_sizes(dataset) if sizes is None else sizes
        return _from_chunks(dataset, shape, rows.start if rows is not None else 0, stored, what)


def _from_chunks(dataset: h5py.Dataset, shape: tuple[int, ...], start: int, stored: dict[tuple[int, ...], int], what: str) -> np.ndarray:
    """The part of a data set of this shape that begins at `start` of the first axis."""
    chunk, dtype, plist = dataset.chunks, dataset.dtype, dataset.id.get_create_plist()
    first = (start, *[0] * (len(shape) - 1))
    grid = [range(low // each, -(-(low + all_) // each)) for low, all_, each in zip(first, shape, chunk, strict=True)]
    count, size = math.prod(map(len, grid)), math.prod(chunk) * dtype.itemsize
    if count > MOST_CHUNKS:
        raise FileFormatError(f"{what} lies in too many pieces.", expected=f"at most {MOST_CHUNKS} chunks", actual=count)
    claim(what, count * size)
    filters = [plist.get_filter(k)[0] for k in range(plist.get_nfilters())]
    if len(set(filters)) < len(filters) or not set(filters) <= {_GZIP, _SHUFFLE, _FLETCHER, _LZF}:
        raise FileFormatError(f"{what} is packed in an unusual way.", expected="gzip or lzf, after shuffle or not", actual=filters)
    result: np.ndarray = np.full(shape, dataset.fillvalue, dtype) if dataset.fillvalue else np.zeros(shape, dtype)
    for number in product(*grid):
        corner = tuple(each * place for each, place in zip(chunk, number, strict=True))
        if corner not in stored:
            continue
        # What does not shrink grows a little. The library would write past its buffer for a chunk that no filter changed in size.
        if stored[corner] > (size + size // 8 + 4096 if filters else size):
            raise ValueError(f"a chunk of {stored[corner]} bytes for {size}")
        mask, packed = dataset.id.read_direct_chunk(corner)
        for k in reversed(range(len(filters))):
            if not mask >> k & 1:
                packed = _undone(filters[k], packed, size, dtype.itemsize)
        if len(packed) != size:
            raise ValueError(f"{len(packed)} bytes in a chunk of {size}")
        cells = np.frombuffer(packed, np.uint8 if dtype.kind == "b" else dtype).reshape(chunk)
        inner = [slice(max(low - at, 0), low + all_ - at) for low, all_, at in zip(first, shape, corner, strict=True)]
        outer = [slice(max(at - low, 0), at + each - low) for low, at, each in zip(first, corner, chunk, strict=True)]
        result[tuple(outer)] = cells[tuple(inner)]
    return result


def _undone(filter: int, data: bytes, size: int, width: int) -> bytes:
    """The bytes before a filter, of a chunk of `size` bytes in values of `width`. Raises ValueError for what holds more."""
    if filter == _GZIP:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(data, size + 4)  # four bytes: a checksum that was packed, too
        if not unpacker.eof and unpacker.decompress(unpacker.unconsumed_tail, 1):
            raise ValueError(f"a chunk of more than {size} bytes")
        return raw
    if filter == _LZF:
        return _lzf(data, size + 4)
    if filter == _SHUFFLE:
        whole = len(data) // width * width
        planes = np.frombuffer(data, np.uint8, whole).reshape(width, -1)
        cells = np.zeros((whole // width, width), np.uint8)
        for k in range(width):
            cells[:, k] = planes[k]  # a transposition takes five times as long
        shuffled: bytes = cells.tobytes()
        return shuffled + data[whole:]
    raw, (stated,) = data[:-4], struct.unpack("<I", data[-4:])
    words = np.frombuffer(raw + bytes(len(raw) % 2), ">u2").astype(np.uint64)
    sums = int(words.sum()), int((words * (np.arange(len(words), 0, -1).astype(np.uint64) % 65535)).sum())
    if any((total - half) % 65535 for total, half in zip(sums, (stated & 0xFFFF, stated >> 16), strict=True)):
        raise ValueError("a chunk has another checksum than is stated")
    return raw


def _lzf(data: bytes, most: int) -> bytes:
    """What LZF packed: runs of bytes as they are, and repetitions of `length` bytes that lie `back`."""
    out, at = bytearray(), 0
    while at < len(data) and len(out) <= most:
        head, at = data[at], at + 1
        if head < 32:
            out += data[at : at + head + 1]
            at += head + 1
            continue
        length = head >> 5
        if length == 7:
            length, at = length + data[at], at + 1
        back, at = ((head & 31) << 8 | data[at]) + 1, at + 1
        if back > len(out):
            raise ValueError("a repetition of what was not yet there")
        piece = bytes(out[-back:])[: length + 2]
        out += (piece * ((length + 2) // len(piece) + 1))[: length + 2]
    return bytes(out)


def texts(dataset: h5py.Dataset, what: str, raw: BinaryIO) -> list[str]:
    """A text, or a list of texts, of a data set that `find` found in the HDF5 file whose bytes are `raw`.

    Raises FileFormatError for anything else, for texts that are no UTF-8, and for those that exceed the budget of memory: many may lie
    at one place of a small file.
    """
    if not is_text(dataset) or len(dataset.shape) > 1:
        raise FileFormatError(f"{what} must be a text, or a list of texts.", actual=f"{dataset.shape} {dataset.dtype}")
    count = math.prod(dataset.shape)
    with parsing(what, "text", hint="The file is damaged."):
        if dataset.dtype.kind == "S":
            return [text.decode("utf-8") for text in values(dataset, what).reshape(-1).tolist()]
        place, step = dataset.id.get_offset(), count
        if place is None or dataset.chunks is not None:
            step = _AT_ONCE
            if count > _FEW_TEXTS or dataset.id.get_create_plist().get_nfilters() or math.prod(dataset.chunks or ()) > _FEW_TEXTS:
                raise FileFormatError(f"{what} is packed in an unusual way.", actual=f"{count} texts",
                                      expected=f"texts as they are, or {_FEW_TEXTS} in chunks")  # fmt: skip
        else:
            claim(what, 16 * count)
            raw.seek(place)
            sizes = np.frombuffer(raw.read(16 * count), "<u4").reshape(count, 4)[:, 0]
            claim(what, 5 * int(sizes.sum()))  # bytes, and then letters of at most four bytes
        found: list[str] = []
        total = 0
        for start in range(0, count, max(step, 1)):
            piece = np.atleast_1d(dataset[start : start + step] if dataset.shape else np.array(dataset[()], object)).tolist()
            total += 5 * sum(map(len, piece))
            claim(what, total)
            found += [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in piece]
        return found
