"""A stage under way: what it trains, by which optimiser, with which tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from voxcli.errors import UsageError
from voxcli.training.freezing import batch_normalisations
from voxcli.training.stage import Stage


@dataclass
class StageRun:
    """number, first: of the stage in its run, and of its first step. rates: of each group of the optimiser, before the schedule.

    constants: the tensors that the steps take. frozen_statistics: the modules whose batch statistics stay as they are.
    """

    number: int
    stage: Stage
    first: int
    parameters: list[nn.Parameter]
    optimiser: torch.optim.Optimizer
    rates: list[float]
    frozen_statistics: list[nn.Module]
    constants: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The number of the step after its last."""
        return self.first + self.stage.steps

    def set_rates(self, step: int) -> float:
        """Give the optimiser its rates for one step of the run. Returns the stage's own rate."""
        factor = self.stage.optimiser.factor(step - self.first, self.stage.steps)
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        return self.stage.optimiser.rate * factor

    def train_mode(self, network: nn.Module) -> None:
        """Put the network into training mode, except the frozen statistics."""
        network.train()
        for module in self.frozen_statistics:
            module.eval()


def begin(number: int, stage: Stage, first: int, network: nn.Module) -> StageRun:
    """Freeze what the stage freezes, with its batch statistics, and make an optimiser of the other parameters."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not name.startswith(stage.frozen))
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    how = stage.optimiser
    rates = list(dict.fromkeys(how.rate_of(name) for name, _ in named))
    groups = [{"params": [p for name, p in named if how.rate_of(name) == rate], "lr": rate} for rate in rates]
    on_cpu = next(network.parameters()).device.type == "cpu"
    optimiser = torch.optim.Adam(groups, betas=how.betas, weight_decay=how.decay, fused=on_cpu)
    still = batch_normalisations(network, stage.frozen + stage.frozen_statistics)
    return StageRun(number, stage, first, [p for _, p in named], optimiser, rates, still)


def restore_optimiser(run: StageRun, state: dict[str, Any], folder: Path) -> None:
    """Give the optimiser the state of a checkpoint. Raises UsageError where that is of other parameters."""
    try:
        run.optimiser.load_state_dict(state)
    except ValueError as error:
        raise UsageError(f"Stage '{run.stage.name}' trains other parameters than in '{folder}'.", actual=str(error),
                         hint="Change `frozen` and `rates` between stages, not within one.") from error  # fmt: skip
