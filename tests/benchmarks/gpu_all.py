"""All that a GPU is for, in one call: correctness first, then how fast, and how far from the limit of the machine.

    python tests/benchmarks/gpu_all.py OUT [--device cuda|cpu] [--tiny] [--seconds 8] [--skip-tests]

1. `pytest -m gpu`: each CUDA path against the processor.
2. OUT/gpu.json and OUT/gpu.md: for each job its rate, the goal, the bytes or operations that it cannot do without, and the share of the
   memory bandwidth, or of the bfloat16 peak, that it reaches. Both limits are measured in the same run: a copy, and a large product.

Jobs are bounded: at most `--seconds` each, and 6 minutes of an H100 in all. `--device cpu --tiny` tries everything without a GPU, at sizes
that say nothing about speed. Weights are random: time does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.side_by_side import graphed
from references.shapes import torus

from voxcli.geometry.lighting import Lights
from voxcli.geometry.solid import fruxelize_parts
from voxcli.geometry.surfels import render
from voxcli.metrics.distances import Sample, SamplePair, distance_record
from voxcli.metrics.surfaces import ChamferOptions
from voxcli.models.frustum.losses import visible_class_loss, voxel_loss
from voxcli.models.pix2vox.folded import Folded
from voxcli.models.pix2vox.network import PRESETS as PIX2VOX
from voxcli.models.pix2vox.network import build as build_pix2vox
from voxcli.models.rays.network import PRESETS as RAYS
from voxcli.models.rays.network import build as build_rays
from voxcli.models.ssz.network import PRESETS as SSZ
from voxcli.models.ssz.network import build as build_ssz
from voxcli.scene import Frustum

TESTS = Path(__file__).resolve().parents[1]


@dataclass
class Job:
    """One timing. rate: of `unit`, from the median of single calls. goal: of the same unit, None where none is set. bytes: read and written
    at least by a call; operations: floating-point operations of a call; None where it is bound by the other."""

    name: str
    unit: str
    rate: float
    goal: float | None
    bytes: float | None = None
    operations: float | None = None
    seconds: float = 0.0
    of_limit: float | None = None


class Clock:
    """Times calls on a device. seconds: the most that one job may take."""

    def __init__(self, device: torch.device, seconds: float):
        self.device, self.seconds = device, seconds

    def wait(self) -> None:
        """Until all that was asked of the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def __call__(self, work: Callable[[], object], least: int = 3, most: int = 200) -> float:
        """Median seconds of a call, after two that warm up."""
        for _ in range(2):
            work()
        self.wait()
        taken: list[float] = []
        began = time.perf_counter()
        while len(taken) < least or (len(taken) < most and time.perf_counter() - began < self.seconds):
            start = time.perf_counter()
            work()
            self.wait()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)


def operations(work: Callable[[], object]) -> float:
    """Floating-point operations of convolutions and products in a call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def limits(clock: Clock, tiny: bool) -> tuple[float, float]:
    """Bytes a second of a copy (read and written), and bfloat16 operations a second of a large product."""
    source = torch.zeros((1 << 22) if tiny else (1 << 30), dtype=torch.uint8, device=clock.device)
    target = torch.empty_like(source)
    side = 256 if tiny else 8192
    a, b = (torch.randn(side, side, dtype=torch.bfloat16, device=clock.device) for _ in range(2))
    return 2 * source.numel() / clock(lambda: target.copy_(source)), 2 * side**3 / clock(lambda: a @ b)


def fruxels(clock: Clock, tiny: bool) -> Iterator[Job]:
    """Scenes of three parts into 128^3 fruxels."""
    side = 32 if tiny else 128
    v, f = torus(n=24 if tiny else 160, m=12 if tiny else 80)
    parts = [((v + torch.tensor([x, 0.0, 5.0], dtype=v.dtype)).to(clock.device), f.to(clock.device)) for x in (-1.5, 0.0, 1.5)]
    frustum = Frustum(side, side, side, 2.0, 12.0, 40.0)
    seconds = clock(lambda: fruxelize_parts(parts, frustum))
    yield Job(f"fruxelize, {side}^3, {3 * len(f)} faces", "scenes/s", 1 / seconds, 1000, bytes=side**3 + 3 * (len(v) * 24 + len(f) * 24),
              seconds=seconds)  # fmt: skip


def street_networks(clock: Clock, tiny: bool) -> Iterator[Job]:
    """Rays and SSZ at the full resolution, in bfloat16."""
    batch = 1 if tiny else 16
    for name, preset, build in (("rays", RAYS["near"], build_rays), ("ssz", SSZ["street-256"], build_ssz)):
        network = build(preset).to(clock.device).eval().requires_grad_(False)
        images = torch.rand(batch, 3, *preset.picture_size, device=clock.device)

        def predict(network: torch.nn.Module = network, images: torch.Tensor = images) -> torch.Tensor:
            with torch.inference_mode(), torch.autocast(clock.device.type, torch.bfloat16):
                return network(images)[1].argmax(1)

        seconds, count = clock(predict, most=20), operations(predict)
        yield Job(f"{name}, 128^3, batches of {batch}, bfloat16", "images/s", batch / seconds, 200, operations=count, seconds=seconds)


def pix2vox(clock: Clock, tiny: bool) -> Iterator[Job]:
    """The forward pass of Pix2Vox-A; the paper states 9.9 ms for one view and 55.6 ms for eight."""
    kind = torch.bfloat16 if clock.device.type == "cuda" else torch.float32
    folded = Folded(build_pix2vox(PIX2VOX["pix2vox-a"]).eval().requires_grad_(False).to(clock.device), clock.device.type, kind)
    for views, paper in ((1, 9.9e-3),) if tiny else ((1, 9.9e-3), (8, 55.6e-3)):
        images = torch.rand(1, views, 3, 224, 224, device=clock.device)
        with torch.inference_mode():
            count = operations(lambda images=images: folded(images))
            seconds = clock(graphed(lambda images=images: folded(images), clock.device))
        yield Job(f"pix2vox-a, {views} view(s), {str(kind)[6:]}", "objects/s", 1 / seconds, 5 / paper, operations=count, seconds=seconds)


def shading(clock: Clock, tiny: bool) -> Iterator[Job]:
    """Depth to picture, 128 x 128."""
    side = 32 if tiny else 128
    K = torch.tensor([[1.5 * side, 0, side / 2], [0, 1.5 * side, side / 2], [0, 0, 1]], device=clock.device)
    depth, albedo = 3 + torch.rand(side, side, device=clock.device), torch.full((3, 1, 1), 0.7, device=clock.device)
    values = ([0.2] * 3, [[1.0, -1.0, -1.0]], [[1.0] * 3])
    lights = Lights(*(torch.tensor(v, device=clock.device) for v in values), linear=0.1, quadratic=0.2)
    with torch.inference_mode():
        seconds = clock(graphed(lambda: render(depth, albedo, K, lights), clock.device))
    yield Job(f"surfel shading, {side}^2", "pictures/s", 1 / seconds, 1 / 50e-6, bytes=16 * side * side, seconds=seconds)


def chamfer(clock: Clock, tiny: bool) -> Iterator[Job]:
    """A pair of point clouds; every point meets every other, eight operations each, in float64 as metrics count."""
    count = 2_000 if tiny else 1_000_000
    a, b = (torch.from_numpy(np.random.default_rng(k).random((count, 3))).to(clock.device) for k in range(2))
    seconds = clock(lambda: distance_record(ChamferOptions(), SamplePair(Sample(a), Sample(b)))["value"], least=1)
    yield Job(f"chamfer, {count} points", "pairs/s", 1 / seconds, None, seconds=seconds)


def training(clock: Clock, tiny: bool) -> Iterator[Job]:
    """A step of rays at the full resolution with an eighth of the rays, batches of 8, in bfloat16."""
    batch, rays = (1, 128) if tiny else (8, 2048)
    network, preset = build_rays(RAYS["near"]).to(clock.device), RAYS["near"]
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    images = torch.rand(batch, 3, *preset.picture_size, device=clock.device)
    labels = torch.randint(0, preset.classes, (batch, preset.depth, 1, rays), dtype=torch.uint8, device=clock.device)
    pixels = torch.randperm(preset.width * preset.height)[:rays].to(clock.device)
    weights = torch.ones(preset.classes, device=clock.device)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(clock.device.type, torch.bfloat16):
            scores = network.rays(network.features(images), pixels)[:, :, :, None].contiguous()
            loss = voxel_loss(scores, labels, weights, likelihood=1, dice=1) + 0.3 * visible_class_loss(scores, labels, weights)
        loss.backward()
        optimiser.step()

    seconds = clock(step, most=20)
    yield Job(f"training step of rays, batch {batch}", "steps/s", 1 / seconds, None, operations=operations(step), seconds=seconds)


JOBS = (fruxels, street_networks, pix2vox, shading, chamfer, training)


def table(jobs: list[Job], copied: float, peak: float) -> str:
    """Markdown."""
    lines = [f"A copy moves {copied / 1e9:.0f} GB/s, a bfloat16 product reaches {peak / 1e12:.2f} Tflop/s.", "",
             "| job | rate | goal | a call | of the limit |", "|---|---|---|---|---|"]  # fmt: skip
    for job in jobs:
        bound = "bytes" if job.bytes else "bfloat16 peak"
        share = "-" if job.of_limit is None else f"{100 * job.of_limit:.2g} % of {bound}"
        goal = "-" if job.goal is None else f"{job.goal:.4g}"
        lines.append(f"| {job.name} | {job.rate:.4g} {job.unit} | {goal} | {1e3 * job.seconds:.3g} ms | {share} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Tests, timings, table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--skip-tests", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tests = None
    if not options.skip_tests:
        environment = os.environ | {"GPU_TESTS_DEVICE": options.device}
        where = ["tests"] if options.device == "cuda" else ["tests/test_gpu_paths.py"]
        line = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", *where]
        ran = subprocess.run(line, cwd=TESTS.parent, env=environment, capture_output=True, text=True)
        tests = {"passed": ran.returncode == 0, "said": (ran.stdout.strip().splitlines() or [""])[-1]}
        (options.out / "tests.txt").write_text(ran.stdout + ran.stderr)
        print(f"tests: {tests['said']}", flush=True)
    torch.manual_seed(0)
    device = torch.device(options.device)
    clock = Clock(device, 0.0 if options.tiny else options.seconds)
    copied, peak = limits(clock, options.tiny)
    found: list[Job] = []
    for make in JOBS:
        for job in make(clock, options.tiny):
            least = job.bytes / copied if job.bytes else job.operations / peak if job.operations else None
            job.of_limit = None if least is None else least / job.seconds
            found.append(job)
            print(f"{job.name}: {job.rate:.4g} {job.unit}", flush=True)
    what = torch.cuda.get_device_name() if device.type == "cuda" else "processor"
    record = {"device": what, "torch": torch.__version__, "tests": tests, "bytes_per_second": copied, "bfloat16_per_second": peak,
              "jobs": [asdict(job) for job in found]}  # fmt: skip
    (options.out / "gpu.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    (options.out / "gpu.md").write_text(table(found, copied, peak))
    print(table(found, copied, peak))
    if tests is not None and not tests["passed"]:
        raise SystemExit("The tests failed: see tests.txt.")


if __name__ == "__main__":
    main()
