"""Any shape as a solid, coloured volume in its own frame: the cube [-1/2, 1/2]^3, the box's middle at 0, its diagonal 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from voxcli.errors import DataError
from voxcli.geometry.regrid import voxel_centres
from voxcli.geometry.sampling import sample_surface
from voxcli.geometry.solid import voxelize_parts
from voxcli.geometry.winding import wound_faces
from voxcli.scene import Mesh, PointCloud, VoxelGrid

GREY = 128
"""Of what has no colour."""

_SAMPLES = 60_000
_REACH = 0.25  # share of a cell that a surface must reach into it


class Placement(NamedTuple):
    """own = (x - middle) / diagonal."""

    middle: np.ndarray
    diagonal: float

    def own(self, points: np.ndarray) -> np.ndarray:
        """Points [N, 3] in the shape's own frame."""
        own: np.ndarray = (np.asarray(points, np.float64) - self.middle) / self.diagonal
        return own


class ColouredVolume(NamedTuple):
    """occupied [R, R, R] bool, colours [R, R, R, 3] uint8 (0 in air), and where the shape was."""

    occupied: np.ndarray
    colours: np.ndarray
    placement: Placement


def placement_of(points: np.ndarray) -> Placement:
    """The box of points [N, 3]. Raises DataError where they have no extent.

    >>> placement = placement_of(np.array([[0.0, 0, 0], [3, 4, 0]]))
    >>> placement.middle.tolist(), placement.diagonal
    ([1.5, 2.0, 0.0], 5.0)
    """
    if not len(points):
        raise DataError("The shape is empty: it has no box.")
    low, high = points.min(0), points.max(0)
    diagonal = float(np.linalg.norm(high - low))
    if not diagonal > 0:
        raise DataError("The shape has no extent: all its points are one.")
    return Placement((low + high) / 2, diagonal)


def colour_volume(thing: Mesh | PointCloud | VoxelGrid, resolution: int = 64, threshold: float = 0.5) -> ColouredVolume:
    """A mesh is filled, and marked where its surface reaches into a cell, as thin legs do; points become a shell, filled where it closes;
    a grid is resampled. Colours of cells inside are those of the nearest cell of the surface; what has none is grey.

    >>> volume = colour_volume(VoxelGrid(occupancy=np.ones((4, 4, 4), bool)), 16)
    >>> volume.occupied.shape, volume.placement.middle.tolist()
    ((16, 16, 16), [2.0, 2.0, 2.0])
    """
    if isinstance(thing, Mesh):
        return _of_mesh(thing, resolution)
    if isinstance(thing, PointCloud):
        placement = placement_of(np.asarray(thing.points, np.float64))
        shell = _marked(placement.own(thing.points), thing.colors, resolution)
        from scipy.ndimage import binary_fill_holes

        return _with_inside(binary_fill_holes(shell[0]), *shell, placement)
    return _of_grid(thing, resolution, threshold)


def _of_mesh(mesh: Mesh, resolution: int) -> ColouredVolume:
    if not len(mesh.faces):
        raise DataError("The mesh has no faces: there is nothing to fill.")
    placement = placement_of(mesh.vertices[np.unique(mesh.faces)])
    vertices = torch.from_numpy(placement.own(mesh.vertices))
    faces = torch.from_numpy(np.ascontiguousarray(wound_faces(mesh.vertices, mesh.faces).faces))
    filled = voxelize_parts([(vertices, faces)], (resolution,) * 3, (-0.5,) * 3, (1 / resolution,) * 3)
    points, normals, face = (x.numpy() for x in sample_surface(vertices, faces, _SAMPLES, torch.Generator().manual_seed(0)))
    colours = None
    if mesh.vertex_colors is not None:
        colours = mesh.vertex_colors[mesh.faces[face]].mean(1).astype(np.uint8)
    elif mesh.face_colors is not None:
        colours = mesh.face_colors[face]
    return _with_inside(filled.owner.numpy() > 0, *_marked(points - _REACH / resolution * normals, colours, resolution), placement)


def _of_grid(grid: VoxelGrid, resolution: int, threshold: float) -> ColouredVolume:
    if grid.labels is not None:
        assert grid.classes is not None
        solid = np.isin(grid.labels, grid.classes.solid_ids)
    else:
        solid = np.asarray(grid.values) >= threshold
    cells = np.argwhere(solid)
    if not len(cells):
        raise DataError("The grid has no filled cell.")
    corners = np.concatenate([cells.min(0)[None], cells.max(0)[None] + 1]) * grid.voxel_size + grid.origin
    placement = placement_of(corners)
    centres = voxel_centres((resolution,) * 3, np.full(3, -0.5), np.full(3, 1 / resolution)) * placement.diagonal + placement.middle
    index = np.floor((centres - grid.origin) / grid.voxel_size).astype(np.int64)
    inside = ((index >= 0) & (index < solid.shape)).all(-1)
    occupied = np.zeros((resolution,) * 3, bool)
    occupied[inside] = solid[tuple(index[inside].T)]
    # A grid finer than ours may have cells that no centre of ours meets: each marks the cell it lies in.
    occupied |= _marked(placement.own((cells + 0.5) * grid.voxel_size + grid.origin), None, resolution)[0]
    return ColouredVolume(occupied, np.where(occupied[..., None], GREY, 0).astype(np.uint8).repeat(3, -1), placement)


def _marked(own: np.ndarray, colours: np.ndarray | None, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells that hold points, and the colour of the last of each."""
    index = np.floor((own + 0.5) * resolution).astype(np.int64).clip(0, resolution - 1)
    shell, shown = np.zeros((resolution,) * 3, bool), np.zeros((resolution,) * 3 + (3,), np.uint8)
    shell[tuple(index.T)] = True
    shown[tuple(index.T)] = GREY if colours is None else colours
    return shell, shown


def _with_inside(solid: np.ndarray, shell: np.ndarray, shown: np.ndarray, placement: Placement) -> ColouredVolume:
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(~shell, return_distances=False, return_indices=True)
    occupied = solid | shell
    return ColouredVolume(occupied, np.where(occupied[..., None], shown[tuple(nearest)], 0).astype(np.uint8), placement)
