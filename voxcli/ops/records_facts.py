"""What `voxcli info` says of things that are no scenes: trainings, evaluations, weights, records, instances, questions, .vox, .gif.

Pages, plots and tables are in `report_facts`.
"""

from __future__ import annotations

import os
import re
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli import remote, shards
from voxcli.contents import look_at_stdin
from voxcli.errors import FileFormatError
from voxcli.files.guard import bytes_within, claim, parse_json, parsing

if TYPE_CHECKING:
    from voxcli.provenance import Json

Facts = dict[str, "Json"]


def finder(path: str, format: str | None = None) -> Callable[[str], Facts] | None:
    """What tells the facts of a file or folder of ours; None for any other. Files are told by their names and first bytes.

    format: that of stdin, "-", which holds records where any of their formats is named.
    """
    from voxcli.ops import report_facts

    if path == "-":
        records = format == "jsonl" or (format in RECORD_FORMATS and _START_OF_RECORDS.match(look_at_stdin()[:200]))
        return partial(records_facts, format=format) if records else None
    where = Path(path)
    if os.path.isdir(path):
        names = {"log.jsonl": training_facts, "run.json": evaluation_facts}
        own = next((facts for name, facts in names.items() if (where / name).is_file()), None)
        return own or (evaluations_facts if any(where.glob("*/run.json")) else None)
    suffix = where.suffix.lower()
    if suffix in (".h5", ".hdf5") and os.path.isfile(path):
        return questions_facts if _holds_questions(path) else None
    if not (os.path.isfile(path) or shards.is_member(path)):
        return _BY_SUFFIX.get(suffix)
    if suffix == ".json":
        return _json_finder(path)
    if suffix in (".csv", ".tsv") and _START_OF_RECORDS.match(_bytes(path, 200)):
        return records_facts
    return report_facts.finder(suffix, partial(_bytes, path, 4000)) or _BY_SUFFIX.get(suffix)


RECORD_FORMATS = ("json", "jsonl", "csv", "tsv")
"""Of metric records."""
_START_OF_RECORDS = re.compile(rb'[\s\[]*\{\s*"metric"|name[,\t]metric[,\t]')


def _json_finder(path: str) -> Callable[[str], Facts] | None:
    """What tells the facts of a JSON file of ours, by its first bytes and its name."""
    start, name = _bytes(path, 200), Path(path).name
    if _START_OF_RECORDS.match(start):
        return records_facts
    if re.match(rb'\{\s*"camera": \{\s*"K"', start):
        return poses_facts
    if b'"instances"' in start:
        return instances_facts
    if re.match(rb'\[\s*\{"id": \d+, "class": ', start):
        return legend_facts
    if b'"schema": "voxcli metric sums' in start:
        return sums_facts
    named = {"run.json": b'"', "meta.json": b'"command": "synth ', "views.json": b'"category"'}
    return stated_facts if name in named and named[name] in start else None


def training_facts(path: str) -> Facts:
    """A run folder: its last step, stage, loss and validation, and the best one."""
    files = sorted(name for name in os.listdir(path) if name.endswith((".pt", ".safetensors")))
    return {"kind": "training", **_training(_lines(Path(path) / "log.jsonl")), "files": files}


def _training(rows: Sequence[Facts]) -> Facts:
    """What the lines of a log say."""
    steps, checks = ([row for row in rows if row.get("event") == event] for event in ("step", "validation"))
    best = max(checks, key=lambda row: _number(row.get("score")), default={})
    last = steps[-1] if steps else {}
    return {
        "step": last.get("step"), "stage": last.get("stage"), "of": last.get("of"), "loss": last.get("loss"),
        "validation": {key: best.get(key) for key in ("step", "score", "mean_iou") if key in best} or None, "validations": len(checks),
        "samples": next((row.get("samples") for row in rows if "samples" in row), None),
    }  # fmt: skip


def evaluation_facts(path: str) -> Facts:
    """A method's folder of `voxcli evaluate`: its protocol, samples and values."""
    with parsing(path, "a folder of results"):
        run = parse_json((Path(path) / "run.json").read_bytes(), path)
        if not isinstance(run, dict):
            raise ValueError("run.json is no object")
    rows = _lines(Path(path) / "samples.jsonl")
    summary = _lines(Path(path) / "summary.jsonl") if (Path(path) / "summary.jsonl").is_file() else []
    return {
        "kind": "evaluation", "protocol": run.get("protocol"), "model": run.get("model"), "predictions": run.get("predictions"),
        "samples": len(rows), "scored": sum(bool(row.get("records")) for row in rows),
        "failed": sum("failed" in row for row in rows), "undefined": _undefined(rows), "values": _values_of_sets(summary),
    }  # fmt: skip


def _undefined(rows: Sequence[Facts]) -> int:
    """How many samples have a record without a value."""
    of = (row.get("records") for row in rows)
    return sum(any(isinstance(each, dict) and each.get("value") is None for each in own.values()) for own in of if isinstance(own, dict))


def _values_of_sets(rows: Sequence[Facts]) -> dict[str, Json]:
    """The values of whole sets, by variant and measure."""
    return {f"{row.get('variant')} {row.get('measure')}".strip(): row.get("value") for row in rows}


def evaluations_facts(path: str) -> Facts:
    """A folder of results: every method that it holds."""
    folders = sorted(each.parent for each in Path(path).glob("*/run.json"))
    return {"kind": "evaluations", "methods": {each.name: evaluation_facts(str(each)) for each in folders}}


def weights_facts(path: str) -> Facts:
    """A weights file: its model, numbers, and what it was trained on; `voxcli weights info` says more."""
    from voxcli.models.weights import load_weights

    weights = load_weights(path)
    return {"kind": "weights", "model": weights.model, "numbers": sum(t.numel() for t in weights.tensors.values()), **weights.facts}


def records_facts(path: str, format: str | None = None) -> Facts:
    """Lines of JSON: how many there are, and of metric records, also as JSON, CSV or TSV, the mean by metric. Of the log of a training what
    its folder tells, of the samples and values of an evaluation the means and values.

    format: one of RECORD_FORMATS; None: as the file's name says.
    """
    from voxcli.ops.plots.scores import at_best_thresholds, rows_of

    rows = rows_of(path, format or Path(path).suffix[1:].lower())
    if any(row.get("event") == "step" for row in rows):
        return {"kind": "training-log", "lines": len(rows), **_training(rows)}
    if rows and all("records" in row and "variant" in row for row in rows):
        return {"kind": "evaluation-samples", "samples": len(rows), "scored": sum(bool(row["records"]) for row in rows),
                "undefined": _undefined(rows), "measures": _means(_of_samples(rows))}  # fmt: skip
    if rows and all("measure" in row and "variant" in row for row in rows):
        return {"kind": "evaluation-values", "values": _values_of_sets(rows)}
    records = [(str(row["metric"]), row) for row in at_best_thresholds([row for row in rows if isinstance(row.get("metric"), str)])]
    metrics = _means([(name, row) for name, row in records if row.get("pred") != "*"])
    metrics |= {name: {"summary": row.get("value")} for name, row in records if name not in metrics}
    return {"kind": "metric-records" if metrics else "records", "lines": len(rows), **({"metrics": metrics} if metrics else {})}


def _of_samples(rows: Sequence[Facts]) -> list[tuple[str, Facts]]:
    """The records of samples, each by its variant and measure."""
    found = [(row.get("variant"), row["records"]) for row in rows]
    return [(f"{variant or ''} {measure}".strip(), record) for variant, records in found if isinstance(records, dict)
            for measure, record in records.items() if isinstance(record, dict)]  # fmt: skip


def _means(records: Sequence[tuple[str, Facts]]) -> dict[str, Json]:
    """The number of records and their mean, by name."""
    from voxcli.metrics.records import mean

    values: dict[str, list[float | None]] = {}
    for name, record in records:
        value = record.get("value")
        values.setdefault(name, []).append(float(value) if isinstance(value, (int, float)) else None)
    return {name: {"pairs": len(own), "mean": mean(own)} for name, own in values.items()}


def stated_facts(path: str) -> Facts:
    """What a small file beside data or results states: how a data set was made, an object's category and parts, or a run's protocol."""
    with parsing(path, "a file of a data set or an evaluation"):
        found = parse_json(_bytes(path), path)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    if "schema" in found:
        return {"kind": f"{str(found['schema']).partition('/')[2]}-meta", "meta": found}
    if "protocol" in found:
        return {"kind": "evaluation-run", **{key: found.get(key) for key in ("protocol", "model", "predictions", "data")}}
    views = found.get("views")
    counts: dict[str, Json] = {key: len(each) for key, each in views.items() if isinstance(each, list)} if isinstance(views, dict) else {}
    return {"kind": "object-views", **{key: found.get(key) for key in ("category", "split", "parts")}, "views": counts}


def _bytes(path: str, most: int = -1) -> bytes:
    """A file's first bytes, or all."""
    if shards.is_member(path):
        return remote.read(path)[: most if most >= 0 else None]
    with open(path, "rb") as file:
        return file.read(most)


def poses_facts(path: str) -> Facts:
    """The poses of a scene of `voxcli synth street`: its camera, and how many boxes of each class."""
    with parsing(path, "poses of a street scene"):
        found = parse_json(_bytes(path), path)
        camera, rows = (found.get("camera"), found.get("objects")) if isinstance(found, dict) else (None, None)
        if not isinstance(camera, dict) or not isinstance(rows, list) or not all(isinstance(row, dict) and "class" in row for row in rows):
            raise ValueError("poses are a camera and a list of objects with a class")
        classes: dict[str, Json] = dict(Counter(str(row["class"]) for row in rows))
    return {"kind": "poses", "camera": {k: camera.get(k) for k in ("width", "height", "K")}, "objects": len(rows), "classes": classes}


def instances_facts(path: str) -> Facts:
    """The pieces of a scene, as `voxcli segment -o NAME.json` lists them: how many of each class."""
    with parsing(path, "a list of instances"):
        found = parse_json(_bytes(path), path)
        rows = found.get("instances") if isinstance(found, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) and "class" in row for row in rows):
            raise ValueError("instances are a list of objects with a class")
        classes: dict[str, Json] = dict(Counter(str(row["class"]) for row in rows))
    return {"kind": "instances", "instances": len(rows), "classes": classes}


def legend_facts(path: str) -> Facts:
    """The legend of a label picture, as `voxcli segment --legend` writes it: its classes by their numbers."""
    with parsing(path, "a legend"):
        rows = parse_json(bytes_within(path), path)
        if not isinstance(rows, list) or not all(isinstance(row, dict) and {"id", "class"} <= {*row} for row in rows):
            raise ValueError("a legend is a list of ids and classes")
        classes: dict[str, Json] = {str(row["id"]): row["class"] for row in rows}
    return {"kind": "legend", "classes": classes}


def sums_facts(path: str) -> Facts:
    """The sums of a part of a set, as `voxcli metrics --partial` writes them: how many pairs, by metric; `metrics merge` adds them up."""
    with parsing(path, "sums of metrics"):
        found = parse_json(bytes_within(path), path)
        rows = found.get("metrics") if isinstance(found, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) and {"metric", "samples"} <= {*row} for row in rows):
            raise ValueError("sums are a list of metrics and their samples")
        metrics: dict[str, Json] = {str(row["metric"]): {"pairs": row["samples"], "summary": row.get("rule")} for row in rows}
    return {"kind": "metric-sums", "metrics": metrics}


def _holds_questions(path: str) -> bool:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return any(name in file for name in ("questions", "labeled/questions", "unlabeled/questions"))
    except (OSError, RuntimeError):
        return False


def questions_facts(path: str) -> Facts:
    """A file of the 3D-IQ test task: its questions with and without answers, and the size of a picture."""
    from voxcli.datasets.iqtt import IQTTFile

    file = IQTTFile(path)
    some = file.labeled if len(file.labeled) else file.unlabeled
    size: list[Json] = list(some.pictures(0).shape[1:3]) if len(some) else []
    return {"kind": "questions", "labeled": len(file.labeled), "unlabeled": len(file.unlabeled), "size": size}


def vox_facts(path: str) -> Facts:
    """A MagicaVoxel file: the size of its first model and its filled cells."""
    claim(path, os.path.getsize(path), "holds")
    data = Path(path).read_bytes()
    size, cells = data.find(b"SIZE"), data.find(b"XYZI")
    if data[:4] != b"VOX " or size < 0 or cells < 0 or len(data) < max(size + 24, cells + 16):
        raise FileFormatError(f"{path} is no MagicaVoxel file.", expected="VOX with chunks SIZE and XYZI")
    (count,) = struct.unpack_from("<i", data, cells + 12)
    return {"kind": "magicavoxel", "size": list(struct.unpack_from("<3i", data, size + 12)), "cells": count}


def animation_facts(path: str) -> Facts:
    """A GIF or APNG: its size and frames."""
    from PIL import Image

    with parsing(path, "an animation"), Image.open(path) as file:
        return {"kind": "animation", "width": file.width, "height": file.height, "frames": getattr(file, "n_frames", 1)}


_BY_SUFFIX = {
    ".safetensors": weights_facts, ".jsonl": records_facts, ".vox": vox_facts, ".gif": animation_facts, ".apng": animation_facts,
}  # fmt: skip


def _lines(path: Path) -> list[Facts]:
    """The objects of a file of JSON lines."""
    return json_lines(bytes_within(path), str(path))


def json_lines(data: bytes, name: str) -> list[Facts]:
    """The objects of JSON lines; a last line that was cut off is left out. name: of the file, for errors."""
    found: list[Facts] = []
    with parsing(name, "JSON lines"):
        lines = data.decode("utf-8").splitlines()
        for k, line in enumerate(lines):
            try:
                row = parse_json(line, name)
            except FileFormatError:
                if k < len(lines) - 1:
                    raise
                break
            if not isinstance(row, dict):
                raise ValueError(f"line {k + 1} is no object")
            found.append(row)
    return found


def _number(value: Json) -> float:
    return float(value) if isinstance(value, (int, float)) else float("-inf")
