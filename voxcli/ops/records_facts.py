"""What `voxcli info` says of things that are no scenes: trainings, evaluations, weights, records, instances, questions, .vox, .gif."""

from __future__ import annotations

import os
import re
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli import remote, shards
from voxcli.errors import FileFormatError
from voxcli.files.guard import bytes_within, claim, parse_json, parsing

if TYPE_CHECKING:
    from voxcli.provenance import Json

Facts = dict[str, "Json"]


def finder(path: str) -> Callable[[str], Facts] | None:
    """What tells the facts of a file or folder of ours; None for any other. Files are told by their names and first bytes."""
    where = Path(path)
    if os.path.isdir(path):
        names = {"log.jsonl": training_facts, "run.json": evaluation_facts}
        own = next((facts for name, facts in names.items() if (where / name).is_file()), None)
        return own or (evaluations_facts if any(where.glob("*/run.json")) else None)
    suffix = where.suffix.lower()
    if suffix in (".h5", ".hdf5") and os.path.isfile(path):
        return questions_facts if _holds_questions(path) else None
    if suffix == ".json" and (os.path.isfile(path) or shards.is_member(path)):
        start = _bytes(path, 200)
        return poses_facts if re.match(rb'\{\s*"camera": \{\s*"K"', start) else instances_facts if b'"instances"' in start else None
    return _BY_SUFFIX.get(suffix)


def training_facts(path: str) -> Facts:
    """A run folder: its last step, stage, loss and validation, and the best one."""
    rows = _lines(Path(path) / "log.jsonl")
    steps, checks = ([row for row in rows if row.get("event") == event] for event in ("step", "validation"))
    best = max(checks, key=lambda row: _number(row.get("score")), default={})
    last = steps[-1] if steps else {}
    files = sorted(name for name in os.listdir(path) if name.endswith((".pt", ".safetensors")))
    return {
        "kind": "training", "step": last.get("step"), "stage": last.get("stage"), "of": last.get("of"), "loss": last.get("loss"),
        "validation": {key: best.get(key) for key in ("step", "score", "mean_iou") if key in best} or None, "validations": len(checks),
        "samples": next((row.get("samples") for row in rows if "samples" in row), None), "files": files,
    }  # fmt: skip


def evaluation_facts(path: str) -> Facts:
    """A method's folder of `voxcli evaluate`: its protocol, samples and values."""
    with parsing(path, "a folder of results"):
        run = parse_json((Path(path) / "run.json").read_bytes(), path)
        if not isinstance(run, dict):
            raise ValueError("run.json is no object")
    rows = _lines(Path(path) / "samples.jsonl")
    summary = _lines(Path(path) / "summary.jsonl") if (Path(path) / "summary.jsonl").is_file() else []
    values: dict[str, Json] = {f"{row.get('variant')} {row.get('measure')}".strip(): row.get("value") for row in summary}
    return {
        "kind": "evaluation", "protocol": run.get("protocol"), "model": run.get("model"), "predictions": run.get("predictions"),
        "samples": len(rows), "scored": sum(bool(row.get("records")) for row in rows), "values": values,
    }  # fmt: skip


def evaluations_facts(path: str) -> Facts:
    """A folder of results: every method that it holds."""
    folders = sorted(each.parent for each in Path(path).glob("*/run.json"))
    return {"kind": "evaluations", "methods": {each.name: evaluation_facts(str(each)) for each in folders}}


def weights_facts(path: str) -> Facts:
    """A weights file: its model, numbers, and what it was trained on; `voxcli weights info` says more."""
    from voxcli.models.weights import load_weights

    weights = load_weights(path)
    return {"kind": "weights", "model": weights.model, "numbers": sum(t.numel() for t in weights.tensors.values()), **weights.facts}


def records_facts(path: str) -> Facts:
    """Lines of JSON: how many there are, and of metric records the mean by metric."""
    from voxcli.metrics.records import mean

    rows = _lines(Path(path))
    metrics: dict[str, list[float | None]] = {}
    for row in rows:
        if isinstance(row.get("metric"), str) and row.get("pred") != "*":
            value = row.get("value")
            metrics.setdefault(str(row["metric"]), []).append(float(value) if isinstance(value, (int, float)) else None)
    means: dict[str, Json] = {name: {"pairs": len(values), "mean": mean(values)} for name, values in metrics.items()}
    return {"kind": "metric-records" if means else "records", "lines": len(rows), **({"metrics": means} if means else {})}


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
