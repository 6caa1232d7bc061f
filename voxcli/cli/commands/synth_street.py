"""`voxcli synth street`: street scenes with exact ground truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.data_folders import DataFolder, check_data_folder, fill_data_folder
from voxcli.cli.framework.plans import ReadOptions, besides
from voxcli.cli.framework.realism import Realism, check_realism, redraw
from voxcli.cli.framework.sharding import Shard
from voxcli.errors import UsageError
from voxcli.ops.limits import check_cells

SMALLEST_FAR = 8
"""Columns a side of the smallest far street. The blur of its camera needs that many."""


def street(
    output: DataFolder,
    count: Annotated[int, typer.Option("--count", min=1, help="Scenes.")] = 100,
    seed: options.Seed = 0,
    assets: Annotated[
        str | None, typer.Option("--assets", metavar="DIR", help="One folder a class with GLB models in metres, +y up, front along +z.")
    ] = None,
    preset: Annotated[
        Literal["semantic-voxels", "far"],
        typer.Option(
            "--preset", help="Frustum and scenes: semantic-voxels {2, 12, 128 128 128, 40 deg} or far {2, 50, 128 96 96, 70 deg}."
        ),
    ] = "semantic-voxels",
    size: options.GridSize = None,
    depth: options.GridDepth = None,
    picture_scale: Annotated[
        int, typer.Option("--picture-scale", min=1, max=8, help="Pixels of the images for each column of fruxels, along width and height.")
    ] = 1,
    look: Annotated[
        Literal["clean", "photo"] | None,
        typer.Option("--look", help="Pictures: clean renderings, or as photographed (weather, wear, a camera's faults)."),
    ] = None,
    fov_jitter: Annotated[
        float, typer.Option("--fov-jitter", min=0, max=20, help="Degrees by which fields of view vary; 0 keeps to the preset's frustum.")
    ] = 0.0,
    trajectory: Annotated[
        int, typer.Option("--trajectory", min=1, max=1000, help="Frames of each scene, 25 cm apart; 1: scenes of one picture.")
    ] = 1,
    realism: Annotated[
        Realism | None, typer.Option("--realism", help="edges2image: redraw the pictures from their edges; needs --realism-weights.")
    ] = None,
    realism_weights: Annotated[
        str | None, typer.Option("--realism-weights", metavar="FILE", help="Weights of `voxcli train -m edges2image`; none are shipped.")
    ] = None,
    shard: Shard = None,
    workers: options.Workers = 1,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    dry_run: options.DryRun = False,
) -> None:
    """Make street scenes: colour images with labelled fruxels, depth, instance masks, cameras and 6-DoF poses.

    The nine classes of SemanticVoxels, by default in its frustum (2 to 12 m, 40 degrees). --preset far makes what people photograph: whole
    streets from 2 to 50 m, 70 degrees wide. --picture-scale 2 makes images, depth and instances of twice the grid's width and height, of
    the same scenes with the same labels. --look photo draws them as photographed: sun, cloud, dusk, wet roads, worn surfaces, trees that
    one sees through, lens, exposure, noise; far has it by default, semantic-voxels is clean by default. Scene k depends on the seed, the
    preset and k alone, whatever the number of workers. An interrupted data set goes on where it stopped: whole samples of the same options
    stay, with and without --skip-existing. --overwrite removes the data set that is there, of whatever options.

    --trajectory N makes scenes of N frames, whose camera goes along the street: a folder each in train/, val/ and test/. `train --data
    DIR/train` takes them, and `convert --to nuscenes` makes sequences of them.

    --realism edges2image replaces each picture by what a network that you trained on photographs draws from its edges, and keeps the
    rendering in rendered/. It redraws textures, not shapes: edges that Canny's operator misses are lost, labels are not adapted, and it is
    only as realistic as its training.

    Examples:
        voxcli synth street -o street/ --count 2 --size 32 32 --depth 32
        voxcli synth street -o far/ --preset far --picture-scale 2 --count 2
        voxcli synth street -o more/ --look photo --count 2 --seed 7 --workers 2 --size 32 32 --depth 32
    """
    from voxcli.datasets.synthetic.street.config import StreetConfig
    from voxcli.datasets.synthetic.street.dataset import StreetGenerator
    from voxcli.scene import FRUSTUM_PRESETS

    check_data_folder(output, overwrite, skip_existing)
    config = StreetConfig(FRUSTUM_PRESETS[preset], fov_jitter_deg=fov_jitter, preset=preset, picture_scale=picture_scale,
                          look=look or "", trajectory=trajectory)  # fmt: skip
    width, height = size or (config.frustum.width, config.frustum.height)
    config = replace(config, frustum=replace(config.frustum, width=width, height=height, depth=depth or config.frustum.depth))
    if preset == "far" and min(width, height) < SMALLEST_FAR:
        raise UsageError("A far street does not fit into so few columns.", expected=f"--size of at least {SMALLEST_FAR} {SMALLEST_FAR}",
                         actual=f"{width} {height}")  # fmt: skip
    check_cells(*config.frustum.shape)
    check_cells(config.frustum.height * picture_scale, config.frustum.width * picture_scale)
    if shard is not None and (trajectory > 1 or realism is not None):
        raise UsageError("--shard packs scenes of one picture.", hint="Leave out --trajectory and --realism, or --shard.")
    if trajectory > 1 and realism is not None:
        raise UsageError("--realism redraws each picture by itself: frames would flicker.", hint="Leave out --trajectory or --realism.")
    check_realism(output, realism, realism_weights, overwrite)
    plan = ReadOptions(besides=besides(folder=assets, weights=realism_weights)) if dry_run else None
    fill_data_folder(output, count, StreetGenerator(seed, config, assets), workers, overwrite, plan, shard)
    if realism is not None and realism_weights is not None and not dry_run:
        redraw(output, realism_weights)
