"""Shapes and pictures as batches: coloured volumes with point-value pairs, renderings with their projections, pictures without 3D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.config import Value
from voxcli.datasets.coloured_shapes import ColouredShapes
from voxcli.datasets.image_folder import ImageFolder
from voxcli.datasets.objects import ObjectsFolder, PointValues, point_values
from voxcli.datasets.pictures import read_rgba
from voxcli.datasets.r2n2 import RENDERINGS, TAXONOMY, R2N2Folder
from voxcli.errors import DataError
from voxcli.geometry.projections import compose
from voxcli.models.branched.preparation import BACKGROUND, CELLS, IMAGE, prepare
from voxcli.training.stage import Augmentation
from voxcli.training.task import Draws, TensorBatch

UNKNOWN = "unknown"
TO_OWN = np.diag([0.5, 0.5, 0.5, 1.0])
"""From [-1, 1]^3, where the fields live, to the object's own frame."""


@dataclass(frozen=True)
class DataOptions:
    """The recipe's `dataset`. categories: None for all. images: folders of pictures for self-supervision, with alpha, or with
    NAME_mask.png beside NAME.png; the folder that a picture lies in is its category, where that is a name of one. Alpha cuts the object
    out, as in `predict`; a mask says where it is, and the picture is seen whole.
    """

    split: str | None = "train"
    categories: tuple[str, ...] | str | None = None
    images: tuple[str, ...] | str | None = None


class ShapeSamples:
    """Shapes of one split of folders that `synth objects` wrote, or of published .mat shapes. options: see DataOptions."""

    def __init__(self, sources: Sequence[str | Path], options: Mapping[str, Value]):
        given = config.from_mapping(DataOptions, options, "dataset")
        if not sources:
            raise DataError("There are no folders of shapes to read.", hint="Make one with 'voxcli synth objects -o DIR --count N'.")
        split, kept = given.split, (given.categories,) if isinstance(given.categories, str) else given.categories
        self.folders: list[ObjectsFolder | ColouredShapes] = [
            (ObjectsFolder if (Path(source) / "objects").is_dir() else ColouredShapes)(source, split, kept) for source in sources
        ]
        self.places = [(k, i) for k, folder in enumerate(self.folders) for i in range(len(folder))]
        if not self.places:
            raise DataError("The folders hold no shapes of these categories and this split.", actual=f"split {split}")
        self.categories = list(dict.fromkeys(self.category(index) for index in range(len(self.places))))
        self.renderings: dict[int, tuple[R2N2Folder, dict[str, int]]] = {}
        images = (given.images,) if isinstance(given.images, str) else given.images
        self.pictures = _masked_pictures(images) if images else []

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        """FOLDER/SYNSET/ID."""
        folder, place = self.places[index]
        return f"{self.folders[folder].root.name}/{self.folders[folder].name(place)}"

    def category(self, index: int) -> str:
        """Name of the category."""
        folder, place = self.places[index]
        found = self.folders[folder]
        return found.categories_of[place] if isinstance(found, ObjectsFolder) else found.category(place)

    def shape(self, index: int, resolution: int, count: int | None, rng: np.random.Generator) -> tuple[np.ndarray, PointValues]:
        """Colours and occupancy (0 or 255), uint8 [4, 64, 64, 64], and point-value pairs of a resolution, `count` or all."""
        folder, place = self.places[index]
        found = self.folders[folder]
        if isinstance(found, ColouredShapes):
            return np.ascontiguousarray(found.volume(place).transpose(3, 0, 1, 2)), found.pairs(place, resolution, count, rng)
        voxels = found.voxels(place)
        if len(voxels.labels) != CELLS:
            raise DataError(f"'{self.name(index)}' has a volume of another size.", expected=f"{CELLS} cells a side")
        solid = 255 * (voxels.labels > 0).astype(np.uint8)
        volume = np.concatenate([voxels.colours.transpose(3, 0, 1, 2), solid[None]])
        return volume, point_values(voxels, resolution, count, rng)

    def _rendered(self, index: int) -> tuple[R2N2Folder, int]:
        folder, place = self.places[index]
        found = self.folders[folder]
        if folder not in self.renderings:
            if not (found.root / RENDERINGS).is_dir():
                raise DataError(
                    f"'{found.root}' holds shapes without pictures, and this stage learns from pictures.",
                    expected=f"{RENDERINGS}/CATEGORY/NAME/rendering and {TAXONOMY} beside the shapes",
                    hint="Train the stages of shapes alone (step: shape), or make both with 'voxcli synth objects'.",
                )  # fmt: skip
            renders = R2N2Folder(found.root, None, volumes=False)
            self.renderings[folder] = renders, {renders.name(i): i for i in range(len(renders))}
        renders, table = self.renderings[folder]
        if found.name(place) not in table:
            raise DataError(f"'{self.name(index)}' has no renderings.", hint="Write them with 'voxcli synth objects --layout r2n2'.")
        return renders, table[found.name(place)]

    def check_renderings(self) -> None:
        """Raise DataError for a shape without pictures, so that a training does not come upon it when it is half done."""
        for index in range(len(self)):
            self._rendered(index)

    def view_count(self, index: int) -> int:
        """How many views a shape has."""
        renders, place = self._rendered(index)
        return renders.view_count(place)

    def projections(self, index: int, views: Sequence[int] | None = None) -> np.ndarray:
        """From [-1, 1]^3 to pixels of 128 x 128, of some views or all: [V, 3, 4] float32."""
        renders, place = self._rendered(index)
        cameras = renders.cameras(place, range(renders.view_count(place)) if views is None else views, IMAGE)
        return np.stack([compose(camera.K, camera.world_to_cam) @ TO_OWN for camera in cameras]).astype(np.float32)

    def rendering(self, index: int, view: int) -> np.ndarray:
        """One view as RGBA uint8 [H, W, 4]."""
        renders, place = self._rendered(index)
        return renders.images(place, [view])[0]


def _masked_pictures(folders: Sequence[str | Path]) -> list[tuple[Path, Path | None, str]]:
    """(picture, mask file or None, folder's name) of all pictures, masks left out. Raises DataError for one that can have no silhouette."""
    paths = ImageFolder(folders).paths
    masks = {path.with_name(path.stem.removesuffix("_mask")): path for path in paths if path.stem.endswith("_mask")}
    found = [(p, masks.get(p.with_name(p.stem)), p.parent.name) for p in paths if not p.stem.endswith("_mask")]
    for path, mask, _ in found:
        _check_silhouette(path, mask)
    return found


def _check_silhouette(path: Path, mask: Path | None) -> None:
    """By the headers alone, so that a long training does not come upon a bad picture in the middle."""
    size, alpha = _header(path)
    if mask is None and not alpha:
        raise DataError(f"'{path}' shows no silhouette.", expected=f"alpha, or a mask {path.stem}_mask.png")
    if mask is not None and sorted(_header(mask)[0]) != sorted(size):  # one of them may be turned as it is read
        raise DataError(f"'{mask}' is not as large as its picture.", expected=list(size), actual=list(_header(mask)[0]))


def _header(path: Path) -> tuple[tuple[int, int], bool]:
    """Width and height of a picture, and whether it may have alpha."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size, image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"'{path}' is no picture.", expected=".png, .jpg or .jpeg", actual=str(error)[:80]) from error


@dataclass(frozen=True)
class ShapeBatch(TensorBatch):
    """volumes [B, 4, 64, 64, 64] uint8 (colour, and 255 where occupied); points [B, N, 3] in [-1, 1] with occupied [B, N], colours
    [B, N, 3] in -1..1 and true parts [B, N] (0 = air, 255 = unknown); categories [B] (-1 = unknown) and places [B] in the data.

    images [B, 3, 128, 128] in 0..1, masks [B, 128, 128], projections [B, 3, 4]: of one view each, where pictures are read. shaped: whether
    volumes and points are there; a picture without 3D has zeros.
    """

    volumes: Tensor
    points: Tensor
    occupied: Tensor
    colours: Tensor
    parts: Tensor
    categories: Tensor
    places: Tensor
    names: list[str]
    images: Tensor
    masks: Tensor
    projections: Tensor
    shaped: bool


@dataclass(frozen=True)
class ShapeSample:
    """One read sample: its category and place in the data, its name, and by name those tensors of ShapeBatch that it has."""

    category: int
    place: int
    name: str
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True)
class ShapeReader:
    """Reads a shape with `count` point-value pairs of `resolution`; with `viewed`, one of its views drawn at random too (the first without
    random numbers); with `pictured`, while training, any picture without 3D in place of all that, where the data has some; with `known`,
    while training, the view alone, because the shape's codes are known. rehearsed: how often shapes come all the same where `pictured`
    (the samples of a batch agree).

    Augmentation: brightness, contrast and colour of views, and backgrounds of any grey.
    """

    data: ShapeSamples
    resolution: int
    count: int
    viewed: bool = False
    pictured: bool = False
    known: bool = False
    augmentation: Augmentation = Augmentation()
    rehearsed: float = 0.0

    def __call__(self, index: int, draws: Draws | None) -> ShapeSample:
        rng = np.random.default_rng(0) if draws is None else draws.own
        if draws is not None and self.pictured and self.data.pictures and draws.shared.random() >= self.rehearsed:
            return self._picture(index, int(rng.integers(len(self.data.pictures))), rng)
        category = self.data.categories.index(self.data.category(index))
        arrays: dict[str, np.ndarray] = {}
        if not self.known or draws is None:
            volume, found = self.data.shape(index, self.resolution, self.count, rng)
            solid = found.occupied[:, None]
            arrays |= {
                "volumes": volume, "points": found.points * 2, "occupied": found.occupied,
                "colours": np.where(solid, found.colours / np.float32(127.5) - 1, 0).astype(np.float32), "parts": found.labels,
            }  # fmt: skip
        if self.viewed:
            view = 0 if draws is None else int(rng.integers(self.data.view_count(index)))
            rgba = self.data.rendering(index, view)
            image, mask = self._prepared(rgba[..., :3], rgba[..., 3], None if draws is None else rng)
            arrays |= {"images": image, "masks": mask, "projections": self.data.projections(index, [view])[0]}
        return ShapeSample(category, index, self.data.name(index), arrays)

    def _picture(self, index: int, place: int, rng: np.random.Generator) -> ShapeSample:
        path, mask_path, folder = self.data.pictures[place]
        rgba = read_rgba(path)
        alpha = rgba[..., 3] if mask_path is None else read_rgba(mask_path)[..., 0]
        if mask_path is None and alpha.min() == 255:
            raise DataError(f"'{path}' shows no silhouette.", expected=f"alpha, or a mask {path.stem}_mask.png")
        if alpha.shape != rgba.shape[:2]:
            raise DataError(f"'{mask_path}' is not as large as its picture.", expected=rgba.shape[:2], actual=alpha.shape)
        image, mask = self._prepared(rgba[..., :3], rgba[..., 3], rng)
        if mask_path is not None:
            _, mask = prepare(rgba[..., :3], alpha)
        known = self.data.categories.index(folder) if folder in self.data.categories else -1
        return ShapeSample(known, index, str(path.name), {"images": image, "masks": mask})

    def _prepared(self, rgb: np.ndarray, alpha: np.ndarray, rng: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
        if rng is None:
            return prepare(rgb, alpha)
        how = self.augmentation
        grey, light, contrast, tint = int(rng.integers(180, 256)), rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-1, 1, (3, 1, 1))
        image, mask = prepare(rgb, alpha, (grey,) * 3 if how.colour or how.brightness else BACKGROUND)
        middle = image.mean()
        image = (image - middle) * (1 + how.contrast * contrast) + middle * (1 + how.brightness * light)
        image = image * (1 + how.colour * tint) + how.noise * rng.standard_normal(image.shape)
        return image.clip(0, 1).astype(np.float32), mask


def collate(samples: list[ShapeSample]) -> ShapeBatch:
    """Stack samples of the same kind into tensors; what they lack is empty."""
    size = len(samples)
    absent = {
        "volumes": np.zeros((size, 4, 0, 0, 0), np.uint8), "points": np.zeros((size, 0, 3), np.float32),
        "occupied": np.zeros((size, 0), bool), "colours": np.zeros((size, 0, 3), np.float32), "parts": np.zeros((size, 0), np.uint8),
        "images": np.zeros((size, 3, 0, 0), np.float32), "masks": np.zeros((size, 0, 0), np.float32),
        "projections": np.zeros((size, 0, 4), np.float32),
    }  # fmt: skip
    stacked = {key: np.stack([s.arrays[key] for s in samples]) if key in samples[0].arrays else value for key, value in absent.items()}
    tensors = {key: torch.from_numpy(value) for key, value in stacked.items()}
    tensors["categories"], tensors["places"] = torch.tensor([s.category for s in samples]), torch.tensor([s.place for s in samples])
    return ShapeBatch(**tensors, names=[s.name for s in samples], shaped="points" in samples[0].arrays)
