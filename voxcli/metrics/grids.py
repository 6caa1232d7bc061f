"""IoU of the grids that lie in files: fruxels and voxels, with occupancy, probabilities or labels, in any mix that makes sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError, FrustumError, UsageError
from voxcli.metrics.frames import check_frames
from voxcli.metrics.overlap import comparison, label_record, occupancy_iou
from voxcli.metrics.records import Record, Tree, plain
from voxcli.metrics.volumes import IoUOptions
from voxcli.scene import Frustum, FruxelGrid, Labels, VoxelGrid
from voxcli.scene.frames import assumed_camera

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.records import Names

Grid = FruxelGrid | VoxelGrid

CAMERAS_DIFFER = "differ, not compared"
_ROUNDING = 1e-3
"""Probabilities that were interpolated or rounded may lie so far beyond 0 and 1."""


def grid_iou(pred: Grid, gt: Grid, options: IoUOptions = IoUOptions(), /, **names: Unpack[Names]) -> Record:
    """The IoU record of two grids.

    Two label grids are compared class by class, classes being matched by name; where one of the two knows only occupancy, occupied space is
    compared: at the thresholds, where some are given and the prediction holds probabilities, else as the prediction decided.
    `ignore` overrides the ground truth's own ignore label; cells to which the prediction gives its own ignore label count as
    missed. `align="world"` refuses voxel grids that lie in different places, `"index"` compares them cell by cell all the same. Fruxels are
    compared in the frame of the camera, so their frusta must be equal; where their cameras stand is not compared, and `params.cameras` says
    what is known of it.
    `resample` follows Pix3D instead: each volume is cropped to its box of cells >= box_threshold and resampled to a cube of that many
    cells, and the threshold goes to both; sizes and places may then differ. `of` insists on "labels" or
    "occupancy". Raises DataError for grids that cannot be compared.

    >>> grid = VoxelGrid(occupancy=np.ones((2, 2, 2), bool))
    >>> grid_iou(grid, grid, IoUOptions(align="index"))["value"]
    1.0
    """
    if options.own_mask is not None:
        if not isinstance(gt, VoxelGrid) or options.own_mask not in gt.masks:
            raise DataError(f"The ground truth's file holds no mask of what the {options.own_mask} sees.", hint="labels.npz of Occ3D do.")
        own = gt.masks[options.own_mask]
        options = replace(options, mask=own if options.mask is None else own & options.mask)
    if options.ranges is not None and not options.detail:
        raise UsageError("--range belongs to --detail.")
    if options.resample is not None:
        if options.mask is not None:
            raise UsageError("A mask has no meaning for volumes that are cropped and resampled.")
        values = _guessed(pred, options), _occupancy(gt, None)[0]
        a, b = (box_resampled(each, options.resample, options.box_threshold) for each in values)
        record = occupancy_iou(a, b, _thresholds(options), strict=bool(options.strict), threshold_truth=True, **names)
        record["params"] |= {"resample": options.resample, "box_threshold": options.box_threshold}
        record["params"] |= _not_applied(values[0], options) | _no_chances(*values)
        return record
    align = options.align or "world"
    check_same_grid(pred, gt, align)
    record = _cell_by_cell(pred, gt, options, names)
    if isinstance(pred, FruxelGrid) and isinstance(gt, FruxelGrid):
        record["params"]["cameras"] = _cameras(pred, gt)
    else:
        record["params"]["align"] = align
    record["params"] |= {"own_mask": options.own_mask} if options.own_mask else {}
    return record


def _thresholds(options: IoUOptions) -> tuple[float, ...]:
    return (0.5,) if options.thresholds is None else options.thresholds


def _cameras(pred: FruxelGrid, gt: FruxelGrid) -> str:
    """What is known of the poses of two cameras, in whose frames the fruxels are compared. A pose that no file states is the identity, or
    one that was assumed."""
    assumed = [assumed_camera(grid.meta) is not None for grid in (pred, gt)]
    stated = [not a and not np.array_equal(grid.world_to_cam, np.eye(4)) for a, grid in zip(assumed, (pred, gt), strict=True)]
    if not any(stated):
        return "no pose stated"
    if not any(assumed) and np.allclose(pred.world_to_cam, gt.world_to_cam, rtol=1e-4, atol=1e-6):
        return "same"
    return CAMERAS_DIFFER if all(stated) else "one without a pose, not compared"


def _cell_by_cell(pred: Grid, gt: Grid, options: IoUOptions, names: Names) -> Record:
    mask, ignore = options.mask, options.ignore
    if options.of == "labels" and (gt.labels is None or pred.labels is None):
        raise DataError("Labels are to be compared, but one of the two grids holds only occupancy.")
    if gt.labels is not None and pred.labels is not None and options.of != "occupancy":
        guess_labels, classes = pred.labels, gt.classes or Labels()
        if ignore is not None:
            classes = Labels(classes.names, classes.empty, ignore)
        own = pred.classes or classes
        unlabelled = _unlabelled(guess_labels, own)
        if unlabelled is not None:
            guess_labels = np.where(unlabelled, guess_labels.dtype.type(own.empty or 0), guess_labels)
        guess = rename_classes(guess_labels, own, classes)
        over = options.over or "present"
        record = label_record(guess, gt.labels, classes, mask=mask, classes=options.classes, over=over, unlabelled=unlabelled, **names)
        if options.detail:
            record["parts"] |= _details(guess, gt, classes, options, record["params"]["classes"], unlabelled)
            record["params"] |= {"detail": True, "ranges": plain(options.ranges)}
        return record
    if options.detail:
        raise UsageError("--detail is of labelled fruxels.", expected="two label grids of one frustum")
    if options.classes:
        raise UsageError("Classes were named, but one of the two grids holds no labels.", hint="Leave --class out to compare occupancy.")
    truth, left_out = _occupancy(gt, ignore)
    guess = _guessed(pred, options)
    if left_out is not None:
        mask = ~left_out if mask is None else mask & ~left_out
    record = occupancy_iou(guess, truth, _thresholds(options), strict=bool(options.strict), mask=mask, **names)
    record["params"] |= _not_applied(guess, options) | _no_chances(guess, truth)
    return record


def _guessed(pred: Grid, options: IoUOptions) -> np.ndarray:
    """What a threshold meets: the probabilities of being occupied, where a threshold was asked for and the prediction holds them; else what
    the prediction decided."""
    if pred.probabilities is None or (options.thresholds is None and options.strict is None):
        return _occupancy(pred, None)[0]
    if isinstance(pred, VoxelGrid):
        return pred.probabilities
    if pred.classes.empty is None:
        raise DataError("The prediction does not say which label is empty space, so its occupancy is not known.")
    occupied: np.ndarray = 1 - pred.probabilities[pred.classes.empty].astype(np.float32)
    return occupied if pred.classes.ignore is None else np.where(pred.labels == pred.classes.ignore, np.float32(0), occupied)


def _no_chances(guess: np.ndarray, truth: np.ndarray) -> Tree:
    """For the params of a record: how far occupancies reach that are no probabilities, but logits or distances, say."""
    reach = {name: [float(values.min()), float(values.max())] for name, values in (("pred", guess), ("gt", truth))
             if values.dtype.kind == "f" and values.size}  # fmt: skip
    beyond = {name: ends for name, ends in reach.items() if ends[0] < -_ROUNDING or ends[1] > 1 + _ROUNDING}
    return {"no_probabilities": beyond} if beyond else {}


def _not_applied(guess: np.ndarray, options: IoUOptions) -> Tree:
    """For the params of a record: the thresholds that were asked for, where the prediction was decided already."""
    if options.thresholds is None or guess.dtype.kind == "f":
        return {}
    return {"not_applied": [comparison(t, bool(options.strict)) for t in options.thresholds]}


def _details(
    guess: np.ndarray, gt: Grid, classes: Labels, options: IoUOptions, averaged: Sequence[str], unlabelled: np.ndarray | None
) -> Tree:
    from voxcli.metrics.frustum_details import fruxel_details

    if not isinstance(gt, FruxelGrid):
        hint = "Voxels do not say from where they are seen: give --mask for what is."
        raise UsageError("--detail is of labelled fruxels.", actual="voxels", hint=hint)
    ids = [classes.names.index(name) for name in averaged]
    found = fruxel_details(guess, replace(gt, classes=classes), mask=options.mask, unlabelled=unlabelled, classes=ids,
                           over=options.over or "present", ranges=options.ranges)  # fmt: skip
    return {key: plain(value) for key, value in found.items()}


def _unlabelled(labels: np.ndarray, classes: Labels) -> np.ndarray | None:
    """The cells to which a prediction gives its own ignore label. None where there are none."""
    if classes.ignore is None or classes.ignore < len(classes.names):
        return None
    unlabelled: np.ndarray = labels == classes.ignore
    return unlabelled if unlabelled.any() else None


def check_same_grid(pred: Grid, gt: Grid, align: str = "world") -> None:
    """Raise DataError unless the cells of both grids are the same pieces of space, cell for cell.

    >>> check_same_grid(VoxelGrid(occupancy=np.ones((2, 2, 2), bool)), VoxelGrid(occupancy=np.zeros((2, 2, 2), bool)))
    """
    if isinstance(pred, FruxelGrid) != isinstance(gt, FruxelGrid):
        raise DataError("Fruxels and voxels are cells of different shapes.", expected=_kind(gt), actual=_kind(pred),
                        hint="Bring both to one grid first: voxcli convert PRED --to voxels (or fruxelize the truth).")  # fmt: skip
    if isinstance(pred, FruxelGrid):
        assert isinstance(gt, FruxelGrid)
        if not _close(_frustum_numbers(pred.frustum), _frustum_numbers(gt.frustum)):
            raise FrustumError("The fruxels lie in different frusta.", expected=describe(gt.frustum), actual=describe(pred.frustum))
        return
    assert isinstance(gt, VoxelGrid)
    if align == "world":
        check_frames(pred, gt)
    if pred.values.shape != gt.values.shape:
        raise DataError("The voxel grids have different sizes.", expected=list(gt.values.shape), actual=list(pred.values.shape))
    if align not in ("world", "index"):
        raise UsageError("Grids are aligned by world or by index.", actual=align)
    far = np.abs(pred.origin - gt.origin).max() > 0.01 * gt.voxel_size.min()
    if align == "world" and (far or not _close(pred.voxel_size, gt.voxel_size)):
        raise DataError(
            "The voxel grids lie in different places.", expected=_place(gt), actual=_place(pred),
            hint="Pass --align index to compare cell by cell all the same.",
        )  # fmt: skip


def box_resampled(values: np.ndarray, size: int, box_threshold: float = 0.1) -> np.ndarray:
    """A volume [X, Y, Z] cropped to the box of its cells >= box_threshold and resampled to [size, size, size] (Pix3D's evaluation).

    The box, seen from cell centre to cell centre, is padded to a cube about its middle, and values are interpolated linearly, 0 outside
    the crop. Volumes of more than 100 cells a side are first pooled by the maximum over 4^3 cells when size is 32. Empty ones stay empty.

    >>> box_resampled(np.pad(np.ones((2, 2, 2)), 3), 4).shape
    (4, 4, 4)
    """
    from scipy.ndimage import map_coordinates

    values = np.asarray(values, np.float64)
    if values.shape[0] > 100 and size == 32:
        x, y, z = (n // 4 for n in values.shape)
        values = values[: 4 * x, : 4 * y, : 4 * z].reshape(x, 4, y, 4, z, 4).max(axis=(1, 3, 5))
    filled = np.argwhere(values >= box_threshold)
    if not len(filled):
        return np.zeros((size,) * 3)
    low, high = filled.min(axis=0), filled.max(axis=0)
    crop = values[low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1]
    middle, half = (high - low) / 2, (high - low).max() / 2
    places = np.meshgrid(*[np.linspace(m - half, m + half, size) for m in middle], indexing="ij")
    inside = np.all([(p >= 0) & (p <= n - 1) for p, n in zip(places, crop.shape, strict=True)], axis=0)
    return np.where(inside, map_coordinates(crop, places, order=1, mode="nearest"), 0.0)


def rename_classes(labels: np.ndarray, source: Labels, target: Labels) -> np.ndarray:
    """Label ids of `source` as ids of `target`, by class name. Raises DataError where a class is used that `target` lacks.

    >>> rename_classes(np.array([1, 2]), Labels(("air", "car", "road")), Labels(("air", "road", "car"))).tolist()
    [2, 1]
    """
    if source.names == target.names and source.empty == target.empty:
        return labels
    used = np.flatnonzero(np.bincount(labels.reshape(-1)))
    if used.size and used[-1] >= len(source.names):
        raise DataError("A label of the prediction is out of range.", expected=f"0..{len(source.names) - 1}", actual=int(used[-1]))
    table = np.zeros(len(source.names), np.uint16 if len(target.names) > 255 else np.uint8)
    for i in used:
        if i == source.empty and target.empty is not None:
            table[i] = target.empty  # empty space is empty space, however it is called
        elif source.names[i] in target.names:
            table[i] = target.names.index(source.names[i])
        else:
            hint = "Weights must be trained on these classes. voxcli evaluate joins names: --set protocol.rename.NAME=OTHER"
            raise DataError(f"The prediction uses the class '{source.names[i]}', which the ground truth does not know.",
                            expected=", ".join(target.names), actual=", ".join(source.names), hint=hint)  # fmt: skip
    renamed: np.ndarray = table[labels]
    return renamed


def _occupancy(grid: Grid, ignore: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Occupancy (or probabilities) of a grid, and the cells that its ignore label leaves out."""
    if isinstance(grid, VoxelGrid) and grid.occupancy is not None:
        return grid.occupancy, None
    labels = grid.labels
    assert labels is not None
    classes = grid.classes or Labels()
    if classes.empty is None:
        raise DataError("The grid does not say which label is empty space, so its occupancy is not known.")
    void = classes.ignore if ignore is None else ignore
    if void is None:
        return labels != classes.empty, None
    return (labels != classes.empty) & (labels != void), labels == void


def _kind(grid: Grid) -> str:
    return "fruxels" if isinstance(grid, FruxelGrid) else "voxels"


def _frustum_numbers(f: Frustum) -> np.ndarray:
    return np.array([f.width, f.height, f.depth, f.z_near, f.z_far, f.fov_x_deg], np.float64)


def describe(f: Frustum) -> str:
    """A frustum in one line, for messages.

    >>> describe(Frustum(64, 64, 32, 2.0, 12.0, 60.0))
    '64x64, 32 slices from 2 to 12, fov 60 degrees'
    """
    return f"{f.width}x{f.height}, {f.depth} slices from {f.z_near:g} to {f.z_far:g}, fov {f.fov_x_deg:g} degrees"


def _place(grid: VoxelGrid) -> str:
    origin, size = ("[" + ", ".join(f"{v:.6g}" for v in array) + "]" for array in (grid.origin, grid.voxel_size))
    return f"origin {origin}, voxel size {size}"


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=1e-4, atol=0))
