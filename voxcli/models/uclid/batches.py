"""Objects as batches for UCLID-Net: pictures, cameras and depth of some views of each, points on the surface as truth.

All is brought into the object's cube: its box is centred and its longest side becomes 2, so cameras and depths are in halves of that side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voxcli import config
from voxcli.config import Value
from voxcli.datasets.disn import KINDS, DISNFolder
from voxcli.errors import DataError, unknown_name
from voxcli.geometry.backproject import occupied_cells, unit_projection
from voxcli.models.uclid.network import CELLS
from voxcli.models.uclid.preparation import prepare
from voxcli.scene.types import Picture
from voxcli.training.stage import Augmentation
from voxcli.training.task import Draws, TensorBatch, chosen_views

DEPTH_SIDE = 112


@dataclass(frozen=True)
class DataOptions:
    """The recipe's `dataset`. categories: synsets; None: all. kind: of views."""

    split: str | None = "train"
    categories: tuple[str, ...] | str | None = None
    kind: str = "easy"


class ObjectSamples:
    """The objects of one split of one or more folders of DISN's layout. options: see DataOptions."""

    def __init__(self, sources: Sequence[str | Path], options: Mapping[str, Value]):
        given = config.from_mapping(DataOptions, options, "dataset")
        if not sources:
            raise DataError("There are no folders of objects to read.", hint="Make one: voxcli synth objects --layout disn -o DIR")
        self.kind = given.kind
        if self.kind not in KINDS:
            raise unknown_name("set of views", self.kind, KINDS)
        self.folders = [DISNFolder(source, given.split, given.categories) for source in sources]
        self.places = [(k, i) for k, folder in enumerate(self.folders) for i in range(len(folder))]
        self.categories = list(dict.fromkeys(item.synset for folder in self.folders for item in folder.items))
        if not self.places:
            raise DataError("The folders hold no objects of these categories and this split.", actual=f"split {given.split}")

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        """SYNSET/ID in its folder."""
        folder, place = self.places[index]
        return f"{self.folders[folder].root.name}/{self.folders[folder].name(place)}"


@dataclass(frozen=True)
class Sample:
    """One object: see ObjectBatch, without the leading dimension."""

    images: Tensor
    projections: Tensor
    motions: Tensor
    depths: Tensor
    points: Tensor
    occupancy: Tensor
    name: str


@dataclass(frozen=True)
class ObjectReader:
    """Reads an object with `low` to `high` of its views, as many for all objects of a batch, drawn anew each time.

    Without random numbers: evenly spaced views. side: of the pictures; points: of the truth. Of the augmentation, `colour` turns the hue by
    up to that share of the circle, as the original does by one half, and `brightness` scales the object's light.
    """

    data: ObjectSamples
    low: int
    high: int
    side: int
    points: int
    augmentation: Augmentation

    def __call__(self, index: int, draws: Draws | None) -> Sample:
        number, place = self.data.places[index]
        folder, kind = self.data.folders[number], self.data.kind
        there = folder.view_count(place, kind)
        views = chosen_views(there, self.low, self.high, draws, self.data.name(index))
        sample = folder.sample(place, views, kind)
        assert sample.points is not None and sample.depths is not None
        cloud, centre, scale = in_cube(sample.points.points)
        motions = torch.stack([torch.from_numpy(moved(camera.world_to_cam, centre, scale)) for camera in sample.cameras])
        K = torch.stack([torch.from_numpy(np.asarray(camera.K, np.float64)) for camera in sample.cameras])
        size = sample.images.shape[2]
        everywhere = torch.from_numpy(cloud)
        chosen = np.linspace(0, len(cloud) - 1, self.points).astype(int)
        if draws is not None:
            chosen = draws.own.choice(len(cloud), self.points, replace=len(cloud) < self.points)
        return Sample(
            torch.stack([self._picture(rgba, draws) for rgba in sample.images]), unit_projection(K, motions, size, size).float(),
            motions.float(), small_depth(sample.depths, scale), everywhere[chosen].float(),
            occupied_cells(everywhere, torch.ones(len(everywhere), dtype=torch.bool), CELLS).bool(), self.data.name(index),
        )  # fmt: skip

    def _picture(self, rgba: np.ndarray, draws: Draws | None) -> Tensor:
        if draws is not None:
            rgba = recoloured(rgba, self.augmentation, draws.own)
        return prepare(Picture(rgba[..., :3], rgba[..., 3]), self.side)[0]


def in_cube(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(points [N, 3] float64 with their box centred and its longest side 2, the centre, half the longest side)."""
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    centre, scale = (low + high) / 2, float((high - low).max() / 2)
    if not scale > 0:
        raise DataError("The points of the surface are all the same.")
    return ((points - centre) / scale).clip(-1, 1), centre, scale


def moved(world_to_cam: np.ndarray, centre: np.ndarray, scale: float) -> np.ndarray:
    """world_to_cam [4, 4] for the cube in place of the mesh: x_mesh = centre + scale x_cube, lengths in units of scale."""
    result = np.array(world_to_cam, np.float64)
    result[:3, 3] = (result[:3, :3] @ centre + result[:3, 3]) / scale
    return result


def small_depth(depths: np.ndarray, scale: float) -> Tensor:
    """Depths [V, 112, 112] float32 in units of scale, NaN = nothing: every so manyth pixel, or each pixel more than once."""
    side = depths.shape[-1]
    at = ((np.arange(DEPTH_SIDE) + 0.5) * side / DEPTH_SIDE).astype(int)
    return torch.from_numpy(depths[:, at][:, :, at].astype(np.float32) / np.float32(scale))


def recoloured(rgba: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """A picture [H, W, 4] uint8 of another hue and brightness; alpha stays. Always draws two numbers."""
    turn, light = rng.uniform(-1, 1, 2)
    angle = 2 * np.pi * how.colour * turn
    # A rotation about the grey axis: hue turns, grey stays grey.
    grey = np.full((3, 3), (1 - np.cos(angle)) / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) * np.sin(angle) / 3**0.5
    matrix = (np.eye(3) * np.cos(angle) + grey + cross) * (1 + how.brightness * light)
    colour = (rgba[..., :3].astype(np.float32) @ matrix.T.astype(np.float32)).clip(0, 255)
    return np.concatenate([np.rint(colour).astype(np.uint8), rgba[..., 3:]], -1)


@dataclass(frozen=True)
class ObjectBatch(TensorBatch):
    """images [B, V, 3, S, S] in 0..1; projections [B, V, 3, 4] and motions (world_to_cam) [B, V, 4, 4] of the cube; depths
    [B, V, 112, 112], NaN = nothing; points [B, N, 3] on the surface; occupancy [B, 28, 28, 28] bool; names for messages."""

    images: Tensor
    projections: Tensor
    motions: Tensor
    depths: Tensor
    points: Tensor
    occupancy: Tensor
    names: list[str]


def collate(samples: list[Sample]) -> ObjectBatch:
    """Stack samples with the same number of views."""
    tensors = {f.name: torch.stack([getattr(sample, f.name) for sample in samples]) for f in fields(Sample) if f.name != "name"}
    return ObjectBatch(**tensors, names=[sample.name for sample in samples])
