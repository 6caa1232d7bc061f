"""What a training of SSZ does: its data, network, losses of a step, scores and previews (the members of models.tasks.Task)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from voxcli import config
from voxcli.datasets.street import StreetFolder
from voxcli.errors import UsageError, unknown_name
from voxcli.models.blocks.efficientnet import load_imagenet
from voxcli.models.frustum import previews, weighting
from voxcli.models.frustum.batches import StreetBatch, StreetReader, collate  # noqa: F401 - `collate` is part of what stages offer
from voxcli.models.frustum.facts import frustum_facts, open_street
from voxcli.models.frustum.losses import voxel_loss
from voxcli.models.frustum.photographs import LabelledPhotographs, score_photographs
from voxcli.models.frustum.scores import confusion, iou_record
from voxcli.models.ssz import network as networks
from voxcli.models.ssz.network import PRESETS, Generator, PublishedEncoder, SSZConfig
from voxcli.models.ssz.poses import Assigned, assign, certificate_loss, realism_loss
from voxcli.models.tasks import Augmentation, ClassWeights, Context, Stage
from voxcli.models.weights import load_parts
from voxcli.scene.poses import Poses
from voxcli.scene.types import Frustum

SCALES = {"full": 1, "half": 2, "quarter": 4}
"""Names of the resolutions at which the network may be asked for scores."""

TERMS = ("likelihood", "dice")
"""`likelihood` is equation (2), times the sum q of the class weights over their number (a scale that keeps the terms' balance when
the weights change; q cancels in Adam otherwise; weights whose mean is 1 leave equation (2) as it is); `dice` is ours."""

ADVERSARIAL_TERMS = (*TERMS, "adversarial", "pose", "discriminator", "discriminator_pose")
"""Equation (3) term by term, each with a weight (the paper adds the terms up: weights of 1). For the generator `adversarial`, how little
real its objects look, and `pose`, how far the poses that they show are from the truth. For the discriminator `discriminator`, how badly
it tells real from generated (the sum of the two expectations; a weight of 0.5 is pix2pix's), and `discriminator_pose`, the error of the
poses that it finds in real fruxels. These two have the weight 1 unless named."""


def open_data(sources: Sequence[str | Path], settings: Mapping[str, Any]) -> StreetFolder:
    """Folders of `synth street` or packed files of them. There is nothing to set."""
    return open_street(sources, settings)


def configure(settings: Mapping[str, Any], data: StreetFolder) -> SSZConfig:
    """The configuration of a recipe for the classes and the shape of the data."""
    assert data.frustum is not None
    return resolve_config(dict(settings), len(data.classes.names), data.frustum.shape)


def resolve_config(settings: dict[str, Any], classes: int, shape: tuple[int, int, int] | None) -> SSZConfig:
    """The configuration of a recipe: `preset` names where to start, other keys are fields of SSZConfig.

    shape: (D, H, W) of the data; the network must have it. None skips that check.
    """
    settings = dict(settings)
    preset = settings.pop("preset", "street")
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    merged = config.merge(config.to_mapping(PRESETS[preset]), settings)
    resolved = replace(config.from_mapping(SSZConfig, merged, "network"), classes=classes)
    own = (resolved.depth, resolved.height, resolved.width)
    if shape is not None and own != shape:
        raise UsageError("The network's output does not have the shape of the data.", expected=f"(D, H, W) = {shape}", actual=own,
                         hint="Set network.width, height and depth in the recipe, or choose another preset.")  # fmt: skip
    return resolved


def build(settings: SSZConfig) -> Generator:
    """A network with the pretrained encoder that its configuration names, or with the parts that the weights have that it starts from."""
    network = networks.build(settings)
    if settings.start:
        load_parts(network, settings.start)
    elif isinstance(network.encoder, PublishedEncoder):
        load_imagenet(network.encoder.published, settings.pretrained)
    return network


def generator_step(
    network: nn.Module, images: Tensor, labels: dict[int, Tensor], *, scales: dict[int, float], losses: dict[str, float],
    class_weights: Tensor, ignore: int | None, add: Callable[[Tensor], Tensor] | None = None, **_: Any,
) -> dict[str, Tensor]:  # fmt: skip
    """Loss of the generator alone, by scale: weighted sums of the terms named in `losses`, to be added up by the engine.

    add: the sum of a tensor over the processes that share the batch, for terms that are no means over samples.
    """
    _check_losses(losses, TERMS)
    scores = network(images, tuple(scales))
    return _voxel_terms(scores, labels, scales, losses, class_weights, ignore, add, in_place=True)


def adversarial_step(
    network: nn.Module, images: Tensor, labels: dict[int, Tensor], *, scales: dict[int, float], losses: dict[str, float],
    class_weights: Tensor, ignore: int | None, frustum: Frustum, poses: Sequence[Poses | None],
    add: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[dict[str, Tensor]]:  # fmt: skip
    """Equation (3) in two phases, as in pix2pix: the discriminator's losses with the generator's fruxels detached, then the generator's
    with the discriminator as it has become, held still. The discriminator sees the finest of the scales.

    Section 3.3 asks for "real" or "fake" at each instance of an object; `judged` of the discriminator's configuration says whether it
    is asked there or at all cells.
    """
    _check_losses(losses, ADVERSARIAL_TERMS)
    judge = getattr(network, "discriminator", None)
    if judge is None:
        raise UsageError("An adversarial stage needs a discriminator.", hint="Add to the recipe: network: {discriminator: {}}")
    finest = min(scales)
    scores = network(images, tuple(scales))
    fake = torch.softmax(scores[finest].float(), 1)
    real = soft_one_hot(labels[finest], fake.detach(), judge.config.softness, ignore)

    seen, imagined = judge(images, real, frustum), judge(images, fake.detach(), frustum)
    truth: Assigned = assign(poses, frustum, tuple(seen.r.shape[1:]))
    extra = (judge.config.translation, judge.config.rotation)
    asked = truth if judge.config.judged == "instances" else None
    realism = realism_loss(seen.r, judge.config.real_label, asked) + realism_loss(imagined.r, 0.0, asked)
    yield {
        "discriminator": losses.get("discriminator", 1.0) * realism,
        "discriminator_pose": losses.get("discriminator_pose", 1.0) * certificate_loss(seen, truth, *extra),
    }

    moving = [p for p in judge.parameters() if p.requires_grad]
    for parameter in moving:
        parameter.requires_grad_(False)
    certificate = judge(images, fake, frustum)
    for parameter in moving:  # what has been computed stays without them
        parameter.requires_grad_(True)
    terms = _voxel_terms(scores, labels, scales, losses, class_weights, ignore, add, in_place=False)
    # -log D(G(A)) for the printed log(1 - D(G(A))). Section 3 says the generator's aim in these words: make it probable that the
    # discriminator takes generated fruxels for real ones. The fixed point is the same, the gradients do not vanish. So does pix2pix.
    terms["adversarial"] = losses.get("adversarial", 0.0) * realism_loss(certificate.r, 1.0, asked)
    terms["pose"] = losses.get("pose", 0.0) * certificate_loss(certificate, truth, *extra)
    yield terms


def soft_one_hot(labels: Tensor, unknown: Tensor, softness: float, ignore: int | None) -> Tensor:
    """Real fruxels as the discriminator sees them: [B, D, H, W] -> [B, n, D, H, W], (1 - softness) one-hot + softness / n.

    Ignored fruxels take the values of `unknown` [B, n, D, H, W], so that they tell nothing.
    """
    n = unknown.shape[1]
    ignored = None if ignore is None else labels == ignore
    index = (labels if ignored is None else labels.masked_fill(ignored, 0)).long()
    result = torch.full_like(unknown, softness / n)
    result.scatter_(1, index[:, None], 1 - softness + softness / n)
    return result if ignored is None else torch.where(ignored[:, None], unknown, result)


def _check_losses(losses: dict[str, float], known: tuple[str, ...]) -> None:
    for name in losses:
        if name not in known:
            raise unknown_name("loss", name, known)


def _voxel_terms(
    scores: dict[int, Tensor], labels: dict[int, Tensor], scales: dict[int, float], losses: dict[str, float], class_weights: Tensor,
    ignore: int | None, add: Callable[[Tensor], Tensor] | None, in_place: bool,
) -> dict[str, Tensor]:  # fmt: skip
    balance = float(class_weights.sum()) / len(class_weights)
    return {
        f"scale{scale}": weight
        * voxel_loss(
            scores[scale].float(), labels[scale], class_weights, likelihood=losses.get("likelihood", 0.0) * balance,
            dice=losses.get("dice", 0.0), ignore=ignore, in_place=in_place, add=add,
        )
        for scale, weight in scales.items()
    }  # fmt: skip


def check_class_weights(weights: ClassWeights, data: StreetFolder) -> None:
    """Refuse weights by hand of classes that the data do not have, and weights that are all 0."""
    weighting.check_class_weights(weights, data.classes.names)


def check_stage(stage: Stage, config: SSZConfig, data: StreetFolder) -> None:
    """Refuse scales that the network has no scores for, unknown loss terms, adversarial stages without a discriminator, and batches of
    one for a network that comes down to one pixel."""
    available = {name: scale for name, scale in SCALES.items() if scale <= 2 ** (len(config.decoder) - 2)}
    for name in stage.scales:
        if name not in SCALES:
            raise unknown_name("scale", name, SCALES)
        if name not in available:
            raise UsageError(
                f"Stage '{stage.name}': this network has no scores at the scale '{name}'.", expected=" or ".join(available),
                actual=f"{len(config.decoder)} decoder levels", hint="Name other scales, or give the decoder another level.",
            )  # fmt: skip
    for name in stage.settings:
        raise UsageError(f"Stage '{stage.name}': unknown key 'settings.{name}'.", hint="SSZ's steps have no settings.")
    _check_losses(stage.losses, ADVERSARIAL_TERMS if stage.step == "adversarial" else TERMS)
    if stage.step == "adversarial" and config.discriminator is None:
        raise UsageError("An adversarial stage needs a discriminator.", hint="Add to the recipe: network: {discriminator: {}}")
    if stage.step == "adversarial" and data.fov_jitter > 0:
        raise UsageError(
            f"Stage '{stage.name}': poses are found in one frustum for all samples.", expected="one field of view",
            actual=f"fields of view that differ by up to {data.fov_jitter:g} degrees", hint="Leave out --fov-jitter.",
        )  # fmt: skip
    if config.bottleneck[1:] == (1, 1) and stage.batch == stage.parts:
        raise UsageError(
            f"Stage '{stage.name}': batch normalisation at 1x1 has one value a channel, which says nothing.",
            expected="at least 2 samples in each part of a batch", actual=f"batch {stage.batch} in {stage.parts} parts",
            hint="Set a larger batch, or fewer parts.",
        )  # fmt: skip


def constants(data: StreetFolder, indices: Sequence[int], weights: ClassWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """k of equation (2), by hand or from the class frequencies of the training samples."""
    found = weighting.find_class_weights(data, indices, weights)
    return {"class_weights": found}, {"class_weights": dict(zip(data.classes.names, found.tolist(), strict=True))}


def reader(data: StreetFolder, stage: Stage, augmentation: Augmentation) -> StreetReader:
    """Samples with labels at the scales of a stage."""
    return StreetReader(data, tuple(_scales(stage)), augmentation)


def _scales(stage: Stage) -> dict[int, float]:
    return {SCALES[name]: weight for name, weight in stage.scales.items()}


def _generator(network: nn.Module, batch: StreetBatch, context: Context) -> dict[str, Tensor]:
    return generator_step(network, batch.images, batch.labels, **_about(context))


def _adversarial(network: nn.Module, batch: StreetBatch, context: Context) -> Iterator[dict[str, Tensor]]:
    about = _about(context)
    return adversarial_step(network, batch.images, batch.labels, frustum=context.data.frustum, poses=batch.poses, **about)


def _about(context: Context) -> dict[str, Any]:
    return {
        "scales": _scales(context.stage),
        "losses": context.stage.losses,
        "class_weights": context.constants["class_weights"],
        "ignore": context.data.classes.ignore,
        "add": context.add,
    }


STEPS = {"generator": _generator, "adversarial": _adversarial}


def tally(network: nn.Module, batch: StreetBatch, context: Context) -> Tensor:
    """The confusion of one batch at the stage's finest scale (see `confusion`)."""
    scale = min(_scales(context.stage))
    return confusion(network, batch.images, batch.labels[scale], scale, context.data.classes.ignore)


def summary(total: Tensor, context: Context) -> tuple[float, dict[str, Any]]:
    """Mean IoU over the solid classes, and the IoU of every class over all validation samples at once."""
    return iou_record(total, context.data.classes, min(_scales(context.stage)))


def preview(network: nn.Module, batches: Iterator[StreetBatch], context: Context) -> np.ndarray:
    """A sheet with one row a sample: input, prediction and ground truth from the camera and from above. uint8 [H, W, 3]."""
    return previews.predictions_sheet(network, batches, context.data.classes, context.data.frustum, min(_scales(context.stage)))


def weight_facts(data: StreetFolder) -> dict[str, Any]:
    """Label names and the frustum, for `predict`."""
    return frustum_facts(data)


def photographs(network: nn.Module, folder: LabelledPhotographs, context: Context) -> dict[str, float]:
    """Scores of labelled photographs at the stage's finest scale (see frustum.photographs)."""
    return score_photographs(network, folder, context.data.frustum, context.data.classes, min(_scales(context.stage)))
