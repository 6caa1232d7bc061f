"""`voxcli convert`: read, turn into another kind of thing where the output asks for it, write."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from voxcli.cli import options
from voxcli.cli.batch import Item, Policy, items
from voxcli.cli.conversions import Settings, convert_thing


def convert(
    sources: options.Sources,
    output: options.Output,
    to: Annotated[str | None, typer.Option("--to", help="Extension of the outputs in a folder, such as npz.")] = None,
    becomes: Annotated[
        str | None,
        typer.Option("--as", metavar="KIND", help="fruxels, voxels, points or mesh, where the output's format could hold several."),
    ] = None,
    resolution: options.Resolution = 64,
    threshold: options.Threshold = 0.5,
    points: Annotated[int, typer.Option("--points", min=1, help="Points sampled from the surface of a mesh.")] = 10_000,
    seed: options.Seed = 0,
    kind: Annotated[str | None, typer.Option("--kind", help="What to read a file as, where its format leaves a choice (depth).")] = None,
    format: options.Format = None,
    input_format: options.InputFormat = None,
    workers: options.Workers = 1,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    keep_going: options.KeepGoing = False,
    dry_run: options.DryRun = False,
) -> None:
    """Write files in another format, and as another kind of thing where the format asks for it.

    Fruxels become voxels (resampled into their bounding box), points (cell centres) or meshes (one closed surface a class, in class
    colours); voxels become points or meshes; meshes become solid voxels or sampled points.

    Examples:
        voxcli convert scene.npz -o scene.glb
        voxcli convert car.obj -o car.ply --as points --points 2048
        voxcli convert shapes/ -o stl/ --to stl
    """
    from voxcli import files

    suffixes = [extension for known in files.known_formats() if known.reads for extension in known.extensions]
    settings = Settings(options.first(resolution, 64), options.first(threshold, 0.5), points, seed)
    policy = Policy(overwrite, skip_existing, keep_going, dry_run)
    with items(
        sources, output, suffixes=suffixes, target_suffix=_extension(output, to, format), target_suffixes=suffixes, policy=policy
    ) as todo:
        work = partial(
            convert_one, becomes=becomes, settings=settings, kind=kind, format=format, input_format=input_format, overwrite=overwrite
        )
        for _ in todo.run(work, workers):
            pass


def _extension(output: str, to: str | None, format: str | None) -> str:
    from pathlib import Path

    name = to or format
    if name:
        return f".{name.lower().lstrip('.')}"
    return "" if output == "-" else Path(output).suffix.lower()


def convert_one(
    item: Item, *, becomes: str | None, settings: Settings, kind: str | None, format: str | None, input_format: str | None, overwrite: bool
) -> None:
    """Read, convert and write one input."""
    from dataclasses import replace

    from voxcli import files
    from voxcli.files.registry import find_format

    target, _ = find_format(item.target, format)
    settings = replace(settings, seed=item.seed(settings.seed))
    thing = files.read(item.source, kind=kind, format=input_format)
    files.write(item.target, convert_thing(thing, target, becomes, settings), format=format, overwrite=overwrite)
