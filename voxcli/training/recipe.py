"""Recipes: what a training does, as a YAML mapping checked against dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from voxcli import config
from voxcli.errors import UsageError, unknown_name

SHIPPED = Path(__file__).resolve().parent / "recipes"
SCALES = {"full": 1, "half": 2, "quarter": 4}
"""Names of the resolutions at which a network may be asked for scores."""


@dataclass(frozen=True)
class Optimiser:
    """Adam. The defaults are SSZ's (section 4.2). `schedule: cosine` falls to `final` times the rate over the stage's steps."""

    rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0
    final: float = 0.0
    clip: float | None = None

    def factor(self, step: int, steps: int) -> float:
        """The learning rate at one step of a stage, as a multiple of `rate`."""
        import math

        factor = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.schedule == "cosine":
            factor *= self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * step / max(1, steps)))
        return factor


@dataclass(frozen=True)
class Stage:
    """One stretch of a training. batch counts the samples of a step over all processes.

    step: which training step of the model. scales: weight of the loss at each resolution; coarser ones alone cost a fraction.
    losses: weight of each term. frozen: prefixes of parameter names that stay as they are.
    """

    name: str
    steps: int
    batch: int = 8
    step: str = "generator"
    scales: dict[str, float] = field(default_factory=lambda: {"full": 1.0})
    losses: dict[str, float] = field(default_factory=lambda: {"likelihood": 1.0})
    optimiser: Optimiser = field(default_factory=Optimiser)
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.scales:
            if name not in SCALES:
                raise unknown_name("scale", name, SCALES)
        if self.steps < 1 or self.batch < 1 or not self.scales:
            raise UsageError(f"Stage '{self.name}' needs positive steps, a positive batch and a scale.")


@dataclass(frozen=True)
class Augmentation:
    """Mirror image and volume together; brightness, contrast and colour vary by up to +- the share; noise in 0..1 (deviation)."""

    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class ClassWeights:
    """k_i of equation (2): (most frequent / own frequency) ** power, at most `largest`, counted over `samples` samples."""

    power: float = 0.3
    largest: float = 5.0
    samples: int = 300


@dataclass(frozen=True)
class Validation:
    """Every so many steps, on at most `samples` samples; `share` of the data is set aside where no validation data is given."""

    every: int = 500
    samples: int = 64
    share: float = 0.05


@dataclass(frozen=True)
class Recipe:
    """A training: network configuration (a preset's name and fields that differ), data handling, stages in their order.

    average: decay of an exponential moving average of the weights, which is what is validated and exported (ours; null: none).
    """

    stages: tuple[Stage, ...]
    model: str = "ssz"
    network: dict[str, Any] = field(default_factory=dict)
    augmentation: Augmentation = field(default_factory=Augmentation)
    class_weights: ClassWeights = field(default_factory=ClassWeights)
    validation: Validation = field(default_factory=Validation)
    average: float | None = None
    checkpoint_every: int = 200
    loader_threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stages:
            raise UsageError("A recipe needs at least one stage.")


def load_recipe(source: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """A shipped recipe by name, or a YAML file; `overrides` is merged on top (what --set gives)."""
    path = Path(source)
    shipped = {p.stem: p for p in SHIPPED.glob("*.yaml")}
    if not path.is_file():
        if str(source) not in shipped:
            raise unknown_name("recipe", str(source), shipped)
        path = shipped[str(source)]
    return config.from_mapping(Recipe, config.merge(config.load(path), overrides or {}), f"recipe '{source}'")
