"""`voxcli.score`: how far a prediction is from the truth, as the record that `voxcli metrics` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from voxcli.api.arguments import python_call
from voxcli.api.measured import Measured, as_measured
from voxcli.api.things import path_of
from voxcli.contents import opened_once
from voxcli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from voxcli.metrics.base import MetricOptions
    from voxcli.metrics.records import Record

    OptionValue = bool | int | float | str | Sequence[float] | Sequence[str] | np.ndarray | None


def _options_of_metrics() -> list[type[MetricOptions]]:
    from voxcli.metrics.registry import METRICS

    return [metric.options for metric in METRICS.values()]


@overload
def score(prediction: Measured, truth: Measured, metric: str = "chamfer", *, preset: str | None = None, seed: int = 0,
          **options: OptionValue) -> Record: ...  # fmt: skip
@overload
def score(prediction: Measured, truth: Measured, metric: list[str] | tuple[str, ...], *, preset: str | None = None, seed: int = 0,
          **options: OptionValue) -> list[Record]: ...  # fmt: skip
@python_call(classes=_options_of_metrics)
def score(
    prediction: Measured, truth: Measured, metric: str | list[str] | tuple[str, ...] = "chamfer", *, preset: str | None = None,
    seed: int = 0, **options: OptionValue,
) -> Record | list[Record]:  # fmt: skip
    """Score a prediction: the record {"metric", "value", "pred", "gt", "parts", "params", "meta"} that `voxcli metrics` prints.

    All choices are stated in it, and of files their SHA-256.

    Args:
        prediction, truth: of a metric of shapes a path, one of voxcli's types, trimesh, (vertices [V, 3], faces [F, 3]), points [N, 3], or
            occupancy [X, Y, Z] (arrays or tensors), both in the same frame and units, which are those of the value. Of `depth` a path, a
            DepthMap, Surfels, or z [H, W]; of `pose` a path, a Camera, world_to_cam [4, 4], or several [n, 4, 4]; of `iqtt` a path, or
            answers [n].
        metric: a name of `voxcli.metrics.registry.METRICS`: iou, chamfer, fscore, hausdorff, normals, emd, depth, pose, iqtt. A list of
            distances shares their nearest neighbours, and gives a list.
        preset: a paper's protocol, such as "onet" (`voxcli metrics presets` lists them).
        seed: of the points that are drawn.
        options: those of the metric's options class, such as `voxcli.metrics.surfaces.ChamferOptions`; `voxcli metrics NAME --help` says
            what each means. mask: cells, or pixels, that count (bool).

    Raises:
        VoxcliError: what has no surface, an option that the metric does not have or that contradicts the preset, inputs that cannot be
            compared.

    >>> import numpy, voxcli
    >>> voxcli.score(numpy.zeros((1, 3)), numpy.array([[3.0, 4.0, 0.0]]), "chamfer", squared=False)["value"]
    10.0
    """
    from voxcli.metrics.presets import check_names, options_for
    from voxcli.metrics.records import state_inputs
    from voxcli.metrics.registry import metric_named
    from voxcli.metrics.summaries import settle
    from voxcli.provenance import digests_of_files

    metrics = [metric_named(name) for name in ([metric] if isinstance(metric, str) else metric)]
    if not metrics:
        raise UsageError("No metric was asked for.", expected="a name, or a list of names", actual=[])
    check_names(metrics, options)
    chosen = [options_for(each, {**options, "seed": seed}, preset) for each in metrics]
    names = {"pred": path_of(prediction), "gt": path_of(truth)}
    with opened_once():
        things = ((prediction, "prediction"), (truth, "ground truth"))
        pred, gt = (as_measured(thing, metrics[0], chosen[0], what) for thing, what in things)
        records = metrics[0].score_several(pred, gt, chosen, pred=names["pred"], gt=names["gt"])
        digests = digests_of_files(names.values())
    for each, of_each, record in zip(metrics, chosen, records, strict=True):
        settle(each.summary_rule(of_each), record)
    records = [state_inputs(record, digests) for record in records]
    return records[0] if isinstance(metric, str) else records
