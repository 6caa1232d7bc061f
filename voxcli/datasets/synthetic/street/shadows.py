"""Which points of a street the sun reaches: a shadow map along its direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from voxcli.datasets.synthetic.street.pieces import Surface
from voxcli.datasets.synthetic.street.plan import View
from voxcli.datasets.synthetic.street.textures import clouds
from voxcli.geometry.zbuffer import nearest

if TYPE_CHECKING:
    from voxcli.datasets.synthetic.street.render import TriangleSoup


@dataclass(frozen=True)
class ShadowRange:
    """What a shadow map covers: a square around a middle that lies `ahead` metres in front of the camera.

    cells: along each side. reach: metres from the middle to the sides.
    """

    cells: int
    reach: float
    ahead: float


NEAR = ShadowRange(256, 9.5, 7.5)
FAR = ShadowRange(640, 30.0, 25.0)


@dataclass(frozen=True)
class ShadowMap:
    """What the sun sees of a street on a square of cells.

    axes [3, 3]: world directions of the cells' columns, of their rows, and of the light. centre [3]: of the square, along the axes.
    scale: cells a metre. depth [cells, cells]: along the light, of what casts the shadow; inf where nothing does.
    through [cells, cells]: the share of light that this lets through.
    """

    axes: np.ndarray
    centre: np.ndarray
    scale: float
    depth: np.ndarray
    through: np.ndarray

    @staticmethod
    def make(soup: TriangleSoup, view: View, sun: np.ndarray, span: ShadowRange) -> ShadowMap:
        """The map over the part of the street that `span` names. Everything but the ground casts shadows. sun [3]: towards it."""
        side = np.cross(sun, [0.0, 1.0, 0.0])
        side /= np.linalg.norm(side)
        axes = np.stack([side, np.cross(sun, side), -sun]).astype(np.float64)
        middle = view.plan(np.array(span.ahead), np.array(0.0))
        centre = axes @ np.array([middle[0], 1.0, middle[1]])
        scale = span.cells / (2 * span.reach)
        points = soup.vertices @ axes.T
        points[:, :2] = (points[:, :2] - centre[:2]) * scale + span.cells / 2
        casters = soup.facing(np.append(sun, 0.0))
        casters = casters[casters >= int(soup.owner.searchsorted(1))]
        found = nearest(torch.from_numpy(points), torch.from_numpy(soup.faces[casters]), span.cells, span.cells)
        share = np.zeros(256, np.float32)
        share[[Surface.FOLIAGE, Surface.LEAVES]], share[Surface.TWIGS], share[Surface.RAILING] = 0.18, 0.5, 0.6
        kinds = np.append(share[soup.surfaces[casters]], 0)
        return ShadowMap(axes.astype(np.float32), centre, scale, found.depth.numpy().astype(np.float32), kinds[found.face.numpy()])

    def sunlight(self, world: np.ndarray, normal: np.ndarray, lift: float = 0.05, slack: float = 0.12, dappled: bool = True) -> np.ndarray:
        """The share of sunlight at world points [N, 3] with normals [N, 3], weighted over four cells. [N] float32

        A point is tested `lift` metres above its surface, and is in shadow where something is more than `slack` metres nearer to the
        sun. So no surface shades itself. dappled: what is seen through casts a shadow with spots of light.
        """
        cells = len(self.depth)
        at = (world + lift * normal) @ self.axes.T
        u, v = ((at[:, k] - np.float32(self.centre[k])) * np.float32(self.scale) + np.float32(cells / 2 - 0.5) for k in range(2))
        i, j = np.floor(u), np.floor(v)
        a, b = u - i, v - j
        i, j = i.astype(np.int32), j.astype(np.int32)
        known = (i >= 0) & (j >= 0) & (i < cells - 1) & (j < cells - 1)
        i, j = i.clip(0, cells - 2), j.clip(0, cells - 2)
        limit = at[:, 2] - slack
        flat, low = self.depth.ravel(), j * cells + i
        lit = [(flat.take(low + dj * cells + di) > limit) * (a if di else 1 - a) * (b if dj else 1 - b) for di in (0, 1) for dj in (0, 1)]
        out = np.where(known, sum(lit), 1.0).astype(np.float32)
        through = self.through.ravel().take(low)
        some = np.flatnonzero(known & (through > 0) & (out < 0.99)) if dappled else ()
        if len(some):
            p, q = u[some] / np.float32(self.scale), v[some] / np.float32(self.scale)
            spots = through[some] + 0.3 * clouds(p * 9, q * 9) + 0.2 * clouds(p * 2, q * 2)
            out[some] += (1 - out[some]) * spots.clip(0, 0.9)
        return out
