"""`--fail-under` and `--fail-over` of the metrics: the limits as typed, what they are limits of, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxcli.errors import GateMissed, UsageError, unknown_name

if TYPE_CHECKING:
    from voxcli.metrics.records import Record


@dataclass(frozen=True)
class Gate:
    """One limit. `of`: the metric, or the part of it, that must keep to the limit; None is the command's own value."""

    flag: str
    of: str | None
    limit: float

    def passes(self, value: float | None) -> bool:
        """Whether a value keeps to the limit; one that is not defined does not."""
        if value is None:
            return False
        return value >= self.limit if self.flag == "fail-under" else value <= self.limit


def parse(fail_under: Sequence[str] | None, fail_over: Sequence[str] | None, metrics: Sequence[str]) -> list[Gate]:
    """The gates of a call on `metrics`. Raises UsageError for what is no number, and for a limit that does not say of which metric."""
    gates = []
    for flag, given in (("fail-under", fail_under), ("fail-over", fail_over)):
        for text in given or ():
            name, _, number = text.rpartition("=")  # names may hold a = of their own: fscore.<=0.01
            try:
                limit = float(number)
            except ValueError:
                limit = math.nan
            if not math.isfinite(limit):
                raise UsageError(f"--{flag} takes a number, or NAME=NUMBER.", actual=text)
            if not name and len(metrics) > 1:
                raise UsageError(f"--{flag} {text}: of which metric?", expected=", ".join(f"{m}={number}" for m in metrics))
            if len(metrics) > 1 and name.split(".")[0] not in (*metrics, "approxmatch"):
                raise unknown_name("metric", name, metrics)
            gates.append(Gate(flag, name or None, limit))
    return gates


def check_gates(gates: Sequence[Gate], records: Sequence[Record], rows: Mapping[str, str | float | None]) -> list[str]:
    """Write its gates into each record (`params.gates`), and return those that were missed, in words.

    records: one a metric; rows: their numbers by name, as they are printed. Raises UsageError for a name that is not among them.
    """
    missed = []
    for gate in gates:
        name = gate.of or str(records[0]["metric"])
        numbers = {key: value for key, value in rows.items() if not isinstance(value, str)}
        if name not in numbers:
            raise unknown_name(f"number to hold against --{gate.flag}", name, numbers)
        value, passed = numbers[name], gate.passes(numbers[name])
        owner = max((r for r in records if name.startswith(r["metric"])), key=lambda r: len(r["metric"]), default=records[0])
        verdict = {"of": name, gate.flag.replace("-", "_"): gate.limit, "value": value, "passed": passed}
        owner["params"].setdefault("gates", []).append(verdict)
        if not passed:
            shown = f"{value:.6g}" if value is not None else "not defined"
            missed.append(f"{name} is {shown}, against --{gate.flag} {gate.limit:g}")
    return missed


def check(missed: Sequence[str], of: str) -> None:
    """Raise GateMissed, naming every gate, where one was missed. of: the inputs."""
    if missed:
        raise GateMissed(f"{of}: {'; '.join(missed)}.")
