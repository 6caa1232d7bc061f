"""What a training of BAE-NET does, on the same shapes as JOF's (the members of models.tasks.Task)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli import config
from voxcli.errors import UsageError, unknown_name
from voxcli.geometry.field_surface import cell_centres
from voxcli.models.bae.network import CELLS, THRESHOLD, BAEConfig, BAENet, build  # noqa: F401 - part of what stages offer
from voxcli.models.jof.batches import ShapeBatch, ShapeReader, ShapeSamples, collate  # noqa: F401 - part of what stages offer
from voxcli.models.jof.scores import branch_summary, branch_tally, winners_picture
from voxcli.models.tasks import Augmentation, ClassWeights, Context, Stage

TERMS = ("shape", "sparsity")
"""Mean squared occupancy, and the mean absolute weight of the last layer (an option of the original)."""


@dataclass(frozen=True)
class StageSettings:
    """A stage's `settings`: resolution of the point-value pairs (16, 32 or 64) and how many a shape."""

    resolution: int = 32
    points: int = 8192


def open_data(sources: Sequence[str | Path], settings: Mapping[str, Any]) -> ShapeSamples:
    """Folders that `synth objects` wrote, or of published .mat shapes. settings: `split` and `categories` (one, as the original has it)."""
    return ShapeSamples(sources, settings)


def configure(settings: Mapping[str, Any], data: ShapeSamples) -> BAEConfig:
    """The configuration of a recipe: fields of BAEConfig."""
    return config.from_mapping(BAEConfig, {"categories": list(data.categories), **settings}, "network")


def check_stage(stage: Stage, settings: BAEConfig, data: ShapeSamples) -> None:
    """Raise UsageError for losses or sizes that mean nothing."""
    if stage.step not in STEPS:
        raise unknown_name("step", stage.step, STEPS)
    for name in stage.losses:
        if name not in TERMS:
            raise unknown_name("loss", name, TERMS)
    if _settings(stage).resolution not in (16, 32, 64):
        raise UsageError(f"Stage '{stage.name}': pairs have a resolution of 16, 32 or 64.", actual=_settings(stage).resolution)


def constants(data: ShapeSamples, indices: Sequence[int], weights: ClassWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Steps need none; the log learns which categories there are."""
    return {}, {"categories": data.categories}


def reader(data: ShapeSamples, stage: Stage, augmentation: Augmentation) -> ShapeReader:
    """Shapes with their pairs."""
    wanted = _settings(stage)
    return ShapeReader(data, wanted.resolution, wanted.points)


def _branches(model: Any, batch: ShapeBatch) -> Tensor:
    return model.branches(model.encode((batch.volumes[:, 3:] > 0).float()), batch.points / 2)


def shape_step(network: nn.Module, batch: ShapeBatch, context: Context) -> dict[str, Tensor]:
    """Mean squared error of the largest branch."""
    model: Any = network
    weights = context.stage.losses
    found = _branches(model, batch).amax(-1)
    terms = {"shape": weights.get("shape", 0.0) * F.mse_loss(found, batch.occupied.to(found.dtype))}
    if weights.get("sparsity"):
        terms["sparsity"] = weights["sparsity"] * model.generator["linear_3"].weight.abs().mean()
    return terms


STEPS = {"shape": shape_step}


def tally(network: nn.Module, batch: ShapeBatch, context: Context) -> Tensor:
    """See `branch_tally`."""
    found = _branches(network, batch)
    return branch_tally(found, batch.occupied, batch.parts, batch.categories, len(context.data.categories), THRESHOLD)


def summary(total: Tensor, context: Context) -> tuple[float, dict[str, Any]]:
    """See `branch_summary`."""
    return branch_summary(total, context.data.categories)


def preview(network: nn.Module, batches: Iterator[ShapeBatch], context: Context) -> np.ndarray | None:
    """One row an object: the winning branches seen along z and x."""
    model: Any = network
    rows = []
    for batch in batches:
        side = 40
        points = cell_centres(torch.arange(side**3), side)[None].to(batch.points.device) / 2
        code = model.encode((batch.volumes[:1, 3:] > 0).float())
        best, winner = (x.view(side, side, side).cpu().numpy() for x in model.branches(code, points)[0].max(-1))
        rows.append(winners_picture(np.where(best >= THRESHOLD, winner, -1), model.config.branches))
    return np.concatenate(rows) if rows else None


def weight_facts(data: ShapeSamples) -> dict[str, Any]:
    """The categories that the network has seen."""
    return {"categories": data.categories, "threshold": THRESHOLD}


def _settings(stage: Stage) -> StageSettings:
    return config.from_mapping(StageSettings, stage.settings, f"settings of stage '{stage.name}'")
