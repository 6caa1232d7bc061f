"""Instances in labelled grids: which cells make one, and what there is to say of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.geometry.components import Components, Instance
    from voxcli.scene import FruxelGrid, VoxelGrid


@dataclass(frozen=True)
class SceneSegmentation:
    """The choices of one call: see `voxcli segment --help`. by: instance or class, the pieces of grids and meshes."""

    gap: float = 0.0
    min_volume: float = 0.0
    only: tuple[str, ...] = ()
    by: str = "instance"
    threshold: float = 0.5
    resolution: int = 64

    def check(self) -> None:
        """Raise UsageError for choices that mean nothing."""
        for flag, value in (("--gap", self.gap), ("--min-volume", self.min_volume)):
            if value < 0:
                raise UsageError(f"{flag} must not be negative.", actual=f"{value:g}")


def as_scene(thing: FruxelGrid | VoxelGrid, threshold: float) -> FruxelGrid | VoxelGrid:
    """A grid with labels: an occupancy grid becomes one of air and one class, object."""
    from dataclasses import replace

    import numpy as np

    from voxcli.scene import Labels, VoxelGrid

    if thing.labels is not None:
        return thing
    solid = (np.asarray(thing.values) >= threshold).astype(np.uint8)
    assert isinstance(thing, VoxelGrid)
    return replace(thing, occupancy=None, labels=solid, classes=Labels(("air", "object")))


def segment_scene(scene: FruxelGrid | VoxelGrid, wanted: SceneSegmentation) -> Components:
    """The instances of a labelled grid. Raises DataError for a class that it does not have."""
    from voxcli.geometry.components import find_components

    return find_components(scene, wanted.gap, wanted.min_volume, wanted.only or None)


def instances_record(scene: FruxelGrid | VoxelGrid, found: Components, meta: dict[str, Any]) -> dict[str, Any]:
    """What a file of instances holds: plain numbers, in the world frame."""
    assert scene.classes is not None
    return {
        "instances": [_instance_record(number, each, scene.classes.names[each.label]) for number, each in enumerate(found.instances, 1)],
        "left_out": {"instances": found.dropped, "volume": _round(found.dropped_volume)},
        "meta": meta,
    }


def _instance_record(number: int, instance: Instance, class_name: str) -> dict[str, Any]:
    box = instance.box
    return {
        "instance": number,
        "name": instance.name,
        "class": class_name,
        "cells": instance.cells,
        "volume": _round(instance.volume),
        "centre": _rounded(instance.centre),
        "size": _rounded(instance.high - instance.low),
        "low": _rounded(instance.low),
        "high": _rounded(instance.high),
        "upright_box": {
            "centre": _rounded(box.centre),
            "size": _rounded(box.size),
            "rotation_wxyz": [round(float(v), 8) + 0.0 for v in box.rotation_wxyz],
        },
    }


def _round(value: float) -> float:
    """Seven digits: what float32 cameras carry, and no noise of the last place between processors."""
    return float(f"{value:.7g}")


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(v), 6) + 0.0 for v in values]


def piece_grid(scene: FruxelGrid | VoxelGrid, found: Components, by: str) -> FruxelGrid | VoxelGrid:
    """The grid of instances, or of the classes as far as they are kept."""
    from voxcli.geometry.components import as_class_grid, as_instance_grid

    return as_instance_grid(scene, found) if by == "instance" else as_class_grid(scene, found)
