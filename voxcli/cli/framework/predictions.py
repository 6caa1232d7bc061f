"""What `predict` does with any model: load it, read pictures in batches, write results. What differs, the model's ModelSpec says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from voxcli.atomic import check_there
from voxcli.cli.framework import written
from voxcli.cli.framework.cutting import BY
from voxcli.cli.framework.fields_of_view import FieldsOfView
from voxcli.cli.framework.flags import options_of_flags
from voxcli.cli.framework.notices import CollectedFields, CollectedWarnings, Notices
from voxcli.cli.framework.output import out
from voxcli.cli.framework.picture_warnings import PictureWarnings
from voxcli.cli.framework.plans import besides
from voxcli.cli.framework.side_files import SideFiles
from voxcli.errors import DataError, UsageError
from voxcli.models.base import DrawsPictures, Inputs, ModelOptions
from voxcli.models.object_options import ObjectOptions
from voxcli.models.registry import check_predicts, name_of, predicting, spec_of, weights_of
from voxcli.ops.cameras import camera_for, file_beside
from voxcli.ops.conversions import ConversionOptions, convert_to_format, extensions_for, find_conversion, needs_resolution, with_provenance
from voxcli.options import flag_of, option_infos
from voxcli.processes import scheduler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from voxcli.cli.framework.batch import Batch, Item
    from voxcli.cli.framework.options import Formats
    from voxcli.files import Format
    from voxcli.models.base import Predictor, Result
    from voxcli.provenance import Json, Recordable
    from voxcli.scene import Camera, DepthMap, Described, Frustum, Picture


_METRICS = {"FruxelGrid": "iou", "VoxelGrid": "iou", "Mesh": "chamfer", "PointCloud": "chamfer", "Surfels": "depth"}
"""Scene type -> the usual metric of it."""

_MASK_HINT = "--cut takes a mask of yours."


@dataclass(frozen=True)
class PredictRequest:
    """One call of predict. given: option of a model -> the value of its flag; None: not given. several: the call has several items."""

    model: str | None
    weights: str | None
    device: str
    dtype: str
    becomes: str | None
    batch_size: int
    formats: Formats
    overwrite: bool
    camera: str | None
    depth: str | None
    resolution: int | None
    views: bool
    given: Mapping[str, Recordable]
    workers: int = 1
    several: bool = False


class Predictions:
    """The model and the items of one call, checked as far as can be before the model is loaded. notices: this is a worker, which has one
    item of a call, and what it would say is collected."""

    def __init__(self, request: PredictRequest, todo: Batch, notices: Notices | None = None):
        from voxcli.files.registry import KIND_TYPES, find_format

        self.request, self.todo = request, todo
        self.name = name_of(request.model, request.weights)
        self.spec, kind = spec_of(self.name), check_predicts(self.name)
        self.made = next(made for made in KIND_TYPES.values() if made.__name__ == self.spec.gives)
        named = {item.target: find_format(item.target, request.formats.format, choices=self._extensions) for item in todo.items}
        self.formats = {target: format for target, (format, _) in named.items()}
        conversions = [find_conversion(self.made, each, request.becomes) for each in self.formats.values() if not self._drawn(each)]
        self.resolves = "resolution" in option_infos(kind) or any(map(needs_resolution, conversions))
        self._check_flags(kind)
        self._check_formats(kind)
        self.read = [str(request.given[name]) for name, about in option_infos(kind).items() if about.reads and request.given.get(name)]
        self.read = [path for path in (request.camera, request.depth) if path is not None] + self.read
        for path in self.read:
            check_there(path)
        own = {"resolution": request.resolution} if "resolution" in option_infos(kind) else {}
        self.options = options_of_flags(kind, {**request.given, **own}, self.name)
        self.mask = self.options.mask_file if isinstance(self.options, ObjectOptions) else None
        if self.mask is not None:
            check_there(self.mask)
        if self.options.depends_on_size and not todo.keep_going:
            self._check_sizes()
        self.beside = SideFiles(kind, request.given, todo.items, request.overwrite, request.several)
        found = weights_of(self.name, request.weights)
        if todo.plan is not None:
            read = besides(weights=found, camera=request.camera, depth=request.depth, mask=self.mask)
            todo.plan, todo.also_written = replace(todo.plan, besides=read), self.beside.targets
            return
        if self.read and not todo.keep_going:
            # Errors of the first item's camera and depth come before the model is loaded, those of others in their turn.
            with todo.attempt(todo.items[0]):
                self._cameras(todo.items[0]), self._depths(todo.items[0])
        self.notices = notices
        self.fields = FieldsOfView() if notices is None else CollectedFields(notices)
        self.elsewhere = notices is None and (request.workers > 1 or scheduler() is not None)
        if self.elsewhere and request.batch_size > 1:
            raise UsageError("Each worker predicts one image at a time.", hint="Leave out --batch-size or --workers and --scheduler.")
        if not self.elsewhere:
            self._load(found)

    def _load(self, path: Path) -> None:
        from voxcli.backend import pick_device
        from voxcli.provenance import sha256_file

        request = self.request
        where = pick_device(request.device)
        load = _loaded.__wrapped__ if self.notices is None else _loaded
        self.predictor, self.digest = load(self.name, path, str(where), request.dtype, os.stat(path).st_mtime_ns)
        threshold = self.options.chosen("threshold") or self.predictor.threshold
        resolution = request.resolution or ConversionOptions.resolution
        self.conversion = ConversionOptions(resolution) if threshold is None else ConversionOptions(resolution, threshold)
        self.digests = {path: sha256_file(path) for path in self.read if path != request.depth}

    def _check_flags(self, kind: type[ModelOptions]) -> None:
        """Raise UsageError for a flag that means nothing to the model."""
        request, spec = self.request, self.spec
        mine = {flag_of(name, about) for name, about in option_infos(kind).items() if about.on_command_line}
        own = {"--camera": (spec.takes_camera, request.camera), "--depth": (spec.takes_depth, request.depth),
               "--resolution": (self.resolves, request.resolution)}  # fmt: skip
        mine |= {flag for flag, (taken, _) in own.items() if taken} | ({"--views"} if spec.several_views else set())
        others = [option_infos(check_predicts(name)) for name in predicting()]
        given = [name for name, value in request.given.items() if value is not None]
        flags = [next(flag_of(name, each[name]) for each in others if name in each) for name in given]
        for flag in flags + [flag for flag, (_, value) in own.items() if value is not None]:
            if flag not in mine:
                raise UsageError(f"{flag} means nothing to {self.name}.", hint=f"Flags of {self.name}: {', '.join(sorted(mine))}.")
        if request.views and not spec.several_views:
            raise UsageError(f"--views means nothing to {self.name}, which takes one image.")

    def _check_sizes(self) -> None:
        """Raise DataError for a picture of another size than the options fit, by the pictures' headers alone."""
        from voxcli import files

        for path in (path for item in self.todo.items for path in item.files if path != "-"):
            size = files.picture_size(path)
            try:
                if size is not None:
                    self.options.check_size(*size)
            except DataError as error:
                raise DataError(f"{path}: {error.message}", expected=error.expected, actual=error.actual) from error

    def _check_formats(self, options: type[ModelOptions]) -> None:
        """Raise UsageError where an output cannot hold what is asked for."""
        drawn = [target for target, each in self.formats.items() if self._drawn(each)]
        partly = [
            target
            for target, each in self.formats.items()
            if target not in drawn and (not each.complete or find_conversion(self.made, each, self.request.becomes) is not None)
        ]
        for name, kind in options.only_for.items():
            flag = flag_of(name, option_infos(options)[name])
            if not self.request.given.get(name):
                continue
            if kind == "picture" and len(drawn) < len(self.formats):
                raise UsageError(f"{flag} draws pictures.", expected="an output .png", actual=next(iter(self.formats)))
            if kind == "shape" and drawn:
                raise UsageError(f"{flag} goes with a surface.", expected="an output .glb, .ply, .obj or .npz", actual=drawn[0])
            if kind == "grid" and partly:
                raise UsageError(f"{partly[0]} has no place for what {flag} asks for.", expected=".npz or .h5")

    @property
    def _draws(self) -> bool:
        """Whether the model itself draws pictures."""
        return any(issubclass(each, DrawsPictures) for each in self.spec.abilities)

    def _drawn(self, format: Format) -> bool:
        """Whether the model itself makes the picture that the output holds."""
        from voxcli.scene import Picture

        return Picture in format.writers and self._draws

    def _extensions(self) -> list[str]:
        """Extensions of all outputs that the model's results may become."""
        from voxcli.files.registry import formats_writing
        from voxcli.scene import Picture

        return extensions_for(self.made) + (formats_writing(Picture) if self._draws else [])

    def run(self) -> None:
        """Predict and write every item."""
        if self.todo.plan is not None:
            return
        with PictureWarnings(_MASK_HINT) if self.notices is None else CollectedWarnings(self.notices, _MASK_HINT) as warnings, self.fields:
            written.name_model(self.request.weights or self.name)
            if not self.elsewhere:
                self._run(warnings)
                return
            work = partial(_predicted, request=replace(self.request, several=len(self.todo) > 1))
            for _, notices in self.todo.run(work, self.request.workers):
                notices.show(warnings, self.fields)

    def _run(self, warnings: PictureWarnings) -> None:
        request = self.request
        for chunk in self.todo.chunks(request.batch_size):
            samples = list(self._samples(chunk, warnings))
            # A camera must fit each picture's own size and may differ: then one at a time.
            alone = request.camera is not None or request.depth is not None
            for batch in [[each] for each in samples] if alone else [samples] if samples else []:
                self._batch(batch, warnings)

    def _batch(self, batch: Sequence[tuple[Item, Inputs]], warnings: PictureWarnings) -> None:
        """Predict and write items together. With --keep-going a failure of several is looked for in each alone."""
        results: list[Result] = []
        several = self.todo.keep_going and len(batch) > 1
        try:
            with nullcontext() if several else self.todo.attempt(batch[0][0]):
                inputs = [sample for _, sample in batch]
                if self.request.camera is not None or self.request.depth is not None:
                    inputs = [replace(inputs[0], cameras=self._cameras(batch[0][0]), depths=self._depths(batch[0][0]))]
                options = self.options.drawing(self._drawn(self.formats[batch[0][0].target]))
                results = list(self.predictor.predict(inputs, options, self.request.batch_size))
        except Exception:
            if not several:
                raise
        if several and not results:
            for each in batch:
                self._batch([each], warnings)
        for (item, _), result in zip(batch, results, strict=False):
            with self.todo.attempt(item):
                self._save(item, result)
                for place, path in enumerate(item.files):
                    warnings.result(path, result.meta, place)

    def _cameras(self, item: Item) -> tuple[Camera, ...] | None:
        """The camera of each picture of an item, where one is given."""
        given = self.request.camera
        return None if given is None else tuple(camera_for(given, path) for path in item.files)

    def _depths(self, item: Item) -> tuple[DepthMap, ...] | None:
        """The depth map of each picture of an item, where one is given."""
        from voxcli import files
        from voxcli.scene import DepthMap

        return tuple(files.read_as(path, DepthMap) for path in self._depth_files(item)) or None

    def _depth_files(self, item: Item) -> list[str]:
        """The depth map of each picture of an item; none where none is given."""
        return [] if self.request.depth is None else [file_beside(self.request.depth, path, len(item.files)) for path in item.files]

    def _mask_files(self, item: Item) -> list[str]:
        """The mask of each picture of an item; none where none is given."""
        return [] if self.mask is None else [file_beside(self.mask, path, len(item.files), "mask") for path in item.files]

    def _samples(self, chunk: list[Item], warnings: PictureWarnings) -> Iterator[tuple[Item, Inputs]]:
        """The items whose pictures can be read."""
        from voxcli import files
        from voxcli.scene import Picture

        view, fov = self.predictor.view, self.options.chosen("fov_x_deg")
        # Where a camera is given, its pixels are those of the file.
        target_frustum: Frustum | None = None if self.request.camera is not None else view
        for item in chunk:
            with self.todo.attempt(item):
                form = self.request.formats.input_format
                pictures = [files.read_as(path, Picture, format=form, target_frustum=target_frustum, fov_x_deg=fov) for path in item.files]
                pictures = [masked(*each) for each in zip(pictures, self._mask_files(item), strict=True)] if self.mask else pictures
                for path, picture in zip(item.files, pictures, strict=True):
                    warnings.look(path, picture, view is not None)
                yield item, Inputs(tuple(pictures))

    def _save(self, item: Item, result: Result) -> None:
        from voxcli.provenance import sha256_file

        request, format, meta = self.request, self.formats[item.target], result.meta
        result = self._placed(result)
        for line in (*cut_steps(item.files, result.meta), *self.predictor.steps(item.files, result.meta)):
            out.detail(line)
        contents = self.beside.contents(item, result)
        beside = (*self._depth_files(item), *self._mask_files(item))
        read = {path: sha256_file(path) for path in (*item.files, *beside)}
        thing: Described
        if self._drawn(format):
            assert isinstance(self.predictor, DrawsPictures)
            thing = self.predictor.picture_of(result)
        else:
            level = result.meta.get("threshold", self.conversion.threshold)
            if not self.options.whole:
                check_empty(item.source, result, level, format, request.becomes)
            thing = convert_to_format(with_probabilities(result, format, request.becomes), format, request.becomes, self.conversion)
        thing = self.predictor.completed(thing, result)
        thing = with_provenance(thing, "predict", self._recorded(), self.digests | read, weights=self.digest, source_meta=result.meta)
        if self.spec.frame is not None:
            thing.meta.update(frame=self.spec.frame, units=self.spec.units)
        thing.meta["prediction"] = meta
        written.write(item.target, thing, format=request.formats.format, overwrite=request.overwrite or item.broken)
        self.beside.write(contents)
        if (metric := _METRICS.get(type(thing).__name__)) is not None and item.target != "-":
            name = written.quoted(item.target)
            page = written.quoted(str(PurePath(item.target).with_suffix(".html")))
            # A mesh of a scene before an assumed camera has no truth in its frame; the scene itself has.
            score = "" if metric == "chamfer" and type(result).__name__ == "FruxelGrid" else f"; voxcli metrics {metric} {name} TRUTH"
            written.suggest(f"voxcli view {name} -o {page}{score}")
        self.fields.add(item.source, result.meta)

    def _placed(self, result: Result) -> Result:
        """Fruxels of a picture whose camera is not known, before the camera that is assumed; anything else as it is."""
        from voxcli.geometry.placing import level_scene
        from voxcli.scene import FruxelGrid

        return level_scene(result) if isinstance(result, FruxelGrid) and self.request.camera is None else result

    def _recorded(self) -> dict[str, Json]:
        """The options that a result's provenance names: all of the model's, given or not. Files that are read stand by their names."""
        mine: dict[str, Json] = {}
        for name, about in option_infos(type(self.options)).items():
            if about.on_command_line:
                text = self.request.given.get(name)
                value: Json = str(text) if about.reads and text is not None else getattr(self.options, name)
                mine[flag_of(name, about).lstrip("-")] = self.conversion.threshold if name == "threshold" else value
        mine |= {"camera": self.request.camera, "depth": self.request.depth}
        mine |= {"resolution": self.conversion.resolution} if self.resolves else {}
        recorded = {name: value for name, value in mine.items() if value is not None}
        return {"model": self.name, **recorded, "dtype": str(self.predictor.dtype).rpartition(".")[2]}


@lru_cache(maxsize=1)
def _loaded(name: str, path: Path, device: str, dtype: str, changed: int) -> tuple[Predictor[nn.Module, ModelOptions, Result], str]:
    """A model with the digest of its weights, loaded once by a worker. changed: when the file of weights was."""
    from voxcli.models.registry import load_predictor
    from voxcli.provenance import sha256_file

    return load_predictor(name, path, device, dtype), sha256_file(path)


def _predicted(item: Item, *, request: PredictRequest) -> Notices:
    """Predict and write one item in a worker. -> what is to be said of it"""
    from voxcli.cli.framework.batch import Batch

    notices = Notices()
    Predictions(replace(request, overwrite=request.overwrite or item.broken), Batch([item]), notices).run()
    return notices


def masked(picture: Picture, mask: str) -> Picture:
    """A picture with the alpha that the file of a mask states."""
    from voxcli import files
    from voxcli.ops.cutting import with_mask
    from voxcli.scene import Picture

    return with_mask(picture, files.read_as(mask, Picture), mask)


def cut_steps(names: Sequence[str], meta: Mapping[str, Json]) -> Iterator[str]:
    """By what the object of each picture was cut out, in words."""
    from voxcli.ops.cutting import cut_facts

    for place, name in enumerate(names):
        if facts := cut_facts(meta, place):
            yield f"{name}: cut out by {BY[str(facts['by'])]}, {facts['share']:.1%} of it"


def with_probabilities(thing: Result, format: Format, becomes: str | None) -> Result:
    """A grid with its probabilities as occupancy, where it will be converted: surfaces then lie where they cross the threshold."""
    from voxcli.scene import VoxelGrid

    if isinstance(thing, VoxelGrid) and thing.probabilities is not None and find_conversion(VoxelGrid, format, becomes) is not None:
        return replace(thing, occupancy=thing.probabilities, probabilities=None, context=None)
    return thing


def check_empty(source: str, thing: Result, threshold: float, format: Format, becomes: str | None) -> None:
    """Warn of an empty volume or cloud: no probability reaches the threshold. Raises DataError where it would have to be converted."""
    from voxcli.scene import PointCloud, VoxelGrid

    if isinstance(thing, PointCloud) and not len(thing.points) and "highest" in thing.meta:
        most = f"{thing.meta['highest']:.2g}"
        if find_conversion(PointCloud, format, becomes) is not None:
            raise DataError(f"{source}: no cell is occupied: there is no surface.", expected=f"an occupancy above {threshold:g}",
                            actual=f"{most}, the highest", hint="Lower --threshold, or look at the picture.")  # fmt: skip
        out.warn(f"{source}: No cell is occupied above {threshold:g} (the highest is at {most}): the cloud is empty.")
        return
    if not isinstance(thing, VoxelGrid) or thing.occupancy is None or thing.probabilities is None or thing.occupancy.any():
        return
    said = f"{source}: nothing reaches the threshold {threshold:g}"
    highest = f"{float(thing.probabilities.max()):.4g}"
    if find_conversion(VoxelGrid, format, becomes) is not None:
        raise DataError(f"{said}.", expected="an occupied cell", actual=f"{highest} at most", hint="Lower --threshold.")
    out.warn(f"{said}; the highest probability is {highest}. Lower --threshold.")
