"""What all `voxcli metrics` commands share: pairing, the loop, the table, the summary and the gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from voxcli.cli.batch import Batch, Item
from voxcli.cli.inputs import Pairs, pairs
from voxcli.cli.options import RecordFormat
from voxcli.cli.output import out

GRIDS = (".npz", ".h5", ".binvox", ".mat")
POINTS = (".ply", ".npz", ".npy", ".xyz")
SHAPES = (*GRIDS, ".ply", ".obj", ".off", ".stl", ".glb", ".gltf", ".npy", ".xyz")


def _complete_presets(incomplete: str) -> list[str]:
    from voxcli.metrics.presets import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


def read_shape(path: str) -> Any:
    """Whatever has a surface or a solid: a grid, a mesh, points, surfels or a depth map."""
    from voxcli import files
    from voxcli.scene import DepthMap, FruxelGrid, Mesh, PointCloud, Surfels, VoxelGrid

    return files.read_as(path, (FruxelGrid, VoxelGrid, Mesh, PointCloud, Surfels, DepthMap))


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
    int | None, typer.Option("--points", min=1, help="Points drawn from each; default: clouds as they are, 100,000 from a surface.")
]
CategoryFrom = Annotated[
    str | None,
    typer.Option(
        "--category-from", metavar="RULE", help="Category of each pair: parent (its folder), or a regular expression with a group."
    ),
]
FailUnder = Annotated[float | None, typer.Option("--fail-under", help="Exit 1 if the value (the mean over samples) is below.")]
FailOver = Annotated[float | None, typer.Option("--fail-over", help="Exit 1 if the value (the mean over samples) is above.")]


Summary = Callable[[list[dict[str, Any]], dict[str, Any]], None]
"""Adds to the summary of a set what only the whole set can tell."""


def run(
    pred: str, gt: str, work: Callable[[Item], list[dict[str, Any]]], *, suffixes: Sequence[str], category_from: str | None,
    fail_under: float | None = None, fail_over: float | None = None, format: RecordFormat | None, workers: int, keep_going: bool,
    finish: Summary | None = None,
) -> None:  # fmt: skip
    """Score all pairs with `work` (its item holds the prediction as source, the ground truth as target) and print the records.

    `work` returns one record a metric. One pair prints them; several pairs print all, and last a summary of each metric, whose value is the
    mean over samples (unless `finish` changes it). Gates look at that value.
    """
    from voxcli.metrics.records import check_gate, summarise

    found: Pairs = pairs(pred, gt, suffixes=suffixes, category_from=category_from)
    category = {pair.name: pair.category or "" for pair in found.pairs}
    todo = [Item(pair.pred, pair.gt, pair.name) for pair in found.pairs]
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
    summaries = []
    for each in zip(*(records for _, records in scored), strict=True):
        summary = each[0]
        if len(todo) > 1:
            summary = summarise(each, [category[name] for name, _ in scored] if category_from else None)
        if finish is not None:
            finish(list(each), summary)
        summaries.append(summary)
    _print(scored, summaries, len(todo) > 1, format)
    if failed is not None:
        raise failed
    for summary in summaries:
        check_gate(summary["value"], fail_under=fail_under, fail_over=fail_over, name=f"{summary['metric']} {pred} {gt}")


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
    if several:
        rows.append({"name": "mean", **_joined(summaries)})
    if chosen == "table" and not several:  # one pair reads better downwards
        rows = [{"what": key, "value": value} for key, value in rows[0].items()]
    elif chosen == "table" and len(rows) > 21:
        out.note(f"{len(rows) - 1} pairs; the table shows the last 20 and the mean (--format csv has all).")
        rows = rows[-21:]
    out.records(rows, chosen)
    if chosen == "table":
        for summary in summaries:
            out.note(f"{summary['metric']}: " + ", ".join(f"{k}={_plain(v)}" for k, v in summary["params"].items()))


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
