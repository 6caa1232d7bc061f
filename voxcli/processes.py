"""Worker processes that share the cores, leave Ctrl-C to their parent, and never outlive it; or the workers of a cluster in their place."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
P = ParamSpec("P")

_scheduler: ContextVar[str | None] = ContextVar("scheduler", default=None)


def use_scheduler(address: str | None) -> None:
    """Give all work that is handed out from now on to a cluster (see voxcli.cluster); None: to processes of this machine."""
    _scheduler.set(address)


def scheduler() -> str | None:
    """The cluster that does the work; None for processes of this machine."""
    return _scheduler.get()


class WorkerPool(Protocol):
    """An executor of worker processes.

    size: how many tasks run at a time. remote: the workers are those of a cluster: a task costs a message, so that small items go
    together, and what a worker that died had done may be done again.
    """

    size: int
    remote: bool

    def submit(self, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
        """Hand out a task."""


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Answer a SIGINT or SIGTERM that comes within the block at its end. Only handlers of Python's main thread can be held back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in usual.items():
        if callable(handler):
            signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in usual.items():
            if callable(handler):
                signal.signal(number, handler)
        for caught, frame in came[:1]:
            handler = usual[signal.Signals(caught)]
            assert callable(handler)
            handler(caught, frame)


def _threads(workers: int) -> int:
    return max(1, (os.cpu_count() or 1) // workers)


@contextmanager
def cores_shared(workers: int) -> Iterator[None]:
    """Compute with as many threads as each of some workers would: sums are then the same to the last bit."""
    if workers <= 1 or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    os.environ["OMP_NUM_THREADS"] = str(_threads(workers))
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    if torch is not None:
        torch.set_num_threads(_threads(workers))
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]
        if torch is not None:
            torch.set_num_threads(before)


@contextmanager
def worker_pool(workers: int, initializer: Callable[[], None] | None = None) -> Iterator[WorkerPool]:
    """A pool of fresh processes, or the workers of the cluster that `use_scheduler` names. Where the block is left by an error or an
    interrupt, processes are ended at once, and a cluster is told to forget what it has not begun.

    initializer runs first in every worker. It and all work travel pickled: top-level functions or partials of them.
    """
    import multiprocessing
    import pickle
    from concurrent.futures import ProcessPoolExecutor

    if (address := scheduler()) is not None:
        from voxcli.cluster import cluster_pool

        with cluster_pool(address, workers, initializer) as cluster:
            yield cluster
        return

    class Pool(ProcessPoolExecutor):
        """A pool that starts each worker whole: one that an interrupt cuts off from its parent prints a traceback of its own."""

        size, remote = workers, False

        def submit(self, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
            with signals_held_back():
                return super().submit(function, *args, **named)

    threads = _threads(workers)
    others = set(multiprocessing.active_children())
    # spawn: a fork would copy threads and CUDA contexts that do not survive it
    # pickled once more: what the initializer's module imports would otherwise come before the number of threads, and never hear of it
    later = pickle.dumps(initializer)
    pool = Pool(workers, multiprocessing.get_context("spawn"), _start, (threads, later))
    try:
        yield pool
        pool.shutdown(cancel_futures=True)
    except BaseException:
        with signals_held_back():
            for process in set(multiprocessing.active_children()) - others:  # one deep in a computation would hold the program up
                process.terminate()
            results = getattr(pool._result_queue, "_writer", None)  # open, it would have the rest of a cut-off result waited for
            if results is not None:
                results.close()
            pool.shutdown(cancel_futures=True)  # and its thread ends: one that ends beside Python's handler at exit makes that fail
        raise


def _start(threads: int, later: bytes) -> None:
    """First thing in a worker, before any heavy import. later: the pickled initializer."""
    import multiprocessing
    import pickle

    def follow_parent() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    threading.Thread(target=follow_parent, daemon=True).start()
    initializer = pickle.loads(later)
    if initializer is not None:
        initializer()
