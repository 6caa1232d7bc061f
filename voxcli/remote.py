"""Files by URL (s3://, gs://, https:// and what else fsspec knows), read whole and written whole. Needs the extra `voxcli[remote]`.

Only URLs that a user gives are opened: what a file names is looked for beside it, and never fetched. The budget of memory holds
(`files/guard.py`). file:// stands for the path behind it, tar:// for a member of a shard (`shards.py`).
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from voxcli import shards
from voxcli.errors import UsageError, VoxcliError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_URL = re.compile(r"[a-z][a-z0-9+.-]+://")
_AT_ONCE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"}
"""Stores in which an object appears when it is whole."""


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the URL of a file elsewhere.

    >>> is_url("s3://bucket/car.glb"), is_url("folder/car.glb"), is_url("file:///tmp/car.glb")
    (True, False, False)
    """
    text = os.fspath(path)
    return _URL.match(text) is not None and not text.startswith("file://")


def local_name(path: str) -> str:
    """The path that a file:// URL stands for; any other name as it is.

    >>> local_name("file:///tmp/a%20b.glb"), local_name("s3://bucket/a.glb")
    ('/tmp/a b.glb', 's3://bucket/a.glb')
    """
    return unquote(path.removeprefix("file://")) if path.startswith("file://") else path


def read(url: str) -> bytes:
    """All bytes of a file. Raises UsageError that names it, FileFormatError beyond the budget of memory."""
    from voxcli.files.guard import claim, read_within

    if shards.is_member(url):
        return shards.member_bytes(*shards.of_url(url))
    with _told(url, "read") as (system, path):
        if (size := system.info(path).get("size")) is not None:
            claim(url, int(size), "holds")
        with system.open(path, "rb") as file:
            return read_within(file, url)


def write(url: str, data: bytes | bytearray | memoryview) -> None:
    """Write a file, in place of one that is there. It appears whole or not at all."""
    if shards.is_member(url):
        raise UsageError(f"{url}: shards are written whole.", hint="fruxelize and synth street have --shard.")
    with _told(url, "written") as (system, path):
        if {system.protocol} & _AT_ONCE if isinstance(system.protocol, str) else {*system.protocol} & _AT_ONCE:
            system.pipe_file(path, bytes(data))
            return
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{name[:100]}.{secrets.token_hex(6)}.part"
        system.makedirs(folder, exist_ok=True)
        try:
            system.pipe_file(temporary, bytes(data))
            system.mv(temporary, path)
        except BaseException:
            if system.exists(temporary):
                system.rm_file(temporary)
            raise


def exists(url: str) -> bool:
    """Whether a file or folder is there."""
    if shards.is_member(url):
        shard, name = shards.of_url(url)
        return name in shards.members(shard)
    with _told(url, "looked for") as (system, path):
        return bool(system.exists(path))


def is_folder(url: str) -> bool:
    """Whether there is a folder, or objects whose names begin so."""
    if shards.is_member(url):
        return False
    with _told(url, "looked for") as (system, path):
        return bool(system.isdir(path))


def found_in(folder: str) -> list[str]:
    """The URLs of all files in a folder and below it, sorted; none of a folder that is not there."""
    with _told(folder, "listed") as (system, path):
        return sorted(folder.rstrip("/") + name[len(path.rstrip("/")) :] for name in system.find(path))


def found_by(folder: str, pattern: str) -> list[str]:
    """The URLs of the files below a folder that a pattern with * or [ matches, sorted."""
    with _told(folder, "listed") as (system, path):
        found = system.glob(f"{path.rstrip('/')}/{pattern}", detail=True)
        names = [name for name, info in found.items() if info["type"] == "file"]
        return sorted(folder.rstrip("/") + name[len(path.rstrip("/")) :] for name in names)


def existing(urls: Iterable[str]) -> set[str]:
    """Those that exist, by one listing of the folder that holds them all."""
    wanted = list(urls)
    if len(wanted) < 2:
        return {url for url in wanted if exists(url)}
    return {*wanted} & {*found_in(os.path.commonprefix(wanted).rpartition("/")[0] + "/")}


@contextmanager
def _told(url: str, done: str) -> Iterator[tuple[AbstractFileSystem, str]]:
    """The file system of a URL and the path in it. Whatever goes wrong becomes one UsageError."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise UsageError(f"{url} needs the package fsspec.", hint="Install it: pip install 'voxcli[remote]'.") from error
    if "::" in url or urlsplit(url).password is not None:
        raise UsageError("Chained URLs and passwords in URLs are not taken.", hint="The tools of a store have a place for passwords.")
    try:
        yield url_to_fs(url)
    except VoxcliError:
        raise
    except ImportError as error:
        raise UsageError(f"{url} cannot be {done}: a package is missing.", actual=str(error)[:200],
                         hint="Install it: pip install 'voxcli[remote]'.") from error  # fmt: skip
    except FileNotFoundError as error:
        raise UsageError(f"{url} does not exist.") from error
    except Exception as error:  # each store has errors of its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{url} cannot be {done}.", actual=reason[:200]) from error
