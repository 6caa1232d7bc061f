"""An object as volumes and points: solid occupancy, coloured voxels with part labels, surface samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from voxcli.datasets.synthetic.objects.parts import UNKNOWN_PART, ShapeObject
from voxcli.datasets.synthetic.objects.render import albedo
from voxcli.geometry.solid import voxelize_parts
from voxcli.scene import Labels, PointCloud, VoxelGrid

_SAMPLES = 90_000  # points that find what the surface touches: about seven for each cell face of a 64^3 grid that it crosses
_REACH = 0.25  # share of a cell that the surface must reach into it


class ColouredVoxels(NamedTuple):
    """grid: labels [R, R, R], 0 = air, else 1 + part (255 = a part that is not known). colours [R, R, R, 3] uint8 sRGB albedo, 0 in air."""

    grid: VoxelGrid
    colours: np.ndarray


class Samples(NamedTuple):
    """points [N, 3], normals [N, 3], face [N]."""

    points: np.ndarray
    normals: np.ndarray
    face: np.ndarray


def sample(thing: ShapeObject, count: int, rng: np.random.Generator) -> Samples:
    """Points drawn evenly over the surface of the pieces, with the normals of their faces."""
    a, b, c = (thing.vertices[thing.faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    area = np.linalg.norm(cross, axis=1)
    upto = np.cumsum(area)
    # Evenly spaced along the sum of areas: every face gets its share to within one point.
    face = np.searchsorted(upto, (np.arange(count) + rng.random(count)) * (upto[-1] / count), side="right").clip(max=len(area) - 1)
    root, second = np.sqrt(rng.random(count))[:, None], rng.random(count)[:, None]
    points = (1 - root) * a[face] + root * (1 - second) * b[face] + root * second * c[face]
    return Samples(points, (cross / np.maximum(area, 1e-30)[:, None])[face], face)


def visible_samples(thing: ShapeObject, count: int, rng: np.random.Generator) -> Samples:
    """Points on the outer surface alone: those that lie inside another piece are left out."""
    drawn = sample(thing, 3 * count, rng)
    if thing.closed:
        cell = 1 / 128
        # A point stands outside the solid where a step along its normal of a little more than a cell leaves it.
        solid = _owners(thing, 128, np.full(3, -0.5), 1.0) > 0
        at = np.floor((drawn.points + 1.1 * cell * drawn.normals + 0.5) / cell).astype(np.int64)
        inner = ((at >= 0) & (at < 128)).all(1)
        hidden = np.zeros(len(at), dtype=bool)
        hidden[inner] = solid[tuple(at[inner].T)]
        kept = np.flatnonzero(~hidden)
        if len(kept) >= count:
            return thinned(Samples(*(v[kept] for v in drawn)), count, rng)
    return thinned(drawn, count, rng)


def thinned(samples: Samples, count: int, rng: np.random.Generator) -> Samples:
    """Some of the samples, drawn at random."""
    kept = np.sort(rng.permutation(len(samples.points))[:count])
    return Samples(*(v[kept] for v in samples))


def point_cloud(thing: ShapeObject, samples: Samples) -> PointCloud:
    """Samples with albedo and part labels (0 = air, which no point has; else 1 + part)."""
    colours = (albedo(thing, samples.face, samples.points) * 255 + 0.5).astype(np.uint8)
    return PointCloud(
        samples.points.astype(np.float32),
        samples.normals.astype(np.float32),
        colours,
        _labels(thing, thing.parts[samples.face]),
        part_classes(thing.part_names),
    )


def part_classes(part_names: tuple[str, ...]) -> Labels:
    """Labels of a category's parts: air is 0."""
    return Labels(("air", *part_names), 0, UNKNOWN_PART)


def _labels(thing: ShapeObject, parts: np.ndarray) -> np.ndarray:
    return np.where(parts == UNKNOWN_PART, UNKNOWN_PART, parts + 1).astype(np.uint8)


def _owners(thing: ShapeObject, resolution: int, origin: np.ndarray, side: float) -> np.ndarray:
    """1 + the piece that each cell's centre lies in (the last one), 0 = none. int16 [R, R, R]"""
    if not thing.closed:
        pieces = [(torch.from_numpy(thing.vertices), torch.from_numpy(thing.faces))]
    else:
        starts = np.append(np.flatnonzero(np.diff(thing.pieces, prepend=-1)), len(thing.pieces))
        pieces = []
        for first, last in zip(starts[:-1], starts[1:], strict=True):
            faces = thing.faces[first:last]
            low = int(faces.min())
            pieces.append((torch.from_numpy(thing.vertices[low : int(faces.max()) + 1]), torch.from_numpy(faces - low)))
    size = (side / resolution,) * 3
    filled = voxelize_parts(pieces, (resolution,) * 3, tuple(origin.tolist()), size, fill="winding" if thing.closed else "auto")
    return filled.owner.numpy()


def _touched(points: np.ndarray, normals: np.ndarray, resolution: int, origin: np.ndarray, side: float) -> np.ndarray:
    """Flat cell index of each sample, moved inward by a quarter of a cell. [N]"""
    cell = side / resolution
    at = np.floor((points - _REACH * cell * normals - origin) / cell).astype(np.int64).clip(0, resolution - 1)
    return (at[:, 0] * resolution + at[:, 1]) * resolution + at[:, 2]


def solid_voxels(thing: ShapeObject, rng: np.random.Generator, resolution: int = 32) -> VoxelGrid:
    """Occupancy as in ShapeNetVox32: solid, the object in the middle of a cube whose side is the longest of its box.

    A cell is occupied where its centre lies inside the object, or where the surface reaches a quarter of a cell into it, as thin legs do.
    """
    low, high = thing.vertices.min(0), thing.vertices.max(0)
    side = float((high - low).max())
    origin = (low + high) / 2 - side / 2
    occupied = _owners(thing, resolution, origin, side) > 0
    drawn = sample(thing, _SAMPLES, rng)
    occupied.reshape(-1)[_touched(drawn.points, drawn.normals, resolution, origin, side)] = True
    return VoxelGrid(occupancy=occupied, origin=origin, voxel_size=np.full(3, side / resolution))


def coloured_voxels(thing: ShapeObject, drawn: Samples, resolution: int = 64) -> ColouredVoxels:
    """Labels of parts and albedo in the cube [-0.5, 0.5]^3 of the object's own frame (box diagonal 1), as BAE-NET and JOF place shapes.

    Cells at the surface take part and colour of the last of the visible samples that falls in them, inner ones those of their piece.
    """
    origin = np.full(3, -0.5)
    owner = _owners(thing, resolution, origin, 1.0).reshape(-1)
    faces = np.append(np.flatnonzero(np.diff(thing.pieces, prepend=-1)), 0)  # the first face of each piece
    labels, colours = np.zeros(resolution**3, np.uint8), np.zeros((resolution**3, 3), np.uint8)
    inner = np.flatnonzero(owner)
    face = faces[owner[inner] - 1]
    middle = np.stack(np.unravel_index(inner, (resolution,) * 3), 1) / resolution + (0.5 / resolution - 0.5)
    labels[inner] = _labels(thing, thing.parts[face])
    colours[inner] = albedo(thing, face, middle) * 255 + 0.5
    at = _touched(drawn.points, drawn.normals, resolution, origin, 1.0)
    labels[at] = _labels(thing, thing.parts[drawn.face])
    colours[at] = albedo(thing, drawn.face, drawn.points) * 255 + 0.5
    shape = (resolution,) * 3
    grid = VoxelGrid(
        labels=labels.reshape(shape), origin=origin, voxel_size=np.full(3, 1 / resolution), classes=part_classes(thing.part_names)
    )
    return ColouredVoxels(grid, colours.reshape(*shape, 3))
