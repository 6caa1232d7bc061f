"""What a model offers to its training: the base class `Task`, and the types that its methods take and give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from voxcli.config import Value
from voxcli.errors import DataError, UsageError
from voxcli.training.stage import Augmentation, ClassWeights, Stage


class Samples(Protocol):
    """Opened data: a number of samples, each with a name for messages. It pickles, for it may travel to worker processes."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Folder and name of a sample."""
        ...


class Batch(Protocol):
    """Samples stacked into tensors."""

    @property
    def names(self) -> list[str]:
        """The samples' names, for messages."""
        ...

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        ...


@dataclass(frozen=True)
class TensorBatch:
    """Base of batches that are dataclasses. Their tensors, also those of a dictionary, move together; all else stays."""

    def to(self: MovedBatch, device: torch.device) -> MovedBatch:
        """The batch on another device; copies to CUDA go through pinned memory and do not wait."""
        if device.type == "cpu":
            return self
        moved: dict[str, Tensor | dict[str, Tensor]] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Tensor):
                moved[each.name] = _moved(value, device)
            elif isinstance(value, dict):
                moved[each.name] = {key: _moved(part, device) for key, part in value.items()}
        return replace(self, **moved)


MovedBatch = TypeVar("MovedBatch", bound=TensorBatch)


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config")
Data = TypeVar("Data", bound=Samples)
Sample = TypeVar("Sample")
BatchType = TypeVar("BatchType", bound=Batch)

Terms: TypeAlias = dict[str, Tensor]
"""Weighted loss terms of one phase, scalars. The engine adds them up."""


@dataclass(frozen=True)
class Draws:
    """The random numbers of one sample: `own` are its own, `shared` are the same for all samples of its part of a batch in all processes.

    Both depend on nothing but the seed and the position in the order.
    """

    own: np.random.Generator
    shared: np.random.Generator


def chosen_views(there: int, low: int, high: int, draws: Draws | None, name: str) -> list[int]:
    """Some of the views of a sample: `low` to `high` at random; to be tested, as many as lie between the two, spread evenly.

    there: how many there are. Raises DataError for too few. name: what errors call the sample.
    """
    if draws is None:
        count = min(there, (low + high) // 2)
        return [k * there // count for k in range(count)]
    count = int(draws.shared.integers(low, high + 1))
    if there < count:
        raise DataError(f"'{name}' has too few views.", expected=f"at least {high}", actual=there)
    return [int(v) for v in draws.own.permutation(there)[:count]]


@dataclass(frozen=True)
class Context(Generic[Data]):
    """What a step takes besides network and batch.

    constants: what `constants`, `class_weights` and `stage_constants` of the task found, on the device. add: the sum of a tensor over the
    processes that share the batch, for terms that are no means over samples; None where each process stands alone. step: steps of the
    stage that are done.
    """

    stage: Stage
    data: Data
    constants: Mapping[str, Tensor]
    add: Callable[[Tensor], Tensor] | None = None
    step: int = 0


Read: TypeAlias = Callable[[int, "Draws | None"], Sample]
"""(index, random numbers; None for a sample as it is, for validation) -> a sample that `collate` takes. It pickles."""

Step: TypeAlias = Callable[[Network, BatchType, Context[Data]], "Terms | Iterator[Terms]"]
"""The loss terms of one batch. A step of several phases is an iterator over such terms. Each phase's terms are differentiated and applied
before the next phase is asked for. A phase moves the parameters that its loss reaches and leaves the others alone."""


class Task(ABC, Generic[Network, Config, Data, Sample, BatchType]):
    """How one model is trained. `TASK` of its `stages` module is an instance, which holds no state.

    data is what `open_data` gave, config what `configure` gave. Methods that are not abstract are optional.
    """

    steps: Mapping[str, Step[Network, BatchType, Data]]
    """The model's training steps by name, for `Stage.step`."""

    prepares_stages: bool = False
    """Whether `stage_constants` computes something. The log then says so, for it may take minutes."""

    @abstractmethod
    def open_data(self, sources: Sequence[str | Path], options: Mapping[str, Value]) -> Data:
        """Open folders or files. options: the recipe's `dataset`. Raises DataError where they do not belong together."""

    def dataset_defaults(self, network: Mapping[str, Value]) -> Mapping[str, Value]:
        """What of `dataset` follows from the recipe's `network` where the recipe does not say it."""
        return {}

    def unseen_split(self, sources: Sequence[str | Path]) -> str | None:
        """The split of these sources that validation takes where nothing else says which; None: a share of the training's samples."""
        return None

    @abstractmethod
    def configure(self, options: Mapping[str, Value], data: Data) -> Config:
        """The network's frozen configuration from the recipe's `network` and the data. It travels in weights and checkpoints."""

    @abstractmethod
    def build(self, config: Config) -> Network:
        """A network to begin with, by torch's global generator."""

    @abstractmethod
    def check_stage(self, stage: Stage, config: Config, data: Data) -> None:
        """Raise UsageError for a stage that this network cannot train. Called before anything is computed, and by --dry-run."""

    def frozen_parts(self, config: Config) -> tuple[str, ...]:
        """Prefixes of parameter names that no stage of this network trains, such as a trunk that the paper keeps as it came."""
        return ()

    def constants(self, data: Data, indices: Sequence[int]) -> dict[str, Tensor]:
        """Tensors that steps need, found once from the training samples and kept in checkpoints."""
        return {}

    def log_facts(self, data: Data, constants: Mapping[str, Tensor]) -> Mapping[str, Value]:
        """What the first record of the log says of data and constants."""
        return {}

    def stage_constants(self, network: Network, data: Data, indices: Sequence[int], stage: Stage) -> dict[str, Tensor]:
        """Tensors that the steps of one stage need, from the data or from frozen parts of the network, which is in evaluation mode.

        Found as the stage begins, and again when a run is resumed within it.
        """
        return {}

    @abstractmethod
    def reader(self, data: Data, stage: Stage, augmentation: Augmentation) -> Read[Sample]:
        """How a sample is read for a stage."""

    @abstractmethod
    def collate(self, samples: list[Sample]) -> BatchType:
        """Stack samples into a batch."""

    @abstractmethod
    def tally(self, network: Network, batch: BatchType, context: Context[Data]) -> Tensor:
        """Validation: sums over one batch, such as counts or distances. They are added over batches and processes."""

    @abstractmethod
    def summary(self, total: Tensor, context: Context[Data]) -> tuple[float, Mapping[str, Value]]:
        """(score, record for the log) from the added tallies. The network with the highest score is the best."""

    def photograph_scores(self, folder: str) -> Callable[[Network, Context[Data]], dict[str, float]]:
        """Open a folder of labelled photographs (the recipe's `validation.photographs`). The result scores a network on them: scores by
        name, `mean` among them. Raises UsageError where the model has no such score."""
        raise UsageError("This model is not scored on labelled photographs.", actual=f"validation.photographs: {folder}")

    def preview(self, network: Network, batches: Iterable[BatchType], context: Context[Data]) -> np.ndarray | None:
        """A picture uint8 [H, W, 3] of some validation samples, batches of one; None where there is nothing to show."""
        return None

    def weight_facts(self, data: Data) -> Mapping[str, Value]:
        """What the weights say of their data besides the configuration, for `predict`: label names, frustum."""
        return {}


class ClassWeighingTask(Task[Network, Config, Data, Sample, BatchType]):
    """A task whose losses weigh classes: steps find the weights [n] float32 as `context.constants["class_weights"]`."""

    @abstractmethod
    def check_class_weights(self, weights: ClassWeights, data: Data) -> None:
        """Raise UsageError for weights that do not fit the data. Called before anything is computed."""

    @abstractmethod
    def class_weights(self, weights: ClassWeights, data: Data, indices: Sequence[int]) -> dict[str, float]:
        """The weight of each class by its name, in the order of the labels, from the training samples."""


AnyTask: TypeAlias = Task[Any, Any, Any, Any, Any]
"""The task of whatever model is trained, as the engine sees it."""
