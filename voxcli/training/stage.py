"""What a recipe says of a training: stages, optimisers, augmentation, class weights. Imports nothing heavy, so that recipes are read at
once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from voxcli import config
from voxcli.config import Value
from voxcli.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

OptionsT = TypeVar("OptionsT", bound="DataclassInstance")


def require(where: str, values: Mapping[str, float], expected: str, holds: Callable[[float], bool]) -> None:
    """Raise UsageError for the first value of a recipe that does not hold."""
    for name, value in values.items():
        if not holds(value):
            raise UsageError(f"A recipe's {where}.{name} is out of range.", expected=expected, actual=value)


@dataclass(frozen=True)
class Optimiser:
    """Adam. The defaults are SSZ's (section 4.2). `schedule: cosine` or `linear` falls to `final` times the rate over the stage's steps.

    `schedule: milestones` multiplies the rate by `drop` at each step of `milestones`, counted within the stage. rates: rates of their own
    for parameters whose names begin with a prefix (the longest that fits). decay: weight decay, added to the gradient.
    """

    rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    schedule: Literal["constant", "cosine", "linear", "milestones"] = "constant"
    warmup: int = 0
    final: float = 0.0
    milestones: tuple[int, ...] = ()
    drop: float = 0.1
    rates: dict[str, float] = field(default_factory=dict)
    decay: float = 0.0
    clip: float | None = None

    def __post_init__(self) -> None:
        if (self.schedule == "milestones") != bool(self.milestones):
            raise UsageError("`schedule: milestones` and a list of milestones belong together.",
                             actual=f"schedule {self.schedule}, milestones {list(self.milestones)}")  # fmt: skip
        require(
            "optimiser",
            {"rate": self.rate, **{f"rates.{name}": rate for name, rate in self.rates.items()}, "drop": self.drop,
             "clip": 1.0 if self.clip is None else self.clip},
            "a positive number", lambda value: 0 < value < math.inf,
        )  # fmt: skip
        require("optimiser", {"decay": self.decay, "final": self.final, "warmup": self.warmup}, "zero or more", lambda v: 0 <= v < math.inf)
        require("optimiser", dict(zip(("betas[0]", "betas[1]"), self.betas, strict=True)), "at least 0, less than 1", lambda v: 0 <= v < 1)

    def factor(self, step: int, steps: int) -> float:
        """The learning rate at one step of a stage, as a multiple of `rate`."""
        factor = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.schedule == "cosine":
            factor *= self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * step / max(1, steps)))
        elif self.schedule == "linear":
            factor *= 1 - (1 - self.final) * step / max(1, steps)
        return factor * self.drop ** sum(step >= milestone for milestone in self.milestones)

    def rate_of(self, name: str) -> float:
        """The rate of the parameter of this name, before the schedule."""
        fits = [prefix for prefix in self.rates if name.startswith(prefix)]
        return self.rates[max(fits, key=len)] if fits else self.rate


@dataclass(frozen=True)
class Stage:
    """One part of a training. batch counts the samples of a step over all processes and parts.

    step: which training step of the model. scales: weight of the loss at each resolution, for networks that score at several (full, half,
    quarter); coarser ones alone cost a fraction. losses: weight of each term. settings: further options of the model's step.
    frozen: prefixes of the names of parameters and modules that stay as they are. frozen_statistics: of modules that learn, but whose
    batch normalisation keeps its running mean and variance and normalises by them, as that of frozen ones does. parts: a step goes
    through its batch in so many parts and adds up their gradients, where the whole does not fit into memory; batch statistics and Dice
    are then a part's.
    """

    name: str
    steps: int
    batch: int = 8
    step: str = "generator"
    scales: dict[str, float] = field(default_factory=lambda: {"full": 1.0})
    losses: dict[str, float] = field(default_factory=lambda: {"likelihood": 1.0})
    settings: dict[str, Value] = field(default_factory=dict)
    optimiser: Optimiser = field(default_factory=Optimiser)
    frozen: tuple[str, ...] = ()
    frozen_statistics: tuple[str, ...] = ()
    parts: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not self.scales:
            raise UsageError(f"Stage '{self.name}' needs positive steps, a positive batch and a scale.")
        if self.parts < 1 or self.batch % self.parts:
            raise UsageError(f"Stage '{self.name}': the batch must divide into its parts.", expected=f"a divisor of {self.batch}",
                             actual=self.parts)  # fmt: skip

    def options(self, kind: type[OptionsT]) -> OptionsT:
        """`settings` as a dataclass of the model's. Raises UsageError for unknown keys and wrong values."""
        return config.from_mapping(kind, self.settings, f"settings of stage '{self.name}'")

    def check_losses(self, known: Iterable[str], what: str = "loss") -> None:
        """Raise UsageError for a loss term that is not known."""
        for name in self.losses:
            if name not in known:
                raise unknown_name(what, name, known)

    def check_no_options(self, hint: str) -> None:
        """Raise UsageError where there are `settings`, for steps that have none."""
        for name in self.settings:
            raise UsageError(f"Stage '{self.name}': unknown key 'settings.{name}'.", hint=hint)

    def check_one_scale(self, model: str) -> None:
        """Raise UsageError for other scales than `full`, for networks that have no others."""
        if self.scales != {"full": 1.0}:
            raise UsageError(f"Stage '{self.name}': {model} has one scale.", expected="full", actual=", ".join(self.scales))


@dataclass(frozen=True)
class Augmentation:
    """Mirror image and ground truth together; brightness, contrast and colour vary by up to +- the share; noise in 0..1 (deviation).

    photographic: share of street pictures that go through what a camera does (exposure, white balance, blur, haze, noise, ...).
    """

    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    noise: float = 0.0
    photographic: float = 0.0

    def __post_init__(self) -> None:
        shares = {"brightness": self.brightness, "contrast": self.contrast, "colour": self.colour, "noise": self.noise,
                  "photographic": self.photographic}  # fmt: skip
        require("augmentation", shares, "a share, 0 to 1", lambda value: 0 <= value <= 1)


@dataclass(frozen=True)
class ClassWeights:
    """k_i of equation (2) of SSZ, for which the paper gives no values.

    by_hand: weights by the name of the class. Classes that it does not name get theirs from the data (ours): (most frequent / own
    frequency) ** power, at most `largest`, counted over `samples` samples. power 0 is a weight of 1 for each.
    """

    power: float = 0.3
    largest: float = 5.0
    samples: int = 300
    by_hand: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        by_hand = {f"by_hand.{name}": weight for name, weight in self.by_hand.items()}
        require("class_weights", by_hand, "zero or more", lambda value: 0 <= value < math.inf)
        require("class_weights", {"power": self.power}, "zero or more", lambda value: 0 <= value < math.inf)
        require("class_weights", {"largest": self.largest, "samples": self.samples}, "at least 1", lambda value: 1 <= value < math.inf)
