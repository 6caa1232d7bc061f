"""Parameters and batch statistics that stay as they are: through a stage of a recipe, or while another network learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn

from voxcli.errors import UsageError
from voxcli.training.stage import Stage


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


def batch_normalisations(network: nn.Module, prefixes: tuple[str, ...]) -> list[nn.Module]:
    """The batch normalisations whose names begin with one of the prefixes. In evaluation mode they keep their statistics."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return [module for name, module in network.named_modules() if name.startswith(prefixes) and isinstance(module, kinds)]


@contextmanager
def parameters_frozen(*parts: nn.Module) -> Iterator[None]:
    """Within, no gradient reaches the parameters of some parts, such as a critic. What was computed within stays without them."""
    trained = [p for part in parts for p in part.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
