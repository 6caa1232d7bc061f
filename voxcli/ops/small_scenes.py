"""A scene's cells as a mesh whose GLB file is small, however rough the scene is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np

from voxcli import log
from voxcli.files.glb import write_glb
from voxcli.files.registry import Options
from voxcli.geometry.rectangles import in_blocks, merged_faces, without_specks
from voxcli.geometry.surfaces import mesh_of_rectangles
from voxcli.scene import FruxelGrid, Mesh, VoxelGrid

MOST_BYTES = 1_000_000
_PROVENANCE = 30_000
"""Bytes that are left for what a file says of itself."""
_LEAST = 16
"""Bytes of a rectangle: two triangles of 16-bit indices, and four corners, each of at most twelve rectangles."""


def small_scene(grid: FruxelGrid | VoxelGrid) -> Mesh:
    """The faces of a labelled grid's cells, merged to rectangles, in a mesh that makes a GLB file of at most `MOST_BYTES`.

    Where the exact cells take more, cells that few neighbours agree with are drawn as these, more and more of them; where that is not
    enough, blocks of cells are drawn. A warning says so.
    """
    assert grid.labels is not None and grid.classes is not None
    solid = np.array([0, *grid.classes.solid_ids])
    table = np.zeros(max(int(grid.labels.max(initial=0)), *solid) + 1, np.uint16)
    table[solid[1:]] = np.arange(1, len(solid))
    exact = table[grid.labels]  # 0 is empty
    for codes, how in _simpler(exact):  # noqa: B007 (said below)
        found = merged_faces(codes, range(1, len(solid)), between=True)
        if _LEAST * len(found) <= MOST_BYTES:
            mesh = mesh_of_rectangles(replace(found, label=solid[found.label]), grid, grid.classes)
            if not len(found) or len(write_glb(mesh, Options())) <= MOST_BYTES - _PROVENANCE:
                break
    if (codes != exact).any():
        log.warn(f"{int((codes != exact).sum()):,} of {exact.size:,} cells are drawn {how}, so that the file has at most 1 MB. "
                 "`voxcli convert --surface cells` draws them exactly.")  # fmt: skip
    return mesh


def _simpler(codes: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """(codes, in words how they are drawn), from the exact ones to one block."""
    yield codes, ""
    for need in (2, 2, 2, 3, 3, 3):
        codes = without_specks(codes, need)
        yield codes, "like those around them"
    for side in count(2):
        yield in_blocks(codes, side), f"in blocks of {side} x {side} x {side}"
