"""The folder of results: one folder a method with its samples, their summaries and how they were made.

RESULTS/METHOD/run.json        protocol, data, model or predictions, the hash of the weights, and how many samples the data have
RESULTS/METHOD/samples.jsonl   a line a sample: variant, name, category, records by measure (none: no prediction), why it failed
RESULTS/METHOD/summary.jsonl   a line for each variant and measure: the record of the whole set
RESULTS/METHOD/sheet.png       pictures of some samples: input, prediction, truth
RESULTS/METHOD/strips/         the pictures of each of these samples, of which a run that goes on makes the same sheet
RESULTS/table.md, .csv, .tex   the tables of all methods beside the published numbers; RESULTS/table-N.svg their plots
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from voxcli.atomic import atomic_write_bytes, check_writable
from voxcli.datasets.pictures import png_bytes, read_rgb
from voxcli.errors import FileFormatError, UsageError
from voxcli.evaluation.protocol import Protocol
from voxcli.evaluation.samples import Line, Place
from voxcli.evaluation.summary import Key, Summary, differences, summary_of
from voxcli.metrics.records import Tree
from voxcli.provenance import Json, digests_of_files

RUN, SAMPLES, SUMMARY, SHEET, STRIPS = "run.json", "samples.jsonl", "summary.jsonl", "sheet.png", "strips"


class Results:
    """One method's folder. run: what run.json states; another statement there is an error, since its samples are of another run. Data may
    have more samples by now (`samples`).

    overwrite: begin anew. Nothing is written before the first sample is there: a run that fails at once leaves the folder as it was.
    Raises UsageError for a folder of another run or one that cannot be written, FileFormatError for a damaged one.
    """

    def __init__(self, folder: Path, run: dict[str, Json], overwrite: bool = False):
        self.folder = folder
        self.path = folder / SAMPLES
        self.lines: dict[Key, Line] = {}
        self.run = run
        self._stated = (json.dumps(run, indent=1, sort_keys=True) + "\n").encode()
        self._begun = _holds_samples(folder) and not overwrite
        self._made = [each for each in (folder, *folder.parents) if not each.exists()]
        if not self._begun:
            check_writable([self.path])
            return
        there, now = _json(folder / RUN), json.loads(self._stated)
        now["samples"] = there.get("samples") if isinstance(there, dict) else None
        if differing := [f"{at} {json.dumps(old)[:60]}, not {json.dumps(new)[:60]}" for at, old, new in differences(there, now)]:
            raise UsageError(f"{folder} holds the results of another run.", actual="; ".join(differing),
                             hint="Name this one by --method, or use --overwrite to begin anew.")  # fmt: skip
        self.lines = self._read()

    def _begin(self) -> None:
        """An empty list of samples and what they are of, in place of what another run has left."""
        shutil.rmtree(self.folder / STRIPS, ignore_errors=True)
        for name in (SUMMARY, SHEET):
            (self.folder / name).unlink(missing_ok=True)
        atomic_write_bytes(self.path, b"", overwrite=True)
        atomic_write_bytes(self.folder / RUN, self._stated, overwrite=True)
        self._begun = True

    def discard(self) -> None:
        """Remove what this run has made, where the folder is new: nobody can use it."""
        if self._made and self._begun:
            shutil.rmtree(self.folder)
            with suppress(OSError):  # a folder above that holds another method by now
                for each in self._made[1:]:
                    each.rmdir()

    def _read(self) -> dict[Key, Line]:
        """The samples that are done. A last line that a kill has cut is left out, and its sample is done again."""
        found: dict[Key, Line] = {}
        for number, text in enumerate(self.path.read_bytes().splitlines(keepends=True) if self.path.is_file() else (), 1):
            if not text.endswith(b"\n"):
                break
            line = _sample(text, self.path, number)
            found[line["variant"], line["name"]] = line
        self._write(found.values())
        return found

    def _write(self, lines: Iterable[Line]) -> None:
        atomic_write_bytes(self.path, "".join(_text(line) for line in lines).encode(), overwrite=True)

    def add(self, line: Line, strip: np.ndarray | None = None) -> None:
        """Keep a sample and, where it is drawn, its strip of pictures."""
        if not self._begun:
            self._begin()
        key = line["variant"], line["name"]
        picture = strip_path(self.folder, *key)
        if strip is None:
            picture.unlink(missing_ok=True)
        else:
            atomic_write_bytes(picture, png_bytes(strip), overwrite=True)
        self.lines[key] = line
        with open(self.path, "ab") as file:
            file.write(_text(line).encode())

    def strips(self, places: Iterable[Place]) -> list[np.ndarray]:
        """The strips of samples, without those that have none."""
        paths = [strip_path(self.folder, place.variant, place.name) for place in places]
        return [read_rgb(path) for path in paths if path.is_file()]

    def left(self, places: Sequence[Place], drawn: Collection[Place] = ()) -> list[Place]:
        """The samples that are not done. One without a prediction is looked for again, one whose files have changed, or which is to be
        drawn and has no strip yet, is done again."""
        done = {key for key, line in self.lines.items() if line["records"] and _unchanged(line)}
        done -= {key for place in drawn if not strip_path(self.folder, *(key := (place.variant, place.name))).is_file()}
        return [place for place in places if (place.variant, place.name) not in done]

    def finish(self, places: Sequence[Place], every: Sequence[Place], protocol: Protocol) -> Summary:
        """Bring all samples that are known into the order of `every`, and write and return the summary of `places` alone."""
        if not self._begun:
            self._begin()
        _match_parts(protocol, self.lines.values())
        self._write(self.lines[key] for each in every if (key := (each.variant, each.name)) in self.lines)
        keys = [(place.variant, place.name) for place in places]
        summary = summary_of(protocol, self.run, [self.lines[key] for key in keys if key in self.lines])
        rows: list[Tree] = [{"variant": variant, "measure": measure, **record} for (variant, measure), record in summary.records.items()]
        atomic_write_bytes(self.folder / SUMMARY, "".join(_text(row) for row in rows).encode(), overwrite=True)
        atomic_write_bytes(self.folder / RUN, self._stated, overwrite=True)
        return summary


def strip_path(folder: Path, variant: str, name: str) -> Path:
    """The file of a sample's strip in a method's folder. Names of samples may hold anything, so that the file has a hash for a name.

    >>> len(strip_path(Path("results/ssz"), "", "a/b").stem)
    16
    """
    return folder / STRIPS / f"{hashlib.sha256(json.dumps([variant, name]).encode()).hexdigest()[:16]}.png"


def _holds_samples(folder: Path) -> bool:
    """Whether a folder holds results: one without a sample, of a run that was stopped at once, holds none."""
    samples = folder / SAMPLES
    return (folder / RUN).is_file() and samples.is_file() and samples.stat().st_size > 0


def _match_parts(protocol: Protocol, lines: Iterable[Line]) -> None:
    """The second pass of parts without names: what each stands for is told by all samples of a category."""
    from voxcli.metrics.parts import matched_over

    for name, measure in protocol.measures.items():
        groups: dict[Key, list[Line]] = {}
        for line in lines if measure.options.get("match") else ():
            if name in line["records"]:
                groups.setdefault((line["variant"], line["category"]), []).append(line)
        for mine in groups.values():
            for line, record in zip(mine, matched_over([each["records"][name] for each in mine]), strict=True):
                line["records"][name] = record


def _unchanged(line: Line) -> bool:
    """Whether all files that a sample's records state are there as they were."""
    stated = {path: digest for record in line["records"].values() for path, digest in record["meta"]["inputs"].items()}
    return digests_of_files(stated) == stated


def check_folder(folder: Path, protocol: str, data: str) -> None:
    """Raise UsageError for a folder of results that holds those of another protocol, or is the data themselves ("": there are none)."""
    if data and os.path.realpath(folder) == os.path.realpath(data):
        raise UsageError(f"{folder} is the folder of the data.", hint="Name another one for the results.")
    for path in sorted(folder.glob(f"*/{RUN}")):
        run = _json(path) if _holds_samples(path.parent) else {"protocol": protocol}
        other = run.get("protocol") if isinstance(run, dict) else None
        if other != protocol:
            raise UsageError(f"{folder} holds results of the protocol {other}.", expected=protocol, hint="Name another folder by -o.")


def read_methods(results: Path, protocol: Protocol, name: str) -> dict[str, Summary]:
    """Every method of a protocol that a folder of results holds, by name."""
    found = {}
    for path in sorted(results.glob(f"*/{RUN}")):
        run = _json(path)
        if isinstance(run, dict) and run.get("protocol") == name and (path.parent / SUMMARY).is_file():
            samples = path.parent / SAMPLES
            lines = [_sample(text, samples, number) for number, text in enumerate(samples.read_bytes().splitlines(), 1)]
            found[path.parent.name] = summary_of(protocol, run, lines)
    return found


def _sample(text: bytes, path: Path, number: int) -> Line:
    """The sample of a line. Raises FileFormatError that names file and line for what is none."""
    try:
        found = json.loads(text)
        if not isinstance(found["records"], dict) or not all(isinstance(found[key], str) for key in ("variant", "name", "category")):
            raise TypeError
        if not isinstance(found.get("failed", ""), str):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(f"'{path}', line {number}: this is no sample.", expected="what `voxcli evaluate` wrote",
                              hint="The file is damaged: use --overwrite, or remove the line.") from error  # fmt: skip
    line: Line = found
    return line


def _text(row: Line | Tree) -> str:
    return json.dumps(row, sort_keys=True, allow_nan=False) + "\n"


def _json(path: Path) -> Json:
    try:
        found: Json = json.loads(path.read_text(encoding="utf-8"))
        return found
    except OSError as error:
        raise FileFormatError(f"'{path}' cannot be read.", actual=error.strerror, hint="Use --overwrite.") from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"'{path}' is damaged.", expected="what `voxcli evaluate` wrote", hint="Use --overwrite.") from error


def method_name(given: str | None, model: str | None, weights: str | None, predictions: str | None) -> str:
    """The name of a method's folder and rows: as given, or of the weights file, the model or the folder of predictions. Weights that a
    training named take the name of its folder.

    >>> method_name(None, "ssz", "runs/mine.safetensors", None), method_name(None, "ssz", "run-2/best.safetensors", None)
    ('mine', 'run-2')
    """
    if given is None:
        path = Path(os.path.abspath(predictions or weights or model or ""))
        of_training = predictions is None and path.name in ("weights.safetensors", "best.safetensors")
        given = (path.parent if of_training else path).name.removesuffix(".safetensors")
    if not given or given.startswith(".") or "/" in given or os.sep in given:
        raise UsageError(f"'{given}' cannot be the name of a method.", expected="a name that a folder can have", hint="Use --method NAME.")
    return given
