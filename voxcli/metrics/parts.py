"""Part IoU of labelled shapes as files hold them: points, faces and cells, each compared with the same one of the truth.

    IoU of a part = weight that both give to it / weight that either gives to it,    1 where neither has it (BAE-NET's rule)

The value is the mean over the parts that the category has: the classes that the truth names, without empty space; where it names none,
the ids that the truths of the category hold. A point counts 1, a cell 1, a face its area. What the truth leaves unlabelled (its empty or
ignored label) is left out; what the prediction leaves unlabelled is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError, UsageError
from voxcli.metrics.grids import check_same_grid
from voxcli.metrics.records import COUNTS, Names, Record, Tree, make_record, plain
from voxcli.provenance import Recordable
from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.base import Shape

Labelled = PointCloud | Mesh | VoxelGrid

TOLERANCE = 1e-4
"""How far a point may lie from the truth's, as a share of the longest side of the truth's box: digits that text formats cut off."""

UNLABELLED = ""
"""Stands among the branches for what the prediction does not label."""

COMPARED = {PointCloud: "points", Mesh: "faces, by their area", VoxelGrid: "cells that are filled in the truth"}


@dataclass(frozen=True)
class LabelledPair:
    """Labels of a prediction and of its truth at the same N elements: guess, truth [N] with what their numbers mean, weights [N]."""

    guess: np.ndarray
    truth: np.ndarray
    guess_classes: Labels | None
    truth_classes: Labels | None
    weights: np.ndarray
    compared: str


@dataclass(frozen=True)
class Category:
    """The parts that all shapes of a category share. ids: of the parts, where the truth does not name them, else None.

    branches, meaning: names of what the prediction tells apart, and the part (its place in names) that each stands for; None: the
    prediction says itself which part it means.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...] | None = None
    branches: tuple[str, ...] | None = None
    meaning: np.ndarray | None = None


# ------------------------------------------------------------------------------------------------ the same elements of both


def labelled_pair(pred: Shape, gt: Shape, names: tuple[str, str] = ("prediction", "ground truth")) -> LabelledPair:
    """The labels of two shapes of one kind, element by element. names: what errors call them.

    Faces of the same corners belong together in whatever order they come; points and cells keep their order. Raises DataError for shapes
    without labels, of two kinds, and whose points, faces or cells are not the same.

    >>> cloud = PointCloud(np.eye(3), labels=np.array([0, 1, 1], np.uint8))
    >>> labelled_pair(cloud, cloud).compared
    'points'
    """
    if not isinstance(pred, (PointCloud, Mesh, VoxelGrid)) or not isinstance(gt, (PointCloud, Mesh, VoxelGrid)):
        raise UsageError("Parts are those of shapes.", expected="meshes, points or voxels with labels",
                         actual=f"{type(pred).__name__} and {type(gt).__name__}")  # fmt: skip
    for what, thing in zip(names, (pred, gt), strict=True):
        if _labels(thing)[0] is None:
            raise DataError(f"The {what} has no part labels.", expected="labelled points or voxels, or a mesh of named parts")
    if type(pred) is not type(gt):
        raise DataError("Parts are compared point by point, face by face or cell by cell.", expected=_KIND[type(gt)],
                        actual=_KIND[type(pred)])  # fmt: skip
    (guess, guess_classes), (truth, truth_classes) = _labels(pred), _labels(gt)
    assert guess is not None and truth is not None
    weights = np.ones(truth.size)
    if isinstance(pred, PointCloud) and isinstance(gt, PointCloud):
        _check_count("points", len(pred.points), len(gt.points))
        _check_near(np.abs(pred.points - np.asarray(gt.points, np.float64)).max(axis=1, initial=0), gt.points, "points")
    elif isinstance(pred, Mesh) and isinstance(gt, Mesh):
        corners = np.asarray(gt.vertices, np.float64)[gt.faces]
        guess = guess[_same_faces(np.asarray(pred.vertices, np.float64)[pred.faces], corners)]
        weights = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
        weights = weights / weights.sum() if weights.any() else np.ones(len(truth))  # each mesh counts alike, whatever its units
    elif isinstance(pred, VoxelGrid) and isinstance(gt, VoxelGrid):
        check_same_grid(pred, gt)
        if truth_classes is None or truth_classes.empty is None:
            raise DataError("The ground truth does not say which label is empty space.", expected="voxels with an empty label")
        filled = truth != truth_classes.empty
        guess, truth = guess[filled], truth[filled]
        weights = np.ones(truth.size)
    return LabelledPair(guess, truth, _stated(guess_classes), _stated(truth_classes), weights, COMPARED[type(gt)])


_KIND = {PointCloud: "points", Mesh: "a mesh", VoxelGrid: "voxels"}


def _labels(thing: Labelled) -> tuple[np.ndarray | None, Labels | None]:
    if isinstance(thing, Mesh) and thing.face_labels is None and thing.face_parts is not None and len(set(thing.part_names)) > 1:
        return np.asarray(thing.face_parts, np.int64), Labels(thing.part_names, None, None)
    labels = thing.face_labels if isinstance(thing, Mesh) else thing.labels
    return None if labels is None else np.asarray(labels, np.int64), thing.classes


def _stated(classes: Labels | None) -> Labels | None:
    """The classes that a file names; None for those that readers count up themselves, class_0, class_1, ..."""
    if classes is None or (classes.empty is None and classes.names == tuple(f"class_{i}" for i in range(len(classes.names)))):
        return None
    return classes


def _check_count(what: str, pred: int, gt: int) -> None:
    if pred != gt:
        raise DataError(f"Prediction and ground truth label different {what}.", expected=f"{gt} {what}", actual=pred)


def _check_near(distances: np.ndarray, points: np.ndarray, what: str) -> None:
    extent = float(np.ptp(points.reshape(-1, 3), axis=0).max()) if points.size else 0.0
    worst = float(distances.max(initial=0))
    if worst > TOLERANCE * extent:
        raise DataError(f"Prediction and ground truth label different {what}: they lie in other places, or come in another order.",
                        expected=f"the same {what} to within {TOLERANCE:g} of the extent {extent:.4g}",
                        actual=f"{worst:.4g} apart at worst")  # fmt: skip


def _same_faces(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """For each face of the truth, the place of the same face in the prediction. Both: corners [F, 3, 3], in any order within a face."""
    from scipy.spatial import cKDTree

    _check_count("faces", len(pred), len(gt))
    extent = float(np.ptp(gt.reshape(-1, 3), axis=0).max()) if gt.size else 0.0
    order = np.arange(len(gt))
    if not len(gt) or np.abs(pred - gt).max() <= TOLERANCE * extent:
        return order
    near = cKDTree(pred.mean(1)).query(gt.mean(1), k=min(8, len(pred)))[1].reshape(len(gt), -1)  # faces may lie on each other
    taken = np.zeros(len(pred), bool)
    worst = np.zeros(len(gt))
    for face, candidates in enumerate(near):
        apart = _corners_apart(pred[candidates], gt[face]) + np.where(taken[candidates], np.inf, 0)
        order[face], worst[face] = candidates[apart.argmin()], apart.min()
        taken[order[face]] = True
    _check_near(worst, gt, "faces")
    return order


_TURNS = np.array(list(permutations(range(3))))


def _corners_apart(faces: np.ndarray, face: np.ndarray) -> np.ndarray:
    """How far the corners of faces [K, 3, 3] lie from those of one face at most, in the order that fits best -> [K]."""
    apart: np.ndarray = np.abs(faces[:, _TURNS] - face).max(axis=(2, 3)).min(axis=1)
    return apart


# ------------------------------------------------------------------------------------------------ what the category has


def category_of(pairs: Sequence[LabelledPair], *, match: bool = False, ignore: int | None = None) -> Category:
    """The parts that the truths of one category have, and with `match` what each predicted label stands for among them.

    match: labels of the prediction are unsupervised, and named over all pairs by the part that they mostly are (see `parts_of_branches`).
    ignore: a further label of the truth that is no part. Raises DataError where the truths label nothing.

    >>> cloud = PointCloud(np.eye(3), labels=np.array([0, 1, 1], np.uint8))
    >>> category_of([labelled_pair(cloud, cloud)]).names
    ('part 0', 'part 1')
    """
    if all(pair.truth_classes is not None for pair in pairs):
        names = tuple(dict.fromkeys(name for pair in pairs for name in _parts_named(pair.truth_classes, ignore)))
        found = Category(names)
    else:
        ids = sorted({int(i) for pair in pairs for i in np.unique(pair.truth) if int(i) not in _left_out(pair.truth_classes, ignore)})
        found = Category(tuple(f"part {i}" for i in ids), tuple(ids))
    truths = [_truth_places(pair, found, ignore) for pair in pairs]
    if not any((truth >= 0).any() for truth in truths):
        raise DataError("The ground truth labels no part.", expected="at least one label that is neither empty nor ignored")
    if not match:
        return found
    branches = tuple(dict.fromkeys(name for pair in pairs for name in _branch_names(pair)))
    if not branches:
        raise DataError("The prediction labels no part that could be matched.")
    guesses = [_branch_places(pair, branches) for pair in pairs]
    meaning = _matched(guesses, truths, [pair.weights for pair in pairs], len(branches), len(found.names))
    return Category(found.names, found.ids, branches, meaning)


def _left_out(classes: Labels | None, ignore: int | None) -> set[int | None]:
    """Ids that are no part of a truth: its empty, its ignored, and a given one. 255 is ignored in files that do not say."""
    own = {None, 255} if classes is None else {classes.empty, classes.ignore}
    return own | {ignore}


def _parts_named(classes: Labels | None, ignore: int | None = None) -> list[str]:
    assert classes is not None
    return [name for i, name in enumerate(classes.names) if i not in _left_out(classes, ignore) and name != "air"]


def _places(labels: np.ndarray, place_of: dict[int, int]) -> np.ndarray:
    """Labels as places in a list, -1 for those that have none."""
    used, inverse = np.unique(labels, return_inverse=True)
    return np.array([place_of.get(int(i), -1) for i in used], np.int64)[inverse.reshape(-1)] if len(used) else labels


def _truth_places(pair: LabelledPair, category: Category, ignore: int | None) -> np.ndarray:
    return _places(pair.truth, _truth_table(pair, category, ignore))


def _truth_table(pair: LabelledPair, category: Category, ignore: int | None) -> dict[int, int]:
    if category.ids is not None:
        out = _left_out(pair.truth_classes, ignore)
        return {i: k for k, i in enumerate(category.ids) if i not in out}
    classes = pair.truth_classes
    assert classes is not None
    parts = set(_parts_named(classes, ignore))
    return {i: category.names.index(name) for i, name in enumerate(classes.names) if name in parts}


def _branch_names(pair: LabelledPair) -> list[str]:
    if pair.guess_classes is not None:
        return _parts_named(pair.guess_classes)
    return [str(int(i)) for i in np.unique(pair.guess) if int(i) != 255]


def _branch_places(pair: LabelledPair, branches: tuple[str, ...]) -> np.ndarray:
    classes = pair.guess_classes
    named = [(i, name) for i, name in enumerate(classes.names)] if classes is not None else [(int(name), name) for name in branches]
    return _places(pair.guess, {i: branches.index(name) for i, name in named if name in branches})


def _matched(guesses: list[np.ndarray], truths: list[np.ndarray], weights: list[np.ndarray], branches: int, parts: int) -> np.ndarray:
    """`parts_of_branches` over the elements that both label, by their weights."""
    table = np.zeros((parts, branches))
    for guess, truth, weight in zip(guesses, truths, weights, strict=True):
        both = (guess >= 0) & (truth >= 0)
        table += np.bincount(truth[both] * branches + guess[both], weight[both], parts * branches).reshape(parts, branches)
    return parts_of_branches(table)


def parts_of_branches(table: np.ndarray) -> np.ndarray:
    """Which part each branch stands for [branches], of how much of each part each branch holds [parts, branches].

    The part of a branch is the one that most of it belongs to; an empty branch gets the most frequent part. Several branches may be one
    part, as there are usually more branches than parts. With as many as parts the matching is one to one, with the most in agreement.

    >>> parts_of_branches(np.array([[5, 0, 1], [0, 4, 0]])).tolist()
    [0, 1, 0]
    """
    parts, branches = table.shape
    if branches == parts:
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(table, maximize=True)
        names = np.zeros(branches, np.int64)
        names[columns] = rows
        return names
    most: np.ndarray = table.argmax(axis=0)
    most[table.sum(axis=0) == 0] = int(table.sum(axis=1).argmax())
    return most


# ------------------------------------------------------------------------------------------------ the score


def parts_record(
    pair: LabelledPair, category: Category, *, ignore: int | None = None, absent: float = 1.0, **names: Unpack[Names]
) -> Record:
    """The part IoU record of one shape. Raises DataError for labels of the prediction that the category does not have.

    >>> cloud = PointCloud(np.eye(3), labels=np.array([0, 1, 1], np.uint8))
    >>> pair = labelled_pair(cloud, cloud)
    >>> parts_record(pair, category_of([pair]))["value"]
    1.0
    """
    table = _truth_table(pair, category, ignore)
    truth = _places(pair.truth, table)
    if category.branches is not None and category.meaning is not None:
        branch = _branch_places(pair, category.branches)
        guess = np.where(branch >= 0, category.meaning[branch], -1)
    else:
        guess = _places(pair.guess, _guess_table(pair, category, table))
    known = truth >= 0
    truth, guess, weights = truth[known], guess[known], pair.weights[known]
    count = len(category.names)
    same, labelled = truth == guess, guess >= 0
    both = np.bincount(truth[same], weights[same], count)[:count]
    of_guess = np.bincount(guess[labelled], weights[labelled], count)[:count]
    either = np.bincount(truth, weights, count)[:count] + of_guess - both
    there = np.bincount(np.concatenate([truth, guess[labelled]]), minlength=count) > 0
    values = np.where(either > 0, both / np.where(either > 0, either, 1), np.where(there, 0.0, absent))
    params: Tree = {"of": "parts", "parts": list(category.names), "absent_from_both": absent, "compared": pair.compared}
    params |= {pair.compared.split()[0].rstrip(","): len(truth), "unlabelled_in_truth": int((~known).sum())}
    if ignore is not None:
        params["ignore"] = ignore
    if category.branches is not None and category.meaning is not None:
        params["matched"] = {name: category.names[part] for name, part in zip(category.branches, category.meaning, strict=True)}
    parts: dict[str, Recordable] = {"classes": dict(zip(category.names, values, strict=True)), "absent": int((~there).sum())}
    return make_record("iou", float(values.mean()), parts=parts, params=params, **names)


def with_counts(record: Record, pair: LabelledPair, category: Category, ignore: int | None = None) -> Record:
    """The record with the weight of each part that each branch holds, from which `matched_over` names branches of a set later.

    >>> cloud = PointCloud(np.eye(3), labels=np.array([0, 1, 1], np.uint8))
    >>> pair = labelled_pair(cloud, cloud)
    >>> category = category_of([pair], match=True)
    >>> with_counts(parts_record(pair, category), pair, category)["parts"]["counts"]["part 1"]
    {'0': 0.0, '1': 2.0, '': 0.0}
    """
    branches = (*(category.branches or ()), UNLABELLED)
    truth, guess = _truth_places(pair, category, ignore), _branch_places(pair, branches[:-1])
    known = truth >= 0
    place = truth[known] * len(branches) + np.where(guess < 0, len(branches) - 1, guess)[known]
    table = np.bincount(place, pair.weights[known], len(category.names) * len(branches)).reshape(len(category.names), -1)
    counts = {part: dict(zip(branches, row.tolist(), strict=True)) for part, row in zip(category.names, table, strict=True)}
    return {**record, "parts": {**record["parts"], COUNTS: counts}}


def matched_over(records: Sequence[Record]) -> list[Record]:
    """Part IoU records of one category with `with_counts`, their branches now named by all of them: the second of two passes.

    >>> counts = [{"seat": {"a": 3.0, "b": 0.0, "": 0.0}, "leg": {"a": 1.0, "b": 0.0, "": 0.0}},
    ...           {"seat": {"a": 0.0, "b": 1.0, "": 0.0}, "leg": {"a": 0.0, "b": 4.0, "": 0.0}}]
    >>> records = [make_record("iou", 0.0, parts={"counts": each}, params={"absent_from_both": 1.0}) for each in counts]
    >>> [record["value"] for record in matched_over(records)]         # a is seat, b is leg
    [0.375, 0.4]
    """
    names = sorted({part for record in records for part in record["parts"][COUNTS]})
    branches = sorted({b for record in records for row in record["parts"][COUNTS].values() for b in row if b != UNLABELLED})
    tables = [np.array([[record["parts"][COUNTS].get(part, {}).get(b, 0.0) for b in (*branches, UNLABELLED)] for part in names])
              for record in records]  # fmt: skip
    meaning = parts_of_branches(np.sum(tables, 0)[:, :-1])
    found: list[Record] = []
    for record, table in zip(records, tables, strict=True):
        both, of_guess, of_truth = np.zeros(len(names)), np.zeros(len(names)), table.sum(1)
        for branch, part in enumerate(meaning):
            both[part] += table[part, branch]
            of_guess[part] += table[:, branch].sum()
        either = of_guess + of_truth - both
        absent = record["params"]["absent_from_both"]
        values = np.where(either > 0, both / np.where(either > 0, either, 1), absent)
        parts = {**record["parts"], "classes": plain(dict(zip(names, values, strict=True))), "absent": int((either == 0).sum())}
        named = {branch: names[part] for branch, part in zip(branches, meaning, strict=True)}
        params = {**record["params"], "parts": names, "matched": named}
        found.append({**record, "value": float(values.mean()), "parts": parts, "params": params})
    return found


def _guess_table(pair: LabelledPair, category: Category, truth_table: dict[int, int]) -> dict[int, int]:
    """Which part each label of the prediction says it is: by name where both name theirs, else by number."""
    classes, used = pair.guess_classes, [int(i) for i in np.unique(pair.guess)]
    if classes is not None and category.ids is None:
        place_of = {i: category.names.index(name) for i, name in enumerate(classes.names) if name in category.names}
        silent = {classes.empty, classes.ignore, *(i for i, name in enumerate(classes.names) if name == "air")}
    else:
        place_of = dict(truth_table)
        silent = {0, 255} if classes is None else {classes.empty, classes.ignore}  # 0, unless it is a part of the truth, is none here
    strange = [i for i in used if i not in place_of and i not in silent]
    if strange:
        shown = [classes.names[i] if classes is not None and i < len(classes.names) else str(i) for i in strange]
        raise DataError("The prediction has labels that the ground truth does not know.", expected=_listed(list(category.names)),
                        actual=_listed(shown), hint="Parts learnt without names: --match-parts names them by the truth.")  # fmt: skip
    return place_of


def _listed(words: list[str]) -> str:
    return ", ".join(words[:12]) + (", ..." if len(words) > 12 else "")
