"""Warnings, log lines of `-v`, and the seconds of parts of the work for `-vv`.

The packages below the command line call `warn`, `info` and `timed`. The command line sets a handler. Without one, both cost nothing.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

WORKERS = " in workers"
"""Behind the names of parts that other processes took."""

Handler = Callable[[str], None]

_handlers: list[Handler] = []
_once: set[str] = set()
_seconds: dict[str, float] = {}
_running: list[str] = []
_since = 0.0


def set_handler(handler: Handler | None) -> None:
    """Call the handler with each line from now on. None: no handler, and the seconds are forgotten."""
    _handlers.clear()
    _once.clear()
    _seconds.clear()
    _running.clear()
    if handler is not None:
        _handlers.append(handler)


def is_enabled() -> bool:
    """Whether there is a handler."""
    return bool(_handlers)


@contextmanager
def muted() -> Iterator[None]:
    """No lines within the block, whose own records say what goes on."""
    kept = list(_handlers)
    _handlers.clear()
    try:
        yield
    finally:
        _handlers[:] = kept


def warn(text: str) -> None:
    """Warn of what was done otherwise than asked. In Python, the line that is shown is the user's, which called this package."""
    frame: FrameType | None = sys._getframe(1)
    depth, place, outermost = 1, 1, ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] == "voxcli":
            place, outermost = depth, module
        frame, depth = frame.f_back, depth + 1
    by_command = outermost.split(".")[1:2] in (["cli"], ["__main__"])
    warnings.warn(text, stacklevel=3 if by_command else place + 2)


def info(text: str | Callable[[], str]) -> None:
    """One line, or the function that makes it, which is called only where there is a handler.

    >>> lines = []
    >>> set_handler(lines.append)
    >>> info("a.png: read")
    >>> info_once("device: cpu"), info_once("device: cpu")
    (None, None)
    >>> set_handler(None)
    >>> lines
    ['a.png: read', 'device: cpu']
    """
    for handler in _handlers:
        handler(text if isinstance(text, str) else text())


def info_once(text: str) -> None:
    """One line that a command logs once, however often it holds."""
    if text not in _once:
        _once.add(text)
        info(text)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Count the seconds of the block for this part of the work, less those of parts within it.

    >>> set_handler(print)
    >>> with timed("reading"):
    ...     pass
    >>> list(seconds())
    ['reading']
    >>> set_handler(None)
    """
    if not _handlers:
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


def add_seconds(found: Mapping[str, float]) -> None:
    """Add the seconds of parts that a worker process took, which ran beside the others."""
    for name, each in found.items():
        _seconds[name + WORKERS] = _seconds.get(name + WORKERS, 0.0) + each
