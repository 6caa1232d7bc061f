"""What `predict` does with any model: load it, read pictures in batches, write results. What differs, the model's OFFERS say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxcli.cli.framework.fields_of_view import FieldsOfView
from voxcli.cli.framework.guesses import GuessFiles
from voxcli.cli.framework.inputs import check_there
from voxcli.cli.framework.odd_pictures import Doubts
from voxcli.cli.framework.output import out
from voxcli.cli.framework.poses import boxed, pose_files, write_poses
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.ops.cameras import camera_for, depth_file
from voxcli.ops.conversions import ConversionOptions, convert_to_format, find_conversion, needs_resolution, with_provenance

if TYPE_CHECKING:
    from voxcli.cli.framework.batch import Batch, Item
    from voxcli.files import Format
    from voxcli.scene import Frustum


TARGETS = (".npz", ".h5", ".glb", ".ply", ".obj", ".off", ".stl", ".binvox", ".vox", ".xyz", ".npy", ".png")
"""What any model may write; each one's OFFERS say which of them."""

_OF_ITEMS = ("camera", "depth", "camera_out", "light_out", "relight", "resolution")
"""Options that `predict` is given in another form than the command's, or not at all."""


@dataclass(frozen=True)
class Asked:
    """One call of predict. flags: flag -> (the option of a model's `predict` that it sets, its value; None: not given)."""

    model: str | None
    weights: str | None
    device: str
    dtype: str
    becomes: str | None
    batch_size: int
    format: str | None
    input_format: str | None
    overwrite: bool
    camera: str | None
    poses: str | None
    depth: str | None
    flags: dict[str, tuple[str, Any]] = field(default_factory=dict)
    views: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What is passed on to the model's `predict` for all samples alike; cameras and depths differ, and poses are a yes or no."""
        given = {option: value for option, value in self.flags.values() if value is not None and option not in _OF_ITEMS}
        return given | ({"poses": True} if self.poses else {})


class Predictions:
    """The model and the items of one call, checked as far as can be before the model is loaded."""

    def __init__(self, asked: Asked, todo: Batch):
        if not todo.keep_going:
            _check_boxes(todo, dict(asked.flags.values()).get("bbox"))  # before torch is loaded
        from voxcli.files.registry import find_format
        from voxcli.models.registry import model_module
        from voxcli.models.weights import find_weights, model_of
        from voxcli.provenance import sha256_file

        self.asked, self.todo = asked, todo
        self.formats = {item.target: find_format(item.target, asked.format, choices=TARGETS)[0] for item in todo.items}
        self.name = asked.model or ("ssz" if asked.weights is None else model_of(asked.weights))
        self.module = model_module(self.name, "inference")
        if not hasattr(self.module, "OFFERS"):
            raise UsageError(f"{self.name} predicts no 3D.", hint="`voxcli weights list` names all models.")
        self.offers = self.module.OFFERS
        self.resolves = self._takes_resolution()
        self._check_flags()
        self._check_formats()
        self.beside: dict[str, Path] = {} if asked.poses is None else pose_files(asked.poses, todo.items, asked.overwrite)
        given = dict(asked.flags.values())
        self.guesses = GuessFiles(given.get("camera_out"), given.get("light_out"), todo.items, asked.overwrite)
        self.light: str | None = given.get("relight")
        for given_file in (asked.camera, asked.depth, self.light):
            if given_file is not None:
                check_there(given_file)
        self._check_known()
        if asked.weights is None:
            check_shipped(self.name)
        path = find_weights(asked.weights or self.name)
        self.predictor = self._load(path)
        threshold = asked.options.get("threshold", getattr(self.predictor, "threshold", getattr(self.module, "THRESHOLD", None)))
        resolution = given.get("resolution") or ConversionOptions.resolution
        self.settings = ConversionOptions(resolution) if threshold is None else ConversionOptions(resolution, threshold)
        self.digests = {} if asked.camera is None else {asked.camera: sha256_file(asked.camera)}
        self.digests |= {} if self.light is None else {self.light: sha256_file(self.light)}
        self.digest = sha256_file(path)
        self.fields = FieldsOfView()

    def _check_flags(self) -> None:
        """Raise UsageError for a flag that means nothing to the model."""
        taken = self.offers.options | ({"resolution"} if self.resolves else set())
        for flag, (option, value) in self.asked.flags.items():
            if value is not None and option not in taken:
                known = [other for other, (name, _) in self.asked.flags.items() if name in taken]
                known += ["--views"] if self.offers.several_views else []
                raise UsageError(f"{flag} means nothing to {self.name}.", hint=f"Flags of {self.name}: {', '.join(sorted(known))}.")
        if self.asked.views and not self.offers.several_views:
            raise UsageError(f"--views means nothing to {self.name}, which takes one image.")

    def _check_known(self) -> None:
        """Raise VoxcliErrors of the camera and the depth of the first item, by their files alone; those of others come in their turn."""
        if (self.asked.camera is not None or self.asked.depth is not None) and not self.todo.keep_going:
            with self.todo.attempt(self.todo.items[0]):
                self._known(self.todo.items[0])

    def _takes_resolution(self) -> bool:
        """Whether --resolution means something: the model looks for surfaces on so many cells, or an output has so many."""
        from voxcli.files.registry import KIND_TYPES

        made = next(kind for kind in KIND_TYPES.values() if kind.__name__ == self.offers.gives)
        converted = [each for each in self.formats.values() if not self._drawn(each)]
        conversions = [find_conversion(made, each, self.asked.becomes) for each in converted]
        return "resolution" in self.offers.options or any(map(needs_resolution, conversions))

    def _check_formats(self) -> None:
        """Raise UsageError where an output cannot hold what is asked for."""
        from voxcli.files.registry import KIND_TYPES

        made = next(kind for kind in KIND_TYPES.values() if kind.__name__ == self.offers.gives)
        converted = [
            target for target, each in self.formats.items()
            if not self._drawn(each) and find_conversion(made, each, self.asked.becomes) is not None
        ]
        given = self.asked.options
        flat = [target for target in self.formats if self.formats[target].name not in ("NPZ", "HDF5")]
        drawn = [self._drawn(each) for each in self.formats.values()]
        if self.asked.flags.get("--relight", ("", None))[1] is not None and not all(drawn):
            raise UsageError("--relight draws pictures.", expected="an output .png", actual=next(iter(self.formats)))
        if self.asked.flags.get("--parts", ("", None))[1] and any(drawn):
            raise UsageError("--parts labels the faces of a surface.", expected="an output .glb, .ply, .obj or .npz",
                             actual=next(target for target, each in self.formats.items() if self._drawn(each)))  # fmt: skip
        if given.get("probabilities") and converted:
            raise UsageError(f"{converted[0]} has no place for probabilities.", expected="fruxels in .npz or .h5")
        self._check_resolution()
        if given.get("coarse") and (flat or converted):
            raise UsageError(f"{(flat or converted)[0]} has no place for a coarse volume's context.", expected=".npz or .h5")

    def _check_resolution(self) -> None:
        """Raise UsageError for more or fewer cells a side than the model looks for surfaces on."""
        asked, (least, most) = self.asked.flags["--resolution"][1], getattr(self.module, "RESOLUTIONS", (1, math.inf))
        if asked is not None and not least <= asked <= most:
            raise UsageError(f"--resolution of {self.name} is from {least} to {most} cells a side.", actual=asked)

    def _drawn(self, format: Format) -> bool:
        """Whether the model itself makes the picture that the output holds."""
        from voxcli.scene import Picture

        return Picture in format.writers and hasattr(self.module, "picture_of")

    def _load(self, path: Path) -> Any:
        from voxcli.backend import pick_device

        where = pick_device(self.asked.device)
        if self.asked.device == "auto":
            out.detail(f"device: {where}")
        predictor = self.module.load_predictor(path, str(where), self.asked.dtype)
        if getattr(predictor, "model", self.name) != self.name:
            given = self.asked.weights or self.name
            raise FileFormatError(f"'{given}' holds weights of another model.", expected=self.name, actual=predictor.model)
        return predictor

    def run(self) -> None:
        """Predict and write every item."""
        with Doubts() as doubts, self.fields:
            self._run(doubts)

    def _run(self, doubts: Doubts) -> None:
        asked = self.asked
        for chunk in self.todo.chunks(asked.batch_size):
            samples = list(self._samples(chunk, doubts))
            # A camera must fit each picture's own size and may differ: then one at a time. Nothing else fails for one picture alone.
            for batch in [[each] for each in samples] if asked.camera or asked.depth else [samples] if samples else []:
                results: list[Any] = []
                with self.todo.attempt(batch[0][0]):
                    special = self._known(batch[0][0])
                    pictures = [sample for _, sample in batch]
                    special |= self._wanted(batch[0][0])
                    results = list(self.module.predict(self.predictor, pictures, batch_size=asked.batch_size, **asked.options, **special))
                for (item, _), result in zip(batch, results, strict=False):
                    with self.todo.attempt(item):
                        self._save(item, result)
                        for path in item.files:
                            doubts.result(path, result.meta)

    def _known(self, item: Item) -> dict[str, Any]:
        """The camera and the depth that the flags give for an item: for models of several views, of each of its pictures."""
        from voxcli import files
        from voxcli.scene import DepthMap

        known: dict[str, Any] = {}
        if self.asked.camera is not None:
            cameras = [camera_for(self.asked.camera, path) for path in item.files]
            known["camera"] = cameras if self.offers.several_views else cameras[0]
        if self.asked.depth is not None:
            known["depth"] = [files.read_as(path, DepthMap) for path in self._depth_files(item)]
        return known

    def _depth_files(self, item: Item) -> list[str]:
        """The depth map of each picture of an item; none where none is given."""
        return [] if self.asked.depth is None else [depth_file(self.asked.depth, path, len(item.files)) for path in item.files]

    def _wanted(self, item: Item) -> dict[str, Any]:
        """What a model that makes surfaces and pictures itself is told of the outputs."""
        wanted: dict[str, Any] = {}
        if "resolution" in self.offers.options:
            wanted["resolution"] = self.settings.resolution
        if "picture" in self.offers.options:
            wanted["picture"] = self._drawn(self.formats[item.target])
        if self.light is not None:
            from voxcli.ops.lights import read_lights

            wanted["relight"] = read_lights(self.light)
        return wanted

    def _samples(self, chunk: list[Item], doubts: Doubts) -> Iterator[tuple[Item, Any]]:
        """The items whose pictures can be read, each with what the model takes: a picture, or all pictures of an object."""
        from voxcli import files
        from voxcli.scene import Picture

        for item in chunk:
            with self.todo.attempt(item):
                form, seen_by, fov = self.asked.input_format, self._seen_by(), self.asked.options.get("fov_x_deg")
                pictures = [files.read_as(path, Picture, format=form, seen_by=seen_by, fov_x_deg=fov) for path in item.files]
                for path, picture in zip(item.files, pictures, strict=True):
                    doubts.look(path, picture, hasattr(self.predictor, "view"))
                yield item, pictures if self.offers.several_views else pictures[0]

    def _seen_by(self) -> Frustum | None:
        """The camera for which pictures are read: none where one is given, whose pixels are those of the file."""
        return None if self.asked.camera is not None else getattr(self.predictor, "view", None)

    def _save(self, item: Item, result: Any) -> None:
        from voxcli import files
        from voxcli.provenance import sha256_file

        asked = self.asked
        told, result = result.meta, self._placed(result)
        for line in _steps(item, result.meta):
            out.detail(line)
        self.guesses.check(item, result.meta)
        read = {path: sha256_file(path) for path in (*item.files, *self._depth_files(item)) if path != "-"}
        if self._drawn(self.formats[item.target]):
            thing = self.module.picture_of(self.predictor, result)
        else:
            level = result.meta.get("threshold", self.settings.threshold)
            if not asked.options.get("coarse"):
                tell_of_nothing(item.source, result, level, self.formats[item.target], asked.becomes)
            thing = as_contoured(result, self.formats[item.target], asked.becomes)
            thing = convert_to_format(thing, self.formats[item.target], asked.becomes, self.settings)
        thing = boxed(thing, result) if self.beside else thing
        thing = with_provenance(thing, "predict", self._recorded(), self.digests | read, weights=self.digest, source_meta=result.meta)
        if self.offers.frame is not None:
            thing.meta.update(frame=self.offers.frame, units=self.offers.units)
        thing.meta["prediction"] = told
        files.write(item.target, thing, format=asked.format, overwrite=asked.overwrite)
        self.guesses.write(item, result.meta)
        if self.beside:
            write_poses(self.beside[item.source], result, asked.overwrite)
        self.fields.add(item.source, result.meta)

    def _placed(self, result: Any) -> Any:
        """Fruxels of a picture whose camera is not known, before the camera that is assumed; anything else as it is."""
        from voxcli.geometry.placing import stand_level
        from voxcli.scene import FruxelGrid

        return stand_level(result) if isinstance(result, FruxelGrid) and self.asked.camera is None else result

    def _recorded(self) -> dict[str, Any]:
        """The options that a result's provenance names: all of the model's, given or not."""
        mine = {flag.lstrip("-"): value for flag, (option, value) in self.asked.flags.items() if option in self.offers.options}
        mine |= {name: bool(mine[name]) for name in ("probabilities", "poses", "coarse", "parts") if name in mine}
        usual: dict[str, Any] = {"threshold": self.settings.threshold, "fit": 0}
        usual |= {name: getattr(self.module, name.upper(), None) for name in ("points", "background")}
        mine = {name: usual.get(name) if value is None else value for name, value in mine.items()}
        mine = {name: value for name, value in mine.items() if value is not None}
        number = str(self.predictor.dtype).rpartition(".")[2]
        mine |= {"resolution": self.settings.resolution} if self.resolves else {}
        return {"model": self.name, **mine, "dtype": number}


def as_contoured(thing: Any, format: Format, becomes: str | None) -> Any:
    """A grid that is to become something else gives up what a threshold decided, in steps: surfaces lie where probabilities cross it."""
    from voxcli.scene import VoxelGrid

    if isinstance(thing, VoxelGrid) and thing.probabilities is not None and find_conversion(VoxelGrid, format, becomes) is not None:
        return replace(thing, occupancy=thing.probabilities, probabilities=None, context=None)
    return thing


def tell_of_nothing(source: str, thing: Any, threshold: float, format: Format, becomes: str | None) -> None:
    """Warn of a volume or cloud of nothing, as no probability reaches the threshold. Raises DataError where it is to become another kind.
    """
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


def _check_boxes(todo: Batch, box: tuple[float, float, float, float] | None) -> None:
    """Raise DataError for a bounding box outside of a picture, by the pictures' headers alone."""
    if box is None:
        return
    from voxcli import files
    from voxcli.models.pix2vox.preprocessing import box_in_pixels

    for path in (path for item in todo.items for path in item.files if path != "-"):
        size = files.picture_size(path)
        try:
            if size is not None:
                box_in_pixels(box, *size)
        except DataError as error:
            raise DataError(f"{path}: {error.message}", expected=error.expected, actual=error.actual) from error


def _steps(item: Item, facts: dict[str, Any]) -> Iterator[str]:
    """What was done to each picture of an item, in words."""
    if "cells" in facts:
        yield f"{item.source}: camera {facts['camera']}, depth {facts['depth']}, {facts['cells']} cells of {facts['points']} points"
    if "pictures" not in facts:
        yield f"{item.source}: crop {facts.get('crop')}"
    for path, done in zip(item.files, facts.get("pictures", []), strict=False):
        if "crop" not in done:
            margins = "" if done["padded"] == [0, 0] else f"made square by {done['padded']} pixels on each side, "
            yield f"{path}: {margins}{done['side']}x{done['side']}, white on {done['painted']:.1%}"
            continue
        words = [f"crop {done['crop']}: pixels {done['part']}", "B, G, R", "bilinear to 224x224"]
        yield f"{path}: {', '.join(words)}, background on {done['painted']:.1%}, scaled to -1..1"


def check_shipped(name: str) -> None:
    """Raise UsageError for a model that comes without weights."""
    from voxcli.models.registry import MODELS
    from voxcli.models.weights import SHIPPED

    if name in MODELS and not (SHIPPED / f"{name}.safetensors").is_file():
        raise UsageError(
            f"No weights of {name} come with voxcli.", expected="--weights FILE.safetensors",
            hint=f"Train it, or import an official checkpoint: voxcli weights import FILE.pth -m {name} -o FILE.safetensors",
        )  # fmt: skip
