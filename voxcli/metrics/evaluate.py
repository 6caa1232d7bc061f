"""From shapes to records of distances: what stands for the surface of a mesh, cloud, grid or surfel map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voxcli.errors import DataError, UsageError
from voxcli.geometry.sampling import sample_surface
from voxcli.geometry.surface_distance import distance_to_surface
from voxcli.metrics.aligning import motion_between, moved
from voxcli.metrics.distances import Sample, SamplePair, distance_record, frame, normalise
from voxcli.metrics.frames import in_one_frame
from voxcli.metrics.presets import prices_empties
from voxcli.metrics.records import Names, Record
from voxcli.metrics.surfaces import EMDOptions, SampledOptions, SurfaceOptions
from voxcli.scene import DepthMap, FruxelGrid, Mesh, PointCloud, Surfels, VoxelGrid
from voxcli.shapes import check_extent

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.base import Shape

SURFACE_POINTS = 100_000
"""Points drawn from a surface where neither the call nor a preset says how many."""

MATCHED_POINTS = 2048
"""The same for a matching of two surfaces, whose cost grows with the square of the points or faster."""

LEVEL = 0.5
"""Where the surface of an occupancy grid lies, unless the call or a preset says otherwise."""

_SETS = (PointCloud, Surfels, DepthMap)
"""Shapes that are points already."""


def score_together(options: Sequence[SampledOptions], pred: Shape, gt: Shape, /, **names: Unpack[Names]) -> list[Record]:
    """A record for each of the options, whose class says of which metric. names: `pred` and `gt`, what the records call the two.

    Metrics whose options of points agree share one sample and one pair of nearest-neighbour passes, so asking for several at once costs
    hardly more than one. Raises DataError for shapes that cannot be measured.

    >>> from voxcli.metrics.surfaces import FScoreOptions
    >>> cloud = PointCloud(np.eye(3))
    >>> score_together([FScoreOptions(percent=True)], cloud, cloud)[0]["value"]
    100.0
    """
    refuse_empty_clouds(pred, gt, any(map(prices_empties, options)))
    pred, gt = in_one_frame(pred, gt)
    pairs: dict[SampledOptions, SamplePair] = {}
    records = []
    for each in options:
        if isinstance(each, EMDOptions) and each.points is None and each.draw == "surface" and not isinstance(pred, _SETS) \
                and not isinstance(gt, _SETS):  # fmt: skip
            each = replace(each, points=MATCHED_POINTS)
        shared = _of_the_sample(each)
        if shared not in pairs:
            pairs[shared] = _sample_pair(pred, gt, shared)
        record = distance_record(each, pairs[shared], **names)
        record["params"] |= {"empty_points": each.empty_points} if each.empty_points else {}
        if any(isinstance(shape, (FruxelGrid, VoxelGrid)) for shape in (pred, gt)):
            record["params"]["iso"] = LEVEL if each.iso is None else each.iso
        records.append(record)
    return records


def _of_the_sample(options: SampledOptions) -> SurfaceOptions:
    """The part of the options that the samples and their neighbours depend on."""
    return SurfaceOptions(
        points=options.points, draw=options.draw, seed=options.seed, normalise=options.normalise, iso=options.iso,
        empty_points=options.empty_points, align=options.align, to=options.to if isinstance(options, SurfaceOptions) else "points",
    )  # fmt: skip


def _sample_pair(pred: Shape, gt: Shape, options: SurfaceOptions) -> SamplePair:
    """Samples of both shapes in the chosen frame, with the exact distances to the other's surface where those were asked for."""
    a, b = (sample(shape, options, which) for which, shape in (("prediction", pred), ("ground truth", gt)))
    a = fill_empty(a, b, options.empty_points, options.seed)
    if not len(a.points) or not len(b.points):
        return SamplePair(a, b)
    motion = None
    if options.align != "none":
        motion = motion_between(a.points, b.points, resize=options.align == "similarity")
        a = moved(a, motion)
    if options.to == "surface":
        return _surface_pair(pred, gt, a, b, options, motion)
    return SamplePair(*normalise(a, b, options.normalise), motion=motion)


def refuse_empty_clouds(pred: Shape, gt: Shape, priced: bool) -> None:
    """A mesh or grid may be empty because nothing was predicted; a file of points without a point is a broken one, unless priced.

    >>> refuse_empty_clouds(PointCloud(np.zeros((0, 3))), PointCloud(np.eye(3)), priced=True)
    """
    for which, shape in (("prediction", pred), ("ground truth", gt)):
        if isinstance(shape, PointCloud) and not len(shape.points) and not priced:
            raise DataError(f"The {which} is a point cloud without points.", hint="--empty-penalty gives it a price.")


def fill_empty(pred: Sample, gt: Sample, count: int, seed: int) -> Sample:
    """The prediction; where it is empty and `count` is above 0, that many random points in the cube around the truth.

    That is what UCLID-Net scores in place of an empty prediction. Raises DataError for an empty truth.

    >>> fill_empty(Sample(torch.zeros(0, 3)), Sample(torch.eye(3)), 100, seed=0).points.shape
    torch.Size([100, 3])
    """
    if not count:
        return pred
    if not len(gt.points):
        raise DataError("The ground truth is empty, and the protocol gives that no value.")
    if len(pred.points):
        return pred
    low, high = gt.points.amin(0), gt.points.amax(0)
    draws = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed), dtype=gt.points.dtype)
    return Sample((low + high) / 2 + (draws - 0.5) * (high - low).max())


# ------------------------------------------------------------------------------------------------ surfaces to points


def sample(shape: Shape, options: SampledOptions, which: str = "shape") -> Sample:
    """The points that stand for a shape's surface, with normals where they are known; float64, seeded by `options.seed`.

    Meshes are sampled evenly by area (or give their vertices); grids become surfaces by `contoured`; clouds and surfels are used as they
    are unless `points` asks for a number, then a random subset (with repetition where there are too few). An empty shape gives no
    points; a mesh without area raises DataError. which: "prediction" or "ground truth": each draws points of its own.

    >>> sample(PointCloud(np.arange(30.0).reshape(10, 3)), SampledOptions(points=4)).points.shape
    torch.Size([4, 3])
    """
    # Both shapes draw from streams of their own: the same mesh on both sides must not score 0 by drawing the same points.
    generator = torch.Generator().manual_seed(2 * options.seed + (which == "ground truth"))
    if isinstance(shape, (FruxelGrid, VoxelGrid)):
        shape = contoured(shape, options.iso)
    if isinstance(shape, Mesh):
        check_extent(shape.vertices, f"Vertices of the {which}")
        return _sample_mesh(shape, options, generator)
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
    return _subset(found, options, generator)


def contoured(grid: FruxelGrid | VoxelGrid, iso: float | None = None) -> Mesh:
    """The surface of a grid: of its probabilities at `iso` where that is given and the grid holds them, else of its cells at iso or LEVEL.

    >>> soft = VoxelGrid(np.zeros((4, 4, 4), bool), probabilities=np.full((4, 4, 4), 0.4, np.float32))
    >>> len(contoured(soft).faces), len(contoured(soft, 0.3).faces) > 0
    (0, True)
    """
    from voxcli.geometry.surfaces import surface_mesh

    if iso is not None and isinstance(grid, VoxelGrid) and grid.probabilities is not None:
        grid = replace(grid, occupancy=grid.probabilities, probabilities=None, context=None)
    return surface_mesh(grid, LEVEL if iso is None else iso)


def as_double(array: np.ndarray) -> Tensor:
    """Points or vertices of a file as they are measured: float64.

    >>> as_double(np.zeros((2, 3), np.float32)).dtype
    torch.float64
    """
    return torch.from_numpy(np.ascontiguousarray(array, np.float64))


def _sample_mesh(mesh: Mesh, options: SampledOptions, generator: torch.Generator) -> Sample:
    vertices, faces = as_double(mesh.vertices), torch.from_numpy(np.ascontiguousarray(mesh.faces, np.int64))
    if options.draw != "surface":
        return _subset(Sample(vertices), options, generator)
    if len(faces) == 0:
        return Sample(vertices[:0], vertices[:0])
    points, normals, _ = sample_surface(vertices, faces, options.points or SURFACE_POINTS, generator)
    return Sample(points, normals)


def _subset(found: Sample, options: SampledOptions, generator: torch.Generator) -> Sample:
    have, want = len(found.points), options.points
    if want is None or have == 0 or (want == have and options.draw != "vertices-replaced"):
        return found
    if options.draw == "vertices-replaced" or want > have:
        pick = torch.randint(have, (want,), generator=generator)
    else:
        pick = torch.randperm(have, generator=generator)[:want]
    held = have if want > have and options.draw != "vertices-replaced" else None
    return replace(found, points=found.points[pick], normals=None if found.normals is None else found.normals[pick], held=held)


def surfel_points(surfels: Surfels) -> tuple[np.ndarray, np.ndarray]:
    """World positions [N 3] and normals [N 3] of the surfels of a map.

    >>> from voxcli.scene import Camera
    >>> camera = Camera(np.array([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]), 1, 1)
    >>> surfel_points(Surfels(np.full((1, 1), 2.0), np.array([[[0.0, 0, -1]]]), np.zeros((1, 1, 3)), camera))[0].tolist()
    [[0.0, 0.0, 2.0]]
    """
    seen = np.isfinite(surfels.depth)
    to_world = surfels.camera.world_to_cam[:3, :3].T
    points = _lifted(surfels.depth, surfels.camera.K, seen) - surfels.camera.world_to_cam[:3, 3]
    return points @ to_world.T, surfels.normals[seen].astype(np.float64) @ to_world.T


def depth_points(depth: DepthMap) -> np.ndarray:
    """World positions [N 3] of the pixels of a depth map that show a surface. Raises DataError without a camera.

    >>> from voxcli.scene import Camera
    >>> camera = Camera(np.array([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]), 1, 1)
    >>> depth_points(DepthMap(np.full((1, 1), 2.0), "z", camera)).tolist()
    [[0.0, 0.0, 2.0]]
    """
    if depth.camera is None:
        raise DataError("A depth map needs its camera to become points.", hint="Give one with --camera or --fov.")
    seen = np.isfinite(depth.depth) & (depth.depth > 0)
    z = depth.depth.astype(np.float64)
    if depth.kind == "ray":
        z = z / np.linalg.norm(_rays(z.shape, depth.camera.K), axis=-1)
    points = _lifted(z, depth.camera.K, seen) - depth.camera.world_to_cam[:3, 3]
    in_world: np.ndarray = points @ depth.camera.world_to_cam[:3, :3]
    return in_world


def _rays(shape: tuple[int, ...], K: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    rays: np.ndarray = pixels @ np.linalg.inv(K).T  # [H, W, 3], z = 1
    return rays


def _lifted(z: np.ndarray, K: np.ndarray, seen: np.ndarray) -> np.ndarray:
    points: np.ndarray = (_rays(z.shape, K) * np.where(seen, z, 0.0)[..., None])[seen]
    return points


# ------------------------------------------------------------------------------------------------ points to surfaces


def _surface_pair(pred: Shape, gt: Shape, a: Sample, b: Sample, options: SurfaceOptions, motion: Tensor | None) -> SamplePair:
    """Both samples with their exact distances to the other shape's surface, in the chosen frame. motion: of the prediction's surface."""
    meshes = [surface_of(shape, which, options.iso) for which, shape in (("prediction", pred), ("ground truth", gt))]
    if motion is not None:
        meshes[0] = moved(Sample(meshes[0][0]), motion).points, meshes[0][1]
    if options.normalise != "none":
        shift, scale = frame(b.points, options.normalise)
        own = frame(a.points, options.normalise) if options.normalise == "own-cube" else (shift, scale)
        a, b = replace(a, points=(a.points - own[0]) * own[1]), replace(b, points=(b.points - shift) * scale)
        meshes = [((v - s) * k, f) for (v, f), (s, k) in zip(meshes, (own, (shift, scale)), strict=True)]
    return SamplePair(a, b, (distance_to_surface(a.points, *meshes[1]), distance_to_surface(b.points, *meshes[0])), motion)


def surface_of(shape: Shape, which: str, iso: float | None = None) -> tuple[Tensor, Tensor]:
    """Vertices [V 3] and faces [F 3] of a mesh, or of a grid contoured as `contoured` says. Raises UsageError for shapes without a surface.

    >>> [part.shape for part in surface_of(Mesh(np.eye(3), np.array([[0, 1, 2]])), "prediction", 0.5)]
    [torch.Size([3, 3]), torch.Size([1, 3])]
    """
    if isinstance(shape, (FruxelGrid, VoxelGrid)):
        shape = contoured(shape, iso)
    if not isinstance(shape, Mesh):
        raise UsageError(f"--to surface needs a surface on both sides; the {which} is {type(shape).__name__}.",
                         hint="Use --to points, or give meshes or grids.")  # fmt: skip
    check_extent(shape.vertices, f"Vertices of the {which}")
    return as_double(shape.vertices), torch.from_numpy(np.ascontiguousarray(shape.faces, np.int64))
