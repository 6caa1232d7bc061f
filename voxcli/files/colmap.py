"""Cameras of COLMAP: images.txt beside cameras.txt, or images.bin beside cameras.bin (either may be named, or their folder).

COLMAP's camera axes and its half-pixel are ours. Distorted models are read where all their coefficients are 0 and refused otherwise, if an
image is taken by them.
Where a folder holds both, the text is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.geometry.cameras import from_colmap
from voxcli.scene import Camera

_ONE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")  # f, cx, cy, then distortion
_TWO_FOCALS = ("PINHOLE", "OPENCV", "FULL_OPENCV")  # fx, fy, cx, cy, then distortion
_MODELS = (
    ("SIMPLE_PINHOLE", 3), ("PINHOLE", 4), ("SIMPLE_RADIAL", 4), ("RADIAL", 5), ("OPENCV", 8), ("OPENCV_FISHEYE", 8), ("FULL_OPENCV", 12),
    ("FOV", 5), ("SIMPLE_RADIAL_FISHEYE", 4), ("RADIAL_FISHEYE", 5), ("THIN_PRISM_FISHEYE", 12),
)  # fmt: skip
"""Of the binary format, by number: name, and how many parameters it has."""

BINARY_NAMES = ("images.bin", "cameras.bin")

Lens = tuple[np.ndarray, int, int]
"""K [3, 3], width and height of a camera."""
Lenses = Mapping[int, Lens | DataError]
"""Cameras by their ids; of one that is no pinhole, the error for an image that is taken by it."""


def read_colmap(source: Source, kind: str | None, options: Options) -> list[tuple[str, Camera]]:
    """(image name, Camera) of every image, in the file's order."""
    if source.path is None:
        raise UsageError("COLMAP cameras are two files and cannot come through a pipe.", hint="Name images.txt, beside cameras.txt.")
    return _read_pair(source.path.parent, source.path.suffix)


def read_colmap_folder(folder: Path) -> list[tuple[str, Camera]]:
    """The cameras of a folder that holds cameras.txt and images.txt, or else cameras.bin and images.bin."""
    return _read_pair(folder, colmap_files(folder)[0].suffix)


def colmap_files(folder: Path) -> tuple[Path, Path]:
    """The two files of a folder that its cameras are read from."""
    suffix = ".bin" if (folder / "cameras.bin").exists() and not (folder / "cameras.txt").exists() else ".txt"
    return folder / f"cameras{suffix}", folder / f"images{suffix}"


def _read_pair(folder: Path, suffix: str) -> list[tuple[str, Camera]]:
    binary = suffix.lower() == ".bin"
    lenses, source = Source.from_path(folder / f"cameras{suffix}"), Source.from_path(folder / f"images{suffix}")
    known = _binary_lenses(lenses) if binary else _lenses(lenses)
    found = [(name, Camera(*lens, matrix)) for name, lens, matrix in (_binary_images if binary else _images)(source, known)]
    if not found:
        raise DataError(f"{source.name} holds no images.")
    return found


def _lens(model: str, size: tuple[int, int], numbers: Sequence[float], where: str) -> Lens | DataError:
    """The lens, or the error for what is no pinhole."""
    hint = "Undistort the images first (colmap image_undistorter)."
    if model in _ONE_FOCAL:
        numbers = [numbers[0], *numbers]
    elif model not in _TWO_FOCALS:
        return DataError(f"{where}: camera model {model} is no pinhole.", expected=", ".join((*_ONE_FOCAL, *_TWO_FOCALS)), hint=hint)
    fx, fy, cx, cy = numbers[:4]
    if any(numbers[4:]):
        return DataError(f"{where}: the camera is distorted.", actual=f"{model} {list(numbers[4:])}", hint=hint)
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), *size


def _used(lens: Lens | DataError) -> Lens:
    if isinstance(lens, DataError):
        raise lens
    return lens


# --- text ------------------------------------------------------------------------------------------------------------------------


def _lines(source: Source) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            yield number, line


def _images(source: Source, lenses: Lenses) -> Iterator[tuple[str, Lens, np.ndarray]]:
    """(name, lens, world_to_cam) of every image."""
    for number, words in _image_lines(source):
        try:
            numbers, lens, name = [float(w) for w in words[1:8]], lenses[int(words[8])], " ".join(words[9:])
            matrix = from_colmap(numbers[:4], numbers[4:])
        except (ValueError, IndexError, KeyError) as error:
            raise FileFormatError(
                f"{source.name}, line {number}, is no image.",
                expected="ID QW QX QY QZ TX TY TZ CAMERA_ID NAME",
                actual=" ".join(words)[:80] or str(error),
            ) from error
        yield name, _used(lens), matrix


def _image_lines(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Every image takes two lines; the second, its 2D points, may be empty, and some tools leave out empty lines."""
    expect_points = False
    for number, line in _lines(source):
        words = line.split()
        if expect_points and (not words or _are_points(words)):
            expect_points = False
        elif words:
            if expect_points and len(words) < 10:
                raise FileFormatError(f"{source.name}, line {number}, is neither 2D points nor an image.", actual=line.strip()[:80],
                                      expected="X Y POINT3D_ID, again and again, or ID QW QX QY QZ TX TY TZ CAMERA_ID NAME")  # fmt: skip
            expect_points = True
            yield number, words


def _are_points(words: Sequence[str]) -> bool:
    """Whether a line's words are X Y POINT3D_ID, again and again."""
    try:
        return len(words) % 3 == 0 and all((float(x), float(y), int(point)) for x, y, point in zip(*[iter(words)] * 3, strict=True))
    except ValueError:
        return False


def _lenses(source: Source) -> Lenses:
    lenses: dict[int, Lens | DataError] = {}
    for number, line in _lines(source):
        words = line.split()
        if not words:
            continue
        try:
            size, numbers = (int(words[2]), int(words[3])), [float(w) for w in words[4:]]
            lenses[int(words[0])] = _lens(words[1], size, numbers, f"{source.name}, line {number}")
        except (ValueError, IndexError) as error:
            raise FileFormatError(
                f"{source.name}, line {number}, is no camera.", expected="ID MODEL WIDTH HEIGHT PARAMETERS", actual=line[:80]
            ) from error
    return lenses


# --- binary, little-endian -------------------------------------------------------------------------------------------------------


class _Bytes:
    """The bytes of a file, taken in turn. Raises FileFormatError where they end too early."""

    def __init__(self, source: Source):
        self.source, self.place = source, 0

    def take(self, layout: str) -> tuple[float, ...]:
        try:
            found = struct.unpack_from(f"<{layout}", self.source.data, self.place)
        except struct.error as error:
            raise self.cut() from error
        self.place += struct.calcsize(f"<{layout}")
        return found

    def name(self) -> str:
        """Text up to a zero byte."""
        end = self.source.data.find(b"\0", self.place)
        if end < 0:
            raise self.cut()
        found = self.source.data[self.place : end].decode("utf-8", "replace")
        self.place = end + 1
        return found

    def skip(self, count: int) -> None:
        self.place += count
        if self.place > len(self.source.data):
            raise self.cut()

    def cut(self) -> FileFormatError:
        return FileFormatError(f"{self.source.name} is no binary file of COLMAP, or is cut off.", actual=f"{len(self.source.data)} bytes")


def _binary_lenses(source: Source) -> Lenses:
    file, lenses = _Bytes(source), dict[int, Lens | DataError]()
    for _ in range(int(file.take("Q")[0])):
        lens, model, width, height = map(int, file.take("IiQQ"))
        if not 0 <= model < len(_MODELS):
            raise FileFormatError(f"{source.name}: camera {lens} is of an unknown model.", expected=f"0..{len(_MODELS) - 1}", actual=model)
        name, count = _MODELS[model]
        lenses[lens] = _lens(name, (width, height), file.take(f"{count}d"), f"{source.name}, camera {lens}")
    return lenses


def _binary_images(source: Source, lenses: Lenses) -> Iterator[tuple[str, Lens, np.ndarray]]:
    """(name, lens, world_to_cam) of every image. Its 2D points, 24 bytes each, are passed over."""
    file = _Bytes(source)
    for _ in range(int(file.take("Q")[0])):
        numbers = file.take("I7dI")
        name = file.name()
        file.skip(24 * int(file.take("Q")[0]))
        if int(numbers[8]) not in lenses:
            raise FileFormatError(f"{source.name}: '{name}' names a camera that is not there.", actual=int(numbers[8]))
        yield name, _used(lenses[int(numbers[8])]), from_colmap(numbers[1:5], numbers[5:8])


register(
    Format(
        "COLMAP", (".txt",), "cameras: images.txt beside cameras.txt", reads=("cameras",), reader=read_colmap,
        searched=("images.txt beside cameras.txt",),  # a folder's other .txt are notes, lists, licences
    )
)  # fmt: skip
