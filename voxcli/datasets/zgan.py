"""Z-GAN's fruxels: `.npy`, [H, W, D] in 0..1, slice 0 the nearest; the file states no frustum."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voxcli.errors import FileFormatError
from voxcli.files.archive import check_array, read_npy_header
from voxcli.files.source import Source
from voxcli.scene import Frustum, FruxelGrid, Labels


def read_zgan(path: str | Path, frustum: Frustum, threshold: float = 0.5) -> FruxelGrid:
    """Fruxels [D, H, W] with the classes air and object: what exceeds the threshold is filled.

    Targets lie in 0..1 and predictions (of a tanh) in -1..1: one half tells both. Raises FileFormatError for another shape than the
    frustum's, for NaN, and for what is no NPY of numbers.
    """
    source = Source.from_path(path)
    height, width, depth = frustum.height, frustum.width, frustum.depth
    with source.open() as file:
        try:
            shape, fortran, dtype = read_npy_header(file)
        except (ValueError, EOFError, SyntaxError, TypeError) as error:
            raise FileFormatError(f"{source.name} is not an NPY file.", actual=str(error)) from error
        check_array(source.name, shape, dtype)
        if shape != (height, width, depth) or dtype.kind not in "fiub":
            raise FileFormatError(
                f"{source.name} does not fit the frustum.",
                expected=f"numbers [{height}, {width}, {depth}] (height, width, depth)", actual=f"{list(shape)} {dtype}",
            )  # fmt: skip
        data = file.read()
    if len(data) != height * width * depth * dtype.itemsize:
        raise FileFormatError(f"{source.name} does not have the size that its header declares.", actual=f"{len(data)} bytes")
    values = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    if dtype.kind == "f" and np.isnan(values).any():
        raise FileFormatError(f"{source.name} holds NaN.")
    labels = np.ascontiguousarray((values > threshold).transpose(2, 0, 1)).astype(np.uint8)
    return FruxelGrid(labels, frustum, classes=Labels(("air", "object")))
