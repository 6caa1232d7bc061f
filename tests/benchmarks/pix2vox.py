"""Pix2Vox's forward pass against the published layers in plain PyTorch, views in a loop, normalisation as its own step.

    python tests/benchmarks/pix2vox.py [--models pix2vox-f pix2vox-a] [--views 1 2 4 8] [--rounds 5] [--threads 1] [--device cuda]

Both have the same weights and must agree; ours must be 1.5 times faster on the CPU. Peak memory is that of a fresh process which makes one
prediction, beyond what it held with its weights loaded. On CUDA ours computes in bfloat16, from a captured graph. Wall clocks lie on a
busy machine: --cpu-time counts this process's own time.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from references.pix2vox_twin import reconstructed

from voxcli.backend import keep_freed_memory
from voxcli.models.pix2vox.folded import Folded
from voxcli.models.pix2vox.network import PRESETS, Pix2Vox, build


def network_of(name: str) -> Pix2Vox:
    """A network whose normalisation is not neutral."""
    torch.manual_seed(0)
    network = build(PRESETS[name])
    for key, buffer in network.named_buffers():
        if key.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return network.eval().requires_grad_(False)


def contestant(who: str, name: str, device: str) -> Callable[[Tensor], Tensor]:
    """A function from views [V, 3, 224, 224] of one object to its volume [32, 32, 32]."""
    network = network_of(name).to(device)
    if who == "peer":
        tensors, pool = network.state_dict(), network.config.pool
        return lambda views: reconstructed(tensors, views, pool)
    folded = Folded(network, device, torch.bfloat16 if device == "cuda" else torch.float32)
    return captured(folded) if device == "cuda" else lambda views: folded(views[None])[0]


def captured(folded: Folded) -> Callable[[Tensor], Tensor]:
    """Our forward pass as CUDA graphs, one for each number of views."""
    graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}

    def run(views: Tensor) -> Tensor:
        if len(views) not in graphs:
            given = views[None].clone()
            stream = torch.cuda.Stream()
            with torch.cuda.stream(stream):
                for _ in range(3):
                    folded(given)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                result = folded(given)
            graphs[len(views)] = graph, given, result
        graph, given, result = graphs[len(views)]
        given.copy_(views[None])
        graph.replay()
        return result[0]

    return run


def peak(who: str, name: str, views: int, threads: int) -> float:
    """MiB that one prediction on the CPU takes on top of the loaded network, in a process of its own."""
    line = [sys.executable, __file__, "--measure", who, "--models", name, "--views", str(views), "--threads", str(threads)]
    return float(subprocess.run(line, capture_output=True, text=True, check=True).stdout)


def measure(who: str, name: str, views: int) -> None:
    """Print the growth of this process's peak memory over one prediction, in MiB."""
    run = contestant(who, name, "cpu")
    images = torch.rand(views, 3, 224, 224)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of loading
    before = memory("VmHWM")
    with torch.inference_mode():
        run(images)
    print((memory("VmHWM") - before) / 1024)


def memory(key: str) -> int:
    """A line of Linux's account of this process, in KiB."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))


def main() -> None:
    """Race ours and the peer for each model and number of views."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(PRESETS))
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--measure", choices=("ours", "peer"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.measure:
        return measure(options.measure, options.models[0], options.views[0])
    if options.device == "cpu":
        keep_freed_memory()
    clock = time.process_time if options.cpu_time else time.perf_counter
    print(f"{'model':<11}{'views':>6}{'ours':>11}{'peer':>11}{'ratio':>8}{'largest difference':>21}{'peak memory ours':>19}{'peer':>11}")
    for name in options.models:
        runs = {who: contestant(who, name, options.device) for who in ("ours", "peer")}
        for views in options.views:
            images = (torch.rand(views, 3, 224, 224) * 2 - 1).to(options.device)
            with torch.inference_mode():
                gap = float((runs["ours"](images) - runs["peer"](images)).abs().max())
                seconds: dict[str, list[float]] = {who: [] for who in runs}
                for _ in range(options.rounds):
                    for who, run in runs.items():
                        start = clock()
                        run(images)
                        if options.device == "cuda":
                            torch.cuda.synchronize()
                        seconds[who].append(clock() - start)
            ours, peer = (1e3 * statistics.median(seconds[who]) for who in ("ours", "peer"))
            memory = [f"{peak(w, name, views, options.threads):.0f} MiB" if options.device == "cpu" else "-" for w in ("ours", "peer")]
            print(f"{name:<11}{views:>6}{ours:>8.1f} ms{peer:>8.1f} ms{peer / ours:>7.2f}x{gap:>21.1e}{memory[0]:>19}{memory[1]:>11}")
    return None


if __name__ == "__main__":
    main()
