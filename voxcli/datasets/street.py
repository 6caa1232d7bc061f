"""Reader of what `voxcli synth street` writes: images/NAME.png, fruxels/NAME.npz and, where there, poses/NAME.json; or a packed file."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from voxcli.datasets.packed import SUFFIXES as PACKED
from voxcli.datasets.packed import PackedSamples
from voxcli.datasets.pictures import read_rgb
from voxcli.datasets.poses import parse_poses
from voxcli.datasets.street_checks import (
    GridFacts,
    check_facts,
    check_files,
    check_labels,
    labels_shape,
    read_array_header,
    read_facts,
    stated_jitter,
)
from voxcli.errors import DataError, FileFormatError, UsageError
from voxcli.files.guard import bytes_within
from voxcli.scene.labels import Labels
from voxcli.scene.poses import Poses
from voxcli.scene.types import Frustum
from voxcli.shards import SUFFIX, is_there, members, opened


@dataclass(frozen=True)
class StreetSample:
    """image [sH, sW, 3] uint8 and labels [D, H, W] uint8 of one scene, its name, and the poses of its objects where the folder has them.

    The picture may have s x s pixels for each column of fruxels, s = 1, 2, ... frustum: this sample's own; its field of view differs from
    the data set's where these were varied (`synth street --fov-jitter`).
    """

    name: str
    image: np.ndarray
    labels: np.ndarray
    poses: Poses | None = None
    frustum: Frustum | None = None


class SampleSource(Protocol):
    """Samples of one grid and one list of classes. path: for messages. jitter: see `StreetFolder.fov_jitter`."""

    path: Path
    names: list[str]
    frustum: Frustum
    classes: Labels
    jitter: float
    meta: str

    def columns(self) -> int | None:
        """Columns of pixels of the first picture; None where it cannot be read."""
        ...

    def frustum_of(self, index: int) -> Frustum:
        """The frustum of one sample."""
        ...

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """image [H, W, 3] and labels [D, H, W], uint8."""
        ...

    def poses_text(self, index: int) -> str:
        """The JSON text of a sample's poses; empty where there are none."""
        ...


class StreetFolder:
    """The samples of one or several `synth street` folders, packed files of them, or sources that are open already, sorted by folder and
    name, read on demand. A folder may hold a folder for each scene (`synth street --trajectory`). Raises UsageError for a root of splits.

    All samples share one grid and one list of classes; all files are checked when the folders are opened, labels and pictures when they
    are read. fov_jitter: degrees by which fields of view differ from that of `frustum`, at most; 0 unless the folders' meta.json say so.
    Raises DataError for what does not belong together, naming the first file, what was expected and what came.
    """

    def __init__(self, sources: Sequence[str | Path | SampleSource]):
        self.samples: list[tuple[SampleSource, int]] = []
        opened: list[SampleSource] = []
        for source in sources:
            if isinstance(source, (str, Path)):
                if splits := split_folders(Path(source)):
                    part = next(iter(splits.values()))
                    raise UsageError(f"'{source}' is divided: what is learnt from must not be scored.",
                                     actual=f"the folders {', '.join(splits)}", hint=f"Name one of them: {part}")  # fmt: skip
                paths = scene_folders(Path(source)) or [Path(source)]
                opened += [PackedSamples(path) if path.is_file() and path.suffix in PACKED else _Folder(path) for path in paths]
            else:
                opened.append(source)
        for source in opened:
            facts, first = (GridFacts(s.frustum, s.classes) for s in (source, opened[0]))
            check_facts(str(source.path), facts, str(opened[0].path), first, 0.0)
            self.samples += [(source, index) for index in range(len(source.names))]
        if not self.samples:
            raise DataError("No data folder was given.", hint="Make one with 'voxcli synth street -o DIR --count N'.")
        self.frustum: Frustum = opened[-1].frustum
        self.classes: Labels = opened[-1].classes
        self.fov_jitter = max(source.jitter for source in opened)
        self._columns = opened[0].columns()
        self.meta = opened[0].meta if len(opened) == 1 else ""

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def names(self) -> list[str]:
        """Names of all samples."""
        return [self.name(index) for index in range(len(self))]

    def poses_text(self, index: int) -> str:
        """The JSON text of a sample's poses; empty where there are none."""
        source, own = self.samples[index]
        return source.poses_text(own)

    def name(self, index: int) -> str:
        """Folder name and sample name, for messages."""
        source, own = self.samples[index]
        return f"{source.path.name}/{source.names[own]}" if isinstance(source, _Folder) else source.names[own]

    def frustum_of(self, index: int) -> Frustum:
        """The frustum of one sample, which stays unread."""
        source, own = self.samples[index]
        return source.frustum_of(own)

    def __getitem__(self, index: int) -> StreetSample:
        source, own = self.samples[index]
        image, labels = source.read(own)
        (height, width), (rows, columns) = image.shape[:2], labels.shape[1:]
        scale = width // columns
        if not scale or (rows * scale, columns * scale) != (height, width):
            raise DataError(
                f"Image and fruxels of '{self.name(index)}' differ in size.", expected=f"{columns}x{rows} pixels or a multiple",
                actual=f"{width}x{height}",
            )  # fmt: skip
        if self._columns not in (None, width):
            raise DataError(
                f"The image of '{self.name(index)}' has another size than the first.", expected=f"{self._columns} columns of pixels",
                actual=width, hint="Pictures of one training have one size: synth street --picture-scale.",
            )  # fmt: skip
        check_labels(self.name(index), labels, self.classes)
        text = source.poses_text(own)
        poses = parse_poses(text, self.name(index), self.classes) if text else None
        return StreetSample(self.name(index), image, labels, poses, source.frustum_of(own))


def scene_folders(folder: Path) -> list[Path]:
    """The folders in a folder that hold samples, sorted: of scenes of several frames; or its shards. None where it holds samples itself."""
    if not folder.is_dir() or (folder / "fruxels").is_dir():
        return []
    if found := sorted(folder.glob(f"*{SUFFIX}")):
        return found
    return sorted(path.parent for path in folder.glob("*/fruxels") if path.is_dir())


def split_folders(root: Path) -> dict[str, Path]:
    """The folders train, val and test of a root that is divided, those that hold samples or a folder for each scene (`synth street
    --trajectory`, `synth views --layout street`)."""
    return {name: root / name for name in ("train", "val", "test") if scene_folders(root / name) or (root / name / "fruxels").is_dir()}


class _Folder:
    """One folder, or one shard of a folder: its names, what all its samples share (checked over all files), and a sample by its number."""

    def __init__(self, path: Path):
        self.path = path
        packed = path.suffix == SUFFIX and path.is_file()
        fruxels = map(PurePosixPath, members(path)) if packed else (path / "fruxels").glob("*.npz")
        self.names = sorted(p.stem for p in fruxels if p.parent.name == "fruxels" and p.suffix == ".npz")
        if not self.names:
            from voxcli.datasets.scene_completion import KittiFolder  # with the formats of its files

            raise DataError(
                f"'{path}' holds no samples.", hint="Samples of 'voxcli synth street' lie in images/*.png and fruxels/*.npz.",
                expected=f"a folder made by 'voxcli synth street', one packed as .h5, or {KittiFolder.tree}",
            )  # fmt: skip
        meta = (path.parent if packed else path) / "meta.json"
        self.meta = bytes_within(meta).decode("utf-8") if meta.is_file() else ""
        first = read_facts(self._fruxels(0))
        self.classes = first.classes
        self.jitter, self.frustum = stated_jitter(self.meta, first.frustum)
        check_files([self._fruxels(k) for k in range(len(self.names))], GridFacts(self.frustum, self.classes), self.jitter)

    def columns(self) -> int | None:
        """Columns of pixels of the first picture; None where it cannot be read."""
        from PIL import Image

        try:
            with Image.open(opened(self.path / "images" / f"{self.names[0]}.png")) as file:
                return file.width
        except (OSError, ValueError):
            return None

    def frustum_of(self, index: int) -> Frustum:
        """The frustum of one sample: its own where fields of view were varied."""
        if not self.jitter:
            return self.frustum
        path = self._fruxels(index)
        own = read_facts(path)
        check_facts(str(path), own, str(self.path / "meta.json"), GridFacts(self.frustum, self.classes), self.jitter)
        return own.frustum

    def _fruxels(self, index: int) -> Path:
        return self.path / "fruxels" / f"{self.names[index]}.npz"

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """image [H, W, 3] and labels [D, H, W], uint8."""
        return read_rgb(self.path / "images" / f"{self.names[index]}.png"), _read_labels(self._fruxels(index))

    def poses_text(self, index: int) -> str:
        """The JSON text of the poses file; empty where there is none."""
        path = self.path / "poses" / f"{self.names[index]}.json"
        try:
            if not is_there(path):
                return ""
            held = opened(path)
            return (bytes_within(held) if isinstance(held, Path) else held.getvalue()).decode("utf-8")
        except (OSError, ValueError) as error:
            raise FileFormatError(f"'{path}' cannot be read as poses.", actual=f"{type(error).__name__}: {error}") from error


def check_picture_size(data: StreetFolder, size: tuple[int, int], scale: int) -> None:
    """Raise UsageError where the pictures are not of `size` (height, width), `scale` pixels for each column of the frustum."""
    picture = data[0].image.shape[:2]
    if picture != size:
        raise UsageError(
            "The pictures do not have the size that the network takes.", expected="{1}x{0} pixels".format(*size),
            actual="{1}x{0}".format(*picture), hint=f"Make them with: voxcli synth street --picture-scale {scale}",
        )  # fmt: skip


def _read_labels(path: Path) -> np.ndarray:
    """The `labels` member of a fruxel file, alone: probabilities and meta stay packed."""
    shape = labels_shape(path)
    try:
        with zipfile.ZipFile(opened(path)) as archive, archive.open("labels.npy") as member:
            read_array_header(member)
            data = member.read(int(np.prod(shape)))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"'{path}' cannot be read as fruxels.", actual=f"{type(error).__name__}: {error}") from error
    if len(data) != int(np.prod(shape)):
        raise FileFormatError(f"'{path}' is truncated.", expected=f"{int(np.prod(shape))} labels", actual=len(data))
    return np.frombuffer(data, np.uint8).reshape(shape)


def pool_labels(labels: np.ndarray, factor: int, empty: int = 0) -> np.ndarray:
    """Labels at 1/factor of the resolution (a power of two), by 2x2x2 steps: [D, H, W] -> [D/f, H/f, W/f] uint8.

    Ours: a cell takes the most frequent class among its eight that is not empty (the lowest id on a tie), and is empty only if all
    eight are, as under the slab rule. Ids below 240 count; higher ones (255 = ignore) stay only where all eight agree.
    """
    while factor > 1:
        labels, factor = _pool_once(labels, empty), factor // 2
    return labels


def _pool_once(labels: np.ndarray, empty: int) -> np.ndarray:
    # Four bits a class in one 64-bit word: eight table look-ups and seven additions count sixteen classes at once.
    d, h, w = (s // 2 for s in labels.shape)
    octet = labels.reshape(d, 2, h, 2, w, 2).transpose(1, 3, 5, 0, 2, 4).reshape(8, -1)
    first = octet[0]
    mixed = np.flatnonzero((octet[1:] != first).any(axis=0))  # most cells are uniform: only the others are counted
    others = octet[:, mixed]
    best = np.zeros(len(mixed), np.uint64)
    label = np.full(len(mixed), empty, np.uint8)
    for low in sorted({int(c) // 16 * 16 for c in np.flatnonzero(np.bincount(others.reshape(-1), minlength=1)) if c < 240}):
        table = np.zeros(256, np.uint64)
        table[low : low + 16] = np.uint64(1) << (np.arange(16, dtype=np.uint64) * np.uint64(4))
        if empty >= 0:
            table[empty] = 0
        words = table[others].sum(axis=0, dtype=np.uint64)
        for c in range(16):
            count = (words >> np.uint64(4 * c)) & np.uint64(15)
            better = count > best
            best[better] = count[better]
            label[better] = low + c
    out = first.copy()
    out[mixed] = label
    return out.reshape(d, h, w)
