"""What a glTF or GLB file holds: its JSON, its buffers, and the numbers of its accessors (glTF 2.0, sections 3.6 and 4).

trimesh's reader is not used: it leaves out sparse accessors, the scale of normalized integers, required extensions, morph targets and
skins, and fills what it cannot decode with zeros. Nothing here is allocated before its size was compared with that of the file.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from functools import cached_property
from urllib.parse import unquote, unquote_to_bytes

import numpy as np

from voxcli.files.source import Source
from voxcli.provenance import Json

Tree = Mapping[str, Json]
_TYPES: dict[int, np.dtype] = {
    code: np.dtype(name) for code, name in ((5120, "i1"), (5121, "u1"), (5122, "<i2"), (5123, "<u2"), (5125, "<u4"), (5126, "<f4"))
}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_HUGE = 1e300
_JSON_CHUNK, _BINARY_CHUNK = b"JSON", b"BIN\0"


class BrokenError(ValueError):
    """Why a file cannot be read, for the end of an error message. hint: what to do about it."""

    hint = "The file may be truncated or damaged, or another format."


class LostError(BrokenError):
    """What a file names is not there."""

    hint = "Put the files that it names beside it, or export it as one GLB."


def tree_of(value: Json, what: str) -> Tree:
    """A JSON object, {} for one that is absent. Raises BrokenError, as all functions here do."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BrokenError(f"{what} that is no object")
    return value


def list_of(value: Json, what: str) -> Sequence[Json]:
    """A JSON array, [] for one that is absent."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BrokenError(f"{what} that is no list")
    return value


def whole(value: Json, what: str, least: int = 0) -> int:
    """A whole number that is not below `least`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise BrokenError(f"{what} of {str(value)[:40]}")
    return value


def numbers(value: Json, count: int, what: str, default: Sequence[float]) -> np.ndarray:
    """So many numbers, as float64."""
    values = list_of(value, what) or default
    if len(values) == count and all(isinstance(each, (int, float)) and abs(each) < _HUGE for each in values):
        return np.array(values, np.float64)
    raise BrokenError(f"{what} of {str(list(values))[:60]}, and not {count} numbers")


def extensions_of(tree: Tree) -> Tree:
    """The extensions of any object of the file, by name."""
    return tree_of(tree.get("extensions"), "extensions")


class GltfData:
    """One file: `tree` is its JSON. warnings: what does not agree with itself, and is read all the same."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.warnings: list[str] = []
        text, self._binary = _chunks(source.data)
        try:
            tree = json.loads(bytes(text).decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise BrokenError("no JSON") from error
        self.tree = tree_of(tree, "JSON")
        self._buffers: dict[int, memoryview] = {}
        self._values: dict[tuple[int, bool], np.ndarray] = {}

    def item(self, key: str, index: Json) -> Tree:
        """An object of one of the lists at the top of the file."""
        items = list_of(self.tree.get(key), key)
        if whole(index, f"an index into {key}") >= len(items):
            raise BrokenError(f"an index beyond what the file holds, {index} of {len(items)} {key}")
        return tree_of(items[whole(index, key)], f"one of {key}")

    def items(self, key: str) -> list[Tree]:
        """All objects of one of these lists."""
        return [tree_of(each, f"one of {key}") for each in list_of(self.tree.get(key), key)]

    def resource(self, uri: str, what: str) -> bytes:
        """The bytes of a data URI, or of a file in the folder of this one, whose name may be percent-encoded."""
        if uri.startswith("data:"):
            head, _, text = uri.partition(",")
            try:
                return base64.b64decode(text) if head.endswith(";base64") else unquote_to_bytes(text)
            except ValueError as error:
                raise BrokenError(f"{what} of a broken data URI") from error
        path = self.source.beside(unquote(uri)) or self.source.beside(uri)
        if path is None:
            outside = ".." in uri or uri.startswith("/")
            raise LostError(f"{what} in a file {'outside its own folder' if outside else f'that is not beside it, {unquote(uri)[:60]}'}")
        return path.read_bytes()

    def view(self, index: Json) -> tuple[memoryview, int | None]:
        """(the bytes of a buffer view, its stride or None)."""
        view = self.item("bufferViews", index)
        data = self._buffer(whole(view.get("buffer"), "a buffer's index"), [*extensions_of(view)])
        start, length = whole(view.get("byteOffset", 0), "a byteOffset"), whole(view.get("byteLength"), "a byteLength", 1)
        if start + length > len(data):
            raise BrokenError(f"bytes {start} to {start + length} of a buffer of {len(data)}")
        stride = view.get("byteStride")
        return data[start : start + length], None if stride is None else whole(stride, "a byteStride", 1)

    def _buffer(self, index: int, extensions: list[str]) -> memoryview:
        if index not in self._buffers:
            buffer = self.item("buffers", index)
            uri = buffer.get("uri")
            if isinstance(uri, str):
                data = memoryview(self.resource(uri, "a buffer"))
            elif index == 0 and self._binary is not None:
                data = self._binary
            else:
                packed = f", which only the extension {' or '.join(extensions)} could fill" if extensions else ""
                raise BrokenError(f"a buffer without data{packed}")
            declared = whole(buffer.get("byteLength"), "a byteLength", 1)
            if len(data) < declared:
                raise BrokenError(f"{len(data)} bytes of a buffer that declares {declared}")
            self._buffers[index] = data[:declared]
        return self._buffers[index]

    @cached_property
    def _size(self) -> int:
        """Bytes of the file and all that belongs to it."""
        return len(self.source.data) + sum(len(self._buffer(i, [])) for i, b in enumerate(self.items("buffers")) if "uri" in b)

    def values(self, index: Json, what: str, *, width: int, whole_numbers: bool = False, may_be_zero: bool = False) -> np.ndarray:
        """The elements [N, width] of an accessor: integers where `whole_numbers`, else float64, of which normalized integers are in
        -1..1. may_be_zero: an accessor without data is one of zeros.
        """
        accessor = self.item("accessors", index)
        known = whole(index, "an accessor's index"), whole_numbers  # several primitives often share the vertices of one
        if known not in self._values:
            self._values[known] = self._read(accessor, what, width, whole_numbers, may_be_zero)
        values = self._values[known]
        if values.shape[1] != width:
            raise BrokenError(f"{what} of {values.shape[1]} numbers each")
        return values

    def _read(self, accessor: Tree, what: str, width: int, whole_numbers: bool, may_be_zero: bool) -> np.ndarray:
        dtype, count = self._layout(accessor, what, width)
        if not count:
            return np.zeros((0, width), np.int64 if whole_numbers else np.float64)
        if accessor.get("bufferView") is not None:
            view, stride = self.view(accessor["bufferView"])
            raw = _elements(view, whole(accessor.get("byteOffset", 0), "a byteOffset"), count, dtype, width, stride, what)
        elif "sparse" not in accessor and not may_be_zero:
            raise BrokenError(f"{what} without data: an accessor that no buffer fills")
        elif count > self._size:
            raise BrokenError(f"{count} {what} in a file of {self._size} bytes")
        else:
            raw = np.zeros((count, width), dtype)
        if "sparse" in accessor:
            raw = self._sparse(tree_of(accessor["sparse"], "sparse"), raw, what)
        self.check_bounds(accessor, raw, what)
        return finished(accessor, raw, whole_numbers, what)

    def _layout(self, accessor: Tree, what: str, width: int) -> tuple[np.dtype, int]:
        kind, code = accessor.get("type"), accessor.get("componentType")
        if not isinstance(code, int) or code not in _TYPES:
            raise BrokenError(f"{what} of an unknown type of number, {code}")
        if not isinstance(kind, str) or _WIDTHS.get(kind) != width:
            raise BrokenError(f"{what} of type {kind}")
        return _TYPES[code], whole(accessor.get("count"), f"a count of {what}")

    def _sparse(self, sparse: Tree, raw: np.ndarray, what: str) -> np.ndarray:
        """raw [N, width] with some of its elements replaced."""
        count = whole(sparse.get("count"), "a count of sparse elements")
        if count > len(raw):
            raise BrokenError(f"{count} sparse elements of {len(raw)} {what}")
        at, new = tree_of(sparse.get("indices"), "sparse indices"), tree_of(sparse.get("values"), "sparse values")
        code = at.get("componentType")
        if code not in (5121, 5123, 5125):
            raise BrokenError(f"sparse indices of an unknown type of number, {code}")
        places = _elements(self.view(at.get("bufferView"))[0], whole(at.get("byteOffset", 0), "a byteOffset"), count,
                           _TYPES[whole(code, "a type")], 1, None, "sparse indices")[:, 0]  # fmt: skip
        if count and int(places.max()) >= len(raw):
            raise BrokenError(f"an index beyond what the file holds, {places.max()} of {len(raw)} {what}")
        filled: np.ndarray = raw.copy()
        filled[places] = _elements(self.view(new.get("bufferView"))[0], whole(new.get("byteOffset", 0), "a byteOffset"), count, raw.dtype,
                                   raw.shape[1], None, "sparse values")  # fmt: skip
        return filled

    def check_bounds(self, accessor: Tree, raw: np.ndarray, what: str) -> None:
        """Compare raw [N, width] with the min and max that the accessor states; both are of its stored numbers."""
        for key, found in (("min", raw.min(axis=0)), ("max", raw.max(axis=0))):
            if accessor.get(key) is None or not np.isfinite(found).all():
                continue
            stated = numbers(accessor[key], raw.shape[1], key, ())
            # Programs write them with six digits or so.
            room = 1e-5 * np.abs(stated) + 1e-4 * float(np.ptp(raw, axis=0).max()) if raw.dtype.kind == "f" else 0
            if (np.abs(found - stated) > room).any():
                shown = [", ".join(f"{each:.6g}" for each in row) for row in (stated, found)]
                self.warnings.append(f"{what} state {key} {shown[0]}, and have {shown[1]}")


def finished(accessor: Tree, raw: np.ndarray, whole_numbers: bool, what: str) -> np.ndarray:
    """Stored numbers as they are meant: normalized integers are shares of their type's largest number (glTF 2.0, 3.6.2.2)."""
    if whole_numbers:
        if raw.dtype.kind == "f":
            raise BrokenError(f"{what} that are no whole numbers")
        return raw.astype(np.int64)
    values: np.ndarray = raw.astype(np.float64)
    if accessor.get("normalized") is True and raw.dtype.kind in "iu":
        values = np.maximum(values / np.iinfo(raw.dtype).max, -1.0)
    return values


def _elements(view: memoryview, start: int, count: int, dtype: np.dtype, width: int, stride: int | None, what: str) -> np.ndarray:
    """[count, width] of a buffer view, checked against its size."""
    if count == 0:
        return np.zeros((0, width), dtype)
    size = dtype.itemsize * width
    step = size if stride is None else stride
    if step < size or start + (count - 1) * step + size > len(view):
        raise BrokenError(f"{count} {what}, for which {len(view)} bytes are too few")
    row = np.dtype({"names": ["x"], "formats": [(dtype, (width,))], "offsets": [0], "itemsize": step})
    # The last element may end before its stride does.
    head = np.frombuffer(view, row, count - 1, start)["x"] if count > 1 else np.zeros((0, width), dtype)
    last = np.frombuffer(view, dtype, width, start + (count - 1) * step).reshape(1, width)
    return np.concatenate([head.reshape(-1, width), last])


def _chunks(data: bytes) -> tuple[memoryview, memoryview | None]:
    """(JSON, the binary chunk or None) of a GLB file; a glTF file is JSON alone."""
    if data[:4] != b"glTF":
        return memoryview(data), None
    if len(data) < 12:
        raise BrokenError(f"a header of {len(data)} bytes")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise BrokenError(f"version {version} of GLB, and not 2")
    if length > len(data):
        raise BrokenError(f"{len(data)} bytes of a file that declares {length}")
    found: dict[bytes, memoryview] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + size > length:
            raise BrokenError(f"a chunk of {size} bytes, of which {length - at - 8} are there")
        found.setdefault(kind, memoryview(data)[at + 8 : at + 8 + size])
        at += 8 + size
    if _JSON_CHUNK not in found:
        raise BrokenError("no JSON")
    return found[_JSON_CHUNK], found.get(_BINARY_CHUNK)
