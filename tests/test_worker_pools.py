"""A pool of workers that is left by an error is gone when the block is: no process, no thread, whatever the workers were at."""

import subprocess
import sys

import pytest
from processes import environment

LEAVE = """
import multiprocessing, threading, time
from voxcli.processes import worker_pool

try:
    with worker_pool(2) as pool:
        results = [pool.submit({work}) for _ in range(20)]
        results[0].result() if {sent} else time.sleep(0.1)
        raise ZeroDivisionError
except ZeroDivisionError:
    print(threading.enumerate() == [threading.main_thread()], multiprocessing.active_children())
"""


@pytest.mark.parametrize(("work", "sent"), [("time.sleep, 60", False), ("bytes, 10**7", True)], ids=["compute", "send a large result"])
def test_nothing_of_a_pool_is_left_after_an_error(work, sent):
    code = LEAVE.format(work=work, sent=sent)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True []\n", "")
