"""What scripts of users rest on: commands, their options, and the JSON keys of what they write.

inventory.txt holds the list. A wanted change of it is written by:

    python tests/cli/inventory.py
"""

import io
import json
import os
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
from example_files import FILES, box_mesh

from voxcli import files
from voxcli.cli import app
from voxcli.scene import PointCloud, Surfels

COMMITTED = Path(__file__).resolve().parent / "inventory.txt"

RECIPE = """
network: {width: 32, height: 32, depth: 16, encoder: [4, 4, 4], encoder_blocks: [0, 0, 0], decoder: [4, 4, 4], decoder_blocks: [0, 0, 0]}
validation: {every: 2, samples: 2, pictures: 0}
log_every: 1
stages:
  - {name: only, steps: 2, batch: 1, scales: {full: 1}, losses: {likelihood: 1, dice: 1}, optimiser: {rate: 1e-3}}
"""

POSE = "camera: {position: [0, 1, 3], look_at: [0, 0, 0], width: 8, height: 8, fov_x_deg: 60}\n"

OBJECTS = '{"objects": [{"class": "car", "translation": [0, 0, 9], "rotation_wxyz": [1, 0, 0, 0], "size": [2, 1, 4]}]}'

MADE = {
    "points.ply": lambda path: files.write(path, PointCloud(box_mesh().vertices)),
    "other.ply": lambda path: files.write(path, PointCloud(box_mesh((2, 2, 4)).vertices)),
    "surfels.npz": lambda path: files.write(path, Surfels(np.ones((2, 4)), np.zeros((2, 4, 3)), np.zeros((2, 4, 3)), _camera())),
    "objects.json": lambda path: path.write_text(OBJECTS),
    "pose.yaml": lambda path: path.write_text(POSE),
    "boxes/car/a.obj": lambda path: files.write(path, box_mesh()),
    "truth/car/a.obj": lambda path: files.write(path, box_mesh((1.8, 1.5, 4))),
    "boxes/car/b.obj": lambda path: files.write(path, box_mesh((1, 1, 1))),
    "truth/bus/c.obj": lambda path: files.write(path, box_mesh((1, 1, 2))),
    "boxes/bus/c.obj": lambda path: files.write(path, box_mesh((1, 1, 1))),
    "labelled/car/a.npz": FILES["scene.npz"],
    "guessed/car/a.npz": FILES["pred.npz"],
    "labelled/bus/b.npz": FILES["scene.npz"],
    "guessed/bus/b.npz": FILES["scene.npz"],
    "recipe.yaml": lambda path: path.write_text(RECIPE),
    **FILES,
}
"""File -> what writes it."""

ONE_PAIR = {"iou": "pred.npz scene.npz", "depth": "depth.npy depth.npy", "pose": "pose.yaml pose.yaml", "iqtt": "answers.txt iqtt.h5"}
"""Metric -> prediction and truth, where these are no clouds of points."""

INFO = (
    "scene.npz", "coarse/front.npz", "car.obj", "points.ply", "depth.npy", "surfels.npz", "street.png", "camera.yaml", "transforms.json",
    "scene.yaml",
)  # fmt: skip
WEIGHTS = ("best", "object", "jof", "bae", "rooms", "uclid")

SECTIONS = {
    **{f"info {name}": "info" for name in INFO},
    **{f"weights info {name}.safetensors": "info" for name in WEIGHTS},
    "weights list --format json": "info",
    **{f"metrics {name} {ONE_PAIR.get(name, 'points.ply other.ply')} --format jsonl": "records"
       for name in ("iou", "chamfer", "fscore", "hausdorff", "normals", "emd", "all", "depth", "pose", "iqtt")},
    "metrics iou guessed labelled --category-from parent --format jsonl": "records",
    "metrics chamfer boxes truth --category-from parent --points 100 --format jsonl": "records",
    "metrics pose transforms.json transforms.json --align none --format jsonl": "records",
    "metrics pose objects.json objects.json --format jsonl": "records",
    "metrics iou scene.npz scene.npz --detail --format jsonl": "records",
    "metrics presets --format json": "info",
    "fruxelize scene.yaml -o out.npz": "meta",
    "predict street.png --weights best.safetensors -o out.npz": "meta",
    "predict street.png -m rays -o out.npz": "meta",
    "predict chair.png --weights object.safetensors -o out.npz": "meta",
    "predict chair.png --weights jof.safetensors -o out.npz": "meta",
    "predict chair.png --weights uclid.safetensors -o out.npz": "meta",
    "predict chair.png --weights rooms.safetensors -o out.npz": "meta",
    "segment scene.npz -o out.json": "out",
    "train --data scenes --recipe recipe.yaml -o run": "log",
}  # fmt: skip
"""Command line -> where its JSON is: on stdout, in the meta of the file, in the log of the run."""


def _camera():
    from voxcli.scene import Camera

    return Camera(np.array([[4.0, 0, 2], [0, 4.0, 1], [0, 0, 1]]), 4, 2)


# -- commands and options ---------------------------------------------------------------------------------------------------------


def command_lines(entry):
    """One line for each input and option, in alphabetical order: name, type, default; none is said where it is none, or off."""
    command = app.build_command(entry)
    inputs = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    flags = sorted((parameter for parameter in command.params if parameter.param_type_name == "option"), key=lambda p: p.opts[0])
    return [_parameter(parameter) for parameter in [*inputs, *flags]]


def _parameter(parameter):
    flags = "/".join([" ".join(parameter.opts), *parameter.secondary_opts])
    names = flags if parameter.param_type_name == "option" else parameter.metavar
    count = "several " if getattr(parameter, "multiple", False) or parameter.nargs == -1 else ""
    one_way = type(parameter.type).__name__.startswith("Bool") and not parameter.secondary_opts
    default = "off" if one_way and not parameter.default else _plain(parameter.default)
    need = ", required" if parameter.required else "" if default in ("none", "off") else f", default {default}"
    return f"{names}: {count}{_type(parameter.type)}{need}"


def _type(kind):
    name = type(kind).__name__
    if hasattr(kind, "choices"):
        return "|".join(_plain(choice) for choice in kind.choices)
    if name.endswith("Tuple"):
        return " ".join(_type(each) for each in kind.types)
    words = {"String": "text", "Int": "integer", "Float": "number", "Bool": "switch"}
    (word,) = [word for begin, word in words.items() if name.startswith(begin)]
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    return word + (f" {'' if low is None else low}..{'' if high is None else high}" if "Range" in name else "")


def _plain(value):
    return "none" if value is None or value == () else str(getattr(value, "value", value))


# -- keys of JSON -----------------------------------------------------------------------------------------------------------------


def key_lines(value):
    """Each path of keys with the types found there; entries of a list are one."""
    found = {}
    _collect(value, "", found)
    return [f"{path or '.'}: {' or '.join(sorted(kinds))}" for path, kinds in sorted(found.items())]


def _collect(value, path, found):
    if isinstance(value, dict) and value:
        for key, each in value.items():
            _collect(each, f"{path}.{key}" if path else key, found)
    elif isinstance(value, list) and value:
        for each in value:
            _collect(each, f"{path}[]", found)
    else:
        kinds = {bool: "truth", int: "number", float: "number", str: "text", list: "empty list", dict: "empty object", type(None): "null"}
        found.setdefault(path, set()).add(kinds[type(value)])


def output_lines(line, run, folder):
    """The keys of the JSON that a command line of SECTIONS writes.

    Args:
        run: runs the words of a command line in `folder`; its stdout.
    """
    for word in line.split():
        for name in MADE:
            if name == word or name.startswith(f"{word}/"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                if not (folder / name).exists():
                    MADE[name](folder / name)
    if SECTIONS[line] == "log":
        return _log_lines(line, run, folder)
    text = run(*line.split())
    if SECTIONS[line] == "records":
        lines = []
        for number, record in enumerate(map(json.loads, text.splitlines())):
            lines += [f"record {number}: {each}" for each in key_lines(record)]
        return lines
    if SECTIONS[line] == "meta":
        with np.load(folder / "out.npz") as archive:
            return [f"({', '.join(sorted(archive))})", *key_lines(json.loads(str(archive["meta"])))]
    return key_lines(json.loads((folder / "out.json").read_text() if SECTIONS[line] == "out" else text))


def _log_lines(line, run, folder):
    """The events of a training that is begun, and continued with more steps. Without types: a score may be null by chance."""
    run("synth", "street", "-o", "scenes", "--count", "6", "--size", "32", "32", "--depth", "16")
    run(*line.split())
    (folder / "recipe.yaml").write_text(RECIPE.replace("steps: 2", "steps: 4"))
    run(*line.split())
    events = {}
    for record in map(json.loads, (folder / "run" / "log.jsonl").read_text().splitlines()):
        events.setdefault(record["event"], set()).update(line.partition(":")[0] for line in key_lines(record))
    return [f"{event}: {each}" for event, lines in sorted(events.items()) for each in sorted(lines)]


# -- the file ---------------------------------------------------------------------------------------------------------------------


EVERY, RECORDS = "every command", "JSON of every record"
"""The sections of what all commands have, and of what all records of metrics have."""


def read_committed():
    """Title of a section -> its lines, without those of EVERY and RECORDS."""
    sections = {}
    for line in COMMITTED.read_text().splitlines():
        if line.startswith("# "):
            lines = sections.setdefault(line[2:], [])
        elif line:
            lines.append(line)
    return sections


def _run_in(folder):
    def run(*words):
        before = os.getcwd()
        os.chdir(folder)
        try:
            with redirect_stdout(io.TextIOWrapper(io.BytesIO())) as stdout:
                if app.run(words):
                    raise SystemExit(f"failed: voxcli {' '.join(words)}")
                stdout.flush()
                return stdout.buffer.getvalue().decode()
        finally:
            os.chdir(before)

    return run


def _without_shared(title, sections):
    """Sections, before them one of the lines that all of them have."""
    shared = [line for line in next(iter(sections.values())) if all(line in lines for lines in sections.values())]
    return {title: shared} | {name: [line for line in lines if line not in shared] for name, lines in sections.items()}


def main():
    """Write inventory.txt."""
    sections = {f"voxcli {entry.words}": command_lines(entry) for entry in app.COMMANDS}
    made = {}
    for line in SECTIONS:
        with tempfile.TemporaryDirectory() as folder:
            made[f"JSON of: voxcli {line}"] = output_lines(line, _run_in(folder), Path(folder))
    records = {
        title: made.pop(title) for title in [title for title in made if SECTIONS[title.removeprefix("JSON of: voxcli ")] == "records"]
    }
    sections = _without_shared(EVERY, sections) | _without_shared(RECORDS, records) | made
    COMMITTED.write_text("\n\n".join("\n".join([f"# {title}", *lines]) for title, lines in sections.items()) + "\n")


if __name__ == "__main__":
    main()
