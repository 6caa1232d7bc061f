"""Masks of files: the cells, or the pixels, that count."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from voxcli import files
from voxcli.errors import DataError
from voxcli.files.registry import searched_extensions
from voxcli.metrics.base import GRIDS
from voxcli.scene import FruxelGrid, Picture, VoxelGrid

if TYPE_CHECKING:
    from voxcli.metrics.base import Shape


def by_name(path: str | None, name: str) -> str | None:
    """The path of one pair's mask, whose extension is still open where `path` is a folder.

    >>> by_name("examples/street", "000002"), by_name("mask.npz", "000002")
    ('examples/street/000002', 'mask.npz')
    """
    return os.path.join(path, name) if path is not None and os.path.isdir(path) else path


def _found(path: str, *endings: str, kinds: tuple[str, ...] = ()) -> str:
    """The file itself, or with one of the endings, or with an extension of one of the kinds."""
    if os.path.isfile(path):
        return path
    possible: list[str] = [*endings, *(searched_extensions(*kinds) if kinds else ())]
    there = [path + end for end in possible if os.path.exists(path + end)]
    if not there:
        folder, name = os.path.split(path)
        raise DataError(f"No mask for '{name}' in {folder}.", expected=f"a file ending in {', '.join(possible)}")
    return there[0]


def cell_mask(keep: str | None, leave_out: str | None, truth: Shape) -> np.ndarray | None:
    """Cells that count, bool on the grid of the truth: what the grid in `keep` fills, less what the one in `leave_out` fills.

    Raises DataError for a mask that is absent, or on another grid.

    >>> truth = files.read_as("examples/street/000002.npz", FruxelGrid)
    >>> mask = cell_mask("examples/street/000002.npz", None, truth)
    >>> mask.dtype, mask.shape == truth.labels.shape
    (dtype('bool'), True)
    """
    counted: np.ndarray | None = None
    for path, endings in ((keep, ()), (leave_out, (".invalid",))):
        if path is None:
            continue
        grid = files.read_as(_found(path, *endings, kinds=GRIDS), (FruxelGrid, VoxelGrid))
        values = grid.labels if isinstance(grid, FruxelGrid) else grid.values
        of_truth = truth.labels if isinstance(truth, FruxelGrid) else truth.values if isinstance(truth, VoxelGrid) else None
        if of_truth is None or np.shape(values) != np.shape(of_truth):
            raise DataError(f"The mask {path} is not on the grid of the ground truth.")
        empty = grid.classes.empty if grid.labels is not None and grid.classes is not None else None
        filled: np.ndarray = np.asarray(np.asarray(values) != empty if empty is not None else np.asarray(values) >= 0.5)
        cells = filled if path is keep else ~filled
        counted = cells if counted is None else counted & cells
    return counted


def pixel_mask(path: str) -> np.ndarray:
    """True [H W] where a picture is not black.

    >>> pixel_mask("examples/street/000002.png").dtype
    dtype('bool')
    """
    return np.asarray(files.read_as(_found(path, ".png"), Picture).rgb.any(axis=-1))
