"""Scores as `voxcli metrics` prints them and `voxcli evaluate` keeps them, and the report of them."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voxcli.contents import look_at_stdin, read_stdin
from voxcli.errors import FileFormatError
from voxcli.files.guard import bytes_within, parse_json, parsing
from voxcli.ops.records_facts import RECORD_FORMATS, Facts, json_lines
from voxcli.provenance import Json

_CURVES = ("precision", "recall", "thresholds", "fscore")


@dataclass(frozen=True)
class Score:
    """The score of one pair. classes: by class. at: precision, recall and so on, each by threshold. inputs: SHA-256 by path."""

    name: str
    category: str
    value: float | None
    classes: Mapping[str, float] = field(default_factory=dict)
    at: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pred: str = ""
    gt: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """All scores of one measure by one method. axis: what the number is. higher: is better. folder: where its paths may begin. classes: in
    their order, those without a number, too."""

    measure: str
    method: str
    axis: str
    higher: bool
    folder: Path
    scores: tuple[Score, ...]
    classes: tuple[str, ...] = ()

    @property
    def values(self) -> list[float]:
        """The values that are defined."""
        return [score.value for score in self.scores if score.value is not None]


def format_of(path: str, format: str | None = None) -> str | None:
    """The format, of RECORD_FORMATS, of a file that holds records; None for one that holds something else, by its name and first bytes."""
    found = format or ("" if path == "-" else Path(path).suffix.lower().lstrip("."))
    if found not in RECORD_FORMATS or not (path == "-" or os.path.isfile(path)):
        return None
    if found != "json":
        return found
    if path == "-":
        return found if b'"metric"' in look_at_stdin()[:200] else None
    with open(path, "rb") as file:
        return found if b'"metric"' in file.read(200) else None


def sample_files(path: str) -> list[str]:
    """The files of samples of a folder of results, of one method or of several."""
    where = Path(path)
    folders = [where] if (where / "run.json").is_file() else sorted(each.parent for each in where.glob("*/run.json"))
    return [str(folder / "samples.jsonl") for folder in folders]


def read_records(path: str, format: str) -> list[Scores]:
    """The records of a file, by metric. Raises FileFormatError for a file of none."""
    name = "stdin" if path == "-" else path
    rows = at_best_thresholds([row for row in rows_of(path, format) if isinstance(row.get("metric"), str)])
    if rows and not (rows := [row for row in rows if row.get("pred") != "*"]):
        raise FileFormatError(f"{name} holds the summary of a set, and no pair of it.", expected="the records of its pairs, too",
                              hint=f"Its numbers: voxcli info {name}")  # fmt: skip
    if not rows:
        raise FileFormatError(f"{name} holds no metric records.", expected="what voxcli metrics prints as jsonl, json, csv or tsv")
    folder = Path(".") if path == "-" else Path(path).parent
    metrics = dict.fromkeys(str(row["metric"]) for row in rows)
    method = "stdin" if path == "-" else Path(path).stem
    return [_scores(metric, method, folder, [("", _category(row), row) for row in rows if row["metric"] == metric]) for metric in metrics]


def _category(row: Facts) -> str:
    """Of a record, where the command was told how to find it."""
    meta = row.get("meta")
    return str(meta.get("category") or "") if isinstance(meta, dict) else ""


def at_best_thresholds(rows: Sequence[Facts]) -> list[Facts]:
    """The records, and those of a set that is scored at its best threshold with their values at that: the summary alone knows it."""
    chosen: dict[Json, str] = {}
    for row in rows:
        params = row.get("params")
        if row.get("pred") == "*" and isinstance(params, dict) and params.get("value_at"):
            chosen[row["metric"]] = str(params["value_at"])
    return [_at_threshold(row, at) if (at := chosen.get(row["metric"])) is not None else row for row in rows]


def _at_threshold(row: Facts, at: str) -> Facts:
    parts, params = (each if isinstance(each := row.get(key), dict) else {} for key in ("parts", "params"))
    values = parts.get("thresholds")
    if not isinstance(values, dict) or at not in values:
        return row
    return {**row, "value": values[at], "params": {**params, "value_at": at}}


def rows_of(path: str, format: str) -> list[Facts]:
    """The records of a file, or the objects of JSON lines. Raises FileFormatError for a file that is none of its format."""
    data, name = read_stdin() if path == "-" else bytes_within(path), "stdin" if path == "-" else path
    if format == "jsonl":
        return json_lines(data, name)
    if format == "json":
        found = parse_json(data, name)
        return [row for row in (found if isinstance(found, list) else [found]) if isinstance(row, dict)]
    return [each for row in _table(data, name, "\t" if format == "tsv" else ",") for each in _records_of_row(row, name)]


def read_results(path: str) -> list[Scores]:
    """The samples of a folder of results, by method, variant and measure. Raises FileFormatError for a folder of none."""
    found: list[Scores] = []
    for file in sample_files(path):
        lines = json_lines(bytes_within(file), file)
        groups: dict[str, list[tuple[str, str, Facts]]] = {}
        for line in lines:
            records = line.get("records")
            for measure, record in (records if isinstance(records, dict) else {}).items():
                title = " ".join(dict.fromkeys(each for each in (str(line.get("variant") or ""), str(measure)) if each))
                if isinstance(record, dict):
                    groups.setdefault(title, []).append((str(line.get("name", "")), str(line.get("category") or ""), record))
        found += [_scores(title, Path(file).parent.name, Path("."), rows) for title, rows in groups.items()]
    if not found:
        raise FileFormatError(f"{path} holds no scored samples.", expected="a folder of voxcli evaluate")
    return found


def _scores(measure: str, method: str, folder: Path, rows: Sequence[tuple[str, str, Facts]]) -> Scores:
    """rows: name, category and record of each."""
    from voxcli.metrics.registry import METRICS

    first = rows[0][2]
    params = first.get("params")
    params = params if isinstance(params, dict) else {}
    metric = METRICS.get(str(first.get("metric")))
    preset, at = params.get("preset"), params.get("value_at")
    axis = f"{first.get('metric')}{f' at {at}' if at else ''}{f', preset {preset}' if preset else ''}"
    names = [name or str(record.get("pred") or record.get("gt") or k + 1) for k, (name, _, record) in enumerate(rows)]
    names = _shortened(names)
    parents = [os.path.dirname(name) for name in names]
    several = len(set(parents)) > 1 and len(set(parents)) < len(parents)
    scores = [
        _score(name, category or (parent if several else ""), record)
        for name, parent, (_, category, record) in zip(names, parents, rows, strict=True)
    ]
    title = f"{measure} ({preset})" if preset and measure == first.get("metric") else measure
    parts = first.get("parts")
    classes = parts.get("classes") if isinstance(parts, dict) else None
    named = tuple(map(str, classes)) if isinstance(classes, dict) else ()
    return Scores(title, method, axis, metric is None or metric.better == "higher", folder, tuple(scores), named)


def _score(name: str, category: str, record: Facts) -> Score:
    parts, meta = (each if isinstance(each := record.get(key), dict) else {} for key in ("parts", "meta"))
    inputs = meta.get("inputs")
    inputs = {str(path): str(digest) for path, digest in inputs.items()} if isinstance(inputs, dict) else {}
    at = {key: numbers for key in _CURVES if (numbers := _numbers(parts.get(key)))}
    pred, gt = (str(record.get(key) or "") for key in ("pred", "gt"))
    return Score(name, category, as_number(record.get("value")), _numbers(parts.get("classes")), at, pred, gt, inputs)


def as_number(value: Json) -> float | None:
    """A finite number, else None.

    >>> as_number(3), as_number(True), as_number("3"), as_number(10**400)
    (3.0, None, None, None)
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond all floats
        return None


def _numbers(values: Json) -> dict[str, float]:
    pairs = values.items() if isinstance(values, dict) else ()
    return {str(key): number for key, value in pairs if (number := as_number(value)) is not None}


def _shortened(names: Sequence[str]) -> list[str]:
    """Names without what all paths begin with, and without suffixes; as they are where that makes two alike."""
    shared = os.path.dirname(os.path.commonprefix(list(names))) if len(names) > 1 else ""
    short = [os.path.splitext(name[len(shared) :].lstrip("/"))[0] or name for name in names]
    return short if len(set(short)) == len(short) else list(names)


# -- tables ---------------------------------------------------------------------------------------------------------------------------


def _table(data: bytes, name: str, delimiter: str) -> list[dict[str, str]]:
    with parsing(name, "a table of records"):
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8")), delimiter=delimiter, strict=True))
        if rows and not {"name", "metric", "pred", "gt"} <= {*rows[0]}:
            raise ValueError(f"its columns are {', '.join(str(key) for key in rows[0])[:200]}")
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("its rows differ in length")
    return rows


def _records_of_row(row: Mapping[str, str], name: str) -> Iterator[Facts]:
    """The records of a row: of several metrics, each column but the value has its metric's name before it."""
    stated = parse_json(row.get("params") or "{}", name)
    metrics = row["metric"].split(" ")
    inputs: dict[str, Json] = {row[key]: row[f"{key}_sha256"] for key in ("pred", "gt") if row.get(f"{key}_sha256")}
    for metric in metrics:
        params = stated.get(metric) if isinstance(stated, dict) and len(metrics) > 1 else stated
        params = params if isinstance(params, dict) else {}
        prefix = f"{metric}." if len(metrics) > 1 else ""
        own = {key[len(prefix) :]: _cell(text) for key, text in row.items() if key.startswith(prefix)}
        classes, thresholds = (each if isinstance(each := params.get(key), list) else [] for key in ("classes", "thresholds"))
        parts: dict[str, Json] = {"classes": {str(key): own.get(str(key)) for key in classes}}
        parts["thresholds"] = {str(key): own.get(str(key)) for key in thresholds}
        for key in ("precision", "recall", "fscore"):
            parts[key] = {each.partition(".")[2]: value for each, value in own.items() if each.startswith(f"{key}.")}
        yield {"metric": metric, "value": _cell(row.get(metric, "")), "pred": row["pred"], "gt": row["gt"], "parts": parts,
               "params": params, "meta": {"inputs": inputs, "category": row.get("category") or None}}  # fmt: skip


def _cell(text: str) -> float | None:
    try:
        return as_number(float(text))
    except ValueError:
        return None
