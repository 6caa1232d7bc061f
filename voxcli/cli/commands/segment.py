"""`voxcli segment`: instances, per-class pieces and label images. One file of this room for each kind of input.

| input | file | needs |
|---|---|---|
| labelled fruxels or voxels, occupancy grids | segment_scenes.py | nothing learned |
| images | segment_images.py: predicted into a labelled scene, then as that | a model that predicts fruxels |
| meshes, voxels and points with -m jof or bae | segment_shapes.py: parts of shapes | a branched network |
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxcli.cli.commands.segment_images import LegendFile, ScenePredictor, check_makes_scenes
from voxcli.cli.commands.segment_scenes import write_grid_or_mesh, write_instances, write_pieces
from voxcli.cli.commands.segment_shapes import SUFFIXES as SHAPES
from voxcli.cli.commands.segment_shapes import ShapeSegmenter, shape_model
from voxcli.cli.framework import options
from voxcli.cli.framework.batch import Batch, Item, Policy, items
from voxcli.cli.framework.fields_of_view import FieldsOfView
from voxcli.cli.framework.odd_pictures import Doubts
from voxcli.cli.framework.output import out
from voxcli.errors import DataError, UsageError
from voxcli.ops.cameras import camera_for
from voxcli.ops.instances import SceneSegmentation, as_scene, segment_scene
from voxcli.ops.label_images import as_picture, label_image, legend

if TYPE_CHECKING:
    from voxcli.scene import Picture

SUFFIXES = (".npz", ".h5", ".binvox", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
TARGETS = (".json", ".png", ".npz", ".h5", ".glb", ".ply", ".obj", ".off", ".stl", ".vox")

PIECES = tuple(each for each in TARGETS if each not in (".json", ".png"))


class Piece(str, enum.Enum):
    """What a scene is divided into."""

    instance = "instance"
    klass = "class"


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
        Piece, typer.Option("--by", help="What the nodes of a mesh, the labels of a grid or the files of --split are.")
    ] = Piece.instance,
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

    Examples:
        voxcli segment scene.npz -o instances.json
        voxcli segment street.png -m ssz -o labels.png --legend legend.json
        voxcli segment shapes/ --weights jof.safetensors -o parts/ --format glb
    """
    wanted = SceneSegmentation(gap, min_volume, tuple(only or ()), by.value, options.first(threshold, 0.5), options.first(resolution, 64))
    wanted.check()
    if fov is not None and not 0 < fov < 180:
        raise UsageError("--fov must lie between 0 and 180 degrees.", actual=f"{fov:g}")
    if fov is not None and camera is not None:
        raise UsageError("--fov and --camera contradict each other.", hint="Give one of them.")
    suffix = _suffix(split, format)
    _check_split(split)
    policy = Policy(overwrite, skip_existing, keep_going, dry_run)
    dividing = shape_model(model, weights)
    if dividing is not None:
        given = {"--gap": gap, "--min-volume": min_volume, "--only": only, "--split": split, "--indices": indices, "--legend": legend_file,
                 "--fov": fov, "--camera": camera, "--by": by is not Piece.instance}  # fmt: skip
        for flag, value in given.items():
            if value:
                raise UsageError(f"{flag} means nothing to {dividing}, which divides shapes.")
        shapes = ShapeSegmenter(dividing, weights, device, dtype.value, wanted.threshold, wanted.resolution)
        return _divide_shapes(shapes, sources, output, suffix, policy, format, input_format)
    check_makes_scenes(model, weights)
    place = output.rstrip("/") if split and output != "/" else output
    with items(sources, place, suffixes=SUFFIXES, target_suffix=suffix, target_suffixes=TARGETS, policy=policy, label="segmenting") as todo:
        _check_targets(todo, split, format)
        if not len(todo):
            return None
        predictor = ScenePredictor(model, weights, device, dtype.value)
        labels = LegendFile(legend_file, overwrite)
        recorded = {"model": model, "fov": fov, "camera": camera} | vars(wanted)
        recorded = {key: value for key, value in recorded.items() if value not in (None, ())}
        with FieldsOfView() as fields, Doubts() as doubts:
            work = _Work(wanted, predictor, labels, recorded, indices, split, fov, camera, format, input_format, overwrite, fields, doubts)
            for chunk in todo.chunks(1):
                with todo.attempt(chunk[0]):
                    work.one(chunk[0])
    return None


def _divide_shapes(
    shapes: ShapeSegmenter, sources: list[str], output: str, suffix: str, policy: Policy, format: str | None, input_format: str | None
) -> None:
    from voxcli.files.registry import find_format

    recorded = {"model": shapes.model, "threshold": shapes.threshold}
    targets = (*TARGETS, ".xyz")
    with items(sources, output, suffixes=SHAPES, target_suffix=suffix, target_suffixes=targets, policy=policy, label="segmenting") as todo:
        for item in todo.items:
            if _extension(item.target, format) == "png":
                raise UsageError("Parts of shapes have no label image.", expected=".json, .glb, .ply or .npz", actual=item.target)
            if _extension(item.target, format) != "json":
                find_format(item.target, format, choices=[each for each in targets if each != ".png"])
        for chunk in todo.chunks(1):
            with todo.attempt(chunk[0]):
                shapes.one(chunk[0], recorded, format, input_format, policy.overwrite)


def _suffix(split: str | None, format: str | None) -> str:
    """The suffix of outputs in a folder: none where they are folders themselves."""
    if split is not None and format is not None:
        raise UsageError("--split and --format contradict each other.", hint="--split names the format of the pieces.")
    return "" if split is not None else f".{format.lower().lstrip('.')}" if format else ".npz"


def _check_split(split: str | None) -> None:
    """Raise UsageError for pieces that are no grids or meshes: lists and label images are of all of a scene."""
    wanted = None if split is None else split.lower().lstrip(".")
    if wanted in ("json", "png"):
        raise UsageError(f"--split {split}: pieces are meshes or grids, and {wanted.upper()} holds a whole scene.",
                         expected=", ".join(each.lstrip(".") for each in PIECES))  # fmt: skip


def _check_targets(todo: Batch, split: str | None, format: str | None) -> None:
    """Raise UsageError for an output that cannot be, before anything is computed."""
    from voxcli.files.registry import find_format
    from voxcli.ops.conversions import find_conversion
    from voxcli.scene import FruxelGrid

    for item in todo.items:
        if split is not None:
            if item.target == "-":
                raise UsageError("Many pieces do not fit into stdout.", hint="Name a folder with -o, or leave out --split.")
            find_conversion(FruxelGrid, find_format(f"piece.{split.lower().lstrip('.')}", choices=PIECES)[0])
        elif _extension(item.target, format) not in ("json", "png"):
            find_conversion(FruxelGrid, find_format(item.target, format, choices=TARGETS)[0])


def _hint_for(thing: Any) -> str:
    """What else can be done with a mesh or points, which have no cells."""
    from voxcli.scene import Mesh

    fill = " Or fill it and find instances: voxcli fruxelize MESH --grid voxel." if isinstance(thing, Mesh) else ""
    return f"Parts of a shape: voxcli segment -m jof.{fill}"


def _extension(target: str, format: str | None) -> str:
    return format.lower().lstrip(".") if format else Path(target).suffix.lower().lstrip(".")


class _Work:
    """What is done to each input, with all that the inputs share."""

    def __init__(
        self, wanted: SceneSegmentation, predictor: ScenePredictor, labels: LegendFile, recorded: dict[str, Any], indices: bool,
        split: str | None, fov: float | None, camera: str | None, format: str | None, input_format: str | None, overwrite: bool,
        fields: FieldsOfView, doubts: Doubts,
    ):  # fmt: skip
        self.wanted, self.predictor, self.labels, self.recorded, self.indices = wanted, predictor, labels, recorded, indices
        self.split, self.fov, self.camera = split, fov, camera
        self.format, self.input_format, self.overwrite = format, input_format, overwrite
        self.fields, self.doubts = fields, doubts

    def one(self, item: Item) -> None:
        """Read one input, divide it, write its output."""
        from voxcli import files
        from voxcli.provenance import make_meta, sha256_file
        from voxcli.scene import FruxelGrid, Picture, VoxelGrid
        from voxcli.scene.frames import carried, frame_of

        thing = files.read(item.source, format=self.input_format)
        picture = thing if isinstance(thing, Picture) else None
        if picture is not None:
            view = camera_for(self.camera, item.source) if self.camera else None
            self.doubts.look(item.source, picture)
            thing = self.predictor.scene(picture, self.fov, view)
            self.doubts.result(item.source, thing.meta)
            self.fields.add(item.source, thing.meta)
        if not isinstance(thing, (FruxelGrid, VoxelGrid)):
            raise DataError(f"{item.source} has no cells to tell apart.", expected="fruxels, voxels or an image",
                            hint=_hint_for(thing))  # fmt: skip
        scene = as_scene(thing, self.wanted.threshold)
        digests = {path: sha256_file(path) for path in (item.source, self.camera) if path and path != "-"}
        weights = self.predictor.digest if picture is not None else None
        meta = make_meta("instances", "segment", self.recorded, digests, None, frame_of(scene.meta), "m", weights) | carried(scene.meta)
        extension = _extension(item.target, self.format)
        if self.split is None and extension == "png":
            return self._write_label_image(item, scene, picture, meta)
        found = segment_scene(scene, self.wanted)
        out.detail(f"{item.source}: {len(found.instances)} instances, {found.dropped} left out ({found.dropped_volume:.4g} m^3)")
        if self.split is not None:
            write_pieces(item.target, scene, found, self.wanted, meta, self.split.lower().lstrip("."), self.overwrite)
        elif extension == "json":
            write_instances(item.target, scene, found, meta, self.overwrite)
        else:
            write_grid_or_mesh(item.target, scene, found, self.wanted, (self.recorded, digests, weights), self.format, self.overwrite)
        return None

    def _write_label_image(self, item: Item, scene: Any, picture: Picture | None, meta: dict[str, Any]) -> None:
        from voxcli import files
        from voxcli.geometry.components import as_class_grid
        from voxcli.scene import FruxelGrid

        if not isinstance(scene, FruxelGrid):
            raise DataError("A label image is what a camera sees, and voxels have none.", expected="fruxels or an image")
        filtered = self.wanted.only or self.wanted.min_volume > 0
        shown = as_class_grid(scene, segment_scene(scene, self.wanted)) if filtered else scene
        assert isinstance(shown, FruxelGrid)
        seen = label_image(shown, picture)
        drawn = as_picture(seen, scene.classes, self.indices, meta | {"schema": "voxcli/labels", "legend": legend(scene.classes)})
        files.write(item.target, drawn, format=self.format, overwrite=self.overwrite)
        self.labels.write(scene.classes)
