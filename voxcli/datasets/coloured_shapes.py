"""JOF's published shapes, read and written: .mat files, each with `colored_voxel` and point-value pairs `data_16`, `data_32`, `data_64`.

ROOT/CATEGORY/NAME.mat (or ROOT/NAME.mat); of trees like ShapeNet's also ROOT/SYNSET/NAME/models/model_normalized.mat and
ROOT/SYNSET/NAME/model.mat. ROOT/ShapeNet.json, where it is there, says the splits and what the categories are called (see
voxcli.datasets.r2n2); else the folders ROOT/train, ROOT/val and ROOT/test say the splits, or nothing does. The volume has 64 cells a side
and three channels, first or last, in 0..1 or 0..255; rows of pairs are x, y, z, occupied, r, g, b, with coordinates in [-1, 1] (or indices
of cells). `voxcli convert --to jof` writes such shapes, `voxcli synth views --layout jof` with their pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from voxcli import log
from voxcli.datasets.objects import ColouredVoxels, PointValues, point_values
from voxcli.datasets.r2n2 import SPLITS, TAXONOMY, read_taxonomy
from voxcli.errors import DataError, FileFormatError, unknown_name
from voxcli.geometry.coloured import ColouredVolume
from voxcli.scene import Labels

CELLS = 64

PAIRS = {16: 4096, 32: 8192, 64: 32768}
"""Resolution -> how many point-value pairs are written, as the published files have them."""


_SAME_NAMES = ("model", "models", "model_normalized", "mesh")
"""Of files that every object of a tree has in a folder of its own."""


class ColouredShapes:
    """The .mat files under a folder, of one split and of some categories, sorted by path. The folder that a file, or the folder of its
    object, lies in is its category.

    split: train, val, test, or None for all. categories: names or folders to keep. Where nothing says splits, all are of `train`, which is
    warned of. Raises DataError where there is none, or where nothing says which are of `val` or `test`, UsageError for unknown names.
    """

    def __init__(self, root: str | Path, split: str | None = None, categories: Sequence[str] | None = None):
        if split not in (None, *SPLITS):
            raise unknown_name("split", str(split), SPLITS)
        self.root = Path(root)
        found = sorted(self.root.rglob("*.mat"))
        if not found:
            raise DataError(f"'{root}' holds no shapes.", expected=".mat files, or what 'voxcli synth objects' writes")
        self._called, of_split = self._taxonomy(split)
        if split is not None and of_split is None:
            of_split = self._folders_of(split, found)
        self.paths = [path for path in found if of_split is None or self._key(path) in of_split]
        known = dict.fromkeys(self._called.get(self._key(path)[0], self._key(path)[0]) for path in found)
        for each in categories or ():
            if each not in known and each not in self._called:
                raise unknown_name("category", each, known)
        if categories is not None:
            self.paths = [path for path in self.paths if {self._key(path)[0], self._called.get(self._key(path)[0])} & {*categories}]

    def _taxonomy(self, split: str | None) -> tuple[dict[str, str], set[tuple[str, str]] | None]:
        """What the folders' categories are called, and (folder, name) of the shapes of a split; nothing where no taxonomy says it."""
        path = self.root / TAXONOMY
        if not path.is_file():
            return {}, None
        entries = read_taxonomy(path)
        called = {str(entry["taxonomy_id"]): str(entry["taxonomy_name"]) for entry in entries}
        if split is None:
            return called, None
        listed = [(str(entry[key]), name) for entry in entries for name in entry[split] for key in ("taxonomy_id", "taxonomy_name")]
        return called, set(listed)

    def _folders_of(self, split: str, paths: Sequence[Path]) -> set[tuple[str, str]] | None:
        """(folder, name) of the shapes in the folder of a split; None, all of them, where `train` is asked for and nothing says splits."""
        if any((self.root / each).is_dir() for each in SPLITS):
            return {self._key(path) for path in paths if path.relative_to(self.root).parts[0] == split}
        if split != "train":
            raise DataError(f"'{self.root}' does not say which of its shapes are of '{split}'.",
                            expected=f"{TAXONOMY}, or folders train, val and test")  # fmt: skip
        log.warn(f"{self.root} states no splits: all of its shapes are taken for training.")
        return None

    def _key(self, path: Path) -> tuple[str, str]:
        """(folder of the category, name of the object)."""
        folder, name = path.parent, path.stem
        if folder.name == "models" and folder.parent not in (self.root, self.root.parent):
            folder, name = folder.parent, _SAME_NAMES[0]
        if name in _SAME_NAMES and folder != self.root:
            folder, name = folder.parent, folder.name
        return folder.name, name

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """FOLDER/NAME: of the category, and of the object."""
        return "/".join(self._key(self.paths[index]))

    def category(self, index: int) -> str:
        """The name of the category: by the taxonomy, else that of its folder."""
        folder = self._key(self.paths[index])[0]
        return self._called.get(folder, folder)

    def volume(self, index: int) -> np.ndarray:
        """Colours and occupancy, uint8 [64, 64, 64, 4], the last 0 or 255: occupied where a colour is not 0."""
        colours = read_colours(self.paths[index])
        return np.concatenate([colours, 255 * (colours > 0).any(-1, keepdims=True).astype(np.uint8)], -1)

    def pairs(self, index: int, resolution: int, count: int | None, rng: np.random.Generator) -> PointValues:
        """Point-value pairs in the object's own frame, [-0.5, 0.5]^3; `count` drawn at random, or all. Parts are not known (255)."""
        path = self.paths[index]
        rows = _arrays(path, f"data_{resolution}").astype(np.float64)
        if rows.ndim != 2 or rows.shape[1] != 7 or not np.isfinite(rows).all():
            raise FileFormatError(f"'{path}': point-value pairs of another shape.", expected="[N, 7]: x y z occupied r g b",
                                  actual=list(rows.shape))  # fmt: skip
        if count is not None and count < len(rows):
            rows = rows[np.sort(rng.permutation(len(rows))[:count])]
        points = rows[:, :3]
        if np.abs(points).max(initial=0) > 1:
            points = (points + 0.5) / resolution * 2 - 1
        occupied = rows[:, 3] > 0.5
        colours = np.where(occupied[:, None], _as_bytes(rows[:, 4:], path), 0).astype(np.uint8)
        return PointValues((points / 2).astype(np.float32), occupied, colours, np.where(occupied, 255, 0).astype(np.uint8))


def read_colours(path: Path) -> np.ndarray:
    """The coloured voxels of a .mat file, uint8 [64, 64, 64, 3], 0 in air. Raises FileFormatError for a file without any."""
    array = _arrays(path, "colored_voxel")
    if array.shape == (3, CELLS, CELLS, CELLS):
        array = array.transpose(1, 2, 3, 0)
    if array.shape != (CELLS, CELLS, CELLS, 3):
        raise FileFormatError(f"'{path}': coloured voxels of another shape.", expected=[CELLS] * 3 + [3], actual=list(array.shape))
    return _as_bytes(array, path)


def shape_bytes(volume: ColouredVolume, seed: int = 0) -> bytes:
    """A .mat file of a solid, coloured volume of 64 cells: what the class above reads. The same volume and seed give the same bytes.

    Half of the pairs of the finer resolutions lie beside the surface. Black becomes the darkest colour that is not air.
    """
    import io

    from scipy.io import savemat

    colours = np.where(volume.occupied[..., None], np.maximum(volume.colours, 1), 0).astype(np.uint8)
    voxels = ColouredVoxels(volume.occupied.astype(np.uint8), colours, Labels(("air", "solid"), 0, None))
    arrays: dict[str, np.ndarray] = {"colored_voxel": colours}
    for resolution, count in PAIRS.items():
        pairs = point_values(voxels, resolution, count, np.random.default_rng([seed, resolution]))
        columns = (pairs.points * 2, pairs.occupied[:, None], pairs.colours / np.float32(255))
        arrays[f"data_{resolution}"] = np.concatenate(columns, 1).astype(np.float32)
    buffer = io.BytesIO()
    savemat(buffer, arrays, do_compression=True)
    # The text that such a file begins with names the hour; ours names the format alone.
    return b"MATLAB 5.0 MAT-file, coloured voxels and point-value pairs".ljust(116) + buffer.getvalue()[116:]


def _arrays(path: Path, key: str) -> np.ndarray:
    from voxcli.files.matlab import read_mat_arrays

    found = read_mat_arrays(path, [key])
    if key not in found:
        raise FileFormatError(f"'{path}' lacks '{key}'.", expected="colored_voxel, data_16, data_32, data_64")
    return found[key]


def _as_bytes(colours: np.ndarray, path: Path) -> np.ndarray:
    """Colours of 0..1, of -1..1 or of 0..255 as uint8; bytes as they are."""
    if colours.dtype == np.uint8:
        return colours
    low, high = float(colours.min(initial=0)), float(colours.max(initial=0))
    if low < -1 or high > 255:
        raise FileFormatError(f"'{path}' holds no colours.", expected="numbers in 0..1 or 0..255", actual=f"{low:g} to {high:g}")
    scaled = (colours + 1) * 127.5 if low < 0 else colours * 255.0 if high <= 1 else colours
    return np.asarray(scaled + 0.5).clip(0, 255).astype(np.uint8)
