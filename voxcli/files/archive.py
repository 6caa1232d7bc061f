"""NPZ archives: read without trust, written so that the same arrays give the same bytes.

Before anything is unpacked, the zip directory and the header of every array are read. Refused are: pickled arrays, a header that
declares another size than the zip directory, an array of more than 1024 cubed values, arrays that exceed the budget of memory (see
files.guard) together, and an array that claims to be compressed more than 2000 times (deflate cannot exceed 1032).
"""

from __future__ import annotations

import io
import math
import sys
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import IO, BinaryIO

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files.guard import claim, parsing

MAX_ELEMENTS = 1 << 30  # 1024 cubed: no grid of ours is larger, whatever a byte is worth
_PIECE = 1 << 20
_LONGEST_HEADER = 10_000  # NumPy parses no longer one
SUSPICIOUS_BYTES, SUSPICIOUS_RATIO = 64 << 20, 2000


class NpzArchive(Mapping[str, np.ndarray]):
    """The arrays of an NPZ file by name, unpacked when they are asked for.

    Raises FileFormatError, naming the file and the member, for everything that the module's first lines refuse and for damage.
    """

    def __init__(self, file: BinaryIO, name: str):
        self.name = name
        with parsing(name, "a whole NPZ file", hint="It may be truncated, or another format."):
            self._zip = zipfile.ZipFile(file)
        self._members = {i.filename.removesuffix(".npy"): i for i in self._zip.infolist() if i.filename.endswith(".npy")}
        self._headers = {key: self._check(key, info) for key, info in self._members.items()}
        total = sum(math.prod(shape) * dtype.itemsize for shape, _, dtype in self._headers.values())
        claim(name, total)

    def _check(self, key: str, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], bool, np.dtype]:
        """(shape, fortran_order, dtype) of one member, from its header alone."""
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileFormatError(f"{self.name}: '{key}' is packed in an unusual way.", expected="stored or deflated")
        with parsing(f"{self.name}: '{key}'", "an array with a readable header", hint=None), self._zip.open(info) as member:
            shape, fortran, dtype = read_npy_header(member)
            header_size = member.tell()
        check_array(f"{self.name}: '{key}'", shape, dtype, packed_bytes=info.compress_size)
        if header_size + math.prod(shape) * dtype.itemsize != info.file_size:
            raise FileFormatError(f"{self.name}: '{key}' does not have the size that its header declares.",
                                  expected=f"{math.prod(shape) * dtype.itemsize} bytes for {list(shape)} {dtype}",
                                  actual=f"{info.file_size - header_size} bytes")  # fmt: skip
        return shape, fortran, dtype

    def __contains__(self, key: object) -> bool:
        return key in self._members  # that of Mapping would unpack the array

    def __getitem__(self, key: str) -> np.ndarray:
        shape, fortran, dtype = self._headers[key]
        with parsing(f"{self.name}: '{key}'", "whole", hint="The file is damaged."), self._zip.open(self._members[key]) as member:
            read_npy_header(member)
            data = bytearray(math.prod(shape) * dtype.itemsize)
            if _fill(member, data) != len(data):
                raise EOFError("it ends before its data does")
            if dtype.kind == "U" and np.frombuffer(data, np.dtype(np.uint32).newbyteorder(dtype.byteorder)).max(initial=0) > sys.maxunicode:
                raise ValueError("text of no letters")
            return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C")

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def shape_of(self, key: str) -> tuple[int, ...]:
        """The shape of an array, without unpacking it."""
        return self._headers[key][0]


def _fill(member: IO[bytes], data: bytearray) -> int:
    """Read into `data`, piece by piece: the whole is in memory once. Returns the number of bytes that there were."""
    view, done = memoryview(data), 0
    while done < len(data) and (piece := member.read(min(_PIECE, len(data) - done))):
        view[done : done + len(piece)] = piece
        done += len(piece)
    return done


def read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, fortran_order, dtype) of an NPY stream; the stream then stands at the data. Raises ValueError."""
    begin = file.read(10)
    if begin[6:8] == b"\2\0":
        begin += file.read(2)  # the length has four bytes, in version 1 it has two
    return _parsed(begin + file.read(min(int.from_bytes(begin[8:], "little"), _LONGEST_HEADER)))


@lru_cache(maxsize=256)
def _parsed(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    """What a header says. The files of a set have the same few, and to parse one takes as long as to read a small file."""
    stream = io.BytesIO(header)
    version = np.lib.format.read_magic(stream)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged header may look like one of Python 2, which NumPy warns of
            if version == (1, 0):
                return np.lib.format.read_array_header_1_0(stream)
            if version == (2, 0):
                return np.lib.format.read_array_header_2_0(stream)
    except (tokenize.TokenError, SyntaxError, TypeError) as error:  # NumPy parses a damaged header as Python source
        raise ValueError(str(error)) from error
    raise ValueError(f"NPY version {version} is not a plain array")


def check_array(name: str, shape: tuple[int, ...], dtype: np.dtype, packed_bytes: int | None = None) -> None:
    """Refuse pickles and absurd sizes. Raises FileFormatError that begins with name."""
    if dtype.hasobject:
        raise FileFormatError(f"{name} holds pickled Python objects, which could run code.", expected="plain numbers or text")
    if dtype.subdtype is not None or dtype.names is not None:
        raise FileFormatError(f"{name} holds arrays in an array.", expected="plain numbers or text", actual=dtype)
    if min(shape, default=0) < 0:
        raise FileFormatError(f"{name} declares a negative size.", expected="a shape of whole numbers from 0 on", actual=list(shape))
    size = math.prod(shape) * dtype.itemsize
    if packed_bytes is not None and size > SUSPICIOUS_BYTES and size > SUSPICIOUS_RATIO * max(packed_bytes, 1):
        raise FileFormatError(
            f"{name} declares {size / 2**30:.3g} GiB in {packed_bytes} packed bytes.", hint="The archive is damaged or made to harm."
        )
    if math.prod(shape) > MAX_ELEMENTS:
        raise FileFormatError(f"{name} declares {list(shape)} values.", expected=f"at most {MAX_ELEMENTS} (1024 cubed)")
    claim(name, size)


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A whole NPZ file. Members in the mapping's order, dated 1980, so that the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", allowZip64=True) as archive:
        for key, array in arrays.items():
            array = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
            info = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if _is_worth_packing(array) else zipfile.ZIP_STORED
            # Labels shrink 20 to 1000 times. From level 4 on zlib weighs every match against the next: for the labels of a street three
            # times as long, for 4 % less. Floats shrink little, so they get the fastest level.
            _set_level(info, 1 if array.dtype.kind == "f" else 3)
            with archive.open(info, "w", force_zip64=array.nbytes > 1 << 31) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def _is_worth_packing(array: np.ndarray) -> bool:
    """False for noisy floats, which cost seconds to deflate and stay as large; told by a piece from the middle."""
    if array.dtype.kind != "f" or array.nbytes < 1 << 20:
        return True
    middle = array.reshape(-1)[array.size // 2 :][: (1 << 18) // array.itemsize].tobytes()
    return len(zlib.compress(middle, 1)) < 0.7 * len(middle)


def _set_level(info: zipfile.ZipInfo, level: int) -> None:
    # Python 3.13 renamed the attribute; ZipFile.open(ZipInfo) takes the level from nowhere else.
    setattr(info, "compress_level" if hasattr(info, "compress_level") else "_compresslevel", level)
