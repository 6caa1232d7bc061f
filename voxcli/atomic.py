"""Writing so that the final name only ever holds a whole file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from voxcli.errors import UsageError


def refuse_existing(path: str | Path) -> None:
    """Raise UsageError where an ordinary file (or a folder) already has this name. Devices and pipes may be written again."""
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", expected="a file name to write")
    if path.is_file() or path.is_symlink():
        raise UsageError(f"{path} exists.", hint="Use --overwrite to replace it.")


def atomic_write_bytes(path: str | Path, data: bytes | bytearray | memoryview, overwrite: bool = False) -> Path:
    """Write data under path: a temporary file in the same folder, fsync, then os.replace.

    A command that dies on the way leaves the final name as it was. Parent folders are created. A symbolic link is followed, and a
    device or a pipe is written directly. Raises UsageError where the file exists and overwrite is False, or the folder cannot be used.
    """
    path = Path(path)
    if not overwrite or path.is_dir():
        refuse_existing(path)
    try:
        if path.exists() and not path.is_file():
            with open(path, "wb") as device:
                device.write(data)
            return path
        final = Path(os.path.realpath(path))
        final.parent.mkdir(parents=True, exist_ok=True)
        _write_and_replace(final, data)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{path} cannot be written.", actual="a file where its folder should be") from error
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written.", actual=error.strerror or str(error), hint="Is the disk full, or the folder read-only?"
        ) from error
    return path


def _write_and_replace(final: Path, data: bytes | bytearray | memoryview) -> None:
    # Not tempfile.mkstemp: its 0600 would become the mode of the final file, instead of what the user's umask says.
    temporary = final.parent / f".{final.name[:100]}.{secrets.token_hex(6)}.part"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
