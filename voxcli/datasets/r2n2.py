"""Reader of 3D-R2N2's data (ShapeNetRendering and ShapeNetVox32) with a taxonomy and split as Pix2Vox has them.

ROOT/ShapeNetRendering/SYNSET/ID/rendering/00.png .. 23.png     137 x 137 with alpha
ROOT/ShapeNetRendering/SYNSET/ID/rendering/rendering_metadata.txt   azimuth elevation in-plane ratio "fov", one line a picture
ROOT/ShapeNetRendering/SYNSET/ID/rendering/renderings.txt       names of the pictures, where there
ROOT/ShapeNetVox32/SYNSET/ID/model.binvox (or model.mat)        solid, [x, y, z], +y up, front +x
ROOT/ShapeNet.json                                              [{taxonomy_id, taxonomy_name, train: [ID], val: [ID], test: [ID]}]

`voxcli synth objects` and `voxcli synth views` write this layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.datasets.pictures import read_json, read_rgba
from voxcli.errors import DataError, FileFormatError, UsageError, unknown_name
from voxcli.files.guard import bytes_within
from voxcli.geometry.cameras import from_shapenet, shapenet_intrinsics
from voxcli.provenance import Meta
from voxcli.scene import Camera, VoxelGrid

SPLITS = ("train", "val", "test")
RENDERINGS, VOLUMES, TAXONOMY = "ShapeNetRendering", "ShapeNetVox32", "ShapeNet.json"
CAMERAS = "transforms.json"
"""Beside pictures whose cameras are not those of 3D-R2N2, as `synth objects --backgrounds photo` writes it."""


@dataclass(frozen=True)
class R2N2Item:
    """One object: category as the taxonomy names it, the folders that hold it."""

    category: str
    synset: str
    name: str


@dataclass(frozen=True)
class R2N2Sample:
    """images [n, H, W, 4] uint8 RGBA (straight alpha) of the chosen views, volume [32, 32, 32] bool [x, y, z], the views' cameras.

    Cameras look at the mesh's own frame (ShapeNetCore v1: +y up, front +x, box diagonal 1).
    """

    name: str
    category: str
    images: np.ndarray
    volume: np.ndarray
    views: tuple[int, ...]
    cameras: tuple[Camera, ...]


class R2N2Folder:
    """The objects of one split, in the order of the taxonomy; pictures and volumes are read on demand.

    split: train, val, test, or None for all. taxonomy: another JSON than ROOT/ShapeNet.json. categories: names or synsets to keep.
    volumes: whether there have to be any. Raises DataError where the folder or the taxonomy is not there, or lists nothing.
    """

    def __init__(
        self, root: str | Path, split: str | None = "train", taxonomy: str | Path | None = None, categories: Sequence[str] | None = None,
        volumes: bool = True,
    ):  # fmt: skip
        if split is not None and split not in SPLITS:
            raise unknown_name("split", split, SPLITS)
        self.root = Path(root)
        for name in (RENDERINGS, VOLUMES) if volumes else (RENDERINGS,):
            if not (self.root / name).is_dir():
                raise DataError(f"'{root}' is no folder of 3D-R2N2's data.", expected=f"a folder {name} in it",
                                hint="Make one with 'voxcli synth objects -o DIR --count N'.")  # fmt: skip
        entries = read_taxonomy(self.root / TAXONOMY if taxonomy is None else Path(taxonomy))
        known = [str(entry[key]) for entry in entries for key in ("taxonomy_name", "taxonomy_id")]
        for category in categories or ():
            if category not in known:
                raise unknown_name("category", category, [str(e["taxonomy_name"]) for e in entries])
        self.items: list[R2N2Item] = []
        for entry in entries:
            category, synset = str(entry["taxonomy_name"]), str(entry["taxonomy_id"])
            if categories is None or category in categories or synset in categories:
                names = [name for each in ([split] if split else SPLITS) for name in entry[each]]
                self.items += [R2N2Item(category, synset, name) for name in names]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def categories(self) -> list[str]:
        """Names of the categories that have objects here, in the order of the taxonomy."""
        return list(dict.fromkeys(item.category for item in self.items))

    def name(self, index: int) -> str:
        """SYNSET/ID, for messages and for the seeds of items."""
        return f"{self.items[index].synset}/{self.items[index].name}"

    def _renderings(self, index: int) -> Path:
        item = self.items[index]
        return self.root / RENDERINGS / item.synset / item.name / "rendering"

    def view_count(self, index: int) -> int:
        """How many pictures an object has: the lines of its metadata."""
        return len(read_metadata(self._renderings(index) / "rendering_metadata.txt"))

    def picture_path(self, index: int, view: int) -> Path:
        """The file of one picture."""
        return self._renderings(index) / f"{view:02d}.png"

    def images(self, index: int, views: Sequence[int]) -> np.ndarray:
        """Pictures [n, H, W, 4] uint8 RGBA; alpha is 255 where a file has none. Raises FileFormatError that names the file."""
        pictures = [read_rgba(self.picture_path(index, view)) for view in views]
        if len({p.shape for p in pictures}) > 1:
            raise DataError(f"The pictures of '{self.name(index)}' differ in size.", actual=sorted({p.shape[:2] for p in pictures}))
        return np.stack(pictures)

    def cameras(self, index: int, views: Sequence[int], size: int = 137) -> tuple[Camera, ...]:
        """The cameras of views, for pictures of size x size pixels: those of transforms.json where the folder has one."""
        stated = self._renderings(index) / CAMERAS
        if stated.is_file():
            return self._stated_cameras(stated, views, size)
        path = self._renderings(index) / "rendering_metadata.txt"
        lines = read_metadata(path)
        if views and max(views) >= len(lines):
            raise DataError(f"'{path}' has no view {max(views)}.", expected=f"0 to {len(lines) - 1}")
        K = shapenet_intrinsics(size)
        return tuple(Camera(K, size, size, from_shapenet(lines[v][0], lines[v][1], lines[v][3])) for v in views)

    def _stated_cameras(self, path: Path, views: Sequence[int], size: int) -> tuple[Camera, ...]:
        from voxcli import files

        named = {Path(name).stem: camera for name, camera in files.read_as(path, list)}
        out = []
        for view in views:
            camera = named.get(f"{view:02d}")
            if camera is None:
                raise DataError(f"'{path}' has no view {view}.", expected=", ".join(sorted(named)[:6]))
            K = camera.K * np.array([[size / camera.width], [size / camera.height], [1.0]])
            out.append(Camera(K, size, size, camera.world_to_cam))
        return tuple(out)

    def grid(self, index: int) -> VoxelGrid:
        """The solid voxels with their place as the file states it."""
        from voxcli import files

        item = self.items[index]
        folder = self.root / VOLUMES / item.synset / item.name
        path = next((folder / name for name in ("model.binvox", "model.mat") if (folder / name).is_file()), None)
        if path is None:
            raise DataError(f"'{folder}' holds no volume.", expected="model.binvox or model.mat")
        return files.read_as(path, VoxelGrid)

    def volume(self, index: int) -> np.ndarray:
        """Occupancy [X, Y, Z] bool."""
        return np.asarray(self.grid(index).values) != 0

    def sample(self, index: int, views: Sequence[int] | None = None) -> R2N2Sample:
        """One object with the chosen views, or all of them."""
        chosen = tuple(range(self.view_count(index)) if views is None else views)
        if not chosen:
            raise UsageError("An object is read with at least one view.")
        images = self.images(index, chosen)
        cameras = self.cameras(index, chosen, images.shape[2])
        return R2N2Sample(self.name(index), self.items[index].category, images, self.volume(index), chosen, cameras)

    def __getitem__(self, index: int) -> R2N2Sample:
        return self.sample(index)


def read_taxonomy(path: Path) -> list[Meta]:
    """The entries of a taxonomy file of Pix2Vox, each with taxonomy_id, taxonomy_name and lists train, val and test."""
    entries = read_json(path, "taxonomy")
    try:
        for entry in entries:
            entry["taxonomy_id"], entry["taxonomy_name"]
            for split in SPLITS:
                names = entry.setdefault(split, [])
                if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                    raise TypeError(f"'{split}' is no list of names")
                for name in [str(entry["taxonomy_id"]), *names]:
                    if name in ("", ".", "..") or "/" in name or "\\" in name:
                        raise ValueError(f"'{name}' is no name of a folder")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"'{path}' is no taxonomy.", actual=f"{type(error).__name__}: {error}",
                              expected="[{taxonomy_id, taxonomy_name, train, val, test}]") from error  # fmt: skip
    return entries


def read_metadata(path: Path) -> list[list[float]]:
    """Azimuth, elevation, in-plane rotation, distance ratio, "field of view" of each view."""
    try:
        lines = [[float(word) for word in line.split()] for line in bytes_within(path).decode("ascii").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise FileFormatError(f"'{path}' cannot be read as metadata of renderings.", actual=f"{type(error).__name__}: {error}") from error
    if not lines or any(len(line) != 5 or not np.isfinite(line).all() or line[3] <= 0 for line in lines):
        raise FileFormatError(f"'{path}' is no metadata of renderings.", expected="lines of five numbers: azimuth elevation 0 ratio 25")
    return lines
