"""The contract of a reader: the samples of a data set as a protocol wants them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import numpy as np

from voxcli.config import Value
from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape
    from voxcli.metrics.iqtt import Answers
    from voxcli.models.base import Inputs
    from voxcli.scene import Camera


@dataclass(frozen=True)
class ReaderOptions:
    """The options of a reader: derive from it."""


Box = tuple[float, float, float, float]

OptionsT = TypeVar("OptionsT", bound=ReaderOptions)


@dataclass(frozen=True)
class Sample:
    """What identifies a sample. name: unique in its data set; category: for the tables' columns; id, view: for the names of files."""

    name: str
    category: str = ""
    id: str = ""
    view: str = ""

    def fields(self, variant: str = "") -> dict[str, str]:
        """What stands for {name}, {category} and so on in the pattern of a file."""
        return {"name": self.name, "category": self.category, "id": self.id or self.name, "view": self.view, "variant": variant}


class Reader(ABC, Generic[OptionsT]):
    """The samples below a root. Derive from it, and enter the class in `voxcli.evaluation.readers`.

    tree: what the root looks like, for the message about a wrong one. metric_grid: the truth is voxels in the world's metres, on which
    fruxels before a camera that is known are sampled. needs_data: there is a root; else a
    network is measured. Options: the dataclass of its options. `__init__` raises VoxcliError where the root is another thing.
    """

    tree: ClassVar[str]
    metric_grid: ClassVar[bool] = False
    needs_data: ClassVar[bool] = True
    Options: ClassVar[type[ReaderOptions]] = ReaderOptions

    def __init__(self, root: Path, options: OptionsT):
        self.root, self.options = root, options
        self.samples: list[Sample] = []

    @abstractmethod
    def truth(self, index: int, which: str) -> Shape | Answers | Path:
        """The truth of a sample, or its file, which the metric reads. which: `Measure.truth`."""

    def sources(self, index: int) -> Sequence[Path]:
        """The files that a sample was made of, whose hashes its records state besides those of prediction and truth."""
        return ()

    def inputs(self, index: int) -> Inputs:
        """The pictures of a sample, with cameras and depths where they are known. Raises UsageError where there are none."""
        raise UsageError("These data hold no pictures.", hint="Give predictions: --predictions DIR.")

    def question(self, index: int) -> np.ndarray | None:
        """The pictures of a question, uint8 [4, H, W, 3], for models that answer some; None: it is none."""
        return None

    def part(self, made: Shape | Answers, index: int) -> Shape | Answers:
        """What a prediction says of this sample: itself, where it is of one sample."""
        return made

    def box(self, index: int) -> Box | None:
        """Where the object is in its picture: left, top, right, bottom in pixels. None: anywhere."""
        return None

    def scored(self, index: int) -> Mapping[str, Value]:
        """Options of the metrics for this sample alone, such as the file of its mask."""
        return {}

    def seen_from(self, index: int) -> Camera | None:
        """Another camera that the prediction is to be seen from."""
        return None
