"""`--shard`: outputs of a folder in tar files of so many items each. Items lie as files below .parts until their shard is full."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxcli.cli.framework import written
from voxcli.cli.framework.output import counted, out
from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Item
    from voxcli.cli.framework.options import Policy

Shard = Annotated[
    int | None, typer.Option("--shard", min=1, help="Write tar files of so many items each (000000.tar, ...) in place of a file an item.")
]
_PARTS = ".parts"


class Shards:
    """The shards of a batch. items: all of them, in their order, with the targets that they have without shards.

    Raises UsageError where a shard is there and the policy does not say what to do, or has other items than it would get.
    """

    def __init__(self, items: Sequence[Item], output: str, size: int, policy: Policy):
        from voxcli.remote import is_url
        from voxcli.shards import members, shard_name

        if is_url(output) or any(item.target == output for item in items):
            raise UsageError("--shard writes a folder of shards.", expected="-o FOLDER/ on a disk")
        self._folder, self._overwrite = Path(output), policy.overwrite
        self._groups = [items[k : k + size] for k in range(0, len(items), size)]
        self._paths = [self._folder / shard_name(k) for k in range(len(self._groups))]
        self._whole: set[int] = set()
        for k, path in enumerate(self._paths):
            if not path.exists() or policy.overwrite:
                continue
            if list(members(path)) != [self._name(item) for item in self._groups[k]]:
                raise UsageError(f"{path} holds other items than it would get.", hint="Use another folder, or --overwrite.")
            if not policy.skip_existing:
                raise UsageError(f"Output exists: {path}.", hint="Use --overwrite to replace, or --skip-existing to leave it.")
            self._whole.add(k)
        if self._whole:
            out.note(f"skipped {counted(len(self._whole), 'shard')} of {len(self._paths)}: they exist.")
        self._left: dict[int, set[str]] = {}

    def _name(self, item: Item) -> str:
        return Path(os.path.relpath(item.target, self._folder)).as_posix()

    def parts(self) -> list[Item]:
        """The items of the shards that are not there, each with its file below .parts as its target."""
        place = self._folder / _PARTS
        return [replace(item, target=str(place / self._name(item)))
                for k, group in enumerate(self._groups) if k not in self._whole for item in group]  # fmt: skip

    def planned(self) -> list[tuple[str, Sequence[Item]]]:
        """The shards that are not there, with their items."""
        return [(str(self._paths[k]), group) for k, group in enumerate(self._groups) if k not in self._whole]

    def begin(self, todo: Sequence[Item]) -> None:
        """Say which items are still to be done; shards that lack none are written."""
        place = {item.name: k for k, group in enumerate(self._groups) for item in group}
        self._left = {k: set() for k in range(len(self._groups)) if k not in self._whole}
        self._shard_of = place
        for item in todo:
            self._left[place[item.name]].add(item.name)
        for k in [k for k, left in self._left.items() if not left]:
            self._pack(k)

    def done(self, item: Item) -> None:
        """Take note of an item that is done. The last one of a shard completes it."""
        k = self._shard_of[item.name]
        self._left[k].discard(item.name)
        if not self._left[k]:
            self._pack(k)

    def _pack(self, k: int) -> None:
        from voxcli.shards import write_shard

        place = self._folder / _PARTS
        files = [(self._name(item), place / self._name(item)) for item in self._groups[k]]
        write_shard(self._paths[k], files, self._overwrite)
        gone = {str(path) for _, path in files}
        for target, words in written.take_all():
            if target not in gone:
                written.add(target, words)
        written.add(str(self._paths[k]), counted(len(files), "item"))
        for _, path in files:
            path.unlink()
        for folder in sorted({parent for _, path in files for parent in path.parents if parent.is_relative_to(place)}, reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()
        del self._left[k]
