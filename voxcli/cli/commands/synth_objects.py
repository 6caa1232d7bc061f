"""`voxcli synth objects`: procedural objects with pictures, volumes, parts and albedo."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.data_folders import DataFolder, check_data_folder, fill_data_folder, names_of
from voxcli.cli.framework.plans import ReadOptions, besides
from voxcli.errors import UsageError


class Layout(str, enum.Enum):
    """Whose folders and cameras."""

    r2n2 = "r2n2"
    disn = "disn"


class Backgrounds(str, enum.Enum):
    """What stands behind the objects."""

    plain = "plain"
    photo = "photo"


def objects(
    output: DataFolder,
    count: Annotated[int, typer.Option("--count", min=1, help="Objects.")] = 100,
    seed: options.Seed = 0,
    assets: Annotated[
        str | None,
        typer.Option("--assets", metavar="DIR", help="One folder a category with meshes, +y up, front along +z; a third are theirs."),
    ] = None,
    only_assets: Annotated[bool, typer.Option("--only-assets", help="All objects from --assets, of the categories that it has.")] = False,
    backgrounds: Annotated[
        Backgrounds, typer.Option("--backgrounds", help="plain: none; photo: as photographed, 224 pixels, with the object's mask as alpha.")
    ] = Backgrounds.plain,
    views: Annotated[int | None, typer.Option("--views", min=1, max=100, help="Pictures; default 24, disn: 36 easy and 36 hard.")] = None,
    categories: Annotated[
        str | None, typer.Option("--categories", metavar="A,B", help="Which categories take turns; default: all.")
    ] = None,
    stretch: Annotated[
        float, typer.Option("--stretch", min=1.0, max=4.0, help="Scale each axis of an object by a factor from 1/STRETCH to STRETCH.")
    ] = 1.0,
    layout: Annotated[Layout, typer.Option("--layout", help="3D-R2N2: 137 pixels, binvox; DISN: 224 pixels, depth, points.")] = Layout.r2n2,
    workers: options.Workers = 1,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    dry_run: options.DryRun = False,
) -> None:
    """Make objects: airplane, bench, cabinet, car, chair, couch, lamp, table, with all that is known of them.

    Pictures with alpha and their cameras, solid voxels, a mesh by named parts, surface points with normals, albedo and part labels, and
    coloured 64^3 voxels. Object k of a category depends on the seed and k alone. An interrupted data set goes on where it
    stopped: whole samples of the same options stay, with and without --skip-existing. --overwrite removes the data set that is there, of
    whatever options.

    --backgrounds photo takes the pictures as photographs: rooms, streets' grounds, studios and busy patterns, other things behind and
    beside, a shadow on the floor, lenses from wide to long, any height, exposure, white balance, noise, blur, JPEG. A picture's colours are
    then those of the whole photograph, and its alpha is the object's mask: what reads alpha sees the object cut out.

    --stretch 2 makes each axis up to twice as long or short. A network that is trained on such objects, too, knows categories better that
    it has not seen.

    Examples:
        voxcli synth objects -o objects/ --count 2 --views 2
        voxcli synth objects -o chairs/ --count 1 --views 1 --categories chair --layout disn
        voxcli synth objects -o photos/ --count 2 --views 2 --backgrounds photo
    """
    from voxcli.datasets.synthetic.objects.dataset import ASSET_SHARE, ObjectsConfig, ObjectsGenerator

    check_data_folder(output, overwrite, skip_existing)
    if only_assets and assets is None:
        raise UsageError("--only-assets needs --assets DIR.", hint="One folder a category: chair/armchair.glb.")
    chosen = ObjectsConfig().categories if categories is None else names_of(categories)
    share = 1.0 if only_assets else ASSET_SHARE
    config = ObjectsConfig(chosen, views or (24 if layout is Layout.r2n2 else 36), layout.value, backgrounds.value, share, stretch)
    plan = ReadOptions(besides=besides(folder=assets)) if dry_run else None
    fill_data_folder(output, count, ObjectsGenerator(seed, config, assets), workers, overwrite, plan)
