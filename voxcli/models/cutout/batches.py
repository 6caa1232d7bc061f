"""Photographs of objects with their masks as batches: squares at random places, of random sizes, as other cameras might take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.config import Value
from voxcli.datasets.pix3d import Pix3DFolder
from voxcli.datasets.r2n2 import R2N2Folder
from voxcli.datasets.synthetic.camera_pipeline import photographic
from voxcli.errors import DataError
from voxcli.training.augmenting import colour_jitter
from voxcli.training.stage import Augmentation
from voxcli.training.task import Draws, TensorBatch

Prepared = tuple[np.ndarray, np.ndarray, str]
"""(picture uint8 [S, S, 3], mask bool [S, S], name)."""

SMALLEST_CROP = 0.55
"""Side of the smallest square that is cut out in training, as a share of the picture's shorter side."""

TRUNCATED = 0.12
"""Share of the squares of a training that may leave out a part of the object."""


@dataclass(frozen=True)
class DataOptions:
    """The recipe's `dataset`. categories: None for all."""

    split: str | None = None
    categories: tuple[str, ...] | None = None


class MaskedPictures:
    """The pictures of folders of `synth objects` (layout r2n2, best with --backgrounds photo) and of Pix3D, each one a sample."""

    def __init__(self, sources: Sequence[str | Path], options: Mapping[str, Value]):
        given = config.from_mapping(DataOptions, options, "dataset")
        if not sources:
            raise DataError("There are no folders of pictures with masks.",
                            hint="Make one with 'voxcli synth objects --backgrounds photo -o DIR --count N'.")  # fmt: skip
        self.folders: list[R2N2Folder | Pix3DFolder] = []
        self.places: list[tuple[int, int, int]] = []  # folder, object, view
        for source in sources:
            if (Path(source) / "pix3d.json").is_file():
                photographs = Pix3DFolder(source, given.categories, evaluation=False)
                self.places += [(len(self.folders), index, 0) for index in range(len(photographs))]
                self.folders.append(photographs)
            else:
                folder = R2N2Folder(source, given.split, categories=given.categories)
                counts = [folder.view_count(index) for index in range(len(folder))]
                self.places += [(len(self.folders), index, view) for index, count in enumerate(counts) for view in range(count)]
                self.folders.append(folder)
        if not self.places:
            raise DataError("The folders hold no pictures of these categories and this split.", actual=f"split {given.split}")

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        """SYNSET/ID/VIEW in its folder."""
        folder, place, view = self.places[index]
        return f"{self.folders[folder].root.name}/{self.folders[folder].name(place)}/{view:02d}"

    def picture(self, index: int) -> np.ndarray:
        """RGBA uint8 [H, W, 4]; its alpha is the object's mask."""
        number, place, view = self.places[index]
        folder = self.folders[number]
        if isinstance(folder, Pix3DFolder):
            sample = folder[place]
            return np.concatenate([sample.image, 255 * sample.mask[..., None].astype(np.uint8)], -1)
        return folder.images(place, [view])[0]


@dataclass(frozen=True)
class MaskReader:
    """A square of `side` pixels of each picture: the middle one as it is; where random numbers are given, one at a random place and of a
    random size, mirrored at random, in other light, or as another camera might have taken it. What is black wherever it is transparent is
    a rendering on nothing: it gets a background of one colour.
    """

    data: MaskedPictures
    side: int
    augmentation: Augmentation

    def __call__(self, index: int, draws: Draws | None) -> Prepared:
        rgba, name = self.data.picture(index), self.data.name(index)
        rng = np.random.default_rng(index) if draws is None else draws.own
        hidden = rgba[..., 3] == 0
        if hidden.any() and not rgba[..., :3][hidden].any():
            rgba = _on_one_colour(rgba, rng)
        height, width = rgba.shape[:2]
        shorter = min(height, width)
        if draws is None:
            left, top = (width - shorter) / 2, (height - shorter) / 2
            square = resized_crop(rgba, (left, top, left + shorter, top + shorter), self.side)
            return square[..., :3], square[..., 3] > 127, name
        square = resized_crop(rgba, _random_crop(rgba[..., 3] > 127, rng), self.side)
        if self.augmentation.flip and rng.random() < 0.5:
            square = square[:, ::-1]
        picture = np.ascontiguousarray(square[..., :3])
        if rng.random() < self.augmentation.photographic:
            picture = photographic(picture, rng)
        else:
            light, contrast, tint = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-1, 1, 3)
            picture = colour_jitter(picture, self.augmentation, light, contrast, tint, rng)
        return picture, square[..., 3] > 127, name


def resized_crop(rgba: np.ndarray, box: tuple[float, float, float, float], side: int) -> np.ndarray:
    """The part (left, top, right, bottom) of a picture [H, W, 4], or [H, W, 3], at side x side pixels, averaged where it shrinks."""
    from PIL import Image

    # One by one: Pillow blackens what is transparent where it resizes colours and alpha together.
    channels = [Image.fromarray(np.ascontiguousarray(rgba[..., k])) for k in range(rgba.shape[2])]
    return np.stack([np.asarray(each.resize((side, side), Image.Resampling.BILINEAR, box=box)) for each in channels], -1)


def _random_crop(mask: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A random square in a picture (left, top, right, bottom), which holds most objects whole."""
    height, width = mask.shape
    shorter = min(height, width)
    side = shorter * (SMALLEST_CROP + (1 - SMALLEST_CROP) * rng.random())
    low, high = np.zeros(2), np.array([width, height], float)
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    if len(rows) and rng.random() >= TRUNCATED:
        low, high = np.array([columns[0], rows[0]], float), np.array([columns[-1], rows[-1]]) + 1.0
        side = min(max(side, float((high - low).max())), shorter)
    else:
        low, high = np.array([width, height]) * 0.4, np.array([width, height]) * 0.6  # only the middle is sure to be within
        side = max(side, 0.2 * max(height, width))
    size = np.array([width, height])
    first, last = np.clip(high - side, 0, size - side), np.clip(low, 0, size - side)
    corner = first + rng.random(2) * (last - first)
    return float(corner[0]), float(corner[1]), float(corner[0] + side), float(corner[1] + side)


def _on_one_colour(rgba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rendering on nothing before one colour, light ones as often as any."""
    colour = rng.integers(200, 256, 3) if rng.random() < 0.5 else rng.integers(0, 256, 3)
    share = rgba[..., 3:] / np.float32(255)
    mixed = rgba[..., :3] * share + colour.astype(np.float32) * (1 - share)
    return np.concatenate([(mixed + 0.5).astype(np.uint8), rgba[..., 3:]], -1)


@dataclass(frozen=True)
class MaskBatch(TensorBatch):
    """images [B, 3, S, S] float32 in 0..1; masks [B, S, S] bool; names for messages."""

    images: Tensor
    masks: Tensor
    names: list[str]


def collate(samples: list[Prepared]) -> MaskBatch:
    """Stack samples into tensors."""
    images, masks, names = zip(*samples, strict=True)
    pictures = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)
    return MaskBatch(pictures, torch.from_numpy(np.stack(masks)), list(names))
