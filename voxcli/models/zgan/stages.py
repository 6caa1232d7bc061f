"""What a training of Z-GAN does: pix2pix in one more dimension. The baseline beside SSZ.

Z-GAN knows one class: `dataset: {classes: [...]}` names the street classes that count as object, by default all solid ones. The data's
images have as many pixels as fruxel columns, 128 x 128, and are doubled bilinearly to the 256 x 256 that the network takes (ours).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli import config as configuration
from voxcli.config import Value
from voxcli.datasets.street import StreetFolder, StreetSample
from voxcli.errors import UsageError, unknown_name
from voxcli.models.frustum.batches import Prepared, StreetBatch, augment, collate
from voxcli.models.frustum.facts import frustum_facts
from voxcli.models.frustum.previews import predictions_sheet
from voxcli.models.frustum.scores import Predictor, per_class_iou
from voxcli.models.zgan.inference import CELLS, IMAGE, THRESHOLD
from voxcli.models.zgan.network import Generator, ZGANConfig, build
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum
from voxcli.training.counting import confusion
from voxcli.training.freezing import parameters_frozen
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Draws, Task, Terms

TERMS = {"generator": ("l1",), "adversarial": ("adversarial", "l1", "discriminator")}
"""Loss terms by step. The public script weighs `adversarial` 1 and `l1` 200; `discriminator` is 1 unless named."""

IGNORED = 255
"""Label of fruxels that tell nothing."""


@dataclass(frozen=True)
class ObjectFolder:
    """Street scenes with two classes: air, and the object that the chosen classes are. table [256]: label -> 0, 1 or 255 (ignored)."""

    street: StreetFolder
    table: np.ndarray
    classes: Labels

    def __len__(self) -> int:
        return len(self.street)

    @property
    def frustum(self) -> Frustum:
        """The frustum of all samples."""
        return self.street.frustum

    def name(self, index: int) -> str:
        """Folder and name of a sample."""
        return self.street.name(index)

    def __getitem__(self, index: int) -> StreetSample:
        sample = self.street[index]
        return replace(sample, labels=self.table[sample.labels], poses=None)


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


def as_input(images: Tensor) -> Tensor:
    """[B, 3, H, W] in 0..1 -> [B, 3, 256, 256] in -1..1, as the generator takes it."""
    return F.interpolate(images, (IMAGE, IMAGE), mode="bilinear", align_corners=False) * 2 - 1


def l1_loss(made: Tensor, labels: Tensor) -> Tensor:
    """Mean |G(A) - F| over the fruxels [B, 1, D, H, W] that labels [B, D, H, W] do not ignore."""
    known = (labels != IGNORED)[:, None]
    return ((made.float() - (labels == 1)[:, None].float()).abs() * known).sum() / known.sum().clamp_min(1)


def generator_step(network: Generator, batch: StreetBatch, context: Context[ObjectFolder]) -> Terms:
    """L1 alone: what the paper's loss is without its adversary."""
    return {"l1": context.stage.losses.get("l1", 1.0) * l1_loss(network(as_input(batch.images)), batch.labels[1])}


def adversarial_step(network: Generator, batch: StreetBatch, context: Context[ObjectFolder]) -> Iterator[Terms]:
    """The discriminator's binary cross-entropy with the generator held still, then the generator's with the discriminator held still."""
    losses, labels, images, discriminator = context.stage.losses, batch.labels[1], as_input(batch.images), network.discriminator
    assert discriminator is not None
    made = network(images)
    # Ignored fruxels are the generator's own on both sides, so that they tell nothing.
    real = torch.where((labels == IGNORED)[:, None], made.detach().float(), (labels == 1)[:, None].float())
    found = 0.5 * (_verdict(discriminator(images, real), 1) + _verdict(discriminator(images, made.detach()), 0))
    yield {"discriminator": losses.get("discriminator", 1.0) * found}
    with parameters_frozen(discriminator):
        verdict = _verdict(discriminator(images, made), 1)
    yield {"adversarial": losses.get("adversarial", 0.0) * verdict, "l1": losses.get("l1", 0.0) * l1_loss(made, labels)}


def _verdict(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, target, dtype=torch.float32))


def _predictor(network: Generator) -> Predictor:
    """Images [B, 3, H, W] in 0..1 -> 1 where the object is, uint8 [B, D, H, W]."""

    @torch.no_grad()
    def predict(images: Tensor) -> Tensor:
        return (network(as_input(images))[:, 0] > THRESHOLD).byte()

    return predict


class ZGANTask(Task[Generator, ZGANConfig, ObjectFolder, Prepared, StreetBatch]):
    """The generator alone, or with its discriminator."""

    steps = {"generator": generator_step, "adversarial": adversarial_step}
    build = staticmethod(build)
    collate = staticmethod(collate)

    def open_data(self, sources: Sequence[str | Path], options: Mapping[str, Value]) -> ObjectFolder:
        """Folders of `synth street` or packed files of them; options: `classes`, the names of those that count as object."""
        for key in options:
            if key != "classes":
                raise unknown_name("dataset setting", key, ["classes"])
        street = StreetFolder(sources)
        names, chosen = street.classes.names, options.get("classes")
        counted = list(chosen) if isinstance(chosen, Sequence) and chosen else [names[i] for i in street.classes.solid_ids]
        for name in counted:
            if name not in names:
                raise unknown_name("class", str(name), names)
        table = np.zeros(256, np.uint8)
        table[[names.index(str(name)) for name in counted]] = 1
        if street.classes.ignore is not None and street.classes.ignore >= 0:
            table[street.classes.ignore] = IGNORED
        return ObjectFolder(street, table, Labels(("air", str(counted[0]) if len(counted) == 1 else "object"), 0, IGNORED))

    def configure(self, options: Mapping[str, Value], data: ObjectFolder) -> ZGANConfig:
        """The recipe's `network` as fields of ZGANConfig. Raises UsageError for data of another shape than 128^3."""
        if data.frustum.shape != (CELLS,) * 3:
            raise UsageError("Z-GAN is made for one shape of data.", expected=f"fruxels {[CELLS] * 3}", actual=list(data.frustum.shape))
        return configuration.from_mapping(ZGANConfig, options, "network")

    def check_stage(self, stage: Stage, config: ZGANConfig, data: ObjectFolder) -> None:
        """Refuse unknown terms and settings, scales, and adversarial stages without a discriminator."""
        stage.check_losses(TERMS[stage.step])
        stage.check_no_options("Z-GAN's steps have no settings.")
        stage.check_one_scale("Z-GAN")
        if stage.step == "adversarial" and config.discriminator is None:
            raise UsageError("An adversarial stage needs a discriminator.", hint="Add to the recipe: network: {discriminator: 32}")

    def reader(self, data: ObjectFolder, stage: Stage, augmentation: Augmentation) -> ObjectReader:
        """Samples as they are at full resolution, for every stage."""
        return ObjectReader(data, augmentation)

    def tally(self, network: Generator, batch: StreetBatch, context: Context[ObjectFolder]) -> Tensor:
        """Counts [2, 2]: row = truth, column = prediction (air, object), ignored fruxels left out."""
        return confusion(_predictor(network)(batch.images), batch.labels[1], 2, IGNORED)

    def summary(self, total: Tensor, context: Context[ObjectFolder]) -> tuple[float, dict[str, Value]]:
        """IoU of the object over all validation samples at once."""
        iou = per_class_iou(total)
        score = iou[1] or 0.0
        return score, {"mean_iou": score, "iou": dict(zip(context.data.classes.names, iou, strict=True))}

    def preview(self, network: Generator, batches: Iterable[StreetBatch], context: Context[ObjectFolder]) -> np.ndarray:
        """A sheet with one row a sample: input, prediction and ground truth from the camera and from above. uint8 [H, W, 3]."""
        return predictions_sheet(batches, _predictor(network), context.data.classes, context.data.frustum)

    def weight_facts(self, data: ObjectFolder) -> dict[str, Value]:
        """Label names and the frustum, for `predict`."""
        return frustum_facts(data.frustum, data.classes)


TASK = ZGANTask()
