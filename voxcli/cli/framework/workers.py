"""The items of a batch in worker processes: handed out so far ahead and no further, and given back in their order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from voxcli import contents, log
from voxcli.cli.framework import written
from voxcli.cli.framework.failures import is_death, show_warning
from voxcli.cli.framework.output import out
from voxcli.errors import VoxcliError
from voxcli.processes import WorkerPool, worker_pool

if TYPE_CHECKING:
    from concurrent.futures import Future

    from voxcli.cli.framework.batch import Item

R = TypeVar("R")

AHEAD = 16
"""Tasks for each worker that are handed out before the first of them is back: what a pool or a scheduler holds at most."""
TASK_SECONDS, MOST_ITEMS = 1.0, 256
"""How long a task of a cluster shall take, and how many items it has at most."""


class RemoteError(Exception):
    """The traceback of an error in another process."""


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of an item in a worker: its result, alone in a tuple, or its error, the files that it wrote, what it told of its
    steps and on stderr, and the seconds of its parts and of all."""

    result: tuple[R, ...] = ()
    error: Exception | None = None
    trace: str = ""
    files: Sequence[tuple[str, str]] = ()
    lines: Sequence[str] = ()
    words: Sequence[str] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def get(self) -> R:
        """The result, once all that was said and written is told. Raises the error."""
        for line in self.lines:
            log.info(line)
        for line in self.words:
            out.message(line)
        log.add_seconds(self.parts)
        for target, about in self.files:
            written.add(target, about)
        if self.error is not None:
            raise self.error from (RemoteError(self.trace) if self.trace else None)
        return self.result[0]


def in_workers(
    work: Callable[[Item], R], items: Sequence[Item], workers: int, keep_going: bool, label: str | None = None
) -> Generator[tuple[Item, Outcome[R]], None, None]:
    """The items in their order, each with what became of it.

    A process that dies takes the results of others along. With keep_going these are computed again, first those that it may have died of,
    each in a process of its own. label: what the time of an item is called, None where nobody listens.
    """
    rest, suspects = list(range(len(items))), set[int]()
    kept: dict[int, Outcome[R]] = {}
    while rest:
        alone = rest[0] in suspects
        now = rest[:1] if alone else rest
        with worker_pool(1 if alone else workers, partial(_start_worker, out.verbose, out.quiet)) as pool:
            tasks = _Tasks(pool, partial(_worked, work, pool.remote, label), items, now, kept)
            while task := tasks.next():
                if keep_going and not alone and is_death(task.error()):
                    lost = tasks.lost(task, kept)
                    rest = now[now.index(task.items[0]) :]
                    # A pool hands out one item more than it has workers, and a worker that ends its item takes the next.
                    suspects = set(lost if pool.remote else lost[: 2 * workers + 1])
                    break
                for k, outcome in zip(task.items, task.outcomes(), strict=True):
                    kept.pop(k, None)
                    yield items[k], outcome
            else:
                rest = rest[len(now) :]


@dataclass(frozen=True)
class _Task(Generic[R]):
    """Some items that are done together, by their places, and what becomes of them."""

    items: list[int]
    future: Future[list[Outcome[R]]]

    def error(self) -> BaseException | None:
        """The error of the task as a whole: its worker died, or the cluster was lost."""
        from concurrent.futures import CancelledError

        try:
            return self.future.exception()
        except CancelledError as error:
            return error

    def outcomes(self) -> list[Outcome[R]]:
        """What became of each item."""
        error = self.error()
        if error is None:
            return self.future.result()
        if not isinstance(error, Exception):
            raise error
        return [Outcome(error=error)] * len(self.items)


class _Tasks(Generic[R]):
    """Tasks in the order of their items, so many at a time. kept: outcomes that are there already."""

    def __init__(
        self, pool: WorkerPool, work: Callable[[Sequence[Item]], list[Outcome[R]]], items: Sequence[Item], now: Sequence[int],
        kept: dict[int, Outcome[R]],
    ):  # fmt: skip
        self._pool, self._work, self._items, self._now, self._kept = pool, work, items, now, kept
        self._begun = 0
        self._ahead: deque[_Task[R]] = deque()
        self._seconds = TASK_SECONDS

    def next(self) -> _Task[R] | None:
        """The next task, done; None where there is none left."""
        from concurrent.futures import wait

        while self._begun < len(self._now) and len(self._ahead) < AHEAD * self._pool.size:
            self._hand_out()
        if not self._ahead:
            return None
        task = self._ahead.popleft()
        wait([task.future])
        if task.error() is None:
            for outcome in task.future.result():
                self._seconds += (outcome.seconds - self._seconds) / 8  # of an item, lately
        return task

    def lost(self, task: _Task[R], kept: dict[int, Outcome[R]]) -> list[int]:
        """The items that were handed out with a task and have no outcome; the outcomes of the others are kept."""
        from concurrent.futures import wait

        lost: list[int] = []
        wait([each.future for each in self._ahead])
        for each in (task, *self._ahead):
            if is_death(each.error()):
                lost += each.items
            else:
                kept |= zip(each.items, each.outcomes(), strict=True)
        return lost

    def _hand_out(self) -> None:
        from concurrent.futures import Future

        share = (len(self._now) - self._begun) // (4 * self._pool.size)  # towards the end smaller ones: all workers end together
        most = min(MOST_ITEMS, share, int(TASK_SECONDS / max(self._seconds, 1e-6))) if self._pool.remote else 1
        places = list(self._now[self._begun : self._begun + max(1, most)])
        there = [k for k in places if k in self._kept]
        future: Future[list[Outcome[R]]]
        if there:
            places, future = there[:1] if places[0] in self._kept else places[: places.index(there[0])], Future()
        if there and places[0] in self._kept:
            future.set_result([self._kept[places[0]]])
        else:
            future = _submitted(self._pool, partial(self._work, [self._items[k] for k in places]))
        self._begun += len(places)
        self._ahead.append(_Task(places, future))


def _submitted(pool: WorkerPool, work: Callable[[], R]) -> Future[R]:
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    try:
        return pool.submit(work)
    except BrokenProcessPool as error:  # a worker died while others were still handed out
        broken: Future[R] = Future()
        broken.set_exception(error)
        return broken


def _worked(work: Callable[[Item], R], again: bool, label: str | None, items: Sequence[Item]) -> list[Outcome[R]]:
    """What becomes of items. again: they may have been done before, by a worker that died. label: see `in_workers`."""
    found = []
    for item in items:
        result: tuple[R, ...]
        began, lines = time.perf_counter(), list[str]()
        log.set_handler(None if label is None else lines.append)
        with contents.opened_once(), out.captured() as words:
            try:
                with log.timed(label or ""):
                    result, error, trace = (work(replace(item, broken=True) if again else item),), None, ""
            except Exception as failure:
                result, (error, trace) = (), _travelling(failure)
        found.append(Outcome(result, error, trace, written.take_all(), lines, words, log.seconds(), time.perf_counter() - began))
    log.set_handler(None)
    return found


def _travelling(error: Exception) -> tuple[Exception, str]:
    """An error as it can be pickled, and its traceback where that tells more than the error."""
    import pickle
    import traceback

    trace = "" if isinstance(error, (VoxcliError, OSError)) else "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}"), trace
    return error, trace


def _start_worker(verbose: int, quiet: bool) -> None:
    """A worker says what its parent would, and warns as it does."""
    import warnings

    warnings.showwarning = show_warning
    out.verbose, out.quiet = verbose, quiet
