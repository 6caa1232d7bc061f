"""`voxcli convert`: read, turn into another kind of thing where the output asks for it, write."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxcli.cli import options
from voxcli.cli.batch import Item, Policy, items
from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.files import Format


def convert(
    sources: options.Sources,
    output: options.Output,
    to: Annotated[str | None, typer.Option("--to", help="Extension of the outputs in a folder, such as npz.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="What to read a file as, where its format leaves a choice (depth).")] = None,
    format: options.Format = None,
    input_format: options.InputFormat = None,
    workers: options.Workers = 1,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    keep_going: options.KeepGoing = False,
    dry_run: options.DryRun = False,
) -> None:
    """Write files in another format.

    Examples:
        voxcli convert scene.npz -o scene.h5
        voxcli convert car.obj -o car.ply
        voxcli convert shapes/ -o stl/ --to stl
    """
    from voxcli import files

    suffixes = [extension for known in files.known_formats() if known.reads for extension in known.extensions]
    extension = _extension(output, to, format)
    policy = Policy(overwrite, skip_existing, keep_going, dry_run)
    with items(sources, output, suffixes=suffixes, target_suffix=extension, target_suffixes=suffixes, policy=policy) as todo:
        work = partial(_work, kind=kind, format=format, input_format=input_format, overwrite=overwrite)
        for _ in todo.run(work, workers):
            pass


def convert_thing(thing: Any, target: Format) -> Any:
    """The thing itself where the target format can hold it, else the nearest kind that it can hold and the thing can become.

    Raises UsageError where no conversion leads there.
    """
    if any(isinstance(thing, scene_type) for scene_type in target.writers):
        return thing
    for scene_type in target.writers:
        conversion = CONVERSIONS.get((type(thing).__name__, scene_type.__name__))
        if conversion is not None:
            return conversion(thing)
    wanted = " or ".join(scene_type.__name__ for scene_type in target.writers)
    raise UsageError(f"A {type(thing).__name__} cannot be turned into what {target.name} holds.", expected=wanted or "a format for writing")


CONVERSIONS: dict[tuple[str, str], Callable[[Any], Any]] = {}
"""(scene type, scene type) by name -> function."""


def _extension(output: str, to: str | None, format: str | None) -> str:
    from pathlib import Path

    name = to or format
    if name:
        return f".{name.lower().lstrip('.')}"
    return "" if output == "-" else Path(output).suffix.lower()


def _work(item: Item, *, kind: str | None, format: str | None, input_format: str | None, overwrite: bool) -> None:
    from voxcli import files
    from voxcli.files.registry import find_format

    thing = files.read(item.source, kind=kind, format=input_format)
    target, _ = find_format(item.target, format)
    files.write(item.target, convert_thing(thing, target), format=format, overwrite=overwrite)
