"""Which format reads and writes what. Each format is one file that calls `register` once; this table is all that others ask.

To add a format: write voxcli/files/NAME.py that ends in `register(Format(...))`, and list NAME with its extensions in `_FORMAT_FILES`.
A format's file is imported when an extension or a name of its own is looked up; all are imported when all are asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path

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
    SceneType,
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

_FORMAT_FILES = {
    "npz": (".npz",), "hdf5": (".h5", ".hdf5"), "binvox": (".binvox",), "matlab": (".mat",), "magicavoxel": (".vox",), "ply": (".ply",),
    "npy": (".npy",), "xyz": (".xyz",), "obj": (".obj",), "off": (".off",), "stl": (".stl",), "gltf": (".glb", ".gltf"),
    "images": (".png", ".jpg", ".jpeg", ".webp", ".bmp"), "heic": (".heic", ".heif"), "animations": (".gif", ".apng"),
    "tiff": (".tif", ".tiff"), "exr": (".exr",),
    "scenes": (".yaml", ".yml"), "nerfstudio": (".json",), "colmap": (".txt",),
    "completion": (".label", ".invalid", ".occluded", ".bin", "kitti", "nyu"), "zgan": ("zgan",),
}  # fmt: skip
"""The files of this room that register formats, and what they register: extensions with the dot, and names without."""
_HOMES = {key: home for home, keys in _FORMAT_FILES.items() for key in keys}


@dataclass(frozen=True)
class Options:
    """What a caller may state about bytes that do not say it themselves.

    depth_scale: metres per unit of an integer depth image; None takes what the file says, else 0.001 (millimetres).
    extension: with the dot, for files that serve several. target_frustum: what a picture is read for.
    fov_x_deg: the picture's horizontal field of view in degrees, where the caller knows it better than the file.
    ids: "raw" or "training", what the numbers of a .label of SemanticKITTI are; None takes them for raw where they can be.
    """

    depth_scale: float | None = None
    extension: str = ""
    target_frustum: Frustum | None = None
    fov_x_deg: float | None = None
    ids: str | None = None


Reader = Callable[[Source, "str | None", Options], SceneType]
Writer = Callable[..., bytes]
"""Takes a scene of the type that it is entered for, and Options."""


@dataclass(frozen=True)
class Format:
    """One file format.

    extensions: with the dot, the first is the usual one. reads: kinds that a file may hold, the one taken without a hint first.
    names: what --format and --input-format call it besides, and the extension of its files then: that may belong to another format,
    whose files are told from this one's by name only. searched: extensions that a folder is searched for, or "NAME beside OTHER" for a
    file that counts only next to another one; None means all extensions. searched_as: kinds for which a folder is searched for them; None
    means all that it reads where the bytes say which, else the first.
    kind_from_content: the bytes say which kind they hold; otherwise the caller's kind, or the first, decides.
    writers: scene type -> function that makes the bytes of the whole file. complete: they keep all of a grid, probabilities included.
    """

    name: str
    extensions: tuple[str, ...]
    summary: str
    reads: tuple[str, ...] = ()
    kind_from_content: bool = False
    reader: Reader | None = None
    writers: Mapping[type, Writer] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    searched: tuple[str, ...] | None = None
    searched_as: tuple[str, ...] | None = None
    complete: bool = False

    @property
    def usual_kinds(self) -> tuple[str, ...]:
        """The kinds that a file of a folder is taken for."""
        usual = self.reads if self.kind_from_content else self.reads[:1]
        return usual if self.searched_as is None else self.searched_as


_KNOWN: dict[str, Format] = {}
"""What is registered so far, by extension with the dot and by name without."""


def register(format: Format) -> Format:
    """Enter a format into the table. An extension and a name belong to one format."""
    for key in (*format.extensions, *format.names):
        assert key in _HOMES and key not in _KNOWN, f"{key} is not listed, or taken"
        _KNOWN[key] = format
    return format


def _lookup(key: str) -> Format | None:
    """The format of an extension with the dot, or of a name without; None for one that there is not."""
    if key in _HOMES and key not in _KNOWN:
        import_module(f"voxcli.files.{_HOMES[key]}")
    return _KNOWN.get(key)


def _table() -> dict[str, Format]:
    """All formats, by extension and by name, in the order of `_FORMAT_FILES`."""
    return {key: found for key in _HOMES if (found := _lookup(key)) is not None}


def known_formats() -> tuple[Format, ...]:
    """All formats, in the order of the table."""
    return tuple({format.name: format for format in _table().values()}.values())


def is_extension(suffix: str) -> bool:
    """Whether an extension, with the dot and in lower case, is that of a format."""
    return suffix.startswith(".") and suffix in _HOMES


def read_when_named(suffix: str) -> bool:
    """Whether files of an extension (with the dot, in lower case) are read, but not looked for in folders."""
    found = _lookup(suffix) if is_extension(suffix) else None
    return found is not None and found.reader is not None and found.searched == ()


def usual_extensions() -> set[str]:
    """All extensions but those of which other programs' files have too many kinds, and of parts of a data set."""
    return {each for format in known_formats() for each in (format.extensions if format.searched is None else format.searched)}


def searched_extensions(*kinds: str, name: str | None = None) -> list[str]:
    """Extensions of the files that are taken from a folder.

    kinds: of formats whose files usually hold one of them; none given: of all that can be read. name: of the one that is called so.
    """
    if name is not None:
        return [extension_of(name)]
    wanted = [format for format in known_formats() if format.reads and (not kinds or {*kinds} & {*format.usual_kinds})]
    return list(dict.fromkeys(e for format in wanted for e in (format.extensions if format.searched is None else format.searched)))


def extension_of(name: str) -> str:
    """The extension, with the dot, of files in the format that --format calls so: npz gives .npz, zgan gives .npy."""
    name = name.lower().lstrip(".")
    named = _lookup(name)
    return f".{name}" if named is None else named.names[name]


def formats_writing(*kinds: type) -> list[str]:
    """Extensions that one of the scene types can be written to, those of the first type first."""
    return list(dict.fromkeys(key for kind in kinds for key, each in _by_extension().items() if kind in each.writers))


def formats_reading(*kinds: type) -> list[str]:
    """Extensions that one of the scene types can be read from, those of the first type first."""
    read = {key: [KIND_TYPES[kind] for kind in each.reads] for key, each in _by_extension().items()}
    return list(dict.fromkeys(key for kind in kinds for key in read if kind in read[key]))


def _by_extension() -> dict[str, Format]:
    return {key: format for key, format in _table().items() if key in format.extensions}


def find_format(
    path: str | Path, name: str | None = None, flag: str = "--format",
    choices: Iterable[str] | Callable[[], Iterable[str]] | None = None,
) -> tuple[Format, str]:  # fmt: skip
    """(format, extension) of a path, or of a name such as "npz" where one is given. `-` needs the name, by the option `flag`.

    flag: --format for a file to be written, which must not have the extension of another format than the one named; --input-format for
    one to be read, which may be called anything. choices: what an error lists as possible, or a function that tells it; default: all that
    can be written, or read.
    """
    own = Path(path).suffix.lower()
    known = partial(_known_names, choices, flag)
    if not str(path):
        raise UsageError("The name of a file is empty.", expected="a path")
    if name is None and flag == "--input-format" and os.path.isdir(path):
        raise UsageError(f"{_quoted(path)} is a folder.", expected="a file")
    if name is None and not own:
        raise UsageError(f"{_quoted(path)} has no extension that would tell its format.",
                         hint=f"Use {flag} with one of: {', '.join(sorted(known()))}.")  # fmt: skip
    if name and not name.startswith(".") and (named := _lookup(name.lower())):
        found, extension = named, own if own in named.extensions else extension_of(name)
    else:
        extension = f".{name.lower().lstrip('.')}" if name else own
        usual = _lookup(extension)
        if usual is None:
            error = unknown_name("file format", extension.lstrip("."), known())
            raise error if name else UsageError(f"{_quoted(path)}: {error.message}", hint=error.hint)
        found = usual
    if name and flag == "--format" and own != extension and _lookup(own) not in (None, found):
        raise UsageError(f"--format {name} and {path} contradict each other.", hint="Leave out --format, or name a file without extension.")
    return found, extension


def _known_names(choices: Iterable[str] | Callable[[], Iterable[str]] | None, flag: str) -> list[str]:
    """What an error lists, without dots."""
    if choices is None:
        return format_names(writing=flag == "--format")
    return [each.lstrip(".") for each in (choices() if callable(choices) else choices)]


def _quoted(path: str | Path) -> str:
    return "'-'" if str(path) == "-" else str(path)


def format_names(*, writing: bool) -> list[str]:
    """What --format, or --input-format, may be: extensions without the dot, and the names of formats that these do not tell."""
    return [key.lstrip(".") for key, format in _table().items() if (format.writers if writing else format.reads)]
