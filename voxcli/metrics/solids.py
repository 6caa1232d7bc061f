"""IoU of whatever lies in files: grids, meshes, clouds and points that are known to be inside or not, in any mix that makes sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voxcli.errors import DataError, UsageError
from voxcli.geometry.inside import points_inside
from voxcli.geometry.winding import wound_faces
from voxcli.metrics.distances import normalise, replacement_params
from voxcli.metrics.evaluate import as_double, fill_empty, refuse_empty_clouds, sample, surface_of
from voxcli.metrics.frames import in_one_frame
from voxcli.metrics.grids import grid_iou
from voxcli.metrics.presets import prices_empties
from voxcli.metrics.records import Names, Record
from voxcli.metrics.sampled import mesh_iou, points_record, shell_record
from voxcli.metrics.surfaces import SampledOptions
from voxcli.metrics.volumes import SHELL_POINTS, SHELL_RESOLUTION, IoUOptions
from voxcli.options import flag_of, option_infos
from voxcli.scene import FruxelGrid, Labels, Mesh, PointCloud, Surfels, VoxelGrid
from voxcli.shapes import check_extent

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from voxcli.metrics.base import Shape


def solid_record(pred: Shape, gt: Shape, options: IoUOptions, /, **names: Unpack[Names]) -> Record:
    """The IoU record of two shapes: grids cell by cell; a mesh against a grid, filled on that grid; two meshes by points in their common
    padded box (ONet), or on a grid of `resolution` cells around the truth; clouds by the shell rule.

    Points of which a file says whether they are inside (ONet's `points.npz`) take the place of drawn ones. An option that has no meaning
    for these two shapes raises UsageError.

    >>> grid = VoxelGrid(occupancy=np.ones((2, 2, 2), bool))
    >>> solid_record(grid, grid, IoUOptions(strict=True))["params"]["of"]
    'occupancy'
    """
    if isinstance(pred, PointCloud) and not len(pred.points) and options.of != "shell" and prices_empties(options):
        pred = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))  # a file without points: nothing was predicted
    for shape, which in ((pred, "prediction"), (gt, "ground truth")):
        if isinstance(shape, Mesh):
            check_extent(shape.vertices, f"Vertices of the {which}")
    way = _way_to_compare(pred, gt, options)
    pred, gt = _in_one_frame(pred, gt, options)
    meant_for = _MEANT_FOR[way] | ({"fill"} if way in ("cells", "lattice") and (isinstance(pred, Mesh) or isinstance(gt, Mesh)) else set())
    unused = sorted(options.stated - meant_for - {"of"})
    if unused:
        flags = {name: flag_of(name, about) for name, about in option_infos(IoUOptions).items() if about.on_command_line}
        meant = sorted(flags[name] for name in meant_for if name in flags)
        raise UsageError(f"{flags.get(unused[0], unused[0])} has no meaning here: {_WAYS[way]}.", expected=", ".join(meant))
    if way == "shell":
        record = _shell(pred, gt, options, names)
    elif way == "known points":
        record = _at_known_points(pred, gt, options.points, names)
    elif way == "points":
        solids = _solid_of(pred, "prediction"), _solid_of(gt, "ground truth")
        record = mesh_iou(*solids, points=options.points or MESH_POINTS, seed=options.seed, padding=options.padding, **names)
    else:
        fill = options.fill or "auto"
        record = grid_iou(*_on_one_grid(pred, gt, options.resolution, fill), options, **names)
        record["params"] |= {"fill": fill} if isinstance(pred, Mesh) or isinstance(gt, Mesh) else {}
    record["params"] |= options.stated_preset
    return record


def _in_one_frame(pred: Shape, gt: Shape, options: IoUOptions) -> tuple[Shape, Shape]:
    """The shapes as their places can be compared; as they are where their places do not count."""
    grids = isinstance(pred, (FruxelGrid, VoxelGrid)) and isinstance(gt, (FruxelGrid, VoxelGrid)) and options.of != "shell"
    return (pred, gt) if grids else in_one_frame(pred, gt)  # of two grids, the cells are checked


MESH_POINTS = 100_000
"""Points that two meshes are compared by, where neither the call nor a preset says how many."""
_WAYS = {
    "shell": "points are compared by the cells that they fall into",
    "points": "two meshes are compared by points in their common box",
    "known points": "the points of a file are inside or not",
    "lattice": "two meshes are filled on one grid",
    "cells": "grids are compared cell by cell",
}
_MEANT_FOR = {
    "shell": {"points", "normalise", "resolution", "low", "high", "percent"},
    "points": {"points", "padding"},
    "known points": {"points"},
    "lattice": {"resolution"},
    "cells": {
        "thresholds",
        "strict",
        "classes",
        "over",
        "ignore",
        "mask",
        "mask_file",
        "mask_out_file",
        "align",
        "resample",
        "box_threshold",
        "own_mask",
        "detail",
        "ranges",
    },
}


def _way_to_compare(pred: Shape, gt: Shape, options: IoUOptions) -> str:
    of = options.of
    if of == "parts":
        raise UsageError("Part IoU compares labels of the same points, not shapes.", hint="See voxcli.metrics.parts.")
    clouds = isinstance(pred, (PointCloud, Surfels)) or isinstance(gt, (PointCloud, Surfels))
    meshes = isinstance(pred, Mesh) and isinstance(gt, Mesh)
    if of != "shell" and (_known_points(pred) or _known_points(gt)):
        way = "known points"
    elif of == "shell" or clouds:
        way = "shell"
    else:
        way = "cells" if not meshes else "points" if options.resolution is None else "lattice"
    fits = {"points": ("points",), "known points": ("points",), "lattice": ("occupancy",), "cells": ("occupancy", "labels")}
    if of is not None and of not in fits.get(way, (way,)):
        hint = {"occupancy": "Give grids, or --resolution.", "points": "Give two meshes.", "labels": "Give two label grids."}[of]
        raise UsageError(f"Preset '{options.preset}' is an IoU of {of}, but here {_WAYS[way]}.", hint=hint)
    return way


def _shell(pred: Shape, gt: Shape, options: IoUOptions, names: Names) -> Record:
    drawn = SampledOptions(points=options.points or SHELL_POINTS, seed=options.seed, normalise=options.normalise)
    refuse_empty_clouds(pred, gt, options.empty_points > 0)
    a, b = (sample(shape, drawn, which) for which, shape in (("prediction", pred), ("ground truth", gt)))
    a = fill_empty(a, b, options.empty_points, options.seed)
    if len(a.points) and len(b.points):
        a, b = normalise(a, b, options.normalise)
    box, resolution = (options.low, options.high), options.resolution or SHELL_RESOLUTION
    record = shell_record(a.points, b.points, resolution=resolution, low=box[0], high=box[1], percent=options.percent, **names)
    record["params"] |= {"points": drawn.points, "normalise": options.normalise, "seed": options.seed, **replacement_params(a, b)}
    record["params"] |= {"empty_points": options.empty_points} if options.empty_points else {}
    return record


def _known_points(shape: Shape) -> bool:
    """Points of which it is known whether they are inside: labels that are named empty and occupied."""
    return isinstance(shape, PointCloud) and shape.classes is not None and shape.classes.names == ("empty", "occupied")


def _at_known_points(pred: Shape, gt: Shape, count: int | None, names: Names) -> Record:
    where = gt if _known_points(gt) else pred
    assert isinstance(where, PointCloud)
    if count is not None and count != len(where.points):
        raise DataError("The file holds another number of points to compare at.", expected=count, actual=len(where.points))
    spots = as_double(where.points)
    inside = [_inside(shape, spots, which) for shape, which in ((pred, "prediction"), (gt, "ground truth"))]
    return points_record(*inside, **names)


def _inside(shape: Shape, spots: Tensor, which: str) -> Tensor:
    """Which of the points [N 3] a shape holds, bool [N]."""
    if isinstance(shape, Mesh):
        solid = _solid_of(shape, which)
        return points_inside(spots, *solid) if len(solid[1]) else torch.zeros(len(spots), dtype=torch.bool)
    if not isinstance(shape, PointCloud) or not _known_points(shape):
        raise UsageError(f"Whether points are inside is known of meshes and of files that say it; the {which} is {type(shape).__name__}.",
                         hint="Give a mesh (voxcli convert makes one of a grid).")  # fmt: skip
    if len(shape.points) != len(spots) or not np.allclose(shape.points, spots.numpy(), atol=1e-4):
        raise DataError("Prediction and ground truth know of different points.", expected=len(spots), actual=len(shape.points))
    return torch.from_numpy(np.asarray(shape.labels) > 0)


def _on_one_grid(pred: Shape, gt: Shape, resolution: int | None, fill: str) -> tuple[FruxelGrid | VoxelGrid, FruxelGrid | VoxelGrid]:
    if isinstance(gt, Mesh):
        if isinstance(pred, Mesh):
            assert resolution is not None
            lattice = _box_grid(gt if len(gt.faces) else pred, resolution)
            filled = fill_like(pred, lattice, fill), fill_like(gt, lattice, fill)
            if len(pred.faces) and not any(bool(f.values.any()) for f in filled if isinstance(f, VoxelGrid)):
                raise DataError("Neither mesh fills a cell: no volume at this resolution.", actual=f"{resolution} cells a side")
            return filled
        gt = fill_like(gt, pred, fill)
    if isinstance(pred, Mesh):
        pred = fill_like(pred, gt, fill)
    if not isinstance(pred, (FruxelGrid, VoxelGrid)) or not isinstance(gt, (FruxelGrid, VoxelGrid)):
        raise UsageError("IoU compares solids: fruxels, voxels or meshes.", actual=f"{type(pred).__name__} and {type(gt).__name__}")
    return pred, gt


def _box_grid(mesh: Mesh, resolution: int) -> VoxelGrid:
    """An empty cubic grid around a mesh, one cell wider than its longest side on both ends; any grid around a mesh of nothing."""
    if not len(mesh.faces):
        return VoxelGrid(occupancy=np.zeros((resolution,) * 3, bool))
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    size = float((high - low).max()) / max(resolution - 2, 1)
    origin = (low + high) / 2 - size * resolution / 2
    return VoxelGrid(occupancy=np.zeros((resolution,) * 3, bool), origin=origin, voxel_size=np.full(3, size))


def fill_like(mesh: Mesh, grid: Shape, fill: str = "auto") -> VoxelGrid | FruxelGrid:
    """A mesh filled on the grid of another shape, as occupancy: centre rule for voxels, slab rule for fruxels. fill: one of FILLS.

    >>> from voxcli import files
    >>> car = files.read_as("examples/meshes/car.glb", Mesh)
    >>> grid = VoxelGrid(occupancy=np.zeros((8, 8, 8), bool), origin=np.full(3, -4.0), voxel_size=np.full(3, 1.0))
    >>> bool(fill_like(car, grid).values.any())
    True
    """
    from voxcli.geometry.solid import fruxelize_parts, voxelize_parts

    _solid_of(mesh, "mesh")
    if isinstance(grid, VoxelGrid):
        part = (as_double(mesh.vertices), torch.from_numpy(np.ascontiguousarray(mesh.faces, np.int64)))
        (nx, ny, nz), (x, y, z), (a, b, c) = grid.values.shape, map(float, grid.origin), map(float, grid.voxel_size)
        owner = voxelize_parts([part], (nx, ny, nz), (x, y, z), (a, b, c), fill=fill).owner
        return VoxelGrid(occupancy=owner.numpy() > 0, origin=grid.origin, voxel_size=grid.voxel_size)
    if isinstance(grid, FruxelGrid):
        from voxcli.geometry.regrid import camera_points

        part = (as_double(camera_points(mesh.vertices, grid.world_to_cam)), torch.from_numpy(np.ascontiguousarray(mesh.faces, np.int64)))
        owner = fruxelize_parts([part], grid.frustum, fill=fill).owner
        classes = Labels(("air", "object"))
        return FruxelGrid((owner.numpy() > 0).astype(np.uint8), grid.frustum, grid.world_to_cam, classes)
    raise UsageError("A mesh is filled on a grid.", expected="voxels or fruxels", actual=type(grid).__name__)


def _solid_of(mesh: Shape, which: str) -> tuple[Tensor, Tensor]:
    """Vertices and faces, wound alike, of a mesh that may enclose something. Raises DataError for faces without area."""
    vertices, faces = surface_of(mesh, which)
    faces = torch.from_numpy(wound_faces(vertices.numpy(), faces.numpy()).faces)
    a, b, c = vertices[faces].unbind(1)
    if len(faces) and not float(torch.linalg.cross(b - a, c - a).abs().max()) > 0:
        raise DataError(f"The {which} has no area: all its faces are points or lines.", actual=f"{len(faces)} face(s)")
    return vertices, faces
