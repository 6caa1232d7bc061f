"""What the outside does not reach: cells that a surface touches are walls, and air flows around them through the faces of cells.

So binvox fills, and so are the voxels that are shared of ShapeNet. Doubled sheets and winding change nothing. An opening of one cell
lets the outside in: what is filled depends on the resolution.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from voxcli.geometry.crossings import TriangleSoup
from voxcli.geometry.lattice import Lattice
from voxcli.geometry.touching import touched_cells


def reached_cells(soup: TriangleSoup, lattice: Lattice, solid: Tensor | None = None) -> Tensor:
    """Cells that can be reached from outside the lattice past the faces of a soup, bool [w, v, u]; all others are filled.

    solid: bool [w, v, u], needed where the lattice cuts through the soup (`is_cut`): at its border, cells of the solid are not outside.

    >>> from voxcli.geometry.crossings import join
    >>> from voxcli.geometry.lattice import VoxelLattice
    >>> from voxcli.geometry.surfaces import cell_faces
    >>> from voxcli.scene import VoxelGrid
    >>> cube = cell_faces(VoxelGrid(occupancy=torch.ones(1, 1, 1).numpy()))           # a unit cube
    >>> vertices, faces = 2.8 * torch.from_numpy(cube.vertices) + 0.1, torch.from_numpy(cube.faces)
    >>> lattice = VoxelLattice((3, 3, 3), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    >>> open_box = faces[(vertices[faces][..., 1] < 2.8).any(1)]                      # without its top
    >>> [int((~reached_cells(join([(vertices, f)], lattice), lattice)).sum()) for f in (faces, open_box)]
    [27, 25]
    """
    walls = touched_cells(soup, lattice)
    if solid is not None:
        return _flooded(walls, solid)
    reached = torch.ones_like(walls)
    if bool(walls.any()):
        window = tuple(_range_of(walls.any(other).any(another)) for other, another in ((2, 1), (2, 0), (1, 0)))  # [w, v, u]
        reached[window] = _flooded(walls[window], None)
    return reached


def is_cut(soup: TriangleSoup, lattice: Lattice) -> bool:
    """Whether some of a soup's faces reach beyond the lattice.

    >>> from voxcli.geometry.crossings import join
    >>> from voxcli.geometry.lattice import VoxelLattice
    >>> triangle = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]])
    >>> lattices = [VoxelLattice((2, 2, 2), (0.0, 0.0, 0.0), (size,) * 3) for size in (0.5, 0.4)]
    >>> [is_cut(join([triangle], lattice), lattice) for lattice in lattices]
    [False, True]
    """
    used = soup.points[soup.faces].reshape(-1, 3)
    if not len(used):
        return False
    borders = [lattice.borders(axis) for axis in range(3)]
    low, high = (torch.stack([each[end] for each in borders]).to(used.device) for end in (0, -1))
    return bool((used.amin(0) < low - 1e-6).any() or (used.amax(0) > high + 1e-6).any())


def _range_of(some: Tensor) -> slice:
    places = some.nonzero()
    return slice(int(places[0]), int(places[-1]) + 1)


def _flooded(walls: Tensor, solid: Tensor | None) -> Tensor:
    """Cells that a flood from all sides of a box reaches. walls, solid: bool [w, v, u]; at the sides, no flood comes in at solid cells."""
    from scipy import ndimage

    free = np.ones([n + 2 for n in walls.shape], bool)
    free[1:-1, 1:-1, 1:-1] = ~walls.cpu().numpy()
    if solid is not None:
        closed = np.pad(solid.cpu().numpy(), 1, mode="edge")
        ring = np.ones_like(free)
        ring[1:-1, 1:-1, 1:-1] = False
        free &= ~(ring & closed)
    parts, count = ndimage.label(free)
    outside = np.zeros(count + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            outside[np.take(parts, end, axis)] = True
    outside[0] = False
    return torch.from_numpy(outside[parts[1:-1, 1:-1, 1:-1]]).to(walls.device)
