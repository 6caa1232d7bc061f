"""MagicaVoxel .vox, written only: version 150, one model, a palette of class colours.

The editor is z up and right-handed: our (x, y, z), y up, becomes (x, Z-1-z, y). Cells of the empty class are left out. The format
holds no place and no size, and at most 256 cells along an axis. `meta` stands in a chunk of our own, "VXCL", last of all: programs pass
chunks over that they do not know.
"""

from __future__ import annotations

import struct

import numpy as np

from voxcli.errors import DataError
from voxcli.files.binvox import occupied_cells
from voxcli.files.keyed import meta_text
from voxcli.files.registry import Format, Options, register
from voxcli.scene import Labels, VoxelGrid, class_colour

_OCCUPIED_COLOUR = (178, 178, 178)


def write_vox(grid: VoxelGrid, options: Options) -> bytes:
    """A whole .vox file. Raises DataError above 256 cells along an axis, above 255 classes, and for probabilities."""
    occupied = occupied_cells(grid, "MagicaVoxel")
    if not np.allclose(grid.voxel_size, grid.voxel_size[0], rtol=1e-6):
        raise DataError("MagicaVoxel's cells are cubes.", actual=f"cells of {grid.voxel_size.round(6).tolist()}", hint="Write .npz.")
    if max(occupied.shape) > 256:
        raise DataError(
            "MagicaVoxel models have at most 256 cells along an axis.", actual=list(occupied.shape), hint="Resample, or write .npz."
        )
    if grid.labels is not None and grid.classes is not None:
        occupied &= grid.labels != (-1 if grid.classes.ignore is None else grid.classes.ignore)
        colours, index_of = _palette(grid.classes)
        indices = index_of[np.minimum(grid.labels[occupied], len(index_of) - 1)]
    else:
        colours, indices = [_OCCUPIED_COLOUR], np.ones(int(occupied.sum()), np.uint8)
    x, y, z = (axis.astype(np.uint8) for axis in np.nonzero(occupied))
    cells = np.stack([x, np.uint8(occupied.shape[2] - 1) - z, y, indices], axis=-1).astype(np.uint8)
    size = struct.pack("<3i", occupied.shape[0], occupied.shape[2], occupied.shape[1])
    palette = np.zeros((256, 4), np.uint8)
    palette[: len(colours), :3] = colours
    palette[:, 3] = 255
    children = _chunk(b"SIZE", size) + _chunk(b"XYZI", struct.pack("<i", len(cells)) + cells.tobytes()) + _chunk(b"RGBA", palette.tobytes())
    if grid.meta:
        children += _chunk(b"VXCL", meta_text(grid.meta).encode())
    return b"VOX " + struct.pack("<i", 150) + b"MAIN" + struct.pack("<2i", 0, len(children)) + children


def _palette(classes: Labels) -> tuple[list[tuple[int, int, int]], np.ndarray]:
    """Colours of the solid classes, and the palette index (from 1) by class id; entry i of the chunk is index i + 1."""
    if len(classes.solid_ids) > 255:
        raise DataError("A MagicaVoxel palette has 255 colours.", actual=f"{len(classes.solid_ids)} classes")
    index_of = np.ones(len(classes.names) + 1, np.uint8)
    for index, label in enumerate(classes.solid_ids):
        index_of[label] = index + 1
    return [class_colour(classes.names[i]) for i in classes.solid_ids], index_of


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<2i", len(content), 0) + content


register(Format("MagicaVoxel", (".vox",), "MagicaVoxel model with class colours", writers={VoxelGrid: write_vox}))
