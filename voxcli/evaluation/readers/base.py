"""The contract of a reader: the samples of a data set as a protocol wants them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

import numpy as np

from voxcli.config import Value
from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape
    from voxcli.metrics.iqtt import Answers
    from voxcli.metrics.trajectories import CameraPoses
    from voxcli.models.base import Inputs
    from voxcli.scene import Camera, Mesh, PointCloud, VoxelGrid


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


def cropped(inputs: Inputs, box: Box) -> Inputs:
    """The part of a single picture that a box [left, top, right, bottom] in pixels holds. Raises UsageError where it holds none."""
    picture = inputs.picture
    height, width = picture.rgb.shape[:2]
    left, top = max(0, int(box[0])), max(0, int(box[1]))
    right, bottom = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if left >= right or top >= bottom:
        raise UsageError("The box of the object lies outside of its picture.", expected=f"{width}x{height} pixels", actual=list(box))
    alpha = None if picture.alpha is None else picture.alpha[top:bottom, left:right]
    cut = replace(picture, rgb=picture.rgb[top:bottom, left:right], alpha=alpha, stored=None)
    return replace(inputs, pictures=(cut,))


class Reader(ABC, Generic[OptionsT]):
    """The samples below a root. Derive from it, and enter the class in `voxcli.evaluation.readers`.

    tree: what the root looks like, for the message about a wrong one. metric_grid: the truth has cells of its own in
    metres, voxels of the world or fruxels of the camera, on which predicted fruxels are sampled. separate: truths that are compared with
    a prediction of their own, which has a file of its own: `mesh` with the shape, `camera` with the camera. apart: the pictures of a sample
    are predicted one by one, and `joined`. task: what a model is asked
    for: 3D of pictures, answers to questions, parts of shapes, shapes from codes alone, or what it costs itself, which needs no root.
    Options: the dataclass of its options. `__init__` raises VoxcliError where the root is another thing.
    """

    tree: ClassVar[str]
    metric_grid: ClassVar[bool] = False
    separate: ClassVar[tuple[str, ...]] = ()
    apart: ClassVar[bool] = False
    task: ClassVar[Literal["3D", "answers", "parts", "codes", "costs"]] = "3D"
    Options: ClassVar[type[ReaderOptions]] = ReaderOptions

    @classmethod
    def expected(cls, options: OptionsT) -> str:
        """What the root should look like, with these options."""
        return cls.tree

    def __init__(self, root: Path, options: OptionsT):
        self.root, self.options = root, options
        self.samples: list[Sample] = []

    @abstractmethod
    def truth(self, index: int, which: str) -> Shape | Answers | CameraPoses | Path:
        """The truth of a sample, or its file, which the metric reads. which: `Measure.truth`."""

    def truth_file(self, index: int, which: str) -> Path | None:
        """The file that is a truth; None where truths are made of others, which takes its time."""
        found = self.truth(index, which)
        return found if isinstance(found, Path) else None

    def has_truth(self, index: int, which: str) -> bool:
        """Whether a sample has this truth; its measures are left out where it has not."""
        return True

    def sources(self, index: int) -> Sequence[Path]:
        """The files that a sample was made of, whose hashes its records state besides those of prediction and truth."""
        return ()

    def inputs(self, index: int) -> Inputs:
        """The pictures of a sample, with cameras and depths where they are known. Raises UsageError where there are none."""
        raise UsageError("These data hold no pictures.", hint="Give predictions: --predictions DIR.")

    def view_count(self, index: int) -> int:
        """How many pictures of a sample there are, those that are no inputs, too."""
        return len(self.inputs(index).pictures)

    def images(self, index: int, views: Sequence[int]) -> np.ndarray:
        """Some of these, uint8 [n, H, W, 4]; opaque where they have no alpha."""
        from voxcli.evaluation.retrieval import rgba_of

        inputs, box = self.inputs(index), self.box(index)
        return rgba_of(inputs if box is None else cropped(inputs, box))[list(views)]

    def question(self, index: int) -> np.ndarray:
        """The pictures of a question, uint8 [4, H, W, 3]."""
        raise UsageError("These data hold no questions.")

    def divided(self, index: int) -> tuple[PointCloud, Mesh | PointCloud | VoxelGrid]:
        """Points whose parts are asked for, and the shape that they are of."""
        raise UsageError("These data hold no shapes to divide.")

    def fitted(self, index: int) -> Mesh:
        """A shape whose codes are asked for."""
        raise UsageError("These data hold no shapes to fit.")

    def part(self, made: Shape | Answers, index: int) -> Shape | Answers:
        """What a prediction says of this sample: itself, where it is of one sample."""
        return made

    def joined(self, made: Sequence[Shape], index: int) -> Shape:
        """The prediction of a sample from those of its pictures, where these are predicted one by one."""
        raise UsageError("What this model makes of several pictures cannot be joined.", hint="Take one that predicts fruxels.")

    def box(self, index: int) -> Box | None:
        """Where the object is in its picture: left, top, right, bottom in pixels. None: anywhere."""
        return None

    def scored(self, index: int) -> Mapping[str, Value]:
        """Options of the metrics for this sample alone, such as the file of its mask."""
        return {}

    def seen_from(self, index: int) -> Camera | None:
        """Another camera that the prediction is to be seen from."""
        return None
