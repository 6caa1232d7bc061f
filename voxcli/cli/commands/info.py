"""`voxcli info`: facts about files, as JSON."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.output import out
from voxcli.cli.framework.plans import ReadOptions, names_weights, weights_path

if TYPE_CHECKING:
    from voxcli.provenance import Json


def info(
    sources: options.Sources,
    format: Annotated[Literal["json", "jsonl"], typer.Option("--format", help="json: one document; jsonl: one line a file.")] = "json",
    kind: options.Kind = None,
    input_format: options.InputFormat = None,
    ids: options.Ids = None,
    keep_going: options.KeepGoing = False,
    dry_run: options.DryRun = False,
) -> None:
    """Facts about files: kind, shape, class counts, frustum, camera, bounding box, provenance.

    One file gives one JSON object, several give a list (or one line each with --format jsonl). A folder of `voxcli synth` or of nuScenes
    counts as one: its number of samples and how it was made, or its version, channels, key frames and boxes by category. So does the
    folder of a training (its steps and best validation) and of an evaluation. Weights (also shipped ones by their names), checkpoints,
    metric records (.jsonl, .json, .csv, .tsv), tables, pages and plots, logs, instances (.json), questions (.h5), .vox and .gif have facts,
    too.

    Examples:
        voxcli info scene.npz
        voxcli info car.obj scene.npz --format jsonl
        voxcli info - --input-format npz < scene.npz
    """
    from voxcli import files
    from voxcli.cli.framework.batch import Batch, Item
    from voxcli.cli.framework.inputs import expand
    from voxcli.datasets.facts import data_set_facts, is_data_set
    from voxcli.files.access import check_readable
    from voxcli.files.registry import searched_extensions
    from voxcli.ops.facts import facts
    from voxcli.ops.records_facts import RECORD_FORMATS, finder, weights_facts

    data_sets = [source for source in sources if is_data_set(source) or (os.path.isdir(source) and finder(source))]
    named = [source for source in sources if names_weights(source)]
    others = [source for source in sources if source not in data_sets and source not in named]
    inputs, several = expand(others, partial(searched_extensions, name=input_format), None, keep_going) if others else ([], False)
    several = several or len(sources) > 1
    items = [Item(source, "", source) for source in data_sets]
    items += [Item(weights_path(source) if dry_run else source, "", source) for source in named]
    items += [Item(each.path, "", each.name) for each in inputs]
    if dry_run:
        for each in inputs if not keep_going else ():
            ours = input_format in RECORD_FORMATS if each.path == "-" else not input_format and finder(each.path)
            if kind or not ours:
                check_readable(each.path, kind=kind, format=input_format)
        with Batch(items, keep_going=keep_going, plan=ReadOptions(input_format, kind, others=True)):
            return
    rows: list[dict[str, Json]] = []

    def facts_of(item: Item) -> dict[str, Json]:
        if item.source in named:
            return weights_facts(item.source)
        own = None if kind or (input_format and item.source != "-") else finder(item.source, input_format)
        if own is not None:
            return own(item.source)
        if item.source in data_sets:
            return data_set_facts(item.source)
        return facts(files.read(item.source, kind=kind, format=input_format, ids=ids))

    try:
        with Batch(items, keep_going=keep_going, label="reading") as todo:
            for item, found in todo.run(facts_of):
                rows.append({"file": item.source, **found})
    finally:
        if format == "jsonl":
            out.records(rows, "jsonl")
        elif several or rows:
            out.json(rows if several else rows[0])
