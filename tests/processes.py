"""Processes of their own: what they import, and what they cost beside a yardstick that is measured on the same machine."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time

# It takes about as long as a help text does.
IMPORTS = "import argparse, asyncio, dataclasses, email.message, http.client, inspect, json, logging, unittest, xml.etree.ElementTree"


_COMPILED = tempfile.mkdtemp(prefix="voxcli-compiled-")
atexit.register(shutil.rmtree, _COMPILED, ignore_errors=True)


def environment(**extra):
    """The environment of a test process: no VOXCLI_* of the caller, one thread."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("VOXCLI_")}
    return {**clean, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **extra}


def modules_after(code):
    """The names of the modules that are loaded when a fresh interpreter has run the code."""
    code += "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def processor_seconds(*args, code=0):
    """Processor time of `python *args`, which other work on the machine hardly changes. `code` is the exit code that it must have."""
    # Modules are compiled once, as for a user, though the caller may have switched that off.
    compiled = {key: value for key, value in environment(PYTHONPYCACHEPREFIX=_COMPILED).items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen([sys.executable, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=compiled)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == code
    return usage.ru_utime + usage.ru_stime


def least_share(work, yardstick, tries=10):
    """The least share of the processor time of `yardstick` that `work` took: other work goes on beside both, so the best try counts."""
    shares = []
    for _ in range(tries):
        times = [time.process_time()]
        for each in (work, yardstick):
            each()
            times.append(time.process_time())
        shares.append((times[1] - times[0]) / max(times[2] - times[1], 1e-9))
    return min(shares)
