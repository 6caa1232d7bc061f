"""What the work tells on its way: words for `-v`, and the seconds of its parts for `-vv`.

The rooms below the command line call `tell` and `part`. The command line listens. Elsewhere nobody does, and both cost nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

WORKERS = " in workers"
"""Behind the names of parts that other processes took."""

Listener = Callable[[str], None]

_listeners: list[Listener] = []
_told: set[str] = set()
_seconds: dict[str, float] = {}
_running: list[str] = []
_since = 0.0


def listen(listener: Listener | None) -> None:
    """Call the listener with each line from now on. None: nobody listens any more, and what was counted is forgotten."""
    _listeners.clear()
    _told.clear()
    _seconds.clear()
    _running.clear()
    if listener is not None:
        _listeners.append(listener)


def heard() -> bool:
    """Whether anybody listens."""
    return bool(_listeners)


@contextmanager
def unheard() -> Iterator[None]:
    """Nothing is told within the block: its own records say what goes on."""
    kept = list(_listeners)
    _listeners.clear()
    try:
        yield
    finally:
        _listeners[:] = kept


def tell(text: str | Callable[[], str]) -> None:
    """One line, or the function that makes it, which is called only where somebody listens.

    >>> heard_lines = []
    >>> listen(heard_lines.append)
    >>> tell("a.png: read")
    >>> tell_once("device: cpu"), tell_once("device: cpu")
    (None, None)
    >>> listen(None)
    >>> heard_lines
    ['a.png: read', 'device: cpu']
    """
    for listener in _listeners:
        listener(text if isinstance(text, str) else text())


def tell_once(text: str) -> None:
    """One line that a command tells once, however often it holds."""
    if text not in _told:
        _told.add(text)
        tell(text)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Count the seconds of the block for this part of the work, less those of parts within it.

    >>> listen(print)
    >>> with part("reading"):
    ...     pass
    >>> list(seconds())
    ['reading']
    >>> listen(None)
    """
    if not _listeners:
        yield
        return
    _turn(name)
    try:
        yield
    finally:
        _turn(None)


def _turn(name: str | None) -> None:
    """Begin a part within the running one, or end the running one."""
    global _since
    now = time.perf_counter()
    if _running:
        _seconds[_running[-1]] = _seconds.get(_running[-1], 0.0) + now - _since
    if name is not None:
        _running.append(name)
    elif _running:
        _running.pop()
    _since = now


def seconds() -> dict[str, float]:
    """Seconds of each part so far, in the order in which they ended first."""
    return dict(_seconds)


def timings(whole: float) -> str:
    """The seconds of each part in words. whole: of all the work; what no part took, such as the loading of libraries, is the rest."""
    here = sum(each for name, each in _seconds.items() if not name.endswith(WORKERS))
    rows = [*_seconds.items(), ("the rest", max(0.0, whole - here)), ("in all", whole)]
    return ", ".join(f"{name} {each:.2f} s" for name, each in rows)


def add(found: Mapping[str, float]) -> None:
    """Add the seconds of parts that a worker process took, which ran beside the others."""
    for name, each in found.items():
        _seconds[name + WORKERS] = _seconds.get(name + WORKERS, 0.0) + each
