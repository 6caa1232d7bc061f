"""Records of metrics as a command prints them: each pair as it comes, the summaries last, in memory that does not grow with the pairs."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from voxcli.cli.framework.options import RecordFormat
from voxcli.cli.framework.output import NONE, out
from voxcli.provenance import Json

if TYPE_CHECKING:
    from voxcli.metrics.records import Record, Tree
    from voxcli.provenance import Json

Row = dict[str, str | float | None]
"""A line of a table: numbers and names by the heads of their columns."""


_LAST = ("params", "voxcli_version", "pred_sha256", "gt_sha256")
"""The last columns of csv and tsv."""


_SHOWN = 21
"""Rows of a table, the last ones."""


class Rows:
    """The records of a call. Nothing is printed before `finish`, or before the command ends well."""

    def __init__(self, several: bool, format: RecordFormat | None):
        self._several = several
        self._format = format.value if format else ("table" if out.on_terminal else "jsonl")
        self._kept = _Lines() if several and self._format in ("json", "csv", "tsv") else None
        self._last: deque[Row] = deque(maxlen=_SHOWN)
        self._names: dict[str, None] = {}
        self._name, self.pairs = "", 0

    def add(self, name: str, records: Sequence[Record]) -> None:
        """The records of a pair, one a metric. That of a single pair is printed at the end: its value may change."""
        self._name, self.pairs = name, self.pairs + 1
        if not self._several:
            return
        if self._format == "jsonl":
            out.records([_as_json(record) for record in records], "jsonl")
        elif self._kept is not None and self._format == "json":
            for record in records:
                self._kept.add(_as_json(record))
        else:
            self._add_row({"name": name, **joined(records)}, records)

    def _add_row(self, row: Row, records: Sequence[Record]) -> None:
        if self._format == "table":
            row = {key: NONE if value is None else value for key, value in row.items()}
        else:  # below a table stands what was computed; these rows must say it themselves
            row = _stating(row, records)
        self._names |= dict.fromkeys(key for key in row if key not in _LAST)
        if self._kept is not None:
            self._kept.add(row)
        else:
            self._last.append(row)

    def finish(self, summaries: Sequence[Record]) -> None:
        """Print all, with the summary of each metric; of a single pair, its records."""
        if not self._several:
            self._finish_pair(summaries)
            return
        if self._format == "jsonl":
            out.records([_as_json(record) for record in summaries], "jsonl")
            return
        if self._kept is not None and self._format == "json":
            out.records(_chained(self._kept, map(_as_json, summaries)), "json")
            return
        rows = _summary_rows(summaries)
        if self._format == "table" and self.pairs + len(rows) > _SHOWN:
            out.note(f"{self.pairs} pairs; the table shows the last rows (--format csv has all).")
        for row in rows:
            self._add_row(row, summaries)
        self._print(self._last if self._kept is None else self._kept, summaries)

    def _finish_pair(self, records: Sequence[Record]) -> None:
        if self._format == "json" and len(records) == 1:
            out.json(_as_json(records[0]))
        elif self._format in ("json", "jsonl"):
            out.records([_as_json(record) for record in records], self._format)
        else:
            self._add_row({"name": self._name, **joined(records)}, records)
            (row,) = self._last
            if self._format == "table":  # one pair reads better downwards
                self._names = {"what": None, "value": None}
                self._print([{"what": key, "value": value} for key, value in row.items()], records)
            else:
                self._print([row], records)

    def _print(self, rows: Sequence[Row] | deque[Row] | _Lines, summaries: Sequence[Record]) -> None:
        out.records(rows, self._format, [*self._names, *(() if self._format == "table" else _LAST)])
        for summary in summaries if self._format == "table" else ():
            choices = {k: v for k, v in summary["params"].items() if k != "gates"}  # a missed gate speaks for itself
            for line in _wrapped(f"{summary['metric']}: " + ", ".join(f"{k}={_plain(v)}" for k, v in choices.items())):
                out.note(line)


class _Lines:
    """Mappings as JSON lines in a temporary file."""

    def __init__(self) -> None:
        import tempfile

        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115

    def add(self, mapping: Mapping[str, Json]) -> None:
        self._file.write(json.dumps(mapping, ensure_ascii=True) + "\n")

    def __iter__(self) -> Iterator[dict[str, Json]]:
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)


def _chained(*rows: Iterable[Mapping[str, Json]]) -> Iterator[Mapping[str, Json]]:
    for each in rows:
        yield from each


def _meta_of(record: Record) -> Tree:
    from voxcli.metrics.records import state_inputs

    return record["meta"] if "meta" in record else state_inputs(record)["meta"]  # a summary has none of its own


def _as_json(record: Record) -> dict[str, Json]:
    return {"metric": record["metric"], "value": record["value"], "pred": record["pred"], "gt": record["gt"], "parts": record["parts"],
            "params": record["params"], "meta": _meta_of(record)}  # fmt: skip


def _stating(row: Row, records: Sequence[Record]) -> Row:
    """A row of csv or tsv with what its numbers are: metric, preset and both paths behind the name; at the end all params as JSON, the
    version and the SHA-256 of both files.

    Of several metrics in one row, each has its params under its name.
    """
    import json

    meta = _meta_of(records[0])
    params = {r["metric"]: {k: v for k, v in r["params"].items() if k not in ("gates", "summary")} for r in records}
    stated = next(iter(params.values())) if len(params) == 1 else params
    what = {
        "name": row["name"], "metric": " ".join(params), "preset": records[0]["params"].get("preset"), "pred": records[0]["pred"],
        "gt": records[0]["gt"], **{key: meta[key] for key in ("category",) if key in meta},
    }  # fmt: skip
    compact = json.dumps(stated, ensure_ascii=False, separators=(",", ":"))
    last = dict(zip(_LAST, (compact, meta["voxcli_version"], *(meta["inputs"].get(what[key]) for key in ("pred", "gt"))), strict=True))
    return {**what, **{k: v for k, v in row.items() if k != "name"}, **last}


def _wrapped(text: str) -> list[str]:
    """Text in lines no longer than the terminal, broken between words."""
    import shutil
    import textwrap

    width = max(shutil.get_terminal_size().columns, 40)
    return textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _summary_rows(summaries: Sequence[Record]) -> list[Row]:
    """What stands below the pairs: each category, the mean over them, the mean over samples, and last the value where that is neither."""
    categories = list(summaries[0]["parts"].get("categories", {}))
    rows: list[Row] = [
        {"name": f"category {c}", **{s["metric"]: s["parts"]["categories"][c]["value"] for s in summaries}} for c in categories
    ]
    if categories:
        rows.append({"name": "mean over categories", **{s["metric"]: s["parts"]["mean_over_categories"] for s in summaries}})
    means: list[Record] = [{**s, "value": s["parts"]["mean_over_samples"]} for s in summaries]
    rows.append({"name": "mean over samples", **joined(means)})
    pooled = {s["metric"]: s["parts"]["pooled_mean"] for s in summaries if "pooled_mean" in s["parts"]}
    if pooled:
        rows.append({"name": "cells of all samples pooled", **pooled})
    others = {s["metric"]: s["value"] for s in summaries if s["params"]["summary"] not in ("mean over samples", "mean over categories")}
    if others:
        rows.append({"name": next(s["params"]["summary"] for s in summaries if s["metric"] in others), **others})
    return rows


def joined(records: Sequence[Record]) -> Row:
    rows = [flat(record) for record in records]
    if len(rows) == 1:
        return rows[0]
    # Several metrics in one row: a part carries its metric's name, as in chamfer.accuracy.
    return {k if k == r["metric"] else f"{r['metric']}.{k}": v for r, row in zip(records, rows, strict=True) for k, v in row.items()}


def _plain(value: Json) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def flat(record: Record) -> Row:
    """A record's numbers in one row: the value, then each part by its dotted name (counts left out; a summary's means of parts)."""
    row: Row = {record["metric"]: record["value"]}
    parts = record["parts"].get("mean_parts", record["parts"])

    def walk(tree: Tree, prefix: str) -> None:
        for key, value in tree.items():
            if isinstance(value, dict):
                if key != "counts":
                    walk(value, f"{prefix}{key}." if key not in ("classes", "thresholds") else prefix)
            elif value is None or isinstance(value, (int, float, str)):
                row[f"{prefix}{key}"] = value

    walk(parts, "")
    return row
