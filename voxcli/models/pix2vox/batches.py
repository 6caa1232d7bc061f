"""Objects as batches: which views of each, how their pictures are varied, the solid voxels as truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.config import Value
from voxcli.datasets.photographs import PhotographFolder, is_photographs
from voxcli.datasets.r2n2 import R2N2Folder
from voxcli.errors import DataError
from voxcli.models.pix2vox.preprocessing import Preparation, prepare
from voxcli.models.pix2vox.sizes import CELLS, IMAGE
from voxcli.scene.types import Picture
from voxcli.training.stage import Augmentation
from voxcli.training.task import Draws, TensorBatch, chosen_views

Prepared = tuple[np.ndarray, np.ndarray, int, str, int, list[int]]
"""(pictures [V, 3, s, s] float32, volume [32, 32, 32] bool, number of the category, name, place in the data, numbers of the views)."""


@dataclass(frozen=True)
class DataOptions:
    """The recipe's `dataset`. categories: None for all."""

    split: str | None = "train"
    categories: tuple[str, ...] | str | None = None


class ObjectSamples:
    """The objects of one split of one or more folders laid out as 3D-R2N2's data, Pix3D or Pascal3D+. options: see DataOptions."""

    def __init__(self, sources: Sequence[str | Path], options: Mapping[str, Value]):
        given = config.from_mapping(DataOptions, options, "dataset")
        if not sources:
            raise DataError("There are no folders of objects to read.", hint="Make one with 'voxcli synth objects -o DIR --count N'.")
        split, kept = given.split, given.categories
        self.folders: list[R2N2Folder | PhotographFolder] = [
            PhotographFolder(source, split or "all", kept) if is_photographs(source) else R2N2Folder(source, split, categories=kept)
            for source in sources
        ]
        self.places = [(k, i) for k, folder in enumerate(self.folders) for i in range(len(folder))]
        self.categories = list(dict.fromkeys(name for folder in self.folders for name in folder.categories))
        if not self.places:
            raise DataError("The folders hold no objects of these categories and this split.", actual=f"split {split}")

    def __len__(self) -> int:
        return len(self.places)

    def examples(self) -> list[int]:
        """The first object of each category in each folder: views hardly ever differ in number within one."""
        first: dict[tuple[int, str], int] = {}
        for index, (folder, place) in enumerate(self.places):
            first.setdefault((folder, self.folders[folder].items[place].category), index)
        return list(first.values())

    def name(self, index: int) -> str:
        """SYNSET/ID in its folder."""
        folder, place = self.places[index]
        return f"{self.folders[folder].root.name}/{self.folders[folder].name(place)}"

    def view_count(self, index: int) -> int:
        """How many pictures of an object there are."""
        folder, place = self.places[index]
        return self.folders[folder].view_count(place)


@dataclass(frozen=True)
class ObjectReader:
    """Reads an object with `low` to `high` of its views, as many for all objects of a batch, drawn anew each time.

    Without random numbers: evenly spaced views, (low + high) / 2 of them. side: of the pictures, 224 or a whole part of it, by averaging.
    Augmentation follows the original (background of 225 to 255, colours, noise, channels in any order), but a mirrored picture goes with
    the mirrored volume: left and right are z in the canonical frame. encoded: how many of an object's pictures, the first, a
    training knows the features of: it is told the numbers of views among these, and reads no picture. 0: none.
    """

    data: ObjectSamples
    low: int
    high: int
    side: int
    augmentation: Augmentation
    encoded: int = 0

    def __call__(self, index: int, draws: Draws | None) -> Prepared:
        folder, place = (self.data.folders[self.data.places[index][0]], self.data.places[index][1])
        there = folder.view_count(place)
        known = bool(self.encoded) and draws is not None
        if known:
            there = min(there, self.encoded)
        views = chosen_views(there, self.low, self.high, draws, self.data.name(index))
        pictures = np.zeros((len(views), 3, 0, 0), np.float32) if known else self.pictures(index, views, draws)
        volume = folder.volume(place)
        if volume.shape != (CELLS,) * 3:
            raise DataError(f"'{self.data.name(index)}' has a volume of another size.", expected="32 cells a side", actual=volume.shape)
        if draws is not None and not known and self.augmentation.flip and draws.own.random() < 0.5:
            pictures, volume = pictures[..., ::-1], volume[:, :, ::-1]
        category = self.data.categories.index(folder.items[place].category)
        arrays = (np.ascontiguousarray(pictures), np.ascontiguousarray(volume))
        return *arrays, category, self.data.name(index), index, views

    def pictures(self, index: int, views: Sequence[int], draws: Draws | None) -> np.ndarray:
        """Some views of an object, as they are tested, or varied by random numbers: [V, 3, side, side]."""
        folder, place = (self.data.folders[self.data.places[index][0]], self.data.places[index][1])
        cut: Literal["auto", "none"] = "auto" if isinstance(folder, R2N2Folder) else "none"  # photographs come cut out
        return np.stack([self._picture(rgba, cut, draws) for rgba in folder.images(place, views)])

    def _picture(self, rgba: np.ndarray, cut: Literal["auto", "none"], draws: Draws | None) -> np.ndarray:
        r, g, b = (240, 240, 240) if draws is None else (int(v) for v in draws.own.integers(225, 256, 3))
        image, _ = prepare(Picture(rgba[..., :3], rgba[..., 3]), Preparation((r, g, b), cut))
        step = IMAGE // self.side
        if step > 1:
            image = image.reshape(3, self.side, step, self.side, step).mean((2, 4))
        return image if draws is None else recoloured(image, self.augmentation, draws.own)


def recoloured(image: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """A picture [3, H, W] in -1..1 in other light. Always draws the same random numbers, whatever is switched on."""
    light, contrast, tint = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-1, 1, (3, 1, 1)).astype(np.float32)
    order, noise_seed = rng.permutation(3), int(rng.integers(1 << 31))
    x = (image + 1) / 2
    middle = x.mean()
    x = (x - middle) * np.float32(1 + how.contrast * contrast) + middle * np.float32(1 + how.brightness * light)
    if how.colour:
        x = (x * (1 + how.colour * tint))[order]  # shape does not hang on which colour is which
    if how.noise:
        x = x + np.random.default_rng(noise_seed).standard_normal(x.shape, dtype=np.float32) * how.noise
    return (x.clip(0, 1) * 2 - 1).astype(np.float32)


@dataclass(frozen=True)
class ObjectBatch(TensorBatch):
    """images [B, V, 3, s, s] float32 in -1..1 (s = 0 where they are encoded already); volumes [B, 32, 32, 32] bool; categories [B] int64;
    names for messages; places [B] in the data and views [B, V], the numbers of the pictures.
    """

    images: Tensor
    volumes: Tensor
    categories: Tensor
    names: list[str]
    places: Tensor
    views: Tensor


def collate(samples: list[Prepared]) -> ObjectBatch:
    """Stack samples with the same number of views into tensors."""
    images, volumes, categories, names, places, views = zip(*samples, strict=True)
    stacked = [torch.from_numpy(np.stack(each)) for each in (images, volumes)]
    numbers = [torch.tensor(each) for each in (categories, places, views)]
    return ObjectBatch(stacked[0], stacked[1], numbers[0], list(names), numbers[1], numbers[2])
