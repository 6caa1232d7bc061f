"""JOF's surfaces at 256^3, from coarse to fine against every cell: queries, seconds, memory, and whether a piece of a thin shape is lost.

    voxcli synth objects -o data/ --count 160 --seed 1000
    python tests/benchmarks/jof_surface.py --data data/ [--weights jof.safetensors] [--categories chair lamp table] [--most 2]

A row for each object of the test split, given as coloured voxels: share of the cells that were evaluated, seconds coarse to fine and of
all cells, cells whose side of the surface differs, and connected pieces (corners included) of both. Peak memory is the process's, before
any dense grid is made. Threads: --threads (1).
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import torch
from scipy import ndimage

from voxcli.datasets.objects import ObjectsFolder
from voxcli.geometry.field_surface import sample_field
from voxcli.models.jof import inference

CORNERS = ndimage.generate_binary_structure(3, 3)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="jof")
    parser.add_argument("--categories", nargs="+", default=["chair", "lamp", "table"])
    parser.add_argument("--most", type=int, default=2, help="objects of a category")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    shapes = inference.JOFPredictor.from_weights(wanted.weights, "cpu")
    model = shapes.network
    every = wanted.resolution**3
    print("| object | evaluated | seconds | of every cell | cells that differ | pieces | of every cell |\n|---|---|---|---|---|---|---|")
    peak = 0
    for category in wanted.categories:
        folder = ObjectsFolder(wanted.data, "test", [category])
        for index in range(min(wanted.most, len(folder))):
            voxels = folder.voxels(index)
            codes = shapes.codes(voxels.labels > 0, voxels.colours)

            def field(points: torch.Tensor, codes: object = codes) -> torch.Tensor:
                return model.occupancy(codes, points[None])[0]

            found, seconds, grids = [], [], []
            for coarsest in (64, 0):
                start = time.perf_counter()
                found.append(sample_field(field, wanted.resolution, coarsest=coarsest))
                seconds.append(time.perf_counter() - start)
                grids.append((found[-1].values >= inference.THRESHOLD).numpy())
                peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            pieces = [ndimage.label(grid, CORNERS)[1] for grid in grids]
            print(f"| {category} {folder.name(index)} | {found[0].queries / every:.1%} | {seconds[0]:.1f} | {seconds[1]:.1f} | "
                  f"{int((grids[0] != grids[1]).sum())} | {pieces[0]} | {pieces[1]} |", flush=True)  # fmt: skip
    sys.stdout.write(f"peak memory {peak} MiB\n")


if __name__ == "__main__":
    main()
