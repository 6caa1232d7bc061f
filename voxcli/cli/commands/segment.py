"""`voxcli segment`: scenes into instances or one file a class, pictures into label images, shapes into parts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.batch import Batch, items
from voxcli.cli.framework.cutting import PictureCutter, check_png, cutting_model
from voxcli.cli.framework.fields_of_view import FieldsOfView
from voxcli.cli.framework.picture_warnings import PictureWarnings
from voxcli.cli.framework.plans import ReadOptions, besides, facts
from voxcli.cli.framework.segmenting import (
    LegendFile,
    ScenePredictor,
    SceneSegmenter,
    SegmentRequest,
    ShapeSegmenter,
    check_makes_scenes,
    extension_of,
    shape_model,
)
from voxcli.errors import UsageError
from voxcli.ops.conversions import ConversionOptions
from voxcli.ops.instances import SceneSegmentation
from voxcli.provenance import Recordable

SHAPES = ("mesh", "voxels", "points")
SCENES = ("fruxels", "voxels", "image")


def segment(
    sources: options.Sources,
    output: options.Output,
    model: options.Model = None,
    weights: options.Weights = None,
    gap: Annotated[
        float | None,
        typer.Option("--gap", help="Metres between parts of one class that still count as one instance. Default: 0.1 for fruxels, else 0."),
    ] = None,
    min_volume: Annotated[
        float | None,
        typer.Option("--min-volume", help="Leave out instances of less volume, in cubic metres. Default: 0.01 for fruxels, else 0."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="CLASS", show_default=False, help="Leave out all but this class; may be repeated.")
    ] = None,
    by: Annotated[
        Literal["instance", "class"],
        typer.Option("--by", help="What the nodes of a mesh, the labels of a grid or the files of --split are."),
    ] = "instance",
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="EXT",
            help="OUTPUT is a folder: one file of this extension for each piece, in place of an earlier call's with --overwrite.",
        ),
    ] = None,
    indices: Annotated[bool, typer.Option("--indices", help="Label images as class ids (16-bit grey) instead of class colours.")] = False,
    legend_file: Annotated[
        str | None, typer.Option("--legend", metavar="FILE", help="Also write what the ids and colours of label images mean, as JSON.")
    ] = None,
    fov: Annotated[float | None, typer.Option("--fov", help="Horizontal field of view of the images in degrees, if known.")] = None,
    camera: options.Camera = None,
    threshold: options.Threshold = 0.5,
    resolution: options.Resolution = 64,
    device: options.Device = "auto",
    dtype: options.DType = options.Dtype.auto,
    *,
    formats: options.Formats,
    policy: options.Policy,
) -> None:
    """Divide labelled scenes into instances, and images into classes.

    An instance is a set of cells of one class that touch, corners included, or lie at most --gap apart. The output's extension picks
    what is written: .json lists class, centre, size, volume and boxes of each instance; .glb .ply .obj a mesh, one named node each;
    .npz .h5 the grid with instances as labels; .png the first class along each ray. Images become scenes first (-m ssz).

    -m jof and bae divide shapes (meshes, voxels, points) into the parts that the network has learnt by itself, the same numbers in every
    shape of its categories: labels on faces, points or cells, one node a part in a mesh, or a list (.json).

    -m objects cuts the object out of a picture that is of one: the picture with alpha (.png), as `predict --cut auto` of object models
    takes it by itself.

    Examples:
        voxcli segment scene.npz -o instances.json
        voxcli segment street.png -m ssz -o labels.png --legend legend.json
        voxcli segment shapes/ --weights jof.safetensors -o parts/ --format glb
    """
    from voxcli.files.registry import searched_extensions

    conversion = ConversionOptions(options.first(resolution, 64), options.first(threshold, 0.5))
    segmentation = SceneSegmentation(gap, min_volume, tuple(only or ()), by, conversion.threshold, conversion.resolution)
    segmentation.check()
    if fov is not None and not 0 < fov < 180:
        raise UsageError("--fov must lie between 0 and 180 degrees.", actual=f"{fov:g}")
    if fov is not None and camera is not None:
        raise UsageError("--fov and --camera contradict each other.", hint="Give one of them.")
    _check_split(split, formats, output)
    given = {"--gap": gap, "--min-volume": min_volume, "--only": only, "--split": split, "--indices": indices, "--legend": legend_file,
             "--fov": fov, "--camera": camera, "--by": by != "instance"}  # fmt: skip
    if (cutter := cutting_model(model, weights)) is not None:
        given |= {"--threshold": threshold != 0.5, "--resolution": resolution != 64}
        _check_given(given, f"{cutter}, which cuts objects out of pictures")
        return _cut_out(sources, output, cutter, weights, device, formats, policy)
    if (parts_model := shape_model(model, weights)) is not None:
        _check_given(given, f"{parts_model}, which divides shapes")
        parts_segmenter = ShapeSegmenter(parts_model, weights, device, dtype.value, conversion)
        return _segment_shapes(parts_segmenter, sources, output, formats, policy)
    from voxcli.models.registry import name_of, weights_of

    check_makes_scenes(model, weights)
    place = output.rstrip("/") if split and output != "/" else output
    suffixes, suffix = partial(searched_extensions, *SCENES), formats.suffix("" if split else ".npz")
    reads = ReadOptions(formats.input_format, None, besides(camera=camera), kinds=SCENES)
    with items(sources, place, suffixes=suffixes, target_suffix=suffix, policy=policy, label="segmenting", reads=reads) as todo:
        _check_targets(todo, split, formats)
        if legend_file is not None:
            todo.also_written = lambda item: [legend_file]
        if todo.plan is not None and any(facts(each.source, None, formats.input_format)["kind"] == "image" for each in todo.items):
            todo.plan = replace(todo.plan, besides=todo.plan.besides + besides(weights=weights_of(name_of(model, weights), weights)))
        if not len(todo) or todo.plan is not None:
            return None
        request = SegmentRequest(segmentation, model, indices, split and _plain(split), fov, camera, formats, policy.overwrite)
        predictor, legend = ScenePredictor(model, weights, device, dtype.value), LegendFile(legend_file, policy.overwrite)
        with FieldsOfView() as fields, PictureWarnings() as warnings:
            segmenter = SceneSegmenter(request, predictor, legend, fields, warnings)
            for chunk in todo.chunks(1):
                with todo.attempt(chunk[0]):
                    segmenter.process(chunk[0])
    return None


def _segment_shapes(segmenter: ShapeSegmenter, sources: list[str], output: str, formats: options.Formats, policy: options.Policy) -> None:
    from voxcli.files.registry import find_format, searched_extensions
    from voxcli.ops.conversions import extensions_for
    from voxcli.scene import Mesh

    suffixes, suffix = partial(searched_extensions, *SHAPES), formats.suffix(".npz")
    reads = ReadOptions(formats.input_format, None, besides(weights=segmenter.weights), kinds=SHAPES)
    with items(sources, output, suffixes=suffixes, target_suffix=suffix, policy=policy, label="segmenting", reads=reads) as todo:
        for item in todo.items:
            extension = extension_of(item.target, formats.format)
            if extension == "png":
                raise UsageError("Parts of shapes have no label image.", expected=".json, .glb, .ply or .npz", actual=item.target)
            if extension != "json":
                find_format(item.target, formats.format, choices=lambda: ["json", *extensions_for(Mesh)])
        for chunk in todo.chunks(1):
            with todo.attempt(chunk[0]):
                segmenter.process(chunk[0], formats, policy.overwrite)


def _check_given(given: Mapping[str, Recordable], model: str) -> None:
    """Raise UsageError for a flag that means nothing to a model; `model` says which it is, and what it does."""
    for flag, value in given.items():
        if value:
            raise UsageError(f"{flag} means nothing to {model}.")


def _cut_out(
    sources: list[str], output: str, model: str, weights: str | None, device: str, formats: options.Formats, policy: options.Policy
) -> None:
    from voxcli.files.registry import searched_extensions

    images, suffix = partial(searched_extensions, "image"), formats.suffix(".png")
    reads = ReadOptions(formats.input_format, None, besides(weights=weights), kinds=("image",))
    with items(sources, output, suffixes=images, target_suffix=suffix, policy=policy, label="cutting out", reads=reads) as todo:
        check_png(todo.items, formats.format)
        with PictureWarnings() as warnings:
            cutter = PictureCutter(model, weights, device, warnings)
            for chunk in todo.chunks(1):
                with todo.attempt(chunk[0]):
                    cutter.process(chunk[0], formats, policy.overwrite)


def _plain(extension: str) -> str:
    return extension.lower().lstrip(".")


def _check_split(split: str | None, formats: options.Formats, output: str) -> None:
    """Raise UsageError for pieces that are no grids or meshes, for a --format besides theirs, and for an output that is named as a file."""
    from voxcli.files.registry import is_extension

    if split is not None and formats.format is not None:
        raise UsageError("--split and --format contradict each other.", hint="--split names the format of the pieces.")
    if split is not None and is_extension(os.path.splitext(output)[1].lower()) and not os.path.isdir(output):
        raise UsageError(f"-o {output} is one file, and --split writes a folder of pieces.", expected="-o DIR",
                         hint="To write one file, leave out --split.")  # fmt: skip
    if split is not None and _plain(split) in ("json", "png"):
        raise UsageError(f"--split {split}: pieces are meshes or grids, and {_plain(split).upper()} holds a whole scene.",
                         expected=", ".join(each.lstrip(".") for each in _piece_extensions()))  # fmt: skip


def _piece_extensions() -> list[str]:
    from voxcli.ops.conversions import extensions_for
    from voxcli.scene import FruxelGrid

    return extensions_for(FruxelGrid)


def _check_targets(todo: Batch, split: str | None, formats: options.Formats) -> None:
    """Raise UsageError for an output that cannot be written. Called before anything is computed."""
    from voxcli.files.registry import find_format
    from voxcli.ops.conversions import find_conversion
    from voxcli.scene import FruxelGrid

    for item in todo.items:
        if split is not None:
            if item.target == "-":
                raise UsageError("Many pieces do not fit into stdout.", hint="Name a folder with -o, or leave out --split.")
            find_conversion(FruxelGrid, find_format(f"piece.{_plain(split)}", choices=_piece_extensions)[0])
        elif extension_of(item.target, formats.format) not in ("json", "png"):
            choices = lambda: ["json", "png", *_piece_extensions()]  # noqa: E731
            find_conversion(FruxelGrid, find_format(item.target, formats.format, choices=choices)[0])
