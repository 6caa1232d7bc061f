"""One sample: its prediction, by a model or from a file, and the records of all measures."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from voxcli import files, log
from voxcli.errors import UsageError
from voxcli.evaluation.class_names import only_class, renamed, solidless
from voxcli.evaluation.empties import or_empty
from voxcli.evaluation.pairing import find_file
from voxcli.evaluation.protocol import Protocol
from voxcli.evaluation.readers import open_reader
from voxcli.evaluation.readers.base import Reader, ReaderOptions, cropped
from voxcli.metrics.records import Record, state_inputs
from voxcli.metrics.surfaces import SampledOptions
from voxcli.metrics.trajectories import CameraPoses
from voxcli.models.base import AnswersQuestions, DividesShapes, FitsShapes
from voxcli.ops.shape_fitting import fit_shape
from voxcli.ops.shape_parts import label_points, rebuild_shape
from voxcli.provenance import Recordable, digests_of_files
from voxcli.scene import FruxelGrid, Mesh, Picture, Surfels, VoxelGrid
from voxcli.shards import as_input

if TYPE_CHECKING:
    from torch import nn
    from typing_extensions import NotRequired

    from voxcli.evaluation.retrieval import Retrieval
    from voxcli.metrics.base import MetricOptions, Shape
    from voxcli.metrics.iqtt import Answers
    from voxcli.metrics.registry import AnyMetric
    from voxcli.models.base import Inputs, ModelOptions, Predictor, Result, TrainedNetwork

    Scored = Shape | Answers | CameraPoses
    Made = Scored | Path | None


@dataclass(frozen=True)
class Job:
    """What is evaluated: a protocol on a folder of data, and where the predictions come from: a model, or a folder of files.
    data: "" where a network itself is measured. retrieve: the root of the training objects that are retrieved."""

    protocol: Protocol
    data: str
    model: str | None = None
    weights: str | None = None
    predictions: str | None = None
    retrieve: str | None = None
    device: str = "auto"
    dtype: str = "auto"


class Line(TypedDict):
    """A sample as it is kept. records: by measure; none where there is no prediction, or it failed. failed: why."""

    variant: str
    name: str
    category: str
    records: dict[str, Record]
    failed: NotRequired[str]


@dataclass(frozen=True)
class Place:
    """A sample of a job by its variant and its number there."""

    variant: str
    index: int
    name: str
    category: str


@dataclass(frozen=True)
class ScoredSample:
    """What a sample's line was made of, for its picture. prediction: None where it is missing. truth: None where a network is measured.

    more: further pictures, uint8 [H, W, 3]: a question's four and what the network makes of the first; a scene as the network draws it.
    """

    line: Line
    prediction: Shape | Answers | None
    truth: Shape | Answers | None
    inputs: Inputs | None
    more: tuple[np.ndarray, ...] = ()


class Evaluator:
    """A job with its data and its model, opened once in each process."""

    def __init__(self, job: Job):
        self.job = job
        protocol = job.protocol
        ways = protocol.all_variants.items()
        self.readers = {name: open_reader(protocol.reader, job.data, protocol.read | way.read) for name, way in ways}
        self._predictor: Predictor[nn.Module, ModelOptions, Result] | None = None
        self._network: TrainedNetwork[nn.Module] | None = None
        self._galleries: dict[str, Retrieval] = {}

    @property
    def places(self) -> list[Place]:
        """Every sample, variant after variant."""
        every = [(name, k, sample) for name, reader in self.readers.items() for k, sample in enumerate(reader.samples)]
        names = self.job.protocol.categories
        return [Place(name, k, sample.name, names.get(sample.category, sample.category)) for name, k, sample in every]

    def files_of(self, place: Place) -> list[str]:
        """The files that a sample is read from: its own, its truth, and a prediction where there is one."""
        reader = self.readers[place.variant]
        by_truth = self._by_truth(reader, place)
        found = [*reader.sources(place.index), *(reader.truth_file(place.index, truth) for truth in by_truth)]
        if self.job.predictions is not None:
            found = [*(self._file(reader, place, by_truth[each]) for each in by_truth if each in reader.separate), *found]
            found.insert(0, self._file(reader, place))
        return list(dict.fromkeys(as_input(each) for each in found if each is not None))

    def has_prediction(self, place: Place) -> bool:
        """Whether there is a file of a prediction."""
        reader = self.readers[place.variant]
        by_truth = self._by_truth(reader, place)
        apart = [by_truth[each] for each in by_truth if each in reader.separate]
        return any(self._file(reader, place, several) for several in (*apart, ()))

    def find(self, place: Place, drawn: bool = False) -> ScoredSample:
        """Predict and score one sample. drawn: with further pictures of it."""
        reader, inputs = self.readers[place.variant], None
        line = Line(variant=place.variant, name=place.name, category=place.category, records={})
        if reader.task == "costs":
            line["records"] = self._costs()
            return ScoredSample(line, None, None, None)
        made: Made
        nearest: int | None = None
        if self.job.predictions is not None:
            made = self._file(reader, place)
        elif self.job.retrieve is not None:
            inputs = reader.inputs(place.index)
            nearest = self._retrieval(place.variant).nearest(inputs)
            made = None
        elif reader.task == "answers":
            made = self._answer(reader.question(place.index))
        elif reader.task == "parts":
            assert isinstance(self.network, DividesShapes)
            made = label_points(self.network, *reader.divided(place.index))
        elif reader.task == "codes":
            assert isinstance(self.network, FitsShapes)
            made = or_empty(partial(fit_shape, self.network, reader.fitted(place.index)))
        else:
            inputs = reader.inputs(place.index)
            made = or_empty(partial(self._predicted, reader, place, inputs))
        shown: list[tuple[Scored | None, Scored]] = []
        whole = made
        for truth, several in self._by_truth(reader, place).items():
            made = self._separate(reader, place, truth, several, whole) if truth in reader.separate and nearest is None else whole
            if nearest is not None:
                made = self._retrieval(place.variant).truth(nearest, truth)
            pred, gt = self._pair(reader, place, made, truth, several)
            shown.append((pred, gt))
            if pred is not None:
                line["records"] |= self._records(reader, place, several, (pred, gt), (made, reader.truth(place.index, truth)))
        if nearest is not None:
            retrieved = self._retrieval(place.variant).reader
            for record in line["records"].values():
                record["params"]["retrieved"] = retrieved.samples[nearest].name
                record["meta"]["inputs"] |= digests_of_files(list(map(str, retrieved.sources(nearest))))
        drawable = [(p, t) for p, t in shown if not isinstance(p, CameraPoses) and not isinstance(t, CameraPoses)]
        first, right = drawable[0] if drawable else (None, None)
        return ScoredSample(line, first, right, inputs, self._more(reader, place, first) if drawn else ())

    def _more(self, reader: Reader[ReaderOptions], place: Place, prediction: Shape | Answers | None) -> tuple[np.ndarray, ...]:
        """Further pictures of a sample; of a scene the one that the network draws of it."""
        from voxcli.models.base import MakesScenes

        if reader.task == "answers":
            question = reader.question(place.index)
            made = self.network.reconstructed(question) if self._network is not None and isinstance(self.network, AnswersQuestions) else ()
            return (*question, *made)
        if isinstance(prediction, Surfels) and self._predictor is not None and isinstance(self._predictor, MakesScenes):
            return (self._predictor.picture_of(prediction).rgb,)
        return ()

    # -- predictions ------------------------------------------------------------------------------------------------------------------

    def _file(self, reader: Reader[ReaderOptions], place: Place, several: Sequence[str] = ()) -> Path | None:
        """The file of a prediction, or of that which some measures are of alone; None where there is none."""
        assert self.job.predictions is not None
        fields, measures = reader.samples[place.index].fields(place.variant), self.job.protocol.measures
        names = several or [name for name, measure in measures.items() if measure.truth not in reader.separate]
        metrics = [self.job.protocol.metric_options(name, {})[0] for name in names]
        pattern = (measures[several[0]].files if several else "") or self.job.protocol.files
        suffixes = {suffix for metric in metrics for suffix in metric.suffixes()} | {".label"}
        return find_file(Path(self.job.predictions), pattern, fields, tuple(sorted(suffixes)))

    def _separate(self, reader: Reader[ReaderOptions], place: Place, truth: str, several: Sequence[str], whole: Made) -> Made:
        """The prediction of a truth that has one of its own. whole: the prediction of the sample."""
        if self.job.predictions is not None:
            return self._file(reader, place, several)
        if truth == "mesh":
            assert isinstance(self.network, DividesShapes)
            cloud, solid = reader.divided(place.index)
            right = reader.truth(place.index, truth)
            box = files.read_as(right, Mesh).vertices if solid is cloud and isinstance(right, Path) else None
            return or_empty(partial(rebuild_shape, self.network, solid, box))
        camera = whole.meta.get("camera") if isinstance(whole, Mesh) else None
        return None if camera is None else CameraPoses(("camera",), np.array(camera["world_to_cam"])[None])

    @property
    def predictor(self) -> Predictor[nn.Module, ModelOptions, Result]:
        """The model, loaded once."""
        if self._predictor is None:
            from voxcli.models.registry import load_predictor

            assert self.job.model is not None
            self._predictor = load_predictor(self.job.model, self.job.weights, self.job.device, self.job.dtype)
        return self._predictor

    def _answer(self, question: np.ndarray) -> Answers:
        """What the model answers to a question."""
        from voxcli.metrics.iqtt import Answers

        assert isinstance(self.network, AnswersQuestions)
        return Answers(np.array([self.network.answer(question)]))

    @property
    def network(self) -> TrainedNetwork[nn.Module]:
        """A model that is asked for something else than 3D of pictures, loaded once."""
        if self._network is None:
            from voxcli.models.registry import load_network

            assert self.job.model is not None
            self._network = load_network(self.job.model, self.job.weights, self.job.device, "auto")
        return self._network

    def _predicted(self, reader: Reader[ReaderOptions], place: Place, inputs: Inputs) -> Shape:
        """What the model makes of a sample, as one of the truth's kind would see it."""
        from voxcli.models.base import MakesScenes
        from voxcli.models.registry import check_predicts, spec_of

        assert self.job.model is not None
        protocol, spec = self.job.protocol, spec_of(self.job.model)
        kind = check_predicts(self.job.model)
        known = {field.name for field in dataclasses.fields(kind)}
        given: dict[str, Recordable] = {**protocol.predict, **protocol.all_variants[place.variant].predict}
        box = reader.box(place.index)
        if box is not None and "bbox" in known:
            given["bbox"] = box
        elif box is not None:
            inputs = cropped(inputs, box)
            log.info(lambda: f"{place.variant}: {place.name}: cropped to its object, {', '.join(f'{each:.0f}' for each in box)}")
        options = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in known})
        if len(inputs.pictures) > 1 and not spec.several_views and not reader.apart:
            raise UsageError(f"{self.job.model} takes one picture of an object.", actual=f"{len(inputs.pictures)} in this protocol")
        inputs = dataclasses.replace(
            inputs, cameras=inputs.cameras if spec.takes_camera else None, depths=inputs.depths if spec.takes_depth else None
        )
        made = list(self.predictor.predict(inputs.apart if reader.apart else [inputs], options))
        for shape in made:
            for line in self.predictor.steps([place.name] * len(inputs.pictures), shape.meta):
                log.info(f"{place.variant}: {line}")
        if reader.apart:
            return reader.joined([each for each in made if not isinstance(each, Picture)], place.index)
        camera = reader.seen_from(place.index)
        if camera is None:
            assert not isinstance(shape, Picture), self.job.model
            return shape
        if not isinstance(self.predictor, MakesScenes):
            raise UsageError(f"{self.job.model} shows no scene from elsewhere, which this protocol asks for.")
        from voxcli.ops.rendering import as_surfels

        return as_surfels(self.predictor.seen_from(shape.meta, camera), camera)

    def _retrieval(self, variant: str) -> Retrieval:
        """The training objects as a variant reads them, opened once."""
        from voxcli.evaluation.retrieval import Retrieval

        assert self.job.retrieve is not None
        protocol = self.job.protocol
        options = {name: value for name, value in (protocol.read | protocol.all_variants[variant].read).items() if name != "views"}
        key = repr(sorted(options.items()))
        if key not in self._galleries:
            self._galleries[key] = Retrieval(protocol.reader, self.job.retrieve, options)
        return self._galleries[key]

    def _costs(self) -> dict[str, Record]:
        """What the network costs, measured here and now."""
        from voxcli.evaluation.timing import CostOptions, Passes

        assert self.job.model is not None
        passes = Passes(self.job.model, self.job.weights, self.job.device, self.job.dtype)
        found = {}
        for name in self.job.protocol.measures:
            options = self.job.protocol.metric_options(name, {})[1]
            assert isinstance(options, CostOptions)
            found[name] = state_inputs(passes.record(options))
        return found

    # -- scores -----------------------------------------------------------------------------------------------------------------------

    def _by_truth(self, reader: Reader[ReaderOptions], place: Place) -> dict[str, list[str]]:
        """The measures that compare with one truth, of those that a sample has."""
        found: dict[str, list[str]] = {}
        for name, measure in self.job.protocol.measures.items():
            if measure.truth in found or reader.has_truth(place.index, measure.truth):
                found.setdefault(measure.truth, []).append(name)
        return found

    def _pair(
        self, reader: Reader[ReaderOptions], place: Place, made: Made, truth: str, several: list[str]
    ) -> tuple[Scored | None, Scored]:
        """Prediction and truth as shapes, the prediction on the truth's grid, both by the protocol's names of classes."""
        metric, options = self._measure(reader, place, several[0])
        right = reader.truth(place.index, truth)
        gt: Scored = metric.read_truth(as_input(right), options) if isinstance(right, Path) else right
        gt = renamed(gt, self.job.protocol.rename)
        if made is None:
            return None, gt
        pred: Scored = _read(metric, made, options) if isinstance(made, Path) else made
        pred = renamed(pred if isinstance(pred, CameraPoses) else reader.part(pred, place.index), self.job.protocol.rename)
        if isinstance(pred, FruxelGrid) and isinstance(gt, VoxelGrid) and reader.metric_grid:
            from voxcli.geometry.regrid import fruxels_to_voxels

            x, y, z = gt.values.shape
            pred = fruxels_to_voxels(pred, (x, y, z), gt.origin, gt.voxel_size)
        elif isinstance(pred, FruxelGrid) and isinstance(gt, FruxelGrid) and reader.metric_grid and pred.frustum != gt.frustum:
            from voxcli.geometry.regrid import fruxels_to_fruxels

            pred = fruxels_to_fruxels(pred, gt.frustum)
        return pred, gt

    def _measure(self, reader: Reader[ReaderOptions], place: Place, name: str) -> tuple[AnyMetric, MetricOptions]:
        return self.job.protocol.metric_options(name, reader.scored(place.index))

    def _records(
        self, reader: Reader[ReaderOptions], place: Place, several: list[str], pair: tuple[Scored, Scored],
        sources: tuple[Made, Made],
    ) -> dict[str, Record]:  # fmt: skip
        """The records of all measures of one pair; distances share their samples. A prediction that names no class has none of labels, and
        a cloud has none of solids beside its distances."""
        pred, gt = (as_input(each) if isinstance(each, Path) else "" for each in sources)
        measures = {name: self._measure(reader, place, name) for name in several}
        sampled = {name: options for name, (_, options) in measures.items() if isinstance(options, SampledOptions)}
        found: dict[str, Record] = {}
        if sampled:
            metric = measures[next(iter(sampled))][0]
            found |= zip(sampled, metric.score_several(*pair, list(sampled.values()), pred=pred, gt=gt), strict=True)
        for name, (metric, options) in measures.items():
            fitting = only_class(*pair, options)
            if name not in sampled and fitting is not None and not (sampled and solidless(pair[0], options)):
                found[name] = metric.score(*pair, fitting, pred=pred, gt=gt)
        read = [path for path in (pred, gt, *map(as_input, reader.sources(place.index))) if path]
        return {name: _stated(found[name], digests_of_files(read)) for name in several if name in found}


def _stated(record: Record, digests: Mapping[str, str]) -> Record:
    """The record with the hashes of all files that it was made of."""
    stated = state_inputs(record)
    stated["meta"]["inputs"] = dict(digests)
    return stated


def _read(metric: AnyMetric, path: Path, options: MetricOptions) -> Scored:
    """The prediction of a file, which may hold nothing. Labels of parts are of the truth's points: a file without any is an error."""
    read = partial(metric.read, as_input(path), options)
    found: Scored = read() if getattr(options, "of", None) == "parts" else or_empty(read)
    return found


def check_model(reader: type[Reader[ReaderOptions]], model: str) -> None:
    """Raise UsageError for a model that has no answer to what the data ask for."""
    from voxcli.models.registry import able, check_predicts

    abilities = {"answers": AnswersQuestions, "parts": DividesShapes, "codes": FitsShapes}
    if reader.task == "costs":
        from voxcli.evaluation.timing import check_timed

        check_timed(model)
    elif reader.task not in abilities:
        check_predicts(model)
    elif model not in able(abilities[reader.task]):
        what = {"answers": "answers no questions", "parts": "tells no parts of shapes", "codes": "has no codes to fit to shapes"}
        raise UsageError(f"{model} {what[reader.task]}.", expected=" or ".join(able(abilities[reader.task])))


_opened: dict[str, Evaluator] = {}


def evaluator_of(job: Job) -> Evaluator:
    """The evaluator of a job in this process."""
    key = repr((os.getcwd(), job))  # its paths may be relative
    if key not in _opened:
        _opened[key] = Evaluator(job)
    return _opened[key]
