"""ShapeNet-Part (Yi et al. 2016): points on shapes of ShapeNet, each with the number of its part. Both published layouts:

ROOT/SYNSET/points/ID.pts (x y z a line), ROOT/SYNSET/points_label/ID.seg (a number a line)     the benchmark's first version
ROOT/SYNSET/ID.txt (x y z nx ny nz number a line, numbers of all categories in one row)         the one with normals
ROOT/train_test_split/shuffled_test_file_list.json (["shape_data/SYNSET/ID", ...]); likewise train and val
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from voxcli.datasets.pictures import read_json
from voxcli.errors import DataError, FileFormatError
from voxcli.files.guard import bytes_within

FIRST = {
    "02691156": 0, "02773838": 4, "02954340": 6, "02958343": 8, "03001627": 12, "03261776": 16, "03467517": 19, "03624134": 22,
    "03636649": 24, "03642806": 28, "03790512": 30, "03797390": 36, "03948459": 38, "04099429": 41, "04225987": 44, "04379243": 47,
}  # fmt: skip
"""Synset -> the number of its first part in the layout with normals."""


class ShapeNetPart:
    """The shapes of a split, sorted by synset and ID. split: train, val, test, or None for all. synsets: those to keep; None: all.

    items are (synset, ID). Raises DataError where there are none.
    """

    def __init__(self, root: str | Path, split: str | None = "test", synsets: Sequence[str] | None = None):
        self.root = Path(root)
        every = [(path.parents[1].name, path.stem) for path in self.root.glob("*/points/*.pts")]
        every += [(path.parent.name, path.stem) for path in self.root.glob("*/*.txt") if path.parent.name.isdigit()]
        kept = None if split is None else self._listed(split)
        self.items = sorted({item for item in every if (kept is None or item in kept) and (synsets is None or item[0] in synsets)})
        if not self.items:
            raise DataError("There are no shapes of ShapeNet-Part.", actual="no SYNSET/points/*.pts, no SYNSET/*.txt" if not every else
                            f"{len(every)} shapes, none of this split")  # fmt: skip

    def __len__(self) -> int:
        return len(self.items)

    def _listed(self, split: str) -> set[tuple[str, str]]:
        path = self.root / "train_test_split" / f"shuffled_{split}_file_list.json"
        if not path.is_file():
            raise DataError(f"Nothing says which shapes are of '{split}'.", expected=str(path))
        listed = read_json(path, "list of shapes")
        if not isinstance(listed, list) or not all(isinstance(name, str) and name.count("/") >= 1 for name in listed):
            raise FileFormatError(f"'{path}' is no list of shapes.", expected='["shape_data/SYNSET/ID", ...]')
        return {(name.split("/")[-2], name.split("/")[-1]) for name in listed}

    def paths(self, index: int) -> list[Path]:
        """The files of a shape."""
        synset, name = self.items[index]
        folder = self.root / synset
        first = folder / "points" / f"{name}.pts"
        return [first, folder / "points_label" / f"{name}.seg"] if first.is_file() else [folder / f"{name}.txt"]

    def points(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """points [N, 3] float64 in the frame of ShapeNet's models, and the number of each one's part [N] int64, from 1 in each category."""
        paths = self.paths(index)
        if len(paths) == 1:
            rows = _rows(paths[0], 7)
            synset = self.items[index][0]
            if synset not in FIRST:
                raise DataError(f"'{paths[0]}' is of no category of ShapeNet-Part.", expected=", ".join(FIRST))
            return rows[:, :3], _whole(rows[:, 6], paths[0]) - FIRST[synset] + 1
        points, parts = _rows(paths[0], 3), _whole(_rows(paths[1], 1)[:, 0], paths[1])
        if len(points) != len(parts):
            raise DataError(f"'{paths[1]}' has another number of lines than its points.", expected=len(points), actual=len(parts))
        return points, parts


def _rows(path: Path, columns: int) -> np.ndarray:
    """The numbers of a text file, [N, columns] float64."""
    try:
        numbers = np.array(bytes_within(path).split(), np.float64)
    except ValueError as error:
        raise FileFormatError(f"'{path}' is not numbers.", actual=str(error)) from error
    if not len(numbers) or len(numbers) % columns or not np.isfinite(numbers).all():
        raise FileFormatError(f"'{path}' is no table.", expected=f"lines of {columns} numbers", actual=f"{len(numbers)} numbers")
    return numbers.reshape(-1, columns)


def _whole(values: np.ndarray, path: Path) -> np.ndarray:
    numbers = values.astype(np.int64)
    if (numbers != values).any() or numbers.min() < 0:
        raise FileFormatError(f"'{path}' has numbers of parts that are none.", expected="0, 1, 2, ...")
    return numbers
