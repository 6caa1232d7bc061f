"""Grids as lattices: the warp that makes rows, columns and rays of a grid straight, parallel and evenly spaced.

A voxel grid is warped by a shift and a scale; a fruxel grid by (x, y, z) -> (f x/z + c_x, f y/z + c_y, w), w a linear function of
1/z. Both keep planes plane and orientation, so one solid rasteriser fills both, along any of the three axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from voxcli.geometry.frusta import slice_centres
from voxcli.geometry.raster import clip
from voxcli.scene import Frustum


@dataclass(frozen=True)
class VoxelLattice:
    """A box grid [X, Y, Z]. origin: minimum corner; voxel_size: edge lengths. Rays for filling run along x, the first array axis."""

    shape: tuple[int, int, int]
    origin: tuple[float, float, float]
    voxel_size: tuple[float, float, float]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Samples along the lattice axes (u, v, w) = (y, z, x): an even permutation, so orientation stays."""
        return self.shape[1], self.shape[2], self.shape[0]

    def warp(self, vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """World vertices [V, 3] -> lattice points [V, 3] (u, v, w); faces are kept as they are."""
        points = torch.empty(3, len(vertices), dtype=torch.float64, device=vertices.device)
        for to, axis in zip(points, (1, 2, 0), strict=True):
            torch.sub(vertices[:, axis].double(), self.origin[axis], out=to).div_(self.voxel_size[axis])
        return points.t(), faces, None

    def misses(self, vertices: Tensor) -> bool:
        """Whether all vertices [V, 3] lie beyond one side of the grid: then nothing between them touches a cell."""
        if not len(vertices):
            return True
        low, high = vertices.amin(0).tolist(), vertices.amax(0).tolist()
        ends = [(o - 1e-3 * s, o + (n + 1e-3) * s) for o, n, s in zip(self.origin, self.shape, self.voxel_size, strict=True)]
        return any(a > end or b < start for a, b, (start, end) in zip(low, high, ends, strict=True))

    def samples(self, axis: int) -> Tensor | None:
        """Sample positions along a lattice axis; None = at i + 1/2."""
        return None

    def borders(self, axis: int) -> Tensor:
        """Where cells begin and end along a lattice axis: float64 [cells + 1]."""
        return torch.arange(self.sizes[axis] + 1, dtype=torch.float64)

    def depth(self, w: Tensor) -> Tensor:
        """Lattice coordinate w -> position along the ray, in cells from the first one's near face."""
        return w


@dataclass(frozen=True)
class FruxelLattice:
    """A fruxel grid [D, H, W] in front of its camera; vertices in the camera frame. Rays for filling are the pixels' rays.

    The lattice axes are (u, v, w) = (column, row, w), w = D (1/z_near - 1/z) / (1/z_near - 1/z_far), which grows with z.
    """

    frustum: Frustum

    @property
    def shape(self) -> tuple[int, int, int]:
        """(D, H, W)"""
        return self.frustum.shape

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(W, H, D)"""
        return self.frustum.width, self.frustum.height, self.frustum.depth

    def warp(self, vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Camera-frame vertices -> (lattice points, faces, source face or None). What lies behind z_near/1000 is cut off."""
        nearest = self.frustum.z_near * 1e-3
        points, source = vertices.double(), None
        if len(points) and bool((points[:, 2] < nearest).any()):
            points, faces, source = clip(points, faces, 2, nearest, True)
            source, order = source.sort(stable=True)
            faces = faces.index_select(0, order)
        z = points[:, 2].clamp_min(nearest)  # vertices left unused by the cut
        u = (self.frustum.focal * points[:, 0]).div_(z).add_(self.frustum.width / 2)
        v = (self.frustum.focal * points[:, 1]).div_(z).add_(self.frustum.height / 2)
        return torch.stack([u, v, self._w(z)]).t(), faces, source

    def misses(self, vertices: Tensor) -> bool:
        """Whether all vertices [V, 3] lie beyond one side of the frustum (or behind the camera)."""
        if not len(vertices):
            return True
        some = vertices[:: max(1, len(vertices) // 64)]  # most often these tell already
        return (len(some) == len(vertices) or self._beyond_a_side(some)) and self._beyond_a_side(vertices)

    def _beyond_a_side(self, vertices: Tensor) -> bool:
        frustum = self.frustum
        x, y, z = vertices.unbind(1)
        u, v = frustum.focal * x, frustum.focal * y
        half_w, half_h = frustum.width / 2 * z, frustum.height / 2 * z  # half spaces: they hold for z < 0 too
        sides = (z - frustum.z_far * (1 + 1e-6), -z, u - half_w, -u - half_w, v - half_h, -v - half_h)
        return bool((torch.stack([side.amin() for side in sides]) > 0).any())

    def samples(self, axis: int) -> Tensor | None:
        """Sample positions along a lattice axis: pixel centres are even (None), slice centres are not even in w."""
        return self._w(slice_centres(self.frustum)) if axis == 2 else None

    def borders(self, axis: int) -> Tensor:
        """Where cells begin and end along a lattice axis: float64 [cells + 1]. Slices are even in z, and not in w."""
        even = torch.arange(self.sizes[axis] + 1, dtype=torch.float64)
        return self._w(self.frustum.z_near + even * self.frustum.slice_thickness) if axis == 2 else even

    def _w(self, z: Tensor) -> Tensor:
        near, far = 1 / self.frustum.z_near, 1 / self.frustum.z_far
        return (near - 1 / z).mul_(self.frustum.depth).div_(near - far)

    def depth(self, w: Tensor) -> Tensor:
        """Lattice coordinate w -> position along the ray in slices from z_near (negative: nearer than z_near)."""
        near, far = 1 / self.frustum.z_near, 1 / self.frustum.z_far
        z = (w / self.frustum.depth).mul_(near - far).neg_().add_(near).reciprocal_()
        return z.sub_(self.frustum.z_near).div_(self.frustum.slice_thickness)


Lattice = VoxelLattice | FruxelLattice
