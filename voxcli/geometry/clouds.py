"""A closed surface around a cloud of points that lies densely on one, such as the patches of UCLID-Net.

The points are put into cells and these are closed morphologically: no normals, no Poisson equation, and no triangles of the patches.
"""

from __future__ import annotations

import numpy as np

from voxcli.scene import Mesh, PointCloud

REACH = 1.99
"""How far, in cells, the dilation reaches: gaps between points up to twice as wide are closed."""

LEVEL = 1.9
"""How far, in cells, the solid is worn off again. The next cell outside lies 2 away from one with a point: a tenth of a cell remains."""


def closed_surface(cloud: PointCloud, resolution: int = 64) -> Mesh:
    """Faces [F, 3] of closed surfaces, counter-clockwise seen from outside, in the frame of the cloud.

    On a grid of `resolution` cells along the cloud's longest side: what lies farther than REACH cells from every point and is connected to
    the far outside is outside; everything else is solid, cavities that nothing reaches included. The solid is then worn off again, less
    a tenth of a cell so that sheets keep a thickness: a morphological closing. An empty cloud gives a mesh without faces.

    >>> from voxcli.geometry.surfaces import signed_volume
    >>> edge = np.linspace(0, 1, 24)
    >>> x, y, z = (v.ravel() for v in np.meshgrid(edge, edge, edge))
    >>> shell = np.stack([x, y, z], 1)[(x * (1 - x) * y * (1 - y) * z * (1 - z)) == 0]
    >>> 0.8 < signed_volume(closed_surface(PointCloud(shell), 16)) < 1.2              # points of a unit cube's surface
    True
    """
    from scipy.ndimage import distance_transform_edt, label
    from skimage.measure import marching_cubes

    points = np.asarray(cloud.points, np.float64)
    points = points[np.isfinite(points).all(1)]
    nothing = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    if not len(points):
        return nothing
    low = points.min(0)
    span = float((points.max(0) - low).max())
    cell = span / resolution if span > 0 else 1.0
    rim = int(np.ceil(2 * REACH)) + 2
    index = np.floor((points - low) / cell).astype(int) + rim
    filled = np.zeros(index.max(0) + rim + 1, bool)
    filled[tuple(index.T)] = True
    regions, _ = label(distance_transform_edt(~filled) > REACH)
    outside = regions == regions[0, 0, 0]
    depth = distance_transform_edt(~outside).astype(np.float32)  # cells from the far outside
    vertices, faces, _, _ = marching_cubes(depth, LEVEL)
    return Mesh(low + (vertices.astype(np.float64) + 0.5 - rim) * cell, faces[:, ::-1].astype(np.int64))
