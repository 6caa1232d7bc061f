"""One HDF5 file that holds a whole `synth street` folder: one file to copy, no search of folders, one seek a sample.

Root data sets: `images` [N, sH, sW, 3] (s x s pixels for each column of fruxels) and `labels` [N, D, H, W] uint8, one chunk a
sample; `names`; `poses`, the text of each poses file, empty where there is none; and the keys that all samples share
(z_near, z_far, fov_x_deg, label_names, empty_label, ignore_label). Where fields of view were varied, `fov_x_deg_samples` [N] has each
sample's, and fov_x_deg is what they vary about. `meta` is the folder's meta.json. Depth and
instances stay behind: training does not read them.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import FileFormatError, VoxcliError
from voxcli.files.guard import claim, parsing
from voxcli.files.hdf5_reading import find, need, opened, texts, values
from voxcli.provenance import Recordable
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum

if TYPE_CHECKING:
    import h5py

SUFFIXES = (".h5", ".hdf5")
LARGEST_SAMPLE = 1 << 28
"""Bytes of one sample's labels or picture that a reader still unpacks."""


class PackedSamples:
    """Reader of a packed file. Opened on first use in each process, so that it travels to worker processes."""

    def __init__(self, path: Path):
        self.path = path
        self._file: h5py.File | None = None
        name = f"'{path}'"
        hint = "Make one with: voxcli convert DIR -o FILE.h5"
        with parsing(name, "packed street data", hint=hint), open(path, "rb") as raw, opened(raw, name) as file:

            def read_texts(key: str) -> list[str]:
                return texts(need(file, key, name, hint), f"{name}: '{key}'", raw)

            def numbers(key: str) -> list[float]:
                found: list[float] = values(need(file, key, name, hint), f"{name}: '{key}'").astype(np.float64).reshape(-1).tolist()
                return found

            self.names, self._poses, classes = (read_texts(key) for key in ("names", "poses", "label_names"))
            (self.meta,) = read_texts("meta")
            sizes = [numbers(key)[0] for key in ("z_near", "z_far", "fov_x_deg")]
            ids = [int(number) if (number := numbers(key)[0]) >= 0 else None for key in ("empty_label", "ignore_label")]
            self._fovs = numbers("fov_x_deg_samples") if find(file, "fov_x_deg_samples", name) is not None else None
            images, labels = (need(file, key, name, hint) for key in ("images", "labels"))
            shapes, kinds = (images.shape, labels.shape), {images.dtype, labels.dtype}
            whole = all(data.chunks == (1, *data.shape[1:]) for data in (images, labels))
        (n, height, width, _), (m, depth, *area) = shapes if len(shapes[0]) == len(shapes[1]) == 4 else ((0,) * 4, (1,) * 4)
        scale = width // max(area[-1], 1)
        fits = n == m == len(self.names) == len(self._poses) and scale > 0 and shapes[0][3] == 3
        fits = fits and len(area) == 2 and [height, width] == [scale * a for a in area]
        fits = fits and kinds == {np.dtype(np.uint8)}
        if not fits or not whole or max(math.prod(shape[1:]) for shape in shapes) > LARGEST_SAMPLE:
            raise FileFormatError(
                f"'{path}': images and labels do not belong together.",
                expected="uint8 [N, sH, sW, 3] and [N, D, H, W], one chunk a sample",
                actual=f"{list(shapes[0])} and {list(shapes[1])} for {len(self.names)} names",
            )  # fmt: skip
        if self._fovs is not None and len(self._fovs) != n:
            raise FileFormatError(f"'{path}': fields of view and samples do not belong together.", expected=n, actual=len(self._fovs))
        try:
            self.frustum, self.classes = Frustum(area[1], area[0], depth, *sizes), Labels(tuple(classes), *ids)
        except VoxcliError as error:
            raise FileFormatError(f"{name}: {error.message}", expected=error.expected, actual=error.actual) from error
        self._columns = width
        self.jitter = max(abs(fov - self.frustum.fov_x_deg) for fov in self._fovs) if self._fovs else 0.0

    def columns(self) -> int:
        """Columns of pixels of the pictures."""
        return self._columns

    def frustum_of(self, index: int) -> Frustum:
        """The frustum of one sample: its own where fields of view were varied."""
        try:
            return self.frustum if self._fovs is None else replace(self.frustum, fov_x_deg=self._fovs[index])
        except VoxcliError as error:
            raise FileFormatError(f"'{self.path}', sample '{self.names[index]}': {error.message}", actual=error.actual) from error

    def __getstate__(self) -> dict[str, Recordable]:
        return {**self.__dict__, "_file": None}

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """image [sH, sW, 3] and labels [D, H, W], uint8."""
        import h5py

        try:
            if self._file is None:
                self._file = h5py.File(self.path, "r")
            return _chunk(self._file["images"], index), _chunk(self._file["labels"], index)
        except (OSError, KeyError, ValueError, RuntimeError, MemoryError, zlib.error) as error:
            reason = str(error) or "more than there is memory for"
            raise FileFormatError(f"'{self.path}', sample '{self.names[index]}' cannot be read.", actual=reason) from error

    def poses_text(self, index: int) -> str:
        """The JSON text of the poses file; empty where there was none."""
        return self._poses[index]


def _chunk(data: h5py.Dataset, index: int) -> np.ndarray:
    if not data.id.get_create_plist().get_nfilters():
        return np.asarray(data[index])
    if data.compression != "gzip" or data.shuffle or data.fletcher32:
        return values(data, f"sample {index}", slice(index, index + 1))[0]
    # Unpacked outside HDF5, which does everything under one lock: threads would wait for each other.
    _, packed = data.id.read_direct_chunk((index, 0, 0, 0))
    size = math.prod(data.shape[1:])
    claim(f"sample {index}", size)
    raw = zlib.decompressobj().decompress(packed, size)
    if len(raw) != size:
        raise ValueError(f"{len(raw)} bytes where {size} belong")
    return np.frombuffer(raw, np.uint8).reshape(data.shape[1:])
