"""The training steps of UCLID-Net: the two regressors, occupancy, and points."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.models.uclid.batches import ObjectBatch, ObjectSamples
from voxcli.models.uclid.inference import THRESHOLD
from voxcli.models.uclid.losses import camera_loss, chamfer_loss, depth_terms, occupancy_loss
from voxcli.models.uclid.network import UCLID, added, occupied
from voxcli.models.uclid.views import binary_grids, view_grids
from voxcli.training.freezing import parameters_frozen
from voxcli.training.task import Context, Terms

TERMS = {
    "depth": ("log", "gradient", "normal"), "camera": ("camera",), "occupancy": ("occupancy",), "shape": ("chamfer", "occupancy"),
}  # fmt: skip
"""Losses of each step; see losses.py. The original weighs occupancy with 100 and the depth's gradient with 10."""


@dataclass(frozen=True)
class StageOptions:
    """A stage's `settings`. views: the fewest and the most views of an object. samples: points in each occupied cell; truth: true points.

    camera, depth: what the main network is given, the truth or what the regressors find.
    """

    views: tuple[int, int] = (1, 1)
    samples: int = 10
    truth: int = 5000
    camera: Literal["true", "regressed"] = "true"
    depth: Literal["true", "regressed"] = "true"


def depth_step(network: UCLID, batch: ObjectBatch, context: Context[ObjectSamples]) -> Terms:
    """The depth regressor, on the first view."""
    terms = depth_terms(*depths(network, batch))
    return {name: weight * terms[name] for name, weight in context.stage.losses.items()}


def camera_step(network: UCLID, batch: ObjectBatch, context: Context[ObjectSamples]) -> Terms:
    """The camera regressor, on the first view."""
    return {"camera": context.stage.losses["camera"] * camera_loss(*motions(network, batch), batch.points)}


def shape_step(network: UCLID, batch: ObjectBatch, context: Context[ObjectSamples]) -> Terms:
    """Occupancy and, where the stage weighs it, the points of the cells that are predicted to be occupied."""
    losses, options = context.stage.losses, context.stage.options(StageOptions)
    if options.views[1] > 1:
        _keep_statistics(network)
    logits, codes = decoded(network, batch, context)
    terms = {"occupancy": losses.get("occupancy", 0.0) * occupancy_loss(logits, batch.occupancy)}
    if "chamfer" in losses:
        fold = network.reconstruction
        cells = occupied(logits.detach(), THRESHOLD)
        uv = torch.rand(len(cells), options.samples, 2, device=logits.device)
        points = fold.points(codes, cells, uv)
        # Processes add up the gradients of the same parameters: without a cell, those of `fold` are 0, not absent.
        none = 0.0 * torch.stack([p.sum() for p in fold.fold.parameters()]).sum() if not len(cells) else 0.0
        terms["chamfer"] = losses["chamfer"] * (chamfer_loss(points, cells, batch.points) + none)
    return terms


def _keep_statistics(network: UCLID) -> None:
    """Batch normalisation by what single views have left. Grids of n views add up to n times as much: statistics of a batch would hide that
    from the decoder, and their running means, over batches of all n, fit none of them when they are used."""
    for module in network.reconstruction.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm3d)):
            module.eval()


def decoded(network: UCLID, batch: ObjectBatch, context: Context[ObjectSamples]) -> tuple[Tensor, Tensor]:
    """Logits and codes of each object, from the grids of its views, added up."""
    options = context.stage.options(StageOptions)
    encoder = "published" if network.published is not None else "reconstruction.encoder"
    frozen = all(part in context.stage.frozen for part in (encoder, "reconstruction.reduce"))
    images = pictures(network, batch).flatten(0, 1)
    projection = batch.projections.flatten(0, 1) if options.camera == "true" else None
    objects, views = batch.images.shape[:2]
    with torch.no_grad() if frozen else nullcontext():
        if projection is not None and options.depth == "true":
            binary = binary_grids(batch.depths.flatten(0, 1), projection, network.config.compat)
            grids = network.reconstruction.grids(network.seen(images), projection, binary)
        else:
            # What is regressed is no way for gradients: the regressors keep what they have learnt.
            depth = batch.depths.flatten(0, 1) if options.depth == "true" else None
            with parameters_frozen(*(part for part in (network.depth, network.camera) if part is not None)):
                grids = view_grids(network, images, projection, depth, checked=False)
    owner = torch.arange(objects, device=images.device).repeat_interleave(views)
    return network.reconstruction.decode([added(grid, owner, objects) for grid in grids])


def pictures(network: UCLID, batch: ObjectBatch) -> Tensor:
    """[B, V, 3, S, S] of the network's own size S."""
    side = network.config.side
    if batch.images.shape[-1] == side:
        return batch.images
    flat = F.interpolate(batch.images.flatten(0, 1), (side, side), mode="bilinear", align_corners=False, antialias=True)
    return flat.unflatten(0, batch.images.shape[:2]).clamp(0, 1)


def depths(network: UCLID, batch: ObjectBatch) -> tuple[Tensor, Tensor]:
    """Regressed and true depth of the first views, [B, s, s] each. The truth is at the far end where there is nothing."""
    config = network.config.depth
    assert network.depth is not None and config is not None
    found = network.depth(network.seen(pictures(network, batch)[:, 0]))
    side = found.shape[-1]
    at = ((torch.arange(side, device=batch.depths.device) + 0.5) * batch.depths.shape[-1] / side).long()
    truth = batch.depths[:, 0][:, at][:, :, at]
    return found, torch.nan_to_num(truth, nan=config.far).clamp(config.near, config.far)


def motions(network: UCLID, batch: ObjectBatch) -> tuple[Tensor, Tensor]:
    """Regressed and true world_to_cam of the first views."""
    assert network.camera is not None
    return network.camera(network.seen(pictures(network, batch)[:, 0])), batch.motions[:, 0]
