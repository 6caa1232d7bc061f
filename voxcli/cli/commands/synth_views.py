"""`voxcli synth views`: a user's meshes become a data set."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.batch import Item, ItemsFailed
from voxcli.cli.framework.data_folders import DataFolder, check_data_folder, fill_from_files, names_of
from voxcli.cli.framework.inputs import STDIN, expand
from voxcli.cli.framework.output import out
from voxcli.cli.framework.plans import ReadOptions, besides
from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.datasets.synthetic.objects.from_meshes import MeshViews
    from voxcli.datasets.synthetic.objects.meshes import MeshPlace


def views(
    sources: Annotated[
        list[str], typer.Argument(metavar="MESHES", show_default=False, help="Folders, files, quoted globs or @list.txt of meshes.")
    ],
    output: DataFolder,
    layout: Annotated[
        Literal["r2n2", "disn", "jof", "street"],
        typer.Option("--layout", help="3D-R2N2: 137 pixels; DISN: 224, depth; JOF: .mat; street: fruxels of 128 cells a side."),
    ] = "r2n2",
    views: Annotated[int | None, typer.Option("--views", min=1, max=100, help="Pictures; default 24, disn: 36 easy and 36 hard.")] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=16, max=1024, help="Pixels of a side; street: of the grid, too.", show_default=False)
    ] = None,
    objects: Annotated[int, typer.Option("--objects", min=1, max=8, help="street: objects in each picture, others of the same split.")] = 1,
    cells: Annotated[int, typer.Option("--cells", min=8, max=256, help="Cells of a side of r2n2's solid voxels.")] = 32,
    cameras: Annotated[
        str | None,
        typer.Option("--cameras", metavar="ROOT", help="Draw the views that the metadata of 3D-R2N2's or DISN's own data state."),
    ] = None,
    backgrounds: Annotated[
        Literal["plain", "photo"], typer.Option("--backgrounds", help="plain: none; photo: as photographed, as in `synth objects`.")
    ] = "plain",
    categories: Annotated[
        str | None, typer.Option("--categories", metavar="A,B", help="Which of them, by name or folder; default: all.")
    ] = None,
    taxonomy: Annotated[
        str | None,
        typer.Option("--taxonomy", metavar="FILE", help="Names and splits as Pix2Vox's ShapeNet.json states them; others are left out."),
    ] = None,
    up: Annotated[Literal["y", "z"], typer.Option("--up", help="Axis of the meshes that points up.")] = "y",
    front: Annotated[
        Literal["x", "-x", "z", "-z"] | None,
        typer.Option("--front", help="Axis, +y up, that their fronts point along; default x, of ShapeNet v2 -z.", show_default=False),
    ] = None,
    seed: options.Seed = 0,
    workers: options.Workers = 1,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    keep_going: options.KeepGoing = False,
    dry_run: options.DryRun = False,
) -> None:
    """Make a data set of your own meshes: pictures with alpha, cameras, volumes, surface points, splits.

    A tree of ShapeNet v1 (SYNSET/ID/model.obj) or v2 (SYNSET/ID/models/model_normalized.obj) is recognised. Other folders are CLASS/NAME;
    meshes in no folder are one class, named after the folder that holds them. Objects are placed as ShapeNet v1 has them (+y up, front +x,
    box diagonal 1); what is so already keeps its coordinates.

    The cameras of r2n2, jof and disn are those of the published renderings, and their metadata files say so. --cameras ROOT draws exactly
    the views that ROOT states of the same SYNSET/ID, --taxonomy takes published splits. street is for models of fruxels: train/, val/ and
    test/, each like a folder of `synth street`, in the frustum that SSZ has for ShapeNet (3 to 10 m, 60 degrees); with --objects 3, each
    picture shows the object and two others, smaller, at random places on one ground. Beside r2n2, disn and street, objects/ holds mesh,
    points and coloured voxels as `synth objects` writes them.

    The views of an object depend on the seed, its SYNSET/ID and their number, its truth not on them. An interrupted data set goes on where
    it stopped. Whole objects stay, with and without --skip-existing, unless their meshes have changed; --overwrite removes the data set
    that is there.

    Examples:
        voxcli synth views shapes/ -o data/ --views 2
        voxcli synth views shapes/ -o disn/ --layout disn --views 1 --front z --workers 2
        voxcli synth views shapes/ -o fruxels/ --layout street --views 1 --size 32
    """
    from voxcli.files.registry import searched_extensions

    check_data_folder(output, overwrite, skip_existing)
    found, _ = expand(sources, lambda: searched_extensions("mesh"), leave_out=output)
    if any(each.path == STDIN for each in found):
        raise UsageError("Meshes of a data set have names: - has none.", hint="Name files or folders.")
    if cameras is not None and not os.path.isdir(cameras):
        raise UsageError(f"There is no folder '{cameras}' of --cameras.", expected="the folder of 3D-R2N2's or DISN's data")
    from voxcli.datasets.synthetic.objects.company import with_company
    from voxcli.datasets.synthetic.objects.from_meshes import STREET, ViewsConfig, ViewsGenerator
    from voxcli.datasets.synthetic.objects.meshes import find_places

    kept = names_of(categories) if categories is not None else None
    twins: list[UsageError] | None = [] if keep_going else None
    places = find_places([(each.path, each.name) for each in found], kept, front, taxonomy, twins)
    classes = tuple(sorted({place.category for place in places})) if layout == STREET else ()
    config = ViewsConfig(layout, views, size, cells, backgrounds, up, front, cameras, classes, objects)
    if objects > 1:
        places = with_company(places, objects, seed)
    generator = ViewsGenerator(places, seed, config)
    items = [MeshItem(place.file, output, f"{place.synset}/{place.name}", place=place) for place in places]
    for error in twins or ():
        out.error(str(error))
    plan = ReadOptions(besides=besides(folder=cameras, taxonomy=taxonomy)) if dry_run else None
    work = partial(_make, generator.maker)
    fill_from_files(output, generator, items, work, workers=workers, overwrite=overwrite, keep_going=keep_going, plan=plan)
    if twins:
        raise ItemsFailed(f"{len(twins)} of {len(items) + len(twins)} items failed.")


@dataclass(frozen=True)
class MeshItem(Item):
    """A mesh with its place in the data set."""

    place: MeshPlace | None = None


def _make(maker: MeshViews, item: Item) -> list[str]:
    """What the mesh's file is warned of: one command may meet the same in thousands."""
    assert isinstance(item, MeshItem) and item.place is not None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        maker.write(Path(item.target), item.place)
    return list(dict.fromkeys(str(each.message) for each in caught if issubclass(each.category, UserWarning)))
