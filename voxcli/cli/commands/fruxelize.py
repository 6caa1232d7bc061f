"""`voxcli fruxelize`: meshes, scenes, voxels and depth to labelled fruxels or voxels."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import typer

from voxcli import log
from voxcli.cli.framework import options, written
from voxcli.cli.framework.batch import Item, items
from voxcli.cli.framework.fruxel_options import CELLS, FruxelizeRequest
from voxcli.cli.framework.output import RepeatedWarnings
from voxcli.cli.framework.plans import ReadOptions, besides
from voxcli.cli.framework.sharding import Shard
from voxcli.ops.cameras import camera_for
from voxcli.ops.filling import REFRAMING_HINTS, FillReport, fill_points, fill_scene, look_up, scene_of_mesh
from voxcli.ops.framing import Framing

KINDS = ("scene", "mesh", "voxels", "depth", "points")
"""What it takes."""
SEARCHED = {"fruxel": ("scene", "mesh", "voxels", "depth"), "voxel": ("scene", "mesh", "points")}
"""What it takes of a folder, by the grid that is made."""


def fruxelize(
    sources: options.Sources,
    output: options.Output,
    class_name: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="Class of a mesh, voxel or depth input; default: its own, else object.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", metavar="FILE", help="YAML: part, node or material name -> class name, for one mesh of many.")
    ] = None,
    grid: Annotated[
        Literal["fruxel", "voxel"], typer.Option("--grid", help="fruxel: behind the pixels of a camera; voxel: a box in the world frame.")
    ] = "fruxel",
    preset: Annotated[
        Literal["shapenet", "semantic-voxels"] | None,
        typer.Option(
            "--preset",
            help="Frustum of the paper, where no flag says otherwise: shapenet {3, 10, 128, 60 deg}, semantic-voxels {2, 12, 128, 40 deg}.",
        ),
    ] = None,
    size: options.GridSize = None,
    depth: options.GridDepth = None,
    z_near: Annotated[float | None, typer.Option("--z-near", help="Where the first slice begins, along the optical axis.")] = None,
    z_far: Annotated[float | None, typer.Option("--z-far", help="Where the last slice ends.")] = None,
    fov: Annotated[float | None, typer.Option("--fov", help="Horizontal field of view in degrees.")] = None,
    camera: options.Camera = None,
    azimuth: Annotated[
        float | None, typer.Option("--azimuth", help="Without a camera: degrees around the object from its front (+z); default: 30.")
    ] = None,
    elevation: Annotated[float | None, typer.Option("--elevation", help="Without a camera: degrees above the object; default: 20.")] = None,
    distance: Annotated[
        float | None, typer.Option("--distance", help="Without a camera: to the object's centre; default: the middle of the frustum.")
    ] = None,
    resolution: Annotated[
        int | None, typer.Option("--resolution", min=1, help=f"Cells of the voxel grid along the longest side; default: {CELLS}.")
    ] = None,
    box: Annotated[
        tuple[float, float, float, float, float, float] | None,
        typer.Option("--box", metavar="X0 Y0 Z0 X1 Y1 Z1", help="Corners of the voxel grid, one for all inputs; default: around each."),
    ] = None,
    shape: Annotated[
        tuple[int, int, int] | None,
        typer.Option("--shape", metavar="NX NY NZ", help="Cells of the voxel grid along x, y and z, in place of --resolution."),
    ] = None,
    rule: Annotated[
        Literal["slab", "centre"] | None,
        typer.Option(
            "--rule", help="slab: the pixel's ray meets the solid within the slice (fruxels); centre: the cell's centre is inside (voxels)."
        ),
    ] = None,
    fill: Annotated[
        Literal["auto", "outside", "winding", "parity", "surface"] | None,
        typer.Option(
            "--fill",
            help="auto (default): winding where closed, a vote of three axes where not, and the surface of what is open; outside: the "
            "cells that the surface touches, and all that the outside does not reach past them, as binvox fills.",
        ),
    ] = None,
    device: options.Device = "cpu",
    *,
    formats: options.Formats,
    shard: Shard = None,
    workers: options.Workers = 1,
    policy: options.Policy,
) -> None:
    """Turn meshes and scenes into labelled frustum voxels (fruxels) or box voxels, and points into voxels.

    A scene YAML brings its camera, frustum and classes; flags override them. A mesh without a camera is looked at from the front, a
    little from above, its centre in the middle of the frustum. Later objects of a scene overwrite earlier ones, ground first.

    --fill outside suits furniture and vehicles of open and doubled sheets: a tray stays a tray. An opening narrower than a cell is
    closed. Each object is filled for itself. In a frustum all that lies beyond its sides is outside, but a solid that a side cuts
    through stays solid.

    --grid voxel fills a cube around the input, or --box; with --shape alone, the smallest box of so many cubic cells. Of a cloud, the
    cells are filled in which points lie.

    Examples:
        voxcli fruxelize car.obj --class car --preset shapenet -o car.npz
        voxcli fruxelize scene.yaml -o scene.npz
        voxcli fruxelize car.obj --class car --grid voxel --resolution 32 -o car.binvox
    """
    from voxcli.files.registry import searched_extensions

    framing = Framing(preset, size, depth, z_near, z_far, fov, azimuth, elevation, distance)
    request = FruxelizeRequest(
        class_name, classes, grid, framing, camera, resolution, rule, fill, device, formats, policy.overwrite, box, shape
    )
    request.check()
    suffixes = partial(searched_extensions, *SEARCHED[grid])
    reads = ReadOptions(formats.input_format, None, besides(camera=camera, classes=classes), kinds=KINDS)
    with items(
        sources, output, suffixes=suffixes, target_suffix=formats.suffix(".npz"), policy=policy, label="filling", reads=reads, shard=shard
    ) as todo:
        request.check_targets(todo.items)
        with RepeatedWarnings("holes and openings") as leaks, RepeatedWarnings("parts outside the frustum") as views:
            for item, report in todo.run(partial(fruxelize_one, request=request), workers):
                if doubts := report.doubts(request.rule_and_fill[1]):
                    leaks.warn(f"{item.source}: {doubts}.")
                if report.outside is not None:
                    views.warn(f"{item.source}: {report.outside}.")


def fruxelize_one(item: Item, request: FruxelizeRequest) -> FillReport:
    """Read, fill, write one input. Returns the warnings."""
    from voxcli import files
    from voxcli.files.registry import KIND_TYPES
    from voxcli.ops.conversions import input_digests
    from voxcli.provenance import make_meta
    from voxcli.scene import FruxelGrid, Mesh, PointCloud, SceneDescription
    from voxcli.scene.frames import frame_of, inherited_meta

    thing = files.read_as(item.source, tuple(KIND_TYPES[kind] for kind in KINDS), format=request.formats.input_format)
    request.check_input(item.source, thing)
    of = {} if request.grid == "fruxel" else thing.meta
    camera = camera_for(request.camera, item.source) if request.camera else None
    if isinstance(thing, Mesh):
        thing = scene_of_mesh(thing, request.class_name, request.classes)
    filled = isinstance(thing, SceneDescription)
    placed = filled and request.grid == "fruxel" and camera is None and thing.camera is None
    fill_options = request.fill_options
    if filled:
        result, report = fill_scene(thing, camera, fill_options)
    elif isinstance(thing, PointCloud):
        result, report = fill_points(thing, item.source, fill_options), FillReport()
    else:
        result, report = look_up(thing, item.source, camera, fill_options), FillReport()
    log.info(f"{item.source}: {request.way_of(filled, placed)}")
    frame = "camera" if request.grid == "fruxel" else frame_of(of)
    digests = input_digests(item.source, thing, request.camera, request.classes)
    meta = inherited_meta(of) | make_meta(request.grid + "s", "fruxelize", request.recorded(filled, placed), digests, None, frame, "m")
    written.write(item.target, replace(result, meta=meta), format=request.formats.format, overwrite=request.overwrite or item.broken)
    if isinstance(result, FruxelGrid) and (result.labels == result.classes.empty).all():
        report = replace(report, outside=f"nothing of it lies in the frustum, and every cell is empty: {REFRAMING_HINTS[placed]}")
    return report
