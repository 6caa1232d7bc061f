"""Shards: tar files of many items each, in place of a file for every item. The same items give the same bytes. Nothing is unpacked to disk.

A member of a shard is named as a URL: tar://FOLDER/000000.tar/NAME.
"""

from __future__ import annotations

import os
import secrets
import tarfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from voxcli.errors import UsageError

SUFFIX = ".tar"
SCHEME = "tar://"


def shard_name(index: int) -> str:
    """The file name of a shard.

    >>> shard_name(7)
    '000007.tar'
    """
    return f"{index:06d}{SUFFIX}"


def write_shard(path: Path, members: Iterable[tuple[str, Path]], overwrite: bool = False) -> None:
    """Write a shard of (name, file) in their order; it appears under its name when it is whole. Raises UsageError where it exists."""
    from voxcli.atomic import put_in_place

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{secrets.token_hex(6)}.part"
    try:
        with open(temporary, "xb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as shard:
                for name, source in members:
                    header = tarfile.TarInfo(name)
                    header.mode, header.size = 0o644, source.stat().st_size
                    with open(source, "rb") as data:
                        shard.addfile(header, data)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(temporary, path, overwrite)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def members(path: str | Path) -> Mapping[str, tuple[int, int]]:
    """Name -> (place, bytes) of every file in a shard, in their order, by its headers. Links, devices, hidden names and names that lead
    elsewhere are left out. Raises FileFormatError for what is no tar file, UsageError for what is not there.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read.", actual=error.strerror or str(error)) from error
    return _members(str(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _members(path: str, changed: int, size: int) -> Mapping[str, tuple[int, int]]:
    from voxcli.files.guard import parsing

    found: dict[str, tuple[int, int]] = {}
    with parsing(path, "a whole tar file"), tarfile.open(path, "r:") as shard:
        for each in shard:
            parts = each.name.split("/")
            named = not each.name.startswith("/") and not any(part in ("", "..") or part.startswith(".") for part in parts)
            if named and each.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and each.offset_data + each.size <= size:
                found[each.name] = each.offset_data, each.size
    return found


def member_bytes(path: str | Path, name: str) -> bytes:
    """All bytes of a member. Raises UsageError where there is none of that name, FileFormatError beyond the budget of memory."""
    from voxcli.files.guard import claim

    place = members(path).get(name)
    if place is None:
        raise UsageError(f"{path} has no member {name}.")
    claim(f"{SCHEME}{path}/{name}", place[1], "holds")
    with open(path, "rb") as file:
        file.seek(place[0])
        return file.read(place[1])


def member_url(path: str | Path, name: str) -> str:
    """A member's name as an input."""
    return f"{SCHEME}{path}/{name}"


def is_member(path: str) -> bool:
    """Whether a path is the URL of a member.

    >>> is_member("tar://shards/000000.tar/a.npz"), is_member("shards/000000.tar")
    (True, False)
    """
    return path.startswith(SCHEME)


def opened(path: Path) -> Path | BytesIO:
    """What a reader of files opens: the path itself, or the bytes of the member that FOLDER/000000.tar/NAME stands for."""
    shard, name = _parted(path)
    return path if name is None else BytesIO(member_bytes(shard, name))


def as_input(path: Path) -> str:
    """A path as an input: the URL of the member that FOLDER/000000.tar/NAME stands for."""
    shard, name = _parted(path)
    return str(path) if name is None else member_url(shard, name)


def is_there(path: Path) -> bool:
    """Whether a file exists, or such a member."""
    shard, name = _parted(path)
    return path.is_file() if name is None else name in members(shard)


def _parted(path: Path) -> tuple[str, str | None]:
    before, found, name = path.as_posix().partition(f"{SUFFIX}/")
    return (before + SUFFIX, name) if found and os.path.isfile(before + SUFFIX) else (str(path), None)


def of_url(url: str) -> tuple[str, str]:
    """The shard and the member that a URL names.

    >>> of_url("tar://shards/000000.tar/car/01.npz")
    ('shards/000000.tar', 'car/01.npz')
    """
    before, found, name = url.removeprefix(SCHEME).partition(f"{SUFFIX}/")
    if not found:
        raise UsageError(f"{url} names no member of a shard.", expected=f"{SCHEME}FOLDER/000000{SUFFIX}/NAME")
    return before + SUFFIX, name
