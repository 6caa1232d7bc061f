"""The contract of a metric: its name and help, its options, what it compares, which direction is better, and how a record comes about.

`voxcli.metrics.registry` has the table. A metric of shapes derives from ShapeMetric and writes `score`; the command `voxcli metrics NAME`,
its flags, `voxcli.score` and the completions follow from the class. Imports neither numpy nor torch.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Protocol, TypeVar

from voxcli.errors import UsageError
from voxcli.metrics.records import Names, Record, make_record
from voxcli.options import Options, option
from voxcli.provenance import Recordable

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.scene import DepthMap, FruxelGrid, Mesh, PointCloud, Surfels, VoxelGrid

    Shape = Mesh | PointCloud | FruxelGrid | VoxelGrid | Surfels | DepthMap

GRIDS = ("fruxels", "voxels")
SHAPES = (*GRIDS, "points", "mesh")


@dataclass(frozen=True)
class MetricOptions(Options):
    """The options of a metric: derive from it. preset: the protocol that the others follow, where one was named."""

    preset: str | None = option(None, "The protocol that the options follow.", on_command_line=False)

    def params(self) -> dict[str, Recordable]:
        """The options as a record states them: all by name, the preset last and only where there is one."""
        stated = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "preset"}
        return stated | self.stated_preset

    @property
    def stated_preset(self) -> dict[str, Recordable]:
        """{"preset": its name}, or nothing."""
        return {"preset": self.preset} if self.preset else {}


OptionsT = TypeVar("OptionsT", bound=MetricOptions)
InputT = TypeVar("InputT")


class FilePair(Protocol):
    """Two files to compare: their common name, and the category that they belong to."""

    @property
    def name(self) -> str: ...
    @property
    def pred(self) -> str: ...
    @property
    def gt(self) -> str: ...
    @property
    def category(self) -> str | None: ...


class Metric(ABC, Generic[OptionsT, InputT]):
    """A metric of two inputs of one type. Its attributes and the two abstract methods make it; the others have defaults.

    name: its word in commands and records. summary: one line for lists. help: the help text of its command, which ends in `Examples:` and
    two or three command lines. options: the class of its options. compares: what the inputs are, a key of `voxcli.api.measured.IN_MEMORY`.
    kinds: of the files that are looked for in folders, see `voxcli.files.registry.KIND_TYPES`. better, perfect: which direction is better,
    and the value of a prediction that equals the truth. symmetric: whether prediction and truth may change places. takes_format: whether
    --input-format has a meaning. arguments: (name, help) of both inputs.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    help: ClassVar[str]
    options: type[OptionsT]
    compares: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ()
    better: ClassVar[Literal["higher", "lower"]]
    perfect: ClassVar[float]
    symmetric: ClassVar[bool] = False
    takes_format: ClassVar[bool] = True
    arguments: ClassVar[tuple[tuple[str, str], tuple[str, str]]] = (
        ("PRED", "Prediction: a file, a folder, a quoted glob or @list."),
        ("GT", "Ground truth: a file, or a folder with the same relative paths."),
    )

    @abstractmethod
    def read(self, path: str, options: OptionsT, format: str | None = None) -> InputT:
        """The prediction, or the truth, of a file. Raises VoxcliError for files that hold something else."""

    def read_truth(self, path: str, options: OptionsT, format: str | None = None) -> InputT:
        """The truth of a file, where it is read in another way than a prediction."""
        return self.read(path, options, format)

    @abstractmethod
    def score(self, pred: InputT, gt: InputT, options: OptionsT, /, **names: Unpack[Names]) -> Record:
        """The record of one pair. names: `pred` and `gt`, what the record calls the two."""

    def score_several(self, pred: InputT, gt: InputT, options: Sequence[OptionsT], /, **names: Unpack[Names]) -> list[Record]:
        """The records of several metrics of one pair, one for each of the options. Raises UsageError for metrics that share no work."""
        if len(options) > 1:
            raise UsageError(f"{self.name} is no distance, and is scored alone.", expected="one metric", actual=len(options))
        return [self.score(pred, gt, options[0], **names)]

    def record(
        self, value: float | None, options: OptionsT, parts: Mapping[str, Recordable] | None = None, **names: Unpack[Names]
    ) -> Record:
        """A record that states all options."""
        return make_record(self.name, value, parts=parts, params=options.params(), **names)

    def suffixes(self) -> list[str]:
        """Of the files that are looked for in folders: those of its kinds."""
        from voxcli.files.registry import searched_extensions

        return searched_extensions(*self.kinds)

    def completed(self, given: Mapping[str, Recordable], preset: str | None) -> dict[str, Recordable]:
        """The options as they were given, with what follows from them: before the preset's are added."""
        return dict(given)

    def check(self, options: OptionsT) -> None:
        """Raise UsageError for options that contradict each other; called before anything is read."""

    def for_pairs(self, options: OptionsT, pairs: Sequence[FilePair], input_format: str | None = None) -> list[OptionsT]:
        """The options of each pair of files, where they depend on its name, or on the whole set."""
        return [options] * len(pairs)

    def summary_rule(self, options: OptionsT) -> str:
        """How the value of a whole set comes about; see voxcli.metrics.summaries."""
        from voxcli.metrics.presets import summary_rule

        return summary_rule(options.preset, self.name)


class ShapeMetric(Metric[OptionsT, "Shape"]):
    """A metric of whatever has a surface or a solid."""

    compares = "shapes"
    kinds = SHAPES

    def read(self, path: str, options: OptionsT, format: str | None = None) -> Shape:
        """A shape of a file. A file of points may be empty where the options or the preset say what that costs."""
        from voxcli.metrics.presets import prices_empties
        from voxcli.metrics.shapes import read_shape

        return read_shape(path, prices_empties(options), format)
