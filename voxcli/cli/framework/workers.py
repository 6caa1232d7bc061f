"""One item in a worker process of `Batch.run`: its result, and what is told of it, which travel to the parent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from voxcli import contents, steps
from voxcli.cli.framework import written
from voxcli.cli.framework.failures import show_warning
from voxcli.errors import VoxcliError

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

ItemT = TypeVar("ItemT")
R = TypeVar("R")


def submitted(pool: ProcessPoolExecutor, work: Callable[[], R]) -> Future[R]:
    """The future of some work, failed where the pool is broken."""
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    try:
        return pool.submit(work)
    except BrokenProcessPool as error:  # a worker died while others were still handed out
        broken: Future[R] = Future()
        broken.set_exception(error)
        return broken


def died(future: Future[R]) -> bool:
    """Whether the process that had the work died."""
    return type(future.exception()).__name__ == "BrokenProcessPool"


@dataclass(frozen=True)
class Told:
    """What a worker has written for an item, the lines that it told, and the seconds of its parts."""

    files: written.Lines
    lines: list[str]
    seconds: dict[str, float]

    def repeat(self) -> None:
        """Tell it here."""
        for target, words in self.files:
            written.add(target, words)
        for line in self.lines:
            steps.tell(line)
        steps.add(self.seconds)


def worked(work: Callable[[ItemT], R], item: ItemT, label: str | None) -> tuple[R, Told]:
    """The result of an item, and what the worker tells of it; label: what it calls the time of the item, None where nobody listens."""
    import pickle

    lines: list[str] = []
    steps.listen(None if label is None else lines.append)
    with contents.opened_once():
        try:
            with steps.part(label or ""):
                result = work(item)
            return result, Told(written.taken(), lines, steps.seconds())
        except (VoxcliError, OSError):
            raise
        except Exception as error:
            try:
                pickle.loads(pickle.dumps(error))
            except Exception:  # it could not travel to the parent, which would take the worker for dead
                raise RuntimeError(f"{type(error).__name__}: {error}") from error
            raise


def start_worker() -> None:
    """Warnings of a worker look like those of its parent."""
    import warnings

    warnings.showwarning = show_warning
