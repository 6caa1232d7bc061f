"""Time contestants in turn, round by round, and print medians with the ratio to the first one: machines drift, ratios hold."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

clock = time.perf_counter
"""What tells the time: the wall clock, or time.process_time on a machine that others use too."""


def race(
    title: str, contestants: Mapping[str, Callable[[], Any]], rounds: int = 5, show: Callable[[Any], Any] = lambda result: result
) -> dict[str, float]:
    """Run every contestant once to warm up, then `rounds` times in turn. The first is ours. Returns name -> median seconds.

    The turn of a contestant that takes less than half a second is a run that is not timed and three that are: the first pays for what the
    one before it pushed out of the caches, and most of that would fall to ours, which comes after the slowest.

    show: what to print of a result, outside of the timing.
    """
    values, turn = {}, {}
    for name, work in contestants.items():
        start = clock()
        values[name] = show(work())
        turn[name] = (1, 3) if clock() - start < 0.5 else (0, 1)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            untimed, timed = turn[name]
            for k in range(untimed + timed):
                start = clock()
                work()
                if k >= untimed:
                    seconds[name].append(clock() - start)
    medians = {name: statistics.median(v) for name, v in seconds.items()}
    ours = next(iter(medians.values()))
    print(f"\n{title} (median of {rounds} interleaved rounds)")
    print(f"  {'contestant':<52} {'median':>10} {'times ours':>11}   result")
    for name, median in medians.items():
        print(f"  {name:<52} {1e3 * median:>7.1f} ms {median / ours:>10.2f}x   {values[name]}")
    return medians


def optional(name: str) -> Any:
    """The peer's module, or None where it is not installed."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"  (left out: {name}: {str(error).splitlines()[0]})")
        return None


def graphed(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """The same work as one CUDA graph; on the processor as it is."""
    import torch

    if device.type != "cuda":
        return work
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
