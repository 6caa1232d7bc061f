"""What is shown of trainings: losses, validation, previews, the time that is left."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.errors import DataError, VoxcliError, printable
from voxcli.files.guard import bytes_within
from voxcli.ops.plots.charts import HUES, Series, curves, number, pictures
from voxcli.ops.plots.drawing import Drawing, hexed
from voxcli.ops.plots.report import Report, sparkline
from voxcli.ops.plots.scores import as_number
from voxcli.ops.records_facts import Facts, json_lines
from voxcli.provenance import Json
from voxcli.scene import Picture, class_colour

_LOG, _PREVIEWS = "log.jsonl", "previews"
_NO_LOSS = ("step", "of", "loss", "rate", "gradient", "samples_per_second")
_NO_SCORE = ("step", "seconds", "scale")
_MOST_TERMS = 8
_SECONDS_WANTED = 5
"""The speed is the mean of so many last records."""


@dataclass(frozen=True)
class Run:
    """A run folder's log: its events by kind. last: the last event. held: a training is at work in it."""

    name: str
    folder: Path
    steps: tuple[Facts, ...]
    checks: tuple[Facts, ...]
    starts: tuple[Facts, ...]
    last: str
    held: bool = False

    def series(self, key: str, events: Sequence[Facts]) -> list[tuple[float, float]]:
        """(step, value) of the events that have a number of that name."""
        pairs = [(as_number(event.get("step")), as_number(_in(event, key))) for event in events]
        return [(step, value) for step, value in pairs if step is not None and value is not None]


def read_run(path: str, held: bool = False) -> Run:
    """The log of a run folder. held: see Run. Raises FileFormatError for a damaged one, DataError for one of no step."""
    rows = json_lines(bytes_within(Path(path) / _LOG), str(Path(path) / _LOG))
    steps, checks, starts = (tuple(row for row in rows if row.get("event") == event) for event in ("step", "validation", "start"))
    if not steps and not checks:
        raise DataError(f"{path}: its log has no step yet.", hint="The first comes some seconds after a training has begun.")
    name = printable(Path(os.path.abspath(path)).name)
    return Run(name, Path(path), steps, checks, starts, str(rows[-1].get("event", "")), held)


def report_of_runs(runs: Sequence[Run]) -> Report:
    """The report of one training, or of several over each other."""
    facts = [fact for run in runs for fact in (_facts(run) if len(runs) == 1 else [f"{run.name}: {'; '.join(_facts(run))}"])]
    lines = []
    for run in runs:
        for key, events in (("loss", run.steps), ("score", run.checks)):
            values = [value for _, value in run.series(key, events)]
            if values:
                lines.append(f"{run.name} {key}: {number(values[0])} {sparkline(values)} {number(values[-1])}")
    drawings = _charts(runs) + [each for run in runs for each in _previews(run, len(runs) > 1)]
    return Report(", ".join(run.name for run in runs), tuple(facts), tuple(drawings), tuple(lines))


def _facts(run: Run) -> list[str]:
    last = run.steps[-1] if run.steps else run.checks[-1]
    plan = _plan(run)
    step, whole = as_number(last.get("step")) or 0, sum(steps for _, steps, _ in plan) or as_number(last.get("of")) or 0
    stage = str(last.get("stage", ""))
    place = [name for name, _, _ in plan].index(stage) + 1 if stage in [name for name, _, _ in plan] else 0
    facts = [f"step {step:,.0f} of {whole:,.0f}, stage {stage}" + (f" ({place} of {len(plan)})" if place else "")]
    scores = run.series("score", run.checks)
    if scores:
        own = run.series("score", [check for check in run.checks if check.get("stage") == stage]) or scores
        best = max(own, key=lambda pair: pair[1])
        facts.append(f"best score {number(best[1])} at step {best[0]:,.0f}, last {number(scores[-1][1])}")
    samples = as_number(run.starts[-1].get("samples")) if run.starts else None
    if samples:
        facts.append(f"{samples:,.0f} samples")
    facts.append(_state(run, plan, step))
    return facts


def _state(run: Run, plan: Sequence[tuple[str, float, float]], step: float) -> str:
    if run.last == "end":
        return "ended"
    left = seconds_left(run, plan, step)
    time = "" if left is None else f", about {format_duration(left)} left"
    if run.held:
        return f"at work{time}"
    return f"{'interrupted' if run.last == 'interrupted' else 'not at work'}: the same call goes on{time}"


def seconds_left(run: Run, plan: Sequence[tuple[str, float, float]], step: float) -> float | None:
    """Seconds of training from a step to the end of the plan at the last speed, with the validations; None where the log tells no speed.

    plan: name, steps and batch of each stage.
    """
    speeds = [value for event in run.steps[-_SECONDS_WANTED:] if (value := as_number(event.get("samples_per_second")))]
    if not speeds or not plan:
        return None
    first, seconds = 0.0, 0.0
    for _, steps, batch in plan:
        seconds += max(0.0, first + steps - max(step, first)) * batch / (sum(speeds) / len(speeds))
        first += steps
    checks = run.series("seconds", run.checks)
    places = [0.0, *(place for place, _ in checks)]
    apart = [b - a for a, b in zip(places, places[1:], strict=False) if b > a]
    if apart:
        seconds += (first - step) / float(np.median(apart)) * checks[-1][1]
    return seconds


def format_duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> format_duration(40), format_duration(600), format_duration(7800), format_duration(200000)
    ('40 s', '10 min', '2 h 10 min', '2 d 8 h')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def _plan(run: Run) -> list[tuple[str, float, float]]:
    """Name, steps and batch of each stage, as the last start states them."""
    stages = run.starts[-1].get("stages") if run.starts else None
    found = []
    for stage in stages if isinstance(stages, list) else ():
        if isinstance(stage, dict):
            found.append((str(stage.get("name", "")), as_number(stage.get("steps")) or 0.0, as_number(stage.get("batch")) or 0.0))
    return found


def _charts(runs: Sequence[Run]) -> list[Drawing]:
    borders = _borders(runs[0]) if len(runs) == 1 else []
    loss = [Series(run.name, HUES[k % len(HUES)], points) for k, run in enumerate(runs) if (points := run.series("loss", run.steps))]
    drawings = [curves("loss", loss, "step", log=_wide(loss), borders=borders)] if loss else []
    score = [Series(run.name, HUES[k % len(HUES)], points) for k, run in enumerate(runs) if (points := run.series("score", run.checks))]
    if score:
        drawings.append(curves("validation: score", score, "step", share=True, borders=borders))
    if len(runs) > 1:
        return drawings
    run = runs[0]
    terms = _named_series(run, run.steps, [key for key in _number_keys(run.steps) if key not in _NO_LOSS])
    if len(terms) > 1:
        drawings.append(curves("terms of the loss", terms[:_MOST_TERMS], "step", log=_wide(terms[:_MOST_TERMS]), borders=borders))
    keys = [key for key in _number_keys(run.checks) if key not in _NO_SCORE]
    classes = [key for key in keys if key.startswith("iou.")]
    others = _named_series(run, run.checks, [key for key in keys if key not in classes and key != "score"])
    others = [each for each in others if not score or each.points != score[0].points]
    if others:
        drawings.append(curves("validation: other numbers", others[:_MOST_TERMS], "step", log=_wide(others[:_MOST_TERMS]), borders=borders))
    by_class = _named_series(run, run.checks, classes, classes=True)
    if by_class:
        drawings.append(curves("validation: IoU by class", by_class[:12], "step", share=True, borders=borders))
    rates = run.series("rate", run.steps)
    if len({rate for _, rate in rates}) > 1:
        rate = [Series("rate", HUES[0], rates)]
        drawings.append(curves("learning rate", rate, "step", log=_wide(rate), borders=borders))
    return drawings


def _named_series(run: Run, events: Sequence[Facts], keys: Sequence[str], classes: bool = False) -> list[Series]:
    names = [key.partition(".")[2] if classes else key for key in keys]
    hues = [("ink" if name == "air" else hexed(class_colour(name))) if classes else HUES[k % len(HUES)] for k, name in enumerate(names)]
    found = [Series(name, hue, run.series(key, events)) for name, hue, key in zip(names, hues, keys, strict=True)]
    return [each for each in found if len(each.points) == 1 or len({value for _, value in each.points}) > 1]


def _number_keys(events: Sequence[Facts]) -> list[str]:
    """Names of the numbers of events, those of an inner object behind its own and a dot."""
    keys: dict[str, None] = {}
    for event in events:
        for key, value in event.items():
            inner = value if isinstance(value, Mapping) else {"": value}
            keys |= {f"{key}.{name}".rstrip("."): None for name, each in inner.items() if as_number(each) is not None}
    return list(keys)


def _in(event: Facts, key: str) -> Json:
    outer, _, inner = key.partition(".")
    value = event.get(key, event.get(outer))
    return value.get(inner) if inner and isinstance(value, Mapping) else value


def _wide(series: Sequence[Series]) -> bool:
    """Whether a logarithmic axis shows more: all numbers are above 0 and lie far apart."""
    values = [value for each in series for _, value in each.points]
    return min(values) > 0 and max(values) > 20 * min(values)


def _borders(run: Run) -> list[tuple[float, str]]:
    """Where each stage but the first begins, and its name."""
    found: list[tuple[float, str]] = []
    before, at = None, 0.0
    for event in run.steps:
        if before is not None and event.get("stage") != before:
            found.append((at, str(event.get("stage", ""))))
        before, at = event.get("stage"), as_number(event.get("step")) or at
    return found


def _previews(run: Run, named: bool) -> list[Drawing]:
    """The first preview and the last ones."""
    from voxcli import files

    paths = sorted((run.folder / _PREVIEWS).glob("*.png"))
    shots = []
    for path in dict.fromkeys([*paths[-1:], *paths[len(paths) // 2 : len(paths) // 2 + 1], *paths[:1]]):
        try:
            shots.append((f"step {int(path.stem):,}" if path.stem.isdecimal() else printable(path.stem), files.read_as(path, Picture).rgb))
        except VoxcliError:  # a run that goes on may be writing it
            continue
    head = f"{run.name}: " if named else ""
    return [pictures(f"{head}previews", shots, 1 if shots[0][1].shape[1] > 540 else 2)] if shots else []
