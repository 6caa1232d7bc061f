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
        origin, size = (torch.tensor(v, dtype=torch.float64, device=vertices.device) for v in (self.origin, self.voxel_size))
        return ((vertices.double() - origin) / size)[:, [1, 2, 0]], faces, None

    def samples(self, axis: int) -> Tensor | None:
        """Sample positions along a lattice axis; None = at i + 1/2."""
        return None

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
        z = points[:, 2].clamp_min(nearest)                                       # vertices left unused by the cut
        u = self.frustum.focal * points[:, 0] / z + self.frustum.width / 2
        v = self.frustum.focal * points[:, 1] / z + self.frustum.height / 2
        return torch.stack([u, v, self._w(z)], 1), faces, source

    def samples(self, axis: int) -> Tensor | None:
        """Sample positions along a lattice axis: pixel centres are even (None), slice centres are not even in w."""
        return self._w(slice_centres(self.frustum)) if axis == 2 else None

    def _w(self, z: Tensor) -> Tensor:
        near, far = 1 / self.frustum.z_near, 1 / self.frustum.z_far
        return self.frustum.depth * (near - 1 / z) / (near - far)

    def depth(self, w: Tensor) -> Tensor:
        """Lattice coordinate w -> position along the ray in slices from z_near (negative: nearer than z_near)."""
        near, far = 1 / self.frustum.z_near, 1 / self.frustum.z_far
        z = 1 / (near - w / self.frustum.depth * (near - far))
        return (z - self.frustum.z_near) / self.frustum.slice_thickness


Lattice = VoxelLattice | FruxelLattice


@dataclass(frozen=True)
class Window:
    """The part of a lattice around a mesh: cells low .. low + sizes along the lattice axes (u, v, w)."""

    lattice: Lattice
    low: tuple[int, int, int]
    sizes: tuple[int, int, int]

    @classmethod
    def around(cls, points: Tensor, faces: Tensor, lattice: Lattice) -> Window | None:
        """The smallest window that holds all cells which a mesh of lattice points can touch; None if it touches none."""
        if not len(faces):
            return None
        used = points[faces.unique()]
        bottom, top = used.amin(0), used.amax(0)
        ends = torch.stack([bottom[:2], top[:2]])
        along = lattice.depth(torch.stack([bottom[2], top[2]]))[:, None]
        low = torch.cat([ends[0], along[0]]).floor().long().tolist()
        high = (torch.cat([ends[1], along[1]]).floor().long() + 1).tolist()
        low = [max(0, v) for v in low]
        high = [min(n, v) for v, n in zip(high, lattice.sizes, strict=True)]
        if any(h <= b for h, b in zip(high, low, strict=True)):
            return None
        sizes = (high[0] - low[0], high[1] - low[1], high[2] - low[2])
        return cls(lattice, (low[0], low[1], low[2]), sizes)

    def shift(self, points: Tensor) -> Tensor:
        """Lattice points as the window counts them. Along an uneven axis the samples move, not the points."""
        even = torch.tensor([1.0, 1.0, 1.0 if self.lattice.samples(2) is None else 0.0], dtype=torch.float64, device=points.device)
        return points - torch.tensor(self.low, dtype=torch.float64, device=points.device) * even

    def samples(self, axis: int) -> Tensor | None:
        """Sample positions along an axis of the window."""
        samples = self.lattice.samples(axis)
        return None if samples is None else samples[self.low[axis] : self.low[axis] + self.sizes[axis]]

    def depth(self, w: Tensor) -> Tensor:
        """Lattice coordinate w of a shifted point -> position along the ray, in cells of the window."""
        return w if self.lattice.samples(2) is None else self.lattice.depth(w) - self.low[2]


Grid = VoxelLattice | FruxelLattice | Window
