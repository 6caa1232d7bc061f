import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from small_street import write_street

FORGE = """
import json, os, signal, sys, threading, time, traceback
import torch
torch.set_num_threads(1)
from voxcli.models.registry import model_module
from voxcli.training import engine
model_module("ssz", "stages")

def kill_at(seconds):
    while time.process_time() < seconds:
        time.sleep(0.002)
    os.kill(os.getpid(), signal.SIGKILL)

def become(task, environment):
    signal.alarm(400)  # nothing hangs for ever
    os.environ.update(environment)
    sys.argv = ["-c", *task["arguments"]]
    if task["kill_after"]:
        threading.Thread(target=kill_at, args=(time.process_time() + task["kill_after"],), daemon=True).start()
    try:
        exec(task["code"], {})
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)

for line in sys.stdin:
    task = json.loads(line)
    children = []
    for environment in task["environments"]:
        children.append(os.fork())
        if not children[-1]:
            become(task, environment)
    ended = [os.wait4(child, 0)[1:] for child in children]
    print(json.dumps([[status, used.ru_utime + used.ru_stime] for status, used in ended]), flush=True)
"""


class Forge:
    """Starts processes that run a piece of code with voxcli's training: forked from one that has imported torch, which saves seconds each.
    A test compares runs in processes of their own: nothing of one is left in another."""

    def __init__(self, errors):
        self.errors = open(errors, "w+")  # noqa: SIM115 - `close` closes it
        self.process = subprocess.Popen(
            [sys.executable, "-c", FORGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def run(self, code, *arguments, count=1, kill_after=0.0):
        """Run code in `count` processes, found by one another as torchrun's are; [(status as os.wait4 tells it, seconds of work), ...].

        kill_after: seconds of its own work after which each is killed by SIGKILL, however busy the machine is; 0: never.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        meeting = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environments = [{**meeting, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
        task = {"code": code, "arguments": [str(a) for a in arguments], "environments": environments, "kill_after": kill_after}
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return [(status, seconds) for status, seconds in json.loads(self.process.stdout.readline())]

    def succeed(self, code, *arguments, count=1):
        """`run` for code that ends well; otherwise fail with what it said."""
        before = os.path.getsize(self.errors.name)
        ended = self.run(code, *arguments, count=count)
        if any(status for status, _ in ended):
            self.errors.seek(before)
            pytest.fail(self.errors.read())
        return ended

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


@pytest.fixture(scope="session")
def forge(tmp_path_factory):
    """Processes on order, see Forge."""
    made = Forge(tmp_path_factory.mktemp("forge") / "errors")
    yield made
    made.close()


@pytest.fixture(scope="session")
def street(tmp_path_factory):
    """A folder of eight scenes."""
    return write_street(tmp_path_factory.mktemp("data") / "street")


@pytest.fixture(scope="session")
def street_with_poses(tmp_path_factory):
    """The same scenes, each with the pose of its box."""
    folder = write_street(tmp_path_factory.mktemp("posed") / "street")
    (folder / "poses").mkdir()
    for i, path in enumerate(sorted((folder / "fruxels").iterdir())):
        turn = [float(np.cos(0.1 * i)), 0.0, float(np.sin(0.1 * i)), 0.0]
        box = {"class": "car", "translation": [0.1 * i - 0.4, 0.5, 6.0 + 0.2 * i], "rotation_wxyz": turn, "size": [1.5, 1.2, 3.0]}
        (folder / "poses" / f"{path.stem}.json").write_text(json.dumps({"objects": [box]}))
    return folder
