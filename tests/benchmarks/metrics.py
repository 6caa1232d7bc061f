"""Metrics beside their peers, in one run: `python tests/benchmarks/metrics.py [points|far|emd|auction|iou] [--rounds N] [--points N ...]`.

Peers are optional and installed by hand: scipy is a dependency; open3d, point-cloud-utils, small_gicp, pykdtree, POT. Each job prints ours,
the peers, and the ratio; the last column is the value, so that who is fast and wrong shows. Without a MESH bumpy tori are compared.
"""

from __future__ import annotations

import argparse
import resource
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
from voxcli.metrics.choices import Choices, Sample, distance_records
from voxcli.metrics.counting import confusion
from voxcli.metrics.overlap import iou

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


def points(count: int, far: bool, rounds: int) -> None:
    """Chamfer, F-score and Hausdorff together."""
    x, y = clouds(count, far)
    tx, ty, choices = torch.from_numpy(x), torch.from_numpy(y), Choices(thresholds=(NEAR,))

    def ours() -> str:
        found = distance_records(["chamfer", "fscore", "hausdorff"], Sample(tx), Sample(ty), choices)
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
    race(f"Chamfer + F + Hausdorff, {count} x {count}, {'far' if far else 'near'}", contestants, rounds)


def emd(count: int, far: bool, rounds: int) -> None:
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
    race(f"exact EMD, {count} points, {'far' if far else 'near'}", contestants, rounds)


def auction(count: int, far: bool) -> None:
    """Approximate earth mover's distance: its time and the gap that it admits to."""

    def work() -> str:
        found = assign_by_auction(*clouds(count, far, bump=0.03))
        return f"{found.cost:.6f}, at most {100 * (found.cost / found.lower_bound - 1):.2f} % above the optimum"

    race(f"approximate EMD, {count} points, {'far' if far else 'near'}", {"voxcli": work}, 1)


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


def main() -> None:
    """Run the jobs asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", default=["points", "far", "emd", "auction", "iou"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--points", type=int, nargs="*", default=[100_000, 1_000_000])
    asked = parser.parse_args()
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
        for far in (False, True):
            auction(20_000, far)
    if "iou" in asked.jobs:
        grids(asked.rounds)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
