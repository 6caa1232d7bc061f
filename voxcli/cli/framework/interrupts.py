"""Ctrl-C and SIGTERM: both unwind the program, so that temporary files go, and end it with exit code 130."""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType
from typing import NoReturn


class Terminated(BaseException):
    """A signal asked the program to end. No Exception: nothing that handles failures may take it for one."""


received = False
"""Whether such a signal came. Some libraries swallow what is raised while they are imported, or raise something else instead."""


def listen() -> None:
    """Raise Terminated in the main thread when a signal comes; one that is ignored (nohup, background jobs) stays so."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(ValueError):  # not the main thread: an embedding program keeps its own handlers
                signal.signal(number, _unwind)


def check() -> None:
    """Raise Terminated if a signal came and was swallowed."""
    if received:
        raise Terminated


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    global received
    received = True
    raise Terminated
