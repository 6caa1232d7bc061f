"""What the trainings of networks that predict street scenes as fruxels share: data, class weights, scores, previews."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

import numpy as np
from torch import Tensor

from voxcli.config import Value, from_mapping
from voxcli.datasets.scene_completion import folder_kind
from voxcli.datasets.street import StreetFolder
from voxcli.errors import UsageError, unknown_name
from voxcli.models.frustum import weighting
from voxcli.models.frustum.completion import CompletionOptions, CompletionSamples, has_split
from voxcli.models.frustum.facts import frustum_facts
from voxcli.models.frustum.photographs import read_photographs, score_photographs
from voxcli.models.frustum.previews import SceneBatch, predictions_sheet
from voxcli.models.frustum.scores import Predictor, iou_record, most_probable, predictor
from voxcli.training.counting import confusion
from voxcli.training.stage import ClassWeights, Stage, require
from voxcli.training.task import Batch, ClassWeighingTask, Config, Context, Network, Sample


class FruxelBatch(Batch, SceneBatch, Protocol):
    """A batch of street scenes."""


FruxelBatchType = TypeVar("FruxelBatchType", bound=FruxelBatch)


def scale_weights(stage: Stage, scales: Mapping[str, int]) -> dict[int, float]:
    """The weight of the loss at each scale of a stage. Raises UsageError for a name that is not among `scales`."""
    for name in stage.scales:
        if name not in scales:
            raise unknown_name("scale", name, scales)
    return {scales[name]: weight for name, weight in stage.scales.items()}


@dataclass(frozen=True)
class WeightedStage:
    """A stage's `settings`.

    weighting: exponent of the class weights in this stage. A class of weight k is chosen where its probability is above about 1/(1 + k);
        the best intersection over union asks for about half the F-score that a network reaches. So weights that help a young network find
        rare classes make a good one draw them too large: towards the end of a training a smaller exponent is right.
    """

    weighting: float = 1.0

    def __post_init__(self) -> None:
        require("settings", {"weighting": self.weighting}, "0 to 1", lambda value: 0 <= value <= 1)


def stage_weights(context: Context[StreetFolder], options: WeightedStage) -> Tensor:
    """The class weights [n] of a training, as a stage has them."""
    return context.constants["class_weights"] ** options.weighting


class FruxelTask(ClassWeighingTask[Network, Config, StreetFolder, Sample, FruxelBatchType]):
    """A task on street scenes. The network takes images and scales, and gives class scores [B, n, D/s, H/s, W/s] by scale s."""

    scales: ClassVar[Mapping[str, int]]
    """Names of the resolutions at which the network gives scores."""

    @abstractmethod
    def sizes(self, options: Mapping[str, Value]) -> tuple[tuple[int, int, int], int]:
        """Columns, rows and slices of the output that the recipe's `network` asks for, and pixels of the picture for each column."""

    def dataset_defaults(self, network: Mapping[str, Value]) -> dict[str, Value]:
        """The sizes of samples, for data that have none of their own."""
        size, scale = self.sizes(network)
        return {"size": list(size), "picture_scale": scale}

    def open_data(self, sources: Sequence[str | Path], options: Mapping[str, Value]) -> StreetFolder:
        """Folders of `synth street`, packed files of them, or roots of scene completion (`options`: of these)."""
        roots = [source for source in sources if folder_kind(source) is not None]
        for key in () if roots else {*options} - {"size", "picture_scale"}:
            raise UsageError(f"dataset: unknown key '{key}'.", hint="Street scenes have no settings.")
        chosen = from_mapping(CompletionOptions, dict(options), "dataset")
        return StreetFolder([CompletionSamples(source, chosen) if source in roots else source for source in sources])

    def unseen_split(self, sources: Sequence[str | Path]) -> str | None:
        """The validation's, where all sources have one."""
        return "val" if sources and all(has_split(source, "val") for source in sources) else None

    def finest(self, stage: Stage) -> int:
        """The finest scale of a stage, which is the one that is scored."""
        return min(scale_weights(stage, self.scales))

    def decide(self, scores: Tensor) -> Tensor:
        """How scores [B, n, D, *] become labels [B, D, *] uint8."""
        return most_probable(scores)

    def picture_scale(self, network: Network) -> int:
        """Pixels that the network takes for each column of the frustum, along a side."""
        return 1

    def _predictor(self, network: Network, stage: Stage) -> Predictor:
        return predictor(network, self.finest(stage), self.decide)

    def check_class_weights(self, weights: ClassWeights, data: StreetFolder) -> None:
        """Refuse weights by hand of classes that the data do not have, and weights that are all 0."""
        weighting.check_class_weights(weights, data.classes.names)

    def class_weights(self, weights: ClassWeights, data: StreetFolder, indices: Sequence[int]) -> dict[str, float]:
        """k of equation (2) of SSZ, by hand or from the class frequencies of the training samples."""
        found = weighting.find_class_weights(data, indices, weights)
        return dict(zip(data.classes.names, found.tolist(), strict=True))

    def tally(self, network: Network, batch: FruxelBatchType, context: Context[StreetFolder]) -> Tensor:
        """The confusion of one batch at the stage's finest scale."""
        classes, truth = context.data.classes, batch.labels[self.finest(context.stage)]
        return confusion(self._predictor(network, context.stage)(batch.images), truth, len(classes.names), classes.ignore)

    def summary(self, total: Tensor, context: Context[StreetFolder]) -> tuple[float, dict[str, Value]]:
        """Mean IoU over the solid classes, and the IoU of every class over all validation samples at once."""
        return iou_record(total, context.data.classes, self.finest(context.stage))

    def photograph_scores(self, folder: str) -> Callable[[Network, Context[StreetFolder]], dict[str, float]]:
        """Scores of labelled photographs at the stage's finest scale (see models.frustum.photographs)."""
        photographs = read_photographs(folder)

        def score(network: Network, context: Context[StreetFolder]) -> dict[str, float]:
            predict, data = self._predictor(network, context.stage), context.data
            return score_photographs(predict, photographs, data.frustum, data.classes, self.picture_scale(network))

        return score

    def preview(self, network: Network, batches: Iterable[FruxelBatchType], context: Context[StreetFolder]) -> np.ndarray:
        """A sheet with one row a sample: input, prediction and ground truth from the camera and from above. uint8 [H, W, 3]."""
        predict, data, scale = self._predictor(network, context.stage), context.data, self.finest(context.stage)
        return predictions_sheet(batches, predict, data.classes, data.frustum, scale)

    def weight_facts(self, data: StreetFolder) -> dict[str, Value]:
        """Label names and the frustum, for `predict`."""
        return frustum_facts(data.frustum, data.classes)
