"""`voxcli.score`: how far a prediction is from the truth, as the record that `voxcli metrics` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, overload

from voxcli.api.things import ShapeLike, as_shape, path_of
from voxcli.errors import UsageError, unknown_name
from voxcli.scene import Mesh, PointCloud, VoxelGrid

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Unpack

    from voxcli.metrics.records import Record

METRICS = ("chamfer", "fscore", "hausdorff", "normals", "emd", "iou")


class Choices(TypedDict, total=False):
    """What defines a metric, by the names of the command's flags: `voxcli metrics NAME --help` says what each means.

    points, normalise, draw, to, iso, empty_penalty: of all distances. squared, combine, scale: chamfer. thresholds, threshold_of, strict,
    percent: fscore. percentile: hausdorff. method, reduce, exact_up_to: emd. thresholds, strict, classes, over, ignore, align, mask (cells
    that count, bool on the truth's grid), resolution, of ("shell", "parts"): iou.
    """

    points: int
    normalise: str
    draw: str
    to: str
    iso: float
    empty_penalty: float
    squared: bool
    combine: str
    scale: float
    thresholds: Sequence[float]
    threshold_of: str
    strict: bool
    percent: bool
    percentile: float
    method: str
    reduce: str
    exact_up_to: int
    classes: Sequence[str]
    over: str
    ignore: int
    align: str
    mask: np.ndarray
    resolution: int
    of: str


_OF_IOU = frozenset({"points", "thresholds", "strict", "classes", "over", "ignore", "align", "mask", "resolution", "of"})


@overload
def score(prediction: ShapeLike, truth: ShapeLike, metric: str = "chamfer", *, preset: str | None = None, seed: int = 0,
          **choices: Unpack[Choices]) -> Record: ...  # fmt: skip
@overload
def score(prediction: ShapeLike, truth: ShapeLike, metric: list[str] | tuple[str, ...], *, preset: str | None = None, seed: int = 0,
          **choices: Unpack[Choices]) -> list[Record]: ...  # fmt: skip
def score(
    prediction: ShapeLike, truth: ShapeLike, metric: str | list[str] | tuple[str, ...] = "chamfer", *, preset: str | None = None,
    seed: int = 0, **choices: Unpack[Choices],
) -> Record | list[Record]:  # fmt: skip
    """Score a prediction: the record {"metric", "value", "pred", "gt", "parts", "params"} that `voxcli metrics` prints, all choices stated.

    Args:
        prediction, truth: a path, one of voxcli's types, trimesh, (vertices [V, 3], faces [F, 3]), points [N, 3], or occupancy [X, Y, Z]
            (arrays or tensors). Both in the same frame and units, which are those of the value.
        metric: chamfer, fscore, hausdorff, normals, emd or iou; a list of distances shares their nearest neighbours, and gives a list.
        preset: a paper's protocol, such as "onet" (`voxcli metrics presets` lists them).
        seed: of the points that are drawn.
        choices: see Choices.

    Raises:
        VoxcliError: what has no surface, a choice that the metric does not have or that contradicts the preset, shapes that cannot be
            compared.

    >>> import numpy, voxcli
    >>> voxcli.score(numpy.zeros((1, 3)), numpy.array([[3.0, 4.0, 0.0]]), "chamfer", squared=False)["value"]
    10.0
    """
    asked = (metric,) if isinstance(metric, str) else tuple(metric)
    for name in asked:
        if name not in METRICS:
            raise unknown_name("metric", name, METRICS)
    if "iou" in asked and len(asked) > 1:
        raise UsageError("iou is no distance, and is scored alone.", expected='"iou"', actual=", ".join(asked))
    given: dict[str, object] = {k: tuple(v) if k in ("thresholds", "classes") else v for k, v in choices.items() if v is not None}  # type: ignore[arg-type]
    _check(asked, given)
    names = {"pred": path_of(prediction), "gt": path_of(truth)}
    if asked == ("iou",):
        return _iou(prediction, truth, given, preset, seed, names)
    from voxcli.metrics.evaluate import score as distances
    from voxcli.metrics.presets import merge, prices_empties

    stated = given | {"seed": seed}
    for name in asked:
        merge(preset, name, stated)
    priced = prices_empties(preset, stated)
    guess, real = as_shape(prediction, "prediction", priced), as_shape(truth, "ground truth", priced)
    records = distances(asked, guess, real, stated, preset=preset, **names)
    return records[0] if isinstance(metric, str) else records


def _check(asked: Sequence[str], given: Mapping[str, object]) -> None:
    from voxcli.metrics.presets import CONCERNS

    known = _OF_IOU if asked == ("iou",) else frozenset().union(*(CONCERNS[name] - {"seed"} for name in asked))
    for key in given:
        if key not in known:
            raise unknown_name(f"choice of {', '.join(asked)}", key, known)


def _iou(
    prediction: ShapeLike, truth: ShapeLike, given: Mapping[str, object], preset: str | None, seed: int, names: Mapping[str, str]
) -> Record:
    from voxcli.metrics.presets import merge, prices_empties
    from voxcli.ops.shapes import iou_record

    meaning = merge(preset, "iou", {key: value for key, value in given.items() if key != "mask"}).get("of")
    priced = prices_empties(preset, {})
    guess, real = as_shape(prediction, "prediction", priced), as_shape(truth, "ground truth", priced)
    if meaning == "parts":
        from voxcli.metrics.parts import category_of, labelled_pair, parts_record

        if not isinstance(guess, (Mesh, PointCloud, VoxelGrid)) or not isinstance(real, (Mesh, PointCloud, VoxelGrid)):
            raise UsageError("Parts are those of shapes.", expected="meshes, points or voxels with labels",
                             actual=f"{type(guess).__name__} and {type(real).__name__}")  # fmt: skip
        pair = labelled_pair(guess, real)
        ignore = given.get("ignore")
        assert ignore is None or isinstance(ignore, int)
        record = parts_record(pair, category_of([pair], ignore=ignore), ignore=ignore, pred=names["pred"], gt=names["gt"])
        record["params"] |= {"preset": preset} if preset else {}
        return record
    rest = {key: value for key, value in given.items() if key != "mask"}
    mask = given.get("mask")
    return iou_record(guess, real, rest, preset=preset, seed=seed, mask=mask, **names)  # type: ignore[arg-type]
