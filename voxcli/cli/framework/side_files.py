"""Files that `predict` writes beside a result, for options of models that ask for them (`voxcli.options.SideFile`)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli.errors import UsageError
from voxcli.options import SideFile, flag_of, imported, option_infos
from voxcli.provenance import Recordable

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Item
    from voxcli.models.base import ModelOptions, Result
    from voxcli.scene import Camera

    Contents = list[tuple[Path, bytes | Camera]]


class SideFiles:
    """The side files of one call: a file for one image, a folder for several, in which each has the image's name.

    given: option -> the file or folder that its flag names. several: the call has several images, whatever `items` has.

    Raises UsageError for other extensions, where one is there already and may not be replaced, and where two outputs of the call are one
    file.
    """

    def __init__(self, options: type[ModelOptions], given: Mapping[str, Recordable], items: Sequence[Item], overwrite: bool,
                 several: bool = False):  # fmt: skip
        self._overwrite = overwrite
        self._found: list[tuple[SideFile, dict[str, Path]]] = []
        flags = ["-o"]
        for name, about in option_infos(options).items():
            place = given.get(name)
            if about.writes is not None and isinstance(place, str):
                flags.append(flag_of(name, about))
                self._found.append((about.writes, _places(flags[-1], place, about.writes.suffixes, items, overwrite, several)))
        seen: set[str] = set()
        targets = [Path(item.target) for item in items if item.target != "-"]
        for path in [path for _, places in self._found for path in places.values()] + (targets if self._found else []):
            if (real := os.path.realpath(path)) in seen:
                raise UsageError(f"Two outputs are to be written to {path}.", hint=f"Give each of {', '.join(flags)} its own.")
            seen.add(real)

    def targets(self, item: Item) -> list[str]:
        """The side files of an item."""
        return [str(places[item.source]) for _, places in self._found]

    def contents(self, item: Item, result: Result) -> Contents:
        """What is to be written of a result, before anything of the item is. Raises DataError where there is no such thing."""
        found: Contents = []
        for file, places in self._found:
            found.append((places[item.source], imported(file.content)(result)))
        return found

    def write(self, contents: Contents) -> None:
        """Write them, each whole or not at all."""
        from voxcli import files
        from voxcli.atomic import atomic_write_bytes

        for path, content in contents:
            if isinstance(content, bytes):
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write_bytes(path, content, overwrite=self._overwrite)
            else:
                files.write(path, content, overwrite=self._overwrite)


def _places(
    flag: str, given: str, suffixes: tuple[str, ...], items: Sequence[Item], overwrite: bool, several: bool
) -> dict[str, Path]:  # fmt: skip
    """The file of each item, by the item's source."""
    if len(items) == 1 and not several and not Path(given).is_dir():
        if Path(given).suffix not in suffixes:
            raise UsageError(f"{flag} {given}: no such format.", expected=f"FILE{suffixes[0]}, or a folder for several images")
        places = {items[0].source: Path(given)}
    else:
        places = {item.source: Path(given) / f"{item.name}{suffixes[0]}" for item in items}
    there = [str(path) for path in places.values() if path.exists()]
    if there and not overwrite:
        raise UsageError(f"'{there[0]}' is there already.", hint="Add --overwrite to replace it.")
    return places
