"""The loop of a command over its inputs: inputs, outputs, progress, and failed items.

The usual loop:

    with batch.items(sources, output, suffixes=(".glb", ".obj"), target_suffix=".npz", policy=policy) as todo:
        for item, result in todo.run(functools.partial(_work, rule=rule), workers=workers):
            ...                                             # in the order of the inputs; with workers > 1, _work is a top-level function

A computation that takes several items at once in one process:

        for chunk in todo.chunks(batch_size):
            for item in chunk:
                with todo.attempt(item):
                    ...
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from voxcli import contents, log, remote
from voxcli.atomic import check_writable, holds_nothing
from voxcli.cli.framework import interrupts
from voxcli.cli.framework.failures import explain, show_traceback
from voxcli.cli.framework.inputs import Input, Suffixes, expand, expand_groups
from voxcli.cli.framework.options import Policy
from voxcli.cli.framework.output import OutputClosed, Progress, RepeatedWarnings, counted, out
from voxcli.cli.framework.plans import ReadOptions, print_item_plan
from voxcli.cli.framework.sharding import Shards
from voxcli.cli.framework.workers import in_workers
from voxcli.errors import DataError, DeviceError, ShapeError, UsageError, VoxcliError, readable
from voxcli.processes import cores_shared, scheduler
from voxcli.remote import is_url, local_name

R = TypeVar("R")

FEW = 4
"""Items of each worker that are handed out at once."""
LONGEST_START = 5.0
"""Seconds that the start of workers takes at most, imports included."""


@dataclass(frozen=True)
class Item:
    """One input and its output. `name` is the input's relative path without suffix, with / between folders; "-" is stdin or stdout.

    parts: all files of an input that is made of several (see `expand_groups`), `source` the first of them; empty otherwise.
    broken: the output exists and is no whole file, so that --skip-existing makes it again.
    """

    source: str
    target: str
    name: str
    parts: tuple[str, ...] = ()
    broken: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """Every file of the input."""
        return self.parts or (self.source,)

    def seed(self, seed: int) -> int:
        """The seed of this item alone: order, batching and workers change nothing."""
        from voxcli.seeds import item_seed

        return item_seed(seed, self.name)


class ItemsFailed(VoxcliError):
    """Some items failed under --keep-going. Each has been reported."""

    exit_code = 1


class Batch:
    """The items to be done. As a context manager it shows progress, and raises ItemsFailed at the end if items failed."""

    def __init__(
        self,
        items: Sequence[Item],
        *,
        keep_going: bool = False,
        label: str = "items",
        plan: ReadOptions | None = None,
        shards: Shards | None = None,
    ):
        """plan: of --dry-run. Nothing is done then, and at the end a line for each item says what it would read and write."""
        self.items = list(items)
        self.keep_going = keep_going
        self.plan, self._shards = plan, shards
        self.also_written: Callable[[Item], Sequence[str]] = lambda item: ()
        self.on_failure: Callable[[Item, str], None] = lambda item, why: None  # of each item that fails under keep_going
        self.failed: list[Item] = []
        self._done = 0
        self._label = label
        self._progress = Progress()
        self._bar: AbstractContextManager[Progress] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __enter__(self) -> Batch:
        self._bar = out.progress(len(self.items), self._label)
        self._progress = self._bar.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, traceback)
        if kind is None and self.plan is not None and self._shards is not None:
            for path, group in self._shards.planned():
                print_item_plan([file for item in group for file in item.files], [path], self.plan, items=len(group))
        elif kind is None and self.plan is not None:
            for item in self.items:
                with self.attempt(item):
                    print_item_plan(item.files, [*([item.target] if item.target else []), *self.also_written(item)], self.plan)
        if kind is None and self.failed:
            raise ItemsFailed(f"{len(self.failed)} of {len(self.items)} items failed.")

    @contextmanager
    def attempt(self, item: Item) -> Iterator[None]:
        """Work on one item. With keep_going its error, a bug of ours too, is reported and the loop goes on. Otherwise it ends the command.

        An error about the data gets the name of the item, if it lacks it.
        """
        interrupts.check()
        try:
            yield
        except (BrokenPipeError, OutputClosed):
            raise
        except Exception as error:
            interrupts.check()
            if not self.keep_going:
                ending = self._ending(item, error) if isinstance(error, (VoxcliError, OSError)) else error
                if ending is error:
                    raise
                raise ending from error
            self.failed.append(item)
            show_traceback(error)
            lines = explain(error)[1]
            self.on_failure(item, lines)
            name = readable(item.source)
            out.error(lines if name in lines else f"{name}: {lines}")

    def _ending(self, item: Item, error: VoxcliError | OSError) -> VoxcliError | OSError:
        """The error that ends the command: with the item's name if it is about the data, and with the number of items done."""
        name = "stdin" if item.source == "-" else item.source
        unnamed = isinstance(error, (DataError, ShapeError)) and not any(
            readable(each) in str(error) for each in (name, item.target) if each
        )
        # A wrong call or device fails at the first item, and would fail at the others.
        counted_done = len(self.items) > 1 and (self._done > 0 or not isinstance(error, (UsageError, DeviceError)))
        if not unnamed and not counted_done:
            return error
        if not isinstance(error, VoxcliError):
            message, expected, actual, hint = explain(error)[1], None, None, None
            kind: type[VoxcliError] = UsageError
        else:
            message, expected, actual, hint = error.message, error.expected, error.actual, error.hint
            kind = type(error)
        if counted_done:
            done = f"efore it, {self._done} of {len(self.items)} were done; --keep-going finishes the others."
            hint = f"{hint}{' B' if hint.endswith(('.', '?')) else '; b'}{done}" if hint else f"B{done}"
        return kind(f"{name}: {message}" if unnamed else message, expected=expected, actual=actual, hint=hint)

    def chunks(self, size: int) -> Iterator[list[Item]]:
        """The items in their order, at most `size` at a time. A chunk counts as done when the next one is requested."""
        for start in range(0, len(self.items) if self.plan is None else 0, size):
            chunk = self.items[start : start + size]
            yield chunk
            contents.release()
            self._done = start + len(chunk)
            self._progress.advance(len(chunk))

    def run(self, work: Callable[[Item], R], workers: int = 1) -> Iterator[tuple[Item, R]]:
        """Call `work(item)` for every item and yield (item, result) in the order of the items. Failed items are left out.

        workers: how many processes. `work` and its results are pickled for them, so that `work` is a top-level function or a
        functools.partial of one. Of many items the first are done here, and workers are started once they pay. A few items may be large
        ones, and with keep_going an item may kill its process: then workers do all.
        """
        if self.plan is not None:
            return
        if self._shards is not None:
            self._shards.begin(self.items)
        begun, seconds = 0, 0.0
        elsewhere = scheduler() is not None
        if elsewhere:
            self._check_files()
        else:
            workers = min(workers, len(self.items))
        if not elsewhere and (workers <= 1 or not (self.keep_going or len(self.items) <= FEW * workers)):
            with cores_shared(workers):
                for item in self.items:
                    if workers > 1 and begun > 1 and self._pays(seconds / (begun - 1), begun, workers):
                        break
                    began = time.perf_counter()
                    with self.attempt(item):
                        result = work(item)
                        seconds += time.perf_counter() - began if begun else 0.0  # the first one imports what it needs
                        yield item, result
                        self._finish(item)
                    begun += 1
                    contents.release()
                    self._progress.advance()
        if begun == len(self.items):
            return
        with closing(in_workers(work, self.items[begun:], workers, self.keep_going, self._heard())) as outcomes:
            for item, outcome in outcomes:
                self._progress.advance()
                with self.attempt(item):
                    yield item, outcome.get()
                    self._finish(item)

    def _finish(self, item: Item) -> None:
        self._done += 1
        if self._shards is not None:
            self._shards.done(item)

    def _heard(self) -> str | None:
        """What a worker calls the time of its items, where somebody listens to what it does."""
        return self._label if log.is_enabled() else None

    def _check_files(self) -> None:
        """Raise UsageError for what workers of other machines cannot reach: stdin, stdout and devices."""
        for item in self.items:
            if "-" in (*item.files, item.target) or (len(self.items) == 1 and item.target and holds_nothing(item.target)):
                raise UsageError("Workers of a cluster read and write files.", actual=f"{item.source} -> {item.target}",
                                 hint="Name files, or leave out --scheduler.")  # fmt: skip

    def _pays(self, seconds: float, begun: int, workers: int) -> bool:
        """Whether workers save more time than their start takes: what this process has taken to get here, less where it has done more.

        seconds: of an item. begun: how many items were done.
        """
        return (len(self.items) - begun) * seconds * (1 - 1 / workers) > min(time.process_time(), LONGEST_START)


def items(
    sources: Sequence[str], output: str, *, suffixes: Suffixes, target_suffix: str, policy: Policy | None = None,
    label: str = "items", reads: ReadOptions | None = None, shard: int | None = None,
) -> Batch:  # fmt: skip
    """Decide every output before anything is computed.

    One input file goes to `output` itself, or into it if it is a folder (it exists, or ends in /). Several inputs, a folder, a glob or a
    list go into the folder `output`, unless they hold one file and `output` names one. The folder mirrors their relative paths and stems
    with `target_suffix`; of several files with one stem in one folder the outputs keep the extensions, too (box.obj.png and box.ply.png).

    Args:
        sources: paths, folders, globs, @list.txt, -.
        suffixes: which files of a folder or glob are taken, such as (".png", ".jpg"); case does not matter.
        target_suffix: suffix of outputs in a folder, such as ".npz"; "" for outputs that are folders themselves. Like the extension of
            any format, it shows that `output` means a file.
        reads: how they are read; none: by the command's own means, so that stdin needs no format.
        shard: how many outputs a tar file of the folder gets, see `sharding`.

    Raises UsageError if two inputs have the same output, an output exists and the policy does not say what to do, or none can be made.
    """
    policy = policy or Policy()
    check_policy(policy.overwrite, policy.skip_existing)
    if output == "-":
        out.check_binary()
    of_a_format, reads = reads is not None, reads or ReadOptions()
    if reads.grouped:
        found, several = expand_groups(sources, suffixes, output, policy.keep_going)
    else:
        found, several = expand(sources, suffixes, output, policy.keep_going, reads.part)
    todo = _place(found, local_name(output), several, target_suffix, reads.grouped)
    _check_distinct(todo)
    shards = Shards(todo, local_name(output), shard, policy) if shard is not None else None
    todo = _apply_policy(todo if shards is None else shards.parts(), policy)
    if not policy.keep_going:
        _check_readable(todo, reads, of_a_format)
    check_writable(item.target for item in todo if item.target != "-")
    return Batch(todo, keep_going=policy.keep_going, label=label, plan=reads if policy.dry_run else None, shards=shards)


def _check_readable(todo: Sequence[Item], reads: ReadOptions, stdin: bool) -> None:
    """Raise UsageError for an input whose name tells no format that can be read, before any is worked on. One file is read at once.
    stdin: it has to be of a format, too."""
    seen: set[str] = set()
    for path in (path for item in todo for path in item.files):
        suffix = os.path.splitext(path)[1].lower()
        if suffix not in seen and (stdin if path == "-" else len(todo) > 1 and not os.path.isdir(path)):
            reads.check(path)
        seen.add(suffix)


def check_policy(overwrite: bool, skip_existing: bool) -> None:
    """Raise UsageError where both are asked for."""
    if overwrite and skip_existing:
        raise UsageError("--overwrite and --skip-existing contradict each other.", hint="Give one of them.")


def may_replace(output: str, overwrite: bool, skip_existing: bool, check: Callable[[], None] = lambda: None) -> bool | None:
    """Whether the one output of a command may be replaced; None where it is there, whole, and stays, which is said.

    check: raises an error where what is there is something else.
    """
    from voxcli.files.whole import is_whole

    check_policy(overwrite, skip_existing)
    if not skip_existing or output == "-" or not os.path.lexists(output):
        return overwrite
    if not os.path.isfile(output) or is_whole(output):
        check()
        out.note(f"skipped: {output} exists.")
        return None
    out.warn(f"{output} exists and is no whole file: it is made again.")
    return True


def _place(found: Sequence[Input], output: str, several: bool, suffix: str, grouped: bool = False) -> list[Item]:
    from voxcli.files.registry import is_extension

    away = is_url(output)
    folder = output.endswith(("/", os.sep)) or (output != "-" and not away and Path(output).is_dir() and suffix != "")
    own = Path(output).suffix.lower()
    looks_like_file = not folder and (is_extension(own) or own == suffix != "")
    alone = not several or (len(found) == 1 and not grouped and (looks_like_file or output == "-"))
    if alone and not folder:
        return [Item(found[0].path, output, found[0].name, found[0].parts)]
    if output == "-":
        raise UsageError(f"{len(found)} inputs do not fit into stdout.", hint="Give a folder: -o FOLDER/.")
    if grouped and (looks_like_file or Path(output).is_file()):
        raise UsageError(f"{counted(len(found), 'object')} in subfolders, but -o {output} is one file.",
                         hint="Each folder of pictures is an object: give a folder, -o FOLDER/, or name the pictures of one.")  # fmt: skip
    if looks_like_file or Path(output).is_file():
        raise UsageError(f"Several inputs, but -o {output} is one file.", hint="Give a folder: -o FOLDER/.")
    names = _distinct_names(found)
    targets = (f"{output.rstrip('/')}/{name}{suffix}" if away else f"{Path(output) / name}{suffix}" for name in names)
    return [Item(each.path, target, name, each.parts) for each, target, name in zip(found, targets, names, strict=True)]


def _distinct_names(found: Sequence[Input]) -> list[str]:
    """The names of inputs; those that differ in their extensions alone keep them: box.obj and box.ply, not box twice."""
    places: dict[str, list[str]] = {}
    for each in found:
        places.setdefault(each.name, []).append(os.path.splitext(os.path.normpath(each.path))[0])
    shared = {name for name, paths in places.items() if len(paths) > 1 and len(set(paths)) == 1}
    return [each.name + (os.path.splitext(each.path)[1] if each.name in shared and not each.parts else "") for each in found]


def _check_distinct(todo: Sequence[Item]) -> None:
    by_target: dict[str, Item] = {}
    for item in todo:
        other = by_target.setdefault(os.path.normpath(item.target), item)
        if other is not item:
            if os.path.normpath(other.source) == os.path.normpath(item.source):
                raise UsageError(f"{item.source} is given twice.", hint="Name each input once.")
            raise UsageError(
                f"Two inputs have the same output {item.target}.",
                actual=f"{other.source} and {item.source}",
                hint="Write them to different folders, or choose by a glob in quotes, such as 'folder/*.png'.",
            )


def _apply_policy(todo: list[Item], policy: Policy) -> list[Item]:
    away = remote.existing(item.target for item in todo if is_url(item.target))
    existing = [item for item in todo if item.target in away or (item.target != "-" and os.path.lexists(item.target)
                                                                 and not holds_nothing(item.target))]  # fmt: skip
    if existing and policy.skip_existing:
        from voxcli.files.whole import is_whole

        broken = {item for item in existing if os.path.isfile(item.target) and not is_whole(item.target)}
        with RepeatedWarnings("broken outputs, made again") as warnings:
            for item in sorted(broken, key=lambda each: each.target):
                warnings.warn(f"{item.target} exists and is no whole file: it is made again.")
        gone = set(existing) - broken
        out.note(f"skipped {len(gone)} of {len(todo)}: their outputs exist.")
        return [replace(item, broken=item in broken) for item in todo if item not in gone]
    if existing and not policy.overwrite:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise UsageError(f"Output exists: {existing[0].target}{more}.", hint="Use --overwrite to replace, or --skip-existing to leave it.")
    return todo
