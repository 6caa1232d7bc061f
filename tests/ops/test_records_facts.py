"""Facts of what is no scene: trainings, records, instances, questions, weights and pictures of voxels."""

import json

import numpy as np
import pytest
from refusals import refused

from voxcli import files
from voxcli.errors import FileFormatError
from voxcli.ops.records_facts import finder
from voxcli.scene import Labels, VoxelGrid


def facts(path):
    return finder(str(path))(str(path))


def test_a_training_is_its_last_step_and_its_best_validation(tmp_path):
    rows = [{"event": "start", "samples": 24}, {"event": "step", "step": 5, "stage": "a", "of": 20, "loss": 0.5},
            {"event": "validation", "step": 5, "score": 0.4}, {"event": "validation", "step": 10, "score": 0.3},
            {"event": "step", "step": 12, "stage": "b", "of": 20, "loss": 0.25}]  # fmt: skip
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"event": "st')
    (tmp_path / "best.safetensors").touch()
    found = facts(tmp_path)
    assert found == {"kind": "training", "step": 12, "stage": "b", "of": 20, "loss": 0.25, "validation": {"step": 5, "score": 0.4},
                     "validations": 2, "samples": 24, "files": ["best.safetensors"]}  # fmt: skip


def test_metric_records_are_counted_with_their_means(tmp_path):
    rows = [{"metric": "iou", "value": 0.5, "pred": "a"}, {"metric": "iou", "value": 1.0, "pred": "b"}]
    rows += [{"metric": "iou", "value": 9, "pred": "*"}, {"metric": "chamfer", "value": None, "pred": "a"}]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert facts(tmp_path / "r.jsonl")["metrics"] == {"iou": {"pairs": 2, "mean": 0.75}, "chamfer": {"pairs": 1, "mean": None}}


def test_instances_are_counted_by_class(tmp_path):
    (tmp_path / "i.json").write_text(json.dumps({"instances": [{"class": "car"}, {"class": "car"}, {"class": "tree"}], "meta": {}}))
    assert facts(tmp_path / "i.json") == {"kind": "instances", "instances": 3, "classes": {"car": 2, "tree": 1}}


def test_a_vox_file_has_its_size_and_cells(tmp_path):
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 2, 3:5] = 1
    files.write(tmp_path / "a.vox", VoxelGrid(labels=labels, classes=Labels(("air", "car"))))
    assert facts(tmp_path / "a.vox") == {"kind": "magicavoxel", "size": [4, 6, 5], "cells": 2}  # z up in the file


def test_questions_are_counted(tmp_path):
    import h5py

    with h5py.File(tmp_path / "q.h5", "w") as file:
        file["labeled/questions"] = np.zeros((2, 4, 8, 9, 3), np.uint8)
        file["labeled/answers"] = np.array([0, 2])
        file["unlabeled/questions"] = np.zeros((3, 4, 8, 9, 3), np.uint8)
    assert facts(tmp_path / "q.h5") == {"kind": "questions", "labeled": 2, "unlabeled": 3, "size": [8, 9]}


@pytest.mark.parametrize(("name", "content"), [
    ("a.jsonl", b'{"a": 1}\n[1]\n'), ("a.jsonl", b"\xff\xfe\n{}\n"), ("a.vox", b"VOX nothing"), ("a.gif", b"GIF89a"),
    ("a.safetensors", b"{}"), ("a.json", b'{"instances": [1]}'), ("a.json", b'{"instances": {"a": NaN}}'),
])  # fmt: skip
def test_damaged_files_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with refused(FileFormatError, name):
        facts(tmp_path / name)


def test_a_folder_of_results_is_every_method_in_it(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text('{"protocol": "onet", "model": "jof"}')
        (tmp_path / name / "samples.jsonl").write_text('{"records": {"x": 1}}\n{"records": {}}\n')
    found = facts(tmp_path)
    assert found["kind"] == "evaluations" and list(found["methods"]) == ["a", "b"]
    assert (found["methods"]["a"]["samples"], found["methods"]["a"]["scored"]) == (2, 1)


def test_other_files_are_not_of_ours(tmp_path):
    (tmp_path / "transforms.json").write_text('{"frames": []}')
    for path in (tmp_path, tmp_path / "transforms.json", tmp_path / "absent.h5", tmp_path / "scene.npz"):
        assert finder(str(path)) is None
