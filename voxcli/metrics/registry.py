"""The table of all metrics: the command line, `voxcli.score` and the presets know metrics from here alone."""

from __future__ import annotations

from typing import Any

from voxcli.errors import unknown_name
from voxcli.metrics.base import Metric
from voxcli.metrics.surfaces import EMD, Chamfer, FScore, Hausdorff, Normals
from voxcli.metrics.views import IQTT, Depth, Pose
from voxcli.metrics.volumes import IoU

AnyMetric = Metric[Any, Any]
METRICS: dict[str, AnyMetric] = {}


def register(metric: AnyMetric) -> None:
    """Enter a metric into the table. One of the same name is replaced.

    >>> register(Chamfer())
    """
    METRICS[metric.name] = metric


def metric_named(name: str) -> AnyMetric:
    """The metric of a name. Raises UsageError for an unknown one.

    >>> metric_named("chamfer").better
    'lower'
    """
    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)
    return METRICS[name]


for _metric in (IoU(), Chamfer(), FScore(), Hausdorff(), Normals(), EMD(), Depth(), Pose(), IQTT()):
    register(_metric)
