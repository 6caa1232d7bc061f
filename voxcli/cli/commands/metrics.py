"""`voxcli metrics NAME` for every metric of the table, `metrics all` and `metrics presets`. `metrics:NAME` is made when it is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from voxcli.cli.framework import options, scoring
from voxcli.cli.framework.flags import takes_flags, with_parameters
from voxcli.cli.framework.output import out
from voxcli.errors import UsageError, unknown_name
from voxcli.metrics.presets import PRESETS, table
from voxcli.metrics.registry import METRICS, AnyMetric
from voxcli.provenance import Recordable

TOGETHER = ("chamfer", "fscore", "hausdorff", "normals")
"""What `metrics all` gives without a preset."""

ALL = """Chamfer, F-score, Hausdorff and normal consistency from one pair of nearest-neighbour passes; under a preset, those it defines.

    Gates name what they look at: --fail-over chamfer=0.1, --fail-under normals=0.9, --fail-over hausdorff.forward=0.2.

    Examples:
        voxcli metrics all car.obj car.glb --points 2000 --fail-over chamfer=0.1
        voxcli metrics all pred/ gt/ --preset meshrcnn
    """


def __getattr__(name: str) -> Callable[..., None]:
    if name == "every":
        return command([METRICS[each] for each in TOGETHER], ALL, of_preset)
    if name in METRICS:
        return command([METRICS[name]], METRICS[name].help)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def of_preset(preset: str | None) -> list[AnyMetric]:
    """The metrics of `metrics all`: the distances that a preset defines, or those of TOGETHER."""
    if preset is None:
        return [METRICS[each] for each in TOGETHER]
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    found = [METRICS[each] for each in (*TOGETHER, "emd") if each in PRESETS[preset].metrics]
    if not found:
        raise UsageError(f"Preset '{preset}' defines no distance.", expected=", ".join(PRESETS[preset].metrics))
    return found


def command(
    metrics: Sequence[AnyMetric], text: str, chosen: Callable[[str | None], Sequence[AnyMetric]] | None = None
) -> Callable[..., None]:
    """The command of one metric, or of several whose flags are joined. text: its help. chosen: the metrics under a preset."""
    first, classes = metrics[0], [metric.options for metric in metrics]
    fields = {name for each in classes for name in vars(each())}

    @takes_flags(*classes)
    def score(
        pred: str, gt: str, preset: scoring.Preset = None, *, given: dict[str, Recordable], seed: scoring.Seed = 0,
        category_from: scoring.CategoryFrom = None, pair: scoring.Pair = None, input_format: scoring.InputFormat = None,
        fail_under: scoring.FailUnder = None, fail_over: scoring.FailOver = None, format: options.Records = None,
        workers: options.Workers = 1, keep_going: options.KeepGoing = False, dry_run: options.DryRun = False,
        partial: scoring.Partial = None,
        overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --partial, if it exists.")] = False,
    ) -> None:  # fmt: skip
        request = scoring.MetricsRequest(pred, gt, preset, category_from, tuple(pair or ()), input_format, tuple(fail_under or ()),
                                         tuple(fail_over or ()), format, workers, keep_going, dry_run, partial, overwrite)  # fmt: skip
        scoring.run(request, metrics if chosen is None else chosen(preset), given | {"seed": seed})

    absent = {"preset": not any(metric.name in preset.metrics for metric in metrics for preset in PRESETS.values()),
              "seed": "seed" not in fields, "input_format": not first.takes_format}  # fmt: skip
    inputs = dict(zip(("pred", "gt"), first.arguments, strict=True))
    parameters = []
    for name, parameter in inspect.signature(score).parameters.items():
        if name in inputs:
            word, about = inputs[name]
            parameter = parameter.replace(annotation=Annotated[str, typer.Argument(metavar=word, show_default=False, help=about)])
        if not absent.get(name, False):
            parameters.append(parameter)
    score.__doc__, score.__name__ = text, first.name
    return with_parameters(score, parameters)


def presets(format: options.Records = None) -> None:
    """The protocols of the papers by name: what each preset fixes for each metric.

    Examples:
        voxcli metrics presets
        voxcli metrics presets --format csv
    """
    out.records(table(), format.value if format else None, columns=["preset", "metric", "choices", "summary"])


def merge(
    sources: Annotated[list[str], typer.Argument(metavar="SUMS", show_default=False, help="Files that --partial wrote, of all parts.")],
    fail_under: scoring.FailUnder = None,
    fail_over: scoring.FailOver = None,
    format: options.Records = None,
) -> None:
    """Join the sums of the parts of a set: the summary that one run over the whole set prints.

    A job of an array scores a part (`metrics NAME ... --partial FILE`), and this joins them in the order in which they are named. Sums are
    exact: the summary does not depend on how the set was parted. Gates look at it.

    Examples:
        voxcli metrics merge sums-0.json sums-1.json
        voxcli metrics merge sums-0.json sums-1.json --fail-under 0.3
    """
    scoring.merge(sources, fail_under or (), fail_over or (), format)
