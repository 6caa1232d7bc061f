"""Z-GAN's fruxels: `.npy`, [H, W, D] in 0..1 (predictions -1..1), slice 0 the nearest. Asked for by name: `.npy` alone is points or depth.

The file states no frustum: the one of SemanticVoxels (2 to 12 m, 40 degrees) is taken, and `meta` says so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files.npy import load_npy, npy_bytes
from voxcli.files.registry import Format, Options, register
from voxcli.files.source import Source
from voxcli.scene import FRUSTUM_PRESETS, FruxelGrid, Labels

THRESHOLD = 0.5
"""Targets lie in 0..1 and predictions (of a tanh) in -1..1: one half tells both."""


def read_zgan(source: Source, kind: str | None, options: Options) -> FruxelGrid:
    """Fruxels [D, H, W] with the classes air and object: what exceeds one half is filled.

    Raises FileFormatError for what is no NPY of numbers with three axes, and for NaN.
    """
    values = load_npy(source)
    if values.ndim != 3 or values.dtype.kind not in "fiub":
        raise FileFormatError(f"{source.name} holds no fruxels of Z-GAN.", expected="numbers [height, width, depth]",
                              actual=f"{list(values.shape)} {values.dtype}")  # fmt: skip
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise FileFormatError(f"{source.name} holds NaN.")
    height, width, depth = values.shape
    frustum = replace(FRUSTUM_PRESETS["semantic-voxels"], width=width, height=height, depth=depth)
    labels = np.ascontiguousarray((values > THRESHOLD).transpose(2, 0, 1)).astype(np.uint8)
    return FruxelGrid(labels, frustum, classes=Labels(("air", "object")), meta={"frustum_assumed": "semantic-voxels"})


def write_zgan(grid: FruxelGrid, options: Options) -> bytes:
    """uint8 [H, W, D], 1 in every fruxel that is neither empty nor ignored: classes, camera and frustum have no place in the file."""
    filled = (grid.labels != (-1 if grid.classes.empty is None else grid.classes.empty)) & (
        grid.labels != (-1 if grid.classes.ignore is None else grid.classes.ignore)
    )
    return npy_bytes(filled.transpose(1, 2, 0).astype(np.uint8))


register(
    Format(
        "Z-GAN", (), "fruxels of one class, [height, width, depth]", reads=("fruxels",), kind_from_content=True, reader=read_zgan,
        writers={FruxelGrid: write_zgan}, names={"zgan": ".npy"},
    )
)  # fmt: skip
