"""Solid filling beside its peers, for speed_table.py.

Peers are optional and installed by hand: open3d, embreex, point-cloud-utils. All fill the cells whose centre lies inside; the last
column counts filled cells, so that who is fast and wrong shows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.side_by_side import optional, race
from references.shapes import torus

from voxcli.geometry.frusta import pixel_rays, slice_centres
from voxcli.geometry.lattice import FruxelLattice, VoxelLattice
from voxcli.geometry.solid import fruxelize_parts, solid_mask
from voxcli.scene import Frustum


def load() -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of a torus of 100,000 faces in the unit cube."""
    v, f = (x.numpy() for x in torus(n=316, m=158))
    low, high = v.min(0), v.max(0)
    return (v - (low + high) / 2) / (high - low).max() * 0.98 + 0.5, f


def filled(grid) -> str:
    """How many cells a contestant filled."""
    return f"{int(np.count_nonzero(np.asarray(grid)))} cells"


def open3d_columns(o3d, v: np.ndarray, f: np.ndarray, rays: np.ndarray, bounds, n: int):
    """Parity between all intersections of each column's ray: the fastest correct peer."""

    def work():
        scene = o3d.t.geometry.RaycastingScene()
        scene.add_triangles(o3d.core.Tensor(v.astype(np.float32)), o3d.core.Tensor(f.astype(np.uint32)))
        found = scene.list_intersections(o3d.core.Tensor(rays))
        ray, t = found["ray_ids"].numpy().astype(np.int64), found["t_hit"].numpy()
        k = np.clip(np.searchsorted(bounds, t), 0, n)
        steps = np.zeros((len(rays), n + 1), np.uint8)
        np.add.at(steps, (ray, k), 1)
        return np.cumsum(steps, axis=1, dtype=np.uint8)[:, :n] & 1

    return work


def voxels(v: np.ndarray, f: np.ndarray, n: int, rounds: int) -> dict[str, float]:
    """Box grids."""
    tv, tf, lattice = torch.from_numpy(v), torch.from_numpy(f), VoxelLattice((n, n, n), (0.0, 0.0, 0.0), (1 / n,) * 3)
    contestants = {"voxcli": lambda: solid_mask(tv, tf, lattice, "centre")}
    centres = (np.arange(n) + 0.5) / n
    if o3d := optional("open3d"):
        y, z = np.meshgrid(centres, centres, indexing="ij")
        rays = np.stack([np.full(n * n, -1.0), y.ravel(), z.ravel(), np.ones(n * n), *np.zeros((2, n * n))], 1).astype(np.float32)
        contestants["Open3D list_intersections + parity"] = open3d_columns(o3d, v, f, rays, centres + 1, n)
        grid = np.stack(np.meshgrid(centres, centres, centres, indexing="ij"), -1).astype(np.float32)

        def occupancy():
            scene = o3d.t.geometry.RaycastingScene()
            scene.add_triangles(o3d.core.Tensor(v.astype(np.float32)), o3d.core.Tensor(f.astype(np.uint32)))
            return scene.compute_occupancy(o3d.core.Tensor(grid)).numpy()

        if n <= 128:
            contestants["Open3D compute_occupancy"] = occupancy
    if optional("trimesh") and n <= 128:
        import trimesh

        contestants["trimesh voxelized().fill()"] = lambda: trimesh.Trimesh(v, f, process=False).voxelized(1 / n).fill().matrix
    if (pcu := optional("point_cloud_utils")) and n <= 128:
        points = np.stack(np.meshgrid(centres, centres, centres, indexing="ij"), -1).reshape(-1, 3)
        contestants["point-cloud-utils fast winding number"] = lambda: (
            pcu.triangle_soup_fast_winding_number(v, f.astype(np.int32), points) > 0.5
        )
    return race(f"solid voxels {n}^3, {len(f)} faces", contestants, rounds, filled)


def fruxels(v: np.ndarray, f: np.ndarray, n: int, rounds: int) -> dict[str, float]:
    """Frustum grids: the unit cube two units in front of the camera."""
    frustum = Frustum(n, n, n, 1.4, 2.6, 40.0)
    cam = (v - 0.5) * [1, -1, -1] + [0, 0, 2]
    tv, tf = torch.from_numpy(cam), torch.from_numpy(f)
    contestants = {"voxcli": lambda: solid_mask(tv, tf, FruxelLattice(frustum), "centre")}
    if o3d := optional("open3d"):
        directions = pixel_rays(frustum).reshape(-1, 3).numpy()
        rays = np.concatenate([np.zeros_like(directions), directions], 1).astype(np.float32)
        contestants["Open3D list_intersections, pixel rays + parity"] = open3d_columns(o3d, cam, f, rays, slice_centres(frustum).numpy(), n)
    return race(f"solid fruxels {n}^3, {len(f)} faces", contestants, rounds, filled)


def street(folder: Path) -> dict[str, float]:
    """A street of twenty assets at 128^3, the way `voxcli fruxelize scene.yaml` fills it."""
    from voxcli import files
    from voxcli.scene import Mesh

    paths = sorted(folder.glob("*/*.glb"))
    if not paths:
        print(f"\n(left out: no assets in {folder})")
        return {}
    frustum = Frustum(128, 128, 128, 2.0, 12.0, 40.0)
    parts = []
    for n in range(20):
        mesh = files.read_as(paths[n % len(paths)], Mesh)
        offset = np.array([(n % 5 - 2) * 1.4, 1.5, 4.0 + n // 5 * 2.0])
        parts.append((torch.from_numpy(mesh.vertices * [1, -1, -1] + offset), torch.from_numpy(mesh.faces)))
    return race("street of 20 assets, fruxels 128^3", {"voxcli": lambda: fruxelize_parts(parts, frustum).owner}, show=filled)
