"""What readers do before they trust a file: sizes that it declares are held against one budget of memory, and whatever a parser makes of
damaged bytes becomes one error."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from voxcli import remote
from voxcli.errors import FileFormatError, UsageError, VoxcliError
from voxcli.provenance import Json
from voxcli.remote import is_url

VARIABLE = "VOXCLI_MAX_MEMORY"
"""The environment variable that raises the budget: a number of bytes, or one with K, M, G or T, in powers of 1024."""

BUDGET = 2 << 30
"""Bytes that one file may ask for where nothing else is said."""

_PIECE = 1 << 20

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def memory_budget() -> int:
    """The most bytes that the content of one file may take. Raises UsageError where the variable is no size.

    >>> memory_budget() > 0
    True
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return BUDGET
    found = re.fullmatch(r"(\d{1,20}(?:\.\d{1,20})?)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE | re.ASCII)
    size = int(float(found[1]) * (1 << _UNITS[found[2].upper()])) if found is not None else 0
    if size < 1:
        raise UsageError(f"{VARIABLE} is no size of memory.", expected="such as 4G or 512M", actual=repr(text[:60]))
    return size


def claim(name: str, size: int, does: str = "declares") -> None:
    """Refuse what would take more than the budget, before any of it is made. name: the file, or its part, as the error calls it. size: in
    bytes. does: what it does with the size.

    Raises FileFormatError that says how to allow more.

    >>> claim("small.npz", 1000)
    """
    budget = memory_budget()
    if size > budget:
        raise FileFormatError(f"{name} {does} {size / 2**30:.3g} GiB.", expected=f"at most {budget / 2**30:.3g} GiB",
                              hint=f"If the file is right, allow more: {VARIABLE}={-(-size // 2**30)}G.")  # fmt: skip


def read_within(file: BinaryIO, name: str) -> bytes:
    """All bytes of a file whose size nothing tells, such as a pipe or a device. Raises FileFormatError beyond the budget."""
    pieces, size = [], 0
    while piece := file.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        claim(name, size, "holds more than")
    return b"".join(pieces)


def bytes_within(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a file or of a URL. Raises FileFormatError beyond the budget, and OSError."""
    if is_url(path):
        return remote.read(os.fspath(path))
    with open(path, "rb") as file:
        claim(f"'{path}'", os.fstat(file.fileno()).st_size, "holds")
        return read_within(file, f"'{path}'")


@contextmanager
def parsing(
    name: str, what: str, *, expected: str | None = None, hint: str | None = "The file may be truncated or damaged."
) -> Iterator[None]:
    """Around the calls of a parser: whatever it raises becomes FileFormatError `NAME is not WHAT.`, with the original as its cause.

    Errors of voxcli pass. Memory that runs out is said to have run out.

    >>> with parsing("a.json", "whole JSON"):
    ...     raise RecursionError("too deep")
    Traceback (most recent call last):
    voxcli.errors.FileFormatError: a.json is not whole JSON.
    got too deep
    The file may be truncated or damaged.
    """
    try:
        yield
    except VoxcliError:
        raise
    except MemoryError as error:
        raise FileFormatError(f"{name} needs more memory than there is.") from error
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise FileFormatError(f"{name} is not {what}.", expected=expected, actual=reason[:200], hint=hint) from error


def parse_json(text: str | bytes, name: str) -> Json:
    """The value of a JSON text. Raises FileFormatError for anything else: NaN, infinite numbers, and nesting that no file needs, too."""
    with parsing(name, "JSON", hint=None):
        value: Json = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        return value


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is too large a number")
    return number
