"""What all `voxcli metrics` commands share: pairing, the loop, the table, the summary and the gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from voxcli.cli.batch import Batch, Item
from voxcli.cli.inputs import Pairs, pairs
from voxcli.cli.options import RecordFormat
from voxcli.cli.output import out

Pred = Annotated[str, typer.Argument(metavar="PRED", show_default=False, help="Prediction: a file, a folder, a quoted glob or @list.")]
Gt = Annotated[
    str, typer.Argument(metavar="GT", show_default=False, help="Ground truth: a file, or a folder with the same relative paths.")
]
CategoryFrom = Annotated[
    str | None,
    typer.Option(
        "--category-from", metavar="RULE", help="Category of each pair: parent (its folder), or a regular expression with a group."
    ),
]
FailUnder = Annotated[float | None, typer.Option("--fail-under", help="Exit 1 if the value (the mean over samples) is below.")]
FailOver = Annotated[float | None, typer.Option("--fail-over", help="Exit 1 if the value (the mean over samples) is above.")]


def run(
    metric: str, pred: str, gt: str, work: Callable[[Item], Mapping[str, Any]], *, suffixes: Sequence[str], category_from: str | None,
    fail_under: float | None = None, fail_over: float | None = None, format: RecordFormat | None, workers: int, keep_going: bool,
) -> None:  # fmt: skip
    """Score all pairs with `work` (its item holds the prediction as source, the ground truth as target) and print the records.

    One pair gives one record; several give a record each and a summary as the last one. Gates look at the mean over samples.
    """
    from voxcli.metrics.records import check_gate, summarise

    found: Pairs = pairs(pred, gt, suffixes=suffixes, category_from=category_from)
    category = {pair.name: pair.category for pair in found.pairs}
    todo = [Item(pair.pred, pair.gt, pair.name) for pair in found.pairs]
    records: list[dict[str, Any]] = []
    names: list[str] = []
    failed: Exception | None = None
    try:
        with Batch(todo, keep_going=keep_going, label="scoring") as batch:
            for item, record in batch.run(work, workers):
                records.append(dict(record))
                names.append(item.name)
    except Exception as error:
        if not (keep_going and records):
            raise
        failed = error  # what was scored is still printed
    kinds = [category[name] or "" for name in names] if category_from else None
    summary = summarise(records, kinds) if len(todo) > 1 else records[0]
    _print(records, summary, names, format)
    if failed is not None:
        raise failed
    check_gate(summary["value"], fail_under=fail_under, fail_over=fail_over, name=f"{metric} {pred} {gt}")


def _print(records: list[dict[str, Any]], summary: dict[str, Any], names: list[str], format: RecordFormat | None) -> None:
    chosen = format.value if format else ("table" if out.on_terminal else "jsonl")
    every = records if len(records) == 1 and summary is records[0] else [*records, summary]
    if chosen == "json" and len(every) == 1:
        out.json(every[0])
        return
    if chosen in ("json", "jsonl"):
        out.records(every, chosen)
        return
    rows = [{"name": name, **flat(record)} for name, record in zip([*names, "mean"], every, strict=False)]
    if chosen == "table" and len(records) == 1:  # one pair reads better downwards
        rows = [{"what": key, "value": value} for key, value in rows[0].items()]
    elif chosen == "table" and len(rows) > 21:
        out.note(f"{len(rows) - 1} pairs; the table shows the last 20 and the mean (--format csv has all).")
        rows = rows[-21:]
    out.records(rows, chosen)
    if chosen == "table":
        out.note("params: " + ", ".join(f"{k}={v}" for k, v in summary["params"].items()))


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record's numbers in one row: the value, then each part by its dotted name (counts left out; a summary's means of parts)."""
    row: dict[str, Any] = {record["metric"]: record["value"]}
    parts = record["parts"].get("mean_parts", record["parts"])

    def walk(tree: Mapping[str, Any], prefix: str) -> None:
        for key, value in tree.items():
            if isinstance(value, Mapping):
                if key != "counts":
                    walk(value, f"{prefix}{key}." if key not in ("classes", "thresholds") else prefix)
            elif value is None or isinstance(value, (int, float, str)):
                row[f"{prefix}{key}"] = value

    walk(parts, "")
    return row
