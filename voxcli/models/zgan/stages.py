"""What a training of Z-GAN does: pix2pix in one more dimension (the members of models.tasks.Task). The baseline beside SSZ.

Z-GAN knows one class: `dataset: {classes: [...]}` names the street classes that count as object, by default all solid ones. The data's
images have as many pixels as fruxel columns, 128 x 128, and are doubled bilinearly to the 256 x 256 that the network takes (ours).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli import config as configuration
from voxcli.datasets.street import StreetFolder, StreetSample
from voxcli.errors import UsageError, unknown_name
from voxcli.models.frustum import previews
from voxcli.models.frustum.batches import Prepared, StreetBatch, augment, collate  # noqa: F401 - `collate` and `build` are part of
from voxcli.models.frustum.scores import per_class_iou
from voxcli.models.tasks import Augmentation, ClassWeights, Context, Draws, Stage
from voxcli.models.zgan.inference import CELLS, IMAGE, THRESHOLD
from voxcli.models.zgan.network import ZGANConfig, build  # noqa: F401 - what a stages module offers
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum

TERMS = {"generator": ("l1",), "adversarial": ("adversarial", "l1", "discriminator")}
"""Loss terms by step. The public script weighs `adversarial` 1 and `l1` 200; `discriminator` is 1 unless named."""


@dataclass(frozen=True)
class ObjectFolder:
    """Street scenes with two classes: air, and the object that the wanted classes are. table [256]: label -> 0, 1 or 255 (ignored)."""

    street: StreetFolder
    table: np.ndarray
    classes: Labels

    def __len__(self) -> int:
        return len(self.street)

    @property
    def frustum(self) -> Frustum:
        """The frustum of all samples."""
        assert self.street.frustum is not None
        return self.street.frustum

    def name(self, index: int) -> str:
        """Folder and name of a sample."""
        return self.street.name(index)

    def __getitem__(self, index: int) -> StreetSample:
        sample = self.street[index]
        return replace(sample, labels=self.table[sample.labels], poses=None)


def open_data(sources: Sequence[str | Path], settings: Mapping[str, Any]) -> ObjectFolder:
    """Folders of `synth street` or packed files of them; settings: `classes`, the names of those that count as object."""
    for key in settings:
        if key != "classes":
            raise unknown_name("dataset setting", key, ["classes"])
    street = StreetFolder(sources)
    names = street.classes.names
    wanted = list(settings.get("classes") or [names[i] for i in street.classes.solid_ids])
    for name in wanted:
        if name not in names:
            raise unknown_name("class", name, names)
    table = np.zeros(256, np.uint8)
    table[[names.index(name) for name in wanted]] = 1
    if street.classes.ignore is not None and street.classes.ignore >= 0:
        table[street.classes.ignore] = 255
    return ObjectFolder(street, table, Labels(("air", wanted[0] if len(wanted) == 1 else "object")))


def configure(settings: Mapping[str, Any], data: ObjectFolder) -> ZGANConfig:
    """The recipe's `network` as fields of ZGANConfig. Raises UsageError for data of another shape than 128^3."""
    if data.frustum.shape != (CELLS,) * 3:
        raise UsageError("Z-GAN is made for one shape of data.", expected=f"fruxels {[CELLS] * 3}", actual=list(data.frustum.shape))
    return configuration.from_mapping(ZGANConfig, dict(settings), "network")


def check_stage(stage: Stage, config: ZGANConfig, data: ObjectFolder) -> None:
    """Refuse unknown terms and settings, scales, and adversarial stages without a discriminator."""
    for name in stage.losses:
        if name not in TERMS[stage.step]:
            raise unknown_name("loss", name, TERMS[stage.step])
    for key in stage.settings:
        raise UsageError(f"Stage '{stage.name}': unknown key 'settings.{key}'.", hint="Z-GAN's steps have no settings.")
    if stage.scales != {"full": 1.0}:
        raise UsageError(f"Stage '{stage.name}': Z-GAN has one scale.", expected="full", actual=", ".join(stage.scales))
    if stage.step == "adversarial" and config.discriminator is None:
        raise UsageError("An adversarial stage needs a discriminator.", hint="Add to the recipe: network: {discriminator: 32}")


def constants(data: ObjectFolder, indices: Sequence[int], weights: ClassWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """None: Z-GAN weighs no classes."""
    return {}, {}


@dataclass(frozen=True)
class ObjectReader:
    """(image, labels, name, no poses) of a sample, augmented where random numbers are given."""

    data: ObjectFolder
    augmentation: Augmentation

    def __call__(self, index: int, draws: Draws | None) -> Prepared:
        sample = self.data[index]
        if draws is not None:
            sample = augment(sample, self.augmentation, draws.own)
        return sample.image, {1: sample.labels}, sample.name, None


def reader(data: ObjectFolder, stage: Stage, augmentation: Augmentation) -> ObjectReader:
    """Samples as they are at full resolution, for every stage."""
    return ObjectReader(data, augmentation)


def as_input(images: Tensor) -> Tensor:
    """[B, 3, H, W] in 0..1 -> [B, 3, 256, 256] in -1..1, as the generator takes it."""
    return F.interpolate(images, (IMAGE, IMAGE), mode="bilinear", align_corners=False) * 2 - 1


def l1_loss(made: Tensor, labels: Tensor) -> Tensor:
    """Mean |G(A) - F| over the fruxels [B, 1, D, H, W] that labels [B, D, H, W] do not ignore."""
    known = (labels != 255)[:, None]
    return ((made.float() - (labels == 1)[:, None].float()).abs() * known).sum() / known.sum().clamp_min(1)


def _generator(network: nn.Module, batch: StreetBatch, context: Context) -> dict[str, Tensor]:
    """L1 alone: what the paper's loss is without its adversary."""
    return {"l1": context.stage.losses.get("l1", 1.0) * l1_loss(network(as_input(batch.images)), batch.labels[1])}


def _adversarial(network: nn.Module, batch: StreetBatch, context: Context) -> Iterator[dict[str, Tensor]]:
    """The discriminator's binary cross-entropy with the generator held still, then the generator's with the discriminator held still."""
    losses, labels, images = context.stage.losses, batch.labels[1], as_input(batch.images)
    judge: nn.Module = network.discriminator  # type: ignore[assignment]
    made = network(images)
    # Ignored fruxels are the generator's own on both sides, so that they tell nothing.
    real = torch.where((labels == 255)[:, None], made.detach().float(), (labels == 1)[:, None].float())
    told_apart = 0.5 * (_verdict(judge(images, real), 1) + _verdict(judge(images, made.detach()), 0))
    yield {"discriminator": losses.get("discriminator", 1.0) * told_apart}
    moving = [p for p in judge.parameters() if p.requires_grad]
    for parameter in moving:
        parameter.requires_grad_(False)
    verdict = _verdict(judge(images, made), 1)
    for parameter in moving:  # what has been computed stays without them
        parameter.requires_grad_(True)
    yield {"adversarial": losses.get("adversarial", 0.0) * verdict, "l1": losses.get("l1", 0.0) * l1_loss(made, labels)}


def _verdict(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, target, dtype=torch.float32))


STEPS = {"generator": _generator, "adversarial": _adversarial}


@torch.no_grad()
def tally(network: nn.Module, batch: StreetBatch, context: Context) -> Tensor:
    """Counts [2, 2]: row = truth, column = prediction (air, object), ignored fruxels left out."""
    labels = batch.labels[1]
    known, predicted = labels != 255, _predicted(network, batch.images)
    return torch.bincount((labels[known].long() * 2 + predicted[known].long()), minlength=4).reshape(2, 2)


def summary(total: Tensor, context: Context) -> tuple[float, dict[str, Any]]:
    """IoU of the object over all validation samples at once."""
    iou = per_class_iou(total)
    score = iou[1] or 0.0
    return score, {"mean_iou": score, "iou": dict(zip(context.data.classes.names, iou, strict=True))}


def _predicted(network: nn.Module, images: Tensor) -> Tensor:
    """[B, D, H, W] bool."""
    return network(as_input(images))[:, 0] > THRESHOLD


@torch.no_grad()
def preview(network: nn.Module, batches: Iterator[StreetBatch], context: Context) -> np.ndarray:
    """A sheet with one row a sample: input, prediction and ground truth from the camera and from above. uint8 [H, W, 3]."""
    images, predicted, truth = [], [], []
    for batch in batches:
        images.append((batch.images[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy())
        predicted.append(_predicted(network, batch.images)[0].byte().cpu().numpy())
        truth.append(batch.labels[1][0].cpu().numpy())
    return previews.sheet(images, predicted, truth, context.data.classes, context.data.frustum)


def weight_facts(data: ObjectFolder) -> dict[str, Any]:
    """Label names and the frustum, for `predict`."""
    numbers = {key: getattr(data.frustum, key) for key in ("z_near", "z_far", "fov_x_deg")}
    return {"label_names": list(data.classes.names), "empty_label": 0, "ignore_label": 255, "frustum": numbers}
