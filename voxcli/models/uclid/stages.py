"""What a training of UCLID-Net does, in the paper's order (the members of models.tasks.Task).

Steps: `depth` and `camera` train the regressors; `occupancy` warms the main network up, `shape` trains it; with several views their grids
are added up, and with encoder and reductions frozen that is the fine-tuning of the decoder of section 4.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli import config
from voxcli.errors import UsageError, unknown_name
from voxcli.geometry.chamfer import ragged_chamfer
from voxcli.models.tasks import Augmentation, ClassWeights, Context, Stage
from voxcli.models.uclid import network as networks
from voxcli.models.uclid.batches import ObjectBatch, ObjectReader, ObjectSamples, collate  # noqa: F401 - part of what stages offer
from voxcli.models.uclid.folding import even_uv
from voxcli.models.uclid.inference import THRESHOLD
from voxcli.models.uclid.losses import camera_loss, chamfer_loss, depth_terms, occupancy_loss
from voxcli.models.uclid.network import PRESETS, UCLID, UCLIDConfig, added, occupied
from voxcli.models.uclid.views import binary_grids, view_grids

TERMS = {
    "depth": ("log", "gradient", "normal"), "camera": ("camera",), "occupancy": ("occupancy",), "shape": ("chamfer", "occupancy"),
}  # fmt: skip
"""Losses of each step; see losses.py. The original weighs occupancy with 100 and the depth's gradient with 10."""

EMPTY = 4.0
"""What an empty prediction counts as a Chamfer distance in validation."""


@dataclass(frozen=True)
class StageSettings:
    """A stage's `settings`. views: the fewest and the most views of an object. samples: points in each occupied cell; truth: true points.

    camera, depth: what the main network is told, the truth or what the regressors find.
    """

    views: tuple[int, int] = (1, 1)
    samples: int = 10
    truth: int = 5000
    camera: Literal["true", "regressed"] = "true"
    depth: Literal["true", "regressed"] = "true"


def open_data(sources: Sequence[str | Path], settings: Mapping[str, Any]) -> ObjectSamples:
    """Folders in DISN's layout, as `synth objects --layout disn` writes it. settings: `split`, `categories` and `kind`."""
    return ObjectSamples(sources, settings)


def configure(settings: Mapping[str, Any], data: ObjectSamples) -> UCLIDConfig:
    """The configuration of a recipe: `preset` names where to start, other keys are fields of UCLIDConfig."""
    settings = dict(settings)
    preset = settings.pop("preset", "paper")
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    return config.from_mapping(UCLIDConfig, config.merge(config.to_mapping(PRESETS[preset]), settings), "network")


def build(settings: UCLIDConfig) -> UCLID:
    """A freshly initialised network."""
    return networks.build(settings)


def check_stage(stage: Stage, settings: UCLIDConfig, data: ObjectSamples) -> None:
    """Raise UsageError for steps, losses and settings that mean nothing to this network."""
    if stage.step not in TERMS:
        raise unknown_name("step", stage.step, TERMS)
    for name in stage.losses:
        if name not in TERMS[stage.step]:
            raise unknown_name(f"loss of the step '{stage.step}'", name, TERMS[stage.step])
    wanted = _settings(stage)
    if not 1 <= wanted.views[0] <= wanted.views[1]:
        raise UsageError(f"Stage '{stage.name}': views are counted from the fewest to the most.", actual=list(wanted.views))
    if min(wanted.samples, wanted.truth) < 1:
        raise UsageError(f"Stage '{stage.name}': samples and truth count points.", expected="at least 1")
    if settings.regressed != "cube":
        raise UsageError("Regressors are trained in units of the cube.", expected="network: {regressed: cube}", actual=settings.regressed)
    for part in ("depth", "camera"):
        used = stage.step == part or (stage.step in ("occupancy", "shape") and getattr(wanted, part) == "regressed")
        if used and getattr(settings, part) is None:
            raise UsageError(f"Stage '{stage.name}': the network regresses no {part}.", hint=f"Configure network.{part}.")


def constants(data: ObjectSamples, indices: Sequence[int], weights: ClassWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Steps need none but how large pictures are; the log learns which categories there are."""
    return {}, {"categories": data.categories}


def reader(data: ObjectSamples, stage: Stage, augmentation: Augmentation) -> ObjectReader:
    """Objects with as many views and points as the stage says; pictures in their own size of 224."""
    wanted = _settings(stage)
    return ObjectReader(data, *wanted.views, SIDE, wanted.truth, augmentation)


SIDE = 224
"""Of the pictures that are read; each step brings them to the network's own size, which a reader is not told."""


# ------------------------------------------------------------------------------------------------ steps


def depth_step(network: nn.Module, batch: ObjectBatch, context: Context) -> dict[str, Tensor]:
    """The depth regressor, on the first view."""
    model: Any = network
    depth = model.depth(_pictures(model, batch)[:, 0])
    terms = depth_terms(depth, _true_depth(model, batch, depth.shape[-1]))
    return {name: weight * terms[name] for name, weight in context.stage.losses.items()}


def camera_step(network: nn.Module, batch: ObjectBatch, context: Context) -> dict[str, Tensor]:
    """The camera regressor, on the first view."""
    model: Any = network
    motion = model.camera(_pictures(model, batch)[:, 0])
    return {"camera": context.stage.losses["camera"] * camera_loss(motion, batch.motions[:, 0], batch.points)}


def shape_step(network: nn.Module, batch: ObjectBatch, context: Context) -> dict[str, Tensor]:
    """Occupancy and, where the stage weighs it, the points of the cells that are predicted to be occupied."""
    model, losses = network, context.stage.losses
    if _settings(context.stage).views[1] > 1:
        _keep_statistics(model)
    logits, codes = _decoded(model, batch, context)
    terms = {"occupancy": losses.get("occupancy", 0.0) * occupancy_loss(logits, batch.occupancy)}
    if "chamfer" in losses:
        fold: Any = model.reconstruction
        cells = occupied(logits.detach(), THRESHOLD)
        uv = torch.rand(len(cells), _settings(context.stage).samples, 2, device=logits.device)
        points = fold.points(codes, cells, uv)
        # Processes add up the gradients of the same parameters: without a cell, those of `fold` are 0, not absent.
        none = 0.0 * torch.stack([p.sum() for p in fold.fold.parameters()]).sum() if not len(cells) else 0.0
        terms["chamfer"] = losses["chamfer"] * (chamfer_loss(points, cells, batch.points) + none)
    return terms


def _keep_statistics(network: Any) -> None:
    """Batch normalisation by what single views have left. Grids of n views add up to n times as much: statistics of a batch would hide that
    from the decoder, and their running means, over batches of all n, fit none of them when they are used."""
    for module in network.reconstruction.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm3d)):
            module.eval()


STEPS = {"depth": depth_step, "camera": camera_step, "occupancy": shape_step, "shape": shape_step}


def _decoded(network: Any, batch: ObjectBatch, context: Context) -> tuple[Tensor, Tensor]:
    """Logits and codes of each object, from the grids of its views, added up."""
    wanted = _settings(context.stage)
    frozen = all(f"reconstruction.{part}" in context.stage.frozen for part in ("encoder", "reduce"))
    images = _pictures(network, batch).flatten(0, 1)
    projection = batch.projections.flatten(0, 1) if wanted.camera == "true" else None
    objects, views = batch.images.shape[:2]
    with torch.no_grad() if frozen else nullcontext():
        if projection is not None and wanted.depth == "true":
            binary = binary_grids(batch.depths.flatten(0, 1), projection, network.config.compat)
            grids = network.reconstruction.grids(images, projection, binary)
        else:
            # What is regressed is no way for gradients: the regressors keep what they have learnt.
            depth = batch.depths.flatten(0, 1) if wanted.depth == "true" else None
            grids = _regressed(network, images, projection, depth)
    owner = torch.arange(objects, device=images.device).repeat_interleave(views)
    return network.reconstruction.decode([added(grid, owner, objects) for grid in grids])


def _regressed(network: Any, images: Tensor, projection: Tensor | None, depth: Tensor | None) -> list[Tensor]:
    regressors = [p for part in (network.depth, network.camera) if part is not None for p in part.parameters()]
    wanted = [p.requires_grad for p in regressors]
    for p in regressors:
        p.requires_grad_(False)
    try:
        return view_grids(network, images, projection, depth, checked=False)
    finally:
        for p, before in zip(regressors, wanted, strict=True):
            p.requires_grad_(before)


def _pictures(network: Any, batch: ObjectBatch) -> Tensor:
    """[B, V, 3, S, S] of the network's own size S."""
    side = network.config.side
    if batch.images.shape[-1] == side:
        return batch.images
    flat = F.interpolate(batch.images.flatten(0, 1), (side, side), mode="bilinear", align_corners=False, antialias=True)
    return flat.unflatten(0, batch.images.shape[:2]).clamp(0, 1)


def _true_depth(network: Any, batch: ObjectBatch, side: int) -> Tensor:
    """Depth of the first view [B, side, side], the far end where there is nothing."""
    at = ((torch.arange(side, device=batch.depths.device) + 0.5) * batch.depths.shape[-1] / side).long()
    depth = batch.depths[:, 0][:, at][:, :, at]
    return torch.nan_to_num(depth, nan=network.config.depth.far).clamp(network.config.depth.near, network.config.depth.far)


# ------------------------------------------------------------------------------------------------ validation


def tally(network: nn.Module, batch: ObjectBatch, context: Context) -> Tensor:
    """[3]: sums of two scores, and the number of samples. depth: relative error where there is an object, and whether its outline fits;
    camera: the loss, and the angle in degrees; otherwise: Chamfer-L2, and intersection over union of the occupancies."""
    model: Any = network
    step = context.stage.step
    with torch.no_grad():
        if step == "depth":
            depth = model.depth(_pictures(model, batch)[:, 0])
            truth = _true_depth(model, batch, depth.shape[-1])
            there, guessed = (d < model.config.depth.background for d in (truth, depth))
            error = torch.where(there, (depth / truth - 1).abs(), torch.zeros_like(depth)).sum((1, 2)) / there.sum((1, 2)).clamp(min=1)
            first, second = error, _overlap(guessed, there)
        elif step == "camera":
            motion = model.camera(_pictures(model, batch)[:, 0])
            truth = batch.motions[:, 0]
            first = torch.stack([camera_loss(*(t[k : k + 1] for t in (motion, truth, batch.points))) for k in range(len(motion))])
            cosine = (torch.einsum("bij,bij->b", motion[:, :3, :3], truth[:, :3, :3]) - 1) / 2
            second = torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
        else:
            logits, codes = _decoded(model, batch, context)
            cells = occupied(logits, THRESHOLD)
            points = model.reconstruction.points(codes, cells, even_uv(10).to(logits.device))
            distance, there = ragged_chamfer(points.flatten(0, 1).float(), cells[:, 0].repeat_interleave(10), batch.points)
            first = distance.where(there, torch.full_like(distance, EMPTY))
            second = _overlap(torch.sigmoid(logits) > THRESHOLD, batch.occupancy)
    return torch.stack([first.double().sum(), second.double().sum(), first.new_tensor(len(first), dtype=torch.float64)])


def summary(total: Tensor, context: Context) -> tuple[float, dict[str, Any]]:
    """Means over samples; the score is the error that the step trains on, negative, or the overlap for the warm-up."""
    first, second = (total[:2] / total[2].clamp(min=1)).tolist()
    if context.stage.step == "depth":
        return -first, {"relative_depth_error": first, "outline_iou": second}
    if context.stage.step == "camera":
        return -first, {"camera_distance": first, "degrees": second}
    record = {"chamfer": first, "mean_iou": second}
    return (second if context.stage.step == "occupancy" else -first), record


def preview(network: nn.Module, batches: Iterator[ObjectBatch], context: Context) -> np.ndarray | None:
    """One row an object: its first view, then predicted and true occupancy, each seen along z, x and y; None for the regressors' steps."""
    model: Any = network
    if context.stage.step not in ("occupancy", "shape"):
        return None
    rows = []
    for batch in batches:
        with torch.no_grad():
            guess = torch.sigmoid(_decoded(model, batch, context)[0])[0] > THRESHOLD
        picture = (batch.images[0, 0, :, ::2, ::2].permute(1, 2, 0) * 255).byte().cpu().numpy()
        volumes = [v.cpu().numpy() for v in (guess, batch.occupancy[0])]
        rows.append(np.concatenate([picture, *(_seen(volume, axis) for volume in volumes for axis in (2, 0, 1))], 1))
    return np.concatenate(rows) if rows else None


def weight_facts(data: ObjectSamples) -> dict[str, Any]:
    """The categories that the network has seen."""
    return {"categories": data.categories, "threshold": THRESHOLD}


def _settings(stage: Stage) -> StageSettings:
    return config.from_mapping(StageSettings, stage.settings, f"settings of stage '{stage.name}'")


def _overlap(guess: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union of each sample's cells [B, ...]; 1 where both are empty."""
    both, either = (guess & truth).flatten(1).sum(1), (guess | truth).flatten(1).sum(1)
    return torch.where(either > 0, both / either.clamp(min=1), torch.ones_like(both, dtype=torch.float32))


def _seen(volume: np.ndarray, axis: int) -> np.ndarray:
    """Occupancy [x, y, z] seen along an axis, 112 pixels a side, nearer cells darker, +y up where it is in the picture."""
    toward = np.flip(volume, axis)
    depth = np.where(toward.any(axis), toward.argmax(axis), -1)
    shade = np.where(depth < 0, 255, 60 + 6 * depth).astype(np.uint8)
    shade = shade.T[::-1] if axis == 2 else shade[::-1] if axis == 0 else shade.T
    return np.repeat(np.kron(shade, np.ones((4, 4), np.uint8))[..., None], 3, 2)
