"""What generators share that fill a folder item by item: it says what made it, and items are made here or in worker processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from voxcli.atomic import atomic_write_bytes
from voxcli.errors import UsageError
from voxcli.processes import worker_pool

Thing = TypeVar("Thing")


def open_folder(out_dir: Path, meta: dict[str, Any], what: str) -> None:
    """Make the folder with its meta.json, or check that it holds the same data set. Raises UsageError where it holds something else."""
    path = out_dir / "meta.json"
    text = json.dumps(meta, indent=1, sort_keys=True).encode() + b"\n"
    if path.exists():
        if path.read_bytes() != text:
            raise UsageError(
                f"{out_dir} holds a data set that was made with other options.", hint="Choose another folder, or the same seed and options."
            )
        return
    if out_dir.is_dir() and any(out_dir.iterdir()):
        raise UsageError(f"{out_dir} is not empty, and no data set of {what}.", hint="Choose another folder.")
    out_dir.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(path, text)


def check_counts(count: int, workers: int, what: str) -> None:
    """Raise UsageError unless there is at least one item, named `what`, and one worker."""
    if count < 1 or workers < 1:
        raise UsageError(f"A data set needs at least one {what} and one worker.", actual=f"count {count}, workers {workers}")


def make_missing(
    work: Callable[[Sequence[Thing]], Any], missing: Sequence[Thing], count: int, workers: int, chunk: int, start: Callable[[], None],
    progress: Callable[[int, int], None] | None,
) -> int:  # fmt: skip
    """Make those of `count` items that a folder lacks. -> how many these were

    work, workers and start: as run_chunks takes them. chunk: items that a worker takes at a time; a single worker takes one.
    progress: called with (items done, count), first with those that were there.
    """
    done = count - len(missing)
    report = progress or (lambda done, count: None)
    report(done, count)
    with closing(run_chunks(work, missing, workers, 1 if workers == 1 else chunk, start)) as running:
        for made, _ in running:
            done += len(made)
            report(done, count)
    return len(missing)


def run_chunks(
    work: Callable[[Sequence[Thing]], Any], items: Sequence[Thing], workers: int, chunk: int, start: Callable[[], None]
) -> Generator[tuple[Sequence[Thing], Any], None, None]:
    """Call work (which travels pickled) on pieces of `chunk` items, here or in processes; yields (items, result) as they come.

    start: called first in every worker, to import what is heavy.
    """
    pieces = [items[k : k + chunk] for k in range(0, len(items), chunk)]
    if workers == 1 or len(pieces) < 2:
        for piece in pieces:
            yield piece, work(piece)
        return
    with worker_pool(workers, start) as pool:
        waiting = {pool.submit(work, piece): piece for piece in pieces}
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                yield waiting.pop(future), future.result()
