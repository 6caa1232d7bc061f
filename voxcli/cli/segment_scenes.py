"""`segment` for labelled grids: instances as JSON, grids, meshes, one file a piece, or the label image that their camera sees."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxcli.errors import DataError, UsageError
from voxcli.ops.conversions import Settings, convert_thing, with_origin

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


def _rounded(values: Any) -> list[float]:
    return [round(float(v), 6) + 0.0 for v in values]


def piece_grid(scene: FruxelGrid | VoxelGrid, found: Components, by: str) -> FruxelGrid | VoxelGrid:
    """The grid of instances, or of the classes as far as they are kept."""
    from voxcli.geometry.components import as_class_grid, as_instance_grid

    return as_instance_grid(scene, found) if by == "instance" else as_class_grid(scene, found)


def write_instances(target: str, scene: Any, found: Components, meta: dict[str, Any], overwrite: bool) -> None:
    """The instances as a JSON file, or on stdout."""
    from voxcli.atomic import atomic_write_bytes
    from voxcli.cli.output import out

    record = instances_record(scene, found, meta)
    rows = ",\n  ".join(json.dumps(each) for each in record.pop("instances"))  # a line each: for people, and for grep
    rest = "".join(f",\n {json.dumps(key)}: {json.dumps(value)}" for key, value in record.items())
    text = f'{{\n "instances": [\n  {rows}\n ]{rest}\n}}\n' if rows else f'{{\n "instances": []{rest}\n}}\n'
    if target == "-":
        out.data(text)
    else:
        atomic_write_bytes(target, text.encode(), overwrite=overwrite)


def write_pieces(
    target: str, scene: Any, found: Components, wanted: SceneSegmentation, meta: dict[str, Any], extension: str, overwrite: bool
) -> None:
    """One file for each instance or class into the folder `target`, named by it ("car-1.glb").

    The folder appears whole: it is filled under another name first. Into one that is there already (overwrite), files are put one by one,
    and pieces of an earlier call, by their names, are removed. Raises DataError where there is no piece.
    """
    import os
    import shutil
    from dataclasses import replace

    import numpy as np

    from voxcli import files
    from voxcli.files.registry import find_format
    from voxcli.scene import Labels

    if not found.instances:
        raise DataError(f"There is no instance to write as {extension}.", hint="JSON and NPZ hold a scene of nothing too.")
    grid = piece_grid(scene, found, wanted.by)
    assert grid.labels is not None and grid.classes is not None
    found_format, _ = find_format(f"piece.{extension}")
    folder = Path(target)
    filling = folder if folder.is_dir() else folder.with_name(f".{folder.name}.partial")
    names = file_names(grid.classes.names)
    written = set()
    try:
        for label in grid.classes.solid_ids:
            alone = (grid.labels == label).astype(np.uint8)
            if alone.any():
                piece = replace(grid, labels=alone, classes=Labels(("air", grid.classes.names[label])))
                thing = convert_thing(piece, found_format, None, Settings(wanted.resolution))
                path = filling / f"{names[label]}.{extension}"
                files.write(path, replace(thing, meta=meta), overwrite=overwrite or filling != folder)
                written.add(path.name)
        if filling == folder:
            _remove_earlier(folder, scene.classes.names, wanted.by, extension, written)
        else:
            os.replace(filling, folder)
    except OSError as error:
        raise UsageError(f"{target} cannot be written.", actual=error.strerror or str(error)) from error
    finally:
        if filling != folder:
            shutil.rmtree(filling, ignore_errors=True)


def _remove_earlier(folder: Path, classes: tuple[str, ...], by: str, extension: str, written: set[str]) -> None:
    """Remove pieces that an earlier call left in a folder, and this one did not replace: CLASS-N.EXT, or CLASS.EXT of pieces by class."""
    import re

    from voxcli.cli.output import out

    known = "|".join(map(re.escape, file_names(classes)))
    ours = re.compile(rf"({known}){'-[0-9]+' if by == 'instance' else ''}\.{re.escape(extension)}")
    stale = sorted(path for path in folder.iterdir() if path.is_file() and ours.fullmatch(path.name) and path.name not in written)
    for path in stale:
        path.unlink()
    if stale:
        out.note(f"{folder}: {len(stale)} pieces of an earlier call removed.")


def file_names(pieces: tuple[str, ...]) -> list[str]:
    """Names of pieces as names of files, all different: letters, digits, _ and - alone, whatever a foreign file calls its classes."""
    names: list[str] = []
    taken: set[str] = set()
    for piece in pieces:
        name = plain = "".join(c if c.isalnum() or c in "_-" else "-" for c in piece).strip("-") or "piece"
        number = 1
        while name.casefold() in taken:  # some file systems see no case
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def write_grid_or_mesh(
    target: str, scene: Any, found: Components, wanted: SceneSegmentation, meta: tuple[dict[str, Any], dict[str, str], str | None],
    format: str | None, overwrite: bool,
) -> None:  # fmt: skip
    """The pieces in one file: a grid of instance labels, or a mesh with one named node a piece, as the extension says."""
    from voxcli import files
    from voxcli.files.registry import find_format

    grid = piece_grid(scene, found, wanted.by)
    if not found.instances:
        _refuse_empty_mesh(target, format)
    thing = convert_thing(grid, find_format(target, format)[0], None, Settings(wanted.resolution, wanted.threshold))
    options, digests, weights = meta
    files.write(target, with_origin(thing, "segment", options, digests, weights=weights, of=scene.meta), format=format, overwrite=overwrite)


def _refuse_empty_mesh(target: str, format: str | None) -> None:
    from voxcli.files.registry import find_format
    from voxcli.scene import FruxelGrid, VoxelGrid

    found, extension = find_format(target, format)
    if not {FruxelGrid, VoxelGrid} & set(found.writers):
        raise DataError(f"There is no instance to write as {extension}.", hint="JSON and NPZ hold a scene of nothing too.")
