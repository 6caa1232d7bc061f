"""Instances in labelled grids, and the records that describe them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

from voxcli.errors import UsageError

if TYPE_CHECKING:
    from voxcli.geometry.components import Components, Instance
    from voxcli.provenance import Json
    from voxcli.scene import FruxelGrid, VoxelGrid


@dataclass(frozen=True)
class SceneSegmentation:
    """Options of `voxcli segment` for scenes.

    gap: largest distance between cells of one instance, in world units. min_volume: smaller instances are left out, in cubic units. None:
    see `resolved`. only: the classes that are kept, all where it is empty. by: instance or class, the pieces of grids and meshes.
    threshold: occupied at or above this probability. resolution: cells along the longest side of a resampled box.
    """

    gap: float | None = None
    min_volume: float | None = None
    only: tuple[str, ...] = ()
    by: str = "instance"
    threshold: float = 0.5
    resolution: int = 64

    def check(self) -> None:
        """Raise UsageError for a negative gap or min_volume."""
        for flag, value in (("--gap", self.gap), ("--min-volume", self.min_volume)):
            if value is not None and value < 0:
                raise UsageError(f"{flag} must not be negative.", actual=f"{value:g}")

    def resolved(self, scene: FruxelGrid | VoxelGrid) -> SceneSegmentation:
        """The same with numbers: for the instances of fruxels, which are in metres, GAP and CRUMB where none is given; else 0."""
        from voxcli.scene import FruxelGrid

        gap, crumb = (GAP, CRUMB) if isinstance(scene, FruxelGrid) and self.by == "instance" else (0.0, 0.0)
        return replace(self, gap=gap if self.gap is None else self.gap, min_volume=crumb if self.min_volume is None else self.min_volume)


GAP, CRUMB = 0.1, 0.01
"""Metres between parts of one object, and cubic metres of what is none. Of 40 unseen scenes of `synth street`, the number of objects (but
buildings, which touch) that the picture shows within the frustum is then right within one in 36; with 0 and 0 in 18."""


class InstancesRecord(TypedDict):
    """The content of a JSON file of instances: a row for each, what was left out, and the meta. World frame."""

    instances: list[dict[str, Json]]
    left_out: dict[str, Json]
    meta: Mapping[str, Json]


def labelled_grid(grid: FruxelGrid | VoxelGrid, threshold: float) -> FruxelGrid | VoxelGrid:
    """The grid itself where it has labels. An occupancy grid becomes one of two classes, air and object."""
    import numpy as np

    from voxcli.scene import Labels, VoxelGrid

    if grid.labels is not None:
        return grid
    assert isinstance(grid, VoxelGrid)
    solid = (np.asarray(grid.values) >= threshold).astype(np.uint8)
    return replace(grid, occupancy=None, labels=solid, classes=Labels(("air", "object")))


def segment_scene(scene: FruxelGrid | VoxelGrid, options: SceneSegmentation) -> Components:
    """The instances of a labelled grid, classes in their order, from large to small. Raises DataError for a class that it does not have."""
    from voxcli.geometry.components import find_components

    chosen = options.resolved(scene)
    assert chosen.gap is not None and chosen.min_volume is not None
    return find_components(scene, chosen.gap, chosen.min_volume, options.only or None)


def instances_record(scene: FruxelGrid | VoxelGrid, found: Components, meta: Mapping[str, Json]) -> InstancesRecord:
    """The record of the instances that `segment_scene` found in a scene. World frame and units."""
    assert scene.classes is not None
    return {
        "instances": [_instance_record(number, each, scene.classes.names[each.label]) for number, each in enumerate(found.instances, 1)],
        "left_out": {"instances": found.dropped, "volume": _round(found.dropped_volume)},
        "meta": meta,
    }


def _instance_record(number: int, instance: Instance, class_name: str) -> dict[str, Json]:
    box = instance.box
    turn = [round(float(v), 8) + 0.0 for v in box.rotation_wxyz]
    return {
        "instance": number, "name": instance.name, "class": class_name, "cells": instance.cells, "volume": _round(instance.volume),
        "centre": _rounded(instance.centre), "size": _rounded(instance.high - instance.low), "low": _rounded(instance.low),
        "high": _rounded(instance.high),
        "upright_box": {"centre": _rounded(box.centre), "size": _rounded(box.size), "rotation_wxyz": turn},
    }  # fmt: skip


def _round(value: float) -> float:
    """Seven digits, as float32 cameras have. Processors differ in further digits."""
    return float(f"{value:.7g}")


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(v), 6) + 0.0 for v in values]


def piece_grid(scene: FruxelGrid | VoxelGrid, found: Components, by: str) -> FruxelGrid | VoxelGrid:
    """The grid with instances as labels, or with the kept classes. by: instance or class."""
    from voxcli.geometry.components import as_class_grid, as_instance_grid

    return as_instance_grid(scene, found) if by == "instance" else as_class_grid(scene, found)
