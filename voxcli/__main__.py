"""`voxcli`, `python -m voxcli`, and what torchrun starts."""

from __future__ import annotations

import sys
from typing import NoReturn

from voxcli.cli import interrupts


def main() -> NoReturn:
    """The console script: ready for signals before anything that takes time is imported."""
    interrupts.listen()
    try:
        from voxcli.cli import app
    except interrupts.Terminated:
        sys.stderr.write("error: interrupted.\n")
        sys.exit(130)
    app.main()


if __name__ == "__main__":
    main()
