"""Reader of DISN's renderings as UCLID-Net arranges them: easy and hard views with cameras, depth, and surface samples.

ROOT/renderings_rgb/ShapeNet/SYNSET/ID/easy|hard/00.png .. 35.png      224 x 224 with alpha
ROOT/renderings_rgb/ShapeNet/SYNSET/ID/easy|hard/rendering_metadata.txt
    [azimuth, elevation, 0, distance ratio, 35, 32, 1.75 (, x, y, z of the object, in Blender's z-up axes)]
ROOT/renderings_depth/ShapeNet/SYNSET/ID/easy|hard/00.exr (.png .tiff .npy .npz)   z-depth, where there
ROOT/SurfaceSamples/ShapeNet/SYNSET/ID.ply
ROOT/splits/train.json ..                                              {"ShapeNet": {SYNSET: [ID]}}

`voxcli synth objects` and `voxcli synth views` write this layout with `--layout disn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxcli.datasets.pictures import read_json, read_rgba
from voxcli.errors import DataError, FileFormatError, UsageError, unknown_name
from voxcli.files.exr import read_exr_depth
from voxcli.files.guard import bytes_within
from voxcli.geometry.cameras import from_shapenet
from voxcli.scene import Camera, DepthMap, PointCloud

KINDS = ("easy", "hard")
PICTURES, DEPTHS, SAMPLES = "renderings_rgb", "renderings_depth", "SurfaceSamples"
_DEPTH_SUFFIXES = (".exr", ".png", ".tiff", ".tif", ".npy", ".npz")


@dataclass(frozen=True)
class DISNItem:
    """One object."""

    synset: str
    name: str


@dataclass(frozen=True)
class DISNSample:
    """images [n, H, W, 4] uint8 RGBA (straight alpha) of the chosen views of one set, their cameras and, where asked for, z-depths
    [n, H, W] float32 (NaN = nothing), and points on the surface.

    Cameras look at the mesh's own frame (ShapeNetCore v1: +y up, front +x), in which the points lie as well.
    """

    name: str
    synset: str
    kind: str
    images: np.ndarray
    views: tuple[int, ...]
    cameras: tuple[Camera, ...]
    depths: np.ndarray | None
    points: PointCloud | None


class DISNFolder:
    """Objects of one split, read on demand. split: a name (ROOT/splits/NAME.json), a path to a JSON, or None for all folders.

    synsets: which categories to keep. Raises DataError where the folder or the list is not there, or is empty.
    """

    def __init__(self, root: str | Path, split: str | Path | None = None, synsets: Sequence[str] | None = None):
        self.root = Path(root)
        top = self.root / PICTURES / "ShapeNet"
        if not top.is_dir():
            raise DataError(f"'{root}' is no folder of DISN's renderings.", expected=f"a folder {PICTURES}/ShapeNet in it",
                            hint="Make one with 'voxcli synth objects --layout disn -o DIR'.")  # fmt: skip
        if split is None:
            found = {folder.name: sorted(p.name for p in folder.iterdir() if p.is_dir()) for folder in sorted(top.iterdir())}
        else:
            path = Path(split)
            found = read_split(path if path.suffix == ".json" else self.root / "splits" / f"{split}.json")
        for synset in synsets or ():
            if synset not in found:
                raise unknown_name("category", synset, found)
        self.items = [DISNItem(synset, name) for synset in found if synsets is None or synset in synsets for name in found[synset]]

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        """SYNSET/ID, for messages and for the seeds of items."""
        return f"{self.items[index].synset}/{self.items[index].name}"

    def _folder(self, tree: str, index: int, kind: str) -> Path:
        if kind not in KINDS:
            raise unknown_name("set of views", kind, KINDS)
        item = self.items[index]
        return self.root / tree / "ShapeNet" / item.synset / item.name / kind

    def view_count(self, index: int, kind: str = "easy") -> int:
        """How many pictures a set has: the lines of its metadata."""
        return len(read_metadata(self._folder(PICTURES, index, kind) / "rendering_metadata.txt"))

    def cameras(self, index: int, views: Sequence[int], kind: str = "easy", size: int = 224) -> tuple[Camera, ...]:
        """Cameras of views for pictures of size x size pixels."""
        path = self._folder(PICTURES, index, kind) / "rendering_metadata.txt"
        lines = read_metadata(path)
        if views and max(views) >= len(lines):
            raise DataError(f"'{path}' has no view {max(views)}.", expected=f"0 to {len(lines) - 1}")
        return tuple(camera_of_line(lines[view], size) for view in views)

    def images(self, index: int, views: Sequence[int], kind: str = "easy") -> np.ndarray:
        """Pictures [n, H, W, 4] uint8 RGBA."""
        pictures = [read_rgba(self._folder(PICTURES, index, kind) / f"{view:02d}.png") for view in views]
        if len({p.shape for p in pictures}) > 1:
            raise DataError(f"The pictures of '{self.name(index)}' differ in size.", actual=sorted({p.shape[:2] for p in pictures}))
        return np.stack(pictures)

    def depths(self, index: int, views: Sequence[int], kind: str = "easy") -> np.ndarray:
        """Z-depths [n, H, W] float32 in the units of the mesh, NaN = nothing."""
        folder = self._folder(DEPTHS, index, kind)
        return np.stack([read_depth(folder, f"{view:02d}") for view in views])

    def points(self, index: int) -> PointCloud:
        """The surface samples, in the mesh's own frame."""
        from voxcli import files

        item = self.items[index]
        return files.read_as(self.root / SAMPLES / "ShapeNet" / item.synset / f"{item.name}.ply", PointCloud)

    def sample(
        self, index: int, views: Sequence[int] | None = None, kind: str = "easy", depth: bool = True, points: bool = True
    ) -> DISNSample:
        """One object with the chosen views of one set, or all of them."""
        chosen = tuple(range(self.view_count(index, kind)) if views is None else views)
        if not chosen:
            raise UsageError("An object is read with at least one view.")
        images = self.images(index, chosen, kind)
        cameras = self.cameras(index, chosen, kind, images.shape[2])
        return DISNSample(
            self.name(index), self.items[index].synset, kind, images, chosen, cameras,
            self.depths(index, chosen, kind) if depth else None, self.points(index) if points else None,
        )  # fmt: skip

    def __getitem__(self, index: int) -> DISNSample:
        return self.sample(index)


def read_split(path: Path) -> dict[str, list[str]]:
    """Names of objects by synset."""
    content = read_json(path, "list of a split")
    found = content.get("ShapeNet") if isinstance(content, dict) else None
    if not isinstance(found, dict) or not all(isinstance(names, list) for names in found.values()):
        raise FileFormatError(f"'{path}' is no list of a split.", expected='{"ShapeNet": {SYNSET: [ID]}}')
    for name in [*found, *(name for names in found.values() for name in names)]:
        if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\\" in name:
            raise FileFormatError(f"'{path}' holds what is no name of a folder.", actual=name)
    return found


def read_metadata(path: Path) -> list[list[float]]:
    """The numbers of each view, seven or ten."""
    try:
        text = bytes_within(path).decode("ascii")
        rows = [line.strip().rstrip(",").strip() for line in text.splitlines() if line.strip()]
        lines = [[float(word) for word in row.removeprefix("[").removesuffix("]").split(",")] for row in rows]
    except (OSError, ValueError) as error:
        raise FileFormatError(f"'{path}' cannot be read as metadata of renderings.", actual=f"{type(error).__name__}: {error}") from error
    if not lines or any(len(line) not in (7, 10) or not np.isfinite(line).all() or min(line[3:7]) <= 0 for line in lines):
        raise FileFormatError(f"'{path}' is no metadata of DISN's renderings.",
                              expected="lines [azimuth, elevation, 0, ratio, 35, 32, 1.75 (, x, y, z)]")  # fmt: skip
    return lines


def camera_of_line(line: Sequence[float], size: int) -> Camera:
    """The camera of one line of metadata, in the mesh's own frame.

    In hard views the object stands at (x, y, z) of Blender's world, which is (x, z, -y) in the mesh's y-up axes; the camera looks at
    the world's origin.
    """
    azimuth, elevation, _, ratio, focal, sensor, farthest = line[:7]
    f = focal / sensor * size
    world_to_cam = from_shapenet(azimuth, elevation, ratio * farthest / 1.75)
    if len(line) == 10:
        x, y, z = line[7:]
        world_to_cam[:3, 3] += world_to_cam[:3, :3] @ [x, z, -y]
    return Camera(np.array([[f, 0, size / 2], [0, f, size / 2], [0, 0, 1.0]]), size, size, world_to_cam)


def read_depth(folder: Path, name: str) -> np.ndarray:
    """One z-depth [H, W] float32, NaN = nothing.

    A PNG of 8 bits is DISN's own: it holds (z - 0.7) x 1.4 of 255, so that all nearer than 0.7 reads as 0.7, and 255 is nothing.
    """
    from voxcli import files

    path = next((folder / (name + suffix) for suffix in _DEPTH_SUFFIXES if (folder / (name + suffix)).is_file()), None)
    if path is None:
        raise DataError(f"There is no depth '{folder / name}'.", expected=f"one of {', '.join(_DEPTH_SUFFIXES)}")
    if path.suffix == ".exr":
        return read_exr_depth(path)
    if path.suffix == ".png" and _bits(path) == 8:
        values = read_rgba(path)[..., 0]
        return np.where(values < 255, values / 255 / 1.4 + 0.7, np.nan).astype(np.float32)
    return files.read_as(path, DepthMap).depth


def _bits(path: Path) -> int:
    """Bits of each channel of a PNG, as its header says (PNG specification, IHDR: the 25th byte)."""
    with open(path, "rb") as file:
        head = file.read(25)
    return head[24] if len(head) == 25 else 0
