"""`--scheduler`: the workers of a cluster do what processes do, and what one that dies has done is done again."""

import os
import signal
import sys
import threading
import time

import pytest
from conftest import contents
from example_files import FILES, box_mesh

from voxcli import cluster, files
from voxcli.cli.framework import workers

WORDS = "abcdefgh"


@pytest.fixture(scope="module")
def two():
    """A cluster of two processes of one thread each."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50) as running:
        yield running


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "d").mkdir()
    for word in WORDS:
        (tmp_path / f"d/{word}.txt").write_text(f"text {word}")
    return tmp_path


def test_a_scheduler_that_cannot_be_is_refused_with_the_way_out(refused, monkeypatch, texts):
    refused("convert", "a.npz", "-o", "b.npz", "--scheduler", "somewhere", named="tcp://HOST:8786")
    monkeypatch.setitem(sys.modules, "distributed", None)
    FILES["scene.npz"](texts / "a.npz")
    refused("convert", "a.npz", "-o", "b.npz", "--scheduler", "tcp://127.0.0.1:1", named="pip install 'voxcli[cluster]'")


def test_a_scheduler_that_does_not_answer_is_named(refused, monkeypatch, tmp_path):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "CONNECTING", 0.2)
    FILES["scene.npz"](tmp_path / "a.npz")
    refused("convert", "a.npz", "-o", "b.npz", "--scheduler", "tcp://127.0.0.1:1", named="tcp://127.0.0.1:1")


def test_stdin_and_stdout_are_not_those_of_a_worker(refused, two):
    refused("convert", "-", "--input-format", "npz", "-o", "b.npz", "--scheduler", two.scheduler_address, named="--scheduler")


@pytest.mark.parametrize("flags", [(), ("--fail-on", "text c"), ("--fail-on", "text c", "--keep-going"), ("--seed", 3)])
def test_order_words_files_and_exit_code_are_those_of_one_process(fake, two, texts, flags):
    code, text, errors = fake("copy", "d", "-o", "one", *flags)
    assert fake("copy", "d", "-o", "two", "--scheduler", two.scheduler_address, *flags) == (code, text, errors)
    assert code == 2 or contents_of(texts / "two") == contents_of(texts / "one")


def test_a_second_call_does_the_rest(fake, two, texts):
    assert fake("copy", "d", "-o", "o", "--fail-on", "text e", "--keep-going", "--scheduler", two.scheduler_address)[0] == 1
    code, text, errors = fake("copy", "d", "-o", "o", "--skip-existing", "--scheduler", two.scheduler_address)
    assert (code, text) == (0, "e 6\n") and "skipped 7 of 8" in errors


def test_a_bug_in_a_worker_is_told_as_one_here(fake, two, texts):
    (texts / "d/b.txt").write_text("odd")  # an error that does not travel
    code, _, errors = fake("copy", "d", "-o", "o", "--scheduler", two.scheduler_address)
    assert code == 2 and "internal error" in errors and "OddError: a b" in errors


def test_the_scheduler_holds_a_window_of_the_items_however_many_they_are(fake, two, tmp_path, monkeypatch):
    """As many tasks as are handed out ahead, and those whose results are on their way."""
    (tmp_path / "d").mkdir()
    for k in range(100):
        (tmp_path / f"d/{k:03d}.txt").write_text("text")
    monkeypatch.setattr(workers, "AHEAD", 4)
    monkeypatch.setattr(workers, "MOST_ITEMS", 2)
    most = [0]
    done = threading.Event()

    def look():
        while not done.wait(0.001):
            most[0] = max(most[0], len(two.scheduler.tasks))

    looking = threading.Thread(target=look)
    looking.start()
    code, text, _ = fake("copy", "d", "-o", "o", "--scheduler", two.scheduler_address)
    done.set()
    looking.join()
    assert code == 0 and text.splitlines() == [f"{k:03d} 4" for k in range(100)]
    assert 0 < most[0] <= 3 * 4 * 2


@pytest.mark.slow
def test_generated_and_predicted_files_are_those_of_one_process(voxcli, two, tmp_path):
    FILES["object.safetensors"](tmp_path / "object.safetensors")
    (tmp_path / "p").mkdir()
    for name in "ab":
        FILES["chair.png"](tmp_path / f"p/{name}.png")
    said = []
    for where in ([], ["--scheduler", two.scheduler_address]):
        folder = "two" if where else "one"
        assert voxcli("synth", "rooms", "-o", f"{folder}/rooms", "--count", 9, "--size", 16, *where)[0] == 0
        code, _, errors = voxcli("predict", "p", "--weights", "object.safetensors", "-o", f"{folder}/predicted", *where)
        assert code == 0
        said.append(errors.replace(folder, ""))
    assert contents_of(tmp_path / "two") == contents_of(tmp_path / "one") and len(contents_of(tmp_path / "one/predicted")) == 2
    assert said[0] == said[1]


def test_a_worker_is_killed_and_nothing_is_lost(voxcli, two, tmp_path):
    """As one process makes them: the same bytes, and the report of every file. What it was writing stays, under no name of an output."""
    from distributed import Client

    (tmp_path / "d").mkdir()
    for k in range(90):
        files.write(tmp_path / f"d/{k:03d}.off", box_mesh((0.3 + k / 200, 1.0, 1.0)))
    flags = ("fruxelize", "d", "--grid", "voxel", "--resolution", 32, "-o")
    with Client(two) as client:
        processes = client.run(os.getpid)

        def kill():
            while sum(1 for _ in tmp_path.glob("many/*.npz")) < 10:
                time.sleep(0.01)
            os.kill(min(processes.values()), signal.SIGKILL)

        killing = threading.Thread(target=kill)
        killing.start()
        code, _, errors = voxcli(*flags, "many", "--scheduler", two.scheduler_address)
        killing.join()
        assert set(client.run(os.getpid).values()) != set(processes.values())
    assert (code, errors) == (0, "many: 90 files written.\n")
    assert voxcli(*flags, "one")[0] == 0
    assert contents_of(tmp_path / "many") == contents_of(tmp_path / "one")


@pytest.mark.slow
def test_an_item_that_kills_its_workers_fails_alone(fake, two, texts):
    (texts / "d/b.txt").write_text("die")
    code, text, errors = fake("copy", "d", "-o", "o", "--keep-going", "--scheduler", two.scheduler_address)
    assert code == 1 and text.split()[::2] == list(WORDS.replace("b", "")) and "A worker process died" in errors


def contents_of(folder):
    return {path.relative_to(folder): data for path, data in contents(folder).items() if data is not None and path.suffix != ".part"}
