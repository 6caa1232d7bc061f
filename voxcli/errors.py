"""Errors that are the user's to mend: what was expected, what came, what to do next.

Every error that can reach a user is a VoxcliError. The command line turns it into one to three lines on stderr and an exit code;
a library user catches it by its class. `assert` is kept for our own bugs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Protocol

_LONG_WORD = re.compile(r"\S{301,}")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, turns of the writing direction, and what stands for bytes of a name that are no UTF-8."""


class SupportsStr(Protocol):
    """What a message can state: a number, a list, a type, a path."""

    def __str__(self) -> str: ...


Detail = SupportsStr | None


def printable(text: str, keep: str = "") -> str:
    """Text that a terminal shows as it is, on one line: what names of files may hold besides is escaped.

    keep: control characters that stay, such as the line breaks of a text of several lines.

    >>> printable("a\\x1b[2J\\nb")
    'a\\\\x1b[2J\\\\nb'
    """
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def readable(text: str) -> str:
    """Printable text, in which a name of thousands of characters is shortened."""
    return _LONG_WORD.sub(lambda found: f"{found[0][:120]}...{found[0][-60:]}", printable(text))


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else repr(character)[1:-1]


class VoxcliError(Exception):
    """Base of all errors meant for a user.

    Args:
        message: what is wrong, with the file, key or value that it is about.
        expected: what would have been right (a shape, a range, a list of names).
        actual: what came instead.
        hint: what to do next.
    """

    exit_code = 2

    def __init__(self, message: str, *, expected: Detail = None, actual: Detail = None, hint: str | None = None):
        self.message, self.expected, self.actual, self.hint = message, expected, actual, hint
        super().__init__(str(self))

    def __str__(self) -> str:
        middle = []
        if self.expected is not None:
            middle.append(f"expected {self.expected}")
        if self.actual is not None:
            middle.append(f"got {self.actual}")
        lines = [self.message, ", ".join(middle), self.hint or ""]
        return "\n".join(readable(line) for line in lines if line)

    def __reduce__(self) -> tuple[Callable[..., VoxcliError], tuple[type[VoxcliError], str, Detail, Detail, str | None]]:
        # Worker processes hand their errors back pickled; the default would replay __init__ with the joined text alone.
        return _rebuild, (type(self), self.message, self.expected, self.actual, self.hint)


def _rebuild(cls: type[VoxcliError], message: str, expected: Detail, actual: Detail, hint: str | None) -> VoxcliError:
    return cls(message, expected=expected, actual=actual, hint=hint)


class UsageError(VoxcliError):
    """The call itself cannot be carried out: flags that contradict, an unknown name, an output that exists."""


class FileFormatError(VoxcliError):
    """A file is not what its name or its header says: truncated, wrong keys, wrong types, dangerous."""


class DataError(VoxcliError):
    """A file was read, but its content cannot be used: NaN vertices, no faces, grids that do not match."""


class FrustumError(DataError):
    """Fruxels lie in another frustum than those they are compared with."""


class EmptyCloudError(DataError):
    """A file of points holds none."""


class EmptyMeshError(DataError):
    """A mesh holds no face."""


class ShapeError(VoxcliError):
    """A tensor or array has the wrong shape."""


class DeviceError(VoxcliError):
    """A device was asked for that is not there, or does not have the memory."""


class GateMissed(VoxcliError):
    """A --fail-under or --fail-over gate was missed: the work is done, and the exit code says no."""

    exit_code = 1


_LONG_LIST = 320
"""Characters."""


def unknown_name(kind: str, name: str, known: Iterable[str], error: type[VoxcliError] = UsageError) -> VoxcliError:
    """The error for a misspelt name: the nearest known one first, then the list; of a long list, where one is near, the names like it."""
    known = sorted(known)
    bare = {each.lstrip("-"): each for each in known}  # the dashes of two options make them no more alike
    wanted = str(name).lstrip("-")
    begun = [each for each in bare if len(wanted) > 2 and each.startswith(wanted)]
    near = difflib.get_close_matches(wanted, begun or bare, n=1, cutoff=0 if begun else 0.55)
    hint = f"Did you mean '{bare[near[0]]}'? " if near else ""
    listed = ", ".join(known) + "."
    if near and len(listed) > _LONG_LIST:
        listed = ", ".join(sorted(bare[each] for each in difflib.get_close_matches(wanted, bare, n=12, cutoff=0.4))) + ", ..."
    return error(f"Unknown {kind} '{name}'.", hint=f"{hint}Known: {listed}")
