"""Which format reads and writes what. Each format is one file that calls `register` once; this table is all that others ask.

To add a format: write voxcli/files/NAME.py that ends in `register(Format(...))`, and list NAME in `_FORMAT_FILES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from voxcli.errors import UsageError, unknown_name
from voxcli.files.source import Source
from voxcli.scene import (
    Camera,
    DepthMap,
    FruxelGrid,
    Mesh,
    Picture,
    PointCloud,
    SceneDescription,
    Surfels,
    VoxelGrid,
)

KIND_TYPES: dict[str, type] = {
    "fruxels": FruxelGrid,
    "voxels": VoxelGrid,
    "surfels": Surfels,
    "depth": DepthMap,
    "points": PointCloud,
    "mesh": Mesh,
    "image": Picture,
    "scene": SceneDescription,
    "camera": Camera,
    "cameras": list,
}
"""What a kind of file is read as. `cameras` is a list of (name, Camera)."""

_FORMAT_FILES = (
    "npz", "hdf5", "binvox", "matlab", "magicavoxel", "ply", "npy", "xyz", "meshes", "images", "tiff", "scenes", "nerfstudio", "colmap",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What a caller may state about bytes that do not say it themselves.

    depth_scale: metres per unit of an integer depth image; None takes what the file says, else 0.001 (millimetres).
    extension: with the dot, for files that serve several.
    """

    depth_scale: float | None = None
    extension: str = ""


Reader = Callable[[Source, "str | None", Options], Any]
Writer = Callable[[Any, Options], bytes]


@dataclass(frozen=True)
class Format:
    """One file format.

    extensions: with the dot, the first is the usual one. reads: kinds that a file may hold, the one taken without a hint first.
    told_by_content: the bytes say which kind they hold; otherwise the caller's kind, or the first, decides.
    writers: scene type -> function that makes the bytes of the whole file.
    """

    name: str
    extensions: tuple[str, ...]
    summary: str
    reads: tuple[str, ...] = ()
    told_by_content: bool = False
    reader: Reader | None = None
    writers: Mapping[type, Writer] = field(default_factory=dict)


_BY_EXTENSION: dict[str, Format] = {}


def register(format: Format) -> Format:
    """Enter a format into the table. An extension belongs to one format."""
    for extension in format.extensions:
        assert extension not in _BY_EXTENSION, f"{extension} is taken by {_BY_EXTENSION[extension].name}"
        _BY_EXTENSION[extension] = format
    return format


@lru_cache(maxsize=1)
def _load() -> dict[str, Format]:
    for name in _FORMAT_FILES:
        import_module(f"voxcli.files.{name}")
    return _BY_EXTENSION


def known_formats() -> tuple[Format, ...]:
    """All formats, in the order of the table."""
    return tuple({format.name: format for format in _load().values()}.values())


def formats_writing(kind: type) -> list[str]:
    """Extensions that a scene type can be written to."""
    return [extension for extension, format in _load().items() if kind in format.writers]


def formats_reading(kind: type) -> list[str]:
    """Extensions that a scene type can be read from."""
    return [extension for extension, format in _load().items() if any(KIND_TYPES[k] is kind for k in format.reads)]


def find_format(path: str | Path, name: str | None = None, flag: str = "--format") -> tuple[Format, str]:
    """(format, extension) of a path, or of a name such as "npz" where one is given. `-` needs the name, by the option `flag`."""
    table = _load()
    if name is None and str(path) == "-":
        raise UsageError("'-' has no extension that would tell its format.", hint=f"Use {flag} with one of: {_names(table)}.")
    extension = f".{name.lower().lstrip('.')}" if name else Path(path).suffix.lower()
    if not extension:
        raise UsageError(f"{path} has no extension that would tell its format.", hint=f"Use {flag} with one of: {_names(table)}.")
    if extension not in table:
        raise unknown_name("file format", extension.lstrip("."), [e.lstrip(".") for e in table])
    return table[extension], extension


def _names(table: Mapping[str, Format]) -> str:
    return ", ".join(sorted(e.lstrip(".") for e in table))
