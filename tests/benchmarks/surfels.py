"""The surfel renderer's speed: `python tests/benchmarks/surfels.py [MESH] [--device cuda]`.

1. Depth to picture (normals of equation 3, one point light of equation 1) and back to the gradient of the depth, at 128 x 128, single and
   batched, beside the least time in which this machine could move the bytes that must be read and written: depth in, picture out, and for
   the gradient the same once more. The bandwidth is measured in the same run. The pix2scene paper states 1.4 ms for its own renderer at
   this size on a mobile GTX 1060: other hardware, so a lead and no comparison. On CUDA the calls are captured in a graph as well.
2. Mesh to depth and normals, beside Open3D's ray casting, its tree built anew for each mesh as ours has none.

Machines are shared: the column "busy" is the processor time of this process, which others disturb less than the clock.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.side_by_side import graphed, optional, race
from references.shapes import torus

from voxcli.backend import keep_freed_memory
from voxcli.geometry.lighting import Lights
from voxcli.geometry.rays import camera_rays
from voxcli.geometry.surfels import render
from voxcli.geometry.visible import mesh_surfels
from voxcli.scene import Camera, Mesh

SIZE = 128


def ball(camera: torch.Tensor, size: int) -> torch.Tensor:
    """z-depth of a sphere before a wall. [H, W]"""
    rays, _ = camera_rays(camera, size, size)
    centre = torch.tensor([0.1, -0.05, 3.0], device=camera.device)[:, None, None]
    a, b = (rays * rays).sum(0), (rays * centre).sum(0)
    under = b * b - a * ((centre * centre).sum() - 1)
    return torch.where(under > 0, (b - under.clamp_min(0).sqrt()) / a, 5.0)


def timed(work: Callable[[], object], device: torch.device, rounds: int) -> tuple[float, float, float]:
    """Median, least and busy seconds of a call."""
    wall, busy = [], []
    for k in range(rounds + 3):
        start, own = time.perf_counter(), time.process_time()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if k >= 3:
            wall.append(time.perf_counter() - start)
            busy.append(time.process_time() - own)
    return statistics.median(wall), min(wall), statistics.median(busy)


def bandwidth(device: torch.device) -> float:
    """Bytes a second that a plain copy reads and writes."""
    source = torch.zeros(1 << 26, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() / timed(lambda: target.copy_(source), device, 15)[1]


def renderer(device: torch.device, rounds: int, batches: tuple[int, ...]) -> None:
    """Forward, and forward with backward, beside the byte limit."""
    focal = SIZE / 2 / np.tan(np.radians(20))
    K = torch.tensor([[focal, 0, SIZE / 2], [0, focal, SIZE / 2], [0, 0, 1]], dtype=torch.float32, device=device)
    lights = Lights(*(torch.tensor(v, device=device) for v in ([0.2] * 3, [[1.0, -1.0, -1.0]], [[1.0] * 3])), linear=0.1, quadratic=0.2)
    albedo = torch.full((3, 1, 1), 0.7, device=device)
    speed = bandwidth(device)
    threads = f"{torch.get_num_threads()} thread(s)"
    print(f"\ndepth to picture, {SIZE} x {SIZE}, float32 on {device}, {threads}; a copy moves {speed / 1e9:.1f} GB/s")
    print(f"  {'':<34} {'median':>9} {'least':>9} {'busy':>9} {'a picture':>10} {'byte limit':>11}")
    for batch in batches:
        depth = ball(K, SIZE).expand(batch, SIZE, SIZE).contiguous()
        leaf = depth.clone().requires_grad_()
        cotangent = torch.rand(batch, 3, SIZE, SIZE, device=device)

        def forward(depth: torch.Tensor = depth) -> torch.Tensor:
            with torch.no_grad():
                return render(depth, albedo, K, lights)

        def both(leaf: torch.Tensor = leaf, cotangent: torch.Tensor = cotangent) -> tuple[torch.Tensor, ...]:
            return torch.autograd.grad(render(leaf, albedo, K, lights), leaf, cotangent)

        for name, work, maps in (("forward", forward, 4), ("forward and backward", both, 8)):
            limit = maps * 4 * SIZE * SIZE * batch / speed
            runs = {name: work} | ({f"{name}, one graph": graphed(work, device)} if device.type == "cuda" else {})
            for title, run in runs.items():
                median, least, busy = (1e3 * v for v in timed(run, device, rounds))
                print(f"  {f'{batch} x {title}':<34} {median:>6.2f} ms {least:>6.2f} ms {busy:>6.2f} ms {least / batch:>7.2f} ms "
                      f"{1e3 * limit:>8.3f} ms")  # fmt: skip
    print("  (the paper's own renderer, forward, mobile GTX 1060: under 1.4 ms a picture, as it states)")


def meshes(path: str | None, sizes: tuple[int, ...], rounds: int) -> list[dict[str, float]]:
    """Mesh to depth and normals from one view, everything built anew."""
    if path is None:
        vertices, faces = (x.numpy() for x in torus(1.0, 0.35, 290, 148))
    else:
        from voxcli import files

        mesh = files.read_as(path, Mesh)
        vertices, faces = mesh.vertices, mesh.faces
    low, high = vertices.min(0), vertices.max(0)
    vertices = (vertices - (low + high) / 2) / (high - low).max() * 2
    o3d, found = optional("open3d"), []
    for size in sizes:
        f = size / 2 / np.tan(np.radians(20))
        motion = np.diag([1.0, -1, -1, 1])
        motion[2, 3] = 3.6
        camera = Camera(np.array([[f, 0, size / 2], [0, f, size / 2], [0, 0, 1]]), size, size, motion)
        mesh = Mesh(vertices, faces)
        contestants: dict[str, Callable[[], object]] = {"voxcli": lambda mesh=mesh, camera=camera: mesh_surfels(mesh, camera).depth.numpy()}
        if o3d:
            contestants["Open3D ray casting"] = lambda camera=camera: open3d_view(o3d, vertices, faces, camera)
        found.append(race(f"mesh to depth and normals, {len(faces)} faces, {size}^2", contestants, rounds,
             lambda z: f"mean depth {np.asarray(z)[np.isfinite(z)].mean():.5f}, {int(np.isfinite(z).sum())} pixels"))  # fmt: skip
    return found


def open3d_view(o3d, vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """z-depth from cast rays; its normals come with it."""
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32)))
    K, M = (o3d.core.Tensor(np.asarray(x, np.float64)) for x in (camera.K, camera.world_to_cam))
    rays = scene.create_rays_pinhole(K, M, camera.width, camera.height)  # directions with z = 1: t_hit is z-depth
    found = scene.cast_rays(rays)
    assert found["primitive_normals"].shape[2] == 3
    return found["t_hit"].numpy()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mesh", nargs="?")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--sizes", type=int, nargs="*", default=[128, 256])
    options = parser.parse_args()
    keep_freed_memory()  # as the command does
    renderer(torch.device(options.device), options.rounds, tuple(options.batches))
    meshes(options.mesh, tuple(options.sizes), options.rounds)
