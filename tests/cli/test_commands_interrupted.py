"""A command that is killed leaves whole files or none, and the same command afterwards completes them to the same bytes."""

import random
import signal
import subprocess
import time

import pytest
from example_files import FILES, box_mesh, picture
from processes import environment

from voxcli import files
from voxcli.cli.framework import batch, interrupts

LINES = {
    "fruxelize": ("fruxelize", "in", "-o", "out", "--size", "64", "64", "--depth", "64", "--skip-existing"),
    "predict": ("predict", "in", "-o", "out", "--weights", "best.safetensors", "--skip-existing"),
    "synth": ("synth", "street", "-o", "out", "--count", "20", "--size", "32", "32", "--depth", "16", "--seed", "5"),
    "synth by workers": ("synth", "street", "-o", "out", "--count", "20", "--size", "32", "32", "--depth", "16", "--workers", "2"),
}


def inputs(folder, name):
    """Enough work for a signal to come in the midst of it."""
    if name == "predict":
        FILES["best.safetensors"](folder / "best.safetensors")
        for i in range(120):
            files.write(folder / f"in/{i:03d}.png", picture())
    elif name == "fruxelize":
        for i in range(40):
            files.write(folder / f"in/{i:03d}.obj", box_mesh((1.0 + i / 40, 1.5, 2.0)))


def names(folder):
    """Every file under its final name."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if not path.name.startswith("."))


def outputs(folder):
    """Every file under its final name, with what it holds."""
    return {name: (folder / name).read_bytes() for name in names(folder)}


def kill(command, folder, number, delay):
    """Start a command, send it a signal some time after it has written something new; its exit code and words."""
    before = names(folder)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder.parent, env=environment())
    deadline = time.monotonic() + 60
    while names(folder) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(delay)
    process.send_signal(number)
    text, errors = process.communicate(timeout=60)
    return process.returncode, text.decode(), errors.decode()


def holds_up(voxcli, command, folder, name, signals):
    """Kill by each of the signals in turn, check what is there, then let the same command finish."""
    line = LINES[name]
    inputs(folder, name)
    whole = folder / "whole"
    assert voxcli(*("whole" if word == "out" else word for word in line))[0] == 0
    (folder / "out").mkdir()
    rng = random.Random(len(signals))
    for number in signals:
        left = set((folder / "out").rglob(".*.part"))                             # by kills before, which nothing can clean up after
        code, text, errors = kill([*command, *line], folder / "out", number, rng.uniform(0, 0.15))
        assert text == ""
        if number == signal.SIGKILL:
            assert code in (0, -signal.SIGKILL)
        else:
            assert code == 0 or (code, errors.splitlines()[-1]) == (130, "error: interrupted."), errors
            assert "Traceback" not in errors
            assert "workers" in name or set((folder / "out").rglob(".*.part")) <= left
        there, finished = outputs(folder / "out"), outputs(whole)
        assert all(finished[each] == content for each, content in there.items())
    assert voxcli(*line)[0] == 0
    assert outputs(folder / "out") == outputs(whole)


@pytest.mark.parametrize("name", LINES)
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
