"""What is shown of scores: distributions, classes and categories, curves over thresholds, the best and the worst."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from voxcli.errors import VoxcliError, printable
from voxcli.metrics.records import mean
from voxcli.ops.plots.charts import HUES, WIDTH, Series, Values, boxes, curves, histogram, number, pictures
from voxcli.ops.plots.drawing import Drawing, hexed
from voxcli.ops.plots.report import Report, sparkline
from voxcli.ops.plots.scores import Score, Scores
from voxcli.provenance import sha256_file
from voxcli.scene import Picture, SceneType, class_colour

_SHOWN = 3
"""The best, and the worst, so many of each."""
_SIDE = 200
_MOST_MEASURES = 24
_MOST_PICTURED = 4
"""Measures by methods whose best and worst are drawn: reading and drawing a scene takes a second."""
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def report_of_scores(found: Sequence[Scores], title: str) -> Report:
    """The report of the scores of some measures by some methods. title: what they were read of."""
    facts: list[str] = []
    lines: list[str] = []
    drawings: list[Drawing] = []
    left = _MOST_PICTURED
    measures = list(dict.fromkeys(each.measure for each in found))
    hues = {method: HUES[k % len(HUES)] for k, method in enumerate(dict.fromkeys(each.method for each in found))}
    for measure in measures[:_MOST_MEASURES]:
        methods = [each for each in found if each.measure == measure and each.values]
        head = f"{measure}: " if len(measures) > 1 else ""
        for each in methods:
            who = f"{each.method}: " if len({other.method for other in found}) > 1 else ""
            undefined = len(each.scores) - len(each.values)
            facts.append(f"{who}{each.axis}, mean {number(mean(each.values))} over {len(each.values)} pair{'s' * (len(each.values) != 1)}"
                         + (f", {undefined} undefined" if undefined else "")
                         + f", {'higher' if each.higher else 'lower'} is better")  # fmt: skip
            lines += _lines(each, f"{who}{head}")
        if not methods:
            facts.append(f"{measure}: no value is defined")
            continue
        drawings += _charts(methods, hues, head)
        for each in methods if left > 0 else ():
            left -= 1
            drawings += _extremes(each, head if len(methods) == 1 else f"{head}{each.method}, ")
    if more := measures[_MOST_MEASURES:]:
        facts.append(f"{len(more)} more measures are not shown: {', '.join(more)}"[:300])
    return Report(title, tuple(facts), tuple(drawings), tuple(lines))


def _charts(methods: Sequence[Scores], hues: Mapping[str, str], head: str) -> list[Drawing]:
    """hues: the colour of each method, the same in all charts."""
    axis = methods[0].axis
    alone = len(methods) == 1
    groups = [Values(each.method, hues[each.method], each.values) for each in methods]
    drawings = [histogram(f"{head}all pairs", groups, axis)] if len(methods) <= 4 else []
    if not alone:
        drawings.append(boxes(f"{head}methods", groups, axis))
    colour_of: Callable[[str], str]
    for what, members in (("classes", _by_class), ("categories", _by_category)):
        several = [members(each) for each in methods]
        names = list(dict.fromkeys(name for each in several for name in each))
        order = [name for each in methods for name in each.classes] if what == "classes" else sorted(names)
        names.sort(key=lambda name: order.index(name) if name in order else len(order))
        colour_of = (lambda name: hexed(class_colour(name))) if what == "classes" else (lambda name: HUES[0])
        rows = [
            Values(name if alone else f"{name}, {each.method}", colour_of(name) if alone else hues[each.method], numbers)
            for name in names for each, own in zip(methods, several, strict=True) if (numbers := own.get(name))
        ]  # fmt: skip
        if rows:
            drawings.append(boxes(f"{head}{what}", rows, axis.partition(" at ")[0]))
    return drawings + _threshold_curves(methods, hues, head)


def _by_class(scores: Scores) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for score in scores.scores:
        for name, value in score.classes.items():
            found.setdefault(name, []).append(value)
    return found


def _by_category(scores: Scores) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for score in scores.scores:
        if score.value is not None and score.category:
            found.setdefault(score.category, []).append(score.value)
    return found


def _threshold_curves(methods: Sequence[Scores], hues: Mapping[str, str], head: str) -> list[Drawing]:
    """Precision over recall, and each over the threshold, of means over pairs, where the records have several thresholds."""
    several = {each.method: means for each in methods if len(means := _means_by_threshold(each)) > 1}
    drawings = []
    with_both = {method: {t: m for t, m in means.items() if {"precision", "recall"} <= {*m}} for method, means in several.items()}
    series = [
        Series(method, hues[method], [(m["recall"], m["precision"]) for m in means.values()],
               [f"{method}, threshold {t:g}: precision {number(m['precision'])}, recall {number(m['recall'])}" for t, m in means.items()])
        for method, means in with_both.items() if len(means) > 1
    ]  # fmt: skip
    if series:
        drawings.append(curves(f"{head}precision over recall, a dot a threshold", series, "recall", share=True))
    names = {"thresholds": "IoU", "fscore": "F-score", "precision": "precision", "recall": "recall"}
    shown = names if len(several) == 1 else ("thresholds", "fscore")
    over: list[Series] = []
    for method, key in ((method, key) for method in several for key in shown):
        points = [(threshold, means[key]) for threshold, means in several[method].items() if key in means]
        if len(points) > 1:
            name = names[key] + ("" if len(several) == 1 else f", {method}")
            over.append(Series(name, HUES[len(over) % len(HUES)], points))
    if over:
        drawings.append(curves(f"{head}over the threshold", over, "threshold", share=True))
    return drawings


def _means_by_threshold(scores: Scores) -> dict[float, dict[str, float]]:
    """Means over pairs by the number of the threshold, in its order, and by what they are of."""
    found: dict[float, dict[str, list[float]]] = {}
    for score in scores.scores:
        for key, values in score.at.items():
            for threshold, value in values.items():
                matched = re.fullmatch(r"[<>]=?([0-9.eE+-]+)", threshold)
                if matched is not None and math.isfinite(place := float(matched[1])):
                    found.setdefault(place, {}).setdefault(key, []).append(value)
    return {place: {key: sum(numbers) / len(numbers) for key, numbers in found[place].items()} for place in sorted(found)}


def _lines(scores: Scores, head: str) -> list[str]:
    """A histogram in blocks, and the best and the worst by name."""
    values = np.array(scores.values)
    if not len(values):
        return []
    counts, edges = np.histogram(values, 20)
    best, worst = _ends(scores)
    ends = (("best", best), ("worst", worst))
    named = [f"{word}: " + ", ".join(f"{each.name} {number(each.value)}" for each in some) for word, some in ends if some]
    return [f"{head}{number(float(edges[0]))} {sparkline([float(count) for count in counts])} {number(float(edges[-1]))}", *named]


def _ends(scores: Scores) -> tuple[list[Score], list[Score]]:
    """The best and the worst, the very best and the very worst first."""
    ranked = sorted((s for s in scores.scores if s.value is not None), key=lambda s: (s.value, s.name), reverse=scores.higher)
    count = min(_SHOWN, (len(ranked) + 1) // 2)
    return ranked[:count], ranked[count:][-count:][::-1]


def _extremes(scores: Scores, head: str) -> list[Drawing]:
    """The best and the worst with their pictures, where these are found."""
    drawings = []
    for word, some in zip(("best", "worst"), _ends(scores), strict=True):
        strips = [(score, strip_of(score, scores.folder)) for score in some]
        shots = [(f"{score.name}, {number(score.value)}", strip) for score, strip in strips if strip is not None]
        if shots:
            sides = [side for side, path in (("prediction", some[0].pred), ("truth", some[0].gt)) if path]
            seen = ["picture"] * (shots[0][1].shape[1] > len(sides) * _SIDE)
            drawings.append(pictures(f"{head}{word}: {', '.join(seen + sides)}", shots, 1, WIDTH))
    return drawings


def strip_of(score: Score, folder: Path) -> np.ndarray | None:
    """Prediction and truth of a pair in a row, its picture before them where there is one, uint8 [H, W, 3]; None where no file is found.
    A side whose file the record does not name, such as a prediction that was not kept, is left out; a file that is gone is white.

    folder: where paths may begin besides the working folder.
    """
    from voxcli.ops.picture import framed
    from voxcli.ops.viewer.beside import picture_beside

    paths = [_there(path, score, folder) for path in (score.pred, score.gt) if path]
    things = [None if path is None else _read(path) for path in paths]
    listed = [path for name in score.inputs if os.path.splitext(name)[1].lower() in _PICTURES and (path := _there(name, score, folder))]
    seen: SceneType | None = next((thing for path in listed if isinstance(thing := _read(path), Picture)), None)
    for path, thing in zip(paths, things, strict=True):
        if seen is None and path is not None and thing is not None:
            seen = picture_beside(path, thing)
    row = things if seen is None else [seen, *things]
    return None if all(each is None for each in row) else np.concatenate([framed(each, _SIDE) for each in row], 1)


def _there(name: str, score: Score, folder: Path) -> str | None:
    """The path of a file that is there with the hash that its record states."""
    digest = score.inputs.get(name)
    for path in (Path(name), folder / name) if name else ():
        if path.is_file() and (digest is None or sha256_file(path) == digest):
            return str(path)
    return None


def _read(path: str) -> SceneType | None:
    from voxcli import files

    try:
        return files.read(path)
    except VoxcliError:  # it was not asked for
        return None


def title_of(paths: Iterable[str]) -> str:
    """What the report of some files or folders is called."""
    return ", ".join("stdin" if path == "-" else printable(Path(os.path.abspath(path)).name) for path in paths)
