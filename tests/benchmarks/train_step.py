"""Training step of SSZ's generator: samples per second, where the time goes, and the same network as one writes it first.

    python tests/benchmarks/train_step.py [--sizes 64 128] [--batch 2] [--rounds 3] [--threads 2] [--clock cpu] [--profile] [--bfloat16]
    python tests/benchmarks/train_step.py --quarter --bfloat16 --batch 8 [...]

`--quarter` is the first stage of the recipe `street`, at a quarter of 128^3, with the first blocks of the encoder frozen. The twin has the
same weights and layers; its volumetric convolutions are F.conv3d and F.conv_transpose3d with groups, its loss is F.cross_entropy and Dice
on whole tensors, its batch normalisation PyTorch's and its optimiser plain Adam. Ours must not be slower on any size. `--clock cpu` counts
the processor's seconds, for a machine that others use too; on a quiet one the wall clock says the same with one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxcli.backend import keep_freed_memory
from voxcli.models.blocks import residual
from voxcli.models.frustum.losses import voxel_loss
from voxcli.models.ssz.network import PRESETS, Generator
from voxcli.training.parallel import Processes
from voxcli.training.statistics import GlobalStatistics

SCALES, QUARTER = {1: 1.0, 2: 0.3}, {4: 1.0}
"""The last and the first stage of the shipped recipes: weights of the scales."""

FROZEN = ("stem", "blocks.0.", "blocks.1.", "blocks.2.")
"""What the first stage of `street` leaves of the published encoder as it is."""

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


@contextmanager
def plain_convolutions() -> Iterator[None]:
    """Within: the blocks call PyTorch's own volumetric operators."""
    kept = residual.depthwise3d, residual.depthwise_transposed3d
    residual.depthwise3d = lambda x, w, slope: F.leaky_relu(F.conv3d(x, w, padding=1, groups=x.shape[1]), slope)
    residual.depthwise_transposed3d = lambda x, w, slope: F.leaky_relu(
        F.conv_transpose3d(x, w, stride=2, padding=1, groups=x.shape[1]), slope
    )
    try:
        yield
    finally:
        residual.depthwise3d, residual.depthwise_transposed3d = kept


def plain_loss(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy and soft Dice as one writes them first."""
    scores = scores.float()
    p = scores.softmax(1)
    truth = F.one_hot(labels.long(), scores.shape[1]).movedim(-1, 1).float()
    overlap, total = (p * truth).sum((0, 2, 3, 4)), (p + truth).sum((0, 2, 3, 4))
    return F.cross_entropy(scores, labels.long(), weights) + 1 - (2 * overlap / total.clamp(min=1e-9)).mean()


def our_loss(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The same terms as the engine computes them."""
    return voxel_loss(scores, labels, weights, likelihood=1.0, dice=1.0, in_place=True)


class Step:
    """One contestant: a network whose parts are timed, and its optimiser."""

    def __init__(self, size: int, ours: bool, clock: Callable[[], float], bfloat16: bool, scales: dict[int, float]):
        torch.manual_seed(0)
        self.ours, self.clock, self.spent, self.bfloat16, self.scales = ours, clock, {}, bfloat16, scales
        self.network = Generator(PRESETS["small" if size == 64 else "street"]).train()
        if scales == QUARTER:
            self.network.encoder.published.eval()
            for name, parameter in self.network.encoder.published.named_parameters():
                parameter.requires_grad_(not name.startswith(FROZEN))
        for parameter in self.network.parameters():
            if bfloat16 and parameter.ndim in FORMATS:
                parameter.data = parameter.data.contiguous(memory_format=FORMATS[parameter.ndim])
        self.optimiser = torch.optim.Adam(self.network.parameters(), 1e-4, betas=(0.5, 0.999), fused=True if ours else None)
        decoder = self.network.decoder
        self._watch("encoder", self.network.encoder)
        self._watch("decoder", decoder)
        for head in (decoder.head, *decoder.coarse_heads.values()):
            self._watch("heads", head)

    def _watch(self, name: str, module: nn.Module) -> None:
        module.register_forward_pre_hook(lambda *_: self._add(name, -self.clock()))
        module.register_forward_hook(lambda *_: self._add(name, self.clock()))

    def _add(self, name: str, seconds: float) -> None:
        self.spent[name] = self.spent.get(name, 0.0) + seconds

    def __call__(self, images: Tensor, labels: dict[int, Tensor], weights: Tensor) -> dict[str, float]:
        """Seconds of each part of one step, in their order."""
        self.spent = {}
        with ExitStack() as stack:
            stack.enter_context(GlobalStatistics(Processes(images.device)) if self.ours else plain_convolutions())
            stack.enter_context(torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16))
            self.optimiser.zero_grad(set_to_none=True)
            scores = self.network(images, tuple(self.scales))
            loss_of, began = our_loss if self.ours else plain_loss, self.clock()
            loss = torch.stack([weight * loss_of(scores[s], labels[s], weights) for s, weight in self.scales.items()]).sum()
            ended = self.clock()
            with torch.autocast("cpu", enabled=False):
                loss.backward()
            backward = self.clock()
            self.optimiser.step()
        spent = self.spent
        return {
            "encoder": spent["encoder"], "decoder": spent["decoder"] - spent["heads"], "heads": spent["heads"], "loss": ended - began,
            "backward": backward - ended, "optimiser": self.clock() - backward,
        }  # fmt: skip


def medians(records: list[dict[str, float]]) -> dict[str, float]:
    """The median of each part, and of whole steps as `step`."""
    whole = [{**record, "step": sum(record.values())} for record in records]
    return {key: statistics.median(record[key] for record in whole) for key in whole[0]}


def main() -> None:
    """A table for every size; with --profile, one of our operators too. Fails where ours is the slower one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--bfloat16", action="store_true", help="forward passes and losses under autocast, channels last")
    parser.add_argument("--quarter", action="store_true", help="the first stage of the recipe street, of size 128")
    options = parser.parse_args()
    sizes, scales = ([128], QUARTER) if options.quarter else (options.sizes, SCALES)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    slower = []
    for size in sizes:
        batch = (
            torch.rand(options.batch, 3, size, size),
            {s: torch.randint(0, 10, (options.batch, *[size // s] * 3), dtype=torch.uint8) for s in scales},
            torch.ones(10),
        )
        contestants = {
            "ours": Step(size, True, clock, options.bfloat16, scales),
            "twin": Step(size, False, clock, options.bfloat16, scales),
        }
        records: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
        for round_ in range(options.rounds + 1):  # in turn, for machines drift; the first round warms up
            for name, step in contestants.items():
                found = step(*batch)
                if round_:
                    records[name].append(found)
        ours, twin = medians(records["ours"]), medians(records["twin"])
        print(f"\n{size}^3, batches of {options.batch}, {options.threads} thread(s), median of {options.rounds}, {options.clock} clock")
        print(f"  {'part':<10} {'ours':>10} {'share':>6} {'twin':>10} {'twin/ours':>10}")
        for part, seconds in ours.items():
            print(f"  {part:<10} {1e3 * seconds:>7.1f} ms {seconds / ours['step']:>6.0%} {1e3 * twin[part]:>7.1f} ms "
                  f"{twin[part] / max(seconds, 1e-9):>9.2f}x")  # fmt: skip
        print(f"  samples/s: ours {options.batch / ours['step']:.2f}, twin {options.batch / twin['step']:.2f}", flush=True)
        if ours["step"] > twin["step"]:
            slower.append(size)
        if options.profile:
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
                contestants["ours"](*batch)
            print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=45))
    if slower:
        raise SystemExit(f"Ours is slower than the twin at {slower}.")


if __name__ == "__main__":
    main()
