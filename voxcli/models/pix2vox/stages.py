"""What a training of Pix2Vox does: its data, network, losses of a step and scores (the members of models.tasks.Task)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from voxcli import config
from voxcli.errors import FileFormatError, UsageError, unknown_name
from voxcli.models.pix2vox import network as networks
from voxcli.models.pix2vox.batches import ObjectBatch, ObjectReader, ObjectSamples, collate  # noqa: F401 - part of what stages offer
from voxcli.models.pix2vox.folded import Folded
from voxcli.models.pix2vox.importer import load_trunk
from voxcli.models.pix2vox.losses import cross_entropy, cross_entropy_of_logits, overlaps, soft_overlap_loss
from voxcli.models.pix2vox.network import PRESETS, Pix2Vox, Pix2VoxConfig
from voxcli.models.pix2vox.sizes import IMAGE
from voxcli.models.tasks import Augmentation, ClassWeights, Context, Stage
from voxcli.models.weights import load_parts, load_weights

TERMS = ("coarse", "overlap", "refined")
"""`coarse`: equation (3) on the coarse volumes or their fusion, `refined`: on the refiner's output (10 each in the original); `overlap`:
1 - soft intersection over union of the former (ours)."""

THRESHOLDS = (0.2, 0.3, 0.4, 0.5)
"""At which the original reports; the score is the one of section 4.1."""

SCORED = 2

ENCODED = 8
"""Pictures that are encoded at a time in advance."""


@dataclass(frozen=True)
class StageSettings:
    """A stage's `settings`. views: the fewest and the most views of an object. side: of the pictures: 224, or 112 for a quarter of the
    work (ours). encoded: so many pictures of each object, its first, are encoded once, as they are tested, when the stage begins; a step
    then costs a fifth (ours; 8 KiB a picture in F). 0: pictures are read at every step."""

    views: tuple[int, int] = (1, 1)
    side: int = IMAGE
    encoded: int = 0


def open_data(sources: Sequence[str | Path], settings: Mapping[str, Any]) -> ObjectSamples:
    """Folders in 3D-R2N2's layout, as `synth objects` writes it, or of Pix3D or Pascal3D+. settings: `split` and `categories`."""
    return ObjectSamples(sources, settings)


def configure(settings: Mapping[str, Any], data: ObjectSamples) -> Pix2VoxConfig:
    """The configuration of a recipe: `preset` names the widths, those of the weights that `start` names replace them, other keys are
    fields of Pix2VoxConfig."""
    settings = dict(settings)
    preset = settings.pop("preset", "pix2vox-f")
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    given = config.to_mapping(PRESETS[preset])
    if settings.get("start") and settings.get("imagenet"):
        raise UsageError("A training begins with an ImageNet trunk, or with weights that have one already.",
                         actual="training.network.imagenet and training.network.start", hint="Leave out one of them.")  # fmt: skip
    if settings.get("start"):
        weights = load_weights(str(settings["start"]))
        if weights.model != preset:
            raise FileFormatError(f"'{settings['start']}': weights of another model.", expected=preset, actual=weights.model)
        given = config.merge(config.merge(given, weights.config), {"imagenet": ""})
    if settings.get("imagenet") and not Path(str(settings["imagenet"])).is_file():
        raise FileFormatError(f"'{settings['imagenet']}' is not there.", expected="torchvision's VGG-16 with normalisation")
    return config.from_mapping(Pix2VoxConfig, config.merge(given, settings), "network")


def build(settings: Pix2VoxConfig) -> Pix2Vox:
    """A freshly initialised network; its trunk from an ImageNet file where the configuration names one, and the parts that `start` has
    from there."""
    network = networks.build(settings)
    if settings.imagenet:
        load_trunk(network.encoder.vgg, settings.imagenet)
    if settings.start:
        load_parts(network, settings.start)
    return network


def check_stage(stage: Stage, settings: Pix2VoxConfig, data: ObjectSamples) -> None:
    """Raise UsageError for losses, views or sizes that mean nothing."""
    for name in stage.losses:
        if name not in TERMS:
            raise unknown_name("loss", name, TERMS)
    if "refined" in stage.losses and not settings.refiner:
        raise UsageError(f"Stage '{stage.name}': the network has no refiner.", hint="Leave out the loss 'refined'.")
    wanted = _settings(stage)
    low, high = wanted.views
    if not 1 <= low <= high:
        raise UsageError(f"Stage '{stage.name}': views are counted from the fewest to the most.", actual=list(wanted.views))
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
    if wanted.encoded and "encoder" not in stage.frozen:
        raise UsageError(f"Stage '{stage.name}': what pictures are encoded to changes while it trains.", expected="frozen: [encoder, ...]",
                         actual=f"settings: {{encoded: {wanted.encoded}}}")  # fmt: skip
    if wanted.encoded < 0 or 0 < wanted.encoded < high:
        raise UsageError(f"Stage '{stage.name}': fewer pictures are encoded than are fused.", expected=f"{high} or more, or 0 for none",
                         actual=wanted.encoded)  # fmt: skip
    if wanted.side not in (IMAGE, IMAGE // 2):
        raise UsageError(f"Stage '{stage.name}': pictures have {IMAGE} pixels a side, or half of that.", actual=wanted.side)


def constants(data: ObjectSamples, indices: Sequence[int], weights: ClassWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Steps need none; the log learns which categories there are."""
    return {}, {"categories": data.categories}


def reader(data: ObjectSamples, stage: Stage, augmentation: Augmentation) -> ObjectReader:
    """Objects with as many views and as large pictures as the stage says."""
    wanted = _settings(stage)
    return ObjectReader(data, *wanted.views, wanted.side, augmentation, wanted.encoded)


def stage_constants(network: nn.Module, data: ObjectSamples, indices: Sequence[int], stage: Stage) -> dict[str, Tensor]:
    """Where pictures are encoded in advance: `features` of those of the training objects, a row each, and `first` [len(data)], the row
    of an object's first."""
    most = _settings(stage).encoded
    if not most:
        return {}
    model: Any = network
    device = next(model.parameters()).device
    folded, tested = Folded(model, device), ObjectReader(data, 1, 1, IMAGE, Augmentation())
    counts = torch.zeros(len(data), dtype=torch.int64)
    counts[list(indices)] = torch.tensor([min(most, data.view_count(index)) for index in indices])
    first = counts.cumsum(0) - counts
    side = round((model.config.features / model.config.encoder[-1]) ** 0.5)
    features = torch.zeros(int(counts.sum()), model.config.encoder[-1], side, side, device=device)
    for index in indices:
        for views in torch.arange(int(counts[index])).split(ENCODED):
            rows = slice(int(first[index] + views[0]), int(first[index] + views[-1] + 1))
            features[rows] = folded.features(torch.from_numpy(tested.pictures(index, views.tolist(), None))).float()
    return {"features": features, "first": first.to(device)}


def single_step(network: nn.Module, batch: ObjectBatch, context: Context) -> dict[str, Tensor]:
    """The coarse volume of one view, and the refined one where there is such a loss. The context scorer has no part in it."""
    model: Any = network
    _, logits = model.decoder(_features(model, batch, context))
    losses = context.stage.losses
    terms = {"coarse": losses.get("coarse", 0.0) * cross_entropy_of_logits(logits, batch.volumes)}
    return terms | _other_terms(model, torch.sigmoid(logits.float()), batch, losses)


def fusion_step(network: nn.Module, batch: ObjectBatch, context: Context) -> dict[str, Tensor]:
    """The fusion of several views, and the refined one. The normalisation of frozen parts stays as it is, too."""
    model: Any = network
    for part in ("decoder", "merger"):
        if part in context.stage.frozen:
            getattr(model, part).eval()
    views, volumes = model.volumes(_features(model, batch, context), tuple(batch.views.shape))
    fused = model.fused(views, volumes.float())
    losses = context.stage.losses
    terms = {"coarse": losses.get("coarse", 0.0) * cross_entropy(fused, batch.volumes)}
    return terms | _other_terms(model, fused, batch, losses)


STEPS = {"single": single_step, "fusion": fusion_step}


def tally(network: nn.Module, batch: ObjectBatch, context: Context) -> Tensor:
    """[categories, thresholds + 1]: sums of the samples' intersections over union, and their number."""
    model: Any = network
    with torch.no_grad():
        views, volumes = _coarse(model, batch.images)
        result = overlaps(model.refined(model.fused(views, volumes.float())), batch.volumes, THRESHOLDS)
    sums = torch.zeros(len(context.data.categories), len(THRESHOLDS) + 1, dtype=torch.float64, device=result.device)
    return sums.index_add_(0, batch.categories.to(result.device), torch.cat([result, torch.ones_like(result[:, :1])], 1))


def summary(total: Tensor, context: Context) -> tuple[float, dict[str, Any]]:
    """Mean over samples at the paper's threshold; the record holds the other thresholds and each category."""
    sums, counts = total[:, :-1].sum(0), total[:, -1]
    means = (sums / counts.sum().clamp(min=1)).tolist()
    rows = zip(context.data.categories, total, strict=True)
    by_category = {name: round(float(row[SCORED] / row[-1]), 5) if row[-1] else None for name, row in rows}
    record = {"mean_iou": means[SCORED], "iou": by_category, "thresholds": dict(zip(map(str, THRESHOLDS), means, strict=True))}
    return means[SCORED], record


def preview(network: nn.Module, batches: Iterator[ObjectBatch], context: Context) -> np.ndarray | None:
    """One row an object: its first view, then prediction and truth, each seen along z, x and y. uint8 [H, W, 3]."""
    model: Any = network
    rows = []
    for batch in batches:
        with torch.no_grad():
            views, volumes = _coarse(model, batch.images)
            guess = model.refined(model.fused(views, volumes.float()))[0].float().cpu().numpy()
        picture = (batch.images[0, 0].flip(0).permute(1, 2, 0).float().cpu().numpy() + 1) * 127.5
        step = picture.shape[0] // 112
        tiles = [picture[::step, ::step].astype(np.uint8)]
        tiles += [_seen(volume, axis) for volume in (guess >= THRESHOLDS[SCORED], batch.volumes[0].cpu().numpy()) for axis in (2, 0, 1)]
        rows.append(np.concatenate(tiles, 1))
    return np.concatenate(rows) if rows else None


def weight_facts(data: ObjectSamples) -> dict[str, Any]:
    """The categories that the network has seen."""
    return {"categories": data.categories, "threshold": THRESHOLDS[SCORED]}


def _settings(stage: Stage) -> StageSettings:
    return config.from_mapping(StageSettings, stage.settings, f"settings of stage '{stage.name}'")


def _features(model: Any, batch: ObjectBatch, context: Context) -> Tensor:
    """What the encoder makes of a batch's pictures, or has made of them: [B * V, C, s, s]. Frozen, its normalisation is, too."""
    if "encoder" in context.stage.frozen:
        model.encoder.eval()
    if "features" not in context.constants:
        return model.encoder(_channels_last(batch.images))
    rows = context.constants["first"][batch.places][:, None] + batch.views
    return context.constants["features"][rows].flatten(0, 1)


def _channels_last(images: Tensor) -> Tensor:
    return images.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def _coarse(model: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    return model.volumes(model.encoder(_channels_last(images)), tuple(images.shape[:2]))


def _other_terms(model: Any, volume: Tensor, batch: ObjectBatch, losses: Mapping[str, float]) -> dict[str, Tensor]:
    terms = {}
    if "overlap" in losses:
        terms["overlap"] = losses["overlap"] * soft_overlap_loss(volume, batch.volumes)
    if "refined" in losses:
        terms["refined"] = losses["refined"] * cross_entropy(model.refined(volume), batch.volumes)
    return terms


def _seen(volume: np.ndarray, axis: int) -> np.ndarray:
    """A volume [x, y, z] seen along an axis, 112 pixels a side, nearer cells darker, +y up where it is in the picture."""
    toward = np.flip(volume, axis)
    depth = np.where(toward.any(axis), toward.argmax(axis), -1)
    shade = np.where(depth < 0, 255, 60 + 5 * depth).astype(np.uint8)
    shade = shade.T[::-1] if axis == 2 else shade[::-1] if axis == 0 else shade.T
    tile = np.kron(shade, np.ones((3, 3), np.uint8))
    return np.repeat(np.pad(tile, 8, constant_values=255)[..., None], 3, 2)
