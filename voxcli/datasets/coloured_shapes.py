"""JOF's published shapes, read and written: .mat files, each with `colored_voxel` and point-value pairs `data_16`, `data_32`, `data_64`.

ROOT/SYNSET/NAME.mat (or ROOT/NAME.mat). The volume has 64 cells a side and three channels, first or last, in 0..1 or 0..255; rows of pairs
are x, y, z, occupied, r, g, b, with coordinates in [-1, 1] (or indices of cells).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voxcli.datasets.objects import ColouredVoxels, PointValues, point_values
from voxcli.errors import DataError, FileFormatError
from voxcli.geometry.coloured import ColouredVolume
from voxcli.scene import Labels

CELLS = 64

PAIRS = {16: 4096, 32: 8192, 64: 32768}
"""Resolution -> how many point-value pairs are written, as the published files have them."""


class ColouredShapes:
    """The .mat files under a folder, sorted; the folder that a file lies in is its category. Raises DataError where there is none."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        self.paths = sorted(self.root.rglob("*.mat"))
        if not self.paths:
            raise DataError(f"'{root}' holds no shapes.", expected=".mat files, or what 'voxcli synth objects' writes")

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """CATEGORY/NAME."""
        path = self.paths[index]
        return f"{path.parent.name}/{path.stem}"

    def category(self, index: int) -> str:
        """The name of the folder that the file lies in: a synset in the published data."""
        return self.paths[index].parent.name

    def volume(self, index: int) -> np.ndarray:
        """Colours and occupancy, uint8 [64, 64, 64, 4], the last 0 or 255: occupied where a colour is not 0."""
        path = self.paths[index]
        array = _arrays(path, "colored_voxel")
        if array.shape == (3, CELLS, CELLS, CELLS):
            array = array.transpose(1, 2, 3, 0)
        if array.shape != (CELLS, CELLS, CELLS, 3):
            raise FileFormatError(f"'{path}': coloured voxels of another shape.", expected=[CELLS] * 3 + [3], actual=list(array.shape))
        colours = _as_bytes(array, path)
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
