"""Ctrl-C and SIGTERM: both unwind the program, which removes temporary files, and end it with exit code 130."""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType
from typing import NoReturn


class Terminated(BaseException):
    """A signal ended the program. It is no Exception, so that handlers of failures do not catch it."""


received = False
"""Whether such a signal came. Some libraries swallow exceptions while they are imported, or raise others instead."""


def listen() -> None:
    """Raise Terminated in the main thread when a signal comes. An ignored signal (nohup, background jobs) stays ignored."""
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
