"""The metrics of surfaces and points, and their options: Chamfer, F-score, Hausdorff, normal consistency and the earth mover's distance."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from voxcli.errors import UsageError
from voxcli.metrics.base import MetricOptions, ShapeMetric
from voxcli.metrics.records import Names, Record
from voxcli.options import option
from voxcli.provenance import Recordable

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.base import Shape

NORMALISATIONS = {
    "none": "as given",
    "unit-cube": "ground truth's box centred, its longest side 1",
    "unit-sphere": "ground truth's centroid at 0, its largest radius 1",
    "gt-10": "ground truth's longest edge 10",
    "own-cube": "each set's own box centred, its longest side 1",
}
DRAWS = {
    "surface": "even by area on surfaces; clouds as they are, or a random subset",
    "vertices": "all vertices",
    "vertices-replaced": "vertices, drawn with replacement",
}
ALIGN = ("none", "icp", "similarity")
COMBINE = ("sum", "mean", "max")
METHODS = ("auto", "exact", "auction", "approxmatch")
EXACT_UP_TO = 4096
_SCALE = "Multiply the value, as papers do to print it."


@dataclass(frozen=True)
class SampledOptions(MetricOptions):
    """What has to be said before a distance between two surfaces is a number (guide conventions, metrics).

    empty_points: random points that take the place of an empty prediction; 0: none.
    """

    points: int | None = option(None, "Points drawn from each; default: clouds as they are, 100,000 from a mesh.", within="[1, 100000000]")
    draw: str = option("surface", "surface: even by area (default); vertices; vertices-replaced: drawn with replacement.", choices=DRAWS)
    seed: int = option(0, "Seed of the points that are drawn.", within="[0, inf)", on_command_line=False)
    normalise: str = option(
        "none", "none (default), unit-cube, unit-sphere, gt-10 by the truth's numbers, or own-cube.", choices=NORMALISATIONS
    )
    align: str = option(
        "none", "Move the prediction onto the truth first: none (default), icp (a rigid motion), similarity (its size, too).", choices=ALIGN
    )
    empty_penalty: float | None = option(None, "Distance that an empty prediction costs a point; default: null.", within="[0, inf)")
    iso: float | None = option(None, "Level at which occupancies, or their probabilities, are contoured; default: 0.5 of what was decided.")
    empty_points: int = option(0, "Random points in place of an empty prediction.", within="[0, inf)", on_command_line=False)

    def params(self) -> dict[str, Recordable]:
        """The options as a record states them: of the sample, the metric's own, and the penalty. The others depend on the shapes."""
        own = [f.name for f in dataclasses.fields(self) if f.name not in _SHARED]
        return {name: getattr(self, name) for name in ("points", "draw", "seed", "normalise", "align", *own, "empty_penalty")}


@dataclass(frozen=True)
class SurfaceOptions(SampledOptions):
    """Options of the metrics that look for nearest neighbours."""

    to: str = option("points", "points (default), or surface: exact distance to the other's triangles.", choices=("points", "surface"))


_SHARED = frozenset(field.name for field in dataclasses.fields(SurfaceOptions))


@dataclass(frozen=True)
class ChamferOptions(SurfaceOptions):
    """Options of the Chamfer distance."""

    squared: bool = option(True, "Squared distances (default) or plain ones.", flag="--squared/--no-squared")
    combine: str = option("sum", "Of the two directions: sum (default), mean or max.", choices=COMBINE)
    scale: float = option(1.0, _SCALE, within="(0, inf)")


@dataclass(frozen=True)
class FScoreOptions(SurfaceOptions):
    """Options of the F-score. The first threshold gives the value."""

    thresholds: tuple[float, ...] = option(
        (0.01,), "Distance that counts as near; repeat for several. Default 0.01.", flag="--threshold", within="(0, inf)"
    )
    threshold_of: str = option(
        "distance", "distance (default), or squared: thresholds are of squared distances.", choices=("distance", "squared")
    )
    strict: bool = option(True, "Near is below the threshold (default), or at it too.", flag="--strict/--no-strict")
    percent: bool = option(False, "Values in percent.", flag="--percent/--no-percent")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.thresholds:
            raise UsageError("The F-score needs at least one threshold.")

    @property
    def lengths(self) -> tuple[float, ...]:
        """The thresholds as distances."""
        return tuple(math.sqrt(t) for t in self.thresholds) if self.threshold_of == "squared" else self.thresholds


@dataclass(frozen=True)
class HausdorffOptions(SurfaceOptions):
    """Options of the Hausdorff distance."""

    percentile: float = option(100.0, "Percentile of the Hausdorff distance; default 100.", within="(0, 100]")
    scale: float = option(1.0, _SCALE, within="(0, inf)")


@dataclass(frozen=True)
class NormalsOptions(SurfaceOptions):
    """Options of the normal consistency: those of the sample."""


@dataclass(frozen=True)
class EMDOptions(SampledOptions):
    """Options of the earth mover's distance."""

    method: str = option(
        "auto", "auto (exact up to --exact-up-to, then auction), exact, auction, or approxmatch (no EMD).", choices=METHODS
    )
    reduce: str = option("mean", "mean (default) of the lengths travelled, or their sum.", choices=("mean", "sum"))
    scale: float = option(1.0, _SCALE, within="(0, inf)")
    exact_up_to: int = option(EXACT_UP_TO, "Points up to which the assignment is exact; default 4096.", within="[1, inf)")


SampledT = TypeVar("SampledT", bound=SampledOptions)


class SampledMetric(ShapeMetric[SampledT]):
    """A metric of points that stand for both surfaces."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"
    perfect = 0.0
    symmetric = True

    def score(self, pred: Shape, gt: Shape, options: SampledT, /, **names: Unpack[Names]) -> Record:
        """The record of two shapes."""
        return self.score_several(pred, gt, [options], **names)[0]

    def score_several(self, pred: Shape, gt: Shape, options: Sequence[MetricOptions], /, **names: Unpack[Names]) -> list[Record]:
        """The records of all, which share samples and nearest neighbours."""
        from voxcli.metrics.evaluate import score_together

        sampled = [each for each in options if isinstance(each, SampledOptions)]
        if len(sampled) < len(options):
            raise UsageError("Only distances between samples are scored together.", expected="chamfer, fscore, hausdorff, normals, emd")
        return score_together(sampled, pred, gt, **names)


class Chamfer(SampledMetric[ChamferOptions]):
    """The Chamfer distance."""

    name = "chamfer"
    summary = "Chamfer distance between surfaces."
    options = ChamferOptions
    help = """Chamfer distance between meshes, clouds, grids and surfels.

    "Chamfer" alone says little: squared or not, sum or mean of the directions, how many points, in which frame. The record states all of
    it; a preset sets all of it as a paper did (`voxcli metrics presets`).

    Examples:
        voxcli metrics chamfer car.obj car.glb --points 2000
        voxcli metrics chamfer car.obj car.glb --preset onet --points 100000
    """


class FScore(SampledMetric[FScoreOptions]):
    """The F-score."""

    name = "fscore"
    summary = "F-score at distance thresholds."
    options = FScoreOptions
    better = "higher"
    perfect = 1.0
    help = """F-score: the harmonic mean of precision and recall at distance thresholds. The first threshold gives the value.

    Examples:
        voxcli metrics fscore car.obj car.glb --points 2000 --threshold 0.05 --threshold 0.1
        voxcli metrics fscore pred/ gt/ --preset tatarchenko --points 2000
    """


class Hausdorff(SampledMetric[HausdorffOptions]):
    """The Hausdorff distance."""

    name = "hausdorff"
    summary = "Hausdorff distance, with percentiles."
    options = HausdorffOptions
    help = """Hausdorff distance, unsquared, forward and reverse; the value is the larger one. --percentile 95 forgives outliers.

    Examples:
        voxcli metrics hausdorff car.obj car.glb --points 2000
        voxcli metrics hausdorff pred/ gt/ --points 2000 --percentile 95
    """


class Normals(SampledMetric[NormalsOptions]):
    """The normal consistency."""

    name = "normals"
    summary = "Normal consistency of surfaces."
    options = NormalsOptions
    better = "higher"
    perfect = 1.0
    help = """Normal consistency: mean absolute cosine between the normals of nearest points, over both directions.

    Null where one of the two has no normals. `metrics all` gives it beside the distances.

    Examples:
        voxcli metrics normals car.obj car.glb --points 2000
        voxcli metrics normals pred/ gt/ --points 2000 --normalise unit-cube
    """


class EMD(SampledMetric[EMDOptions]):
    """The earth mover's distance."""

    name = "emd"
    summary = "Earth mover's distance, exact or with a bound on its gap."
    options = EMDOptions
    help = """Earth mover's distance: mean length of the best one-to-one matching, exact up to --exact-up-to points.

    Beyond it an auction gives a value and a bound on its gap to the exact one, both in the record. Sets of unequal size are matched as
    transport with uniform weights. --method approxmatch is the soft matching of Pixel2Mesh and DISN: its record says that it is no EMD.

    Examples:
        voxcli metrics emd car.obj car.glb --points 256
        voxcli metrics emd car.obj car.glb --preset pix3d
    """
