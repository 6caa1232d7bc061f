"""Training step of SSZ's generator: samples per second, where the time goes, and the same network with PyTorch's plain convolutions.

    python tests/benchmarks/train_step.py [--sizes 64 128] [--batch 2] [--rounds 3] [--threads 2] [--profile]

The twin has the same weights and layers; its volumetric convolutions are F.conv3d and F.conv_transpose3d with groups and its loss is
F.cross_entropy and Dice on whole tensors. Ours must not be slower on any size, nor on any of the operators below it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from side_by_side import race
from torch import Tensor

from voxcli.backend import keep_freed_memory
from voxcli.models.blocks import residual
from voxcli.models.ssz.losses import voxel_loss
from voxcli.models.ssz.network import PRESETS, Generator


@contextmanager
def plain_convolutions() -> Iterator[None]:
    """Within: the blocks call PyTorch's own volumetric operators."""
    kept = residual.depthwise3d, residual.depthwise_transposed3d
    residual.depthwise3d = lambda x, w: F.conv3d(x, w, padding=1, groups=x.shape[1])
    residual.depthwise_transposed3d = lambda x, w: F.conv_transpose3d(x, w, stride=2, padding=1, groups=x.shape[1])
    try:
        yield
    finally:
        residual.depthwise3d, residual.depthwise_transposed3d = kept


def plain_loss(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy and soft Dice as one writes them first."""
    p = scores.softmax(1)
    truth = F.one_hot(labels.long(), scores.shape[1]).movedim(-1, 1).float()
    overlap, total = (p * truth).sum((0, 2, 3, 4)), (p + truth).sum((0, 2, 3, 4))
    return F.cross_entropy(scores, labels.long(), weights) + 1 - (2 * overlap / total.clamp(min=1e-9)).mean()


def main() -> None:
    """Race the two at every size; with --profile, a table of our operators."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    for size in options.sizes:
        torch.manual_seed(0)
        network = Generator(PRESETS["small" if size == 64 else "street"])
        images = torch.rand(options.batch, 3, size, size)
        labels = torch.randint(0, 10, (options.batch, size, size, size), dtype=torch.uint8)
        weights = torch.ones(10)

        def ours(network=network, images=images, labels=labels, weights=weights) -> str:
            network.zero_grad(set_to_none=True)
            loss = voxel_loss(network(images)[1], labels, weights, likelihood=1.0, dice=1.0, in_place=True)
            loss.backward()
            return f"loss {float(loss.detach()):.4f}"

        def plain(network=network, images=images, labels=labels, weights=weights) -> str:
            network.zero_grad(set_to_none=True)
            with plain_convolutions():
                loss = plain_loss(network(images)[1], labels, weights)
                loss.backward()
            return f"loss {float(loss.detach()):.4f}"

        medians = race(f"forward and backward, batch {options.batch} at {size}^3", {"ours": ours, "plain convolutions": plain},
                       options.rounds)  # fmt: skip
        print("  samples/s: " + ", ".join(f"{name} {options.batch / seconds:.2f}" for name, seconds in medians.items()))
        if options.profile:
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
                ours()
            print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=45))


if __name__ == "__main__":
    main()
