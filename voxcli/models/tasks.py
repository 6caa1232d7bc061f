"""What a model offers a training, and what a recipe tells it: the seam between models/*/stages.py and the engine.

A `stages` module offers the members of `Task` as its own functions. Nothing here imports torch, so that recipes are read at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from voxcli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    Terms = dict[str, Tensor]
    """Weighted loss terms of one phase, scalars; the engine adds them up."""


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
    """One stretch of a training. batch counts the samples of a step over all processes and parts.

    step: which training step of the model. scales: weight of the loss at each resolution, for networks that score at several (full, half,
    quarter); coarser ones alone cost a fraction. losses: weight of each term. settings: what else the model's step wants to be told.
    frozen: prefixes of parameter names that stay as they are. frozen_statistics: prefixes of the names of modules whose batch normalisation
    keeps its running mean and variance and normalises by them. parts: a step goes through its batch in so many parts and adds up their
    gradients, where the whole does not fit into memory; batch statistics and Dice are then a part's.
    """

    name: str
    steps: int
    batch: int = 8
    step: str = "generator"
    scales: dict[str, float] = field(default_factory=lambda: {"full": 1.0})
    losses: dict[str, float] = field(default_factory=lambda: {"likelihood": 1.0})
    settings: dict[str, Any] = field(default_factory=dict)
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


class Samples(Protocol):
    """Opened data: so many samples, each with a name for messages. May travel to worker processes, so it pickles."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Folder and name of a sample."""
        ...


class Batch(Protocol):
    """Samples stacked into tensors."""

    names: list[str]

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        ...


@dataclass(frozen=True)
class Draws:
    """The random numbers of one sample: `own`, its alone, and `shared`, the same for all samples of its batch part in all processes.

    Both depend on the seed and on the position in the order alone, whoever reads the sample.
    """

    own: np.random.Generator
    shared: np.random.Generator


Read = Callable[[int, "Draws | None"], Any]
"""(index, random numbers; None: the sample as it is, for validation) -> a sample that `collate` takes. Pickles."""


@dataclass(frozen=True)
class Context:
    """What a step is told besides network and batch. step: steps of the stage that are done. constants: what `constants` and, for this
    stage, `stage_constants` found, on the device. add: the sum of a tensor over the processes that share the batch, for terms that are no
    means over samples; None: one alone."""

    stage: Stage
    data: Any
    constants: Mapping[str, Tensor]
    add: Callable[[Tensor], Tensor] | None = None
    step: int = 0


Step = Callable[["nn.Module", Any, Context], "Terms | Iterator[Terms]"]
"""The loss terms of one batch. A step of several phases is an iterator over such terms: each phase's are differentiated and applied before
the next is asked for. A phase moves the parameters that its loss reaches and leaves the others alone."""


class Task(Protocol):
    """A model's `stages` module. `data` is what open_data gave, `config` what configure gave."""

    STEPS: Mapping[str, Step]

    def open_data(self, sources: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        """Open folders or files as Samples; `settings` is the recipe's `dataset`. Raises DataError where they do not belong together."""
        ...

    def configure(self, settings: Mapping[str, Any], data: Any) -> Any:
        """The network's frozen configuration from the recipe's `network` and the data; it travels in weights and checkpoints."""
        ...

    def build(self, config: Any) -> nn.Module:
        """A freshly initialised network, by torch's global generator."""
        ...

    def check_stage(self, stage: Stage, config: Any, data: Any) -> None:
        """Raise UsageError for a stage that this network cannot train. Called before anything is computed."""
        ...

    def constants(self, data: Any, indices: Sequence[int], weights: ClassWeights) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors that steps need, found once from the training samples and kept in checkpoints; and what the log says of them."""
        ...

    # def check_class_weights(self, weights, data) -> None: a task that weighs classes offers this too. Raise UsageError for weights that do
    # not fit the data. Called before anything is computed. Weights by hand are refused for a task without it.

    # def stage_constants(self, network, data, indices, stage) -> dict[str, Tensor]: a task may offer this too. Tensors that the steps of a
    # stage need, found when it begins, and again when a run goes on: from the data, or from parts of the network that it leaves alone.

    # def photographs(self, network, folder, context) -> dict[str, float]: and this. Scores of photographs that people labelled, `mean`
    # among them, for recipes that name such a folder as validation.photographs.

    def reader(self, data: Any, stage: Stage, augmentation: Augmentation) -> Read:
        """How a sample is read for a stage."""
        ...

    def collate(self, samples: list[Any]) -> Batch:
        """Stack what the reader gave."""
        ...

    def tally(self, network: nn.Module, batch: Any, context: Context) -> Tensor:
        """Validation: sums over one batch (counts of a confusion, sums of distances), to be added over batches and processes."""
        ...

    def summary(self, total: Tensor, context: Context) -> tuple[float, dict[str, Any]]:
        """(score, record) from the added tallies. The best network is the one with the highest score; the record goes into the log."""
        ...

    def preview(self, network: nn.Module, batches: Iterator[Any], context: Context) -> np.ndarray | None:
        """A picture uint8 [H, W, 3] of some validation samples, batches of one; None: this model has none."""
        ...

    def weight_facts(self, data: Any) -> dict[str, Any]:
        """What the weights say of their data besides the configuration: label names, frustum. Plain types."""
        ...
