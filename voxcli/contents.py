"""What files hold, each opened once: within `opened_once()` the bytes of a file serve its reader, its digest and whoever asks again.

Bytes are kept until `release()`, which ends an item, KEPT_BYTES at most. A larger file is not kept: each who asks streams it.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from voxcli import remote
from voxcli.errors import UsageError
from voxcli.remote import is_url

KEPT_BYTES = 64 << 20

_State = tuple[int, ...]
_kept: ContextVar[dict[str, tuple[_State, bytes]] | None] = ContextVar("kept", default=None)


@contextmanager
def opened_once() -> Iterator[None]:
    """Keep what is read until the end of the block. Files are taken to stay as they are; one that was replaced is read again."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)
        _ahead.clear()


def release() -> None:
    """Let go of all that is kept."""
    if (kept := _kept.get()) is not None:
        kept.clear()


def kept_bytes(path: str | os.PathLike[str]) -> bytes | None:
    """The bytes of a file that was read before and is as it was; None for any other."""
    if not (kept := _kept.get()) or (found := kept.get(_key(path))) is None:
        return None
    if is_url(path):
        return found[1]
    return found[1] if _state(os.stat(path)) == found[0] else None


def file_bytes(path: str | os.PathLike[str]) -> bytes | None:
    """The bytes of a file, or of a URL; None for a file larger than KEPT_BYTES, which is to be streamed. Raises OSError."""
    if (data := kept_bytes(path)) is not None:
        return data
    if is_url(path):
        data = remote.read(os.fspath(path))
        _keep(path, (), data)
        return data
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size > KEPT_BYTES:
            return None
        if stat.S_ISREG(status.st_mode):
            data = file.read()
        else:
            from voxcli.files.guard import read_within

            data = read_within(file, str(path))
    _keep(path, _state(status), data)
    return data


def _keep(path: str | os.PathLike[str], state: _State, data: bytes) -> None:
    if (kept := _kept.get()) is not None and len(data) <= KEPT_BYTES:
        kept.pop(_key(path), None)
        while kept and sum(len(each) for _, each in kept.values()) + len(data) > KEPT_BYTES:
            del kept[next(iter(kept))]
        kept[_key(path)] = state, data


def _key(path: str | os.PathLike[str]) -> str:
    return os.fspath(path) if is_url(path) else os.path.abspath(path)


_stdin: list[str] = []
_ahead: list[bytes] = []


def look_at_stdin() -> bytes:
    """What the next `read_stdin` will give. Raises as it does."""
    if not _ahead:
        _ahead.append(read_stdin())
    return _ahead[0]


def read_stdin() -> bytes:
    """All of stdin, whose digest is kept: it can be read once. Raises UsageError where it is closed or a terminal."""
    import hashlib

    from voxcli.files.guard import read_within

    if _ahead:
        return _ahead.pop()
    if sys.stdin is None:
        raise UsageError("'-' reads stdin, which is closed.", hint="Pipe a file in: voxcli ... - < FILE")
    if sys.stdin.isatty():
        raise UsageError("'-' reads from a pipe, and stdin is a terminal.", hint="Pipe a file in: voxcli ... - < FILE")
    data = read_within(sys.stdin.buffer, "stdin")
    _stdin[:] = [hashlib.sha256(data).hexdigest()]
    return data


def stdin_digest() -> str:
    """The hexadecimal SHA-256 of what `read_stdin` read last."""
    return _stdin[0]


def check_stdout() -> None:
    """Raise UsageError where stdout is closed."""
    if sys.stdout is None:
        raise UsageError("stdout is closed.", hint="Name a file with -o FILE, or pipe the output.")


def _state(status: os.stat_result) -> _State:
    # The times of a pipe change as it is read.
    changes = (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else ()
    return status.st_dev, status.st_ino, *changes
