"""Pix3D and Pascal3D+ as what R2N2Folder is to a training: objects with pictures and solid volumes, here one photograph each.

Pix3D is told by ROOT/pix3d.json, Pascal3D+ by ROOT/Annotations. Volumes are turned to ShapeNet's axes and brought to 32 cells a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.datasets.pascal3d import Pascal3DFolder
from voxcli.datasets.pix3d import Pix3DFolder
from voxcli.errors import UsageError

CELLS = 32
TAXONOMY = "Pascal3D.json"


@dataclass(frozen=True)
class Photographed:
    """One object: its category."""

    category: str


def is_photographs(root: str | Path) -> bool:
    """Whether a folder is laid out as Pix3D or Pascal3D+ is."""
    return (Path(root) / "pix3d.json").is_file() or (Path(root) / "Annotations").is_dir()


class PhotographFolder:
    """The photographs of one folder, read on demand. Of Pix3D, those on which nothing is cut off or hidden.

    split: train, val or test where ROOT/Pascal3D.json lists them; other folders have train alone. categories: which to keep.
    """

    def __init__(self, root: str | Path, split: str = "train", categories: Sequence[str] | None = None):
        self.root = Path(root)
        listed = self.root / TAXONOMY
        self._folder: Pix3DFolder | Pascal3DFolder
        if split != "train" and not listed.is_file():
            raise UsageError(f"'{root}' has no splits.", expected="split: train", actual=split)
        if (self.root / "pix3d.json").is_file():
            self._folder = Pix3DFolder(root, categories)
            names = [str(entry["category"]) for entry in self._folder.entries]
        else:
            self._folder = Pascal3DFolder(root, listed if listed.is_file() else None, split, categories)
            names = [category for category, _ in self._folder.items]
        self.items = [Photographed(name) for name in names]
        self.categories = list(dict.fromkeys(names))

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        """CATEGORY/NAME, for messages and for the seeds of items."""
        return self._folder.name(index)

    def view_count(self, index: int) -> int:
        """One photograph each."""
        return 1

    def images(self, index: int, views: Sequence[int]) -> np.ndarray:
        """The square of the photograph about the object [1, s, s, 4] uint8 RGBA, as predict's --bbox takes it; borders are repeated."""
        sample = self._folder[index]
        left, top, right, bottom = sample.box
        x, y, half = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top) / 2
        height, width = sample.image.shape[:2]
        rows = np.arange(int(y - half), int(y + half) + 1).clip(0, height - 1)
        columns = np.arange(int(x - half), int(x + half) + 1).clip(0, width - 1)
        square = sample.image[np.ix_(rows, columns)]
        return np.concatenate([square, np.full((*square.shape[:2], 1), 255, np.uint8)], -1)[None]

    def volume(self, index: int) -> np.ndarray:
        """Occupancy [32, 32, 32] bool: a cell is occupied where any of the file's cells in it is. Others than multiples of 32 stay."""
        values = self._folder.volume(index, "shapenet")
        steps = [n // CELLS for n in values.shape]
        if any(n % CELLS or not n for n in values.shape):
            return values
        parts = values.reshape(CELLS, steps[0], CELLS, steps[1], CELLS, steps[2])
        return np.logical_or.reduce(parts, (1, 3, 5))
