"""`voxcli`, `python -m voxcli`, and what torchrun starts."""

from __future__ import annotations

import atexit
import gc
import sys
from typing import NoReturn

from voxcli.cli.framework import interrupts


def main() -> NoReturn:
    """The console script: ready for signals before anything that takes time is imported."""
    interrupts.listen()
    _collect_rarely()
    try:
        from voxcli.cli import app
    except interrupts.Terminated:
        sys.stderr.write("error: interrupted.\n")
        sys.exit(130)
    app.main()


def _collect_rarely() -> None:
    """Spend less on garbage: a call that imports torch starts and ends sooner by a third of a second.

    Modules make hundreds of thousands of objects that stay; the collector would look through them again and again while
    they load, and twice more when the interpreter ends.
    """
    gc.set_threshold(500_000, 10, 10)
    atexit.register(gc.freeze)


if __name__ == "__main__":
    main()
