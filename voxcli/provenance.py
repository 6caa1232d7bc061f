"""What a file says about how it was made: the `meta` dictionary.

It holds neither time nor host nor absolute path, so that the same command on the same bytes writes the same bytes.
"""

from __future__ import annotations

import enum
import hashlib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol

from voxcli.contents import file_bytes, kept_bytes, stdin_digest
from voxcli.errors import UsageError, printable
from voxcli.remote import is_url
from voxcli.version import __version__

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
"""A value that JSON can hold."""


class SupportsToList(Protocol):
    """A number or an array of NumPy or torch."""

    def tolist(self) -> Json:
        """Numbers of Python, in lists."""


if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from _typeshed import DataclassInstance

    Recordable = (
        Json | SupportsToList | os.PathLike[str] | enum.Enum | DataclassInstance | AbstractSet["Recordable"] | Sequence["Recordable"]
        | Mapping[str, "Recordable"] | Mapping[int, "Recordable"]
    )  # fmt: skip
    """What a record or `meta` can state, once it is made plain."""
else:
    Recordable = object

Meta = dict[str, Any]
"""What a file says of itself: a JSON object. Who reads a key knows the type of its value."""

META_VERSION = 1


def make_meta(
    schema: str, command: str, options: Mapping[str, Recordable], inputs: Mapping[str, str], seed: int | None, frame: str, units: str,
    weights: str | None = None,
) -> Meta:  # fmt: skip
    """The meta dictionary of an output file, ready for JSON.

    Args:
        schema: what the file holds, such as "fruxels".
        command: the verb, such as "fruxelize".
        options: resolved options. Paths shrink to their last name, since the SHA-256 says what they held.
        inputs: name -> SHA-256 of everything that was read.
        frame: frame of the coordinates, such as "world, +y up". units: such as "m".
        weights: SHA-256 of the weights file.
    """
    meta: Meta = {
        "schema": f"voxcli/{schema}",
        "schema_version": META_VERSION,
        "voxcli_version": __version__,
        "command": command,
        "options": {str(key): _plain(value) for key, value in sorted(options.items())},
        "inputs": {_relative(str(name)): digest for name, digest in sorted(inputs.items())},
        "seed": seed,
        "frame": frame,
        "units": units,
    }
    return meta if weights is None else meta | {"weights": weights}


def sha256_bytes(data: bytes | bytearray | memoryview) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file, of bytes that are still kept or in pieces of 1 MiB; "-" is stdin, once it was read.

    Raises UsageError that names the file.
    """
    if str(path) == "-":
        return stdin_digest()
    digest = hashlib.sha256()
    try:
        if (data := file_bytes(path) if is_url(path) else kept_bytes(path)) is not None:
            return sha256_bytes(data)
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise UsageError(f"{path} cannot be read.", actual=error.strerror or str(error)) from error
    return digest.hexdigest()


def digests_of_files(paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 by path, of the files among some paths. A folder has none; a pipe, which cannot be read again, only while it is kept."""
    found = [path for path in paths if path and (path == "-" or is_url(path) or os.path.isfile(path) or kept_bytes(path) is not None)]
    return {path: sha256_file(path) for path in found}


def _relative(text: str) -> str:
    """Absolute paths would tell whose machine it was, and differ between two runs of the same command. Names become text."""
    path = PurePath(text)
    return printable(path.name if path.is_absolute() else text)


def _plain(value: Recordable) -> Json:
    """A value as JSON knows it."""
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(v) for v in value), key=str)
    if isinstance(value, (str, PurePath)):
        return _relative(str(value))
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if hasattr(value, "tolist"):  # NumPy numbers and arrays
        return _plain(value.tolist())
    return str(value)
