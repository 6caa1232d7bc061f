"""Files of sums: what `metrics --partial` writes of a part of a set, and `metrics merge` joins."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from voxcli.errors import FileFormatError, UsageError, VoxcliError
from voxcli.provenance import Json

if TYPE_CHECKING:
    from voxcli.metrics.base import MetricOptions
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


def write(path: str, sums: Sequence[Sums], options: Sequence[MetricOptions], unmatched: Unmatched, overwrite: bool) -> None:
    """Write the sums of all metrics of a call, with the options of each."""
    from voxcli.atomic import atomic_write_bytes
    from voxcli.version import __version__

    state = {"schema": SCHEMA, "voxcli_version": __version__, "metrics": [each.state() for each in sums], "unmatched": unmatched,
             "options": [_stated(each) for each in options]}  # fmt: skip
    atomic_write_bytes(path, json.dumps(state).encode() + b"\n", overwrite)


def _stated(options: MetricOptions) -> dict[str, Json]:
    """The options that all parts of a set have in common: files that are read, such as masks, may be others for each."""
    from voxcli.metrics.records import plain
    from voxcli.options import option_infos

    known = option_infos(type(options))
    return {name: plain(value) for name, value in options.params().items() if name not in known or not known[name].reads}


def read(paths: Sequence[str]) -> tuple[list[Sums], Unmatched]:
    """The joined sums of all files, in their order. Raises VoxcliErrors that name the file: for one that is no file of sums, that was given
    before, or whose scores are of other options than those of the first."""
    joined: list[Sums] = []
    unmatched: Unmatched = {"pred": [], "gt": []}
    given: set[str] = set()
    first: list[dict[str, Json]] = []
    for path in paths:
        try:
            if (where := os.path.realpath(path)) in given:
                raise UsageError("A part is given twice.", expected="each file once")
            given.add(where)
            sums, alone, options = _read(path)
            if joined and len(joined) != len(sums):
                raise UsageError("Sums of different kinds are not joined.", expected=f"{len(joined)} metrics", actual=str(len(sums)))
            for mine, theirs in zip(joined, sums, strict=False):
                mine.join(theirs)
            first = first or options
            for one, other in zip(first, options, strict=False):
                differ = {name for name in {*one, *other} if one.get(name) != other.get(name)}
                if differ:
                    raise UsageError("Scores of other options are not joined.", expected=_words(one, differ), actual=_words(other, differ))
        except VoxcliError as error:
            raise type(error)(f"{path}: {error.message}", expected=error.expected, actual=error.actual, hint=error.hint) from error
        joined = joined or sums
        for side, names in unmatched.items():
            names += alone[side]
    return joined, unmatched


def _words(options: Mapping[str, Json], names: set[str]) -> str:
    return ", ".join(f"{name} {json.dumps(options.get(name))}" for name in sorted(names))


def _read(path: str) -> tuple[list[Sums], Unmatched, list[dict[str, Json]]]:
    from voxcli.files.source import Source
    from voxcli.metrics.sums import Sums

    source = Source.from_path(path)
    try:
        state = json.loads(source.text)
        if state["schema"] != SCHEMA:
            raise ValueError
        alone = {side: [str(name) for name in state["unmatched"][side]] for side in ("pred", "gt")}
        return [Sums.of(each) for each in state["metrics"]], alone, [dict(each) for each in state.get("options", [])]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileFormatError("These are no sums of metrics.", expected="what `voxcli metrics ... --partial` wrote") from error
