"""What columns behind x, y and z mean where nothing names them: in XYZ and NPY files of other programs."""

from __future__ import annotations

import numpy as np

from voxcli import log
from voxcli.errors import FileFormatError


def unnamed_columns(columns: np.ndarray, name: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(normals [N, 3], colours [N, 3] uint8) of the columns [N, K] behind x, y, z; None for what is not there.

    Three columns, or six in either order: colours where they are integers in 0..255, normals where they have unit length (or none, as
    of points without a normal), colours again where all lie in 0..1. Any other number of columns is left out, with a warning.
    FileFormatError for three that are neither.
    """
    if columns.shape[1] not in (0, 3, 6):
        count = columns.shape[1]
        log.warn(f"{name}: {count} column{'s' * (count > 1)} behind x, y and z left out: nothing says what they are.")
        return None, None
    normals = colours = None
    for three in np.split(columns, columns.shape[1] // 3, axis=1) if columns.shape[1] else []:
        length = np.linalg.norm(three.astype(np.float64), axis=1)
        unit = np.isclose(length, 1.0, atol=1e-2)
        if np.all(three == np.rint(three)) and three.min() >= 0 and three.max() <= 255 and three.max() > 1:
            colours = three.astype(np.uint8)
        elif unit.any() and np.all(unit | (length == 0)):
            normals = three
        elif three.dtype.kind == "f" and three.min() >= 0 and three.max() <= 1:
            colours = np.rint(three * 255).astype(np.uint8)
        else:
            raise FileFormatError(
                f"{name}: columns behind x y z are neither colours nor unit normals.",
                expected="integers 0..255, numbers 0..1, or unit length",
                actual=three[0].tolist(),
                hint="XYZ files may name them in a first line: # x y z nx ny nz",
            )
    return normals, colours
