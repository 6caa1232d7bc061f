"""Files of sums: what `metrics --partial` writes of a part of a set, and `metrics merge` joins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from voxcli.errors import FileFormatError, UsageError, VoxcliError

if TYPE_CHECKING:
    from voxcli.metrics.sums import Sums

SCHEMA = "voxcli metric sums 1"

Unmatched = dict[str, list[str]]
"""Names that only one side has, of both sides."""


def check_target(path: str, overwrite: bool) -> None:
    """Raise UsageError where no file of sums can be written."""
    from voxcli.atomic import check_writable, refuse_existing

    if path == "-":
        raise UsageError("--partial writes a file.", expected="--partial FILE.json")
    if not overwrite:
        refuse_existing(path)
    check_writable([path])


def write(path: str, sums: Sequence[Sums], unmatched: Unmatched, overwrite: bool) -> None:
    """Write the sums of all metrics of a call."""
    from voxcli.atomic import atomic_write_bytes
    from voxcli.version import __version__

    state = {"schema": SCHEMA, "voxcli_version": __version__, "metrics": [each.state() for each in sums], "unmatched": unmatched}
    atomic_write_bytes(path, json.dumps(state).encode() + b"\n", overwrite)


def read(paths: Sequence[str]) -> tuple[list[Sums], Unmatched]:
    """The joined sums of all files, in their order. Raises VoxcliErrors that name the file."""
    joined: list[Sums] = []
    unmatched: Unmatched = {"pred": [], "gt": []}
    for path in paths:
        try:
            sums, alone = _read(path)
            if joined and len(joined) != len(sums):
                raise UsageError("Sums of different kinds are not joined.", expected=f"{len(joined)} metrics", actual=str(len(sums)))
            for mine, theirs in zip(joined, sums, strict=False):
                mine.join(theirs)
        except VoxcliError as error:
            raise type(error)(f"{path}: {error.message}", expected=error.expected, actual=error.actual, hint=error.hint) from error
        joined = joined or sums
        for side, names in unmatched.items():
            names += alone[side]
    return joined, unmatched


def _read(path: str) -> tuple[list[Sums], Unmatched]:
    from voxcli.files.source import Source
    from voxcli.metrics.sums import Sums

    source = Source.from_path(path)
    try:
        state = json.loads(source.text)
        if state["schema"] != SCHEMA:
            raise ValueError
        alone = {side: [str(name) for name in state["unmatched"][side]] for side in ("pred", "gt")}
        return [Sums.of(each) for each in state["metrics"]], alone
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileFormatError("These are no sums of metrics.", expected="what `voxcli metrics ... --partial` wrote") from error
