"""What `voxcli view` makes of metric records, folders of results and training runs: plots on a sheet, a page, or lines for a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli.cli.framework import written
from voxcli.cli.framework.batch import may_replace
from voxcli.cli.framework.output import out
from voxcli.cli.framework.plans import facts, print_plan
from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.cli.framework.options import Policy
    from voxcli.ops.plots.report import Report
    from voxcli.provenance import Json, Meta

FORMS = ("png", "svg", "html")


@dataclass(frozen=True)
class ReportSources:
    """Sources of one report. what: records, results or trainings, of each."""

    sources: tuple[str, ...]
    what: tuple[str, ...]
    input_format: str | None

    @property
    def files(self) -> list[list[str]]:
        """What the report is made of, by source: records, samples or the log."""
        from voxcli.ops.plots.scores import sample_files

        logs = {"records": lambda path: [path], "results": sample_files, "trainings": lambda path: [os.path.join(path, "log.jsonl")]}
        return [logs[what](source) for source, what in zip(self.sources, self.what, strict=True)]

    def read(self) -> Report:
        """The report. Raises VoxcliError for damaged files, and files of nothing."""
        from voxcli.ops.plots.scores import format_of, read_records, read_results

        if "trainings" in self.what:
            from voxcli.ops.plots.runs import read_run, report_of_runs
            from voxcli.training.run_lock import is_held

            return report_of_runs([read_run(source, is_held(Path(source))) for source in self.sources])
        from voxcli.ops.plots.score_report import report_of_scores, title_of

        found = []
        for source, what in zip(self.sources, self.what, strict=True):
            found += read_results(source) if what == "results" else read_records(source, format_of(source, self.input_format) or "jsonl")
        return report_of_scores(found, title_of(self.sources))


def reported(sources: Sequence[str], input_format: str | None) -> ReportSources | None:
    """The sources as those of a report; None where none of them is. Raises UsageError where some are, or both scores and trainings."""
    kinds = [_kind_of(source, input_format) for source in sources]
    if not any(kinds):
        return None
    if None in kinds or ("trainings" in kinds and len({*kinds}) > 1):
        named = [f"{source} ({kind or 'a scene'})" for source, kind in zip(sources, kinds, strict=True)]
        raise UsageError("These are not shown together.", actual=", ".join(named),
                         hint="Show scores, trainings and scenes by calls of their own.")  # fmt: skip
    return ReportSources(tuple(sources), tuple(kind for kind in kinds if kind), input_format)


def _kind_of(source: str, input_format: str | None) -> str | None:
    from voxcli.ops.plots.scores import format_of
    from voxcli.ops.records_facts import evaluation_facts, evaluations_facts, finder, training_facts

    if os.path.isdir(source):
        found = finder(source)
        return "trainings" if found is training_facts else "results" if found in (evaluation_facts, evaluations_facts) else None
    return "records" if format_of(source, input_format) else None


def print_report(request: ReportSources) -> None:
    """Facts and small plots as text."""
    if not out.on_terminal:
        raise UsageError("There is no terminal to draw in.", hint="Name a file: -o FILE.html, FILE.png or FILE.svg.")
    report = request.read()
    for line in (report.title, *report.facts, *report.lines):
        out.data(line)


def write_report(request: ReportSources, output: str, form: str, size: int | None, policy: Policy) -> bool:
    """Write the report as one file. size: pixels along the width of a plot of a PNG; None: 560. Returns whether it was written."""
    from voxcli.atomic import check_writable

    if form not in FORMS:
        raise UsageError(f"{output}: scores and trainings are shown as plots.", expected="-o FILE.html, FILE.png or FILE.svg")
    if output.endswith(("/", os.sep)) or os.path.isdir(output):
        raise UsageError(f"-o {output}: all that is given becomes one report.", hint="Name a file: -o FILE.html, FILE.png or FILE.svg.")
    replaces = may_replace(output, policy.overwrite, policy.skip_existing)
    if replaces is None:
        return False
    if policy.dry_run:
        print_plan([facts(file, what) for what, files in zip(request.what, request.files, strict=True) for file in files], [output])
        return False
    if output == "-" and form == "png":
        out.check_binary()
    check_writable([output] if output != "-" else [])
    _write(request, output, form, size, replaces)
    return True


def _write(request: ReportSources, output: str, form: str, size: int | None, replaces: bool) -> None:
    from voxcli import files
    from voxcli.atomic import atomic_write_bytes
    from voxcli.ops.plots.report import page_of_report, picture_of_report, svg_of
    from voxcli.provenance import digests_of_files
    from voxcli.scene import Picture

    report, digests = request.read(), digests_of_files(file for files in request.files for file in files)
    if form == "png":
        picture = picture_of_report(report) if size is None else picture_of_report(report, size)
        files.write(output, Picture(picture, meta=_meta("image", digests, {"size": size})), format=form, overwrite=replaces)
    else:
        text = page_of_report(report, _meta("page", digests, {})) if form == "html" else svg_of(report, _meta("plot", digests, {}))
        if output == "-":
            out.data(text)
        else:
            atomic_write_bytes(output, text.encode(), replaces)
    written.add(output, f"{len(report.drawings)} plots")


def _meta(schema: str, digests: dict[str, str], recorded: dict[str, Json]) -> Meta:
    from voxcli.provenance import make_meta

    return make_meta(schema, "view", recorded, digests, None, "none", "none")
