"""What a training of Pix2Vox does: its data, network, training steps and scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli import config as configuration
from voxcli.config import Value
from voxcli.errors import FileFormatError, UsageError
from voxcli.models.blocks.efficientnet import load_imagenet
from voxcli.models.blocks.losses import soft_overlap_loss
from voxcli.models.pix2vox.batches import ObjectBatch, ObjectReader, ObjectSamples, Prepared, collate
from voxcli.models.pix2vox.folded import Folded
from voxcli.models.pix2vox.importer import load_trunk
from voxcli.models.pix2vox.losses import cross_entropy, cross_entropy_of_logits, overlaps
from voxcli.models.pix2vox.network import PRESETS, VGG, Pix2Vox, Pix2VoxConfig, build
from voxcli.models.pix2vox.sizes import IMAGE
from voxcli.models.weights import load_parts, load_weights
from voxcli.training.previews import volume_views
from voxcli.training.recipe import split_preset
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Task, Terms

TERMS = ("coarse", "overlap", "refined")
"""`coarse`: equation (3) on the coarse volumes or their fusion, `refined`: on the refiner's output (10 each in the original); `overlap`:
1 - soft intersection over union of the former (ours)."""

THRESHOLDS = (0.2, 0.3, 0.4, 0.5)
"""At which the original reports; the score is the one of section 4.1."""

SCORED = 2

ENCODED = 8
"""Pictures that are encoded at a time in advance."""


@dataclass(frozen=True)
class StageOptions:
    """A stage's `settings`. views: the fewest and the most views of an object. side: of the pictures: 224, or 112 for a quarter of the
    work (ours). encoded: so many pictures of each object, its first, are encoded once, as they are tested, when the stage begins; a step
    then costs a fifth (ours; 8 KiB a picture in F). 0: pictures are read at every step."""

    views: tuple[int, int] = (1, 1)
    side: int = IMAGE
    encoded: int = 0


def single_step(network: Pix2Vox, batch: ObjectBatch, context: Context[ObjectSamples]) -> Terms:
    """The coarse volume of one view, and the refined one where there is such a loss. The context scorer has no part in it."""
    _, logits = network.decoder(_features(network, batch, context))
    losses = context.stage.losses
    terms = {"coarse": losses.get("coarse", 0.0) * cross_entropy_of_logits(logits, batch.volumes)}
    return terms | _other_terms(network, torch.sigmoid(logits.float()), batch, losses)


def fusion_step(network: Pix2Vox, batch: ObjectBatch, context: Context[ObjectSamples]) -> Terms:
    """The fusion of several views, and the refined one."""
    views, volumes = network.volumes(_features(network, batch, context), tuple(batch.views.shape))
    fused = network.fused(views, volumes.float())
    losses = context.stage.losses
    terms = {"coarse": losses.get("coarse", 0.0) * cross_entropy(fused, batch.volumes)}
    return terms | _other_terms(network, fused, batch, losses)


def _features(network: Pix2Vox, batch: ObjectBatch, context: Context[ObjectSamples]) -> Tensor:
    """What the encoder makes of a batch's pictures, or has made of them: [B * V, C, s, s]."""
    if "features" not in context.constants:
        return network.encoder(_channels_last(batch.images))
    rows = context.constants["first"][batch.places][:, None] + batch.views
    return context.constants["features"][rows].flatten(0, 1)


def _channels_last(images: Tensor) -> Tensor:
    return images.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def _coarse(network: Pix2Vox, images: Tensor) -> tuple[Tensor, Tensor]:
    return network.volumes(network.encoder(_channels_last(images)), tuple(images.shape[:2]))


def _other_terms(network: Pix2Vox, volume: Tensor, batch: ObjectBatch, losses: Mapping[str, float]) -> Terms:
    terms: Terms = {}
    if "overlap" in losses:
        terms["overlap"] = losses["overlap"] * soft_overlap_loss(volume, batch.volumes)
    if "refined" in losses:
        terms["refined"] = losses["refined"] * cross_entropy(network.refined(volume), batch.volumes)
    return terms


class Pix2VoxTask(Task[Pix2Vox, Pix2VoxConfig, ObjectSamples, Prepared, ObjectBatch]):
    """All widths, by their presets."""

    steps = {"single": single_step, "fusion": fusion_step}
    prepares_stages = True
    collate = staticmethod(collate)

    def open_data(self, sources: Sequence[str | Path], options: Mapping[str, Value]) -> ObjectSamples:
        """Folders in 3D-R2N2's layout, as `synth objects` writes it, or of Pix3D or Pascal3D+. options: `split` and `categories`."""
        return ObjectSamples(sources, options)

    def configure(self, options: Mapping[str, Value], data: ObjectSamples) -> Pix2VoxConfig:
        """The configuration of a recipe: `preset` names the widths, those of the weights that `start` names replace them, other keys are
        fields of Pix2VoxConfig."""
        preset, options = split_preset(options, PRESETS, "pix2vox-f")
        given = configuration.to_mapping(PRESETS[preset])
        if options.get("start") and options.get("imagenet"):
            raise UsageError("A training begins with an ImageNet trunk, or with weights that have one already.",
                             actual="training.network.imagenet and training.network.start", hint="Leave out one of them.")  # fmt: skip
        if options.get("start"):
            weights = load_weights(str(options["start"]))
            model = "pix2vox-a" if preset == "pix2vox-a" else "pix2vox-f"
            if weights.model != model:
                raise FileFormatError(f"'{options['start']}': weights of another model.", expected=model, actual=weights.model)
            given = configuration.merge(given, weights.config, {"imagenet": ""})
            if weights.config.get("backbone", VGG) != VGG:
                given["pretrained"] = False
        if options.get("imagenet") and not Path(str(options["imagenet"])).is_file():
            raise FileFormatError(f"'{options['imagenet']}' is not there.", expected="torchvision's VGG-16 with normalisation")
        return configuration.from_mapping(Pix2VoxConfig, configuration.merge(given, options), "network")

    def build(self, config: Pix2VoxConfig) -> Pix2Vox:
        """A freshly initialised network; its backbone with the ImageNet weights that the configuration names, and the parts that `start`
        has from there."""
        network = build(config)
        if config.imagenet:
            load_trunk(network.encoder.vgg, config.imagenet)
        if config.backbone != VGG:
            load_imagenet(network.encoder.published.encoder, config.pretrained)
        if config.start:
            load_parts(network, config.start)
        return network

    def frozen_parts(self, config: Pix2VoxConfig) -> tuple[str, ...]:
        """An ImageNet trunk of VGG-16, as in section 4.2."""
        return ("encoder.vgg.",) if config.imagenet else ()

    def check_stage(self, stage: Stage, config: Pix2VoxConfig, data: ObjectSamples) -> None:
        """Raise UsageError for losses, views or sizes that mean nothing."""
        stage.check_losses(TERMS)
        if "refined" in stage.losses and not config.refiner:
            raise UsageError(f"Stage '{stage.name}': the network has no refiner.", hint="Leave out the loss 'refined'.")
        options = stage.options(StageOptions)
        low, high = options.views
        if not 1 <= low <= high:
            raise UsageError(f"Stage '{stage.name}': views are counted from the fewest to the most.", actual=list(options.views))
        if stage.step == "fusion" and high < 2:
            raise UsageError(f"Stage '{stage.name}': fusion needs two views or more.", expected="settings: {views: [1, 5]}")
        for index in data.examples():
            there = data.view_count(index)
            if there < high:
                fewer = f"Take fewer: --set training.stages.{stage.name}.settings.views=[{min(low, there)},{there}]"
                raise UsageError(f"Stage '{stage.name}' takes up to {high} views of an object: '{data.name(index)}' has {there}.",
                                 hint=fewer if there > 1 else "Use a recipe with stages of the step 'single' alone.")  # fmt: skip
        if stage.step == "single" and high != 1:
            raise UsageError(f"Stage '{stage.name}': the step 'single' takes one view of an object.", hint="Use the step 'fusion'.")
        if options.encoded and "encoder" not in stage.frozen:
            raise UsageError(f"Stage '{stage.name}': what pictures are encoded to changes while it trains.",
                             expected="frozen: [encoder, ...]", actual=f"settings: {{encoded: {options.encoded}}}")  # fmt: skip
        if options.encoded < 0 or 0 < options.encoded < high:
            raise UsageError(f"Stage '{stage.name}': fewer pictures are encoded than are fused.", expected=f"{high} or more, or 0 for none",
                             actual=options.encoded)  # fmt: skip
        if options.side not in (IMAGE, IMAGE // 2):
            raise UsageError(f"Stage '{stage.name}': pictures have {IMAGE} pixels a side, or half of that.", actual=options.side)

    def log_facts(self, data: ObjectSamples, constants: Mapping[str, Tensor]) -> dict[str, Value]:
        """The categories that there are."""
        return {"categories": data.categories}

    def reader(self, data: ObjectSamples, stage: Stage, augmentation: Augmentation) -> ObjectReader:
        """Objects with as many views and as large pictures as the stage says."""
        options = stage.options(StageOptions)
        return ObjectReader(data, *options.views, options.side, augmentation, options.encoded)

    def stage_constants(self, network: Pix2Vox, data: ObjectSamples, indices: Sequence[int], stage: Stage) -> dict[str, Tensor]:
        """Where pictures are encoded in advance: `features` of those of the training objects, a row each, and `first` [len(data)], the row
        of an object's first."""
        most = stage.options(StageOptions).encoded
        if not most:
            return {}
        device = next(network.parameters()).device
        folded, tested = Folded(network, device), ObjectReader(data, 1, 1, IMAGE, Augmentation())
        counts = torch.zeros(len(data), dtype=torch.int64)
        counts[list(indices)] = torch.tensor([min(most, data.view_count(index)) for index in indices])
        first = counts.cumsum(0) - counts
        side = round((network.config.features / network.config.encoder[-1]) ** 0.5)
        features = torch.zeros(int(counts.sum()), network.config.encoder[-1], side, side, device=device)
        for index in indices:
            for views in torch.arange(int(counts[index])).split(ENCODED):
                rows = slice(int(first[index] + views[0]), int(first[index] + views[-1] + 1))
                features[rows] = folded.features(torch.from_numpy(tested.pictures(index, views.tolist(), None))).float()
        return {"features": features, "first": first.to(device)}

    def tally(self, network: Pix2Vox, batch: ObjectBatch, context: Context[ObjectSamples]) -> Tensor:
        """[categories, thresholds + 1]: sums of the samples' intersections over union, and their number."""
        with torch.no_grad():
            views, volumes = _coarse(network, batch.images)
            result = overlaps(network.refined(network.fused(views, volumes.float())), batch.volumes, THRESHOLDS)
        sums = torch.zeros(len(context.data.categories), len(THRESHOLDS) + 1, dtype=torch.float64, device=result.device)
        return sums.index_add_(0, batch.categories.to(result.device), torch.cat([result, torch.ones_like(result[:, :1])], 1))

    def summary(self, total: Tensor, context: Context[ObjectSamples]) -> tuple[float, dict[str, Value]]:
        """Mean over samples at the paper's threshold; the record holds the other thresholds and each category."""
        sums, counts = total[:, :-1].sum(0), total[:, -1]
        means = (sums / counts.sum().clamp(min=1)).tolist()
        rows = zip(context.data.categories, total, strict=True)
        by_category = {name: round(float(row[SCORED] / row[-1]), 5) if row[-1] else None for name, row in rows}
        thresholds = dict(zip(map(str, THRESHOLDS), means, strict=True))
        return means[SCORED], {"mean_iou": means[SCORED], "iou": by_category, "thresholds": thresholds}

    def preview(self, network: Pix2Vox, batches: Iterable[ObjectBatch], context: Context[ObjectSamples]) -> np.ndarray | None:
        """One row an object: its first view, then prediction and truth, each seen along z, x and y. uint8 [H, W, 3]."""
        rows = []
        for batch in batches:
            with torch.no_grad():
                views, volumes = _coarse(network, batch.images)
                guess = network.refined(network.fused(views, volumes.float()))[0].float().cpu().numpy()
            picture = (batch.images[0, 0].flip(0).permute(1, 2, 0).float().cpu().numpy() + 1) * 127.5
            step = picture.shape[0] // 112
            tiles = [picture[::step, ::step].astype(np.uint8)]
            for volume in (guess >= THRESHOLDS[SCORED], batch.volumes[0].cpu().numpy()):
                tiles += volume_views(volume)
            rows.append(np.concatenate(tiles, 1))
        return np.concatenate(rows) if rows else None

    def weight_facts(self, data: ObjectSamples) -> dict[str, Value]:
        """The categories that the network has seen."""
        return {"categories": data.categories, "threshold": THRESHOLDS[SCORED]}


TASK = Pix2VoxTask()
