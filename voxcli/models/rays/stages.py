"""What a training of Rays does: its data, network, losses of a step, scores and previews (the members of models.tasks.Task)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import Tensor, nn

from voxcli import config
from voxcli.datasets.street import StreetFolder
from voxcli.errors import FileFormatError, UsageError, unknown_name
from voxcli.models.blocks.efficientnet import load_imagenet
from voxcli.models.frustum import previews, weighting
from voxcli.models.frustum.facts import frustum_facts, open_street
from voxcli.models.frustum.losses import visible_class_loss, voxel_loss
from voxcli.models.frustum.photographs import LabelledPhotographs, score_photographs
from voxcli.models.frustum.scores import confusion, iou_record, surface_labels
from voxcli.models.rays import network as networks
from voxcli.models.rays.batches import RaysBatch, RaysReader, collate
from voxcli.models.rays.network import PRESETS, Rays, RaysConfig
from voxcli.models.tasks import Augmentation, ClassWeights, Context, Stage, require
from voxcli.models.weights import load_parts, load_weights

__all__ = [
    "STEPS", "build", "check_class_weights", "check_stage", "collate", "configure", "constants", "open_data", "photographs", "preview",
    "reader", "summary", "tally", "weight_facts",
]  # fmt: skip

SCALES = {"full": 1, "quarter": 4}
"""Names of the resolutions at which the network may be asked for scores."""

TERMS = ("likelihood", "dice", "visible")
"""`likelihood` and `dice` as in SSZ's training (models.frustum.losses); `visible` is the likelihood of what each ray meets first, with
the square roots of the class weights."""


@dataclass(frozen=True)
class StepOptions:
    """What a stage may set.

    rays: share of the columns whose rays a training step takes at the full resolution, drawn for each batch.
    weighting: exponent of the class weights in this stage. A class of weight k is chosen where its probability is above about 1/(1 + k);
        the best intersection over union asks for about half the F-score that a network reaches. So weights that help a young network find
        rare classes make a good one draw them too large: towards the end of a training a smaller exponent is right.
    """

    rays: float = 0.125
    weighting: float = 1.0

    def __post_init__(self) -> None:
        require("settings", {"weighting": self.weighting}, "0 to 1", lambda value: 0 <= value <= 1)
        require("settings", {"rays": self.rays}, "a share of the columns, more than 0, at most 1", lambda value: 0 < value <= 1)


def open_data(sources: Sequence[str | Path], settings: Mapping[str, Any]) -> StreetFolder:
    """Folders of `synth street --picture-scale 2`, or packed files of them. There is nothing to set."""
    return open_street(sources, settings)


def configure(settings: Mapping[str, Any], data: StreetFolder) -> RaysConfig:
    """The configuration of a recipe for the classes of the data: `preset` names where to begin, or `start` the weights that the training
    goes on from; other keys are fields of RaysConfig."""
    settings = dict(settings)
    preset = settings.pop("preset", "near")
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    given = config.to_mapping(PRESETS[preset])
    if settings.get("start"):
        weights = load_weights(str(settings["start"]))
        if weights.model != "rays":
            raise FileFormatError(f"'{settings['start']}': weights of another model.", expected="rays", actual=weights.model)
        given = config.merge(config.merge(given, weights.config), {"pretrained": False})
    resolved = replace(config.from_mapping(RaysConfig, config.merge(given, settings), "network"), classes=len(data.classes.names))
    own, shape = (resolved.depth, resolved.height, resolved.width), data.frustum.shape if data.frustum else None
    if shape is not None and own != shape:
        raise UsageError("The network's output does not have the shape of the data.", expected=f"(D, H, W) = {shape}", actual=own,
                         hint="Set network.width, height and depth in the recipe, or choose another preset.")  # fmt: skip
    picture = data[0].image.shape[:2]
    if picture != resolved.picture_size:
        raise UsageError(
            "The pictures do not have the size that the network takes.", expected="{1}x{0} pixels".format(*resolved.picture_size),
            actual="{1}x{0}".format(*picture), hint="Make them with: voxcli synth street --picture-scale 2",
        )  # fmt: skip
    return resolved


def build(settings: RaysConfig) -> Rays:
    """A network with the pretrained encoder that its configuration names, or with the weights that it starts from."""
    network = networks.build(settings)
    if settings.start:
        load_parts(network, settings.start)
    else:
        load_imagenet(network.encoder, settings.pretrained)
    return network


def check_class_weights(weights: ClassWeights, data: StreetFolder) -> None:
    """Refuse weights by hand of classes that the data do not have, and weights that are all 0."""
    weighting.check_class_weights(weights, data.classes.names)


def check_stage(stage: Stage, settings: RaysConfig, data: StreetFolder) -> None:
    """Refuse scales that the network has no scores for, unknown loss terms and settings."""
    for name in stage.scales:
        if name not in SCALES:
            raise unknown_name("scale", name, SCALES)
    for name in stage.losses:
        if name not in TERMS:
            raise unknown_name("loss", name, TERMS)
    _options(stage)


def _options(stage: Stage) -> StepOptions:
    return config.from_mapping(StepOptions, stage.settings, f"stage '{stage.name}': settings")


def _scales(stage: Stage) -> dict[int, float]:
    return {SCALES[name]: weight for name, weight in stage.scales.items()}


def constants(data: StreetFolder, indices: Sequence[int], weights: ClassWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """k of equation (2) of SSZ, by hand or from the class frequencies of the training samples."""
    names = data.classes.names
    found = weighting.find_class_weights(data, indices, weights)
    return {"class_weights": found}, {"class_weights": dict(zip(names, found.tolist(), strict=True))}


def reader(data: StreetFolder, stage: Stage, augmentation: Augmentation) -> RaysReader:
    """Samples with labels at the scales of a stage."""
    assert data.frustum is not None
    rays = max(1, round(_options(stage).rays * data.frustum.width * data.frustum.height))
    return RaysReader(data, tuple(_scales(stage)), rays, augmentation)


def rays_step(network: nn.Module, batch: RaysBatch, context: Context) -> dict[str, Tensor]:
    """Loss terms by scale: at the full resolution of the batch's rays, at the coarse scale of the whole volume."""
    scales, losses, classes = _scales(context.stage), context.stage.losses, context.data.classes
    weights = context.constants["class_weights"] ** _options(context.stage).weighting
    balance = float(weights.sum()) / len(weights)
    features = cast(Rays, network).features(batch.images, fine=1 in scales)
    terms = {}
    for scale, weight in scales.items():
        scores, labels = features.coarse.float(), batch.labels[scale]
        if scale == 1:
            assert batch.pixels is not None
            scores, labels = cast(Rays, network).rays(features, batch.pixels)[:, :, :, None], labels[:, :, None]
        scores = scores.contiguous()
        terms[f"scale{scale}"] = weight * voxel_loss(
            scores, labels, weights, likelihood=losses.get("likelihood", 0.0) * balance, dice=losses.get("dice", 0.0),
            ignore=classes.ignore, add=context.add,
        )  # fmt: skip
        if losses.get("visible"):
            visible = visible_class_loss(scores, labels, weights.sqrt(), classes.empty, classes.ignore)
            terms[f"visible{scale}"] = weight * losses["visible"] * visible
    return terms


STEPS = {"rays": rays_step}


def tally(network: nn.Module, batch: RaysBatch, context: Context) -> Tensor:
    """The confusion of one batch at the stage's finest scale."""
    scale = min(_scales(context.stage))
    return confusion(network, batch.images, batch.labels[scale], scale, context.data.classes.ignore, surface_labels)


def summary(total: Tensor, context: Context) -> tuple[float, dict[str, Any]]:
    """Mean IoU over the solid classes, and the IoU of every class over all validation samples at once."""
    return iou_record(total, context.data.classes, min(_scales(context.stage)))


def photographs(network: nn.Module, folder: LabelledPhotographs, context: Context) -> dict[str, float]:
    """Scores of labelled photographs at the stage's finest scale (see frustum.photographs)."""
    data, scale = context.data, min(_scales(context.stage))
    return score_photographs(network, folder, data.frustum, data.classes, scale, surface_labels)


def preview(network: nn.Module, batches: Iterator[RaysBatch], context: Context) -> np.ndarray:
    """A sheet with one row a sample: picture, prediction and ground truth from the camera and from above. uint8 [H, W, 3]."""
    data, scale = context.data, min(_scales(context.stage))
    return previews.predictions_sheet(network, batches, data.classes, data.frustum, scale, surface_labels)


def weight_facts(data: StreetFolder) -> dict[str, Any]:
    """Label names and the frustum, for `predict`."""
    return frustum_facts(data)
