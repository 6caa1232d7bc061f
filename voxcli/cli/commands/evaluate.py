"""`voxcli evaluate`: a protocol and a user's data in, a table beside the published numbers out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from voxcli.atomic import check_there
from voxcli.cli.framework import options, plans
from voxcli.cli.framework.batch import Batch, Item, ItemsFailed
from voxcli.cli.framework.help_texts import completed_help
from voxcli.cli.framework.output import counted, out
from voxcli.cli.framework.scoring import advise_on_frustum
from voxcli.errors import DataError, FrustumError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from voxcli.evaluation.protocol import Protocol
    from voxcli.evaluation.results import Results
    from voxcli.evaluation.samples import Evaluator, Job, Line, Place
    from voxcli.evaluation.summary import Summary
    from voxcli.evaluation.tables import FilledTable
    from voxcli.provenance import Json


def _protocols() -> str:
    from voxcli.evaluation.protocol import names

    return ", ".join(names())


def _complete_protocols(incomplete: str) -> list[str]:
    from voxcli.evaluation.protocol import names

    return [name for name in names() if name.startswith(incomplete)]


@completed_help(protocols=_protocols)
@options.sections("protocol")
def evaluate(
    name: Annotated[
        str, typer.Argument(metavar="PROTOCOL", show_default=False, autocompletion=_complete_protocols, help="A protocol, or a YAML file.")
    ],
    data: Annotated[str | None, typer.Option("--data", metavar="ROOT", help="Your copy of the data; none for pix2vox-time.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="DIR", help="Folder of results; a method's own folder lies in it.")
    ] = None,
    model: options.Model = None,
    weights: options.Weights = None,
    predictions: Annotated[
        str | None, typer.Option("--predictions", metavar="DIR", help="Score the files of this folder in place of a model.")
    ] = None,
    retrieve: Annotated[
        str | None,
        typer.Option("--retrieve", metavar="ROOT", help="In place of a model: the training object that looks most alike, of these data."),
    ] = None,
    pair: Annotated[
        str | None,
        typer.Option("--pair", metavar="PATTERN", help="Where a prediction lies, such as {category}/{id}/*; default: the protocol's."),
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", metavar="NAME", help="Name of its rows; default: that of the model, weights or predictions.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Samples, spread evenly; default: all.")] = None,
    pictures: Annotated[int, typer.Option("--pictures", min=0, max=100, help="Samples that are drawn.")] = 8,
    format: options.Records = None,
    device: options.Device = "auto",
    dtype: options.DType = options.Dtype.auto,
    workers: options.Workers = 1,
    overwrite: options.Overwrite = False,
    keep_going: options.KeepGoing = False,
    dry_run: options.DryRun = False,
) -> None:
    """Evaluate a method by a protocol of a paper on your copy of its data, and print the table beside the published numbers.

    DIR receives table.md, table.csv, table.tex and a plot of each table, and for the method samples.jsonl (a line a sample), summary.jsonl
    and sheet.png. The same command goes on where it stopped. Further methods in one DIR become further rows.

    Protocols: {protocols}. --print-config shows one whole; a file like it is a new protocol.

    Single settings of a protocol: --set protocol.read.split=val

    Examples:
        voxcli evaluate pix2vox-shapenet --print-config
        voxcli evaluate meshrcnn --data shapenet/ --predictions mine/ -o results/
    """
    from voxcli.evaluation.protocol import read_protocol

    changes: dict[str, Json] = options.section("protocol") | ({} if pair is None else {"files": pair})
    protocol = read_protocol(name, changes)
    if options.printing_config():
        return options.show_config(protocol=protocol)
    check_there(data)
    from voxcli.evaluation.readers import reader_named

    measured = reader_named(protocol.reader).task == "costs"
    pictures = 0 if measured else pictures
    if measured and (data is not None or predictions is not None):
        raise UsageError(f"{name} measures a network.", hint="Leave out --data and --predictions.")
    if (data is None and not measured) or output is None:
        what = "data" if output is not None or (data is None and not measured) else "a folder for its results"
        raise UsageError(f"An evaluation needs {what}.", expected="-o DIR" if measured else "--data ROOT -o DIR")
    if predictions is not None and (model is not None or weights is not None):
        raise UsageError("--predictions takes the place of a model.", hint="Leave out -m and --weights.")
    if predictions is not None and not os.path.isdir(predictions):
        raise UsageError(f"--predictions {predictions} is no folder.")
    if retrieve is not None and (predictions is not None or model is not None or weights is not None):
        raise UsageError("--retrieve takes the place of a model.", hint="Leave out -m, --weights and --predictions.")
    if output == "-" or os.path.isfile(output):
        raise UsageError(f"-o {output} is no folder.", expected="-o DIR")
    job, run = _job(protocol, name, data or "", model, weights, predictions, retrieve, device, dtype.value)
    from voxcli.evaluation.results import Results, check_folder, method_name, read_methods
    from voxcli.evaluation.samples import evaluator_of
    from voxcli.evaluation.summary import Counts, total_of
    from voxcli.evaluation.tables import fill, undefined_samples

    method = method_name(method or ("retrieval" if retrieve else _measured_on(job)), job.model, weights, predictions)
    places = _limited(evaluator_of(job), limit)
    check_folder(Path(output), name, data or "")
    if predictions is not None and not any(evaluator_of(job).has_prediction(each) for each in places):
        _no_prediction(job, places, predictions)
    if dry_run:
        return _plan(job, places, Path(output), method, pictures)
    results = Results(Path(output) / method, run | {"samples": total_of(evaluator_of(job).places)}, overwrite)
    failed = _run(job, places, results, pictures, workers, keep_going)
    summary = results.finish(places, evaluator_of(job).places, protocol)
    try:
        tables = fill(protocol, read_methods(Path(output), protocol, name) | {method: summary})
    except UsageError:
        results.discard()
        raise
    _write(Path(output), protocol, tables)
    _print(tables, format)
    counts = Counts(*map(sum, zip(*summary.counts.values(), strict=True)))
    for number, what, where in ((counts.missing, "have no prediction", "summary.jsonl"), (counts.failed, "failed", "samples.jsonl")):
        if number:
            named = f"{results.folder / where} names them"
            out.warn(f"{number} of {sum(counts[:3])} samples {what}; they count in no mean. {named}.")
    if unnamed := _without_classes(protocol, summary):
        out.warn(f"{method} names no class of the truth: {', '.join(unnamed)} has no number, and its columns are empty.")
    more = (counts.failed, "failed"), (counts.left_out, "left out"), (undefined_samples(protocol, summary), "undefined")
    rest = "".join(f", {number} {what}" for number, what in more if number)
    scored = f"{counts.scored} of {sum(counts)} samples" if counts.left_out else counted(counts.scored, "sample")
    out.note(f"{Path(output) / 'table.md'}: {scored} of {method} scored, {counts.missing} without a prediction{rest}.")
    if failed is not None:
        raise failed
    return None


def _job(
    protocol: Protocol, name: str, data: str, model: str | None, weights: str | None, predictions: str | None, retrieve: str | None,
    device: str, dtype: str,
) -> tuple[Job, dict[str, Json]]:  # fmt: skip
    """What is evaluated, and what run.json states of it."""
    from voxcli import config
    from voxcli.evaluation.readers import reader_named
    from voxcli.evaluation.samples import Job, check_model
    from voxcli.models.registry import name_of, weights_of
    from voxcli.provenance import sha256_file
    from voxcli.version import __version__

    root = Path(os.path.abspath(data)).name if data else None
    stated: dict[str, Json] = {"protocol": name, "settings": config.to_mapping(protocol), "data": root, "voxcli": __version__}
    if predictions is not None:
        return Job(protocol, data, predictions=predictions), {**stated, "predictions": Path(os.path.abspath(predictions)).name}
    if retrieve is not None:
        from voxcli.evaluation.retrieval import training_reader

        training_reader(protocol.reader, retrieve, protocol.read)
        return Job(protocol, data, retrieve=retrieve), {**stated, "retrieve": Path(os.path.abspath(retrieve)).name}
    own = model or (None if weights else protocol.model)
    if own is None and weights is None:
        raise UsageError(f"{name} names no model.", expected="-m MODEL, --weights FILE or --predictions DIR")
    chosen = name_of(own, weights)
    check_model(reader_named(protocol.reader), chosen)
    digest = None if not data and weights is None else sha256_file(weights_of(chosen, weights))
    return Job(protocol, data, chosen, weights, device=device, dtype=dtype), {**stated, "model": chosen, "weights": digest}


def _no_prediction(job: Job, places: list[Place], predictions: str) -> NoReturn:
    """The error for a folder that has no file of any sample: where the first one is looked for, and a pattern that would find one."""
    from voxcli.evaluation.pairing import likely_pattern
    from voxcli.evaluation.samples import evaluator_of

    every = [evaluator_of(job).readers[each.variant].samples[each.index].fields(each.variant) for each in places]
    likely = next((found for fields in every[:20] if (found := likely_pattern(Path(predictions), fields)) is not None), None)
    raise DataError(f"{predictions} holds no prediction of these samples.", expected=f"{job.protocol.files.format(**every[0])}.* and so on",
                    hint=f"--pair '{likely}'" if likely else "--pair PATTERN says where they lie.")  # fmt: skip


def _without_classes(protocol: Protocol, summary: Summary) -> list[str]:
    """The measures of labels that no sample has, though it has others."""
    found = {name for line in summary.lines for name in line["records"]}
    return [name for name, each in protocol.measures.items() if found and name not in found and each.options.get("of") == "labels"]


def _measured_on(job: Job) -> str | None:
    """The name of a method whose times are measured: of the weights or the model, with the device."""
    if job.data:
        return None
    from voxcli.backend import pick_device
    from voxcli.evaluation.results import method_name
    from voxcli.evaluation.timing import device_name

    return f"{method_name(None, job.model, job.weights, None)}, {device_name(pick_device(job.device))}".replace("/", "-")


def _plan(job: Job, places: list[Place], folder: Path, method: str, pictures: int) -> None:
    """A line for each sample: what is read of it. A last one for what is read and written besides."""
    from voxcli.evaluation.pictures import chosen
    from voxcli.evaluation.results import RUN, SAMPLES, SHEET, SUMMARY, strip_path
    from voxcli.evaluation.samples import evaluator_of
    from voxcli.models.registry import weights_of

    evaluator = evaluator_of(job)
    for place in places:
        read = [plans.facts(path) for path in evaluator.files_of(place)] if job.data else []
        plans.print_plan(read, [], sample=f"{place.variant}/{place.name}")
    drawn = job.model is None or (not job.data and job.weights is None)  # a network that is timed has any numbers
    weights = None if drawn or job.model is None else plans.facts(weights_of(job.model, job.weights), "weights")
    strips = [strip_path(folder / method, places[k].variant, places[k].name) for k in chosen(len(places), pictures)]
    own = [*(folder / method / name for name in (RUN, SAMPLES, SUMMARY, *([SHEET] if strips else []))), *strips]
    own += [folder / f"table.{end}" for end in ("md", "csv", "tex")]
    plans.print_plan([] if weights is None else [weights], own, samples=len(places))


def _limited(evaluator: Evaluator, limit: int | None) -> list[Place]:
    """The samples that are evaluated: of each variant all, or so many, spread evenly."""
    from voxcli.evaluation.pictures import chosen

    every: dict[str, list[Place]] = {}
    for place in evaluator.places:
        every.setdefault(place.variant, []).append(place)
    return [each for some in every.values() for each in (some if limit is None else [some[k] for k in chosen(len(some), limit)])]


@dataclass(frozen=True)
class _Sample(Item):
    """A sample as an item of a batch."""

    place: Place | None = None
    drawn: bool = False


def _failed(item: Item, why: str) -> Line:
    """The line of a sample that could not be scored."""
    assert isinstance(item, _Sample) and item.place is not None
    return {"variant": item.place.variant, "name": item.place.name, "category": item.place.category, "records": {}, "failed": why}


def _evaluated(item: Item, *, job: Job) -> tuple[Line, np.ndarray | None]:
    """The line of a sample and its strip of pictures, where it is drawn."""
    from voxcli.evaluation.pictures import strip
    from voxcli.evaluation.samples import evaluator_of

    assert isinstance(item, _Sample) and item.place is not None
    try:
        found = evaluator_of(job).find(item.place, item.drawn)
    except FrustumError as error:
        advise_on_frustum(error)
        raise
    return found.line, strip(found) if item.drawn else None


def _run(job: Job, places: list[Place], results: Results, pictures: int, workers: int, keep_going: bool) -> ItemsFailed | None:
    """Evaluate the samples that are left, keep each as it comes, and draw the sheet. With keep_going, what says that some failed."""
    from voxcli.evaluation.pictures import chosen, sheet
    from voxcli.evaluation.results import SHEET

    drawn = [places[k] for k in chosen(len(places), pictures)]
    left = results.left(places, drawn)
    todo = [_Sample(each.name, "", f"{each.variant}/{each.name}", place=each, drawn=each in drawn) for each in left]
    failed = None
    try:
        with Batch(todo, keep_going=keep_going, label="evaluating") as batch:
            batch.on_failure = lambda item, why: results.add(_failed(item, why))
            for _, (line, strip) in batch.run(partial(_evaluated, job=job), workers):
                results.add(line, strip)
    except ItemsFailed as error:
        failed = error
    if strips := results.strips(drawn):
        _picture(results.folder / SHEET, sheet(strips))
    return failed


def _picture(path: Path, pixels: np.ndarray) -> None:
    from voxcli.atomic import atomic_write_bytes
    from voxcli.datasets.pictures import png_bytes

    atomic_write_bytes(path, png_bytes(pixels), overwrite=True)


def _write(folder: Path, protocol: Protocol, tables: list[FilledTable]) -> None:
    """The tables as files."""
    from voxcli.atomic import atomic_write_bytes
    from voxcli.evaluation.pictures import plot
    from voxcli.evaluation.tables import csv_text, latex, markdown

    texts = {"table.md": markdown(protocol, tables), "table.csv": csv_text(tables), "table.tex": latex(tables)}
    texts |= {f"table-{k + 1}.svg": plot(table) for k, table in enumerate(tables)}
    for name, text in texts.items():
        if text:
            atomic_write_bytes(folder / name, text.encode(), overwrite=True)


def _print(tables: list[FilledTable], format: options.RecordFormat | None) -> None:
    """The tables for people on a terminal; elsewhere a record for each row."""
    from voxcli.evaluation.tables import csv_rows, number_rows, text_rows

    if format is options.RecordFormat.table or (format is None and out.on_terminal):
        for filled in tables:
            out.data(filled.table.title)
            out.records(text_rows(filled), "table")
            for note in (note for row in filled.rows for note in row.notes):
                out.data(note)
        return
    rows = csv_rows(tables) if format in (options.RecordFormat.csv, options.RecordFormat.tsv) else number_rows(tables)
    out.records(rows, format.value if format else None)
