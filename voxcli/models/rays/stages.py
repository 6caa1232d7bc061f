"""What a training of Rays does: its data, network, training step, scores and previews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from voxcli import config as configuration
from voxcli.config import Value
from voxcli.datasets.street import StreetFolder, check_picture_size
from voxcli.errors import FileFormatError, UsageError
from voxcli.models.blocks.efficientnet import load_imagenet
from voxcli.models.frustum.losses import ray_losses
from voxcli.models.frustum.scores import surface_labels
from voxcli.models.frustum.task import FruxelTask, WeightedStage, scale_weights, stage_weights
from voxcli.models.rays.batches import Prepared, RaysBatch, RaysReader, collate
from voxcli.models.rays.network import PRESETS, Rays, RaysConfig, build
from voxcli.models.weights import load_parts, load_weights
from voxcli.training.recipe import split_preset
from voxcli.training.stage import Augmentation, Stage, require
from voxcli.training.task import Context, Terms

SCALES = {"full": 1, "quarter": 4}
"""Names of the resolutions at which the network gives scores."""

TERMS = ("likelihood", "dice", "visible")
"""`likelihood` and `dice` as in SSZ's training (models.frustum.losses); `visible` is the likelihood of what each ray meets first, with
the square roots of the class weights."""


@dataclass(frozen=True)
class StageOptions(WeightedStage):
    """A stage's `settings`. rays: share of the columns whose rays a training step takes at the full resolution, drawn for each batch."""

    rays: float = 0.125

    def __post_init__(self) -> None:
        super().__post_init__()
        require("settings", {"rays": self.rays}, "a share of the columns, more than 0, at most 1", lambda value: 0 < value <= 1)


def rays_step(network: Rays, batch: RaysBatch, context: Context[StreetFolder]) -> Terms:
    """Loss terms by scale: at the full resolution of the batch's rays, at the coarse scale of the whole volume."""
    scales, losses, classes = scale_weights(context.stage, SCALES), context.stage.losses, context.data.classes
    weights = stage_weights(context, context.stage.options(StageOptions))
    balance = float(weights.sum()) / len(weights)
    features = network.features(batch.images, fine=1 in scales)
    terms: Terms = {}
    for scale, weight in scales.items():
        scores, labels = features.coarse, batch.labels[scale]
        if scale == 1:
            assert batch.pixels is not None
            scores, labels = network.rays(features, batch.pixels)[:, :, :, None], labels[:, :, None]
        terms[f"scale{scale}"], visible = (weight * loss for loss in ray_losses(
            scores, labels, weights, likelihood=losses.get("likelihood", 0.0) * balance, dice=losses.get("dice", 0.0),
            visible=weights.sqrt(), empty=classes.empty, ignore=classes.ignore, in_place=scale == 1, add=context.add,
        ))  # fmt: skip
        if losses.get("visible"):
            terms[f"visible{scale}"] = losses["visible"] * visible
    return terms


def _resolved(options: Mapping[str, Value]) -> RaysConfig:
    """The configuration of a recipe before its data are known."""
    preset, options = split_preset(options, PRESETS, "near")
    given = configuration.to_mapping(PRESETS[preset])
    if options.get("start"):
        weights = load_weights(str(options["start"]))
        if weights.model != "rays":
            raise FileFormatError(f"'{options['start']}': weights of another model.", expected="rays", actual=weights.model)
        given = configuration.merge(given, weights.config, {"pretrained": False})
    return configuration.from_mapping(RaysConfig, configuration.merge(given, options), "network")


class RaysTask(FruxelTask[Rays, RaysConfig, Prepared, RaysBatch]):
    """Pictures of two pixels for each column of fruxels (`synth street --picture-scale 2`)."""

    scales = SCALES
    steps = {"rays": rays_step}
    collate = staticmethod(collate)

    def sizes(self, options: Mapping[str, Value]) -> tuple[tuple[int, int, int], int]:
        """As configured."""
        found = _resolved(options)
        return (found.width, found.height, found.depth), found.picture_scale

    def configure(self, options: Mapping[str, Value], data: StreetFolder) -> RaysConfig:
        """The configuration of a recipe for the classes of the data: `preset` names where to begin, or `start` the weights that the
        training goes on from; other keys are fields of RaysConfig."""
        resolved = replace(_resolved(options), classes=len(data.classes.names))
        own, shape = (resolved.depth, resolved.height, resolved.width), data.frustum.shape
        if own != shape:
            raise UsageError("The network's output does not have the shape of the data.", expected=f"(D, H, W) = {shape}", actual=own,
                             hint="Set them, as --set training.network.width=N (height, depth), or choose another preset.")  # fmt: skip
        check_picture_size(data, resolved.picture_size, resolved.picture_scale)
        return resolved

    def build(self, config: RaysConfig) -> Rays:
        """A network with the pretrained encoder that its configuration names, or with the weights that it starts from."""
        network = build(config)
        if config.start:
            load_parts(network, config.start)
        else:
            load_imagenet(network.encoder, config.pretrained)
        return network

    def check_stage(self, stage: Stage, config: RaysConfig, data: StreetFolder) -> None:
        """Refuse scales that the network has no scores for, unknown loss terms and settings."""
        scale_weights(stage, SCALES)
        stage.check_losses(TERMS)
        stage.options(StageOptions)

    def reader(self, data: StreetFolder, stage: Stage, augmentation: Augmentation) -> RaysReader:
        """Samples with labels at the scales of a stage."""
        rays = max(1, round(stage.options(StageOptions).rays * data.frustum.width * data.frustum.height))
        return RaysReader(data, tuple(scale_weights(stage, SCALES)), rays, augmentation)

    def decide(self, scores: Tensor) -> Tensor:
        """The most probable classes, but no ray passes what it most likely meets."""
        return surface_labels(scores)

    def picture_scale(self, network: Rays) -> int:
        """As configured."""
        return network.config.picture_scale


TASK = RaysTask()
