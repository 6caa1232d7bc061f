"""Many small meshes through `fruxelize`: two workers of a Dask cluster beside two plain ones, and the memory of the scheduler.

    python tests/benchmarks/cluster.py --meshes 10000 --tries 3

Each try runs both, one after the other; the best of each counts. Both make the same bytes. Processor seconds are those of all processes of
a way: on a machine that is shared by others they say more than the clock.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
FACES = "3 0 1 3\n3 0 3 2\n3 4 6 7\n3 4 7 5\n3 0 4 5\n3 0 5 1\n3 2 3 7\n3 2 7 6\n3 0 2 6\n3 0 6 4\n3 1 5 7\n3 1 7 3\n"
ADDRESS = "tcp://127.0.0.1:18786"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--meshes", type=int, default=10_000)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--resolution", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder / "meshes", options.meshes)
        dask = f"{sys.executable} -m distributed.cli.dask_"
        scheduler = start(f"{dask}scheduler --host {ADDRESS} --no-dashboard")
        workers = start(f"{dask}worker {ADDRESS} --nworkers 2 --nthreads 1 --no-dashboard")
        try:
            time.sleep(5)
            began = memory(scheduler)
            ways = {"plain": ["--workers", "2"], "cluster": ["--scheduler", ADDRESS]}
            seconds, processor = ({way: [] for way in ways} for _ in range(2))
            for k in range(options.tries):
                for way, flags in ways.items():
                    before = sum(map(busy, (scheduler, workers)))
                    clock, own = run(folder, f"{way}{k}", options.resolution, flags)
                    seconds[way].append(clock)
                    processor[way].append(own + sum(map(busy, (scheduler, workers))) - before)
            same = all(
                (folder / "cluster0" / path.relative_to(folder / "plain0")).read_bytes() == path.read_bytes()
                for path in (folder / "plain0").rglob("*.npz")
            )
            best = {way: min(each) for way, each in seconds.items()}
            least = {way: min(each) for way, each in processor.items()}
            for way, each in seconds.items():
                tries = ", ".join(f"{s:.1f}" for s in each)
                print(f"{way}: {options.meshes / best[way]:.0f} meshes a second ({tries} s), {least[way]:.1f} processor seconds")
            ratios = (measured["plain"] / measured["cluster"] for measured in (best, least))
            print("cluster : plain = {:.2f} by the clock, {:.2f} by processor seconds;".format(*ratios), f"the same bytes: {same}")
            print(f"scheduler: {began:.0f} MB before, {memory(scheduler):.0f} MB at most")
        finally:
            for process in (workers, scheduler):
                process.terminate()
                process.wait()


def make(folder, count):
    """Boxes of random sizes, 1,000 a folder."""
    for k in range(count):
        corners = CORNERS * np.random.default_rng(k).uniform(0.3, 1, 3)
        path = folder / f"{k // 1000:04d}" / f"{k:07d}.off"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("OFF\n8 12 0\n" + "".join("{:.4f} {:.4f} {:.4f}\n".format(*each) for each in corners) + FACES)


def start(command):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command.split(), env=environment(), start_new_session=True, **quiet)


def busy(process):
    """Processor seconds of a process and of all of its session, so far."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += (int(fields[11]) + int(fields[12])) * (int(fields[3]) == process.pid)
    return ticks / os.sysconf("SC_CLK_TCK")


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def run(folder, name, resolution, flags):
    """Seconds of one call, and the processor's."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["-m", "voxcli", "fruxelize", "meshes", "--grid", "voxel", "--resolution", str(resolution), "-q", "-o", name, *flags]
    subprocess.run([sys.executable, *command], cwd=folder, check=True, env=environment())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def memory(process):
    """The largest resident memory of a process so far, in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
