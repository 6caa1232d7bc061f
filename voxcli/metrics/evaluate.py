"""From the things that lie in files to records of distances: what stands for the surface of a mesh, cloud, grid or surfel map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voxcli.errors import DataError, UsageError, unknown_name
from voxcli.geometry.sampling import sample_surface
from voxcli.geometry.surface_distance import distance_to_surface
from voxcli.metrics.choices import DISTANCE_METRICS, Choices, Sample, distance_records, emd_record, frame
from voxcli.metrics.frames import in_one_frame
from voxcli.metrics.presets import merge, prices_empties
from voxcli.metrics.records import Record
from voxcli.scene import DepthMap, FruxelGrid, Mesh, PointCloud, Surfels, VoxelGrid
from voxcli.shapes import check_extent

Shape = Mesh | PointCloud | FruxelGrid | VoxelGrid | Surfels | DepthMap

SURFACE_POINTS = 100_000
"""Points drawn from a surface where neither the call nor a preset says how many."""


MATCHED_POINTS = 2048
"""The same for a matching of two surfaces, whose cost grows with the square of the points or faster."""

_SETS = (PointCloud, Surfels, DepthMap)
"""Shapes that are points already."""


def score(metrics: Sequence[str], pred: Shape, gt: Shape, /, given: Mapping[str, Any] | None = None, *, preset: str | None = None,
          **names: str) -> list[Record]:  # fmt: skip
    """Records of the named metrics (chamfer, fscore, hausdorff, normals, emd) between two shapes.

    given: choices by the names of `Choices`, and `iso`, the level at which grids are contoured (0.5); None counts as not given. Metrics
    whose choices of points agree share one sample and one pair of nearest-neighbour passes, so asking for several at once costs hardly
    more than one.
    """
    groups: dict[tuple[Any, ...], list[tuple[str, Choices]]] = {}
    out: dict[str, Record] = {}
    known = {f.name for f in fields(Choices)}
    check_known(given, known | {"iso"})
    for metric in metrics:
        stated = merge(preset, metric, dict(given or {}))
        if metric == "emd" and stated.get("draw", "surface") == "surface" and not isinstance(pred, _SETS) and not isinstance(gt, _SETS):
            stated.setdefault("points", MATCHED_POINTS)
        choices = Choices(**{k: v for k, v in stated.items() if k in known})
        iso, stand_in = float(stated.get("iso", 0.5)), int(stated.get("empty_points", 0))
        key = (choices.points, choices.draw, choices.seed, choices.normalise, choices.to, stand_in, iso)
        groups.setdefault(key, []).append((metric, choices))
    refuse_empty_clouds(pred, gt, prices_empties(preset, given or {}))
    pred, gt = in_one_frame(pred, gt)
    for (*_, stand_in, iso), members in groups.items():
        first = members[0][1]
        a, b = (sample(shape, first, iso=iso, which=which) for which, shape in (("prediction", pred), ("ground truth", gt)))
        a = stood_in(a, b, stand_in, first.seed)
        surfaces, moved = None, (a, b)
        if first.to == "surface":
            surfaces, moved = _surface_distances(pred, gt, a, b, first, iso)
        for metric, choices in members:
            if metric in DISTANCE_METRICS:
                continue
            out[metric] = emd_record(a, b, choices, preset=preset, **names)
        together = [m for m in members if m[0] in DISTANCE_METRICS]
        for metric, record in zip([m for m, _ in together], _shared(together, *moved, surfaces, preset, names), strict=True):
            out[metric] = record
        for metric, _ in members:
            out[metric]["params"] |= _decided(pred, gt, stand_in, iso)
    return [out[m] for m in metrics]


def _decided(pred: Shape, gt: Shape, stand_in: int, iso: float) -> dict[str, Any]:
    """What `Choices` does not hold and the value depends on: points in place of an empty prediction, the level of contoured grids."""
    contoured = any(isinstance(shape, (FruxelGrid, VoxelGrid)) for shape in (pred, gt))
    return ({"empty_points": stand_in} if stand_in else {}) | ({"iso": iso} if contoured else {})


def check_known(given: Mapping[str, Any] | None, known: set[str]) -> None:
    """Raise UsageError for a choice that is not among the known ones."""
    for key in given or {}:
        if key not in known:
            raise unknown_name("choice", key, known)


def refuse_empty_clouds(pred: Shape, gt: Shape, priced: bool) -> None:
    """A mesh or grid may be empty because nothing was predicted; a file of points without a point is a broken one, unless priced."""
    for which, shape in (("prediction", pred), ("ground truth", gt)):
        if isinstance(shape, PointCloud) and not len(shape.points) and not priced:
            raise DataError(f"The {which} is a point cloud without points.", hint="--empty-penalty gives it a price.")


def stood_in(pred: Sample, gt: Sample, count: int, seed: int) -> Sample:
    """The prediction, or where it is empty and the protocol has points stand in for it (`count` above 0), those."""
    if not count:
        return pred
    if not len(gt.points):
        raise DataError("The ground truth is empty, and the protocol gives that no value.")
    return pred if len(pred.points) else Sample(_scattered(gt.points, count, seed))


def _scattered(points: Tensor, count: int, seed: int) -> Tensor:
    """Points drawn evenly in the cube around a set: what UCLID-Net scores in place of an empty prediction."""
    low, high = points.amin(0), points.amax(0)
    draws = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed), dtype=points.dtype)
    return (low + high) / 2 + (draws - 0.5) * (high - low).max()


def _shared(
    members: list[tuple[str, Choices]], pred: Sample, gt: Sample, surfaces: tuple[Tensor, Tensor] | None, preset: str | None,
    names: Mapping[str, str],
) -> list[Record]:  # fmt: skip
    if not members:
        return []
    return distance_records([m for m, _ in members], pred, gt, [c for _, c in members], surfaces=surfaces, preset=preset, **names)


# ------------------------------------------------------------------------------------------------ surfaces to points


def sample(shape: Shape, choices: Choices, *, iso: float = 0.5, which: str = "shape") -> Sample:
    """The points that stand for a shape's surface, with normals where they are known; float64, seeded by `choices.seed`.

    Meshes are sampled evenly by area (or give their vertices); grids are contoured at `iso` first; clouds and surfels are used as they are
    unless `choices.points` asks for a number, then a random subset (with repetition where there are too few). An empty shape gives no
    points; a mesh without area raises DataError.
    """
    # Both shapes draw from streams of their own: the same mesh on both sides must not score 0 by drawing the same points.
    generator = torch.Generator().manual_seed(2 * choices.seed + (which == "ground truth"))
    if isinstance(shape, (FruxelGrid, VoxelGrid)):
        from voxcli.geometry.surfaces import surface_mesh

        shape = surface_mesh(shape, iso)
    if isinstance(shape, Mesh):
        check_extent(shape.vertices, f"Vertices of the {which}")
        return _sample_mesh(shape, choices, generator)
    points: np.ndarray
    normals: np.ndarray | None = None
    if isinstance(shape, Surfels):
        points, normals = surfel_points(shape)
    elif isinstance(shape, PointCloud):
        points, normals = shape.points, shape.normals
    elif isinstance(shape, DepthMap):
        points = depth_points(shape)
    else:
        raise UsageError(f"The {which} has no surface to measure.", actual=type(shape).__name__)
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(axis=1).sum())
        raise DataError(f"Points of the {which} must be finite.", actual=f"{bad} point(s) with NaN or infinity")
    check_extent(points, f"Points of the {which}")
    found = Sample(as_double(points), None if normals is None else as_double(normals))
    return _subset(found, choices, generator)


def as_double(array: np.ndarray) -> Tensor:
    """Points or vertices of a file as they are measured: float64."""
    return torch.from_numpy(np.ascontiguousarray(array, np.float64))


def _sample_mesh(mesh: Mesh, choices: Choices, generator: torch.Generator) -> Sample:
    vertices, faces = as_double(mesh.vertices), torch.from_numpy(np.ascontiguousarray(mesh.faces, np.int64))
    if choices.draw != "surface":
        return _subset(Sample(vertices), choices, generator)
    if len(faces) == 0:
        return Sample(vertices[:0], vertices[:0])
    points, normals, _ = sample_surface(vertices, faces, choices.points or SURFACE_POINTS, generator)
    return Sample(points, normals)


def _subset(found: Sample, choices: Choices, generator: torch.Generator) -> Sample:
    have, want = len(found.points), choices.points
    if want is None or have == 0 or (want == have and choices.draw != "vertices-replaced"):
        return found
    if choices.draw == "vertices-replaced" or want > have:
        pick = torch.randint(have, (want,), generator=generator)
    else:
        pick = torch.randperm(have, generator=generator)[:want]
    held = have if want > have and choices.draw != "vertices-replaced" else None
    return replace(found, points=found.points[pick], normals=None if found.normals is None else found.normals[pick], held=held)


def surfel_points(surfels: Surfels) -> tuple[np.ndarray, np.ndarray]:
    """World positions [N 3] and normals [N 3] of the surfels of a map."""
    seen = np.isfinite(surfels.depth)
    to_world = surfels.camera.world_to_cam[:3, :3].T
    points = _lifted(surfels.depth, surfels.camera.K, seen) - surfels.camera.world_to_cam[:3, 3]
    return points @ to_world.T, surfels.normals[seen].astype(np.float64) @ to_world.T


def depth_points(depth: DepthMap) -> np.ndarray:
    """World positions [N 3] of the pixels of a depth map that show a surface. Raises DataError without a camera."""
    if depth.camera is None:
        raise DataError("A depth map needs its camera to become points.", hint="Give one with --camera or --fov.")
    seen = np.isfinite(depth.depth) & (depth.depth > 0)
    z = depth.depth.astype(np.float64)
    if depth.kind == "ray":
        z = z / np.linalg.norm(_rays(z.shape, depth.camera.K), axis=-1)
    points = _lifted(z, depth.camera.K, seen) - depth.camera.world_to_cam[:3, 3]
    return points @ depth.camera.world_to_cam[:3, :3]


def _rays(shape: tuple[int, ...], K: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    return pixels @ np.linalg.inv(K).T  # [H, W, 3], z = 1


def _lifted(z: np.ndarray, K: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return (_rays(z.shape, K) * np.where(seen, z, 0.0)[..., None])[seen]


# ------------------------------------------------------------------------------------------------ points to surfaces


def _surface_distances(
    pred: Shape, gt: Shape, a: Sample, b: Sample, choices: Choices, iso: float
) -> tuple[tuple[Tensor, Tensor] | None, tuple[Sample, Sample]]:
    """Exact distances of each sample to the other shape's surface, and the samples, all in the chosen frame."""
    if not len(a.points) or not len(b.points):
        return None, (a, b)
    meshes = [surface_of(shape, which, iso) for which, shape in (("prediction", pred), ("ground truth", gt))]
    if choices.normalise != "none":
        shift, scale = frame(b.points, choices.normalise)
        own = frame(a.points, choices.normalise) if choices.normalise == "own-cube" else (shift, scale)
        a, b = replace(a, points=(a.points - own[0]) * own[1]), replace(b, points=(b.points - shift) * scale)
        meshes = [((v - s) * k, f) for (v, f), (s, k) in zip(meshes, (own, (shift, scale)), strict=True)]
    return (distance_to_surface(a.points, *meshes[1]), distance_to_surface(b.points, *meshes[0])), (a, b)


def surface_of(shape: Shape, which: str, iso: float) -> tuple[Tensor, Tensor]:
    """Vertices [V 3] and faces [F 3] of a mesh, or of a grid contoured at `iso`. Raises UsageError for shapes without a surface."""
    if isinstance(shape, (FruxelGrid, VoxelGrid)):
        from voxcli.geometry.surfaces import surface_mesh

        shape = surface_mesh(shape, iso)
    if not isinstance(shape, Mesh):
        raise UsageError(f"--to surface needs a surface on both sides; the {which} is {type(shape).__name__}.",
                         hint="Use --to points, or give meshes or grids.")  # fmt: skip
    check_extent(shape.vertices, f"Vertices of the {which}")
    return as_double(shape.vertices), torch.from_numpy(np.ascontiguousarray(shape.faces, np.int64))
