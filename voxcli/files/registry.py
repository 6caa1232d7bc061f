"""Which format reads and writes what. Each format is one file that calls `register` once; this table is all that others ask.

To add a format: write voxcli/files/NAME.py that ends in `register(Format(...))`, and list NAME in `_FORMAT_FILES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from voxcli.errors import UsageError, unknown_name
from voxcli.files.source import Source
from voxcli.scene import (
    Animation,
    Camera,
    DepthMap,
    Frustum,
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
    "animation": Animation,
    "scene": SceneDescription,
    "camera": Camera,
    "cameras": list,
}
"""What a kind of file is read as. `cameras` is a list of (name, Camera)."""

_FORMAT_FILES = (
    "npz", "hdf5", "binvox", "matlab", "magicavoxel", "ply", "npy", "xyz", "meshes", "images", "animations", "tiff", "scenes", "nerfstudio",
    "colmap", "completion", "zgan",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What a caller may state about bytes that do not say it themselves.

    depth_scale: metres per unit of an integer depth image; None takes what the file says, else 0.001 (millimetres).
    extension: with the dot, for files that serve several. seen_by: the camera that a picture is read for, width and height in pixels of its
    image; fov_x_deg: the picture's horizontal field of view in degrees, where the caller knows it better than the file.
    """

    depth_scale: float | None = None
    extension: str = ""
    seen_by: Frustum | None = None
    fov_x_deg: float | None = None


Reader = Callable[[Source, "str | None", Options], Any]
Writer = Callable[[Any, Options], bytes]


@dataclass(frozen=True)
class Format:
    """One file format.

    extensions: with the dot, the first is the usual one. reads: kinds that a file may hold, the one taken without a hint first.
    names: what --format and --input-format call it besides, and the extension of its files then: that may belong to another format,
    whose files are told from this one's by name only. searched: extensions that a folder is searched for, or "NAME beside OTHER" for a
    file that counts only next to another one; None means all extensions.
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
    names: Mapping[str, str] = field(default_factory=dict)
    searched: tuple[str, ...] | None = None


_BY_EXTENSION: dict[str, Format] = {}
_BY_NAME: dict[str, Format] = {}


def register(format: Format) -> Format:
    """Enter a format into the table. An extension belongs to one format."""
    for extension in format.extensions:
        assert extension not in _BY_EXTENSION, f"{extension} is taken by {_BY_EXTENSION[extension].name}"
        _BY_EXTENSION[extension] = format
    for name in format.names:
        assert f".{name}" not in _BY_EXTENSION and name not in _BY_NAME, f"{name} is taken"
        _BY_NAME[name] = format
    return format


@lru_cache(maxsize=1)
def _load() -> dict[str, Format]:
    for name in _FORMAT_FILES:
        import_module(f"voxcli.files.{name}")
    return _BY_EXTENSION


def known_formats() -> tuple[Format, ...]:
    """All formats, in the order of the table."""
    return tuple({format.name: format for format in (*_load().values(), *_BY_NAME.values())}.values())


def searched_extensions(name: str | None = None) -> list[str]:
    """Extensions of the files that are taken from a folder: of all formats that can be read, or of the one that is called so."""
    if name is not None:
        return [extension_of(name)]
    found = [e for f in known_formats() if f.reads for e in (f.extensions if f.searched is None else f.searched)]
    return list(dict.fromkeys(found))


def extension_of(name: str) -> str:
    """The extension, with the dot, of files in the format that --format calls so: npz gives .npz, zgan gives .npy."""
    _load()
    name = name.lower().lstrip(".")
    return _BY_NAME[name].names[name] if name in _BY_NAME else f".{name}"


def formats_writing(kind: type) -> list[str]:
    """Extensions that a scene type can be written to."""
    return [extension for extension, format in _load().items() if kind in format.writers]


def formats_reading(kind: type) -> list[str]:
    """Extensions that a scene type can be read from."""
    return [extension for extension, format in _load().items() if any(KIND_TYPES[k] is kind for k in format.reads)]


def find_format(
    path: str | Path, name: str | None = None, flag: str = "--format", choices: Iterable[str] | None = None
) -> tuple[Format, str]:
    """(format, extension) of a path, or of a name such as "npz" where one is given. `-` needs the name, by the option `flag`.

    flag: --format for a file to be written, which must not have the extension of another format than the one named; --input-format for
    one to be read, which may be called anything. choices: what an error lists as possible; default: all that can be written, or read.
    """
    table = _load()
    known = [each.lstrip(".") for each in choices] if choices is not None else format_names(writing=flag == "--format")
    own = Path(path).suffix.lower()
    if name is None and not own:
        raise UsageError(f"{_quoted(path)} has no extension that would tell its format.",
                         hint=f"Use {flag} with one of: {', '.join(sorted(known))}.")  # fmt: skip
    if name and (named := _BY_NAME.get(name.lower())):
        found, extension = named, own if own in named.extensions else extension_of(name)
    else:
        extension = f".{name.lower().lstrip('.')}" if name else own
        if extension not in table:
            raise unknown_name("file format", extension.lstrip("."), known)
        found = table[extension]
    if name and flag == "--format" and own != extension and own in table and table[own] is not found:
        raise UsageError(f"--format {name} and {path} contradict each other.", hint="Leave out --format, or name a file without extension.")
    return found, extension


def _quoted(path: str | Path) -> str:
    return "'-'" if str(path) == "-" else str(path)


def format_names(*, writing: bool) -> list[str]:
    """What --format, or --input-format, may be: extensions without the dot, and the names of formats that these do not tell."""
    table = {**{e.lstrip("."): f for e, f in _load().items()}, **_BY_NAME}
    return [name for name, format in table.items() if (format.writers if writing else format.reads)]
