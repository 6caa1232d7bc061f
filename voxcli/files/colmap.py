"""Cameras of COLMAP, text format: images.txt beside cameras.txt (either of the two may be named, or their folder in read_cameras).

COLMAP's camera axes and its half-pixel are ours. Distorted models are read where all their coefficients are 0 and refused otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.geometry.cameras import from_colmap
from voxcli.scene import Camera

_ONE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")  # f, cx, cy, then distortion
_TWO_FOCALS = ("PINHOLE", "OPENCV", "FULL_OPENCV")  # fx, fy, cx, cy, then distortion


def read_colmap(source: Source, kind: str | None, options: Options) -> list[tuple[str, Camera]]:
    """(image name, Camera) of every image, in the file's order."""
    if source.path is None:
        raise UsageError("COLMAP cameras are two files and cannot come through a pipe.", hint="Name images.txt, beside cameras.txt.")
    return read_colmap_folder(source.path.parent)


def read_colmap_folder(folder: Path) -> list[tuple[str, Camera]]:
    """The cameras of a folder that holds cameras.txt and images.txt."""
    lenses = _lenses(Source.from_path(folder / "cameras.txt"))
    source = Source.from_path(folder / "images.txt")
    found = []
    for number, words in _image_lines(source):
        try:
            numbers, lens, name = [float(w) for w in words[1:8]], int(words[8]), " ".join(words[9:])
            found.append((name, lenses[lens], from_colmap(numbers[:4], numbers[4:])))
        except (ValueError, IndexError, KeyError) as error:
            raise FileFormatError(
                f"{source.name}, line {number}, is no image.",
                expected="ID QW QX QY QZ TX TY TZ CAMERA_ID NAME",
                actual=" ".join(words)[:80] or str(error),
            ) from error
    if not found:
        raise DataError(f"{source.name} holds no images.")
    return [(name, Camera(K, width, height, matrix)) for name, (K, width, height), matrix in found]


def _lines(source: Source) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            yield number, line


def _image_lines(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Every image takes two lines; the second, its 2D points, may be empty."""
    expect_points = False
    for number, line in _lines(source):
        if expect_points:
            expect_points = False
        elif line.strip():
            expect_points = True
            yield number, line.split()


def _lenses(source: Source) -> dict[int, tuple[np.ndarray, int, int]]:
    lenses = {}
    for number, line in _lines(source):
        words = line.split()
        if not words:
            continue
        try:
            model, width, height = words[1], int(words[2]), int(words[3])
            numbers = [float(w) for w in words[4:]]
            if model in _ONE_FOCAL:
                numbers = [numbers[0], *numbers]
            elif model not in _TWO_FOCALS:
                raise DataError(
                    f"{source.name}, line {number}: camera model {model} is no pinhole.",
                    expected=", ".join((*_ONE_FOCAL, *_TWO_FOCALS)),
                    hint="Undistort the images first (colmap image_undistorter).",
                )
            fx, fy, cx, cy = numbers[:4]
            if any(numbers[4:]):
                raise DataError(
                    f"{source.name}, line {number}: the camera is distorted.",
                    actual=f"{model} {numbers[4:]}",
                    hint="Undistort the images first (colmap image_undistorter).",
                )
            lenses[int(words[0])] = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), width, height
        except (ValueError, IndexError) as error:
            raise FileFormatError(
                f"{source.name}, line {number}, is no camera.", expected="ID MODEL WIDTH HEIGHT PARAMETERS", actual=line[:80]
            ) from error
    return lenses


register(
    Format(
        "COLMAP", (".txt",), "cameras: images.txt beside cameras.txt", reads=("cameras",), reader=read_colmap,
        searched=("images.txt beside cameras.txt",),  # a folder's other .txt are notes, lists, licences
    )
)  # fmt: skip
