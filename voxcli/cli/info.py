"""`voxcli info`: facts about files, as JSON."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import typer

from voxcli.cli import options
from voxcli.cli.output import out


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

    One file gives one JSON object, several give a list (or one line each with --format jsonl).

    Examples:
        voxcli info scene.npz
        voxcli info car.obj scene.npz --format jsonl
        voxcli info - --input-format npz < scene.npz
    """
    from voxcli import files
    from voxcli.cli.batch import Batch, Item
    from voxcli.cli.facts import facts
    from voxcli.cli.inputs import expand

    suffixes = [extension for known in files.known_formats() if known.reads for extension in known.extensions]
    found, several = expand(sources, suffixes)
    rows: list[dict[str, Any]] = []
    try:
        with Batch([Item(each.path, "", each.name) for each in found], keep_going=keep_going, label="reading") as todo:
            for item, thing in todo.run(lambda item: files.read(item.source, kind=kind, format=input_format)):
                rows.append({"file": item.source, **facts(thing)})
    finally:
        if format is InfoFormat.jsonl:
            out.records(rows, "jsonl")
        elif several or rows:
            out.json(rows if several else rows[0])
