"""What one IoU of fruxels hides: a far fruxel is larger than a near one, few of them are near, and most are hidden behind surfaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxcli.errors import UsageError
from voxcli.geometry.visibility import transmittance
from voxcli.metrics.overlap import class_counts, completion_scores, mean_iou
from voxcli.metrics.records import Tree
from voxcli.scene import Frustum, FruxelGrid


def fruxel_volumes(frustum: Frustum) -> np.ndarray:
    """The volume of a fruxel of each slice [D], in cubic units of z: a pixel's area grows as z^2, (z_1^3 - z_0^3) / (3 f^2).

    >>> fruxel_volumes(Frustum(width=2, height=2, depth=2, z_near=1, z_far=3, fov_x_deg=90)).round(3).tolist()
    [2.333, 6.333]
    """
    edges = np.linspace(frustum.z_near, frustum.z_far, frustum.depth + 1)
    return np.asarray(np.diff(edges**3) / 3 / frustum.focal**2)


def fruxel_details(
    guess: np.ndarray, truth: FruxelGrid, *, mask: np.ndarray | None = None, unlabelled: np.ndarray | None = None,
    classes: Sequence[int] = (), over: str = "present", ranges: Sequence[float] | None = None,
) -> Tree:  # fmt: skip
    """For the parts of a record of labels [D H W] and a truth that share frustum and class names: by_volume, by_depth, visible and hidden.

    Each holds the mean IoU over `classes` (ids) by `over`, and the completion's IoU, precision and recall. by_volume weighs each fruxel by
    its volume. by_depth has a name a range of z, which `ranges` divides (default: quarters of the frustum's); a slice belongs to the range
    of its centre. visible is what the truth's rays reach, its first surface included; hidden lies behind. unlabelled: cells that the
    prediction leaves out. Cells whose truth is ignored, or where `mask` is False, are left out.

    >>> from voxcli.scene import Labels
    >>> one = np.ones((2, 1, 1), np.uint8)
    >>> frustum = Frustum(width=1, height=1, depth=2, z_near=1, z_far=3, fov_x_deg=90)
    >>> details = fruxel_details(one, FruxelGrid(one, frustum, classes=Labels(("air", "car"))), classes=[1])
    >>> details["by_volume"]["mean"], list(details["by_depth"])
    (1.0, ['1..1.5', '1.5..2', '2..2.5', '2.5..3'])
    """
    labels, frustum, cells = truth.classes, truth.frustum, truth.labels
    if labels.empty is None:
        raise UsageError("Visible and hidden space need to know which label is empty.")
    count, depth = len(labels.names), frustum.depth
    counted = np.ones(cells.shape, bool) if mask is None else mask.astype(bool)
    if labels.ignore is not None:
        counted = counted & (cells != labels.ignore)
    solid = counted & (cells != labels.empty)
    hidden = transmittance(solid) < 0.5
    column = guess.astype(np.int64) if unlabelled is None else np.where(unlabelled, count, guess)
    slices = np.arange(depth)[:, None, None]
    keys = (((slices * 2 + hidden) * count + cells) * (count + 1) + column)[counted]
    tables = np.bincount(keys, minlength=depth * 2 * count * (count + 1)).reshape(depth, 2, count, count + 1)

    def scores(table: np.ndarray) -> Tree:
        counts = class_counts(table)
        return {"mean": mean_iou(counts, table.sum(axis=1), classes, over), **completion_scores(table, labels.empty or 0)}

    each = tables.sum(axis=1)
    edges = _edges(frustum, ranges)
    centres = frustum.z_near + (np.arange(depth) + 0.5) * frustum.slice_thickness
    within = np.digitize(centres, edges) - 1
    names = [f"{low:g}..{high:g}" for low, high in zip(edges, edges[1:], strict=False)]
    by_depth = {name: scores(each[within == k].sum(axis=0)) for k, name in enumerate(names)}
    return {
        "by_volume": scores(np.tensordot(fruxel_volumes(frustum), each, 1)), "by_depth": by_depth,
        "visible": scores(tables[:, 0].sum(axis=0)), "hidden": scores(tables[:, 1].sum(axis=0)),
    }  # fmt: skip


def _edges(frustum: Frustum, ranges: Sequence[float] | None) -> np.ndarray:
    """The ends of the ranges of depth, ascending. Raises UsageError for a division outside of the frustum."""
    if ranges is None:
        return np.linspace(frustum.z_near, frustum.z_far, 5)
    if any(not frustum.z_near < each < frustum.z_far for each in ranges):
        expected = f"depths between {frustum.z_near:g} and {frustum.z_far:g}"
        actual = ", ".join(f"{each:g}" for each in ranges)
        raise UsageError("Ranges of depth are divided within the frustum.", expected=expected, actual=actual)
    return np.array([frustum.z_near, *sorted(set(ranges)), frustum.z_far])
