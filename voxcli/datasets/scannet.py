"""ScanNet (Dai et al. 2017): frames of indoor scans with cameras and depth, and surfaces labelled by NYU40's classes.

ROOT/scans/SCENE/SCENE.sens                      colour (JPEG), depth and poses of all frames in one stream; or exported:
ROOT/scans/SCENE/color/K.jpg depth/K.png pose/K.txt intrinsic/intrinsic_color.txt intrinsic_depth.txt
ROOT/scans/SCENE/label-filt/K.png                class of each pixel, in raw ids of scannetv2-labels.combined.tsv
ROOT/scans/SCENE/SCENE_vh_clean_2.labels.ply     the surface; `label` of its vertices is a class of NYU40
ROOT/scannetv2_val.txt                           the scenes of a split, one a line

Poses are camera to world, metres, z up; the camera looks along z, x right, y down. Depth is along z, in millimetres.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from voxcli.datasets.pictures import read_rgb
from voxcli.errors import DataError, FileFormatError
from voxcli.files.guard import bytes_within, claim
from voxcli.files.ply_codec import parse_ply
from voxcli.scene import Mesh

NYU40 = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter", "blinds", "desk",
    "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books", "refrigerator", "television", "paper",
    "towel", "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag",
    "other structure", "other furniture", "other prop",
)  # fmt: skip
"""Names of classes 1 to 40."""

BENCHMARK = (*range(1, 13), 14, 16, 24, 28, 33, 34, 36, 39)
"""The twenty classes that ScanNet's benchmark scores."""

LABELS = "scannetv2-labels.combined.tsv"
"""File of a root that says what raw ids mean."""

_JPEG, _RAW, _ZLIB = 2, 0, 1
_FRAME = struct.Struct("<16f4Q")
_HEADER = struct.Struct("<64f2i4IfQ")


class Place(NamedTuple):
    """A frame in a stream: camera_to_world [4, 4], where its colour begins, bytes of colour and of depth."""

    camera_to_world: np.ndarray
    start: int
    colour: int
    depth: int


class SensFile:
    """A .sens stream, of which one frame at a time is read. Raises FileFormatError for another file, and one that is cut off."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        with open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            version, length = struct.unpack("<IQ", self._bytes(file, 12))
            if version != 4 or length > 4096:
                raise FileFormatError(f"'{path}' is no .sens stream.", expected="version 4", actual=f"version {version}")
            self._bytes(file, length)
            numbers = _HEADER.unpack(self._bytes(file, _HEADER.size))
            matrices = np.array(numbers[:64], np.float64).reshape(4, 4, 4)
            self.colour_K, self.depth_K = matrices[0, :3, :3], matrices[2, :3, :3]
            self.compression = numbers[64:66]
            self.colour_size, self.depth_size, shift, count = numbers[66:68], numbers[68:70], numbers[70], numbers[71]
            if self.compression[0] != _JPEG or self.compression[1] not in (_RAW, _ZLIB) or shift != 1000:
                raise FileFormatError(f"'{path}' is packed in another way.", expected="JPEG colour, raw or zlib depth in millimetres",
                                      actual=f"colour {self.compression[0]}, depth {self.compression[1]}, {shift:g} a metre")  # fmt: skip
            for what, (width, height) in (("colour", self.colour_size), ("depth", self.depth_size)):
                claim(f"'{path}': {what}", 3 * width * height)
            self.frames: list[Place] = []
            for _ in range(min(count, size // _FRAME.size)):
                found = _FRAME.unpack(self._bytes(file, _FRAME.size))
                place = Place(np.array(found[:16], np.float64).reshape(4, 4), file.tell(), found[18], found[19])
                if place.start + place.colour + place.depth > size:
                    raise FileFormatError(f"'{path}' ends within a frame.", expected=f"{count} frames", actual=len(self.frames))
                self.frames.append(place)
                file.seek(place.start + place.colour + place.depth)

    def _bytes(self, file: BinaryIO, count: int) -> bytes:
        data = file.read(count)
        if len(data) < count:
            raise FileFormatError(f"'{self.path}' ends too early for a .sens stream.", expected=f"{count} bytes more", actual=len(data))
        return data

    def colour(self, index: int) -> np.ndarray:
        """The picture of a frame, uint8 [H, W, 3]."""
        from PIL import Image

        place = self.frames[index]
        with open(self.path, "rb") as file:
            file.seek(place.start)
            claim(f"'{self.path}': a frame", place.colour)
            data = self._bytes(file, place.colour)
        try:
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
                if image.size != self.colour_size:
                    raise FileFormatError(f"'{self.path}': frame {index} has another size.", expected=self.colour_size, actual=image.size)
                return np.asarray(image.convert("RGB"))
        except OSError as error:
            raise FileFormatError(f"'{self.path}': the picture of frame {index} is damaged.", actual=str(error)) from error

    def depth(self, index: int) -> np.ndarray:
        """The depth of a frame along z, float32 [H, W] in metres, NaN where there is none."""
        place, (width, height) = self.frames[index], self.depth_size
        wanted = 2 * width * height
        with open(self.path, "rb") as file:
            file.seek(place.start + place.colour)
            claim(f"'{self.path}': a frame", place.depth)
            data = self._bytes(file, place.depth)
        try:
            data = zlib.decompressobj().decompress(data, wanted + 1) if self.compression[1] == _ZLIB else data
        except zlib.error as error:
            raise FileFormatError(f"'{self.path}': the depth of frame {index} is damaged.", actual=str(error)) from error
        if len(data) != wanted:
            raise FileFormatError(f"'{self.path}': the depth of frame {index} has another size.", expected=wanted, actual=len(data))
        return _metres(np.frombuffer(data, "<u2").reshape(height, width))


@dataclass(frozen=True)
class ScanNetFrame:
    """A frame: image uint8 [H, W, 3] with its K [3, 3] in pixels, and camera_to_world [4, 4]."""

    image: np.ndarray
    K: np.ndarray
    camera_to_world: np.ndarray


class ScanNetScene:
    """One folder of a scan. frames: names of those whose pose is known, in order. Raises DataError where there are none."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        stream = self.folder / f"{self.folder.name}.sens"
        self.stream = SensFile(stream) if stream.is_file() else None
        self.mesh_path = self.folder / f"{self.folder.name}_vh_clean_2.labels.ply"
        self._pictures = {} if self.stream else {path.stem: path for path in sorted((self.folder / "color").glob("*.*"), key=_order)}
        names = [str(k) for k in range(len(self.stream.frames))] if self.stream else list(self._pictures)
        self.frames = [name for name in names if np.isfinite(self.pose(name)).all()]
        if not self.frames:
            raise DataError(f"'{folder}' holds no frame.", expected="SCENE.sens, or color/, depth/, pose/ and intrinsic/")

    def files(self, name: str) -> list[Path]:
        """The files that a frame and its labels are of."""
        own = [self.stream.path] if self.stream else [self._pictures[name]]
        labels = [self.mesh_path] if self.mesh_path.is_file() else [self.folder / "label-filt" / f"{name}.png"]
        return own + labels

    def pose(self, name: str) -> np.ndarray:
        """camera_to_world [4, 4]; not finite where the scan has lost its way."""
        if self.stream:
            return self.stream.frames[int(name)].camera_to_world
        return _matrix(self.folder / "pose" / f"{name}.txt")

    def frame(self, name: str) -> ScanNetFrame:
        """The picture of a frame, its camera and its pose."""
        if self.stream:
            return ScanNetFrame(self.stream.colour(int(name)), self.stream.colour_K, self.pose(name))
        return ScanNetFrame(read_rgb(self._pictures[name]), self._intrinsics("color"), self.pose(name))

    def depth(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The depth of a frame [H, W] in metres, NaN where there is none, and its K [3, 3]."""
        if self.stream:
            return self.stream.depth(int(name)), self.stream.depth_K
        return _metres(_whole_numbers(self.folder / "depth" / f"{name}.png")), self._intrinsics("depth")

    def pixel_labels(self, name: str) -> np.ndarray | None:
        """The raw id of each pixel [H, W]; None where there is no file."""
        path = self.folder / "label-filt" / f"{name}.png"
        return _whole_numbers(path) if path.is_file() else None

    @cached_property
    def surface(self) -> tuple[Mesh, np.ndarray]:
        """The labelled surface and the NYU40 class of each vertex, 0 where there is none."""
        name = str(self.mesh_path)
        vertex = parse_ply(bytes_within(self.mesh_path), name).elements.get("vertex")
        if vertex is None or "label" not in vertex.columns:
            raise FileFormatError(f"'{name}' has no labels of vertices.", expected="x, y, z, label")
        from voxcli import files

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that nothing is made of labels of vertices
            return files.read_as(self.mesh_path, Mesh), np.asarray(vertex.columns["label"], np.int64)

    def _intrinsics(self, of: str) -> np.ndarray:
        return _matrix(self.folder / "intrinsic" / f"intrinsic_{of}.txt")[:3, :3]


def scenes_of(root: str | Path, split: str | None) -> list[Path]:
    """The folders of scenes below ROOT/scans, or ROOT, those of ROOT/scannetv2_SPLIT.txt where a split is named."""
    root = Path(root)
    above = root / "scans" if (root / "scans").is_dir() else root
    found = sorted(path for path in above.glob("scene*") if path.is_dir())
    if split is None:
        return found
    path = root / f"scannetv2_{split}.txt"
    if not path.is_file():
        raise DataError(f"Nothing says which scenes are of '{split}'.", expected=str(path))
    listed = {*path.read_text(encoding="utf-8").split()}
    return [path for path in found if path.name in listed]


def nyu40_of_ids(root: str | Path) -> np.ndarray:
    """The NYU40 class of each raw id [ids], 0 for none, by ROOT/scannetv2-labels.combined.tsv."""
    path = Path(root) / LABELS
    if not path.is_file():
        raise DataError("Nothing says what the ids of label-filt mean.", expected=str(path))
    head, *rows = (line.split("\t") for line in bytes_within(path).decode("utf-8", "replace").splitlines())
    if not {"id", "nyu40id"} <= {*head}:
        raise FileFormatError(f"'{path}' is no table of labels.", expected="columns id and nyu40id", actual=", ".join(head[:9]))
    pairs = [(row[head.index("id")], row[head.index("nyu40id")]) for row in rows if len(row) == len(head)]
    known = [(int(a), int(b)) for a, b in pairs if a.isdecimal() and b.isdecimal() and int(a) <= 65535 and int(b) <= len(NYU40)]
    table = np.zeros(65536, np.int64)
    for raw, own in known:
        table[raw] = own
    return table


def _order(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdecimal() else -1, path.stem)


def _matrix(path: Path) -> np.ndarray:
    try:
        numbers = np.array(bytes_within(path).split(), np.float64)
    except OSError as error:
        raise DataError(f"'{path}' is not there.", expected="a 4x4 matrix") from error
    except ValueError as error:
        raise FileFormatError(f"'{path}' is not numbers.", actual=str(error)) from error
    if numbers.size != 16:
        raise FileFormatError(f"'{path}' is no 4x4 matrix.", actual=f"{numbers.size} numbers")
    return numbers.reshape(4, 4)


def _whole_numbers(path: Path) -> np.ndarray:
    """A PNG of one channel, 8 or 16 bits, as it is."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            claim(f"'{path}'", 8 * image.width * image.height)
            pixels = np.asarray(image)
    except OSError as error:
        raise FileFormatError(f"'{path}' is no PNG that can be read.", actual=str(error)) from error
    if pixels.ndim != 2:
        raise FileFormatError(f"'{path}' has several channels.", expected="one")
    return pixels.astype(np.int64)


def _metres(millimetres: np.ndarray) -> np.ndarray:
    return np.where(millimetres > 0, millimetres / np.float32(1000), np.float32("nan")).astype(np.float32)
