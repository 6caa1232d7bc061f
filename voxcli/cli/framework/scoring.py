"""What all `voxcli metrics` commands share: pairing, the loop, the table, the summary and the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from voxcli.cli.framework import cautions, gates
from voxcli.cli.framework.batch import Batch, Item
from voxcli.cli.framework.flags import values_of_flags
from voxcli.cli.framework.inputs import Pairs, pairs
from voxcli.cli.framework.options import RecordFormat
from voxcli.cli.framework.output import out
from voxcli.cli.framework.plans import facts, tell

if TYPE_CHECKING:
    from voxcli.metrics.base import MetricOptions
    from voxcli.metrics.records import Record, Tree
    from voxcli.metrics.registry import AnyMetric
    from voxcli.provenance import Json

Row = dict[str, str | float | None]
"""A line of a table: numbers and names by the heads of their columns."""


def _complete_presets(incomplete: str) -> list[str]:
    from voxcli.metrics.presets import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


_LAST = ("params", "voxcli_version", "pred_sha256", "gt_sha256")
"""The last columns of csv and tsv."""


def format_for(path: str, item: Item, input_format: str | None) -> str | None:
    """What --input-format says of one of a pair's files: - alone where one of the two is -, else both."""
    return input_format if path == "-" or "-" not in (item.source, item.target) else None


Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="A paper's protocol by name: `voxcli metrics presets` lists them.",
        autocompletion=_complete_presets,
    ),
]
CategoryFrom = Annotated[
    str | None,
    typer.Option(
        "--category-from", metavar="RULE", help="Category of each pair: parent (its folder), or a regular expression with a group."
    ),
]
Pair = Annotated[
    list[str] | None,
    typer.Option("--pair", metavar="PATTERN", help="Pair files of folders by the fields of their names, such as {category}/{id}/*; "
                 "twice: that of PRED, then that of GT."),
]
InputFormat = Annotated[
    str | None, typer.Option("--input-format", metavar="FORMAT", help="Format of -, which needs it; without a -, of both inputs.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**62, help="Seed of what is drawn at random, the same for all pairs.")]
_LIMIT = "[NAME=]NUMBER"
FailUnder = Annotated[
    list[str] | None,
    typer.Option("--fail-under", metavar=_LIMIT, help="Exit 1 if the value (of a set: its summary's), or the part NAME, is below."),
]
FailOver = Annotated[
    list[str] | None,
    typer.Option("--fail-over", metavar=_LIMIT, help="Exit 1 if the value (of a set: its summary's), or the part NAME, is above."),
]


@dataclass(frozen=True)
class MetricsRequest:
    """What a command of metrics is asked for, whatever the metric: the options that all of them share."""

    pred: str
    gt: str
    preset: str | None = None
    category_from: str | None = None
    pair: tuple[str, ...] = ()
    input_format: str | None = None
    fail_under: tuple[str, ...] = ()
    fail_over: tuple[str, ...] = ()
    format: RecordFormat | None = None
    workers: int = 1
    keep_going: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class ScoredPair(Item):
    """A pair of files to score: `source` is the prediction, `target` the ground truth. options: of each metric."""

    options: tuple[MetricOptions, ...] = ()


def run(request: MetricsRequest, metrics: Sequence[AnyMetric], given: Mapping[str, object]) -> None:
    """Score all pairs and print the records. given: options by their names, each for the metrics that have it.

    One pair prints its records, one a metric; several pairs print all, and last a summary of each metric. Its value is the mean over
    samples, or what the metric's rule (see metrics/summaries.py) makes of the set. Gates look at that value, or at a part by its name in
    the table; what they saw stands in the record that they looked at, under `params.gates`. Contradictions are errors before a file is
    read.
    """
    from voxcli.errors import UsageError
    from voxcli.files.registry import extension_of
    from voxcli.metrics.presets import options_for
    from voxcli.metrics.summaries import CATEGORIES, settle, summarise_by

    options = [options_for(metric, values_of_flags(metric.options, given), request.preset) for metric in metrics]
    rules = [metric.summary_rule(each) for metric, each in zip(metrics, options, strict=True)]
    name = request.input_format
    suffixes = metrics[0].suffixes if name is None else [extension_of(name)]
    limits = gates.parse(request.fail_under, request.fail_over, [metric.name for metric in metrics])
    found: Pairs = pairs(request.pred, request.gt, suffixes=suffixes, category_from=request.category_from,
                         keep_going=request.keep_going, patterns=request.pair)  # fmt: skip
    category = {pair.name: pair.category or "" for pair in found.pairs}
    of_pairs = [metric.for_pairs(each, found.pairs, request.input_format) for metric, each in zip(metrics, options, strict=True)]
    own = zip(*of_pairs, strict=True)
    todo = [ScoredPair(pair.pred, pair.gt, pair.name, options=each) for pair, each in zip(found.pairs, own, strict=True)]
    several = len(todo) > 1
    if several and CATEGORIES in rules and not request.category_from:
        raise UsageError("This preset's value is a mean over categories.", hint="Add --category-from parent, or a regular expression.")
    if request.dry_run:
        _plan(todo, request)
        return
    work = partial(_score, metrics=tuple(metrics), input_format=request.input_format, several=several)
    scored: list[tuple[str, list[Record]]] = []
    failed: Exception | None = None
    try:
        with Batch(todo, keep_going=request.keep_going, label="scoring") as batch:
            for item, records in batch.run(work, request.workers):
                scored.append((item.name, records))
    except Exception as error:
        if not (request.keep_going and scored):
            raise
        failed = error  # what was scored is still printed
    unmatched = {"pred": found.only_pred, "gt": found.only_gt}
    summaries = []
    for rule, each in zip(rules, zip(*(records for _, records in scored), strict=True), strict=False):
        if several:
            summary = summarise_by(rule, each, [category[name] for name, _ in scored] if request.category_from else None)
        else:
            summary = each[0]
            settle(rule, summary)
        if several or any(unmatched.values()):  # two folders may have one pair
            summary["parts"]["unmatched"] = unmatched
        summaries.append(summary)
    missed = gates.judge(limits, summaries, _joined(summaries)) if limits and summaries else []
    cautions.warn(scored)
    _print(scored, summaries, several, request.format)
    if failed is not None:
        raise failed
    gates.check(missed, request.pred, request.gt)


def _plan(todo: Sequence[ScoredPair], request: MetricsRequest) -> None:
    """What would be read of each pair; nothing is written."""
    with Batch(todo, keep_going=request.keep_going) as batch:
        for item in todo:
            with batch.attempt(item):
                sides = (item.source, item.target)
                tell([facts(path, None, format_for(path, item, request.input_format)) for path in sides], [], name=item.name)


def _score(item: Item, *, metrics: tuple[AnyMetric, ...], input_format: str | None, several: bool) -> list[Record]:
    """The records of one pair. Of several pairs, an error says whose it is."""
    from voxcli.errors import VoxcliError
    from voxcli.metrics.records import state_inputs
    from voxcli.provenance import digests_of_files

    assert isinstance(item, ScoredPair)
    first, options = metrics[0], item.options[0]
    try:
        pred = first.read(item.source, options, format_for(item.source, item, input_format))
        gt = first.read_truth(item.target, options, format_for(item.target, item, input_format))
        records = first.score_several(pred, gt, item.options, pred=item.source, gt=item.target)
    except VoxcliError as error:
        if several and item.source not in str(error) and item.target not in str(error):
            error.message = f"{item.source}: {error.message}"
        raise
    digests = digests_of_files((item.source, item.target))
    return [state_inputs(record, digests) for record in records]


def _print(
    scored: list[tuple[str, list[Record]]], summaries: list[Record], several: bool, format: RecordFormat | None
) -> None:
    chosen = format.value if format else ("table" if out.on_terminal else "jsonl")
    every = [record for _, records in scored for record in records] + (summaries if several else [])
    if chosen == "json" and len(every) == 1:
        out.json(_as_json(every[0]))
        return
    if chosen in ("json", "jsonl"):
        out.records([_as_json(record) for record in every], chosen)
        return
    rows = [{"name": name, **_joined(records)} for name, records in scored]
    if chosen != "table":  # below a table stands what was computed; these rows must say it themselves
        rows = [_stating(row, records) for row, (_, records) in zip(rows, scored, strict=True)]
    if several:
        rows += [_stating(row, summaries) if chosen != "table" else row for row in _summary_rows(summaries)]
    if chosen == "table" and not several:  # one pair reads better downwards
        rows = [{"what": key, "value": value} for key, value in rows[0].items()]
    elif chosen == "table" and len(rows) > 21:
        out.note(f"{len(scored)} pairs; the table shows the last rows (--format csv has all).")
        rows = rows[-21:]
    names = dict.fromkeys(key for row in rows for key in row if key not in _LAST)
    out.records(rows, chosen, [*names, *(() if chosen == "table" else _LAST)])
    if chosen == "table":
        for summary in summaries:
            choices = {k: v for k, v in summary["params"].items() if k != "gates"}  # a missed gate speaks for itself
            for line in _wrapped(f"{summary['metric']}: " + ", ".join(f"{k}={_plain(v)}" for k, v in choices.items())):
                out.note(line)


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
        "gt": records[0]["gt"],
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


def _summary_rows(summaries: list[Record]) -> list[Row]:
    """What stands below the pairs: each category, the mean over them, the mean over samples, and last the value where that is neither."""
    categories = list(summaries[0]["parts"].get("categories", {}))
    rows: list[Row] = [
        {"name": f"category {c}", **{s["metric"]: s["parts"]["categories"][c]["value"] for s in summaries}} for c in categories
    ]
    if categories:
        rows.append({"name": "mean over categories", **{s["metric"]: s["parts"]["mean_over_categories"] for s in summaries}})
    means: list[Record] = [{**s, "value": s["parts"]["mean_over_samples"]} for s in summaries]
    rows.append({"name": "mean over samples", **_joined(means)})
    others = {s["metric"]: s["value"] for s in summaries if s["params"]["summary"] not in ("mean over samples", "mean over categories")}
    if others:
        rows.append({"name": next(s["params"]["summary"] for s in summaries if s["metric"] in others), **others})
    return rows


def _joined(records: Sequence[Record]) -> Row:
    rows = [flat(record) for record in records]
    if len(rows) == 1:
        return rows[0]
    # Several metrics in one row: a part carries its metric's name, as in chamfer.accuracy.
    return {k if k == r["metric"] else f"{r['metric']}.{k}": v for r, row in zip(records, rows, strict=True) for k, v in row.items()}


def _plain(value: object) -> str:
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
