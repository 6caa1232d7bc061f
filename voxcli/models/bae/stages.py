"""What a training of BAE-NET does, on the same shapes as JOF's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from voxcli import config as configuration
from voxcli.config import Value
from voxcli.errors import UsageError
from voxcli.models.bae.network import THRESHOLD, BAEConfig, BAENet, build
from voxcli.models.branched.batches import ShapeBatch, ShapeReader, ShapeSamples
from voxcli.models.branched.branches import BranchTask, branch_tally, cube_points, winners_view
from voxcli.training.stage import Augmentation, Stage
from voxcli.training.task import Context, Terms

TERMS = ("shape", "sparsity")
"""Mean squared occupancy, and the mean absolute weight of the last layer (an option of the original)."""


@dataclass(frozen=True)
class StageOptions:
    """A stage's `settings`: resolution of the point-value pairs (16, 32 or 64) and how many a shape."""

    resolution: int = 32
    points: int = 8192


def _branches(network: BAENet, batch: ShapeBatch) -> Tensor:
    return network.branches(network.encode((batch.volumes[:, 3:] > 0).float()), batch.points / 2)


def shape_step(network: BAENet, batch: ShapeBatch, context: Context[ShapeSamples]) -> Terms:
    """Mean squared error of the largest branch."""
    weights = context.stage.losses
    found = _branches(network, batch).amax(-1)
    terms = {"shape": weights.get("shape", 0.0) * F.mse_loss(found, batch.occupied.to(found.dtype))}
    if weights.get("sparsity"):
        terms["sparsity"] = weights["sparsity"] * network.last.weight.abs().mean()
    return terms


class BAETask(BranchTask[BAENet, BAEConfig]):
    """Occupied volumes alone, without colours or categories."""

    steps = {"shape": shape_step}
    threshold = THRESHOLD
    build = staticmethod(build)

    def configure(self, options: Mapping[str, Value], data: ShapeSamples) -> BAEConfig:
        """The configuration of a recipe: fields of BAEConfig."""
        return configuration.from_mapping(BAEConfig, {"categories": list(data.categories), **options}, "network")

    def check_stage(self, stage: Stage, config: BAEConfig, data: ShapeSamples) -> None:
        """Raise UsageError for losses or sizes that mean nothing."""
        stage.check_losses(TERMS)
        resolution = stage.options(StageOptions).resolution
        if resolution not in (16, 32, 64):
            raise UsageError(f"Stage '{stage.name}': pairs have a resolution of 16, 32 or 64.", actual=resolution)

    def reader(self, data: ShapeSamples, stage: Stage, augmentation: Augmentation) -> ShapeReader:
        """Shapes with their pairs."""
        options = stage.options(StageOptions)
        return ShapeReader(data, options.resolution, options.points)

    def tally(self, network: BAENet, batch: ShapeBatch, context: Context[ShapeSamples]) -> Tensor:
        """See `branch_tally`."""
        return branch_tally(_branches(network, batch), batch, len(context.data.categories), THRESHOLD)

    def preview(self, network: BAENet, batches: Iterable[ShapeBatch], context: Context[ShapeSamples]) -> np.ndarray | None:
        """One row an object: the winning branches seen along z and x."""
        rows = []
        for batch in batches:
            code = network.encode((batch.volumes[:1, 3:] > 0).float())
            rows.append(winners_view(network.branches(code, cube_points(batch.points.device) / 2)[0], THRESHOLD))
        return np.concatenate(rows) if rows else None


TASK = BAETask()
