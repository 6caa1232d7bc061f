"""`voxcli segment`: scenes into instances or one file a class, pictures into label images, shapes into parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import typer

from voxcli.cli.framework import options
from voxcli.cli.framework.batch import Batch, Policy, items
from voxcli.cli.framework.cutting import TARGETS as CUT_TARGETS
from voxcli.cli.framework.cutting import PictureCutter, check_png, cutting_model
from voxcli.cli.framework.fields_of_view import FieldsOfView
from voxcli.cli.framework.odd_pictures import Doubts
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

SHAPE_SUFFIXES = (".glb", ".gltf", ".obj", ".off", ".stl", ".ply", ".npz", ".h5", ".binvox", ".xyz", ".npy", ".mat")
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
SUFFIXES = (".npz", ".h5", ".binvox", *IMAGES)
TARGETS = (".json", ".png", ".npz", ".h5", ".glb", ".ply", ".obj", ".off", ".stl", ".vox")

PIECES = tuple(each for each in TARGETS if each not in (".json", ".png"))


def segment(
    sources: options.Sources,
    output: options.Output,
    model: options.Model = None,
    weights: options.Weights = None,
    gap: Annotated[float, typer.Option("--gap", help="Metres between parts of one class that still count as one instance.")] = 0.0,
    min_volume: Annotated[float, typer.Option("--min-volume", help="Leave out instances of less volume, in cubic metres.")] = 0.0,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="CLASS", show_default=False, help="Leave out all but this class; may be repeated.")
    ] = None,
    by: Annotated[
        Literal["instance", "class"],
        typer.Option("--by", help="What the nodes of a mesh, the labels of a grid or the files of --split are."),
    ] = "instance",
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="EXT", help="OUTPUT is a folder: one file of this extension for each piece, in place "
                     "of an earlier call's with --overwrite."),
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
    format: options.Format = None,
    input_format: options.InputFormat = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    keep_going: options.KeepGoing = False,
    dry_run: options.DryRun = False,
) -> None:
    """Divide labelled scenes into instances, and images into classes.

    An instance is a set of cells of one class that touch, corners included, or lie at most --gap apart. The output's extension picks
    what is written: .json lists class, centre, size, volume and boxes of each instance; .glb .ply .obj a mesh, one named node each;
    .npz .h5 the grid with instances as labels; .png the first class along each ray. Images become scenes first (-m ssz).

    -m jof and bae divide shapes (meshes, voxels, points) into the parts that the network has learnt by itself, the same numbers in every
    shape of its categories: labels on faces, points or cells, one node a part in a mesh, or a list (.json).

    -m objects cuts the object out of a picture that is of one: the picture with alpha (.png), as `predict --cut auto` of object models
    takes it.

    Examples:
        voxcli segment scene.npz -o instances.json
        voxcli segment street.png -m ssz -o labels.png --legend legend.json
        voxcli segment shapes/ --weights jof.safetensors -o parts/ --format glb
    """
    conversion = ConversionOptions(options.first(resolution, 64), options.first(threshold, 0.5))
    segmentation = SceneSegmentation(gap, min_volume, tuple(only or ()), by, conversion.threshold, conversion.resolution)
    segmentation.check()
    if fov is not None and not 0 < fov < 180:
        raise UsageError("--fov must lie between 0 and 180 degrees.", actual=f"{fov:g}")
    if fov is not None and camera is not None:
        raise UsageError("--fov and --camera contradict each other.", hint="Give one of them.")
    suffix = _suffix(split, format)
    _check_split(split)
    policy = Policy(overwrite, skip_existing, keep_going, dry_run)
    given = {"--gap": gap, "--min-volume": min_volume, "--only": only, "--split": split, "--indices": indices, "--legend": legend_file,
             "--fov": fov, "--camera": camera, "--by": by != "instance"}  # fmt: skip
    if (cutter := cutting_model(model, weights)) is not None:
        given |= {"--threshold": threshold != 0.5, "--resolution": resolution != 64}
        _check_given(given, f"{cutter}, which cuts objects out of pictures")
        return _cut_out(sources, output, cutter, weights, device, policy, format, input_format)
    if (parts_model := shape_model(model, weights)) is not None:
        _check_given(given, f"{parts_model}, which divides shapes")
        parts_segmenter = ShapeSegmenter(parts_model, weights, device, dtype.value, conversion)
        return _segment_shapes(parts_segmenter, sources, output, suffix, policy, format, input_format)
    check_makes_scenes(model, weights)
    place = output.rstrip("/") if split and output != "/" else output
    with items(sources, place, suffixes=SUFFIXES, target_suffix=suffix, target_suffixes=TARGETS, policy=policy, label="segmenting") as todo:
        _check_targets(todo, split, format)
        if not len(todo):
            return None
        request = SegmentRequest(segmentation, model, indices, split and _plain(split), fov, camera, format, input_format, overwrite)
        predictor, legend = ScenePredictor(model, weights, device, dtype.value), LegendFile(legend_file, overwrite)
        with FieldsOfView() as fields, Doubts() as doubts:
            segmenter = SceneSegmenter(request, predictor, legend, fields, doubts)
            for chunk in todo.chunks(1):
                with todo.attempt(chunk[0]):
                    segmenter.process(chunk[0])
    return None


def _segment_shapes(
    segmenter: ShapeSegmenter, sources: list[str], output: str, suffix: str, policy: Policy, format: str | None, input_format: str | None
) -> None:
    from voxcli.files.registry import find_format

    targets = (*TARGETS, ".xyz")
    with items(
        sources, output, suffixes=SHAPE_SUFFIXES, target_suffix=suffix, target_suffixes=targets, policy=policy, label="segmenting"
    ) as todo:
        for item in todo.items:
            extension = extension_of(item.target, format)
            if extension == "png":
                raise UsageError("Parts of shapes have no label image.", expected=".json, .glb, .ply or .npz", actual=item.target)
            if extension != "json":
                find_format(item.target, format, choices=[each for each in targets if each != ".png"])
        for chunk in todo.chunks(1):
            with todo.attempt(chunk[0]):
                segmenter.process(chunk[0], format, input_format, policy.overwrite)


def _check_given(given: Mapping[str, object], model: str) -> None:
    """Raise UsageError for a flag that means nothing to a model; `model` says which it is, and what it does."""
    for flag, value in given.items():
        if value:
            raise UsageError(f"{flag} means nothing to {model}.")


def _cut_out(
    sources: list[str], output: str, model: str, weights: str | None, device: str, policy: Policy, format: str | None,
    input_format: str | None,
) -> None:  # fmt: skip
    suffix = f".{format.lower().lstrip('.')}" if format else ".png"
    with items(
        sources, output, suffixes=IMAGES, target_suffix=suffix, target_suffixes=CUT_TARGETS, policy=policy, label="cutting out"
    ) as todo:
        check_png(todo.items, format)
        with Doubts() as doubts:
            cutter = PictureCutter(model, weights, device, doubts)
            for chunk in todo.chunks(1):
                with todo.attempt(chunk[0]):
                    cutter.process(chunk[0], format, input_format, policy.overwrite)


def _plain(extension: str) -> str:
    return extension.lower().lstrip(".")


def _suffix(split: str | None, format: str | None) -> str:
    """The suffix of outputs in a folder: none where they are folders themselves."""
    if split is not None and format is not None:
        raise UsageError("--split and --format contradict each other.", hint="--split names the format of the pieces.")
    return "" if split is not None else f".{format.lower().lstrip('.')}" if format else ".npz"


def _check_split(split: str | None) -> None:
    """Raise UsageError for pieces that are no grids or meshes."""
    if split is not None and _plain(split) in ("json", "png"):
        raise UsageError(f"--split {split}: pieces are meshes or grids, and {_plain(split).upper()} holds a whole scene.",
                         expected=", ".join(each.lstrip(".") for each in PIECES))  # fmt: skip


def _check_targets(todo: Batch, split: str | None, format: str | None) -> None:
    """Raise UsageError for an output that cannot be written. Called before anything is computed."""
    from voxcli.files.registry import find_format
    from voxcli.ops.conversions import find_conversion
    from voxcli.scene import FruxelGrid

    for item in todo.items:
        if split is not None:
            if item.target == "-":
                raise UsageError("Many pieces do not fit into stdout.", hint="Name a folder with -o, or leave out --split.")
            find_conversion(FruxelGrid, find_format(f"piece.{_plain(split)}", choices=PIECES)[0])
        elif extension_of(item.target, format) not in ("json", "png"):
            find_conversion(FruxelGrid, find_format(item.target, format, choices=TARGETS)[0])
