"""`read`, `read_as` and `write`: the only doors between files and scene types."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np

from voxcli import log
from voxcli.atomic import atomic_write_bytes, refuse_existing
from voxcli.contents import check_stdout
from voxcli.errors import DataError, EmptyCloudError, FileFormatError, UsageError, VoxcliError, unknown_name
from voxcli.files.registry import KIND_TYPES, Format, Options, find_format, formats_reading, formats_writing
from voxcli.files.source import Source
from voxcli.provenance import Meta
from voxcli.scene import Camera, Frustum, PointCloud, SceneType
from voxcli.scene.words import in_words

T = TypeVar("T", bound=SceneType)
R = TypeVar("R")
_KIND_OF = {scene_type: kind for kind, scene_type in KIND_TYPES.items()}


def read(
    path: str | Path, *, kind: str | None = None, format: str | None = None, depth_scale: float | None = None,
    target_frustum: Frustum | None = None, fov_x_deg: float | None = None, ids: str | None = None,
) -> SceneType:  # fmt: skip
    """Read a file into its scene type.

    Args:
        path: a file, or "-" for stdin (which needs `format`).
        kind: fruxels, voxels, surfels, depth, points, mesh, image, scene, camera or cameras. Only needed where neither the extension
            nor the bytes tell: a 16-bit PNG is an image unless kind is depth. An error where the file holds another kind.
        format: an extension without the dot, used instead of the path's own.
        depth_scale: metres per unit of integer depth images; None takes the file's own statement, else 0.001.
        target_frustum: what a picture is read for: a camera of so many pixels (width, height) and such a field of view. A JPEG of far more
            pixels than it can make use of is then decoded at a smaller size, and Picture.stored has its own.
        fov_x_deg: the picture's horizontal field of view, if known otherwise than by EXIF; it is for `target_frustum` alone.
        ids: "raw" or "training", of SemanticKITTI's .label; None: raw, and a file that cannot be is refused.

    Returns a scene type; for kind `cameras` a list of (name, Camera). Raises a VoxcliError that names the file.
    """
    found, extension = check_readable(path, kind=kind, format=format)
    if kind is not None and kind not in found.reads:
        raise FileFormatError(f"{path} cannot hold {kind}.", expected=f"one of {', '.join(formats_reading(KIND_TYPES[kind]))}",
                              actual=f"{found.name}, which holds {' or '.join(found.reads)}")  # fmt: skip
    with log.timed("reading"):
        source = Source.from_stdin() if str(path) == "-" else Source.from_path(path)
        thing = _read_named(found, source, kind, Options(depth_scale, extension, target_frustum, fov_x_deg, ids))
        log.info(lambda: f"{source.name}: read, {in_words(thing)}")
    if kind is not None and not isinstance(thing, KIND_TYPES[kind]):
        raise FileFormatError(f"{source.name} holds something else.", expected=kind, actual=kind_name(thing))
    return thing


def check_readable(
    path: str | Path, *, kind: str | None = None, format: str | None = None, choices: Callable[[], Iterable[str]] | None = None
) -> tuple[Format, str]:
    """The format and extension by which `read` reads a path; nothing is opened. Raises UsageError where there is none, which lists
    `choices` as possible, or all that can be read."""
    if kind is not None and kind not in KIND_TYPES:
        raise unknown_name("kind of file", kind, KIND_TYPES)
    found, extension = find_format(path, format, "--input-format", choices)
    if found.reader is None:
        raise UsageError(f"{found.name} files can be written but not read.", actual=str(path), hint=_readable_hint(kind))
    return found, extension


@overload
def read_as(
    path: str | Path,
    wanted: type[T],
    *,
    format: str | None = None,
    depth_scale: float | None = None,
    target_frustum: Frustum | None = None,
    fov_x_deg: float | None = None,
    ids: str | None = None,
) -> T: ...
@overload
def read_as(
    path: str | Path,
    wanted: tuple[type, ...],
    *,
    format: str | None = None,
    depth_scale: float | None = None,
    target_frustum: Frustum | None = None,
    fov_x_deg: float | None = None,
    ids: str | None = None,
) -> Any: ...
def read_as(
    path: str | Path, wanted: type[T] | tuple[type, ...], *, format: str | None = None, depth_scale: float | None = None,
    target_frustum: Frustum | None = None, fov_x_deg: float | None = None, ids: str | None = None,
) -> SceneType:  # fmt: skip
    """Read a file that must hold one of the wanted scene types; the type also decides where a format may hold several kinds.

    The other arguments are those of `read`.

    Raises FileFormatError that says what was expected and what came, VoxcliErrors of `read` otherwise.
    """
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    found, _ = find_format(path, format, "--input-format", lambda: formats_reading(*wanted))
    possible = [kind for kind in found.reads if KIND_TYPES[kind] in wanted]
    names = " or ".join(_KIND_OF[t] for t in wanted)
    if found.reader is None or not possible:
        extensions = formats_reading(*wanted)
        if found.reader is None:
            raise FileFormatError(f"{path}: {found.name} files are written here, and cannot be read.",
                                  expected=f"{names}: one of {', '.join(extensions)}")  # fmt: skip
        raise FileFormatError(f"{path} cannot hold {names}.", expected=f"one of {', '.join(extensions)}",
                              actual=f"{found.name}, which holds {' or '.join(found.reads)}")  # fmt: skip
    # Where any kind of a format will do, its reader takes the one that the bytes speak for.
    kind = None if found.kind_from_content or 1 < len(possible) == len(found.reads) else possible[0]
    thing = read(path, kind=kind, format=format, depth_scale=depth_scale, target_frustum=target_frustum, fov_x_deg=fov_x_deg,
                 ids=ids)  # fmt: skip
    if not isinstance(thing, wanted):
        raise FileFormatError(f"{path} holds something else.", expected=names, actual=kind_name(thing))
    return thing


def write(path: str | Path, scene: SceneType, *, format: str | None = None, overwrite: bool = False,
          meta: Meta | None = None, depth_scale: float | None = None) -> None:  # fmt: skip
    """Write a scene type; the extension, or `format`, picks the writer.

    The bytes are made in memory and appear under the final name at once; parents are created. "-" writes to stdout, and is refused on a
    terminal. The same thing gives the same bytes.

    Args:
        overwrite: replace an existing file; without it that is a UsageError, raised before any work.
        meta: written instead of scene.meta, where the format has a place for it (see voxcli.provenance.make_meta).
        depth_scale: metres per unit of integer depth images; None is 0.001.
    """
    found, extension = find_format(path, format)
    writer = next((function for scene_type, function in found.writers.items() if isinstance(scene, scene_type)), None)
    if writer is None:
        kinds = formats_writing(type(scene))
        raise UsageError(f"{kind_name(scene)} cannot be written as {extension}.", expected=f"one of {', '.join(kinds) or 'no format'}")
    to_stdout = str(path) == "-"
    if to_stdout:
        check_stdout()
    if to_stdout and sys.stdout.isatty():
        raise UsageError("Binary data is not written to a terminal.", hint="Pipe it on, or name a file with -o.")
    if not to_stdout and not overwrite:
        refuse_existing(path)
    if meta is not None and not isinstance(scene, (Camera, list)):
        scene = replace(scene, meta=meta)
    with log.timed("writing"):
        data = _naming("stdout" if to_stdout else str(path), lambda: writer(scene, Options(depth_scale, extension)))
        if to_stdout:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            atomic_write_bytes(path, data, overwrite)


def _read_named(found: Format, source: Source, kind: str | None, options: Options) -> SceneType:
    assert found.reader is not None
    reader = found.reader
    return _naming(source.name, lambda: _checked(reader(source, kind, options)))


def _checked(thing: SceneType) -> SceneType:
    """Point clouds may come from any format with NaN for "no return"; nothing behind this door knows what to do with those."""
    if isinstance(thing, PointCloud):
        bad = int((~np.isfinite(thing.points)).any(axis=1).sum())
        if not len(thing.points):
            raise EmptyCloudError("The file holds no points.", expected="at least one")
        if bad:
            raise DataError("Points must be finite.", actual=f"{bad} of {len(thing.points)} NaN or infinite")
    return thing


def _naming(name: str, work: Callable[[], R]) -> R:
    """Run work; errors of the scene types' own checks get the name of the file that they are about."""
    try:
        return work()
    except VoxcliError as error:
        if name in error.message:
            raise
        raise type(error)(f"{name}: {error.message}", expected=error.expected, actual=error.actual, hint=error.hint) from error
    except MemoryError as error:
        raise FileFormatError(f"{name} needs more memory than there is.") from error


def kind_name(thing: SceneType) -> str:
    """What a scene type is called towards users: fruxels, image, ..."""
    return _KIND_OF.get(type(thing), type(thing).__name__)


def _readable_hint(kind: str | None) -> str | None:
    return f"Readable for {kind}: {', '.join(formats_reading(KIND_TYPES[kind]))}." if kind else None
