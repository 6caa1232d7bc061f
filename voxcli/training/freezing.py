"""What the stages of a recipe hold still, checked against a network before the first step."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from voxcli.errors import UsageError
from voxcli.models.tasks import Stage


def check_frozen(network: nn.Module, stages: Iterable[Stage]) -> None:
    """Refuse stages that freeze every parameter, and those whose `frozen` or `frozen_statistics` name nothing that the network has: it
    would train what was to stay. A name beside others that are there may be absent: a recipe serves networks with and without a part."""
    parameters = [name for name, _ in network.named_parameters()]
    modules = [name for name, _ in network.named_modules() if name]
    parts = ", ".join(name for name, _ in network.named_children())
    for stage in stages:
        for key, given, names in (("frozen", stage.frozen, parameters), ("frozen_statistics", stage.frozen_statistics, modules)):
            if given and not any(name.startswith(given) for name in names):
                raise UsageError(f"Stage '{stage.name}': {key} names nothing that the network has.",
                                 expected=f"beginnings of names in {parts}", actual=", ".join(given))  # fmt: skip
        if stage.frozen and all(name.startswith(stage.frozen) for name in parameters):
            raise UsageError(f"Stage '{stage.name}' freezes every parameter.", actual=", ".join(stage.frozen))
