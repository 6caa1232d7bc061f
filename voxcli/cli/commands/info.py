"""`voxcli info`: facts about files, as JSON."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.output import out


class InfoFormat(str, enum.Enum):
    """How the facts are written."""

    json = "json"
    jsonl = "jsonl"


def info(
    sources: options.Sources,
    format: Annotated[InfoFormat, typer.Option("--format", help="json: one document; jsonl: one line a file.")] = InfoFormat.json,
    kind: Annotated[str | None, typer.Option("--kind", help="What to read a file as, where its format leaves a choice (depth).")] = None,
    input_format: options.InputFormat = None,
    keep_going: options.KeepGoing = False,
) -> None:
    """Facts about files: kind, shape, class counts, frustum, camera, bounding box, provenance.

    One file gives one JSON object, several give a list (or one line each with --format jsonl). A nuScenes folder counts as one: its
    version, channels, key frames and boxes by category.

    Examples:
        voxcli info scene.npz
        voxcli info car.obj scene.npz --format jsonl
        voxcli info - --input-format npz < scene.npz
    """
    from voxcli import files
    from voxcli.cli.commands.data_sets import data_set_facts, is_data_set
    from voxcli.cli.framework.batch import Batch, Item
    from voxcli.cli.framework.inputs import expand
    from voxcli.files.registry import searched_extensions
    from voxcli.ops.facts import facts

    suffixes = searched_extensions(input_format)
    whole = [source for source in sources if is_data_set(source)]
    others = [source for source in sources if source not in whole]
    found, several = expand(others, suffixes) if others else ([], False)
    several = several or len(sources) > 1
    items = [Item(source, "", source) for source in whole] + [Item(each.path, "", each.name) for each in found]
    rows: list[dict[str, Any]] = []

    def tell(item: Item) -> dict[str, Any]:
        if item.source in whole:
            return data_set_facts(item.source)
        return facts(files.read(item.source, kind=kind, format=input_format))

    try:
        with Batch(items, keep_going=keep_going, label="reading") as todo:
            for item, told in todo.run(tell):
                rows.append({"file": item.source, **told})
    finally:
        if format is InfoFormat.jsonl:
            out.records(rows, "jsonl")
        elif several or rows:
            out.json(rows if several else rows[0])
