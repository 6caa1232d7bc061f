"""What `synth street`, `synth objects`, `synth views` and `synth rooms` share: the folder of a data set that is made item by item."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxcli import log
from voxcli.cli.framework.batch import Batch, Item, check_policy
from voxcli.cli.framework.output import RepeatedWarnings, counted, out
from voxcli.cli.framework.plans import ReadOptions, print_item_plan
from voxcli.errors import UsageError
from voxcli.shards import shard_name

if TYPE_CHECKING:
    from voxcli.datasets.synthetic.folders import FolderGenerator

DataFolder = Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="Folder of the data set; an unfinished one is completed.")]


def check_data_folder(output: str, overwrite: bool, skip_existing: bool) -> None:
    """Raise UsageError unless a data set can be written to `output`. Samples that are there are left out in either case, so that
    skip_existing says nothing else.
    """
    from voxcli.atomic import check_writable

    check_policy(overwrite, skip_existing)
    if output == "-" or (os.path.exists(output) and not os.path.isdir(output)):
        raise UsageError(f"{output} is no folder.", expected="-o DIR, a folder that is new or holds the same data set")
    check_writable([Path(output) / "meta.json"])


def names_of(listed: str) -> tuple[str, ...]:
    """The names in a list such as `chair,lamp`."""
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def fill_data_folder(
    output: str, count: int, generator: FolderGenerator, workers: int, overwrite: bool, plan: ReadOptions | None = None,
    shard: int | None = None,
) -> None:  # fmt: skip
    """Make the items that the folder lacks (overwrite: all), show the progress, and say how many were made.

    plan: of --dry-run. Nothing is made then, and a line for each item says what would be read and written. shard: how many items go into
    each tar file.
    """
    from voxcli.datasets.synthetic.folders import check_folder, write_dataset

    if plan is not None:
        check_folder(Path(output), generator, overwrite, shard is not None)
        for start in range(0, count, shard or 1):
            some = range(start, min(start + (shard or 1), count))
            files = map(str, generator.files(Path(output), start)) if shard is None else [str(Path(output) / shard_name(start // shard))]
            print_item_plan([], files, plan, **({} if shard is None else {f"{generator.item}s": len(some)}))
        return

    log.info(lambda: f"{output}: {_in_words(generator)}")

    with out.progress(count, f"{generator.item}s") as bar:
        seen = 0

        def show(done: int, total: int) -> None:
            nonlocal seen
            bar.advance(done - seen)
            seen = done

        made = write_dataset(output, count, generator, workers, show, overwrite, shard)
    _print_made(output, generator, made, count - made)


def fill_from_files(output: str, generator: FolderGenerator, items: Sequence[Item], work: Callable[[Item], Sequence[str]], *,
                    workers: int, overwrite: bool, keep_going: bool, plan: ReadOptions | None = None) -> None:  # fmt: skip
    """The same for a data set whose items are made of files, item k of items[k]: one that fails is named by its file.

    work: makes one item, and tells what is to be warned of; it travels to worker processes. plan: as above.
    """
    from voxcli.datasets.synthetic.folders import begun, check_folder

    if plan is not None:
        check_folder(Path(output), generator, overwrite)
        with Batch(items, keep_going=keep_going) as todo:
            for index, item in enumerate(items):
                with todo.attempt(item):
                    print_item_plan([item.source], map(str, generator.files(Path(output), index)), plan)
        return
    log.info(lambda: f"{output}: {_in_words(generator)}")
    folder = Path(output)
    with begun(folder, len(items), generator, overwrite):
        generator.begin(folder)
        missing = [item for index, item in enumerate(items) if not generator.is_whole(folder, index)]
        with Batch(missing, keep_going=keep_going, label=f"{generator.item}s") as todo:
            with RepeatedWarnings("warnings") as repeated:
                for _, texts in todo.run(work, workers):
                    for text in texts:
                        repeated.warn(text)
            generator.finish(folder)
            _print_made(output, generator, len(missing) - len(todo.failed), len(items) - len(missing))


def _in_words(generator: FolderGenerator) -> str:
    """What makes a data set, in words: its options that are one word or number."""
    meta = generator.meta()
    options = meta.get("options")
    stated = {**(options if isinstance(options, dict) else {}), "seed": meta.get("seed")}
    words = ", ".join(f"{key} {value}" for key, value in stated.items() if value is not None and not isinstance(value, (dict, list)))
    return f"{generator.data_set}, {words}"


def _print_made(output: str, generator: FolderGenerator, made: int, there: int) -> None:
    out.note(f"{counted(made, generator.item)} made, {there} {'was' if there == 1 else 'were'} there: {output}")
