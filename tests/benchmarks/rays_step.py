"""Training step of rays in bfloat16: seconds an image of both stages of its recipe, and of the same network as one writes it first.

    python tests/benchmarks/rays_step.py [--batch 8] [--rounds 5] [--profile]

Processor time of one thread, medians of rounds in which the two take turns. The twin has the same weights and layers: batch
normalisations stand behind their convolutions, maps are doubled and joined before a convolution, coarse scores are sampled by
F.grid_sample, and the losses are those of autograd on whole tensors. Loading, clipping and the optimiser's step are not in it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.backend import keep_freed_memory
from voxcli.models.blocks import efficientnet
from voxcli.models.frustum.losses import ray_losses
from voxcli.models.rays import network as rays_network
from voxcli.models.rays.network import COARSE, PRESETS, Features, Rays, linear_interpolation
from voxcli.training.arithmetic import _channels_last

STAGES = {"coarse": (4,), "full": (1, 4)}
"""Scales of the recipe's stages. Up to the third group of blocks the encoder is frozen in the first, all of it in the second."""

FROZEN = ("stem", "blocks.0.", "blocks.1.", "blocks.2.")


@contextmanager
def plain_layers() -> Iterator[None]:
    """Within: PyTorch's own operators, one after the other."""
    kept = efficientnet.normalised, efficientnet.depthwise2d, rays_network.doubled, rays_network.pointwise_joined, Rays.rays

    def padded(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, uneven: tuple[bool, bool]) -> Tensor:
        rows, columns = (padding - each for each in uneven)
        return F.conv2d(F.pad(x, (columns, padding, rows, padding)), weight, bias, stride, groups=x.shape[1])

    def doubled(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    efficientnet.normalised = lambda x, layer, norm: norm(layer(x))
    efficientnet.depthwise2d = padded
    rays_network.doubled = doubled
    rays_network.pointwise_joined = lambda layer, coarse, fine: layer(torch.cat([doubled(coarse), fine], 1))
    Rays.rays = plain_rays
    try:
        yield
    finally:
        efficientnet.normalised, efficientnet.depthwise2d, rays_network.doubled, rays_network.pointwise_joined, Rays.rays = kept


def plain_rays(network: Rays, features: Features, pixels: Tensor) -> Tensor:
    """`Rays.rays` with F.grid_sample and sums of whole tensors."""
    classes, depth, width, height = (getattr(network.config, name) for name in ("classes", "depth", "width", "height"))
    fine = network.fine_ray.weight @ features.pixels.flatten(2)[:, :, pixels] + network.fine_ray.bias[:, None]
    at = torch.stack([(2 * (pixels % width) + 1) / width - 1, (2 * (pixels // width) + 1) / height - 1], -1)
    volume = features.coarse.float().flatten(1, 2)
    grid = at[None, None].expand(len(volume), -1, -1, -1)
    coarse = F.grid_sample(volume, grid, mode="bilinear", padding_mode="border", align_corners=False)[:, :, 0]
    interpolated = linear_interpolation(depth // COARSE, depth) @ coarse.unflatten(1, (classes, depth // COARSE))
    return interpolated + fine.float().unflatten(1, (classes, depth))


def plain_losses(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy, soft Dice and the likelihood of what is met first, as one writes them first."""
    logarithms, truth = F.log_softmax(scores.float(), 1), labels.long()
    p, one = logarithms.exp(), F.one_hot(truth, scores.shape[1]).movedim(-1, 1).float()
    axes = tuple(range(2, scores.ndim)) + (0,)
    dice = 1 - (2 * (p * one).sum(axes) / (p + one).sum(axes).clamp(min=1e-9)).mean()
    first = truth.gather(1, (truth > 0).to(torch.uint8).argmax(1, keepdim=True))
    passed = logarithms[:, 0].cumsum(1)
    own = logarithms.gather(1, first[:, None].expand(-1, 1, *truth.shape[1:]))[:, 0]
    reached = torch.logsumexp(torch.cat([own[:, :1], own[:, 1:] + passed[:, :-1]], 1), 1)
    met = torch.where(first[:, 0] == 0, passed[:, -1], reached)
    return F.nll_loss(logarithms, truth, weights) + dice - 0.3 * met.mean()


def our_losses(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The same terms as the engine computes them."""
    some = labels.ndim == 3  # rays [B, D, N]: nothing else reads their scores
    if some:
        scores, labels = scores[:, :, :, None], labels[:, :, None]
    voxels, visible = ray_losses(scores, labels, weights, likelihood=1.0, dice=1.0, visible=weights, in_place=some)
    return voxels + 0.3 * visible


def step(network: Rays, scales: tuple[int, ...], images: Tensor, pixels: Tensor, labels: dict[int, Tensor], ours: bool) -> float:
    """Seconds of one forward and backward pass."""
    weights, losses = torch.ones(network.config.classes), our_losses if ours else plain_losses
    network.zero_grad(set_to_none=True)
    began = time.process_time()
    with torch.autocast("cpu", torch.bfloat16):
        features = network.features(images, fine=1 in scales)
        loss = losses(features.coarse, labels[4], weights)
        if 1 in scales:
            loss = loss + losses(network.rays(features, pixels), labels[1], weights)
    loss.backward()
    return time.process_time() - began


def main() -> None:
    """A line for each stage; fails where ours is the slower one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.manual_seed(0)
    network = Rays(PRESETS["near"])
    _channels_last(network)
    network.train().encoder.eval()
    images, pixels = torch.rand(options.batch, 3, 256, 256), torch.randperm(128 * 128)[: 128 * 16].sort().values
    labels = {4: torch.randint(0, 10, (options.batch, 32, 32, 32), dtype=torch.uint8),
              1: torch.randint(0, 10, (options.batch, 128, len(pixels)), dtype=torch.uint8)}  # fmt: skip
    slower = []
    for stage, scales in STAGES.items():
        for name, parameter in network.encoder.named_parameters():
            parameter.requires_grad_(stage == "coarse" and not name.startswith(FROZEN))
        spent: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(options.rounds + 1):  # the first round warms up
            spent[True].append(step(network, scales, images, pixels, labels, True))
            with plain_layers():
                spent[False].append(step(network, scales, images, pixels, labels, False))
        ours, twin = (statistics.median(spent[kind][1:]) / options.batch for kind in (True, False))
        print(f"stage {stage}: {1e3 * ours:.1f} ms an image, the twin {1e3 * twin:.1f} ms, {twin / ours:.2f} x", flush=True)
        if options.profile:
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
                step(network, scales, images, pixels, labels, True)
            print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=45))
        if ours > twin:
            slower.append(stage)
    if slower:
        raise SystemExit(f"Ours is slower than the twin in {slower}.")


if __name__ == "__main__":
    main()
