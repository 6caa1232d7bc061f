"""`voxcli convert`: read, convert to another scene type where the output format needs it, write."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from voxcli import log
from voxcli.cli.framework import options, written
from voxcli.cli.framework.batch import Item, items
from voxcli.cli.framework.data_sets import LAYOUTS, SHAPE_LAYOUT, convert_data_set, convert_shapes, is_packing, pack
from voxcli.cli.framework.plans import ReadOptions
from voxcli.errors import UsageError, unknown_name
from voxcli.ops.conversions import ConversionOptions, convert_to_format, decided_at, find_conversion, with_provenance

if TYPE_CHECKING:
    from voxcli.provenance import Json


def convert(
    sources: options.Sources,
    output: options.Output,
    to: Annotated[
        str | None, typer.Option("--to", help="Extension of the outputs in a folder, such as npz; nuscenes, street or jof for data sets.")
    ] = None,
    becomes: options.Becomes = None,
    resolution: options.Resolution = 64,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Occupied at or above this probability. Default: as voxels were decided, else 0.5.")
    ] = None,
    points: Annotated[int, typer.Option("--points", min=1, max=100_000_000, help="Points sampled from the surface of a mesh.")] = 10_000,
    surface: Annotated[
        Literal["auto", "smooth", "cells"],
        typer.Option(
            "--surface", help="Mesh of a grid: contoured, or the cells' faces. auto: of a scene in GLB, faces in 1 MB; else smooth."
        ),
    ] = "auto",
    seed: options.Seed = 0,
    kind: options.Kind = None,
    ids: options.Ids = None,
    up: Annotated[
        Literal["y", "z"] | None, typer.Option("--up", help="Axis that points up in the input; it is turned to +y. Default: y.")
    ] = None,
    unit: Annotated[
        Literal["m", "cm", "mm", "km", "in", "ft"] | None,
        typer.Option("--unit", help="Unit of length of the input; lengths become metres. Default: m."),
    ] = None,
    channel: Annotated[
        str | None, typer.Option("--channel", metavar="NAME", help="Camera of a nuScenes folder; default CAM_FRONT.")
    ] = None,
    *,
    formats: options.Formats,
    workers: options.Workers = 1,
    policy: options.Policy,
) -> None:
    """Write files in another format, and as another kind of thing where the format asks for it.

    Fruxels become voxels (resampled into their bounding box), points (cell centres) or meshes in class colours: the faces of the cells
    as GLB, elsewhere and with --surface smooth one closed surface a class. Voxels become points or meshes; meshes become solid voxels or
    sampled points. A folder of `voxcli synth street` becomes one HDF5 file for `voxcli train`: convert street/ -o street.h5

    --up and --unit say in which frame a mesh, points or voxels of another program are; they are written +y up and in metres.

    Data sets: --to jof makes of a folder of shapes, a folder a category, coloured voxels and point-value pairs (.mat) for training jof and
    bae; --to nuscenes lays a street folder out as SemanticVoxels is (tables of nuScenes); --to street takes pictures, camera and
    boxes out of a nuScenes folder, or pictures and fruxels out of SemanticKITTI's (2 to 50 m, 70 degrees, for `train -m rays`) and out of
    ScanNet's (0.5 to 8 m, 58 degrees, for `train -m ssz`). Formats told by name: kitti (.label .bin .invalid .occluded), nyu (.bin, read),
    zgan (.npy).

    Examples:
        voxcli convert scene.npz -o scene.glb
        voxcli convert car.obj -o car.ply --as points --points 2048
        voxcli convert shapes/ -o glb/ --to glb --up z --unit mm
    """
    conversion = ConversionOptions(options.first(resolution, 64), options.first(threshold, 0.5), points, seed, surface)
    if (up or unit) and (to in LAYOUTS or is_packing(sources, output)):
        raise UsageError(f"--{'up' if up else 'unit'} is for meshes, points and voxels.", hint="Data sets have their own frames.")
    if to in LAYOUTS:
        return convert_data_set(sources, output, to, channel, policy)
    if channel is not None:
        raise UsageError("--channel names a camera of a nuScenes folder.", hint="It goes with --to street.")
    if to == SHAPE_LAYOUT:
        unused = {"--as": becomes, "--kind": kind, "--ids": ids, "--format": formats.format, "--up": up, "--unit": unit,
                  "--resolution": None if conversion.resolution == 64 else conversion.resolution}  # fmt: skip
        return convert_shapes(sources, output, input_format=formats.input_format, policy=policy, workers=workers, unused=unused)
    if is_packing(sources, output):
        return pack(sources[0], output, policy)
    suffix = _extension(output, to, formats.format)
    named = replace(formats, format=formats.format or to)
    request = ConvertRequest(conversion, becomes, kind, ids, named, policy.overwrite, up, unit, threshold)
    return _convert_files(sources, output, suffix, request, policy, workers, to)


@dataclass(frozen=True)
class ConvertRequest:
    """The options of one call, as worker processes get them."""

    conversion: ConversionOptions
    becomes: str | None
    kind: str | None
    ids: str | None
    formats: options.Formats
    overwrite: bool
    up: str | None = None
    unit: str | None = None
    threshold: float | None = None

    @property
    def recorded(self) -> dict[str, Json]:
        """The options for the provenance of a result."""
        stated = {name: value for name, value in (("up", self.up), ("unit", self.unit)) if value is not None}
        return self.conversion.recorded | stated


def _convert_files(
    sources: list[str], output: str, suffix: str, request: ConvertRequest, policy: options.Policy, workers: int, to: str | None
) -> None:
    from voxcli.files.registry import searched_extensions

    if output.endswith("/") or os.path.isdir(output):
        _need_suffix(output, suffix)
    suffixes = partial(searched_extensions, name=request.formats.input_format)
    with items(sources, output, suffixes=suffixes, target_suffix=suffix, policy=policy, label="converting",
               reads=ReadOptions(request.formats.input_format, request.kind)) as todo:  # fmt: skip
        if any(item.target != output for item in todo.items):
            _need_suffix(output, suffix)
        elif to and todo.items and output != "-" and Path(output).suffix.lower() != suffix:
            raise UsageError(f"--to {to} and -o {output} contradict each other.", hint="--to names the format of outputs in a folder.")
        for _ in todo.run(partial(convert_one, request=request), workers):
            pass


def _extension(output: str, to: str | None, format: str | None) -> str:
    """The suffix of outputs in a folder, with the dot; "" where no option and no name gives it."""
    names = {name.lower().lstrip(".") for name in (to, format) if name}
    if len(names) > 1:
        raise UsageError("--to and --format contradict each other.", actual=f"{to} and {format}", hint="Give one of them.")
    if names:
        from voxcli.files.registry import extension_of, format_names

        name = names.pop()
        if name not in (known := format_names(writing=True)):
            raise unknown_name("file format", name, known if to is None else [*known, *LAYOUTS, SHAPE_LAYOUT])
        return extension_of(name)
    return "" if output == "-" or os.path.isdir(output) else Path(output).suffix.lower()


def _need_suffix(output: str, suffix: str) -> None:
    if not suffix:
        raise UsageError(f"{output} is a folder: in which format shall its files be?", hint="Give an extension: --to npz.")


def convert_one(item: Item, request: ConvertRequest) -> None:
    """Read, convert and write one input."""
    from voxcli import files
    from voxcli.files.registry import find_format
    from voxcli.ops.upright import in_world_frame
    from voxcli.provenance import sha256_file

    target, _ = find_format(item.target, request.formats.format)
    conversion = request.conversion
    scene = files.read(item.source, kind=request.kind, format=request.formats.input_format, ids=request.ids)
    placed = in_world_frame(scene, request.up or "y", request.unit or "m") if request.up or request.unit else scene
    if placed is not scene:
        log.info(f"{item.source}: turned to +y up and metres from {request.up or 'y'} up and {request.unit or 'm'}")
    if request.threshold is not None:
        placed = decided_at(placed, request.threshold, find_conversion(type(placed), target, request.becomes) is None)
    made = convert_to_format(placed, target, request.becomes, replace(conversion, seed=item.seed(conversion.seed)))
    source_meta = getattr(scene, "meta", None)
    if made is not scene or not source_meta:  # the source's meta does not hold for another scene type
        digests = {item.source: sha256_file(item.source)}
        made = with_provenance(made, "convert", request.recorded, digests, conversion.seed, source_meta=source_meta)
    written.write(item.target, made, format=request.formats.format, overwrite=request.overwrite or item.broken)
