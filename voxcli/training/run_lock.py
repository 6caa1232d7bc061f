"""One training at a time in a run folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxcli.errors import UsageError

LOCK = ".lock"


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold a run folder that exists. Raises UsageError that names the process which holds it.

    The system frees the lock of a process that dies. Of several processes of one training the first holds it for all. Systems without
    such locks have none.
    """
    if sys.platform == "win32" or os.environ.get("RANK", "0") != "0":
        yield
        return
    import fcntl

    path = run / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise UsageError(f"'{run}' is held by another training, process {holder}.",
                             hint="Wait for it, or choose another folder.") from error  # fmt: skip
        except OSError:  # a file system without locks
            os.close(descriptor)
            path.unlink(missing_ok=True)
            yield
            return
        if path.exists() and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            break
        os.close(descriptor)  # its holder took it away in between
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def is_held(run: Path) -> bool:
    """Whether a training is at work in a run folder, as far as this system can tell."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        descriptor = os.open(run / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)
    return False
