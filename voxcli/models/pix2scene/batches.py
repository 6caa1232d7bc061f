"""Rooms as batches: pictures with known cameras and lights; depth for validation alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voxcli.datasets.rooms import RoomBatch, RoomsFolder
from voxcli.errors import DataError
from voxcli.provenance import Json, Meta
from voxcli.training.task import Draws

EXAMPLES = 16
"""Camera positions that weights remember, to sample from."""


@dataclass(frozen=True)
class SceneBatch:
    """rooms: the tensors of B rooms; names for messages."""

    rooms: RoomBatch
    names: list[str]

    def to(self, device: torch.device) -> SceneBatch:
        """The batch on another device."""
        return SceneBatch(self.rooms.to(device), self.names)


class RoomSamples:
    """Folders of `synth rooms`, one after another. Raises DataError where they do not share one size and one list of shapes."""

    def __init__(self, sources: Sequence[str | Path]):
        if not sources:
            raise DataError("There is no data to train on.", hint="Make rooms: voxcli synth rooms -o rooms --count 1000")
        self.folders = [RoomsFolder(source) for source in sources]
        self.truths = [RoomsFolder(source, truth=True) for source in sources]
        first = self.folders[0]
        for other in self.folders[1:]:
            if (other.size, other.shapes) != (first.size, first.shapes):
                expected, actual = (f"{folder.size} pixels, {', '.join(folder.shapes)}" for folder in (first, other))
                raise DataError(f"'{other.root}' does not go with '{first.root}'.", expected=expected, actual=actual)
        self.size, self.shapes = first.size, first.shapes
        self._places = [(k, i) for k, folder in enumerate(self.folders) for i in range(len(folder))]

    def __len__(self) -> int:
        return len(self._places)

    def name(self, index: int) -> str:
        """Folder and name of a room."""
        folder, place = self._places[index]
        return f"{self.folders[folder].root}/{self.folders[folder].name(place)}"

    def read(self, index: int, truth: bool) -> RoomBatch:
        """One room, a batch of 1; truth: with depth and normals."""
        folder, place = self._places[index]
        return (self.truths if truth else self.folders)[folder][place]


@dataclass(frozen=True)
class RoomReader:
    """(room, name): for training the picture with what is known of it, for validation the truth too."""

    data: RoomSamples

    def __call__(self, index: int, draws: Draws | None) -> tuple[RoomBatch, str]:
        return self.data.read(index, truth=draws is None), self.data.name(index)


def collate(samples: list[tuple[RoomBatch, str]]) -> SceneBatch:
    """Stack what the reader gave."""
    rooms, names = [room for room, _ in samples], [name for _, name in samples]
    parts: dict[str, Any] = {f.name: [getattr(room, f.name) for room in rooms] for f in fields(RoomBatch)}
    stacked: dict[str, Any] = {key: None if each[0] is None else torch.cat(each) for key, each in parts.items()}
    return SceneBatch(RoomBatch(**stacked), names)


def facts_of(data: RoomSamples) -> Meta:
    """What a prediction must know of the data, found from up to 64 of the rooms; plain numbers in sides of the room.

    lens: focal length in widths of the picture; target: the point that all cameras look at; eyes: examples of where they stand; light and
    albedo of the first room; shapes: the names of its classes.
    """
    some = [data.read(int(i), truth=False) for i in np.linspace(0, len(data) - 1, min(64, len(data)))]
    eyes = np.concatenate([room.eyes.numpy() for room in some]).astype(np.float64)
    axes = np.concatenate([room.world_to_cam[:, 2, :3].numpy() for room in some]).astype(np.float64)
    first = some[0]
    light = {"ambient": first.ambient, "positions": first.light_positions, "colours": first.light_colours}
    return {
        "lens": round(float(np.mean([room.K[0, 0, 0] for room in some])) / data.size, 6),
        "target": _plain(nearest_point(eyes, axes)),
        "eyes": _plain(eyes[:: max(1, len(eyes) // EXAMPLES)][:EXAMPLES]),
        "light": {key: _plain(value[0].numpy()) for key, value in light.items()},
        "albedo": _plain(first.albedo[0].numpy()),
        "shapes": list(data.shapes),
    }


def nearest_point(origins: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The point [3] with the least sum of squared distances to lines through origins [N, 3] along unit axes [N, 3].

    For a single line, the point at its origin's distance from the world's origin.
    """
    across = np.eye(3) - axes[:, :, None] * axes[:, None]  # [N, 3, 3]
    matrix = across.sum(0)
    if np.linalg.cond(matrix) > 1e8:
        return origins[0] + axes[0] * np.linalg.norm(origins[0])
    return np.linalg.solve(matrix, np.einsum("nij,nj->i", across, origins))


def _plain(values: np.ndarray) -> Json:
    found: Json = np.round(values.astype(np.float64), 6).tolist()
    return found
