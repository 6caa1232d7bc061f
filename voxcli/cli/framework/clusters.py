"""`--scheduler`, the option of every command that takes --workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from voxcli.processes import use_scheduler


def _set_scheduler(value: str | None) -> str | None:
    if value is not None:
        from voxcli.cluster import check_scheduler

        check_scheduler(value)
    use_scheduler(value)
    return value


@dataclass
class Scheduler:
    """The option of commands that have workers."""

    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", callback=_set_scheduler,
                     help="Workers of a Dask cluster in place of processes: tcp://HOST:8786, or local for one on this machine."),
    ] = None  # fmt: skip
