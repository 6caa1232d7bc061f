"""UCLID-Net's forward pass against the same network with one Python round a voxel, as the published program has its patches.

    python tests/benchmarks/uclid.py [--preset paper] [--cells 1500] [--points 50] [--rounds 3] [--threads 1] [--wall]

Both share encoder and back-projection and must agree; the decoder of ours is `for_inference`. It must be twice as fast from picture to
points. Times are this process's own, so that a busy machine disturbs them less, or with --wall those of a clock; `patches` is the part
that differs most. The peak of memory is the process's, all included.
"""

from __future__ import annotations

import argparse
import copy
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from voxcli.models.uclid.folding import Fold, even_uv
from voxcli.models.uclid.network import CELLS, PRESETS, SIZES, build, for_inference
from voxcli.models.uclid.regressors import fixed_projection


def patch(fold: Fold, code: Tensor, uv: Tensor) -> Tensor:
    """The patch of one voxel: code [C], uv [K, 2] -> [K, 3], layer by layer."""
    layers = dict(fold.named_children())
    code = code.expand(len(uv), -1)
    x = torch.cat([code, uv], 1)
    for name in ("11", "12", "13", "21", "22", "23"):
        x = torch.cat([code, x], 1) if name == "21" else x
        x = F.relu(layers[f"bn{name}"](layers[f"conv{name}"](x)))
    return torch.sigmoid(fold.conv3(x))


def one_by_one(network, codes: Tensor, cells: Tensor, uv: Tensor) -> Tensor:
    """Points [M, K, 3] of cells [M, 4], a voxel at a time."""
    found = []
    for sample, x, y, z in cells.tolist():
        offsets = patch(network.fold, codes[sample, :, x, y, z], uv)
        found.append((torch.tensor([x, y, z]) + offsets) * (2 / CELLS) - 1)
    return torch.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="paper", choices=sorted(PRESETS))
    parser.add_argument("--cells", type=int, default=1500, help="occupied cells; chairs of synth objects have about so many")
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wall", action="store_true")
    wanted = parser.parse_args()
    now = time.perf_counter if wanted.wall else time.process_time
    torch.set_num_threads(wanted.threads)
    torch.manual_seed(0)
    settings = PRESETS[wanted.preset]
    network = build(settings).eval().requires_grad_(False).reconstruction
    ours = copy.deepcopy(network)
    ours.decoder = for_inference(ours.decoder)
    motion = torch.eye(4)[None].clone()
    motion[0, 2, 3] = 4
    images, projection = torch.rand(1, 3, settings.side, settings.side), fixed_projection(motion)
    depth = [(torch.rand(1, n, n, n) < 0.1).float() for n in SIZES]
    cells = torch.rand(1, CELLS, CELLS, CELLS).flatten().topk(wanted.cells).indices.sort().values
    cells = torch.stack([torch.zeros_like(cells), cells // CELLS**2, cells // CELLS % CELLS, cells % CELLS], 1)
    uv = even_uv(wanted.points)
    whole: dict[str, list[float]] = {"ours": [], "a voxel at a time": []}
    patches: dict[str, list[float]] = {who: [] for who in whole}
    with torch.inference_mode():
        for _ in range(wanted.rounds + 1):
            results = []
            for who, net, points in (("ours", ours, ours.points), ("a voxel at a time", network, lambda *a: one_by_one(network, *a))):
                start = now()
                _, codes = net.decode(net.grids(images, projection, depth))
                between = now()
                results.append(points(codes, cells, uv))
                end = now()
                whole[who].append(end - start)
                patches[who].append(end - between)
            torch.testing.assert_close(*results, rtol=0, atol=1e-4)
    for name, times in (("picture to points", whole), ("patches", patches)):
        medians = {who: statistics.median(values[1:]) for who, values in times.items()}
        line = ", ".join(f"{who} {value * 1e3:.0f} ms" for who, value in medians.items())
        print(f"{wanted.preset}, {name}: {line}, ratio {medians['a voxel at a time'] / medians['ours']:.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
