"""`voxcli metrics chamfer | fscore | hausdorff | emd | all`: distances between surfaces, every choice stated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer

from voxcli.cli.framework import options, scoring
from voxcli.cli.framework.batch import Item
from voxcli.errors import UsageError

Normalise = Annotated[
    str | None, typer.Option("--normalise", help="none (default), unit-cube, unit-sphere, gt-10 by the truth's numbers, or own-cube.")
]
Draw = Annotated[
    str | None, typer.Option("--draw", help="surface: even by area (default); vertices; vertices-replaced: drawn with replacement.")
]
To = Annotated[str | None, typer.Option("--to", help="points (default), or surface: exact distance to the other's triangles.")]
Squared = Annotated[bool | None, typer.Option("--squared/--no-squared", help="Squared distances (default) or plain ones.")]
Combine = Annotated[str | None, typer.Option("--combine", help="Of the two directions: sum (default), mean or max.")]
Scale = Annotated[float | None, typer.Option("--scale", help="Multiply the value, as papers do to print it.")]
Thresholds = Annotated[
    list[float] | None, typer.Option("--threshold", help="Distance that counts as near; repeat for several. Default 0.01.")
]
ThresholdOf = Annotated[
    str | None, typer.Option("--threshold-of", help="distance (default), or squared: thresholds are of squared distances.")
]
Strict = Annotated[bool | None, typer.Option("--strict/--no-strict", help="Near is below the threshold (default), or at it too.")]
Percent = Annotated[bool | None, typer.Option("--percent/--no-percent", help="Values in percent.")]
Percentile = Annotated[
    float | None, typer.Option("--percentile", min=0, max=100, help="Percentile of the Hausdorff distance; default 100.")
]
Method = Annotated[
    str | None, typer.Option("--method", help="auto (exact up to --exact-up-to, then auction), exact, auction, or approxmatch (no EMD).")
]
Reduce = Annotated[str | None, typer.Option("--reduce", help="mean (default) of the lengths travelled, or their sum.")]
ExactUpTo = Annotated[int | None, typer.Option("--exact-up-to", min=1, help="Points up to which the assignment is exact; default 4096.")]
EmptyPenalty = Annotated[
    float | None, typer.Option("--empty-penalty", help="Distance that an empty prediction costs a point; default: null.")
]
Iso = Annotated[float | None, typer.Option("--iso", help="Level at which occupancy grids are contoured; default 0.5.")]


def chamfer(
    pred: scoring.Pred, gt: scoring.Gt, preset: scoring.Preset = None, points: scoring.Points = None, squared: Squared = None,
    combine: Combine = None, scale: Scale = None, normalise: Normalise = None, draw: Draw = None, to: To = None, iso: Iso = None,
    empty_penalty: EmptyPenalty = None, seed: options.Seed = 0, category_from: scoring.CategoryFrom = None,
    input_format: scoring.InputFormat = None, fail_under: scoring.FailUnder = None,
    fail_over: scoring.FailOver = None, format: options.Records = None, workers: options.Workers = 1,
    keep_going: options.KeepGoing = False,
) -> None:  # fmt: skip
    """Chamfer distance between meshes, clouds, grids and surfels.

    "Chamfer" alone says little: squared or not, sum or mean of the directions, how many points, in which frame. The record states all of
    it; a preset sets all of it as a paper did (`voxcli metrics presets`).

    Examples:
        voxcli metrics chamfer car.obj car.glb --points 2000
        voxcli metrics chamfer car.obj car.glb --preset onet --points 100000
    """
    given = {"points": points, "squared": squared, "combine": combine, "scale": scale, "normalise": normalise, "draw": draw, "to": to,
             "iso": iso, "empty_penalty": empty_penalty}  # fmt: skip
    _run(["chamfer"], pred, gt, given, preset, seed, input_format, category_from, fail_under, fail_over, format, workers, keep_going)


def fscore(
    pred: scoring.Pred, gt: scoring.Gt, preset: scoring.Preset = None, thresholds: Thresholds = None, threshold_of: ThresholdOf = None,
    strict: Strict = None, percent: Percent = None, points: scoring.Points = None, normalise: Normalise = None, draw: Draw = None,
    to: To = None, iso: Iso = None, seed: options.Seed = 0, category_from: scoring.CategoryFrom = None,
    input_format: scoring.InputFormat = None, fail_under: scoring.FailUnder = None,
    fail_over: scoring.FailOver = None,
    format: options.Records = None, workers: options.Workers = 1, keep_going: options.KeepGoing = False,
) -> None:  # fmt: skip
    """F-score: the harmonic mean of precision and recall at distance thresholds. The first threshold gives the value.

    Examples:
        voxcli metrics fscore car.obj car.glb --points 2000 --threshold 0.05 --threshold 0.1
        voxcli metrics fscore pred/ gt/ --preset tatarchenko --points 2000
    """
    given = {"thresholds": tuple(thresholds) if thresholds else None, "threshold_of": threshold_of, "strict": strict, "percent": percent,
             "points": points, "normalise": normalise, "draw": draw, "to": to, "iso": iso}  # fmt: skip
    _run(["fscore"], pred, gt, given, preset, seed, input_format, category_from, fail_under, fail_over, format, workers, keep_going)


def hausdorff(
    pred: scoring.Pred, gt: scoring.Gt, preset: scoring.Preset = None, percentile: Percentile = None, points: scoring.Points = None,
    scale: Scale = None, normalise: Normalise = None, draw: Draw = None, to: To = None, iso: Iso = None,
    empty_penalty: EmptyPenalty = None, seed: options.Seed = 0, category_from: scoring.CategoryFrom = None,
    input_format: scoring.InputFormat = None, fail_under: scoring.FailUnder = None,
    fail_over: scoring.FailOver = None, format: options.Records = None,
    workers: options.Workers = 1, keep_going: options.KeepGoing = False,
) -> None:  # fmt: skip
    """Hausdorff distance, unsquared, forward and reverse; the value is the larger one. --percentile 95 forgives outliers.

    Examples:
        voxcli metrics hausdorff car.obj car.glb --points 2000
        voxcli metrics hausdorff pred/ gt/ --points 2000 --percentile 95
    """
    given = {"percentile": percentile, "points": points, "scale": scale, "normalise": normalise, "draw": draw, "to": to, "iso": iso,
             "empty_penalty": empty_penalty}  # fmt: skip
    _run(["hausdorff"], pred, gt, given, preset, seed, input_format, category_from, fail_under, fail_over, format, workers, keep_going)


def emd(
    pred: scoring.Pred, gt: scoring.Gt, preset: scoring.Preset = None, points: scoring.Points = None, method: Method = None,
    exact_up_to: ExactUpTo = None, reduce: Reduce = None, scale: Scale = None, normalise: Normalise = None, draw: Draw = None,
    iso: Iso = None, empty_penalty: EmptyPenalty = None, seed: options.Seed = 0, category_from: scoring.CategoryFrom = None,
    input_format: scoring.InputFormat = None, fail_under: scoring.FailUnder = None,
    fail_over: scoring.FailOver = None, format: options.Records = None,
    workers: options.Workers = 1, keep_going: options.KeepGoing = False,
) -> None:  # fmt: skip
    """Earth mover's distance: mean length of the best one-to-one matching, exact up to --exact-up-to points.

    Beyond it an auction gives a value and a bound on its gap to the exact one, both in the record. Sets of unequal size are matched as
    transport with uniform weights. --method approxmatch is the soft matching of Pixel2Mesh and DISN: its record says that it is no EMD.

    Examples:
        voxcli metrics emd car.obj car.glb --points 256
        voxcli metrics emd car.obj car.glb --preset pix3d
    """
    given = {"points": points, "method": method, "exact_up_to": exact_up_to, "reduce": reduce, "scale": scale, "normalise": normalise,
             "draw": draw, "iso": iso, "empty_penalty": empty_penalty}  # fmt: skip
    _run(["emd"], pred, gt, given, preset, seed, input_format, category_from, fail_under, fail_over, format, workers, keep_going)


def every(
    pred: scoring.Pred, gt: scoring.Gt, preset: scoring.Preset = None, points: scoring.Points = None, squared: Squared = None,
    combine: Combine = None, scale: Scale = None, thresholds: Thresholds = None, threshold_of: ThresholdOf = None, strict: Strict = None,
    percent: Percent = None, percentile: Percentile = None, normalise: Normalise = None, draw: Draw = None, to: To = None, iso: Iso = None,
    empty_penalty: EmptyPenalty = None, seed: options.Seed = 0, category_from: scoring.CategoryFrom = None,
    input_format: scoring.InputFormat = None, fail_under: scoring.FailUnder = None,
    fail_over: scoring.FailOver = None, format: options.Records = None, workers: options.Workers = 1,
    keep_going: options.KeepGoing = False,
) -> None:  # fmt: skip
    """Chamfer, F-score, Hausdorff and normal consistency from one pair of nearest-neighbour passes; under a preset, those that it defines.

    Gates name what they look at: --fail-over chamfer=0.1, --fail-under normals=0.9, --fail-over hausdorff.forward=0.2.

    Examples:
        voxcli metrics all car.obj car.glb --points 2000 --fail-over chamfer=0.1
        voxcli metrics all pred/ gt/ --preset meshrcnn
    """
    metrics = ["chamfer", "fscore", "hausdorff", "normals"]
    if preset is not None:
        from voxcli.metrics.presets import PRESETS

        if preset in PRESETS:
            metrics = [m for m in [*metrics, "emd"] if m in PRESETS[preset].metrics]
        if not metrics:
            raise UsageError(f"Preset '{preset}' defines no distance.", expected=", ".join(PRESETS[preset].metrics))
    given = {"points": points, "squared": squared, "combine": combine, "scale": scale, "threshold_of": threshold_of, "strict": strict,
             "thresholds": tuple(thresholds) if thresholds else None, "percent": percent, "percentile": percentile,
             "normalise": normalise, "draw": draw, "to": to, "iso": iso, "empty_penalty": empty_penalty}  # fmt: skip
    _run(metrics, pred, gt, given, preset, seed, input_format, category_from, fail_under, fail_over, format, workers, keep_going)


def _run(
    metrics: Sequence[str], pred: str, gt: str, given: dict[str, Any], preset: str | None, seed: int, input_format: str | None,
    category_from: str | None, fail_under: list[str] | None, fail_over: list[str] | None, format: options.RecordFormat | None,
    workers: int, keep_going: bool,
) -> None:  # fmt: skip
    from voxcli.metrics.presets import merge, prices_empties, summary_rule

    stated = {k: v for k, v in given.items() if v is not None} | {"seed": seed}
    for metric in metrics:  # a contradiction or an unknown preset is told before anything is read
        merge(preset, metric, stated)
    scoring.check_positive("--scale", given.get("scale"))
    work = partial(score_pair, metrics=tuple(metrics), given=stated, preset=preset, empty_clouds=prices_empties(preset, stated),
                   input_format=input_format)  # fmt: skip
    scoring.run(pred, gt, work, metrics=metrics, suffixes=scoring.SHAPES, category_from=category_from, fail_under=fail_under,
                fail_over=fail_over, format=format, workers=workers, keep_going=keep_going,
                rules=[summary_rule(preset, metric) for metric in metrics], input_format=input_format)  # fmt: skip


def score_pair(
    item: Item, *, metrics: tuple[str, ...], given: dict[str, Any], preset: str | None, empty_clouds: bool = False,
    input_format: str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The records of one pair; normal consistency is null where one of the two has no normals."""
    from voxcli.metrics.evaluate import score
    from voxcli.ops.shapes import read_shape

    paths = (item.source, item.target)
    guess, truth = (read_shape(path, empty_clouds, scoring.format_for(path, item, input_format)) for path in paths)
    return score(metrics, guess, truth, given, preset=preset, pred=item.source, gt=item.target)
