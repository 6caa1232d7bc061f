"""One file for each instance or class of a labelled grid, in a folder."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from voxcli.errors import DataError, UsageError
from voxcli.ops.conversions import ConversionOptions, convert_to_format
from voxcli.ops.instances import SceneSegmentation, piece_grid

if TYPE_CHECKING:
    from voxcli.geometry.components import Components
    from voxcli.provenance import Json
    from voxcli.scene import FruxelGrid, VoxelGrid


def write_pieces(
    folder: str, scene: FruxelGrid | VoxelGrid, found: Components, options: SceneSegmentation, extension: str, meta: Mapping[str, Json],
    overwrite: bool,
) -> tuple[int, int]:  # fmt: skip
    """Write one file for each piece into a folder, named by the piece: "car-1.glb". Returns how many were written, and how many earlier
    ones removed.

    A new folder appears whole: it is filled under another name and then renamed. A folder that exists gets the files one by one, and
    pieces of an earlier call are removed. They are known by their names.

    Args:
        scene, found: the labelled grid and its instances. options.by: instance or class.
        extension: without the dot. meta: written into each file.
        overwrite: needed for a folder that exists.

    Raises DataError where there is no piece, UsageError where the folder cannot be written.
    """
    if not found.instances:
        raise no_instance(extension)
    final = Path(folder)
    filling = final if final.is_dir() else final.with_name(f".{final.name}.partial")
    try:
        written = _fill(filling, piece_grid(scene, found, options.by), options, extension, meta, overwrite or filling != final)
        if filling == final:
            assert scene.classes is not None
            return len(written), _remove_earlier(final, scene.classes.names, options.by, extension, written)
        os.replace(filling, final)
        return len(written), 0
    except OSError as error:
        raise UsageError(f"{folder} cannot be written.", actual=error.strerror or str(error)) from error
    finally:
        if filling != final:
            shutil.rmtree(filling, ignore_errors=True)


def no_instance(extension: str) -> DataError:
    """The error for a format that cannot hold a scene without instances."""
    return DataError(f"There is no instance to write as {extension}.", hint="JSON and NPZ hold a scene of nothing too.")


def _fill(
    folder: Path, grid: FruxelGrid | VoxelGrid, options: SceneSegmentation, extension: str, meta: Mapping[str, Json], overwrite: bool
) -> set[str]:
    """Write each piece of the grid that has a cell. Returns the names of the files."""
    from dataclasses import replace

    import numpy as np

    from voxcli import files
    from voxcli.files.registry import find_format
    from voxcli.scene import Labels

    assert grid.labels is not None and grid.classes is not None
    target, _ = find_format(f"piece.{extension}")
    names = file_names(grid.classes.names)
    written = set()
    for label in grid.classes.solid_ids:
        cells = (grid.labels == label).astype(np.uint8)
        if cells.any():
            piece = replace(grid, labels=cells, classes=Labels(("air", grid.classes.names[label])))
            converted = convert_to_format(piece, target, None, ConversionOptions(options.resolution))
            path = folder / f"{names[label]}.{extension}"
            files.write(path, replace(converted, meta=dict(meta)), overwrite=overwrite)
            written.add(path.name)
    return written


def _remove_earlier(folder: Path, classes: tuple[str, ...], by: str, extension: str, written: set[str]) -> int:
    """Remove pieces of an earlier call that this one did not replace: CLASS-N.EXT, or CLASS.EXT by class. Returns how many."""
    names = "|".join(map(re.escape, file_names(classes)))
    pattern = re.compile(rf"({names}){'-[0-9]+' if by == 'instance' else ''}\.{re.escape(extension)}")
    stale = [path for path in folder.iterdir() if path.is_file() and pattern.fullmatch(path.name) and path.name not in written]
    for path in stale:
        path.unlink()
    return len(stale)


def file_names(pieces: tuple[str, ...]) -> list[str]:
    """File names of pieces, all different, of letters, digits, _ and - alone. A file may call its classes anything."""
    names: list[str] = []
    taken: set[str] = set()
    for piece in pieces:
        name = plain = "".join(c if c.isalnum() or c in "_-" else "-" for c in piece).strip("-") or "piece"
        number = 1
        while name.casefold() in taken:  # some file systems ignore case
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names
