"""What a command would read and write, as JSON lines: the answer of --dry-run. Headers are read, and nothing else.

A line: {"read": [{"path", "kind", "format", "bytes", sizes ...}], "write": [{"path", "exists"}]}, and what a command adds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxcli import remote
from voxcli.cli.framework.output import out
from voxcli.remote import local_name

if TYPE_CHECKING:
    from voxcli.provenance import Json

Facts = dict[str, "Json"]


@dataclass(frozen=True)
class ReadOptions:
    """How the inputs of a command are read: their format and kind, where options state them, and what every item reads besides, as
    path -> what it is (None: as its header says). grouped: the files of a folder, and those named directly, are one input together.
    part: what is taken of a data set, see `inputs.expand`. others: files of no format are read, too. kinds: what is read, for the formats
    that an error lists; none: anything."""

    format: str | None = None
    kind: str | None = None
    besides: tuple[tuple[str, str | None], ...] = ()
    grouped: bool = False
    part: str | None = None
    others: bool = False
    kinds: tuple[str, ...] = ()

    def check(self, path: str) -> None:
        """Raise UsageError for a file, or stdin, whose format is not told."""
        from voxcli.files.access import check_readable
        from voxcli.files.registry import KIND_TYPES, formats_reading

        types = [KIND_TYPES[kind] for kind in self.kinds]
        check_readable(path, format=self.format, choices=(lambda: formats_reading(*types)) if types else None)


def besides(**paths: str | os.PathLike[str] | None) -> tuple[tuple[str, str | None], ...]:
    """Files that options name, by what they are: besides(camera=None, weights="a.safetensors"). None: not given."""
    return tuple((os.fspath(path), kind) for kind, path in paths.items() if path is not None)


def weights_path(source: str) -> str:
    """The file of weights that are given by their path, or by the name of shipped ones."""
    from voxcli.models.weights import find_weights

    return str(find_weights(source))


def names_weights(source: str) -> bool:
    """Whether a source is no path, and the name of shipped weights."""
    if os.path.lexists(source) or os.path.splitext(source)[1] or source == "-":
        return False
    from voxcli.models.weights import is_shipped

    return is_shipped(source)


def print_plan(read: Iterable[Facts], write: Iterable[str | os.PathLike[str]], **more: Json) -> None:
    """One line of a plan."""
    out.records([{"read": list(read), "write": [_target(os.fspath(path)) for path in write], **more}], "jsonl")


def print_item_plan(files: Iterable[str], write: Iterable[str], reads: ReadOptions, **more: Json) -> None:
    """The line of an item of a batch. Raises UsageError for a file of no format that is read."""
    files = list(files)
    for path in files:
        if not reads.others and not os.path.isdir(local_name(path)):
            reads.check(path)
    own = [facts(path, reads.kind, reads.format) for path in files]
    print_plan(own + [facts(path, kind) for path, kind in reads.besides], write, **more)


def facts(path: str | os.PathLike[str], kind: str | None = None, format: str | None = None) -> Facts:
    """The path, and what its header tells. kind: what it is, where that is no kind of thing that is read by its header.

    Raises UsageError for a path that is not there, VoxcliErrors for a damaged header.
    """
    from voxcli.atomic import check_there
    from voxcli.files.headers import header
    from voxcli.files.registry import KIND_TYPES, is_extension

    given = os.fspath(path)
    if given != "-":
        check_there(given)
    name = local_name(given)
    if os.path.isdir(name):
        return {"path": given, "kind": kind or "folder", "format": None, "bytes": None}
    known = format is not None or is_extension(os.path.splitext(name)[1].lower())
    if not known or (kind is not None and kind not in KIND_TYPES):
        size = os.path.getsize(name) if os.path.isfile(name) else None
        return {"path": given, "kind": kind, "format": os.path.splitext(name)[1].lstrip(".") or None, "bytes": size}
    return {"path": given, **header(name, format, kind)}


def _target(path: str) -> Facts:
    there = remote.exists(path) if remote.is_url(path) else path != "-" and os.path.lexists(local_name(path))
    return {"path": path, "exists": there}
