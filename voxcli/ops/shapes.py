"""Shapes that are measured: read from files, and the intersection over union of any two of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from voxcli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from voxcli.metrics.evaluate import Shape
    from voxcli.metrics.records import Record


def read_shape(path: str, empty_clouds: bool = False, format: str | None = None) -> Shape:
    """A grid, mesh, point cloud, surfels or depth map from a file.

    A mesh file without faces gives an empty mesh. A file of points without points is refused, unless empty_clouds allows it. Raises
    VoxcliError for other files.
    """
    import numpy as np

    from voxcli import files
    from voxcli.errors import EmptyCloudError, EmptyMeshError
    from voxcli.scene import DepthMap, FruxelGrid, Mesh, PointCloud, Surfels, VoxelGrid
    from voxcli.shapes import check_extent

    try:
        thing = files.read_as(path, (FruxelGrid, VoxelGrid, Mesh, PointCloud, Surfels, DepthMap), format=format)
    except EmptyMeshError:
        return Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    except EmptyCloudError:
        if not empty_clouds:
            raise
        return PointCloud(np.zeros((0, 3)))
    if isinstance(thing, (Mesh, PointCloud)):  # here, where the name of the file is known
        check_extent(thing.vertices if isinstance(thing, Mesh) else thing.points, f"{path}: points")
    return thing


def iou_record(
    guess: Shape, truth: Shape, given: Mapping[str, Any], *, preset: str | None = None, seed: int = 0, mask: np.ndarray | None = None,
    pred: str = "", gt: str = "",
) -> Record:  # fmt: skip
    """The IoU record of two shapes: of two grids without a preset cell by cell, of others as `score_iou` says.

    given: the choices that were stated, by their names. pred, gt: what the record and errors call the shapes. Raises UsageError for a
    choice that has no meaning for these two.
    """
    from voxcli.scene import FruxelGrid, VoxelGrid

    if isinstance(guess, (FruxelGrid, VoxelGrid)) and isinstance(truth, (FruxelGrid, VoxelGrid)) and preset is None and "of" not in given:
        from voxcli.metrics import grid_iou  # cell by cell: nothing here needs torch

        unused = sorted({"points", "resolution"} & set(given))
        if unused:
            raise UsageError(f"--{unused[0]} has no meaning for two grids: they are compared cell by cell.")
        if guess.labels is not None and truth.labels is not None and {"thresholds", "strict"} & set(given):
            hint = "Leave out --threshold, --strict and --best-threshold."
            raise UsageError(f"{pred}: thresholds have no meaning for two labelled grids, whose labels are equal or not.", hint=hint)
        return grid_iou(guess, truth, mask=mask, **given, pred=pred, gt=gt)
    from voxcli.metrics.solids import score_iou

    if mask is not None:
        given = {**given, "mask": mask}
    if not (isinstance(guess, (FruxelGrid, VoxelGrid)) and isinstance(truth, (FruxelGrid, VoxelGrid))) or "of" in given:
        given = {**given, "seed": seed}
    return score_iou(guess, truth, given, preset=preset, pred=pred, gt=gt)
