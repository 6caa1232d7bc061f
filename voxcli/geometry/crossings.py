"""Where the straight lines of a lattice cross the surfaces of parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from voxcli.geometry.lattice import Lattice
from voxcli.geometry.raster import spans_on, triangles_on
from voxcli.geometry.spans import Spans
from voxcli.geometry.tiny import others_than_tiny, tiny_hits
from voxcli.geometry.triangles import SampleLattice, Triangles

Part = tuple[Tensor, Tensor]
"""A part of a scene: vertices [V, 3] and faces [F, 3], counter-clockwise seen from outside."""


class TriangleSoup(NamedTuple):
    """All parts as one mesh in lattice coordinates: points [V, 3], faces [F, 3], and what each face belongs to [F] (None: all to 0)."""

    points: Tensor
    faces: Tensor
    tag: Tensor | None


class Crossings(NamedTuple):
    """K crossings of rays with faces: part (the face's tag), ray, position t along it in cells, leaving (+1) or entering (-1) the solid."""

    part: Tensor
    ray: Tensor
    t: Tensor
    sign: Tensor


def join(parts: list[Part], lattice: Lattice, tags: list[Tensor] | None = None) -> TriangleSoup:
    """Warp parts into a lattice as one mesh. tags: a number for each face of each part; left out, the index of its part.

    >>> from voxcli.geometry.lattice import VoxelLattice
    >>> triangle = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]])
    >>> soup = join([triangle, triangle], VoxelLattice((2, 2, 2), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    >>> soup.faces.tolist(), soup.tag.tolist()
    ([[0, 1, 2], [3, 4, 5]], [0, 1])
    """
    if len(parts) == 1 and tags is None:
        points, faces, _ = lattice.warp(*parts[0])
        return TriangleSoup(points, faces, None)
    offsets = np.cumsum([0, *(len(v) for v, _ in parts[:-1])])
    vertices = torch.cat([v.double() for v, _ in parts])
    faces = torch.cat([f + int(o) for (_, f), o in zip(parts, offsets, strict=True)])
    if tags is None:
        sizes = torch.tensor([len(f) for _, f in parts], device=faces.device)
        tag = torch.repeat_interleave(torch.arange(len(parts), device=faces.device), sizes)
    else:
        tag = torch.cat(tags)
    points, faces, source = lattice.warp(vertices, faces)
    return TriangleSoup(points, faces, tag if source is None else tag[source])


def crossings_along(soup: TriangleSoup, lattice: Lattice, axis: int) -> Crossings:
    """Crossings of all rays along one lattice axis; the other two, in cyclic order, span the rays (ray = second * size + first).

    >>> from voxcli.geometry.lattice import VoxelLattice
    >>> from voxcli.geometry.surfaces import cell_faces
    >>> from voxcli.scene import VoxelGrid
    >>> cube = cell_faces(VoxelGrid(occupancy=torch.ones(1, 1, 1).numpy()))           # from 0 to 1
    >>> vertices, faces = torch.from_numpy(cube.vertices), torch.from_numpy(cube.faces)
    >>> lattice = VoxelLattice((4, 4, 4), (-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    >>> found = crossings_along(join([(vertices, faces)], lattice), lattice, 0)
    >>> found.t.unique().tolist(), sorted(found.sign.tolist())                        # 2 x 2 lines enter and leave
    ([1.0, 3.0], [-1, -1, -1, -1, 1, 1, 1, 1])
    """

    def crossings(face: Tensor, ray: Tensor, height: Tensor, ccw: Tensor) -> Crossings:
        part = torch.zeros_like(face) if soup.tag is None else soup.tag.index_select(0, face)
        return Crossings(part, ray, lattice.depth(height) if axis == 2 else height, ccw.long().mul_(2).sub_(1))

    found, width = [], lattice.sizes[(axis + 1) % 3]
    if (on_lattice := _triangles_along(soup, lattice, axis)) is not None:
        triangles, samples = on_lattice
        others = others_than_tiny(triangles, samples)
        if others is not None:
            found = [crossings(hits.face, hits.sample, hits.height, hits.ccw) for hits in tiny_hits(triangles, samples)]
            triangles = triangles.take(others)
        for spans in spans_on(triangles, samples):
            span, after, height = spans.samples(samples)
            ray = (spans.row * width).add_(spans.first).index_select(0, span).add_(after)
            found.append(crossings(spans.face.index_select(0, span), ray, height, spans.ccw.index_select(0, span)))
    if not found:
        none = torch.zeros(0, dtype=torch.int64, device=soup.points.device)
        return Crossings(none, none, none.double(), none)
    return found[0] if len(found) == 1 else Crossings(*(torch.cat(v) for v in zip(*found, strict=True)))


def spans_along(soup: TriangleSoup, lattice: Lattice, axis: int) -> Iterator[tuple[Spans, SampleLattice]]:
    """The same before they are told apart: in which rows of rays, from which to which, a face is crossed. Rows run along axis + 1.

    >>> from voxcli.geometry.lattice import VoxelLattice
    >>> triangle = torch.tensor([[0.0, 0, 0], [2.1, 0, 0], [0, 2.1, 0]]), torch.tensor([[0, 1, 2]])
    >>> lattice = VoxelLattice((2, 2, 2), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    >>> [(spans.row.tolist(), spans.columns.tolist()) for spans, _ in spans_along(join([triangle], lattice), lattice, 1)]
    [([0, 1], [2, 1])]
    """
    found = _triangles_along(soup, lattice, axis)
    if found is not None:
        yield from ((spans, found[1]) for spans in spans_on(*found))


def _triangles_along(soup: TriangleSoup, lattice: Lattice, axis: int) -> tuple[Triangles, SampleLattice] | None:
    across, down = (axis + 1) % 3, (axis + 2) % 3
    turned = soup.points if axis == 2 else soup.points.t()[[across, down, axis]].t()
    sizes = lattice.sizes[across], lattice.sizes[down]
    return triangles_on(turned, soup.faces, *sizes, lattice.samples(across), lattice.samples(down))
