"""The table of `voxcli guide speed`, in one run: `python tests/benchmarks/speed_table.py [JOB ...] [--grow]`.

All is processor time of one thread, medians of interleaved rounds: other programs on the machine disturb it less than the clock. Peers are
installed by hand. `--grow` tells how time and memory grow instead, each point in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import fruxelize, metrics, side_by_side, surfels
from references.shapes import torus

from voxcli.backend import keep_freed_memory
from voxcli.geometry.lattice import FruxelLattice, VoxelLattice
from voxcli.geometry.solid import solid_mask
from voxcli.metrics.distances import Sample, SamplePair, distance_record
from voxcli.metrics.surfaces import ChamferOptions
from voxcli.scene import Frustum

ROOT = Path(__file__).parents[2]
PEERS = ("open3d", "small_gicp", "pot", "point-cloud-utils", "torch", "numpy", "scipy")


def spent(rounds: int, *command: str) -> float:
    """Median processor seconds of a command."""
    found = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(found)


def commands() -> dict[str, float]:
    """Shell to shell: predict, and beside it view and torch's import alone."""
    with tempfile.TemporaryDirectory() as folder:
        scene, picture = f"{folder}/s.npz", str(ROOT / "examples/street/000007.png")
        return {
            "predict": spent(3, "-m", "voxcli", "predict", picture, "--weights", "rays-near", "-o", scene, "--overwrite"),
            "import torch": spent(3, "-c", "import torch"),
            "view": spent(5, "-m", "voxcli", "view", scene, "-o", f"{folder}/s.png", "--overwrite"),
            "view, a page": spent(5, "-m", "voxcli", "view", scene, "-o", f"{folder}/s.html", "--overwrite"),
        }  # fmt: skip


def synth(count: int = 40) -> dict[str, float]:
    """A scene of `synth street`, its start left out."""
    with tempfile.TemporaryDirectory() as folder:
        one, all_ = (spent(1, "-m", "voxcli", "synth", "street", "-o", f"{folder}/{n}", "--count", str(n)) for n in (1, count + 1))
    return {"voxcli": (all_ - one) / count}


def table(asked: list[str], assets: Path) -> None:
    """Run the jobs whose names hold one of the words asked for."""
    shape = fruxelize.load()
    jobs: dict[str, Callable[[], dict[str, float]]] = {
        "solid 128^3": lambda: fruxelize.voxels(*shape, 128, 9),
        "solid 256^3": lambda: fruxelize.voxels(*shape, 256, 9),
        "fruxels 128^3": lambda: fruxelize.fruxels(*shape, 128, 9),
        "street of 20 assets": lambda: fruxelize.street(assets),
        **{f"depth and normals {n}^2": lambda n=n: surfels.meshes(None, (n,), 9)[0] for n in (128, 256, 512)},
        "Chamfer 100k": lambda: metrics.points(100_000, False, 5), "Chamfer 1M": lambda: metrics.points(1_000_000, False, 2),
        **{f"EMD {n} {('near', 'far')[k]}": lambda n=n, k=k: metrics.emd(n, bool(k), 3) for n in (2048, 4096) for k in (0, 1)},
        "EMD 20000 near": lambda: metrics.auction(20_000, False, False), "EMD 20000 far": lambda: metrics.auction(20_000, True, False),
        "predict": commands, "synth street": synth,
    }  # fmt: skip
    print(", ".join(f"{each.name} {each.version}" for each in importlib.metadata.distributions() if each.name.lower() in PEERS))
    for name, work in jobs.items():
        if any(word in name for word in asked) and (found := work()):
            (_, ours), *peers = found.items()
            times = ", ".join(f"{peer} {each / ours:.2f} x" for peer, each in peers)
            print(f"\n| {name} | {1e3 * ours:.1f} ms | {times} |", flush=True)


def faces(count: int) -> Callable[[], object]:
    """A torus of so many faces into 128^3."""
    m = round((count / 4) ** 0.5)
    mesh, lattice = torus(n=2 * m, m=m), VoxelLattice((128,) * 3, (-1.4,) * 3, (2.8 / 128,) * 3)
    return lambda: solid_mask(*mesh, lattice, "centre")


def fruxels(count: int) -> Callable[[], object]:
    """A torus of 100,000 faces into so many fruxels."""
    (v, f), n = torus(n=316, m=158), round(count ** (1 / 3))
    return lambda: solid_mask(v + v.new_tensor([0, 0, 3.5]), f, FruxelLattice(Frustum(n, n, n, 2.0, 5.0, 60.0)), "centre")


def points(count: int) -> Callable[[], object]:
    """Chamfer distance of clouds of so many points."""
    x, y = (torch.rand(count, 3, generator=torch.Generator().manual_seed(k)) for k in range(2))
    return lambda: distance_record(ChamferOptions(), SamplePair(Sample(x), Sample(y)))


GROWTH = {"faces": faces, "fruxels": fruxels, "points": points}


def one(name: str, count: int) -> None:
    """Seconds, and MB above those of the program, of one point of a plot; as in the table, a run that is not timed comes first."""
    GROWTH[name](1000)()  # imports
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work = GROWTH[name](count)
    work()
    start = time.process_time()
    work()
    print(time.process_time() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def grow(largest: int) -> None:
    """Time and memory from 10^3 on; slopes are those of the last two decades."""
    for name in GROWTH:
        counts = [10**k for k in range(3, largest + 1)]
        runs = [subprocess.run([sys.executable, __file__, "--one", name, str(n)], stdout=-1, check=True).stdout.split() for n in counts]
        values = np.array(runs, np.float64)
        slopes = np.polyfit(np.log10(counts[-3:]), np.log10(values[-3:].clip([1e-4, 10])), 1)[0]
        print(f"{name}, slope of time {slopes[0]:.2f}, of memory {slopes[1]:.2f}")
        for n, (seconds, mb) in zip(counts, values, strict=True):
            print(f"10^{np.log10(n):.0f} {seconds:>8.3f} s {mb:>6.0f} MB " + "#" * round(6 * (np.log10(seconds) + 4)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", default=[""])
    parser.add_argument("--assets", type=Path, default=ROOT.parent / "shared" / "data" / "assets")
    parser.add_argument("--grow", action="store_true")
    parser.add_argument("--largest", type=int, default=7, help="the power of ten to end with")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as the commands do
    side_by_side.clock = time.process_time
    if options.one:
        one(options.one[0], int(options.one[1]))
    elif options.grow:
        grow(options.largest)
    else:
        table(options.jobs, options.assets)
