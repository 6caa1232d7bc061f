"""`voxcli metrics iou`: intersection over union of grids."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from voxcli.cli import options, scoring
from voxcli.cli.batch import Item
from voxcli.errors import UsageError

GRIDS = (".npz", ".h5", ".binvox", ".mat")


def iou(
    pred: scoring.Pred,
    gt: scoring.Gt,
    thresholds: Annotated[
        list[float] | None,
        typer.Option("--threshold", help="Occupied at or above it; repeat for several, the first one gives the value. Default 0.5."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Occupied above the threshold only.")] = False,
    classes: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME", help="Classes of the mean; repeat. Default: all but empty space.")
    ] = None,
    over: Annotated[
        str, typer.Option("--over", help="Mean over classes: present (in either), truth (in the ground truth), all (absent from both = 1).")
    ] = "present",
    ignore: Annotated[
        int | None, typer.Option("--ignore-label", help="Leave out cells whose truth has it; default: the file's own.")
    ] = None,
    align: Annotated[str, typer.Option("--align", help="world: voxel grids must lie in one place; index: compare cell by cell.")] = "world",
    category_from: scoring.CategoryFrom = None,
    fail_under: scoring.FailUnder = None,
    format: options.Records = None,
    workers: options.Workers = 1,
    keep_going: options.KeepGoing = False,
) -> None:
    """Intersection over union of fruxels and voxels: per class and mean, or occupancy at thresholds.

    Two files, or two folders paired by relative path. Labels are compared by class name. The summary pools counts over the set as well:
    `pooled` is each class's IoU over all cells of all samples.

    Examples:
        voxcli metrics iou pred.npz scene.npz
        voxcli metrics iou pred/ gt/ --format json --fail-under 0.3
    """
    work = partial(
        score, thresholds=tuple(thresholds or (0.5,)), strict=strict, classes=classes, over=over, ignore=ignore, align=align
    )  # fmt: skip
    scoring.run("iou", pred, gt, work, suffixes=GRIDS, category_from=category_from, fail_under=fail_under, format=format, workers=workers,
                keep_going=keep_going)  # fmt: skip


def score(item: Item, **choices: Any) -> dict[str, Any]:
    """The record of one pair: item.source is the prediction, item.target the ground truth."""
    from voxcli import files
    from voxcli.metrics import grid_iou
    from voxcli.scene import FruxelGrid, VoxelGrid

    if not all(0 <= t <= 1 for t in choices["thresholds"]):
        raise UsageError("Thresholds lie between 0 and 1.", actual=", ".join(map(str, choices["thresholds"])))
    guess, truth = (files.read_as(path, (FruxelGrid, VoxelGrid)) for path in (item.source, item.target))
    return grid_iou(guess, truth, pred=item.source, gt=item.target, **choices)
