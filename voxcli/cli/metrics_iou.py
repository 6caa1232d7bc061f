"""`voxcli metrics iou`: intersection over union of grids, meshes, clouds and parts."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from voxcli.cli import options, scoring
from voxcli.cli.batch import Item
from voxcli.errors import DataError, UsageError, VoxcliError


def iou(
    pred: scoring.Pred,
    gt: scoring.Gt,
    preset: scoring.Preset = None,
    thresholds: Annotated[
        list[float] | None,
        typer.Option("--threshold", help="Occupied at or above it; repeat for several, the first one gives the value. Default 0.5."),
    ] = None,
    strict: Annotated[bool | None, typer.Option("--strict/--no-strict", help="Occupied above the threshold only.")] = None,
    best_threshold: Annotated[
        bool, typer.Option("--best-threshold", help="Value at the threshold with the best mean over the whole set (Pix3D).")
    ] = False,
    classes: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME", help="Classes of the mean; repeat. Default: all but empty space.")
    ] = None,
    over: Annotated[
        str | None,
        typer.Option("--over", help="Mean over classes: present (in either; default), truth (in the ground truth), all (absent = 1)."),
    ] = None,
    ignore: Annotated[
        int | None, typer.Option("--ignore-label", help="Leave out cells whose truth has it; default: the file's own.")
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option("--mask", metavar="FILE", help="Count only cells that this grid fills (visible space); a folder for folders."),
    ] = None,
    mask_out: Annotated[
        str | None,
        typer.Option("--mask-out", metavar="FILE", help="Leave out the cells that this grid fills (.invalid); a folder for folders."),
    ] = None,
    align: Annotated[
        str | None, typer.Option("--align", help="world: voxel grids must lie in one place (default); index: compare cell by cell.")
    ] = None,
    shell: Annotated[bool, typer.Option("--shell", help="Shell IoU of UCLID-Net: 7,000 points of each surface on a 50^3 grid.")] = False,
    parts: Annotated[bool, typer.Option("--parts", help="Part IoU of labelled points, by BAE-NET's rule.")] = False,
    match: Annotated[
        bool, typer.Option("--match-parts", help="With --parts: name unsupervised parts by the truth over the whole set first.")
    ] = False,
    points: scoring.Points = None,
    seed: options.Seed = 0,
    resolution: options.Resolution = None,
    category_from: scoring.CategoryFrom = None,
    fail_under: scoring.FailUnder = None,
    format: options.Records = None,
    workers: options.Workers = 1,
    keep_going: options.KeepGoing = False,
) -> None:
    """Intersection over union: labels per class and mean, occupancy at thresholds, solids of meshes, shells, parts.

    Two files, or two folders paired by relative path. Classes are compared by name. A mesh against a grid is filled on that grid; two
    meshes are compared by points in their padded common box, or on --resolution cells. The summary also pools counts over the set.

    Examples:
        voxcli metrics iou pred.npz scene.npz
        voxcli metrics iou pred/ gt/ --format json --fail-under 0.3
        voxcli metrics iou car.obj car.glb --resolution 32
    """
    if match and not parts:
        raise UsageError("--match-parts belongs to --parts.")
    given = {
        "thresholds": tuple(thresholds) if thresholds else None, "strict": strict, "classes": classes, "over": over, "ignore": ignore,
        "align": align, "of": "shell" if shell else None, "points": points, "resolution": resolution,
    }  # fmt: skip
    stated = {k: v for k, v in given.items() if v is not None}
    if not all(0 <= t <= 1 for t in thresholds or ()):
        raise UsageError("Thresholds lie between 0 and 1.", actual=", ".join(map(str, thresholds or ())))
    names = _part_names(pred, gt, match) if parts else None
    work = partial(score, given=stated, preset=preset, seed=seed, masks=(mask, mask_out), part_names=names)
    best = best_threshold or _wants_best(preset)
    scoring.run(pred, gt, work, suffixes=scoring.SHAPES, category_from=category_from, fail_under=fail_under, format=format, workers=workers,
                keep_going=keep_going, finish=_at_best_threshold if best else None)  # fmt: skip


def score(
    item: Item, *, given: dict[str, Any], preset: str | None, seed: int, masks: tuple[str | None, str | None], part_names: Any
) -> list[dict[str, Any]]:
    """The record of one pair: item.source is the prediction, item.target the ground truth."""
    from voxcli.scene import FruxelGrid, PointCloud, VoxelGrid

    if part_names is not None:
        return [_score_parts(item, *part_names)]
    guess, truth = (scoring.read_shape(path) for path in (item.source, item.target))
    names = {"pred": item.source, "gt": item.target}
    mask = _mask(item, masks, truth) if any(masks) else None
    if isinstance(guess, (FruxelGrid, VoxelGrid)) and isinstance(truth, (FruxelGrid, VoxelGrid)) and preset is None and "of" not in given:
        from voxcli.metrics import grid_iou  # cell by cell: nothing here needs torch

        unused = sorted({"points", "resolution"} & set(given))
        if unused:
            raise UsageError(f"--{unused[0]} has no meaning for two grids: they are compared cell by cell.")
        return [grid_iou(guess, truth, mask=mask, **given, **names)]
    from voxcli.metrics.evaluate import score_iou

    sampled = isinstance(guess, PointCloud) or isinstance(truth, PointCloud) or "of" in given
    if mask is not None:
        given = {**given, "mask": mask}
    if sampled or not isinstance(truth, (FruxelGrid, VoxelGrid)):
        given = {**given, "seed": seed}
    return [score_iou(guess, truth, given, preset=preset, **names)]


def _mask(item: Item, masks: tuple[str | None, str | None], truth: Any) -> Any:
    """Cells that count: what --mask fills, less what --mask-out fills. The grid of the truth."""
    import os

    import numpy as np

    from voxcli import files
    from voxcli.scene import FruxelGrid, VoxelGrid

    counted = None
    for path, keep in zip(masks, (True, False), strict=True):
        if path is None:
            continue
        if os.path.isdir(path):
            found = [f"{path}/{item.name}{end}" for end in scoring.GRIDS if os.path.exists(f"{path}/{item.name}{end}")]
            if not found:
                raise DataError(f"No mask for '{item.name}' in {path}.", expected=f"a file ending in {', '.join(scoring.GRIDS)}")
            path = found[0]
        grid = files.read_as(path, (FruxelGrid, VoxelGrid))
        values = grid.labels if isinstance(grid, FruxelGrid) else grid.values
        if not isinstance(truth, (FruxelGrid, VoxelGrid)) or np.shape(values) != np.shape(
            truth.labels if isinstance(truth, FruxelGrid) else truth.values
        ):
            raise DataError(f"The mask {path} is not on the grid of the ground truth.")
        filled = np.asarray(values) >= 0.5
        counted = (filled if keep else ~filled) if counted is None else counted & (filled if keep else ~filled)
    return counted


def _labels_of(path: str) -> Any:
    from voxcli import files
    from voxcli.scene import PointCloud

    cloud = files.read_as(path, PointCloud)
    if cloud.labels is None:
        raise DataError(f"{path} has no part labels.", expected="points with labels")
    return cloud


def _score_parts(item: Item, names: list[str], renamed: Any) -> dict[str, Any]:
    from voxcli.metrics.sampled import part_record

    guess, truth = _labels_of(item.source), _labels_of(item.target)
    labels = guess.labels if renamed is None else renamed[guess.labels]
    if len(labels) != len(truth.labels):
        raise DataError("Prediction and ground truth label different points.", expected=len(truth.labels), actual=len(labels))
    return part_record(labels, truth.labels, names, pred=item.source, gt=item.target)


def _part_names(pred: str, gt: str, match: bool) -> tuple[list[str], Any]:
    """(names of the parts, the part that each predicted branch stands for): both need the whole set."""
    from voxcli.cli.inputs import pairs

    found = pairs(pred, gt, suffixes=scoring.POINTS).pairs
    truths = [_labels_of(pair.gt) for pair in found]
    count = 1 + max(int(t.labels.max(initial=0)) for t in truths)
    classes = truths[0].classes
    names = list(classes.names) if classes is not None and len(classes.names) >= count else [f"part {i}" for i in range(count)]
    if not match:
        return names, None
    from voxcli.metrics.sampled import match_parts

    guesses = [_labels_of(pair.pred).labels for pair in found]
    branches = 1 + max(int(g.max(initial=0)) for g in guesses)
    return names, match_parts(guesses, [t.labels for t in truths], branches, len(names))


def _wants_best(preset: str | None) -> bool:
    if preset is None:
        return False
    from voxcli.metrics.presets import protocol

    return bool(protocol(preset, "iou").get("best_threshold"))


def _at_best_threshold(records: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    """Move the summary's value to the threshold with the best mean over the set; the lowest of equals."""
    from voxcli.metrics.records import mean

    keys = list(records[0]["parts"].get("thresholds", {}))
    if not keys:
        raise VoxcliError("--best-threshold needs occupancy at several thresholds, not labels.")
    means = {key: mean([record["parts"]["thresholds"][key] for record in records]) for key in keys}
    best = max(keys, key=lambda key: (means[key] or 0.0, -keys.index(key)))
    summary["value"] = means[best]
    summary["parts"]["best_threshold"] = {"comparison": best, "mean_over_samples": means[best]}
    summary["params"]["value_at"] = f"the best of {len(keys)} thresholds over the set: {best}"
