"""What a training of the mask head does: its data, network, training step, scores and previews."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli import config as configuration
from voxcli.config import Value
from voxcli.models.blocks.efficientnet import load_imagenet
from voxcli.models.blocks.losses import soft_overlap_loss
from voxcli.models.cutout.batches import MaskBatch, MaskedPictures, MaskReader, Prepared, collate
from voxcli.models.cutout.network import CutOut, CutOutConfig, build, check_side
from voxcli.models.weights import load_parts
from voxcli.training.counting import sample_ious
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Task, Terms

TERMS = ("likelihood", "overlap")
"""`likelihood`: cross-entropy of the pixels; `overlap`: 1 - soft intersection over union of each picture."""


@dataclass(frozen=True)
class StageOptions:
    """A stage's `settings`. side: pixels a side of the pictures in this stage, whatever the network is used on."""

    side: int = CutOutConfig.side


def mask_step(network: CutOut, batch: MaskBatch, context: Context[MaskedPictures]) -> Terms:
    """Both terms on the masks of a batch."""
    logits, losses = network(batch.images).float(), context.stage.losses
    terms: Terms = {}
    if losses.get("likelihood"):
        terms["likelihood"] = losses["likelihood"] * F.binary_cross_entropy_with_logits(logits, batch.masks.float())
    if losses.get("overlap"):
        terms["overlap"] = losses["overlap"] * soft_overlap_loss(torch.sigmoid(logits), batch.masks)
    return terms


class CutOutTask(Task[CutOut, CutOutConfig, MaskedPictures, Prepared, MaskBatch]):
    """Pictures with masks: `synth objects --backgrounds photo`, Pix3D."""

    steps = {"mask": mask_step}
    collate = staticmethod(collate)

    def open_data(self, sources: Sequence[str | Path], options: Mapping[str, Value]) -> MaskedPictures:
        """Folders in 3D-R2N2's layout whose pictures have alpha, or of Pix3D. options: `split` and `categories`."""
        return MaskedPictures(sources, options)

    def configure(self, options: Mapping[str, Value], data: MaskedPictures) -> CutOutConfig:
        """The recipe's `network`."""
        return configuration.from_mapping(CutOutConfig, options, "network")

    def build(self, config: CutOutConfig) -> CutOut:
        """A network with the pretrained encoder that its configuration names, or with the weights that it starts from."""
        network = build(config)
        if config.start:
            load_parts(network, config.start)
        else:
            load_imagenet(network.encoder, config.pretrained)
        return network

    def check_stage(self, stage: Stage, config: CutOutConfig, data: MaskedPictures) -> None:
        """Refuse unknown terms and settings, and sizes that the encoder cannot halve."""
        stage.check_losses(TERMS)
        stage.check_one_scale("The mask head")
        check_side(stage.options(StageOptions).side)

    def reader(self, data: MaskedPictures, stage: Stage, augmentation: Augmentation) -> MaskReader:
        """Squares of the stage's size."""
        return MaskReader(data, stage.options(StageOptions).side, augmentation)

    @torch.no_grad()
    def tally(self, network: CutOut, batch: MaskBatch, context: Context[MaskedPictures]) -> Tensor:
        """(sum of the pictures' intersections over union, pixels that are wrong as a share of the picture, pictures)."""
        found = network(batch.images) > 0
        ious = sample_ious(found, batch.masks)
        wrong = (found != batch.masks).double().mean((1, 2)).sum().to(ious.device)
        return torch.stack([ious.sum(), wrong, torch.tensor(float(len(ious)), dtype=torch.float64, device=ious.device)])

    def summary(self, total: Tensor, context: Context[MaskedPictures]) -> tuple[float, dict[str, Value]]:
        """Mean intersection over union of the pictures; the record holds the share of wrong pixels, too."""
        iou, wrong = float(total[0] / total[2]), float(total[1] / total[2])
        return iou, {"iou": iou, "wrong": wrong}

    @torch.no_grad()
    def preview(self, network: CutOut, batches: Iterable[MaskBatch], context: Context[MaskedPictures]) -> np.ndarray | None:
        """One row a picture: itself, the object that is found on grey, the object by the truth. uint8 [H, W, 3]."""
        rows = []
        for batch in batches:
            picture = batch.images[0].permute(1, 2, 0).float().cpu().numpy()
            covers = (torch.sigmoid(network(batch.images)[0].float()), batch.masks[0].float())
            tiles = [picture, *(picture * (m := c.cpu().numpy()[..., None]) + 0.5 * (1 - m) for c in covers)]
            rows.append(np.concatenate(tiles, 1))
        return (np.concatenate(rows) * 255 + 0.5).astype(np.uint8) if rows else None


TASK = CutOutTask()
