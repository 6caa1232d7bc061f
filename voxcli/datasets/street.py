"""Reader of the folders that `voxcli synth street` writes: images/NAME.png and fruxels/NAME.npz, with meta.json."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.errors import DataError, FileFormatError
from voxcli.scene.labels import Labels
from voxcli.scene.types import Frustum

LARGEST_GRID = 1 << 28
"""Fruxels in one sample that a reader still unpacks (a guard against zip bombs)."""


@dataclass(frozen=True)
class StreetSample:
    """image [H, W, 3] uint8 and labels [D, H, W] uint8 of one scene, and its name."""

    name: str
    image: np.ndarray
    labels: np.ndarray


class StreetFolder:
    """The samples of one or several `synth street` folders, sorted by folder and name, read on demand.

    All samples share one frustum and one list of classes; the first sample of each folder is checked when the folder is opened.
    """

    def __init__(self, folders: Sequence[str | Path]):
        self.samples: list[tuple[Path, str]] = []
        self.frustum: Frustum | None = None
        self.classes = Labels()
        for folder in map(Path, folders):
            names = sorted(p.stem for p in (folder / "fruxels").glob("*.npz"))
            if not names:
                raise DataError(f"'{folder}' holds no samples.", expected="a folder made by 'voxcli synth street'",
                                hint="Its samples lie in images/*.png and fruxels/*.npz.")  # fmt: skip
            self._check_grid(folder, names[0])
            self.samples += [(folder, name) for name in names]
        if not self.samples:
            raise DataError("No data folder was given.", hint="Make one with 'voxcli synth street -o DIR --count N'.")

    def __len__(self) -> int:
        return len(self.samples)

    def name(self, index: int) -> str:
        """Folder name and sample name, for messages."""
        folder, name = self.samples[index]
        return f"{folder.name}/{name}"

    def __getitem__(self, index: int) -> StreetSample:
        from PIL import Image

        folder, name = self.samples[index]
        picture = folder / "images" / f"{name}.png"
        try:
            with Image.open(picture) as file:
                image = np.asarray(file.convert("RGB"))
        except (OSError, ValueError) as error:
            raise FileFormatError(f"'{picture}' cannot be read as an image.", actual=str(error)) from error
        labels = _read_labels(folder / "fruxels" / f"{name}.npz")
        if labels.shape[1:] != image.shape[:2]:
            raise DataError(
                f"Image and fruxels of '{self.name(index)}' differ in size.", expected=list(image.shape[:2]), actual=list(labels.shape)
            )
        return StreetSample(self.name(index), image, labels)

    def _check_grid(self, folder: Path, name: str) -> None:
        path = folder / "fruxels" / f"{name}.npz"
        labels = _read_labels(path)
        with np.load(path, allow_pickle=False) as file:
            try:
                numbers = [float(file[key]) for key in ("z_near", "z_far", "fov_x_deg")]
                names = tuple(str(n) for n in file["label_names"])
                ids = [int(file[key]) for key in ("empty_label", "ignore_label")]
            except KeyError as error:
                raise FileFormatError(f"'{path}' lacks the key {error}.") from error
        depth, height, width = labels.shape
        frustum = Frustum(width, height, depth, *numbers)
        classes = Labels(names, *ids)
        if self.frustum is not None and (self.frustum != frustum or self.classes != classes):
            raise DataError(f"'{folder}' differs in frustum or classes from the folder before.", expected=self.frustum, actual=frustum)
        self.frustum, self.classes = frustum, classes


def _read_labels(path: Path) -> np.ndarray:
    """The `labels` member of a fruxel file, alone: probabilities and meta stay packed."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("labels.npy") as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(member)
            if dtype != np.uint8 or len(shape) != 3 or fortran or int(np.prod(shape)) > LARGEST_GRID:
                raise FileFormatError(f"'{path}' holds no usable labels.", expected="uint8 [D, H, W]", actual=f"{dtype} {list(shape)}")
            data = member.read(int(np.prod(shape)))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"'{path}' cannot be read as fruxels.", actual=f"{type(error).__name__}: {error}") from error
    if len(data) != int(np.prod(shape)):
        raise FileFormatError(f"'{path}' is truncated.", expected=f"{int(np.prod(shape))} labels", actual=len(data))
    return np.frombuffer(data, np.uint8).reshape(shape)


def pool_labels(labels: np.ndarray, factor: int, empty: int = 0) -> np.ndarray:
    """Labels at 1/factor of the resolution (a power of two), by 2x2x2 steps: [D, H, W] -> [D/f, H/f, W/f] uint8.

    Ours: a cell takes the most frequent class among its eight that is not empty (the lowest id on a tie), and is empty only if all
    eight are, as under the slab rule. Ids of up to 15 count; higher ones (255 = ignore) stay only where all eight agree.
    """
    while factor > 1:
        labels, factor = _pool_once(labels, empty), factor // 2
    return labels


def _pool_once(labels: np.ndarray, empty: int) -> np.ndarray:
    # Four bits a class in one 64-bit word: eight table look-ups and seven additions count all classes at once.
    d, h, w = (s // 2 for s in labels.shape)
    octet = labels.reshape(d, 2, h, 2, w, 2).transpose(1, 3, 5, 0, 2, 4).reshape(8, -1)
    first = octet[0]
    mixed = np.flatnonzero((octet[1:] != first).any(axis=0))  # most cells are uniform: only the others are counted
    table = np.zeros(256, np.uint64)
    table[:16] = np.uint64(1) << (np.arange(16, dtype=np.uint64) * np.uint64(4))
    if 0 <= empty < 16:
        table[empty] = 0
    words = table[octet[:, mixed]].sum(axis=0, dtype=np.uint64)
    best = np.zeros(len(mixed), np.uint64)
    label = np.full(len(mixed), empty, np.uint8)
    for c in range(16):
        count = (words >> np.uint64(4 * c)) & np.uint64(15)
        better = count > best
        best[better] = count[better]
        label[better] = c
    out = first.copy()
    out[mixed] = label
    return out.reshape(d, h, w)
