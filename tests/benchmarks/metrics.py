"""Metrics beside their peers, in one run: `python tests/benchmarks/metrics.py [JOB ...] [--rounds N] [--points N ...] [--pairs N]`.

Jobs: points, far, emd, auction, iou, files, memory, workers; all of them without a name. Peers are optional and installed by hand: scipy is
a dependency; open3d, point-cloud-utils, small_gicp, pykdtree, POT. Each job prints ours, the peers, and the ratio; the last column is the
value, so that who is fast and wrong shows. Points are of bumpy tori, or of a torus and a sphere where they are to be far apart.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.side_by_side import optional, race
from references.shapes import sphere, torus

from voxcli.geometry.sampling import sample_surface
from voxcli.metrics.assignment import assign, assign_by_auction, distances
from voxcli.metrics.counting import confusion
from voxcli.metrics.distances import Sample, SamplePair, distance_record
from voxcli.metrics.overlap import iou
from voxcli.metrics.surfaces import ChamferOptions, FScoreOptions, HausdorffOptions

NEAR = 0.01


def clouds(count: int, far: bool, bump: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Points of a torus, and of a bent and noisy copy of it (or of a sphere, far from it almost everywhere)."""
    vertices, faces = torus(0.33, 0.12, n=316, m=158)
    rng = np.random.default_rng(1)
    if far:
        other = sphere(0.45)
    else:
        bent = vertices.numpy() + bump * np.sin(12 * vertices.numpy()[:, [1, 2, 0]]) + rng.normal(0, 1e-3, vertices.shape)
        other = torch.from_numpy(bent), faces
    made = [sample_surface(*m, count, torch.Generator().manual_seed(k))[0] for k, m in enumerate(((vertices, faces), other))]
    return tuple(m.numpy() for m in made)  # type: ignore[return-value]


def three(d: np.ndarray, e: np.ndarray) -> str:
    """Chamfer (sum of mean squares), F at NEAR, Hausdorff, from unsquared distances."""
    p, r = (d < NEAR).mean(), (e < NEAR).mean()
    return f"{(d * d).mean() + (e * e).mean():.6g} {2 * p * r / max(p + r, 1e-12):.4f} {max(d.max(), e.max()):.5f}"


def points(count: int, far: bool, rounds: int) -> dict[str, float]:
    """Chamfer, F-score and Hausdorff together."""
    x, y = clouds(count, far)
    tx, ty = torch.from_numpy(x), torch.from_numpy(y)

    def ours() -> str:
        pair, options = SamplePair(Sample(tx), Sample(ty)), (ChamferOptions(), FScoreOptions(thresholds=(NEAR,)), HausdorffOptions())
        found = [distance_record(each, pair) for each in options]
        return "{:.6g} {:.4f} {:.5f}".format(*(r["value"] for r in found))

    def scipy() -> str:
        from scipy.spatial import cKDTree

        made = {"balanced_tree": False, "compact_nodes": False}
        return three(cKDTree(y, **made).query(x, workers=-1)[0], cKDTree(x, **made).query(y, workers=-1)[0])

    contestants = {"voxcli": ours, "scipy": scipy}
    if gicp := optional("small_gicp"):

        def small_gicp() -> str:
            a = gicp.KdTree(y, num_threads=2).batch_nearest_neighbor_search(x, num_threads=2)
            b = gicp.KdTree(x, num_threads=2).batch_nearest_neighbor_search(y, num_threads=2)
            return three(np.sqrt(np.asarray(a[1]).ravel()), np.sqrt(np.asarray(b[1]).ravel()))

        contestants["small_gicp"] = small_gicp
    if o3d := optional("open3d"):
        x32, y32 = x.astype(np.float32), y.astype(np.float32)

        def open3d() -> str:
            a, b = (o3d.t.geometry.PointCloud(o3d.core.Tensor(v)) for v in (x32, y32))
            what = o3d.t.geometry.Metric
            radius = o3d.t.geometry.MetricParameters(fscore_radius=[NEAR])
            c, h, f = a.compute_metrics(b, (what.ChamferDistance, what.HausdorffDistance, what.FScore), radius).numpy()
            return f"{c:.6g} (unsquared) {f / 100:.4f} {h:.5f}"

        def open3d_legacy() -> str:
            a, b = (o3d.geometry.PointCloud(o3d.utility.Vector3dVector(v)) for v in (x, y))
            return three(np.asarray(a.compute_point_cloud_distance(b)), np.asarray(b.compute_point_cloud_distance(a)))

        contestants |= {"open3d tensors": open3d, "open3d legacy": open3d_legacy}
    if pcu := optional("point_cloud_utils"):
        contestants["point-cloud-utils"] = lambda: three(*(pcu.k_nearest_neighbors(a, b, 1)[0].ravel() for a, b in ((x, y), (y, x))))
    return race(f"Chamfer + F + Hausdorff, {count} x {count}, {'far' if far else 'near'}", contestants, rounds)


def emd(count: int, far: bool, rounds: int) -> dict[str, float]:
    """Exact earth mover's distance."""
    from scipy.optimize import linear_sum_assignment

    x, y = clouds(count, far, bump=0.03)

    def scipy() -> str:
        cost = distances(x, y)
        return f"{cost[linear_sum_assignment(cost)].mean():.9f}"

    contestants = {"voxcli": lambda: f"{assign(x, y).cost:.9f}", "scipy": scipy}
    if ot := optional("ot"):
        even = np.full(count, 1 / count)
        contestants["POT"] = lambda: f"{float(ot.emd2(even, even, distances(x, y), numItermax=10_000_000)):.9f}"
    return race(f"exact EMD, {count} points, {'far' if far else 'near'}", contestants, rounds)


def auction(count: int, far: bool, exact: bool) -> dict[str, float]:
    """Approximate earth mover's distance: its time, the gap that it admits to, and with `exact` the gap that there is."""
    x, y = clouds(count, far, bump=0.03)

    def work() -> str:
        found = assign_by_auction(x, y)
        return f"{found.cost:.6f}, at most {100 * (found.cost / found.lower_bound - 1):.2f} % above the optimum"

    medians = race(f"approximate EMD, {count} points, {'far' if far else 'near'}", {"voxcli": work}, 1)
    if exact:
        best = assign(x, y).cost
        print(f"  exact: {best:.6f}, so the auction is {100 * (assign_by_auction(x, y).cost / best - 1):.3f} % above it")
    return medians


def grids(rounds: int) -> None:
    """IoU of 32 pairs of 128^3: occupancy and ten classes, beside reading one such pair per grid."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.repeat(np.repeat(rng.integers(0, 10, (2, 16, 16, 16), dtype=np.uint8), 8, 1), 8, 2), 8, 3)
    pred, gt = labels
    solid = pred > 4, gt > 4

    def plain() -> str:
        a, b = solid
        return f"{[(a & b).sum() / (a | b).sum() for _ in range(32)][-1]:.6f}"

    def counted() -> str:
        a, b = solid
        return f"{[np.count_nonzero(a & b) / np.count_nonzero(a | b) for _ in range(32)][-1]:.6f}"

    race("IoU of 32 occupancy grids of 128^3", {
        "voxcli": lambda: f"{[iou(*solid) for _ in range(32)][-1]:.6f}", "numpy sum": plain, "numpy count_nonzero": counted,
    }, rounds)  # fmt: skip

    def by_class() -> str:
        return str([[int(((pred == c) & (gt == c)).sum()) for c in range(10)] for _ in range(8)][-1][:3])

    def bincount() -> str:
        tables = [np.bincount(gt.ravel().astype(np.int64) * 10 + pred.ravel(), minlength=100).reshape(10, 10) for _ in range(8)]
        return str([int(v) for v in tables[-1].diagonal()[:3]])

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.npz"
        np.savez_compressed(path, labels=pred)

        def read() -> str:
            for _ in range(16):
                with np.load(path, allow_pickle=False) as archive:
                    archive["labels"]
            return "no score"

        race("confusion of 8 label grids of 128^3, 10 classes", {
            "voxcli": lambda: str([int(v) for v in [confusion(pred, gt, 10, 255) for _ in range(8)][-1].diagonal()[:3]]),
            "class by class": by_class, "bincount": bincount, "reading the 16 files alone": read,
        }, rounds)  # fmt: skip


def files(pairs: int, rounds: int) -> None:
    """IoU over a folder of 128^3 grids, beside reading its files and nothing else: how much is left to gain."""
    from voxcli import files as io
    from voxcli.metrics import grid_iou
    from voxcli.scene import Labels, VoxelGrid

    rng = np.random.default_rng(0)
    kinds: dict[str, list[VoxelGrid]] = {"occupancy": [], "ten classes": []}
    for _ in range(8):
        labels = np.kron(rng.integers(0, 10, (16, 16, 16), dtype=np.uint8), np.ones((8, 8, 8), np.uint8))
        kinds["occupancy"].append(VoxelGrid(occupancy=labels > 4))
        kinds["ten classes"].append(VoxelGrid(labels=labels, classes=Labels(("air", *(f"class {k}" for k in range(1, 10))), empty=0)))
    for kind, grids in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{k}.npz" for k in range(len(grids))]
            for path, grid in zip(paths, grids, strict=True):
                io.write(path, grid)
            todo = [(paths[k % 8], paths[(k + 3) % 8]) for k in range(pairs)]

            def score(todo: list[tuple[Path, Path]] = todo) -> str:
                return f"{[grid_iou(io.read_as(a, VoxelGrid), io.read_as(b, VoxelGrid))['value'] for a, b in todo][-1]:.6f}"

            def read(todo: list[tuple[Path, Path]] = todo) -> str:
                for a, b in todo:
                    io.read_as(a, VoxelGrid), io.read_as(b, VoxelGrid)
                return "no score"

            race(f"IoU over {pairs} pairs of files of 128^3, {kind}", {"voxcli": score, "reading the files alone": read}, min(rounds, 2))


_LAUNCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(command: list[str]) -> float:
    """Peak memory of a command in GiB; its output goes nowhere. Started from a small process: a peak is inherited from whoever forks."""
    done = subprocess.run([sys.executable, "-S", "-c", _LAUNCH, *command], capture_output=True, text=True, check=True)
    return int(done.stdout) / 2**20


def memory(count: int) -> None:
    """Peak memory of the whole command on two clouds, beside a process that does the same with SciPy, and beside one that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{k}.npy" for k in range(2)]
        for path, points in zip(paths, clouds(count, False), strict=True):
            np.save(path, points)
        plain = (
            f"import numpy as np; from scipy.spatial import cKDTree as T; a, b = np.load({paths[0]!r}), np.load({paths[1]!r});"
            "T(b).query(a); T(a).query(b)"
        )
        contestants = {
            "voxcli metrics all": [sys.executable, "-m", "voxcli", "metrics", "all", *paths], "scipy": [sys.executable, "-c", plain],
            "importing torch": [sys.executable, "-c", "import torch"],
        }  # fmt: skip
        peaks = {name: peak(command) for name, command in contestants.items()}
    print(f"\npeak memory, {count} x {count} points")
    for name, gib in peaks.items():
        print(f"  {name:<52} {gib:>7.2f} GiB {gib / peaks['voxcli metrics all']:>9.2f}x")


def workers(pairs: int) -> None:
    """A folder of pairs in one command, with one worker and with two, beside one command a pair (for ten of them)."""
    with tempfile.TemporaryDirectory() as folder:
        for side in ("pred", "gt"):
            (Path(folder) / side).mkdir()
        for k in range(pairs):
            for side, points in zip(("pred", "gt"), np.random.default_rng(k).random((2, 5000, 3)), strict=True):
                np.save(f"{folder}/{side}/{k:04d}.npy", points)

        def command(*words: str) -> str:
            whole = [sys.executable, "-m", "voxcli", "metrics", "chamfer", *words]
            done = subprocess.run(whole, capture_output=True, text=True, check=True)
            return f"{json.loads(done.stdout.splitlines()[-1])['value']:.6f}"

        def one_by_one() -> str:
            return [command(f"{folder}/pred/{k:04d}.npy", f"{folder}/gt/{k:04d}.npy") for k in range(10)][-1]

        race(f"chamfer of {pairs} pairs of 5,000 points", {
            "--workers 2": lambda: command(f"{folder}/pred", f"{folder}/gt", "--workers", "2"),
            "--workers 1": lambda: command(f"{folder}/pred", f"{folder}/gt"), "a command for each of only 10 pairs": one_by_one,
        }, 1)  # fmt: skip


JOBS = ("points", "far", "emd", "auction", "iou", "files", "memory", "workers")


def main() -> None:
    """Run the jobs asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", default=JOBS)
    parser.add_argument("--exact", action="store_true", help="solve the auction's 20,000 points exactly too: minutes, and about 10 GiB")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--points", type=int, nargs="*", default=[100_000, 1_000_000])
    asked = parser.parse_args()
    if unknown := set(asked.jobs) - set(JOBS):
        parser.error(f"no such job: {', '.join(sorted(unknown))}; there are {', '.join(JOBS)}")
    if "points" in asked.jobs:
        for count in asked.points:
            points(count, False, asked.rounds if count < 500_000 else min(asked.rounds, 2))
    if "far" in asked.jobs:
        points(100_000, True, asked.rounds)
    if "emd" in asked.jobs:
        for count in (2048, 4096):
            for far in (False, True):
                emd(count, far, asked.rounds if count < 4096 else min(asked.rounds, 2))
    if "auction" in asked.jobs:
        for count in (4096, 20_000):
            for far in (False, True):
                auction(count, far, asked.exact or count <= 4096)
    if "iou" in asked.jobs:
        grids(asked.rounds)
    if "files" in asked.jobs:
        files(asked.pairs, asked.rounds)
    if "memory" in asked.jobs:
        memory(max(asked.points))
    if "workers" in asked.jobs:
        workers(asked.pairs)


if __name__ == "__main__":
    main()
