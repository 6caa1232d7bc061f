"""`voxcli metrics iou`: intersection over union of grids, meshes, clouds and parts."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Annotated, Any

import typer

from voxcli.cli.framework import options, scoring
from voxcli.cli.framework.batch import Item
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
        bool, typer.Option("--best-threshold", help="Score at the threshold with the best mean over the set, given or 0.01 .. 0.50.")
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
    parts: Annotated[
        bool, typer.Option("--parts", help="Part IoU of labelled points, voxels or meshes of parts, by BAE-NET's rule.")
    ] = False,
    match: Annotated[
        bool, typer.Option("--match-parts", help="With --parts: name unsupervised parts by the truth over the whole set first.")
    ] = False,
    points: scoring.Points = None,
    seed: options.Seed = 0,
    resolution: options.Resolution = None,
    category_from: scoring.CategoryFrom = None,
    input_format: scoring.InputFormat = None,
    fail_under: scoring.FailUnder = None,
    fail_over: scoring.FailOver = None,
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
    given = {
        "thresholds": tuple(thresholds) if thresholds else None, "strict": strict, "classes": classes, "over": over, "ignore": ignore,
        "align": align, "of": "shell" if shell else "parts" if parts else None, "points": points, "resolution": resolution,
    }  # fmt: skip
    stated = {k: v for k, v in given.items() if v is not None}
    if shell and parts:
        raise UsageError("--shell and --parts contradict each other.")
    if not all(0 <= t <= 1 for t in thresholds or ()):
        raise UsageError("Thresholds lie between 0 and 1.", actual=", ".join(map(str, thresholds or ())))
    rule = _summary(preset, stated, best_threshold)
    if best_threshold and not thresholds and preset is None:
        from voxcli.metrics.presets import PRESETS

        stated["thresholds"] = PRESETS["pix3d"].metrics["iou"]["thresholds"]
    parts = parts or _meaning(preset, stated) == "parts"
    if match and not parts:
        raise UsageError("--match-parts belongs to --parts.")
    if parts and (mask or mask_out or set(stated) - {"of", "ignore"}):
        raise UsageError("Part IoU compares labels of the same points, faces or cells: no other choice has a meaning for it.",
                         expected="--match-parts, --ignore-label or --category-from")  # fmt: skip
    if parts and (input_format or "-" in (pred, gt)):
        raise UsageError("Part IoU reads labelled shapes by their names, twice.", hint="Give files with the extensions of their formats.")
    categories = _categories(pred, gt, match, ignore, category_from) if parts else None
    work = partial(score, given=stated, preset=preset, seed=seed, masks=(mask, mask_out), categories=categories, input_format=input_format)
    scoring.run(pred, gt, work, metrics=["iou"], suffixes=scoring.SHAPES, category_from=category_from, fail_under=fail_under,
                fail_over=fail_over, format=format, workers=workers, keep_going=keep_going, rules=[rule],
                input_format=input_format)  # fmt: skip


def _meaning(preset: str | None, stated: dict[str, Any]) -> Any:
    """Which IoU is asked for, by the flags and the preset; a contradiction is an error before anything is read."""
    from voxcli.metrics.presets import merge

    return merge(preset, "iou", stated).get("of")


def _summary(preset: str | None, stated: dict[str, Any], best: bool) -> str:
    from voxcli.metrics.presets import BEST_THRESHOLD, summary_rule

    _meaning(preset, stated)
    rule = summary_rule(preset, "iou")
    if best and preset is not None and rule != BEST_THRESHOLD:
        raise UsageError(f"--best-threshold contradicts the preset '{preset}'.", expected=f"the value {rule}")
    return BEST_THRESHOLD if best else rule


def score(
    item: Item, *, given: dict[str, Any], preset: str | None, seed: int, masks: tuple[str | None, str | None], categories: Any,
    input_format: str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The record of one pair: item.source is the prediction, item.target the ground truth."""
    from voxcli.metrics.presets import prices_empties
    from voxcli.ops.shapes import iou_record, read_shape

    if categories is not None:
        return [_score_parts(item, categories[item.name], given.get("ignore"), preset)]
    priced, paths = prices_empties(preset, {}), (item.source, item.target)
    guess, truth = (read_shape(path, priced, scoring.format_for(path, item, input_format)) for path in paths)
    names = {"pred": item.source, "gt": item.target}
    mask = _mask(item, masks, truth) if any(masks) else None
    return [iou_record(guess, truth, given, preset=preset, seed=seed, mask=mask, **names)]


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
        if not os.path.exists(path):
            raise UsageError(f"No such file or folder: {path}.")
        if os.path.isdir(path):
            ends = scoring.GRIDS if keep else (".invalid", *scoring.GRIDS)
            found = [f"{path}/{item.name}{end}" for end in ends if os.path.exists(f"{path}/{item.name}{end}")]
            if not found:
                raise DataError(f"No mask for '{item.name}' in {path}.", expected=f"a file ending in {', '.join(ends)}")
            path = found[0]
        grid = files.read_as(path, (FruxelGrid, VoxelGrid))
        values = grid.labels if isinstance(grid, FruxelGrid) else grid.values
        if not isinstance(truth, (FruxelGrid, VoxelGrid)) or np.shape(values) != np.shape(
            truth.labels if isinstance(truth, FruxelGrid) else truth.values
        ):
            raise DataError(f"The mask {path} is not on the grid of the ground truth.")
        empty = grid.classes.empty if grid.labels is not None and grid.classes is not None else None
        filled = np.asarray(values) != empty if empty is not None else np.asarray(values) >= 0.5
        counted = (filled if keep else ~filled) if counted is None else counted & (filled if keep else ~filled)
    return counted


def _labelled_pair(pred: str, gt: str) -> Any:
    from voxcli import files
    from voxcli.metrics.parts import labelled_pair
    from voxcli.scene import Mesh, PointCloud, VoxelGrid

    guess, truth = (files.read_as(path, (PointCloud, Mesh, VoxelGrid)) for path in (pred, gt))
    return labelled_pair(guess, truth, (f"prediction '{pred}'", f"ground truth '{gt}'"))


def _score_parts(item: Item, category: Any, ignore: int | None, preset: str | None) -> dict[str, Any]:
    from voxcli.metrics.parts import parts_record

    pair = _labelled_pair(item.source, item.target)
    record = parts_record(pair, category, ignore=ignore, pred=item.source, gt=item.target)
    if preset:
        record["params"]["preset"] = preset
    return record


def _categories(pred: str, gt: str, match: bool, ignore: int | None, category_from: str | None) -> dict[str, Any]:
    """By the name of each pair what its category has: parts, and what each predicted branch stands for. Both need the whole category;
    a file that cannot be read is left to the loop, which tells of it.
    """
    from voxcli.cli.framework.inputs import pairs
    from voxcli.metrics.parts import category_of

    by_category: dict[str | None, list[Any]] = {}
    for pair in pairs(pred, gt, suffixes=scoring.SHAPES, category_from=category_from).pairs:
        by_category.setdefault(pair.category, []).append(pair)
    found: dict[str, Any] = {}
    for members in by_category.values():
        read = []
        for pair in members:
            with suppress(VoxcliError, OSError):
                read.append(_labelled_pair(pair.pred, pair.gt))
        shared = category_of(read, match=match, ignore=ignore) if read else None
        found |= {pair.name: shared for pair in members}
    return found
