"""What all `voxcli metrics` commands share: pairing, the loop, the table, the summary and the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from voxcli.cli.framework import gates, partial_sums
from voxcli.cli.framework.batch import Batch, Item
from voxcli.cli.framework.flags import values_of_flags
from voxcli.cli.framework.inputs import Pairs, pairs
from voxcli.cli.framework.options import RecordFormat
from voxcli.cli.framework.plans import facts, print_plan
from voxcli.cli.framework.score_rows import Rows, joined
from voxcli.cli.framework.score_warnings import ScoreWarnings

if TYPE_CHECKING:
    from voxcli.metrics.base import MetricOptions
    from voxcli.metrics.records import Record
    from voxcli.metrics.registry import AnyMetric
    from voxcli.provenance import Recordable


def _complete_presets(incomplete: str) -> list[str]:
    from voxcli.metrics.presets import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


def format_for(path: str, item: Item, input_format: str | None) -> str | None:
    """What --input-format says of one of a pair's files: - alone where one of the two is -, else both."""
    return input_format if path == "-" or "-" not in (item.source, item.target) else None


Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="A paper's protocol by name: `voxcli metrics presets` lists them.",
        autocompletion=_complete_presets,
    ),
]
CategoryFrom = Annotated[
    str | None,
    typer.Option(
        "--category-from", metavar="RULE", help="Category of each pair: parent (its folder), or a regular expression with a group."
    ),
]
Pair = Annotated[
    list[str] | None,
    typer.Option(
        "--pair",
        metavar="PATTERN",
        help="Pair files of folders by the fields of their names, such as {category}/{id}/*; twice: that of PRED, then that of GT.",
    ),
]
InputFormat = Annotated[
    str | None, typer.Option("--input-format", metavar="FORMAT", help="Format of -, which needs it; without a -, of both inputs.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**62, help="Seed of what is drawn at random, the same for all pairs.")]
_LIMIT = "[NAME=]NUMBER"
FailUnder = Annotated[
    list[str] | None,
    typer.Option("--fail-under", metavar=_LIMIT, help="Exit 1 if the value (of a set: its summary's), or the part NAME, is below."),
]
FailOver = Annotated[
    list[str] | None,
    typer.Option("--fail-over", metavar=_LIMIT, help="Exit 1 if the value (of a set: its summary's), or the part NAME, is above."),
]


Partial = Annotated[
    str | None,
    typer.Option("--partial", metavar="FILE.json", help="Write the sums of this part of a set there; `voxcli metrics merge` joins them."),
]


@dataclass(frozen=True)
class MetricsRequest:
    """What a command of metrics is asked for, whatever the metric: the options that all of them share."""

    pred: str
    gt: str
    preset: str | None = None
    category_from: str | None = None
    pair: tuple[str, ...] = ()
    input_format: str | None = None
    fail_under: tuple[str, ...] = ()
    fail_over: tuple[str, ...] = ()
    format: RecordFormat | None = None
    workers: int = 1
    keep_going: bool = False
    dry_run: bool = False
    partial: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class ScoredPair(Item):
    """A pair of files to score: `source` is the prediction, `target` the ground truth. options: of each metric. category: None without
    --category-from."""

    options: tuple[MetricOptions, ...] = ()
    category: str | None = None


def run(request: MetricsRequest, metrics: Sequence[AnyMetric], given: Mapping[str, Recordable]) -> None:
    """Score all pairs and print the records. given: options by their names, each for the metrics that have it.

    One pair prints its records, one a metric; several pairs print all, and last a summary of each metric. Its value is the mean over
    samples, or what the metric's rule (see metrics/summaries.py) makes of the set. Gates look at that value, or at a part by its name in
    the table; what they saw stands in the record that they looked at, under `params.gates`. Contradictions are errors before a file is
    read.
    """
    from voxcli.errors import UsageError
    from voxcli.files.registry import extension_of
    from voxcli.metrics.presets import options_for
    from voxcli.metrics.summaries import CATEGORIES, add_to, settle, summary_of
    from voxcli.metrics.sums import Sums

    options = [options_for(metric, values_of_flags(metric.options, given), request.preset) for metric in metrics]
    rules = [metric.summary_rule(each) for metric, each in zip(metrics, options, strict=True)]
    name = request.input_format
    suffixes = metrics[0].suffixes if name is None else [extension_of(name)]
    limits = gates.parse(request.fail_under, request.fail_over, [metric.name for metric in metrics])
    if request.partial is not None:
        partial_sums.check_target(request.partial, request.overwrite)
    found: Pairs = pairs(request.pred, request.gt, suffixes=suffixes, category_from=request.category_from,
                         keep_going=request.keep_going, patterns=request.pair)  # fmt: skip
    of_pairs = [metric.for_pairs(each, found.pairs, request.input_format) for metric, each in zip(metrics, options, strict=True)]
    own = zip(*of_pairs, strict=True)
    todo = [ScoredPair(pair.pred, pair.gt, pair.name, options=each, category=pair.category)
            for pair, each in zip(found.pairs, own, strict=True)]  # fmt: skip
    found.pairs.clear()
    several = len(todo) > 1
    if several and CATEGORIES in rules and not request.category_from:
        raise UsageError("This preset's value is a mean over categories.", hint="Add --category-from parent, or a regular expression.")
    if request.dry_run:
        _plan(todo, request)
        return
    work = partial(_score, metrics=tuple(metrics), input_format=request.input_format, several=several)
    rows, warnings = Rows(several, request.format), ScoreWarnings(len(todo))
    sums = [Sums(rule) for rule in rules]
    alone: list[Record] = []
    failed: Exception | None = None
    try:
        with Batch(todo, keep_going=request.keep_going, label="scoring") as batch:
            for item, records in batch.run(work, request.workers):
                assert isinstance(item, ScoredPair)
                for each, record in zip(sums, records, strict=True):
                    if several or request.partial is not None:
                        add_to(each, record, item.category)
                rows.add(item.name, records)
                warnings.add(item.name, records)
                alone = records
    except Exception as error:
        if not (request.keep_going and rows.pairs):
            raise
        failed = error  # what was scored is still printed
    unmatched = {"pred": found.only_pred, "gt": found.only_gt}
    if request.partial is not None and rows.pairs:
        partial_sums.write(request.partial, sums, options, unmatched, request.overwrite)
    summaries = [summary_of(each) for each in sums] if several and rows.pairs else alone
    for rule, summary in zip(rules, summaries, strict=False):
        if not several:
            settle(rule, summary)
        if several or any(unmatched.values()):  # two folders may have one pair
            summary["parts"]["unmatched"] = unmatched
    missed = gates.check_gates(limits, summaries, joined(summaries)) if limits and summaries else []
    warnings.show()
    rows.finish(summaries)
    if failed is not None:
        raise failed
    gates.check(missed, f"{request.pred} {request.gt}")


def merge(paths: Sequence[str], fail_under: Sequence[str], fail_over: Sequence[str], format: RecordFormat | None) -> None:
    """Print the summary of a set from the sums of its parts, in their order, and hold it against the gates."""
    from voxcli.metrics.summaries import summary_of

    sums, unmatched = partial_sums.read(paths)
    limits = gates.parse(fail_under, fail_over, [each.metric for each in sums])
    summaries = [summary_of(each) for each in sums]
    for summary in summaries:
        summary["parts"]["unmatched"] = unmatched
    missed = gates.check_gates(limits, summaries, joined(summaries)) if limits else []
    Rows(True, format).finish(summaries)
    gates.check(missed, " ".join(paths[:3]) + (" ..." if len(paths) > 3 else ""))


def _plan(todo: Sequence[ScoredPair], request: MetricsRequest) -> None:
    """What would be read of each pair; nothing is written."""
    with Batch(todo, keep_going=request.keep_going) as batch:
        for item in todo:
            with batch.attempt(item):
                sides = (item.source, item.target)
                print_plan([facts(path, None, format_for(path, item, request.input_format)) for path in sides], [], name=item.name)


def advise_on_frustum(error: Exception) -> None:
    """To an error of different frusta, add which shipped weights predict in that of the truth."""
    from voxcli.errors import FrustumError

    if not isinstance(error, FrustumError):
        return
    from voxcli.metrics.grids import describe
    from voxcli.models.frustum.facts import shipped_frusta

    names = [name for name, frustum in shipped_frusta() if describe(frustum) == str(error.expected)]
    if names:
        others = f" (or {', '.join(names[1:])})" if names[1:] else ""
        error.hint = f"Predict in that of the truth: voxcli predict IMAGE --weights {names[0]}{others}"
    else:
        error.hint = (
            "No shipped weights have that of the truth: train some on such data, or make truth in the prediction's, by voxcli fruxelize "
            "--camera, --size, --depth."
        )


def _score(item: Item, *, metrics: tuple[AnyMetric, ...], input_format: str | None, several: bool) -> list[Record]:
    """The records of one pair. Of several pairs, an error says whose it is."""
    from voxcli.errors import VoxcliError
    from voxcli.metrics.records import state_inputs
    from voxcli.provenance import digests_of_files

    assert isinstance(item, ScoredPair)
    first, options = metrics[0], item.options[0]
    try:
        pred = first.read(item.source, options, format_for(item.source, item, input_format))
        gt = first.read_truth(item.target, options, format_for(item.target, item, input_format))
        records = first.score_several(pred, gt, item.options, pred=item.source, gt=item.target)
    except VoxcliError as error:
        advise_on_frustum(error)
        if several and item.source not in str(error) and item.target not in str(error):
            error.message = f"{item.source}: {error.message}"
        raise
    digests = digests_of_files((item.source, item.target))
    return [state_inputs(record, digests, item.category) for record in records]
