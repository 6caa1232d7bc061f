"""What `voxcli segment` does with one input: a scene or picture into instances or a label image, a shape into parts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxcli import log
from voxcli.cli.framework import written
from voxcli.cli.framework.batch import Item
from voxcli.cli.framework.fields_of_view import FieldsOfView
from voxcli.cli.framework.output import counted, out
from voxcli.cli.framework.picture_warnings import PictureWarnings
from voxcli.errors import DataError, UsageError
from voxcli.ops.cameras import camera_for
from voxcli.ops.conversions import ConversionOptions, convert_to_format, with_provenance
from voxcli.ops.instances import SceneSegmentation, instances_record, labelled_grid, piece_grid, segment_scene
from voxcli.ops.label_images import label_image, label_picture, legend
from voxcli.ops.pieces import no_instance, write_pieces
from voxcli.ops.shape_parts import label_parts

if TYPE_CHECKING:
    from torch import nn

    from voxcli.cli.framework.options import Formats
    from voxcli.geometry.components import Components
    from voxcli.models.base import DividesShapes, ModelOptions, Predictor, Result
    from voxcli.provenance import Json
    from voxcli.scene import Camera, FruxelGrid, Labels, Picture, SceneType, VoxelGrid


def extension_of(target: str, format: str | None) -> str:
    """The extension of an output without the dot, in lower case: that of --format where it is given."""
    return format.lower().lstrip(".") if format else Path(target).suffix.lower().lstrip(".")


# -- shapes ---------------------------------------------------------------------------------------------------------------------------


def shape_model(model: str | None, weights: str | None) -> str | None:
    """The model of -m, or of the weights, if it divides shapes into parts; else None."""
    from voxcli.models.base import DividesShapes
    from voxcli.models.registry import able, name_of

    name = name_of(model, weights)
    return name if name in able(DividesShapes) else None


@dataclass
class ShapeSegmenter:
    """Divides shapes with one network, which is loaded with the first shape. Raises UsageError where the model has no weights."""

    model: str
    weights: str | None
    device: str
    dtype: str
    conversion: ConversionOptions

    def __post_init__(self) -> None:
        from voxcli.models.registry import weights_of

        self._path = weights_of(self.model, self.weights)
        self._network: DividesShapes[Any] | None = None
        self._digest = ""

    def _loaded(self) -> DividesShapes[Any]:
        if self._network is None:
            from voxcli.models.base import DividesShapes
            from voxcli.models.registry import load_network
            from voxcli.provenance import sha256_file

            network = load_network(self.model, self._path, self.device, self.dtype)
            assert isinstance(network, DividesShapes)
            self._network, self._digest = network, sha256_file(self._path)
        return self._network

    def process(self, item: Item, formats: Formats, overwrite: bool) -> None:
        """Read one shape, label its parts, and write it, or the list of its parts as JSON."""
        from voxcli import files
        from voxcli.files.registry import find_format
        from voxcli.provenance import make_meta, sha256_file

        network = self._loaded()
        shape = files.read(item.source, format=formats.input_format)
        labelled, rows = label_parts(network, shape, self.conversion.threshold)
        options: dict[str, Json] = {"model": self.model, "threshold": self.conversion.threshold}
        digests = {item.source: sha256_file(item.source)}
        if extension_of(item.target, formats.format) == "json":
            meta = make_meta("parts", "segment", options, digests, None, "the shape's file", "those of the file", self._digest)
            _write_rows(item.target, "parts", rows, {"meta": meta}, overwrite or item.broken)
            written.add(item.target, counted(len(rows), "part"))
        else:
            converted = convert_to_format(labelled, find_format(item.target, formats.format)[0], None, self.conversion)
            made = with_provenance(converted, "segment", options, digests, weights=self._digest)
            written.write(item.target, made, format=formats.format, overwrite=overwrite or item.broken)


# -- scenes and pictures --------------------------------------------------------------------------------------------------------------


class ScenePredictor:
    """A model that predicts labelled scenes of pictures, which is loaded with the first picture. digest: SHA-256 of its weights."""

    def __init__(self, model: str | None, weights: str | None, device: str, dtype: str):
        self._model, self._weights, self._device, self._dtype = model, weights, device, dtype
        self._predictor: Predictor[nn.Module, ModelOptions, Result] | None = None
        self.digest: str | None = None

    def scene(self, name: str, picture: Picture, fov: float | None, camera: Camera | None) -> FruxelGrid:
        """The labelled fruxels of one picture, which messages call `name`. Without a camera, a level one is assumed."""
        from voxcli.geometry.placing import level_scene
        from voxcli.models.base import Inputs
        from voxcli.models.registry import check_predicts
        from voxcli.options import make_options
        from voxcli.scene import FruxelGrid

        self._predictor = self._predictor or self._load()
        options = make_options(check_predicts(self._predictor.name), {"fov_x_deg": fov}, self._predictor.name)
        (scene,) = self._predictor.predict([Inputs.of(picture, camera=camera)], options)
        assert isinstance(scene, FruxelGrid)
        for line in self._predictor.steps([name], scene.meta):
            log.info(line)
        return level_scene(scene) if camera is None else scene

    def _load(self) -> Predictor[nn.Module, ModelOptions, Result]:
        from voxcli.models.registry import load_predictor, name_of, weights_of
        from voxcli.provenance import sha256_file

        name = name_of(self._model, self._weights)
        path = weights_of(name, self._weights)
        self.digest = sha256_file(path)
        return load_predictor(name, path, self._device, self._dtype)


def check_makes_scenes(model: str | None, weights: str | None) -> None:
    """Raise UsageError for a model that predicts no labelled scenes. The model is that of -m, else that of the weights."""
    from voxcli.models.registry import name_of, spec_of

    name = name_of(model, weights)
    if spec_of(name).gives != "FruxelGrid":
        raise UsageError(f"{name} divides nothing: it makes no labelled scenes of images, and tells no parts.",
                         hint="-m ssz for images of streets, -m jof or bae for shapes; labelled scenes need no model.")  # fmt: skip


class LegendFile:
    """One legend for all label images of a call. It is written with the first of them, and must fit the others."""

    def __init__(self, path: str | None, overwrite: bool):
        from voxcli.atomic import refuse_existing

        if path is not None and not path.lower().endswith(".json"):
            raise UsageError(f"--legend {path}: a legend is JSON.", expected="FILE.json")
        if path is not None and not overwrite:
            refuse_existing(path)
        self._path, self._overwrite = path, overwrite
        self._written: Labels | None = None

    def write(self, classes: Labels) -> None:
        """Write the legend, if it is not written yet. Raises DataError for other classes than those of the first image."""
        from voxcli.atomic import atomic_write_bytes

        if self._path is None:
            return
        if self._written is not None and self._written != classes:
            raise DataError("The scenes have different classes: one legend does not fit them all.", hint="Leave out --legend.")
        if self._written is None:
            text = "[\n" + ",\n".join(" " + json.dumps(row) for row in legend(classes)) + "\n]\n"
            atomic_write_bytes(Path(self._path), text.encode(), overwrite=self._overwrite)
            self._written = classes


@dataclass(frozen=True)
class SegmentRequest:
    """The options of one call that concern scenes and pictures. split: the extension of the pieces without the dot, or None."""

    segmentation: SceneSegmentation
    model: str | None
    indices: bool
    split: str | None
    fov: float | None
    camera: str | None
    formats: Formats
    overwrite: bool

    @property
    def recorded(self) -> dict[str, Json]:
        """The options that the provenance of an output names."""
        options = {"model": self.model, "fov": self.fov, "camera": self.camera} | vars(self.segmentation)
        return {key: value for key, value in options.items() if value not in (None, ())}


@dataclass(frozen=True)
class SceneSegmenter:
    """Divides the scenes and pictures of one call."""

    request: SegmentRequest
    predictor: ScenePredictor
    legend: LegendFile
    fields: FieldsOfView
    warnings: PictureWarnings

    def process(self, item: Item) -> None:
        """Read one input, divide it, write its output."""
        from voxcli import files
        from voxcli.provenance import make_meta, sha256_file
        from voxcli.scene import FruxelGrid, Picture, VoxelGrid
        from voxcli.scene.frames import frame_of, inherited_meta

        request = self.request
        thing = files.read(item.source, format=request.formats.input_format)
        picture = thing if isinstance(thing, Picture) else None
        if picture is not None:
            thing = self._predicted(item, picture)
        if not isinstance(thing, (FruxelGrid, VoxelGrid)):
            raise DataError(f"{item.source} has no cells to tell apart.", expected="fruxels, voxels or an image", hint=_hint_for(thing))
        scene = labelled_grid(thing, request.segmentation.threshold)
        digests = {path: sha256_file(path) for path in (item.source, request.camera) if path}
        weights = self.predictor.digest if picture is not None else None
        extension = extension_of(item.target, request.formats.format)
        as_image = request.split is None and extension == "png"
        if not as_image:
            request = replace(request, segmentation=request.segmentation.resolved(scene))
        meta = make_meta("instances", "segment", request.recorded, digests, None, frame_of(scene.meta), "m", weights)
        meta |= inherited_meta(scene.meta)
        if as_image:
            return self._write_label_image(item, scene, picture, meta)
        found = segment_scene(scene, request.segmentation)
        out.detail(f"{item.source}: {len(found.instances)} instances, {found.dropped} left out ({found.dropped_volume:.4g} m^3)")
        if request.split is not None:
            made, removed = write_pieces(item.target, scene, found, request.segmentation, request.split, meta, request.overwrite)
            written.add(item.target, f"{counted(made, 'piece')}, .{request.split}")
            if removed:
                out.note(f"{item.target}: {removed} pieces of an earlier call removed.")
        elif extension == "json":
            record = instances_record(scene, found, meta)
            more = {"left_out": record["left_out"], "meta": meta}
            _write_rows(item.target, "instances", record["instances"], more, request.overwrite or item.broken)
            written.add(item.target, counted(len(record["instances"]), "instance"))
        else:
            self._write_grid_or_mesh(item, scene, found, request, digests, weights)
        return None

    def _predicted(self, item: Item, picture: Picture) -> FruxelGrid:
        camera = camera_for(self.request.camera, item.source) if self.request.camera else None
        self.warnings.look(item.source, picture)
        scene = self.predictor.scene(item.source, picture, self.request.fov, camera)
        self.warnings.result(item.source, scene.meta)
        self.fields.add(item.source, scene.meta)
        return scene

    def _write_label_image(self, item: Item, scene: FruxelGrid | VoxelGrid, picture: Picture | None, meta: dict[str, Json]) -> None:
        from voxcli.geometry.components import as_class_grid
        from voxcli.scene import FruxelGrid

        if not isinstance(scene, FruxelGrid):
            raise DataError("A label image is what a camera sees, and voxels have none.", expected="fruxels or an image")
        segmentation = self.request.segmentation
        segmentation = replace(segmentation, gap=segmentation.gap or 0.0, min_volume=segmentation.min_volume or 0.0)
        filtered = segmentation.only or segmentation.min_volume
        kept = as_class_grid(scene, segment_scene(scene, segmentation)) if filtered else scene
        assert isinstance(kept, FruxelGrid)
        meta = meta | {"schema": "voxcli/labels", "legend": legend(scene.classes)}
        image = label_picture(label_image(kept, picture), scene.classes, self.request.indices, meta)
        written.write(item.target, image, format=self.request.formats.format, overwrite=self.request.overwrite or item.broken)
        self.legend.write(scene.classes)

    def _write_grid_or_mesh(
        self, item: Item, scene: FruxelGrid | VoxelGrid, found: Components, request: SegmentRequest, digests: Mapping[str, str],
        weights: str | None,
    ) -> None:  # fmt: skip
        """All pieces in one file: a grid of instance labels, or a mesh with one named node a piece."""
        from voxcli.files.registry import find_format
        from voxcli.scene import FruxelGrid, VoxelGrid

        format, extension = find_format(item.target, self.request.formats.format)
        if not found.instances and not {FruxelGrid, VoxelGrid} & set(format.writers):
            raise no_instance(extension)
        segmentation = request.segmentation
        grid = piece_grid(scene, found, segmentation.by)
        converted = convert_to_format(grid, format, None, ConversionOptions(segmentation.resolution, segmentation.threshold))
        made = with_provenance(converted, "segment", request.recorded, digests, weights=weights, source_meta=scene.meta)
        written.write(item.target, made, format=self.request.formats.format, overwrite=self.request.overwrite or item.broken)


def _hint_for(thing: SceneType) -> str:
    """What else can be done with a mesh or points, which have no cells."""
    from voxcli.scene import Mesh

    fill = " Or fill it and find instances: voxcli fruxelize MESH --grid voxel." if isinstance(thing, Mesh) else ""
    return f"Parts of a shape: voxcli segment -m jof.{fill}"


def _write_rows(target: str, name: str, rows: Sequence[Mapping[str, Json]], more: Mapping[str, Json], overwrite: bool) -> None:
    """Write {name: rows, **more} as JSON to a file, or to stdout for "-". A row is one line, for people and for grep."""
    from voxcli.atomic import atomic_write_bytes

    body = ",\n  ".join(json.dumps(row) for row in rows)
    rest = "".join(f",\n {json.dumps(key)}: {json.dumps(value)}" for key, value in more.items())
    text = f'{{\n "{name}": ' + (f"[\n  {body}\n ]" if rows else "[]") + rest + "\n}\n"
    if target == "-":
        out.data(text)
    else:
        atomic_write_bytes(target, text.encode(), overwrite=overwrite)
