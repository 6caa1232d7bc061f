"""What a run does when something goes wrong: kills, full disks, unwritable folders, losses that are not finite."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from refusals import refused

from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.training import checkpoints, train
from voxcli.training.journal import Journal
from voxcli.training.run_lock import locked

RECIPE = """
network:
  {preset: small, width: 32, height: 32, depth: 16, encoder: [4, 4, 8], encoder_blocks: [1, 1, 1],
   decoder: [4, 4, 4], decoder_blocks: [0, 0, 0], normalised_levels: 1}
augmentation: {flip: true, brightness: 0.2, noise: 0.01}
validation: {every: 3, samples: 1, pictures: 1}
checkpoint_every: 2
average: 0.9
stages:
  - {name: half, steps: STEPS, batch: 1, scales: {half: 1}, losses: {likelihood: 1}, optimiser: {rate: 1e-3}}
"""

TRAIN = """
import sys
from voxcli.training import train
train("ssz", [sys.argv[1]], sys.argv[2], sys.argv[3])
"""

STEPS, KILLS = 18, 4


def write_recipe(folder, steps, batch=1):
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.replace("STEPS", str(steps)).replace("batch: 1", f"batch: {batch}"))
    return path


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_killed_again_and_again_ends_with_the_same_bits(street, forge, tmp_path, processes):
    recipe, whole, cut = write_recipe(tmp_path, STEPS, batch=processes), tmp_path / "whole", tmp_path / "cut"
    [(_, seconds), *_] = forge.succeed(TRAIN, street, whole, recipe, count=processes)
    rng, killed = random.Random(seconds), 0
    for _ in range(KILLS // processes):
        ended = forge.run(TRAIN, street, cut, recipe, count=processes, kill_after=rng.uniform(0.15, 0.6) * seconds)
        killed += any(status == signal.SIGKILL for status, _ in ended)
        if not any(status for status, _ in ended):
            break
    assert killed
    forge.succeed(TRAIN, street, cut, recipe, count=processes)
    assert (whole / "weights.safetensors").read_bytes() == (cut / "weights.safetensors").read_bytes()
    states = [checkpoints.load_checkpoint(run / "last.pt") for run in (whole, cut)]
    assert states[0]["position"] == states[1]["position"] and torch.equal(states[0]["random"]["torch"], states[1]["random"]["torch"])
    records = [json.loads(line) for line in (cut / "log.jsonl").read_text().splitlines()]
    validated = [r["step"] for r in records if r["event"] == "validation"]
    assert validated == [*range(3, STEPS + 1, 3)]  # one consistent log, whatever was done twice
    assert not list(cut.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_save_and_exit_with_130(street, tmp_path, number):
    recipe = write_recipe(tmp_path, 100_000)
    command = [sys.executable, "-m", "voxcli", "train", "--data", street, "-o", tmp_path / "run", "--recipe", recipe, "--device", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    while not (tmp_path / "run/last.pt").is_file():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(timeout=60) == 130
    assert b"the same command goes on" in process.stderr.read()
    assert json.loads((tmp_path / "run/log.jsonl").read_text().splitlines()[-1])["event"] == "interrupted"


def test_a_loss_that_is_not_finite_names_step_samples_and_the_last_good_checkpoint(street, tmp_path, monkeypatch):
    from voxcli.models.ssz import stages

    original, calls = stages.TASK.steps["generator"], []

    def spoilt(*args, **settings):
        calls.append(1)
        return {name: term * (float("nan") if len(calls) == 4 else 1) for name, term in original(*args, **settings).items()}

    monkeypatch.setitem(stages.TASK.steps, "generator", spoilt)
    with refused(DataError, "nan", "step 3", actual="the batch street/000007") as caught:
        train("ssz", [street], tmp_path / "run", write_recipe(tmp_path, 5))
    assert "street/00000" in str(caught.value.actual)
    assert "last.pt' of step 2" in caught.value.hint
    kept = checkpoints.load_checkpoint(tmp_path / "run/last.pt")
    assert kept["step"] == 2 and all(bool(torch.isfinite(t).all()) for t in kept["network"].values())


def test_a_full_disk_is_one_error_and_keeps_the_checkpoints(tmp_path, monkeypatch):
    last = tmp_path / "last.pt"
    for step in (1, 2):
        checkpoints.save_checkpoint(last, {"step": step})

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with refused(UsageError, "last.pt") as caught:
        checkpoints.save_checkpoint(last, {"step": 3})
    assert "No space left" in str(caught.value.actual)
    monkeypatch.undo()
    assert checkpoints.load_checkpoint(last)["step"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["before.pt", "last.pt"]


def test_a_disk_that_fills_up_during_a_run_is_one_error_and_the_run_goes_on_later(street, tmp_path, monkeypatch):
    recipe, whole, cut = write_recipe(tmp_path, 6), tmp_path / "whole", tmp_path / "cut"
    train("ssz", [street], whole, recipe)
    original, save = os.fsync, checkpoints.save_checkpoint

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def save_until_full(path, state):
        if state["step"] == 4:
            monkeypatch.setattr(os, "fsync", full)
        save(path, state)

    monkeypatch.setattr(checkpoints, "save_checkpoint", save_until_full)
    with refused(UsageError, "last.pt"):
        train("ssz", [street], cut, recipe)
    monkeypatch.setattr(os, "fsync", original)
    monkeypatch.setattr(checkpoints, "save_checkpoint", save)
    assert checkpoints.newest_checkpoint(cut)["step"] == 2
    train("ssz", [street], cut, recipe)
    assert (whole / "weights.safetensors").read_bytes() == (cut / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("change", ["constants", "random", "random.numpy", "network"])
def test_a_checkpoint_of_an_older_layout_is_one_error_that_says_what_to_do(street, tmp_path, change):
    recipe, run = write_recipe(tmp_path, 1), tmp_path / "run"
    train("ssz", [street], run, recipe)
    for name in ("last.pt", "best.pt"):
        state = checkpoints.load_checkpoint(run / name)
        if change == "network":
            state["network"]["former.name"] = state["network"].pop(next(iter(state["network"])))
        elif change == "random.numpy":
            del state["random"]["numpy"]
        else:
            del state[change]
        torch.save(state, run / name)
    with refused(FileFormatError, "another version") as caught:
        train("ssz", [street], run, write_recipe(tmp_path, 2))
    assert ("former.name" if change == "network" else change) in str(caught.value.actual)
    assert "start afresh in another folder" in caught.value.hint


def test_the_checkpoint_before_is_kept_without_hard_links(tmp_path, monkeypatch):
    from pathlib import Path

    def refused(self, target):
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    for step in (1, 2, 3):
        checkpoints.save_checkpoint(tmp_path / "last.pt", {"step": step})
    assert [checkpoints.load_checkpoint(tmp_path / name)["step"] for name in ("before.pt", "last.pt")] == [2, 3]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_hold_a_run_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with refused(UsageError, "run", actual="Not a directory"):
        checkpoints.prepare_folder(tmp_path / "file" / "run")


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / ".last.pt.123.part").write_bytes(b"half")
    checkpoints.prepare_folder(tmp_path)
    checkpoints.clear_folder(tmp_path)
    assert not list(tmp_path.iterdir())


HOLD = """
import sys
from pathlib import Path
from voxcli.training.run_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_two_trainings_do_not_share_a_folder_and_a_dead_one_holds_none(tmp_path, street, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".last.pt.1.part").write_bytes(b"the holder writes it")
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("STEPS", "1"))
    with refused(UsageError, str(holder.pid)):
        train("ssz", [street], run, str(tmp_path / "recipe.yaml"))
    assert sorted(path.name for path in run.iterdir()) == [".last.pt.1.part", ".lock"]
    with monkeypatch.context() as patch:
        patch.setenv("RANK", "1")  # of one training, other processes share what the first holds
        with locked(run):
            pass
    holder.kill()
    holder.communicate()
    assert (run / ".lock").exists()
    with locked(run):
        assert (run / ".lock").read_text() == f"{os.getpid()}\n"
    assert [path.name for path in run.iterdir()] == [".last.pt.1.part"]


def test_a_resumed_log_holds_every_step_once(tmp_path):
    journal = Journal(tmp_path, True, None)
    for record in ({"event": "start"}, {"event": "step", "step": 1}, {"event": "step", "step": 2}, {"event": "interrupted", "step": 1}):
        journal.write(record)
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"event": "st')
    journal.resume(1)
    journal.write({"event": "step", "step": 2})
    journal.close()
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(r["event"], r.get("step")) for r in records] == [("start", None), ("step", 1), ("step", 2)]


def test_a_log_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "log.jsonl").mkdir()
    with refused(UsageError, "log.jsonl", actual="Is a directory"):
        Journal(tmp_path, True, None).write({"event": "start"})
