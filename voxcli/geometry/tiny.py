"""Triangles whose boxes hold 2 x 2 samples at most, which are most of a fine mesh's: one sample after the other is tried, without spans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from voxcli.backend import where_true
from voxcli.geometry.spans import heights, held, sides, slopes
from voxcli.geometry.triangles import SampleLattice, Triangles

_AT_ONCE = 1 << 16  # triangles: many, as each call costs as much as a thousand
_FINE = 1 << 12  # of so many triangles and more, tiny ones are tried by themselves,
_FEW = 0.25  # if no more than this share of the samples in boxes is in those of the others
_TINY = 2  # columns and rows


class Hits(NamedTuple):
    """M samples that triangles cover: sample = row * width + column, height and face there, and whether that runs from x to y [M]."""

    sample: Tensor
    height: Tensor
    face: Tensor
    ccw: Tensor

    @staticmethod
    def of(*values: np.ndarray) -> Hits:
        """The same from arrays."""
        return Hits(*(torch.from_numpy(v) for v in values))


def others_than_tiny(triangles: Triangles, lattice: SampleLattice) -> Tensor | None:
    """Indices of the triangles that are not tiny; None where it does not pay to try the tiny ones by themselves.

    >>> from voxcli.geometry.raster import triangles_on
    >>> points = torch.tensor([[0.0, 0, 5], [1.9, 0, 5], [0, 1.9, 5]], dtype=torch.float64)
    >>> others_than_tiny(*triangles_on(points, torch.tensor([[0, 1, 2]]), width=2, height=2)) is None
    True
    """
    if triangles.face.device.type != "cpu" or len(triangles.face) < _FINE or not (lattice.x.even and lattice.y.even):
        return None
    others = where_true(torch.maximum(triangles.columns, triangles.rows) > _TINY)
    samples = triangles.columns * triangles.rows
    return None if int(samples.index_select(0, others).sum()) > _FEW * int(samples.sum()) else others


def tiny_hits(triangles: Triangles, lattice: SampleLattice) -> Iterator[Hits]:
    """What the tiny ones of triangles cover, a bounded number of samples at a time, in no order.

    On the CPU, by NumPy; the samples are the middles of equal cells.

    >>> from voxcli.geometry.raster import triangles_on
    >>> points = torch.tensor([[0.0, 0, 5], [1.9, 0, 5], [0, 1.9, 5]], dtype=torch.float64)
    >>> [found.sample.tolist() for found in tiny_hits(*triangles_on(points, torch.tensor([[0, 1, 2]]), width=2, height=2))]
    [[0], []]
    """
    for first in range(0, len(triangles.face), _AT_ONCE):
        yield from _hits(Triangles(*(v[..., first : first + _AT_ONCE] for v in triangles)), lattice)


def _hits(triangles: Triangles, lattice: SampleLattice) -> Iterator[Hits]:
    """First of the first samples of boxes, then of the others, all together, as each call has its price."""
    x, y, z, face, i, j, columns, rows = (v.numpy() for v in triangles)
    width, unit = len(lattice.x.at), lattice.unit
    first = j * width + i
    with np.errstate(invalid="ignore"):  # of corners that are no numbers
        x, y = x - lattice.x.at.numpy().take(i), y - lattice.y.at.numpy().take(j)
        areas = sides(x, y)
        tiny = np.maximum(columns, rows) <= _TINY
        triangle = np.flatnonzero(held(areas, x, y) & tiny)
        height, area = heights(z.take(triangle, axis=1), areas.take(triangle, axis=1))
        yield Hits.of(first.take(triangle), height, face.take(triangle), area > 0)
        left_held = np.zeros((2, len(face)), bool)  # in the two rows
        left_held[0, triangle] = True

        wide, high = tiny & (columns > 1), tiny & (rows > 1)
        boxes = [np.flatnonzero(v) for v in (wide, high, wide & high)]
        box = np.concatenate(boxes)
        right, below = (np.repeat(v, [len(n) for n in boxes]) for v in ((1, 0, 1), (0, 1, 1)))
        at_x, at_y = x.take(box, axis=1), y.take(box, axis=1)
        at_x -= right * unit
        at_y -= below * unit
        areas = sides(at_x, at_y)
        which = np.flatnonzero(held(areas, at_x, at_y))
        triangle, right, below = box.take(which), right.take(which), below.take(which)
        height, area = heights(z.take(triangle, axis=1), areas.take(which, axis=1))
        # A sample and the one to its left are a span: heights are those of spans.
        left_held[1, triangle[below > right]] = True
        second = np.flatnonzero(left_held[below, triangle] & (right == 1))
        if len(second):
            spanned = triangle.take(second)
            height[second] = _second_heights(x.take(spanned, axis=1), at_y.take(which[second], axis=1), z.take(spanned, axis=1), unit)
        yield Hits.of(first.take(triangle) + (below * width + right), height, face.take(triangle), area > 0)


def _second_heights(x: np.ndarray, y: np.ndarray, z: np.ndarray, unit: float) -> np.ndarray:
    """Heights [N] of triangles [3, N] one sample to the right of the point 0, as those of spans that begin there."""
    height, area = heights(z, sides(x, y))
    height += slopes(y, z, area) * unit
    return height
