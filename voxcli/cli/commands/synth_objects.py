"""`voxcli synth objects`: procedural objects with pictures, volumes, parts and albedo."""

from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import Annotated

import typer

from voxcli.atomic import check_writable
from voxcli.cli.framework import options
from voxcli.cli.framework.output import counted, out
from voxcli.errors import UsageError


class Layout(str, enum.Enum):
    """Whose folders and cameras."""

    r2n2 = "r2n2"
    disn = "disn"


def objects(
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="Folder of the data set; an unfinished one is completed.")],
    count: Annotated[int, typer.Option("--count", min=1, help="Objects.")] = 100,
    seed: options.Seed = 0,
    assets: Annotated[
        str | None,
        typer.Option("--assets", metavar="DIR", help="One folder a category with meshes, +y up, front along +z; a third are theirs."),
    ] = None,
    views: Annotated[int | None, typer.Option("--views", min=1, max=100, help="Pictures; default 24, disn: 36 easy and 36 hard.")] = None,
    categories: Annotated[
        str | None, typer.Option("--categories", metavar="A,B", help="Which categories take turns; default: all.")
    ] = None,
    layout: Annotated[Layout, typer.Option("--layout", help="3D-R2N2: 137 pixels, binvox; DISN: 224 pixels, depth, points.")] = Layout.r2n2,
    workers: options.Workers = 1,
) -> None:
    """Make objects: airplane, bench, cabinet, car, chair, couch, lamp, table, with all that is known of them.

    Pictures with alpha and their cameras, solid voxels, a mesh by named parts, surface points with normals, albedo and part labels, and
    coloured 64^3 voxels. Object k of a category depends on the seed and k alone; an interrupted data set goes on where it stopped.

    Examples:
        voxcli synth objects -o objects/ --count 2 --views 2
        voxcli synth objects -o chairs/ --count 1 --views 1 --categories chair --layout disn
    """
    from voxcli.datasets.synthetic.objects.dataset import ObjectsConfig, write_dataset

    if output == "-" or (os.path.exists(output) and not os.path.isdir(output)):
        raise UsageError(f"{output} is no folder.", expected="-o DIR, a folder that is new or holds the same data set")
    check_writable([Path(output) / "meta.json"])
    given: dict = {} if categories is None else {"categories": tuple(name.strip() for name in categories.split(",") if name.strip())}
    config = ObjectsConfig(views=views or (24 if layout is Layout.r2n2 else 36), layout=layout.value, **given)
    with out.progress(count, "objects") as bar:
        seen = 0

        def show(done: int, total: int) -> None:
            nonlocal seen
            bar.advance(done - seen)
            seen = done

        made = write_dataset(output, count, seed, config, assets, workers, show)
    there = count - made
    out.note(f"{counted(made, 'object')} made, {there} {'was' if there == 1 else 'were'} there: {output}")
