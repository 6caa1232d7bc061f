"""What all `voxcli metrics` commands share: pairing, the loop, the table, the summary and the gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import typer

from voxcli.cli.framework import cautions, gates
from voxcli.cli.framework.batch import Batch, Item
from voxcli.cli.framework.inputs import Pairs, pairs
from voxcli.cli.framework.options import RecordFormat
from voxcli.cli.framework.output import out

GRIDS = (".npz", ".h5", ".binvox", ".mat", ".label")
POINTS = (".ply", ".npz", ".npy", ".xyz")
SHAPES = (*GRIDS, ".ply", ".obj", ".off", ".stl", ".glb", ".gltf", ".npy", ".xyz")


def _complete_presets(incomplete: str) -> list[str]:
    from voxcli.metrics.presets import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


def check_positive(flag: str, value: float | None) -> None:
    """Raise UsageError for a flag that was given and is not above 0."""
    from voxcli.errors import UsageError

    if value is not None and not value > 0:
        raise UsageError(f"{flag} must be positive.", actual=f"{value:g}")


def format_for(path: str, item: Item, input_format: str | None) -> str | None:
    """What --input-format says of one of a pair's files: - alone where one of the two is -, else both."""
    return input_format if path == "-" or "-" not in (item.source, item.target) else None


Pred = Annotated[str, typer.Argument(metavar="PRED", show_default=False, help="Prediction: a file, a folder, a quoted glob or @list.")]
Gt = Annotated[
    str, typer.Argument(metavar="GT", show_default=False, help="Ground truth: a file, or a folder with the same relative paths.")
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="A paper's protocol by name: `voxcli metrics presets` lists them.",
        autocompletion=_complete_presets,
    ),
]
Points = Annotated[
    int | None, typer.Option("--points", min=1, max=10**8, help="Points drawn from each; default: clouds as they are, 100,000 from a mesh.")
]
CategoryFrom = Annotated[
    str | None,
    typer.Option(
        "--category-from", metavar="RULE", help="Category of each pair: parent (its folder), or a regular expression with a group."
    ),
]
InputFormat = Annotated[
    str | None, typer.Option("--input-format", metavar="FORMAT", help="Format of -, which needs it; without a -, of both inputs.")
]
_LIMIT = "[NAME=]NUMBER"
FailUnder = Annotated[
    list[str] | None,
    typer.Option("--fail-under", metavar=_LIMIT, help="Exit 1 if the value (of a set: its summary's), or the part NAME, is below."),
]
FailOver = Annotated[
    list[str] | None,
    typer.Option("--fail-over", metavar=_LIMIT, help="Exit 1 if the value (of a set: its summary's), or the part NAME, is above."),
]


def run(
    pred: str, gt: str, work: Callable[[Item], list[dict[str, Any]]], *, metrics: Sequence[str], suffixes: Sequence[str],
    category_from: str | None, fail_under: Sequence[str] | None, fail_over: Sequence[str] | None, format: RecordFormat | None,
    workers: int, keep_going: bool, rules: Sequence[str] = (), input_format: str | None = None,
) -> None:  # fmt: skip
    """Score all pairs with `work` (its item holds the prediction as source, the ground truth as target) and print the records.

    `work` returns one record for each of `metrics`. One pair prints them; several pairs print all, and last a summary of each metric. Its
    value is the mean over samples, or what the metric's rule in `rules` (see metrics/summaries.py) makes of the set. Gates look at that
    value, or at a part by its name in the table; what they saw stands in the record that they looked at, under `params.gates`.
    `input_format` is for folders, in which files of that format are looked for; `work` knows it already.
    """
    from voxcli.errors import UsageError
    from voxcli.metrics.summaries import BEST_THRESHOLD, CATEGORIES, SAMPLES, summarise_by

    if input_format is not None:
        from voxcli.files.registry import searched_extensions

        suffixes = searched_extensions(input_format)
    limits = gates.parse(fail_under, fail_over, metrics)
    found: Pairs = pairs(pred, gt, suffixes=suffixes, category_from=category_from)
    category = {pair.name: pair.category or "" for pair in found.pairs}
    todo = [Item(pair.pred, pair.gt, pair.name) for pair in found.pairs]
    several = len(todo) > 1
    if several and CATEGORIES in rules and not category_from:
        raise UsageError("This preset's value is a mean over categories.", hint="Add --category-from parent, or a regular expression.")
    if several:
        work = partial(_named, work=work)
    scored: list[tuple[str, list[dict[str, Any]]]] = []
    failed: Exception | None = None
    try:
        with Batch(todo, keep_going=keep_going, label="scoring") as batch:
            for item, records in batch.run(work, workers):
                scored.append((item.name, records))
    except Exception as error:
        if not (keep_going and scored):
            raise
        failed = error  # what was scored is still printed
    unmatched = {"pred": found.only_pred, "gt": found.only_gt}
    summaries = []
    for k, each in enumerate(zip(*(records for _, records in scored), strict=True)):
        rule = rules[k] if rules else SAMPLES
        if several:
            summary = summarise_by(rule, each, [category[name] for name, _ in scored] if category_from else None)
            summary["parts"]["unmatched"] = unmatched
        else:
            summary = each[0]
            if any(unmatched.values()):  # two folders with one pair
                summary["parts"]["unmatched"] = unmatched
            if rule == BEST_THRESHOLD:
                best = summarise_by(rule, each)
                summary["value"], summary["params"]["value_at"] = best["value"], best["params"]["value_at"]
        summaries.append(summary)
    missed = gates.judge(limits, summaries, _joined(summaries)) if limits and summaries else []
    cautions.warn(scored)
    _print(scored, summaries, several, format)
    if failed is not None:
        raise failed
    gates.check(missed, pred, gt)


def _named(item: Item, *, work: Callable[[Item], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Of many pairs, an error says whose it is."""
    from voxcli.errors import VoxcliError

    try:
        return work(item)
    except VoxcliError as error:
        if item.source not in str(error) and item.target not in str(error):
            error.message = f"{item.source}: {error.message}"
        raise


def _print(
    scored: list[tuple[str, list[dict[str, Any]]]], summaries: list[dict[str, Any]], several: bool, format: RecordFormat | None
) -> None:
    chosen = format.value if format else ("table" if out.on_terminal else "jsonl")
    every = [record for _, records in scored for record in records] + (summaries if several else [])
    if chosen == "json" and len(every) == 1:
        out.json(every[0])
        return
    if chosen in ("json", "jsonl"):
        out.records(every, chosen)
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
    out.records(rows, chosen)
    if chosen == "table":
        for summary in summaries:
            choices = {k: v for k, v in summary["params"].items() if k != "gates"}  # a missed gate speaks for itself
            out.note(_wrapped(f"{summary['metric']}: " + ", ".join(f"{k}={_plain(v)}" for k, v in choices.items())))


def _stating(row: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A row of csv or tsv with what its numbers are: metric, preset and both paths behind the name, all params as JSON at the end.

    Of several metrics in one row, each has its params under its name.
    """
    import json

    params = {r["metric"]: {k: v for k, v in r["params"].items() if k not in ("gates", "summary")} for r in records}
    stated = next(iter(params.values())) if len(params) == 1 else params
    what = {
        "name": row["name"], "metric": " ".join(params), "preset": records[0]["params"].get("preset"), "pred": records[0]["pred"],
        "gt": records[0]["gt"],
    }  # fmt: skip
    compact = json.dumps(stated, ensure_ascii=False, separators=(",", ":"))
    return {**what, **{k: v for k, v in row.items() if k != "name"}, "params": compact}


def _wrapped(text: str) -> str:
    """Text in lines no longer than the terminal, broken between words."""
    import shutil
    import textwrap

    width = max(shutil.get_terminal_size().columns, 40)
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _summary_rows(summaries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What stands below the pairs: each category, the mean over them, the mean over samples, and last the value where that is neither."""
    categories = list(summaries[0]["parts"].get("categories", {}))
    rows = [{"name": f"category {c}", **{s["metric"]: s["parts"]["categories"][c]["value"] for s in summaries}} for c in categories]
    if categories:
        rows.append({"name": "mean over categories", **{s["metric"]: s["parts"]["mean_over_categories"] for s in summaries}})
    means = [{**s, "value": s["parts"]["mean_over_samples"]} for s in summaries]
    rows.append({"name": "mean over samples", **_joined(means)})
    others = {s["metric"]: s["value"] for s in summaries if s["params"]["summary"] not in ("mean over samples", "mean over categories")}
    if others:
        rows.append({"name": next(s["params"]["summary"] for s in summaries if s["metric"] in others), **others})
    return rows


def _joined(records: list[dict[str, Any]]) -> dict[str, Any]:
    rows = [flat(record) for record in records]
    if len(rows) == 1:
        return rows[0]
    # Several metrics in one row: a part carries its metric's name, as in chamfer.accuracy.
    return {k if k == r["metric"] else f"{r['metric']}.{k}": v for r, row in zip(records, rows, strict=True) for k, v in row.items()}


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


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
