"""A command that is killed leaves whole files or none, and the same command afterwards completes them to the same bytes."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from example_files import FILES, box_mesh, picture, view_from
from processes import environment

from voxcli import files
from voxcli.cli.framework import batch, interrupts

LINES = {
    "fruxelize": ("fruxelize", "in", "-o", "out", "--size", "64", "64", "--depth", "64", "--skip-existing"),
    "predict": ("predict", "in", "-o", "out", "--weights", "best.safetensors", "--skip-existing"),
    "synth": ("synth", "street", "-o", "out", "--count", "20", "--size", "32", "32", "--depth", "16", "--seed", "5"),
    "synth by workers": ("synth", "street", "-o", "out", "--count", "20", "--size", "32", "32", "--depth", "16", "--workers", "2"),
    "train": ("train", "-m", "ssz", "--data", "street", "--recipe", "recipe.yaml", "-o", "out"),
    "fuse-views": ("fuse-views", "in", "-o", "out/fused.npz", "--resolution", "96", "--skip-existing"),
}
RECIPE = """
network: {preset: small, width: 32, height: 32, depth: 16, encoder: [4, 4, 8], encoder_blocks: [0, 0, 0], decoder: [4, 4, 4],
          decoder_blocks: [0, 0, 0], normalised_levels: 2}
average: 0.9
augmentation: {flip: true, brightness: 0.2, noise: 0.01}
validation: {every: 4, samples: 2}
checkpoint_every: 1
log_every: 1
stages:
  - {name: half, steps: 4, batch: 2, scales: {half: 1}, losses: {likelihood: 1, dice: 1}, optimiser: {rate: 1e-3, warmup: 2}}
  - {name: full, steps: 8, batch: 2, scales: {full: 1, half: 0.3}, losses: {likelihood: 1}, optimiser: {rate: 1e-3, schedule: cosine}}
"""


def inputs(folder, name):
    """Enough work for a signal to come in the midst of it."""
    if name == "predict":
        FILES["best.safetensors"](folder / "best.safetensors")
        for i in range(120):
            files.write(folder / f"in/{i:03d}.png", picture())
    elif name == "fruxelize":
        for i in range(40):
            files.write(folder / f"in/{i:03d}.obj", box_mesh((1.0 + i / 40, 1.5, 2.0)))
    elif name == "fuse-views":
        for side in (-1, 0, 1):
            files.write(folder / f"in/{side + 1}.npz", view_from(side))
    elif name == "train":
        (folder / "recipe.yaml").write_text(RECIPE)


def names(folder):
    """Every file under its final name."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if not path.name.startswith("."))


def outputs(folder):
    """Every file under its final name, with what it holds."""
    return {name: (folder / name).read_bytes() for name in names(folder)}


def start(command, folder):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=environment())


def listens(process):
    """Whether a process catches SIGTERM: our own code runs in it."""
    caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def wait_for(process, condition, pause=0.05):
    """Until the condition holds or the process has ended."""
    deadline = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(pause)


def seconds_of(command, folder):
    """How long a command takes from the moment on that our own code runs in it."""
    process = start(command, folder)
    wait_for(process, lambda: listens(process), 0.002)
    began = time.monotonic()
    assert process.communicate()[0] == b"" and process.returncode == 0
    return time.monotonic() - began


def kill(command, folder, number, moment):
    """Start a command and send it a signal; its exit code and words.

    moment: (what is waited for, seconds after it): a new file in the folder, anything new in it (a file that is being written has another
    name), or that our code runs.
    """
    before, entries = names(folder), set(os.listdir(folder))
    process = start(command, folder.parent)
    event, delay = moment
    if event == "file":
        wait_for(process, lambda: names(folder) != before)
    else:
        wait_for(process, lambda: listens(process), 0.002)
    if event == "anything":
        wait_for(process, lambda: not set(os.listdir(folder)) <= entries, 0.0005)
    time.sleep(delay)
    process.send_signal(number)
    text, errors = process.communicate(timeout=60)
    return process.returncode, text.decode(), errors.decode()


def moments(command, folder, name, count):
    """When each of the kills comes."""
    rng = random.Random(count)
    if name not in ("train", "fuse-views"):
        return [("file", rng.uniform(0, 0.15)) for _ in range(count)]
    seconds = seconds_of(command, folder)
    soon = 0.004 if name == "fuse-views" else seconds / 2
    return [("anything", rng.uniform(0, soon)) if k % 2 else ("start", rng.uniform(0, seconds)) for k in range(count)]


def finishes(voxcli, folder, line):
    """A training that was stopped ends, in a copy of its folder, with the bits of one that was not, and logs every step once."""
    shutil.rmtree(folder / "copy", ignore_errors=True)
    shutil.copytree(folder / "out", folder / "copy")
    assert voxcli(*("copy" if word == "out" else word for word in line))[0] == 0
    ended, whole = outputs(folder / "copy"), outputs(folder / "whole")
    assert ended.keys() == whole.keys()
    assert all(content == whole[each] for each, content in ended.items() if each.endswith((".safetensors", ".png")))
    events = [json.loads(each) for each in ended["log.jsonl"].splitlines()]
    assert [each["step"] for each in events if each["event"] == "step"] == list(range(1, 13))


def holds_up(voxcli, command, folder, name, signals):
    """Stop a command by each of the signals in turn, check what is there, then let the same command finish.

    Where it ended before the signal came, it begins anew.
    """
    line = LINES[name]
    inputs(folder, name)
    if name == "train":
        assert voxcli("synth", "street", "-o", "street", "--count", 6, "--size", 32, 32, "--depth", 16)[0] == 0
    whole, out = folder / "whole", folder / "out"
    times = moments([*command, *(word.replace("out", "whole") for word in line)], folder, name, len(signals))
    if not whole.exists():
        assert voxcli(*(word.replace("out", "whole") for word in line))[0] == 0
    finished = outputs(whole)
    out.mkdir()
    for number, (event, delay) in zip(signals, times, strict=True):
        for trial in range(20):
            left = set(out.rglob(".*.part"))  # by kills before, which nothing can clean up after
            code, text, errors = kill([*command, *line], out, number, (event, delay * 0.8**trial))
            if code != 0:
                break
            assert text == "" and outputs(out).keys() == finished.keys()
            assert name == "train" or outputs(out) == finished
            shutil.rmtree(out)
            out.mkdir()
        else:
            pytest.fail("it always ended before the signal")
        assert text == ""
        if number == signal.SIGKILL:
            assert code == -signal.SIGKILL
        else:
            assert (code, errors.splitlines()[-1]) == (130, "error: interrupted."), errors
            assert "Traceback" not in errors
            assert "workers" in name or set(out.rglob(".*.part")) <= left
        if name == "train":
            finishes(voxcli, folder, line)
        else:
            assert all(finished[each] == content for each, content in outputs(out).items())
    assert voxcli(*line)[0] == 0
    assert name == "train" or outputs(out) == finished


@pytest.mark.parametrize("name", [name for name in LINES if name not in ("train", "fuse-views")])
def test_a_killed_command_leaves_whole_files_and_is_completed_by_the_same_command(voxcli, voxcli_process, tmp_path, name):
    signals = {"synth by workers": [signal.SIGTERM]}.get(name, [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    holds_up(voxcli, voxcli_process.command, tmp_path, name, signals)


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_many_kills_do_no_harm(voxcli, voxcli_process, tmp_path, name):
    holds_up(voxcli, voxcli_process.command, tmp_path, name, [signal.SIGKILL, signal.SIGINT, signal.SIGTERM] * 34)


def test_replacing_is_whole_or_not_at_all(voxcli, voxcli_process, tmp_path):
    inputs(tmp_path, "fruxelize")
    line = ("fruxelize", "in", "-o", "out", "--size", "64", "64", "--depth", "64", "--overwrite")
    assert voxcli(*line)[0] == 0
    before = outputs(tmp_path / "out")
    assert voxcli(*line, "--fov", "70")[0] == 0
    after = outputs(tmp_path / "out")
    assert all(before[name] != after[name] for name in before)
    process = subprocess.Popen([*voxcli_process.command, *line], cwd=tmp_path, env=environment())
    deadline = time.monotonic() + 60
    while outputs(tmp_path / "out") == after and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    now = outputs(tmp_path / "out")
    assert all(now[name] in (before[name], after[name]) for name in before)
    assert voxcli(*line)[0] == 0
    assert outputs(tmp_path / "out") == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.05, 0.3])
def test_a_signal_while_modules_load_exits_130_without_a_traceback(voxcli_process, tmp_path, number, delay):
    # Only from the moment on that our own code runs: what comes before is Python's.
    FILES["car.obj"](tmp_path / "car.obj")
    code = (
        "import sys, threading, os, time; from voxcli.__main__ import main; from voxcli.cli.framework import interrupts;"
        " interrupts.listen();"
        f"threading.Timer({delay}, os.kill, (os.getpid(), {int(number)})).start();"
        "sys.argv = ['voxcli', 'fruxelize', 'car.obj', '-o', 'out.npz', '--size', '256', '256', '--depth', '512']; main()"
    )
    done = subprocess.run([voxcli_process.command[0], "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert (done.returncode, done.stderr) in ((130, "error: interrupted.\n"), (0, ""))  # 0: a library swallowed it while it loaded
    assert done.returncode == 0 or not list(tmp_path.glob("out*"))


def test_a_swallowed_signal_ends_a_batch_before_its_next_item(monkeypatch):
    done = []

    def work(item):
        done.append(item.name)
        monkeypatch.setattr(interrupts, "received", True)

    with pytest.raises(interrupts.Terminated):
        list(batch.Batch([batch.Item(str(i), "", str(i)) for i in range(3)]).run(work))
    assert done == ["0"]
