"""What is known of a method: the records of whole sets, and how many samples stand behind them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from voxcli import config
from voxcli.evaluation.protocol import Protocol, read_protocol
from voxcli.evaluation.samples import Line, Place
from voxcli.metrics.records import Record, Tree, state_inputs
from voxcli.metrics.summaries import settle, summarise_by
from voxcli.provenance import Json

Key = tuple[str, str]
"""(variant, name) of a sample, or (variant, measure) of a summary."""


Totals = dict[str, dict[str, int]]
"""How many samples the data have, by variant and category."""


class Counts(NamedTuple):
    """The samples behind a number: scored, missing (without a prediction), failed, and left_out, which were not evaluated (--limit)."""

    scored: int = 0
    missing: int = 0
    failed: int = 0
    left_out: int = 0

    def __str__(self) -> str:
        """
        >>> str(Counts(4)), str(Counts(2, 1, 1))
        ('4', '2 of 4')
        """
        return f"{self.scored}" + (f" of {sum(self)}" if any(self[1:]) else "")


def count(lines: Sequence[Line], total: int | None = None) -> Counts:
    """The counts of some samples, of `total` that the data have; None: as many."""
    scored, failed = sum(bool(line["records"]) for line in lines), sum("failed" in line for line in lines)
    return Counts(scored, len(lines) - scored - failed, failed, max(0, (total or 0) - len(lines)))


def total_of(every: Iterable[Place]) -> Totals:
    """How many samples there are."""
    totals: Totals = {}
    for place in every:
        of_variant = totals.setdefault(place.variant, {})
        of_variant[place.category] = of_variant.get(place.category, 0) + 1
    return totals


@dataclass(frozen=True)
class Summary:
    """What is known of a method. records: by variant and measure; counts: by variant; lines: all samples; totals: those of the data, {}
    where they are not known; changed: settings that are not the protocol's, as `read.split="val"`."""

    records: dict[Key, Record]
    counts: dict[str, Counts]
    lines: Sequence[Line]
    totals: Totals
    changed: tuple[str, ...] = ()


_NUMBERS_DEPEND_ON = ("reader", "read", "predict", "rename", "measures", "variants", "categories")
"""Keys of a protocol: the others change words, or where files lie."""


def summary_of(protocol: Protocol, run: Mapping[str, Json], lines: Sequence[Line]) -> Summary:
    """The records of whole sets, by the rule of each measure's preset. run: what run.json states of them."""
    settings, own = run.get("settings"), config.to_mapping(read_protocol(str(run["protocol"])))
    shipped, used = ({key: each.get(key) for key in _NUMBERS_DEPEND_ON} if isinstance(each, dict) else {} for each in (own, settings))
    changed = tuple(f"{at}={json.dumps(new)}" for at, _, new in differences(shipped, used))
    totals, records, counts = _totals(run.get("samples")), dict[Key, Record](), dict[str, Counts]()
    for variant in protocol.all_variants:
        mine = [line for line in lines if line["variant"] == variant]
        done = [line for line in mine if line["records"]]
        of_variant = totals.get(variant, {})
        counts[variant] = count(mine, sum(of_variant.values()))
        for name in protocol.measures:
            of_measure = [line for line in done if name in line["records"]]
            if not of_measure:
                continue
            rule = protocol.summary_rule(name)
            of_set = [line["records"][name] for line in of_measure]
            for record in of_set if len(of_set) == 1 else ():
                settle(rule, record)
            categories = [line["category"] for line in of_measure] if any(line["category"] for line in of_measure) else None
            summary = summarise_by(rule, of_set, categories)
            summary["parts"] |= _unscored(mine, of_variant)
            records[variant, name] = state_inputs(summary)
    return Summary(records, counts, lines, totals, changed)


def _totals(stated: Json) -> Totals:
    """The numbers of samples that run.json states; {} where it states none."""
    if not isinstance(stated, dict) or not all(isinstance(each, dict) for each in stated.values()):
        return {}
    return {
        variant: {category: number for category, number in each.items() if isinstance(number, int)}
        for variant, each in stated.items() if isinstance(each, dict)
    }  # fmt: skip


def _unscored(lines: Sequence[Line], totals: Mapping[str, int]) -> Tree:
    """The samples without a score by category: missing, the names of those without a prediction; failed, why by name; left_out, how many
    were not evaluated."""
    missing: dict[str, list[str]] = {}
    failed: dict[str, dict[str, str]] = {}
    for line in lines:
        if "failed" in line:
            failed.setdefault(line["category"], {})[line["name"]] = line["failed"]
        elif not line["records"]:
            missing.setdefault(line["category"], []).append(line["name"])
    known = Counter(line["category"] for line in lines)
    left_out = {category: number - known[category] for category, number in totals.items() if number > known[category]}
    return {"missing": missing, "failed": failed, "left_out": left_out}


def differences(there: Json, now: Json, path: str = "") -> list[tuple[str, Json, Json]]:
    """What differs between two statements: place, old, new."""
    if isinstance(there, dict) and isinstance(now, dict):
        keys = sorted({*there, *now})
        return [each for key in keys for each in differences(there.get(key), now.get(key), f"{path}.{key}".lstrip("."))]
    return [] if there == now else [(path, there, now)]
