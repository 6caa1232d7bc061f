"""The training steps of SSZ: losses of the generator alone, and equation (3) with the discriminator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from voxcli.datasets.street import StreetFolder
from voxcli.errors import UsageError
from voxcli.models.frustum.batches import StreetBatch
from voxcli.models.frustum.losses import voxel_loss
from voxcli.models.frustum.task import WeightedStage, scale_weights, stage_weights
from voxcli.models.ssz.network import Generator
from voxcli.models.ssz.poses import assign, certificate_loss, realism_loss
from voxcli.training.freezing import parameters_frozen
from voxcli.training.task import Context, Terms

SCALES = {"full": 1, "half": 2, "quarter": 4}
"""Names of the resolutions at which the network gives scores."""

TERMS = ("likelihood", "dice")
"""`likelihood` is equation (2), times the sum q of the class weights over their number (a scale that keeps the terms' balance when
the weights change; q cancels in Adam otherwise; weights whose mean is 1 leave equation (2) as it is); `dice` is ours."""

ADVERSARIAL_TERMS = (*TERMS, "adversarial", "pose", "discriminator", "discriminator_pose")
"""Equation (3) term by term, each with a weight (the paper adds the terms up: weights of 1). For the generator `adversarial`, how little
real its objects look, and `pose`, how far the poses that they show are from the truth. For the discriminator `discriminator`, how badly
it tells real from generated (the sum of the two expectations; a weight of 0.5 is pix2pix's), and `discriminator_pose`, the error of the
poses that it finds in real fruxels. These two have the weight 1 unless named."""


def needs_discriminator() -> UsageError:
    """The error for an adversarial stage of a network without a discriminator."""
    return UsageError("An adversarial stage needs a discriminator.", hint="Add to the recipe: network: {discriminator: {}}")


def generator_step(network: Generator, batch: StreetBatch, context: Context[StreetFolder]) -> Terms:
    """Loss of the generator alone, by scale: weighted sums of `likelihood` and `dice`."""
    context.stage.check_losses(TERMS)
    return _voxel_terms(network(batch.images, tuple(scale_weights(context.stage, SCALES))), batch, context, in_place=True)


def adversarial_step(network: Generator, batch: StreetBatch, context: Context[StreetFolder]) -> Iterator[Terms]:
    """Equation (3) in two phases, as in pix2pix: the discriminator's losses with the generator's fruxels detached, then the generator's
    with the discriminator as it has become, held still. The discriminator sees the finest of the scales.

    Section 3.3 asks for "real" or "fake" at each instance of an object; `judged` of the discriminator's configuration says whether it
    is asked there or at all cells.
    """
    losses, frustum, ignore = context.stage.losses, context.data.frustum, context.data.classes.ignore
    context.stage.check_losses(ADVERSARIAL_TERMS)
    discriminator = network.discriminator
    if discriminator is None:
        raise needs_discriminator()
    config, scales = discriminator.config, scale_weights(context.stage, SCALES)
    scores = network(batch.images, tuple(scales))
    fake = torch.softmax(scores[min(scales)].float(), 1)
    real = soft_one_hot(batch.labels[min(scales)], fake.detach(), config.softness, ignore)

    seen_real, seen_fake = discriminator(batch.images, real, frustum), discriminator(batch.images, fake.detach(), frustum)
    truth = assign(batch.poses, frustum, tuple(seen_real.r.shape[1:]))
    instances = truth if config.judged == "instances" else None
    realism = realism_loss(seen_real.r, config.real_label, instances) + realism_loss(seen_fake.r, 0.0, instances)
    pose = certificate_loss(seen_real, truth, config.translation, config.rotation)
    yield {"discriminator": losses.get("discriminator", 1.0) * realism, "discriminator_pose": losses.get("discriminator_pose", 1.0) * pose}

    with parameters_frozen(discriminator):
        certificate = discriminator(batch.images, fake, frustum)
    terms = _voxel_terms(scores, batch, context, in_place=False)
    # -log D(G(A)) for the printed log(1 - D(G(A))). Section 3 says the generator's aim in these words: make it probable that the
    # discriminator takes generated fruxels for real ones. The fixed point is the same, the gradients do not vanish. So does pix2pix.
    terms["adversarial"] = losses.get("adversarial", 0.0) * realism_loss(certificate.r, 1.0, instances)
    terms["pose"] = losses.get("pose", 0.0) * certificate_loss(certificate, truth, config.translation, config.rotation)
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


def _voxel_terms(scores: Mapping[int, Tensor], batch: StreetBatch, context: Context[StreetFolder], in_place: bool) -> Terms:
    losses, weights = context.stage.losses, stage_weights(context, context.stage.options(WeightedStage))
    balance = float(weights.sum()) / len(weights)
    return {
        f"scale{scale}": weight
        * voxel_loss(
            scores[scale].float(), batch.labels[scale], weights, likelihood=losses.get("likelihood", 0.0) * balance,
            dice=losses.get("dice", 0.0), ignore=context.data.classes.ignore, in_place=in_place, add=context.add,
        )
        for scale, weight in scale_weights(context.stage, SCALES).items()
    }  # fmt: skip
