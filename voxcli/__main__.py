"""`voxcli`, `python -m voxcli`, and what torchrun starts."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn

from voxcli.cli.framework import interrupts


def main() -> NoReturn:
    """The console script: ready for signals before anything that takes time is imported.

    Garbage is collected rarely: modules make hundreds of thousands of objects that stay, and the collector would look through them again
    and again while they load.
    """
    interrupts.listen()
    gc.set_threshold(500_000, 10, 10)
    status: list[int] = []
    atexit.register(_end, status)  # the first to be registered is the last to be called
    try:
        from voxcli.cli import app
    except interrupts.Terminated:
        sys.stderr.write("error: interrupted.\n")
        sys.exit(130)
    status.append(app.run(sys.argv[1:]))
    sys.exit(status[0])


def _end(status: list[int]) -> None:
    """End the process without taking its modules apart, which takes a tenth of a second once torch is loaded.

    Threads have been joined, all other exit functions have run, and `app.run` has flushed stdout.
    """
    if status:
        os._exit(status[0])


if __name__ == "__main__":
    main()
