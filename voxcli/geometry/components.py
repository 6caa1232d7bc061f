"""Instances in a labelled grid: its connected parts, class by class, measured in metres.

Two cells of a class belong to one instance where they share a corner (the 26 neighbours of a lattice). A frustum's cells grow with
depth, so a slit of one cell is a centimetre near the camera and a hand far away: how wide a slit may be and still be bridged is
therefore a length, `gap`, between the nearest corners of two parts, and not a number of cells. In a box grid that is exactly the
distance between the parts; in a frustum, whose cells have slanted sides, it is never less.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from voxcli.errors import DataError, unknown_name
from voxcli.geometry.cameras import rotation_to_quaternion
from voxcli.geometry.frusta import fruxel_volumes
from voxcli.geometry.rectangles import lattice_to_world
from voxcli.geometry.regrid import world_points
from voxcli.scene import FruxelGrid, Labels, VoxelGrid

_ALL_NEIGHBOURS = np.ones((3, 3, 3), bool)


class UprightBox(NamedTuple):
    """A box that stands upright (turned about the world's y alone): x_world = R(rotation_wxyz) x_box + centre, |x_box| <= size / 2."""

    centre: np.ndarray
    size: np.ndarray
    rotation_wxyz: np.ndarray


@dataclass(frozen=True)
class Instance:
    """One connected part, in the world frame and its units.

    name: the class and a number from 1, largest first ("car 1"); label: its class id; centre: of mass; low, high: corners of its
    axis-aligned box; box: the upright box of least ground area.
    """

    name: str
    label: int
    cells: int
    volume: float
    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    box: UprightBox


@dataclass(frozen=True)
class Components:
    """All instances of a grid, by class and from large to small.

    ids: int32, the grid's shape; 0 = none, else 1 + index into instances. dropped: how many parts were smaller than asked for, and
    dropped_volume: what they hold together.
    """

    ids: np.ndarray
    instances: tuple[Instance, ...]
    dropped: int
    dropped_volume: float


def find_components(
    grid: FruxelGrid | VoxelGrid, gap: float = 0.0, min_volume: float = 0.0, only: Collection[str] | None = None
) -> Components:
    """The instances of a labelled grid. A grid without a solid cell has none.

    Args:
        gap: parts of one class whose nearest corners are at most this far apart are one instance, even if they do not touch.
        min_volume: instances of less volume are left out.
        only: names of the classes that count; None: all but empty space.

    Raises DataError for an unlabelled grid, or a name that is none of its classes.

    >>> labels = np.zeros((3, 1, 1), np.uint8)
    >>> labels[[0, 2]] = 1
    >>> grid = VoxelGrid(labels=labels, classes=Labels(("air", "car")))
    >>> [each.name for each in find_components(grid).instances], len(find_components(grid, gap=1.0).instances)
    (['car 1', 'car 2'], 1)
    """
    labels, classes = _labelled(grid)
    wanted = _class_ids(classes, only)
    ids = np.zeros(labels.shape, np.int32)
    of_class: list[int] = []
    for label, where in _class_boxes(labels):
        if label in wanted:
            parts, count = _touching(labels[where] == label)
            if gap > 0 and count > 1:
                parts, count = _bridged(parts, count, where, grid, gap)
            ids[where] += np.where(parts > 0, parts + len(of_class), 0).astype(np.int32)
            of_class += [label] * count
    return _measured(grid, ids, of_class, classes, min_volume)


def as_instance_grid(grid: FruxelGrid | VoxelGrid, found: Components) -> FruxelGrid | VoxelGrid:
    """The grid with instances in place of classes: label 0 is empty, label n the n-th instance, classes.names their names.

    Ignored cells stay ignored. What was left out (too small, or of another class) is empty.

    >>> grid = VoxelGrid(labels=np.array([[[1, 0, 1]]], np.uint8), classes=Labels(("air", "car")))
    >>> as_instance_grid(grid, find_components(grid)).labels.tolist()
    [[[1, 0, 2]]]
    """
    labels, classes = _labelled(grid)
    if len(found.instances) > 65534:
        raise DataError("Too many instances for a label file.", expected="at most 65534", actual=len(found.instances),
                        hint="Leave out small ones.")  # fmt: skip
    kind, ignore = (np.uint8, 255) if len(found.instances) < 255 else (np.uint16, 65535)
    numbers = found.ids.astype(kind)
    if classes.ignore is not None:
        numbers[(labels == classes.ignore) & (found.ids == 0)] = ignore
    empty = classes.names[classes.empty] if classes.empty is not None and classes.empty < len(classes.names) else "air"
    names = Labels((empty, *(each.name for each in found.instances)), 0, ignore)
    return _relabelled(grid, numbers, names)


def as_class_grid(grid: FruxelGrid | VoxelGrid, found: Components) -> FruxelGrid | VoxelGrid:
    """The grid with its own classes, where cells outside all instances are empty (ignored ones stay ignored).

    >>> grid = VoxelGrid(labels=np.array([[[1, 0, 1, 1]]], np.uint8), classes=Labels(("air", "car")))
    >>> as_class_grid(grid, find_components(grid, min_volume=2.0)).labels.tolist()
    [[[0, 0, 1, 1]]]
    """
    labels, classes = _labelled(grid)
    if classes.empty is None:
        if (found.ids == 0).any():
            raise DataError("The classes name no empty one that what is left out could become.", hint="Write instances instead.")
        return grid
    kept = (found.ids > 0) | (labels == (-1 if classes.ignore is None else classes.ignore))
    return _relabelled(grid, np.where(kept, labels, labels.dtype.type(classes.empty)), classes)


def _relabelled(grid: FruxelGrid | VoxelGrid, labels: np.ndarray, classes: Labels) -> FruxelGrid | VoxelGrid:
    """The grid with other labels, and without probabilities, which were those of the old ones."""
    if isinstance(grid, FruxelGrid):
        return replace(grid, labels=labels, classes=classes, probabilities=None)
    return replace(grid, labels=labels, classes=classes)


def _labelled(grid: FruxelGrid | VoxelGrid) -> tuple[np.ndarray, Labels]:
    if grid.labels is None or grid.classes is None:
        raise DataError("Instances need class labels.", actual="an occupancy grid")
    return grid.labels, grid.classes


def _class_ids(classes: Labels, only: Collection[str] | None) -> set[int]:
    if only is None:
        return set(classes.solid_ids)
    solid = [classes.names[i] for i in classes.solid_ids]
    for name in only:
        if name not in solid:
            raise unknown_name("class", name, solid, DataError)
    return {i for i in classes.solid_ids if classes.names[i] in only}


def _class_boxes(labels: np.ndarray) -> list[tuple[int, tuple[slice, ...]]]:
    """(label, index box that holds all its cells), by label."""
    from scipy import ndimage

    if not labels.size:
        return []  # a grid of no cells
    boxes = ndimage.find_objects(labels.astype(np.int32) + 1)  # 0 means nothing to it, and may be a class to us
    return [(label, where) for label, where in enumerate(boxes) if where is not None]


def _touching(solid: np.ndarray) -> tuple[np.ndarray, int]:
    from scipy import ndimage

    parts, count = ndimage.label(solid, _ALL_NEIGHBOURS)
    return parts, count


# --- parts that a gap divides ----------------------------------------------------------------------------------------------------


def _bridged(parts: np.ndarray, count: int, where: tuple[slice, ...], grid: FruxelGrid | VoxelGrid, gap: float) -> tuple[np.ndarray, int]:
    """Parts renumbered so that those at most `gap` apart are one."""
    from scipy import ndimage
    from scipy.spatial import cKDTree

    start = np.array([s.start for s in where])
    corners = [
        lattice_to_world(_surface_corners(parts[box] == n) + start + [s.start for s in box], grid)
        for n, box in enumerate(ndimage.find_objects(parts), start=1)
    ]
    low, high = np.array([c.min(0) for c in corners]), np.array([c.max(0) for c in corners])
    reach = gap * (1 + 1e-9)
    root = list(range(count))

    def root_of(n: int) -> int:
        while root[n] != n:
            root[n] = n = root[root[n]]
        return n

    for a in range(count - 1):
        apart = np.linalg.norm(np.maximum(0, np.maximum(low[a + 1 :] - high[a], low[a] - high[a + 1 :])), axis=1)
        near = a + 1 + np.flatnonzero(apart <= reach)
        tree = cKDTree(corners[a]) if len(near) else None
        for b in near.tolist():
            if tree is None or root_of(a) == root_of(b):
                continue
            close = ((corners[b] >= low[a] - reach) & (corners[b] <= high[a] + reach)).all(1)
            if close.any() and np.isfinite(tree.query(corners[b][close], distance_upper_bound=np.nextafter(reach, np.inf))[0]).any():
                root[max(root_of(a), root_of(b))] = min(root_of(a), root_of(b))
    _, number = np.unique([root_of(n) for n in range(count)], return_inverse=True)
    return np.concatenate([[0], number + 1])[parts], int(number.max()) + 1


def _surface_corners(solid: np.ndarray) -> np.ndarray:
    """Lattice corners [N, 3] of the solid cells that have a cell around them that is not solid."""
    padded = np.pad(solid, 1)
    some = np.zeros(np.add(solid.shape, 1), bool)
    every = np.ones_like(some)
    for k in (0, 1):
        for j in (0, 1):
            for i in (0, 1):
                beside = padded[k:, j:, i:][: solid.shape[0] + 1, : solid.shape[1] + 1, : solid.shape[2] + 1]
                some |= beside
                every &= beside
    return np.argwhere(some & ~every)


# --- measures --------------------------------------------------------------------------------------------------------------------


def _measured(grid: FruxelGrid | VoxelGrid, ids: np.ndarray, of_class: list[int], classes: Labels, min_volume: float) -> Components:
    """Number the parts by class and from large to small, leave out small ones, and measure the rest."""
    from scipy import ndimage

    if not of_class:
        return Components(ids, (), 0, 0.0)
    cells = np.argwhere(ids)
    part = ids[tuple(cells.T)] - 1
    volume = _cell_volumes(grid, cells)
    volumes = np.bincount(part, volume, len(of_class))
    moments = np.stack([np.bincount(part, volume * axis, len(of_class)) for axis in _cell_centroids(grid, cells).T], 1)
    counts = np.bincount(part, minlength=len(of_class))
    order = np.lexsort((np.arange(len(of_class)), -volumes, np.array(of_class)))
    kept = [int(n) for n in order if volumes[n] >= min_volume]
    boxes = ndimage.find_objects(ids)
    instances: list[Instance] = []
    seen: dict[int, int] = {}
    for n in kept:
        label = of_class[n]
        seen[label] = seen.get(label, 0) + 1
        corners = lattice_to_world(_surface_corners(ids[boxes[n]] == n + 1) + [s.start for s in boxes[n]], grid)
        instances.append(Instance(
            f"{classes.names[label]} {seen[label]}", label, int(counts[n]), float(volumes[n]), moments[n] / volumes[n],
            corners.min(0), corners.max(0), upright_box(corners),
        ))  # fmt: skip
    number = np.zeros(len(of_class) + 1, np.int32)
    number[np.array(kept, int) + 1] = np.arange(1, len(kept) + 1)
    gone = [n for n in range(len(of_class)) if volumes[n] < min_volume]
    return Components(number[ids], tuple(instances), len(gone), float(volumes[gone].sum()))


def _cell_volumes(grid: FruxelGrid | VoxelGrid, cells: np.ndarray) -> np.ndarray:
    """Volume of each cell. cells [N, 3] -> [N]"""
    if isinstance(grid, VoxelGrid):
        return np.full(len(cells), np.prod(grid.voxel_size))
    volumes: np.ndarray = fruxel_volumes(grid.frustum).numpy()[cells[:, 0]]
    return volumes


def _cell_centroids(grid: FruxelGrid | VoxelGrid, cells: np.ndarray) -> np.ndarray:
    """Centre of mass of each cell in the world frame. [N, 3]

    A fruxel holds more volume at its far end: its centre of mass lies on its ray at the mean of z weighted by z^2.
    """
    if isinstance(grid, VoxelGrid):
        centres: np.ndarray = grid.origin + (cells + 0.5) * grid.voxel_size
        return centres
    f = grid.frustum
    ends = f.z_near + np.arange(f.depth + 1) * f.slice_thickness
    z = (3 / 4 * np.diff(ends**4) / np.diff(ends**3))[cells[:, 0]]
    x, y = ((cells[:, 2] + 0.5 - f.width / 2) / f.focal * z, (cells[:, 1] + 0.5 - f.height / 2) / f.focal * z)
    return world_points(np.stack([x, y, z], 1), grid.world_to_cam)


def upright_box(points: np.ndarray) -> UprightBox:
    """The box of least ground area among those turned about y that hold all points [N, 3]; turned by at most 45 degrees.

    One side of a least rectangle lies along an edge of the convex hull (Freeman and Shapira 1975), so trying all edges is exact.

    >>> box = upright_box(np.array([[0.0, 0, 0], [4, 2, 0], [4, 0, 1], [0, 0, 1]]))
    >>> box.centre.round(9).tolist(), box.size.round(9).tolist()
    ([2.0, 1.0, 0.5], [4.0, 2.0, 1.0])
    """
    from scipy.spatial import ConvexHull

    ground = points[:, [0, 2]]
    hull = ground[ConvexHull(ground).vertices]
    edge = np.roll(hull, -1, 0) - hull
    # A rectangle looks the same after a quarter turn: the angle that matters is within 45 degrees of an axis.
    angle = (np.arctan2(edge[:, 1], edge[:, 0]) + np.pi / 4) % (np.pi / 2) - np.pi / 4
    angle = np.unique(np.round(angle, 12))
    along, across = np.stack([np.cos(angle), np.sin(angle)], 1), np.stack([-np.sin(angle), np.cos(angle)], 1)
    a, b = hull @ along.T, hull @ across.T  # [H, angles]
    area = np.ptp(a, axis=0) * np.ptp(b, axis=0)
    least = np.flatnonzero(area <= area.min() * (1 + 1e-9))
    best = least[np.abs(angle[least]).argmin()]
    (a0, a1), (b0, b1) = ((v[:, best].min(), v[:, best].max()) for v in (a, b))
    x, z = (a0 + a1) / 2 * along[best] + (b0 + b1) / 2 * across[best]
    low, high = points[:, 1].min(), points[:, 1].max()
    (c, s) = along[best]
    rotation = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])  # the box's x to `along`, its z to `across`
    return UprightBox(np.array([x, (low + high) / 2, z]), np.array([a1 - a0, high - low, b1 - b0]), rotation_to_quaternion(rotation))
