"""A prediction against its truth, cell by cell: hits, wrong classes, misses and false alarms, and the scores that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from voxcli.metrics.grids import check_same_grid, grid_iou, rename_classes
from voxcli.metrics.records import Record
from voxcli.metrics.volumes import IoUOptions
from voxcli.ops.grid_pictures import grid_labels
from voxcli.ops.viewer.panes import Group, Pane, cells_pane
from voxcli.scene import FruxelGrid, VoxelGrid, class_colour

Grid = FruxelGrid | VoxelGrid

CATEGORIES: Mapping[str, tuple[int, int, int]] = {
    "hit": (150, 158, 166), "wrong class": (240, 205, 50), "miss": (205, 75, 20), "false alarm": (40, 120, 205),
}  # fmt: skip
"""Colours after Okabe and Ito: they differ also for those who see no red or no green."""


@dataclass(frozen=True)
class Comparison:
    """record: of the IoU, as `voxcli metrics iou` prints it. pane: differences; its codes are 1 + 4 * group + category."""

    record: Record
    pane: Pane
    categories: tuple[Group, ...]


def compared(pred: Grid, truth: Grid, threshold: float) -> Comparison:
    """Compare two grids whose cells are the same pieces of space. Raises DataError for others, and for classes that the truth lacks.

    Hits have the true class, wrong classes are solid in both. A cell that the prediction ignores counts as empty, one that the truth
    ignores does not count. A false alarm belongs to the predicted class, all others to the true one. Where one of the two knows only
    occupancy, occupied space is compared.
    """
    check_same_grid(pred, truth)
    record = grid_iou(pred, truth, IoUOptions(thresholds=(threshold,)))
    guess, own = grid_labels(pred, threshold)
    true, classes = grid_labels(truth, 0.5)
    counted = np.ones(true.shape, bool) if classes.ignore is None or truth.labels is None else true != classes.ignore
    if pred.labels is None or truth.labels is None:
        guess, true = (np.isin(labels, [i for i in each.solid_ids if i != each.ignore]) for labels, each in ((guess, own), (true, classes)))
        names: tuple[str, ...] = ("object",)
        ids = np.array([1])
    else:
        guess = guess if own.ignore is None else np.where(guess == own.ignore, guess.dtype.type(own.empty or 0), guess)
        guess = rename_classes(guess, own, classes)
        present = np.union1d(np.unique(guess[counted]), np.unique(true[counted])).astype(int)
        ids = present[np.isin(present, [i for i in classes.solid_ids if i != classes.ignore])]
        names = tuple(classes.names[i] for i in ids)
    true_group, guess_group = _groups(true, ids), _groups(guess, ids)
    category = np.select([true_group == guess_group, (true_group > 0) & (guess_group > 0), true_group > 0], [0, 1, 2], 3)
    group = np.where(true_group > 0, true_group, guess_group)
    shown = counted & (group > 0)
    codes = np.where(shown, 4 * (group - 1) + category + 1, 0).astype(np.uint16)
    of_group = np.bincount(group[shown] - 1, minlength=len(names))
    of_category = np.bincount(category[shown], minlength=4)
    groups = [Group(name, class_colour(name), int(count)) for name, count in zip(names, of_group, strict=True)]
    categories = tuple(Group(name, CATEGORIES[name], int(count)) for name, count in zip(CATEGORIES, of_category, strict=True))
    return Comparison(record, cells_pane(truth, "hits and misses", codes, groups, ()), categories)


def main_scores(record: Record) -> list[tuple[str, float | None]]:
    """What a record of the IoU of two grids says first: mean IoU and that of occupied space, or the IoU."""
    if record["params"]["of"] != "labels":
        return [("IoU", record["value"])]
    return [("mean IoU", record["value"]), ("occupied", record["parts"]["completion"])]


def _groups(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """1 + the place of each label among ids, 0 for others."""
    table = np.zeros(max(int(labels.max(initial=0)), int(ids.max(initial=0))) + 1, np.int64)
    table[ids] = np.arange(len(ids)) + 1
    found: np.ndarray = table[labels.astype(np.int64)]
    return found
