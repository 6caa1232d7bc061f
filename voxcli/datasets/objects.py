"""Reader of the truth that `voxcli synth objects` writes beside either layout: coloured voxels with parts, points, meshes, lights.

ROOT/objects/SYNSET/ID/model.glb      mesh with named, coloured parts
ROOT/objects/SYNSET/ID/points.ply     10,000 surface points with normals, albedo and part labels
ROOT/objects/SYNSET/ID/voxels.npz     labels and colors of a 64^3 grid over [-0.5, 0.5]^3
ROOT/objects/SYNSET/ID/views.json     category, split, names of parts, lights of the views
All in the frame of ShapeNetCore v1: +y up, front +x, box diagonal 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voxcli.datasets.pictures import read_json
from voxcli.errors import DataError, FileFormatError, unknown_name
from voxcli.scene import Labels, Mesh, PointCloud, VoxelGrid


@dataclass(frozen=True)
class ColouredVoxels:
    """labels [R, R, R] uint8 (0 = air, else 1 + part, 255 = a part that is not known) and colours [R, R, R, 3] uint8, sRGB albedo, 0 in
    air; cell (i, j, k) is centred at (i + 1/2)/R - 1/2. classes names the labels.
    """

    labels: np.ndarray
    colours: np.ndarray
    classes: Labels


class PointValues(NamedTuple):
    """points [N, 3] float32 in [-0.5, 0.5]; occupied [N] bool; colours [N, 3] uint8 (0 outside); labels [N] uint8."""

    points: np.ndarray
    occupied: np.ndarray
    colours: np.ndarray
    labels: np.ndarray


class ObjectsFolder:
    """Objects of a split and of some categories, read on demand, sorted by synset and name.

    split: train, val, test, or None for all. categories: names to keep. Raises DataError where there is none.
    """

    def __init__(self, root: str | Path, split: str | None = None, categories: Sequence[str] | None = None):
        if split not in (None, "train", "val", "test"):
            raise unknown_name("split", str(split), ("train", "val", "test"))
        self.root = Path(root)
        paths = sorted((self.root / "objects").glob("*/*/views.json"))
        if not paths:
            raise DataError(f"'{root}' holds no objects.", hint="Make some with 'voxcli synth objects -o DIR --count N'.")
        self.folders: list[Path] = []
        self.categories_of: list[str] = []
        known: dict[str, None] = {}
        for path in paths:
            facts = read_json(path, "facts of an object")
            try:
                category, own = str(facts["category"]), facts["split"]
            except (KeyError, TypeError) as error:
                raise FileFormatError(f"'{path}' holds no facts of an object.", actual=str(error)) from error
            known[category] = None
            if split in (None, own) and (categories is None or category in categories):
                self.folders.append(path.parent)
                self.categories_of.append(category)
        for category in categories or ():
            if category not in known:
                raise unknown_name("category", category, known)

    def __len__(self) -> int:
        return len(self.folders)

    @property
    def categories(self) -> list[str]:
        """Names of the categories that have objects here, sorted by synset."""
        return list(dict.fromkeys(self.categories_of))

    def name(self, index: int) -> str:
        """SYNSET/ID, for messages, for the seeds of items, and to find the object's pictures."""
        return f"{self.folders[index].parent.name}/{self.folders[index].name}"

    def mesh(self, index: int) -> Mesh:
        """The mesh; its parts by name, their albedo as colours."""
        from voxcli import files

        return files.read_as(self.folders[index] / "model.glb", Mesh)

    def points(self, index: int) -> PointCloud:
        """Points on the outer surface with normals, albedo and part labels."""
        from voxcli import files

        return files.read_as(self.folders[index] / "points.ply", PointCloud)

    def voxels(self, index: int) -> ColouredVoxels:
        """The coloured voxels."""
        from voxcli import files
        from voxcli.files.archive import NpzArchive

        path = self.folders[index] / "voxels.npz"
        grid = files.read_as(path, VoxelGrid)
        with open(path, "rb") as file:
            colours = NpzArchive(file, str(path)).get("colors")
        shape = (*grid.values.shape, 3)
        if grid.labels is None or grid.classes is None or colours is None or colours.shape != shape or colours.dtype != np.uint8:
            raise FileFormatError(f"'{path}' holds no coloured voxels.", expected="labels [R, R, R] and colors [R, R, R, 3] uint8")
        return ColouredVoxels(grid.labels, colours, grid.classes)


def point_values(voxels: ColouredVoxels, resolution: int, count: int | None, rng: np.random.Generator) -> PointValues:
    """Centres of cells at a coarser resolution (16, 32 or 64 of 64) with what lies there: training pairs of BAE-NET and JOF.

    A coarse cell is occupied where any of its fine ones is, and has the part and the colour of the first of those. count: how many to
    draw, half of them from cells with a neighbour that differs, where there are as many; None takes every cell.
    """
    fine = len(voxels.labels)
    if fine % resolution:
        raise DataError("The coarse resolution must divide the fine one.", expected=f"a divisor of {fine}", actual=resolution)
    step = fine // resolution
    blocks = voxels.labels.reshape((resolution, step) * 3).transpose(0, 2, 4, 1, 3, 5).reshape(resolution**3, -1)
    first = (blocks > 0).argmax(1)
    cells = np.arange(resolution**3)
    labels = blocks[cells, first]
    if count is not None and count < len(cells):
        cells = _near_and_far((labels > 0).reshape((resolution,) * 3), count, rng)
    i, j, k = np.unravel_index(cells, (resolution,) * 3)
    a, b, c = np.unravel_index(first[cells], (step,) * 3)
    colours = voxels.colours[i * step + a, j * step + b, k * step + c]
    points = ((np.stack([i, j, k], 1) + 0.5) / resolution - 0.5).astype(np.float32)
    return PointValues(points, labels[cells] > 0, colours, labels[cells])


def _near_and_far(occupied: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Flat indices of `count` cells, half of them beside the surface, sorted."""
    edge = np.zeros(occupied.shape, bool)
    for axis in range(3):
        differs = np.diff(occupied, axis=axis)
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        edge[tuple(low)] |= differs
        edge[tuple(high)] |= differs
    near = rng.permutation(np.flatnonzero(edge))[: count // 2]
    others = np.ones(occupied.size, bool)
    others[near] = False
    far = rng.permutation(np.flatnonzero(others))[: count - len(near)]
    return np.sort(np.concatenate([near, far]))
