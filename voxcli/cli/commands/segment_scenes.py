"""`segment` for labelled grids: instances as JSON, grids, meshes, one file a piece, or the label image that their camera sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxcli.errors import DataError, UsageError
from voxcli.ops.conversions import ConversionOptions, convert_to_format, with_provenance
from voxcli.ops.instances import SceneSegmentation, instances_record, piece_grid

if TYPE_CHECKING:
    from voxcli.geometry.components import Components


def write_instances(target: str, scene: Any, found: Components, meta: dict[str, Any], overwrite: bool) -> None:
    """The instances as a JSON file, or on stdout."""
    from voxcli.atomic import atomic_write_bytes
    from voxcli.cli.framework.output import out

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
                thing = convert_to_format(piece, found_format, None, ConversionOptions(wanted.resolution))
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

    from voxcli.cli.framework.output import out

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
    thing = convert_to_format(grid, find_format(target, format)[0], None, ConversionOptions(wanted.resolution, wanted.threshold))
    options, digests, weights = meta
    made = with_provenance(thing, "segment", options, digests, weights=weights, source_meta=scene.meta)
    files.write(target, made, format=format, overwrite=overwrite)


def _refuse_empty_mesh(target: str, format: str | None) -> None:
    from voxcli.files.registry import find_format
    from voxcli.scene import FruxelGrid, VoxelGrid

    found, extension = find_format(target, format)
    if not {FruxelGrid, VoxelGrid} & set(found.writers):
        raise DataError(f"There is no instance to write as {extension}.", hint="JSON and NPZ hold a scene of nothing too.")
