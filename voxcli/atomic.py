"""Writing so that the final name only ever holds a whole file."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path

from voxcli import log, remote
from voxcli.errors import UsageError
from voxcli.remote import is_url, local_name


def holds_nothing(path: str | Path) -> bool:
    """True for devices, pipes and files that this process was started with (/dev/stdout): there is nothing in them to protect."""
    return own_descriptor(path) is not None or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path))


def own_descriptor(path: str | Path) -> int | None:
    """The number of the open file that a name such as /dev/stdout or /dev/fd/3 stands for; None for names of other things.

    Such a file is written where it is open. Its name on disk, which links lead to, may be gone, or hold what others wrote before.
    """
    here = os.path.abspath(path)
    for _ in range(40):  # links that lead in a circle
        place = os.path.join(os.path.realpath(os.path.dirname(here)), os.path.basename(here))
        if found := re.fullmatch(rf"(?:/dev|/proc/(?:self|{os.getpid()}))/fd/(\d+)", place):
            return int(found[1])
        if not os.path.islink(place):
            return None
        here = os.path.join(os.path.dirname(place), os.readlink(place))
    return None


def check_there(*paths: str | None) -> None:
    """Raise UsageError for a file or folder, named by an option, that does not exist."""
    for path in paths:
        if path is not None and not (remote.exists(path) if is_url(path) else os.path.exists(local_name(path))):
            from voxcli.files.source import nearest_sibling

            raise UsageError(f"{path} does not exist.", hint=nearest_sibling(Path(path)))


def refuse_existing(path: str | Path) -> None:
    """Raise UsageError where an ordinary file (or a folder) already has this name. Devices and pipes may be written again."""
    if is_url(path):
        if remote.exists(str(path)):
            raise UsageError(f"{path} exists.", hint="Use --overwrite to replace it.")
        return
    path = Path(local_name(str(path)))
    if holds_nothing(path):
        return
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", expected="a file name to write")
    if path.is_file() or path.is_symlink():
        raise UsageError(f"{path} exists.", hint="Use --overwrite to replace it.")


def check_writable(paths: Iterable[str | Path]) -> None:
    """Raise UsageError unless files can be made at these paths, or in the folders that will be made for them.

    To be asked before hours of computing. Whether a folder takes a file is tried, with one that has no name: permissions do not tell of
    disks that are mounted to be read, nor of folders that the system invents.
    """
    import tempfile

    tried = set()
    for path in (Path(local_name(str(path))) for path in paths if not is_url(path)):  # whether a store takes a file, writing it tells
        if holds_nothing(path):
            continue
        folder = Path(os.path.realpath(path)).parent
        while not os.path.exists(folder):
            folder = folder.parent
        if folder in tried:
            continue
        tried.add(folder)
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except NotADirectoryError as error:
            raise UsageError(f"{path} cannot be written.", actual=f"{folder}, a file where its folder should be") from error
        except OSError as error:
            raise UsageError(f"{path} cannot be written.", actual=f"{folder}, which takes no file: {error.strerror}") from error


def atomic_write_bytes(path: str | Path, data: bytes | bytearray | memoryview, overwrite: bool = False) -> Path:
    """Write data under path: a temporary file in the same folder, fsync, then `put_in_place`; a URL by `voxcli.remote`.

    A command that dies on the way leaves the final name as it was. Parent folders are created. A symbolic link is followed, and a
    device or a pipe is written directly. Raises UsageError where the file exists, or another writer made it meanwhile, and overwrite is
    False, or the folder cannot be used.
    """
    if is_url(path):
        if not overwrite:
            refuse_existing(path)
        remote.write(str(path), data)
        return Path(path)
    path = Path(local_name(str(path)))
    if not overwrite or path.is_dir():
        refuse_existing(path)
    try:
        if (descriptor := own_descriptor(path)) is not None:
            _write_open_file(descriptor, data)
            return path
        if path.exists() and not path.is_file():
            with open(path, "wb") as device:
                device.write(data)
            return path
        final = Path(os.path.realpath(path))
        final.parent.mkdir(parents=True, exist_ok=True)
        with log.timed("writing"):
            _write_and_place(final, data, overwrite)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{path} cannot be written.", actual="a file where its folder should be") from error
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written.", actual=error.strerror or str(error), hint="Is the disk full, or the folder read-only?"
        ) from error
    return path


def _write_open_file(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    if descriptor == 1 and sys.stdout is not None:
        sys.stdout.flush()
    rest = memoryview(data)
    while len(rest):
        rest = rest[os.write(descriptor, rest) :]


def put_in_place(temporary: Path, final: Path, overwrite: bool) -> None:
    """Give a whole file its final name, in the same folder. Raises UsageError where overwrite is False and another writer was faster.

    A second hard link is refused where the name is taken. A file system without them is looked at once more.
    """
    if not overwrite:
        try:
            os.link(temporary, final)
        except FileExistsError as error:
            raise UsageError(f"{final} was made by another program meanwhile.", hint="Use --overwrite to replace it.") from error
        except OSError:
            refuse_existing(final)
        else:
            return temporary.unlink()
    os.replace(temporary, final)
    return None


def _write_and_place(final: Path, data: bytes | bytearray | memoryview, overwrite: bool) -> None:
    # Not tempfile.mkstemp: its 0600 would become the mode of the final file, instead of what the user's umask says.
    temporary = final.parent / f".{final.name[:100]}.{secrets.token_hex(6)}.part"
    try:
        # Within: an interrupt may come between the making of the file and the next line.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(temporary, final, overwrite)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
